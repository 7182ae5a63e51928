"""What the dashboard's tests are told of the past: equity in buckets, records, a verdict."""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from engine.domain.records import AnyRecord, PositionClosed
from engine.domain.snapshot import Snapshot
from engine.equity_history import PeriodStatistics
from engine.trade_figures import figures_of
from tests.browser.desk_world import now_msc

SECONDS = {"1s": 1, "10s": 10, "1m": 60, "15m": 900, "1h": 3600, "1d": 86_400}
KEPT = {"1s": 300, "10s": 360, "1m": 480, "15m": 288, "1h": 336, "1d": 60}
GAP = range(200, 216)
"""Buckets of the finer levels in which nobody valued anything."""


def buckets_of(one: Snapshot | None, bucket: str, from_msc: int, to_msc: int) -> Any:
    """As `/equity` answers: waves that end where the account is now."""
    each_s = SECONDS[bucket]
    if one is None:
        return {"buckets": _seconds_around(from_msc, to_msc), "bucket": "1s", "bucket_s": 1}
    level = 100_000.0 if one.equity is None else one.equity
    end = now_msc() // (each_s * 1000) * each_s * 1000
    count = KEPT[bucket]
    found = []
    for n in range(count):
        start = end - (count - 1 - n) * each_s * 1000
        if not from_msc - each_s * 1000 < start < to_msc or (each_s < 900 and n in GAP):
            continue
        last = level + _wave(n, count)
        spread = 90.0
        if each_s == 86_400:
            last, spread = last + 420 * math.sin(n * 1.7), 300 + 260 * math.sin(n * 2.9)
        found.append({"start_msc": start, "open": last, "high": last + spread / 3,
                      "low": last - spread / 2, "close": last,
                      "balance_close": 100_000.0})  # fmt: skip
    return {"buckets": found, "bucket": bucket, "bucket_s": each_s}


def _wave(n: int, count: int) -> float:
    """How far above its last value the equity was."""
    return (count - 1 - n) / count * (3_400 + 700 * math.sin(n / 17) + 380 * math.sin(n / 5.3))


