"""Accounts for the dashboard's tests, as the API shows them: real snapshots, numbers made up."""

import time
from typing import Any

import msgspec
from msgspec.structs import replace

from engine.domain.guard_views import GuardView
from engine.domain.live_views import (
    CloseView,
    DiscrepancyView,
    LinkView,
    LiveView,
    OrderView,
    ReconciliationView,
)
from engine.domain.snapshot import PositionView, Quality, Snapshot
from engine.domain.terminal_views import TerminalView
from facade.api_structs_accounts import account_view

PRICES = {"EURUSD": 1.08415, "XAUUSD": 1274.716, "USDJPY": 151.204, "GBPUSD": 1.26730}


def now_msc() -> int:
    return int(time.time() * 1000)


def position(number: int, symbol: str, lots: float, profit: float | None, side: str = "buy",
             *, intent: str | None = "int_trend") -> PositionView:  # fmt: skip
    price, digits = PRICES[symbol], 5 if PRICES[symbol] < 100 else 3
    return PositionView(
        position_id=number, ticket=number, symbol=symbol, side=side, volume_lots=lots,
        open_price=round(price * 1.001, digits), current_price=price, profit=profit, swap=-1.2,
        stop_loss=None if number % 2 else round(price * 0.99, digits), take_profit=None,
        opened_at_msc=now_msc() - 5_400_000, magic=7, comment="", intent_id=intent,
    )  # fmt: skip


def guard(name: str, reference: float, floor: float, equity: float | None, *,
          reset_in_ms: int | None = 34_140_000, breached: bool = False) -> GuardView:  # fmt: skip
    now = now_msc()
    used = None if equity is None else 100.0 * (reference - equity) / (reference - floor)
    return GuardView(
        name=name, kind="equity_limit", action="close_and_halt",
        warned=used is not None and used >= 75, breached=breached,
        breached_at_msc=now if breached else None, close_due_msc=None, evaluated_at_msc=now - 900,
        reference=reference, floor=floor, distance=None if equity is None else equity - floor,
        used_percent=None if used is None else max(0.0, used), warn_percent=75.0,
        floor_after_reset=None if equity is None else round(equity * 0.95, 2),
        next_reset_msc=None if reset_in_ms is None else now + reset_in_ms, age_ms=200,
        comparator="below", latch="until_reset", reset_zone="Europe/Prague",
    )  # fmt: skip


def live(closes: tuple[CloseView, ...] = (), discrepancies: tuple[DiscrepancyView, ...] = (),
         *, link: str = "linked", equity: float = 0.0, orders: int = 0) -> LiveView:  # fmt: skip
    now = now_msc()
    return LiveView(
        link=LinkView(state=link, since_msc=now - 9_000_000, session="s_9f3a41c2", epoch=3,
                      reason="", heard_msc=now - 800, balance=equity, equity=equity, margin=2_000.0,
                      margin_level=4_800.0, trade_allowed=True),
        reconciliation=ReconciliationView(
            status="warning" if discrepancies else "healthy", total_syncs=412,
            last_sync_msc=now - 30_000, open_positions=2, matched_positions=2,
            divergences=len(discrepancies), error=None),
        closes=closes, discrepancies=discrepancies,
        orders=tuple(OrderView(ticket=9_000 + n, symbol="XAUUSD", type="buy_limit", volume_lots=0.5,
                               price=1260.5, stop_loss=None, take_profit=None, magic=7, comment="")
                     for n in range(orders)),
        intents=(), estimated_since_msc=None,
        terminal=TerminalView(
            build=4755, company="Harbour Markets Ltd", gmt_offset_s=10_800, handshake_ms=41.3,
            report_ms=186.0, heartbeat_msc=now - 800, clock_offset_ms=-1_840, reconnects=2,
            lost_msc=now - 9_002_000, lost_cause="hung_up", gaps=1, gap_msc=now - 5_000_000),
    )  # fmt: skip


def close(number: int, symbol: str, state: str = "sent", retcode: int | None = None) -> CloseView:
    now = now_msc()
    return CloseView(
        intent_id=f"int_close_{number}", kind="close", position_id=number, position_by=None,
        symbol=symbol, state=state, reason="guard:daily_loss", target_volume_lots=0.0,
        volume_lots=1.4, attempts=1, retcode=retcode,
        answer=None if retcode is None else "requote", decided_at_msc=now - 410,
        sent_at_msc=now - 400, alerts=(),
    )  # fmt: skip


