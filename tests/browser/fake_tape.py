"""What the dashboard's tests are told tick by tick: a breach of gold, and prices of an hour."""

import math
from typing import Any

from tests.browser.desk_world import PRICES, now_msc
from tests.browser.fake_history import AT_MSC, VERDICT

LOTS_OUNCES = 300.0
FLOOR = 97_133.1
CLOSED_MS = 410
_RECORD: dict[str, Any] = VERDICT["record"]  # type: ignore[assignment]


def _ticks() -> list[dict[str, Any]]:
    """Gold falls two dollars and a half in a second, at 0 through the floor."""
    found = []
    steps = [*range(-20_400, -2_000, 430), *range(-1_900, 2_000, 97), *range(2_100, 8_000, 430)]
    index = int(_RECORD["tick"]["index"]) - sum(1 for at in steps if at < 0)
    for at in sorted({*steps, 0}):
        left_s = -at / 1000
        bid = 1274.716 + (0.42 * min(left_s, 2.4) + 0.11 * math.sin(left_s * 2.3) * min(1, left_s))
        if at > 0:
            bid = 1274.716 - 1.4 * (1 - math.exp(left_s)) + 0.16 * math.sin(left_s * 3)
        if at == 0:
            bid = 1274.716
        held = round(97_093.3 + LOTS_OUNCES * (bid - 1274.716), 2)
        found.append(
            {"index": index, "time_msc": AT_MSC + at, "symbol": "XAUUSD", "bid": round(bid, 3),
             "ask": round(bid + 2.621, 3), "equity": 97_058.3 if at > CLOSED_MS else held,
             "equity_held": held, "floor": FLOOR}
        )  # fmt: skip
        index += 1
    return found


def tape() -> dict[str, Any]:
    """As `/verdicts/vrd_7Q/tape` answers."""
    ticks = _ticks()
    beats = [n * 1000 - 20_000 + 170 for n in range(28)]
    broker = [
        {"time_msc": AT_MSC + at,
         "equity": next(one["equity"] for one in reversed(ticks) if one["time_msc"] <= AT_MSC + at)}
        for at in beats
    ]  # fmt: skip
    decided = next(one for one in ticks if one["time_msc"] == AT_MSC)
    return {
        "verdict_id": "vrd_7Q", "server": "Demo-1", "login": 1001, "currency": "USD",
        "guard": "trailing", "time_msc": AT_MSC, "from_msc": AT_MSC - 20_000,
        "to_msc": AT_MSC + 8_000, "is_whole": True, "is_final": True,
        "decided_index": decided["index"], "equity": 97_093.3, "agrees": True, "ticks": ticks,
        "broker": broker, "polled_until_msc": AT_MSC + 60_000,
        "polls": [_poll("10s", 0.0, 4_870, 9_310, 9_880, 96_614.2, 479.1),
                  _poll("30s", 41.2667, 8_240, 16_700, 17_619, 96_590.8, 502.5),
                  _poll("60s", 100.0, None, None, None, None, None)],
    }  # fmt: skip


def _poll(
    period: str, missed: float, median: int | None, p95: int | None, last: int | None,
    worst: float | None, cost: float | None,
) -> dict[str, Any]:  # fmt: skip
    return {"period": period, "phases": int(period[:-1]) * 1000, "missed_percent": missed,
            "late_min_ms": None if median is None else 0, "late_median_ms": median,
            "late_p95_ms": p95, "late_max_ms": last, "equity_median": worst,
            "equity_worst": worst, "cost_median": cost, "cost_worst": cost}  # fmt: skip


def prices_of(symbol: str) -> list[dict[str, Any]]:
    """As `/prices` answers: the last hour, a second apart."""
    last, end = PRICES[symbol], now_msc() // 1000 * 1000
    found = []
    for ago in range(3_599, 0, -1):
        moved = last * 2e-3 * (math.sin(ago / 170) + 0.4 * math.sin(ago / 37)) * min(1, ago / 200)
        bid = round(last + moved, 5)
        found.append({"start_msc": end - ago * 1000, "bid": bid, "ask": round(bid * 1.0001, 5)})
    return found