def _seconds_around(from_msc: int, to_msc: int) -> list[dict[str, Any]]:
    """The equity of the verdict's account: it falls to the breach, and is flat soon after."""
    found = []
    for start in range(from_msc // 1000 * 1000, min(to_msc, now_msc()), 1000):
        left_s = (AT_MSC - start) / 1000
        level = 97_058.3
        if left_s > 0:
            level = 97_093.3 + 24 * left_s + 160 * math.sin(left_s / 3.1) * min(1, left_s / 9)
        spread = 70 if left_s > -1 else 0
        found.append({"start_msc": start, "open": level, "high": level + spread,
                      "low": min(level, level - spread / 3), "close": level,
                      "balance_close": 100_000.0 if left_s > 0 else 97_058.3})  # fmt: skip
    return found


def records_of(one: Snapshot) -> list[dict[str, Any]]:
    """What may have happened to it, oldest first."""
    at = {"login": one.login, "server": one.server}
    now = now_msc()
    made: list[dict[str, Any]] = [
        {"type": "account_opened", "time_msc": now - 9_000_000, "balance": 100_000.0,
         "equity": 100_000.0, "initial": 100_000.0, "currency": "USD"},
        {"type": "day_reset", "time_msc": now - 3_000_000, "guard": "daily_loss",
         "reference": 100_000.0, "floor": 95_000.0, "local_time": "00:00"},
        {"type": "position_opened", "time_msc": now - 2_950_000, "position_id": 490,
         "symbol": "EURUSD", "side": "buy", "volume_lots": 0.5, "open_price": 1.08, "magic": 7},
        {"type": "balance_changed", "time_msc": now - 2_400_000, "kind": "deposit",
         "amount": 500.0, "balance": 100_500.0, "credit": 0.0},
        {"type": "balance_changed", "time_msc": now - 2_000_000, "kind": "withdrawal",
         "amount": -500.0, "balance": 100_000.0, "credit": 0.0},
        {"type": "position_closed", "time_msc": now - 1_900_000, "position_id": 490,
         "symbol": "EURUSD", "side": "buy", "volume_lots": 0.5, "open_price": 1.08,
         "close_price": 1.0838, "profit": 190.0, "reason": "manual"},
        {"type": "link_changed", "time_msc": now - 1_560_000, "state": "silent",
         "cause": "nothing came for 3 s"},
        {"type": "link_changed", "time_msc": now - 1_440_000, "state": "linked", "cause": ""},
        {"type": "position_closed", "time_msc": now - 700_000, "position_id": 491,
         "symbol": "GBPUSD", "side": "sell", "volume_lots": 0.4, "open_price": 1.26,
         "close_price": 1.2649, "profit": -196.0, "reason": "stop_loss"},
        {"type": "intent_registered", "time_msc": now - 100_000, "intent_id": "int_trend",
         "by": "service:trend", "symbol": "XAUUSD", "side": "buy", "volume_lots": 1.4},
    ]  # fmt: skip
    guard = one.guards[0]
    if one.equity is not None and (guard.warned or guard.breached):
        then = round(one.equity + _wave(270, 360), 2)
        made.insert(-1, {"type": "guard_warning", "time_msc": now - 890_000,
                         "verdict_id": "vrd_6K", "guard": guard.name, "kind": "equity_limit",
                         "equity": then, "balance": 100_000.0, "floor": 95_000.0,
                         "reference": 100_000.0,
                         "used_percent": round((100_000.0 - then) / 50, 1)})  # fmt: skip
    if guard.breached:
        made.append(
            {"type": "guard_breach", "time_msc": now - 400, "verdict_id": "vrd_7Q",
             "guard": "daily_loss", "kind": "equity_limit", "equity": 94_848.8,
             "balance": 100_000.0, "floor": 95_000.0, "reference": 100_000.0,
             "measured": "equity", "comparator": "below", "action": "close_and_halt"}
        )  # fmt: skip
    return [{"seq": seq, **record, **at} for seq, record in enumerate(made, 1)]


def statistics_of(one: Snapshot, from_msc: int, to_msc: int) -> PeriodStatistics:
    """A period, its closes counted as the engine counts them; the fall is made up."""
    past = [msgspec.convert(told, AnyRecord) for told in records_of(one)]
    within = [each for each in past if from_msc <= each.time_msc < to_msc]
    closed = [each for each in within if isinstance(each, PositionClosed)]
    is_all = not from_msc
    return PeriodStatistics(
        from_msc=from_msc, to_msc=min(to_msc, now_msc()),
        profit=sum(each.profit for each in closed), moved=0.0, closed_positions=len(closed),
        trade_days=len({each.time_msc // 86_400_000 for each in closed}),
        max_drawdown=3_212.5 if is_all else 812.4, max_drawdown_percent=3.1 if is_all else 0.8,
        max_drawdown_msc=now_msc() // 1000 * 1000 - 7_200_000, is_exact=not is_all,
        is_complete=True, trades=figures_of(within),
    )  # fmt: skip


AT_MSC = now_msc() // 1000 * 1000 - 59_310
"""The instant of the verdict."""
VERDICT = {
    "verdict_id": "vrd_7Q", "server": "Demo-1", "login": 1001,
    "record": {"type": "guard_breach", "seq": 12, "time_msc": AT_MSC, "login": 1001,
               "server": "Demo-1", "guard": "trailing", "kind": "equity_limit", "equity": 97_093.3,
               "balance": 100_000.0, "floor": 97_133.1, "reference": 102_133.1,
               "comparator": "below", "action": "close_and_halt",
               "tick": {"index": 66_955, "symbol": "XAUUSD", "bid": 1274.716, "ask": 1277.337}},
    "formula": "floor = 102133.1 - 5000.0 = 97133.1 USD; equity 97093.3 < 97133.1 USD",
    "quotes": {"XAUUSD": {"bid": 1274.716, "ask": 1277.337, "age_ms": 0}},
    "balance": 100_000.0, "credit": 0.0, "currency": "USD",
    "positions": [{"position_id": 501, "symbol": "XAUUSD", "side": "buy", "volume_lots": 2.0,
                   "open_price": 1284.405, "stop_loss": None, "swap_minor": 0},
                  {"position_id": 502, "symbol": "XAUUSD", "side": "buy", "volume_lots": 1.0,
                   "open_price": 1284.405, "stop_loss": None, "swap_minor": 0}],
    "rules": [{"type": "equity_limit", "name": "trailing", "comparator": "below",
               "warn_percent": 75.0, "action": "close_and_halt",
               "amount": {"type": "money", "amount_minor": 500_000}}],
    "ruleset": "house", "ruleset_hash": "ab" * 32, "digest": "9f3a41c2d0b7", "agrees": True,
    "journal_head": "4711:" + "cd" * 32,
    "timings": [],
}  # fmt: skip


def after_verdict() -> list[dict[str, Any]]:
    """What came of `VERDICT`."""
    at = {"login": 1001, "server": "Demo-1"}
    reason = "guard:trailing"
    made: list[dict[str, Any]] = [
        {"type": "account_halted", "after": 0, "cause": "trailing"},
        {"type": "close_intended", "after": 0, "intent_id": "c-1", "position_id": 501,
         "target_volume_lots": 0.0, "reason": reason},
        {"type": "close_intended", "after": 0, "intent_id": "c-2", "position_id": 502,
         "target_volume_lots": 0.0, "reason": reason},
        {"type": "position_closed", "after": 212, "position_id": 501, "symbol": "XAUUSD",
         "side": "buy", "volume_lots": 2.0, "open_price": 1284.405, "close_price": 1274.516,
         "profit": -1_977.8, "reason": reason},
        {"type": "close_settled", "after": 214, "intent_id": "c-1", "position_id": 501,
         "kind": "close", "attempts": 1, "took_ms": 214},
        {"type": "position_closed", "after": 410, "position_id": 502, "symbol": "XAUUSD",
         "side": "buy", "volume_lots": 1.0, "open_price": 1284.405, "close_price": 1274.766,
         "profit": -963.9, "reason": reason},
        {"type": "close_settled", "after": 412, "intent_id": "c-2", "position_id": 502,
         "kind": "close", "attempts": 2, "took_ms": 412},
    ]  # fmt: skip
    return [
        {"seq": 12 + place, "time_msc": AT_MSC + record["after"], **record, **at}
        for place, record in enumerate(made, 1)
    ]


def incidents_of(accounts: Iterable[Snapshot], kind: str) -> list[dict[str, Any]]:
    """As `/incidents` lists them, the newest first."""
    found = []
    for one in accounts:
        for record in records_of(one):
            if "verdict_id" not in record or not record["type"].endswith(kind):
                continue
            is_breach = record["type"] == "guard_breach"
            flat_ms = 412 if is_breach and not one.positions else None
            found.append(
                {"verdict_id": record["verdict_id"], "type": record["type"], "seq": record["seq"],
                 "time": datetime.fromtimestamp(record["time_msc"] / 1000, UTC).isoformat(),
                 "server": one.server, "login": one.login, "currency": one.currency,
                 "guard": record["guard"], "subject": "", "equity": record["equity"],
                 "floor": record["floor"], "used_percent": record.get("used_percent"),
                 "closes": 3 if is_breach else 0, "waits": 0,
                 "settled": 3 if flat_ms else 1 if is_breach else 0, "flat_after_ms": flat_ms}
            )  # fmt: skip
    return sorted(found, key=lambda each: str(each["time"]), reverse=True)


def discrepancies_of(accounts: Iterable[Snapshot]) -> list[dict[str, Any]]:
    """Records of what differs, and of what differed once."""
    now = now_msc()
    return [
        {"type": "discrepancy", "seq": 9, "time_msc": now - age, "login": one.login,
         "server": one.server, "kind": row.kind, "state": state, "position_id": row.position_id,
         "intent_id": None, "subject": row.subject, "expected": row.expected,
         "actual": row.actual}
        for one in accounts if one.live is not None
        for row in one.live.discrepancies
        for age, state in ((90_000, "confirmed"), (95_000, "suspected"), (4_000_000, "resolved"))
    ]  # fmt: skip


LOST = {"house": 5_000.0, "tight": 1_000.0, "loose": 8_000.0}
"""What `daily_loss` lets an account lose, by rule set."""


def rulesets_of(accounts: Iterable[Snapshot]) -> list[dict[str, Any]]:
    """As `/rulesets` tells an admin."""
    used = [one.ruleset for one in accounts]
    return [
        {"name": name, "accounts": used.count(name), "currency": "USD", "ruleset_hash": "ab" * 32,
         "minimum_hold_s": 0.0, "guards": []}
        for name in LOST
    ]  # fmt: skip


def outlook_of(one: Snapshot, ruleset: str) -> dict[str, Any]:
    """As the engine would see it: `daily_loss` alone, of another amount."""
    now = one.guards[0]
    floor = 100_000.0 - LOST[ruleset]
    room = None if one.equity is None else one.equity - floor
    overall = {"reference": 100_000.0, "floor": 90_000.0, "room": one.guards[1].distance,
               "used_percent": None, "action": now.action}  # fmt: skip
    guards = [
        {"name": now.name, "words": f"Breaches when equity is below {floor} USD.",
         "before": {"reference": 100_000.0, "floor": now.floor, "room": now.distance,
                    "used_percent": now.used_percent, "action": now.action},
         "after": {"reference": 100_000.0, "floor": floor, "room": room, "used_percent": None,
                   "action": now.action},
         "breaches": room is not None and room < 0},
        {"name": "overall", "words": None, "before": overall,
         "after": None if ruleset == "loose" else overall, "breaches": False},
    ]  # fmt: skip
    return {"currency": one.currency, "ruleset": ruleset, "in_force": one.ruleset,
            "is_tighter": LOST[ruleset] < LOST[one.ruleset], "equity": one.equity,
            "guards": guards}  # fmt: skip