def discrepancy() -> DiscrepancyView:
    now = now_msc()
    return DiscrepancyView(
        kind="unexpected", state="confirmed", position_id=77, intent_id=None,
        subject="GBPUSD 77", expected=None, actual="buy 0.30", first_seen_msc=now - 95_000,
        last_seen_msc=now - 1_000, count=4, policy="alert",
    )  # fmt: skip


def account(login: int, equity: float | None = 101_250.4, *, server: str = "Demo-1",
            positions: tuple[PositionView, ...] = (), **over: Any) -> Snapshot:  # fmt: skip
    """A healthy account of 100,000 with a daily and an overall floor."""
    now = now_msc()
    day_floor, floor = 95_000.0, 90_000.0
    breached = equity is not None and equity < day_floor
    guards = (guard("daily_loss", 100_000.0, day_floor, equity, breached=breached),
              guard("overall", 100_000.0, floor, equity, reset_in_ms=None))  # fmt: skip
    nearest = guards[1] if breached else guards[0]
    made = Snapshot(
        server=server, login=login, currency="USD", mode="enforce", seq=12, feed_version=1,
        time_msc=now, quality=Quality.KNOWN, reason=None, age_ms=180, balance=100_000.0, credit=0.0,
        initial=100_000.0, equity=equity, profit=None if equity is None else equity - 100_000.0,
        margin=2_100.0, free_margin=95_000.0, margin_level=4_821.4, equity_high_water=101_900.0,
        drawdown=None if equity is None else max(0.0, 101_900.0 - equity),
        drawdown_percent=None if equity is None else max(0.0, (101_900.0 - equity) / 1_019.0),
        max_drawdown=2_100.0, max_drawdown_percent=2.06, max_drawdown_time_msc=now - 7_200_000,
        ticks=66_955, halts=(), nearest_guard=nearest.name, room=nearest.distance,
        room_percent=None if nearest.used_percent is None else 100 - nearest.used_percent,
        positions=positions, guards=guards, ruleset="house", live=live(equity=equity or 0.0),
    )  # fmt: skip
    return replace(made, **over)


def house() -> list[Snapshot]:
    """One account of each state, and some that are well."""
    held = (position(501, "XAUUSD", 1.4, -3_101.5), position(502, "EURUSD", 2.0, -2_050.2, "sell"),
            position(503, "USDJPY", 0.8, 0.5))  # fmt: skip
    warned = (position(601, "XAUUSD", 2.2, -4_110.0), position(604, "EURUSD", 1.0, -291.4))
    known = [
        account(1100 + n, 99_000.0 + 137.35 * n, server="Demo-2" if n % 3 else "Demo-1",
                positions=(position(700 + n, tuple(PRICES)[n % 4], 0.1 * (n + 1), 37.35 * n),),
                age_ms=100 + 40 * n, currency="EUR" if n % 5 == 4 else "USD")
        for n in range(14)
    ]  # fmt: skip
    stale = account(1015, 100_310.0, quality=Quality.STALE, age_ms=12_400,
                    reason="no quote of XAUUSD for 12 s", positions=warned[:1],
                    live=live(link="silent", equity=100_310.0))  # fmt: skip
    return [
        account(1007, 94_848.8, positions=held, halts=("daily_loss",),
                live=live((close(501, "XAUUSD", "waiting", 10004), close(502, "EURUSD")),
                          equity=94_848.8)),
        account(1003, 94_310.0, halts=("daily_loss",)),
        account(1021, None, quality=Quality.UNKNOWN, reason="XAGUSD has no quote yet", age_ms=None,
                profit=None, positions=(position(901, "XAUUSD", 1.0, None),)),
        account(1011, 95_597.45, positions=warned, live=live(equity=95_597.45, orders=2)),
        account(1012, 96_120.0, positions=warned[:1]),
        stale,
        account(1033, 100_040.0, live=live((), (discrepancy(),), equity=100_040.0),
                positions=(position(77, "GBPUSD", 0.3, 40.0, intent=None),
                           position(78, "EURUSD", 0.5, 0.0))),
        account(1040, 99_700.0, halts=("operator: a.kim",)),
        account(1041, 100_900.2, mode="observe"),
        *known,
    ]  # fmt: skip


def many(count: int) -> list[Snapshot]:
    return [account(20_000 + n, 96_500.0 + (n * 7_919 % 5_000), live=None) for n in range(count)]


def shown(snapshot: Snapshot) -> bytes:
    """As the API answers it."""
    return msgspec.json.encode(account_view(snapshot))
