"""The engine with real terminals at the other end of a real link, from quote to flat."""

import pytest
from msgspec.structs import replace

from adapters.broker.faults import Fault
from adapters.broker.requests import Kind
from adapters.broker.server import ServerSettings
from adapters.mt5.constants import DealType
from engine.domain import records
from engine.domain.account import MarginMode, Mode
from engine.domain.close_orders import State, due_ms
from engine.domain.commands import Adopt, Flatten, Halt, Refused, Release
from engine.domain.ids import AccountKey
from engine.domain.positions import Side
from engine.domain.severity import Severity, severity_of
from engine.domain.snapshot import Quality
from engine.domain.terminal_views import TerminalView
from engine.domain.valuation import market_of
from engine.rounds import pass_time
from tests.adapters.broker.server_world import INSTRUMENTS
from tests.live.live_house import LiveHouse, live_house, spec_of, trailing

LOGIN = 1001
SLOW = ServerSettings(latency_ms=(20_000, 20_000))
"""A broker that leaves a close on its way."""
KEY = AccountKey("Demo-1", LOGIN)


async def breached(house: LiveHouse) -> None:
    """EURUSD falls by a hundred pips and more: a lot loses more than ten percent."""
    house.quote("EURUSD", 1.0880, 1.0881)
    await house.until(lambda: house.records(records.GuardBreach))


async def flat(house: LiveHouse) -> None:
    """The broker holds nothing, and the engine knows."""
    await house.until(lambda: not house.held(LOGIN))
    await house.until(lambda: not house.state(LOGIN).positions)
    live = house.state(LOGIN).live
    assert live is not None
    await house.until(lambda: not house.state(LOGIN).live.open_closes)  # type: ignore[union-attr]


def closes(house: LiveHouse) -> list[tuple[int, float]]:
    """(position, lots) of every closing deal at the broker, in order."""
    deals = house.server.accounts[LOGIN].deals
    return [(deal.position_id, deal.volume) for deal in deals if deal.entry in (1, 2, 3)]


async def test_a_breach_closes_at_the_broker_and_settles() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        position = house.open(LOGIN)
        await house.valued(LOGIN, 1)
        await breached(house)
        await flat(house)
        [breach] = house.records(records.GuardBreach)
        assert breach.guard == "trailing"
        await house.until(lambda: house.records(records.PositionClosed))
        [closed] = house.records(records.PositionClosed)
        assert (closed.position_id, closed.reason) == (position, "guard:trailing")
        assert [r.cause for r in house.records(records.AccountHalted)] == ["trailing"]
        told = house.server.accounts[LOGIN].balance_minor
        await house.until(lambda: house.state(LOGIN).balance_minor == told)
        assert severity_of(house.engine.snapshot(KEY)) is Severity.BREACHED


async def test_a_flatten_cancels_what_rests_and_closes_hedged_pairs_by_each_other() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        house.open(LOGIN, lots=2.0)
        house.open(LOGIN, lots=0.5, side=Side.SELL)
        order = house.do(
            LOGIN, Kind.PENDING, symbol="EURUSD", order_type=2, lots=1.0, price=1.0700
        ).order
        await house.valued(LOGIN, 2)
        await house.until(lambda: house.state(LOGIN).live.orders)  # type: ignore[union-attr]
        await breached(house)
        await flat(house)
        await house.until(lambda: house.records(records.OrderCancelled))
        [cancelled] = house.records(records.OrderCancelled)
        assert cancelled.order == order
        first = house.records(records.CloseIntended)[0]
        assert first.position_id == order, "what rests would refill the account"
        kinds = {r.kind for r in house.records(records.CloseSettled)}
        assert {"cancel", "close_by"} <= kinds


async def test_an_order_that_fills_while_it_is_cancelled_is_closed_with_the_rest() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        house.open(LOGIN)
        order = house.do(
            LOGIN, Kind.PENDING, symbol="EURUSD", order_type=2, lots=0.3, price=1.0879
        ).order
        await house.valued(LOGIN, 1)
        await house.until(lambda: house.state(LOGIN).live.orders)  # type: ignore[union-attr]
        house.server.faults.ask(LOGIN, Fault.LOST_COMMAND, 0, 2)  # the halt and the cancel
        await breached(house)
        house.quote("EURUSD", 1.0870, 1.0871)
        await house.until(
            lambda: any(r.position_id == order for r in house.records(records.PositionOpened))
        )
        await flat(house)


async def test_a_netting_account_is_closed_once_and_not_turned_over() -> None:
    spec = spec_of(LOGIN, margin_mode=MarginMode.NETTING)
    async with live_house([spec]) as house:
        house.open(LOGIN)
        await house.valued(LOGIN, 1)
        await breached(house)
        await flat(house)
        assert len(closes(house)) == 1


async def test_a_notice_is_waited_for_and_a_recovery_inside_it_cancels_nothing() -> None:
    async with live_house([spec_of(LOGIN, [trailing(notice_s=0.3)])]) as house:
        house.open(LOGIN)
        await house.valued(LOGIN, 1)
        await breached(house)
        assert house.held(LOGIN), "the notice has just begun"
        house.quote("EURUSD", 1.1000, 1.1001)
        await flat(house)
        breach, intended = (
            house.records(records.GuardBreach)[0],
            house.records(records.CloseIntended)[0],
        )
        assert intended.time_msc - breach.time_msc >= 300


@pytest.mark.parametrize(
    "fault",
    [
        Fault.LOST_COMMAND,
        Fault.LOST_REQUEST,
        Fault.LOST_REPLY,
        Fault.DISCONNECT_MID_CLOSE,
        Fault.DUPLICATE,
        Fault.REORDER,
    ],
)
async def test_whatever_is_lost_a_position_is_closed_exactly_once(fault: Fault) -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        position = house.open(LOGIN)
        await house.valued(LOGIN, 1)
        house.server.faults.ask(LOGIN, fault, 0, 1)
        await breached(house)
        await flat(house)
        assert closes(house) == [(position, 1.0)]


async def test_a_requote_is_taken_at_the_new_price() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        house.open(LOGIN)
        await house.valued(LOGIN, 1)
        house.server.faults.ask(LOGIN, Fault.RETCODE, 10004, 2)
        await breached(house)
        await flat(house)
        await house.until(lambda: house.records(records.CloseSettled))
        assert house.records(records.CloseSettled)[0].attempts == 3


async def test_autotrading_off_pages_a_person_and_nothing_is_forgotten() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        house.open(LOGIN)
        await house.valued(LOGIN, 1)
        house.server.faults.ask(LOGIN, Fault.RETCODE, 10027, 1)
        await breached(house)
        await house.until(lambda: house.records(records.CloseAlert))
        [alert] = house.records(records.CloseAlert)
        assert (alert.kind, alert.page, alert.retcode) == ("cannot_act", True, 10027)
        assert severity_of(house.engine.snapshot(KEY)) is Severity.CLOSING


async def test_a_trade_by_hand_is_a_discrepancy_until_somebody_adopts_it() -> None:
    async with live_house([spec_of(LOGIN)], expects=True) as house:
        position = house.open(LOGIN, lots=0.1)
        await house.until(
            lambda: [r.state for r in house.records(records.Discrepancy)][-1:] == ["confirmed"]
        )
        found = house.records(records.Discrepancy)[-1]
        assert (found.kind, found.position_id) == ("unexpected", position)
        assert severity_of(house.engine.snapshot(KEY)) is Severity.DISCREPANCY
        await house.engine.command(KEY, Adopt(0, "a.kim", position, "mine"))
        await house.until(lambda: house.records(records.Discrepancy)[-1].state == "resolved")
        assert house.engine.snapshot(KEY).positions[0].intent_id == f"adopted-{position}"


async def test_a_close_by_hand_is_seen_with_its_reason() -> None:
    async with live_house([spec_of(LOGIN)], expects=True) as house:
        position = house.open(LOGIN, lots=0.1)
        await house.valued(LOGIN, 1)
        await house.engine.command(KEY, Adopt(0, "a.kim", position, "mine"))
        house.do(LOGIN, Kind.DEAL, symbol="EURUSD", side=Side.SELL, lots=0.1, position=position)
        await flat(house)
        await house.until(lambda: house.records(records.PositionClosed))
        assert house.records(records.PositionClosed)[0].reason == "external"
        external = [r for r in house.records(records.Discrepancy) if r.kind == "closed_externally"]
        assert (external[0].actual, external[0].state) == ("client", "confirmed")


async def test_a_failed_report_is_unknown_and_never_flat() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        house.open(LOGIN)
        await house.valued(LOGIN, 1)
        house.server.faults.ask(LOGIN, Fault.FAILED_REPORT, 0, 2)
        await house.engine.ask_report(KEY)
        await house.until(lambda: house.engine.snapshot(KEY).quality is Quality.UNKNOWN)
        assert len(house.state(LOGIN).positions) == 1, "what was held is held"
        assert house.engine.snapshot(KEY).reason == "the terminal's report failed"
        # It asks again by itself.
        await house.until(lambda: house.engine.snapshot(KEY).quality is Quality.KNOWN)


async def test_an_absurd_equity_report_closes_nothing() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        house.open(LOGIN, lots=0.1)
        await house.valued(LOGIN, 1)
        house.server.faults.ask(LOGIN, Fault.ABSURD_EQUITY, -5, 1)
        await house.until(
            lambda: (
                [r.state for r in house.records(records.Discrepancy) if r.kind == "equity_residual"]
                == ["suspected", "resolved"]
            )
        )
        assert not house.records(records.GuardBreach)
        assert house.held(LOGIN)


async def test_a_deposit_is_no_profit_and_moves_the_high_water_mark() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        house.open(LOGIN, lots=0.1)
        await house.valued(LOGIN, 1)
        house.server.move_money(LOGIN, DealType.BALANCE, 5000.0, house.own.clock.wall_msc(), "gift")
        await house.until(lambda: house.records(records.BalanceChanged))
        await house.until(lambda: house.engine.snapshot(KEY).equity_high_water == 15_000.0)
        assert house.records(records.BalanceChanged)[0].kind == "deposit"


async def test_what_a_strategy_opens_again_during_a_halt_is_closed_too() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        house.open(LOGIN, magic=77)
        await house.valued(LOGIN, 1)
        await breached(house)
        await flat(house)
        house.open(LOGIN, lots=0.3, magic=77)
        await house.until(lambda: house.records(records.PositionOpened)[1:])
        await flat(house)
        assert house.records(records.CloseIntended)[-1].reason == "reopened"
        by_hand = house.open(LOGIN, lots=0.1, magic=0)
        await house.until(lambda: len(house.state(LOGIN).positions) == 1)
        assert house.held(LOGIN) == [(by_hand, 0.1)], "a trade by hand bears no magic"


async def test_observe_only_watches_a_breach_and_trades_nothing() -> None:
    async with live_house([spec_of(LOGIN, mode=Mode.OBSERVE)]) as house:
        house.open(LOGIN)
        await house.valued(LOGIN, 1)
        await breached(house)
        refused = await house.engine.command(KEY, Flatten(0, "a.kim", "see"))
        assert isinstance(refused, Refused)
        assert not house.records(records.CloseIntended)
        assert house.held(LOGIN)


async def test_commands_of_a_person_are_durable_when_answered() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        house.open(LOGIN, lots=0.2)
        await house.valued(LOGIN, 1)
        halted = await house.engine.command(KEY, Halt(0, "a.kim", "look"))
        kept = await house.engine.records(KEY, 0, 100)
        assert not isinstance(halted, Refused)
        assert kept[halted.seq - 1].cause == "a.kim"  # type: ignore[attr-defined]
        taken = await house.engine.command(KEY, Flatten(0, "a.kim", "go"))
        assert not isinstance(taken, Refused)
        assert len(taken.intent_ids) == 1
        await flat(house)
        assert isinstance(
            await house.engine.command(KEY, Release(0, "b.lee", "a.kim", " ")), Refused
        )
        await house.engine.command(KEY, Release(0, "b.lee", "a.kim", "looked"))
        assert not house.state(LOGIN).is_halted


async def test_a_silent_terminal_is_stale_and_comes_back() -> None:
    async with live_house([spec_of(LOGIN), spec_of(1002)], silence_s=0.5) as house:
        house.open(LOGIN, lots=0.1)
        await house.valued(LOGIN, 1)
        house.server.faults.ask(LOGIN, Fault.SILENCE, 1200, 1)
        await house.until(lambda: house.engine.snapshot(KEY).quality is Quality.STALE)
        assert len(house.state(LOGIN).positions) == 1
        await house.until(lambda: house.engine.snapshot(KEY).quality is Quality.KNOWN)
        await house.until(
            lambda: (
                [r.state for r in house.records(records.LinkChanged, LOGIN)]
                == ["linked", "silent", "linked"]
            )
        )


async def test_guards_go_on_while_the_terminal_is_away_and_close_when_it_is_back() -> None:
    """Another terminal of the server quotes on; what has to go goes at the first report."""
    async with live_house([spec_of(LOGIN), spec_of(1002)]) as house:
        house.open(LOGIN)
        house.open(1002, lots=0.01)
        await house.valued(LOGIN, 1)
        await house.valued(1002, 1)
        house.server.faults.ask(LOGIN, Fault.CUT, 700, 1)
        await house.until(lambda: not house.gateway.is_linked(KEY))
        await breached(house)
        assert house.held(LOGIN)
        await flat(house)


async def test_a_crashed_account_hurts_only_itself() -> None:
    async with live_house([spec_of(LOGIN), spec_of(1002)]) as house:
        house.open(LOGIN)
        house.open(1002, lots=0.5)
        await house.valued(LOGIN, 1)
        await house.valued(1002, 1)

        def broken(*_: object, **__: object) -> None:
            raise RuntimeError("planted")

        house.engine._actor(KEY).sentry.read = broken  # type: ignore[method-assign]
        await breached_of(house, LOGIN)
        assert house.engine.health().crashed == {"Demo-1/1001": "RuntimeError: planted"}
        house.quote("EURUSD", 1.0760, 1.0761)
        await house.until(lambda: not house.held(1002))


async def breached_of(house: LiveHouse, login: int) -> None:
    house.quote("EURUSD", 1.0880, 1.0881)
    key = AccountKey("Demo-1", login)
    await house.until(lambda: str(key) in house.engine.health().crashed)


async def test_a_book_that_is_wrong_about_a_symbol_is_found_at_the_first_reports() -> None:
    wrong = [replace(INSTRUMENTS[0], contract_size=10_000.0), *INSTRUMENTS[1:]]
    async with live_house([spec_of(LOGIN, market=market_of(wrong, "USD"))]) as house:
        house.open(LOGIN, lots=0.1)
        await house.until(
            lambda: (
                [r.state for r in house.records(records.Discrepancy) if r.kind == "spec_changed"]
                == ["suspected", "confirmed"]
            )
        )
        found = next(r for r in house.records(records.Discrepancy) if r.kind == "spec_changed")
        assert (found.subject, found.expected) == ("EURUSD", "trade_contract_size 10000.0")


async def test_a_heartbeat_that_changes_nothing_leaves_the_account_to_the_kernel() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        house.open(LOGIN)
        await house.valued(LOGIN, 1)
        actor = house.engine._actor(KEY)
        await house.until(lambda: not actor.seat.is_held and actor.seat.watch is not None)
        watch, version, entries = actor.seat.watch, actor.version, actor.entries
        sightings = actor.state.live.sightings  # type: ignore[union-attr]
        await house.until(lambda: house.state(LOGIN).live.sightings >= sightings + 3)  # type: ignore[union-attr]
        assert actor.version > version
        assert actor.entries == entries
        assert actor.seat.watch is watch
        await breached(house)
        await flat(house)


async def test_time_is_told_once_to_a_busy_account_and_only_where_a_close_asks_for_it() -> None:
    async with live_house([spec_of(LOGIN)], settings=SLOW) as house:
        house.open(LOGIN)
        await house.valued(LOGIN, 1)
        actor = house.engine._actor(KEY)
        supervisor = house.engine._by_key[KEY].supervisor
        await breached(house)
        await house.until(lambda: [o.state for o in actor.state.live.closes] == [State.SENT])  # type: ignore[union-attr]
        [close] = actor.state.live.closes  # type: ignore[union-attr]
        due_msc = due_ms(close)
        assert due_msc > close.decided_at_ms + 1000
        pass_time(supervisor, due_msc - 1)
        assert not actor.awaits_time
        waiting = actor.inbox.statistics().urgent
        pass_time(supervisor, due_msc)
        pass_time(supervisor, due_msc)
        assert actor.inbox.statistics().urgent == waiting + 1
        await house.until(lambda: not actor.awaits_time)


async def test_a_full_report_says_how_long_it_took() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        house.open(LOGIN)
        await house.valued(LOGIN, 1)

        def took_ms() -> float | None:
            live = house.engine.snapshot(KEY).live
            return None if live is None else live.reconciliation.last_sync_duration_ms

        await house.until(lambda: took_ms() is not None)
        assert took_ms() == house.engine.sink.compared_ms[KEY] > 0.0


async def test_an_account_says_what_is_known_of_its_terminal() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        house.open(LOGIN)
        await house.valued(LOGIN, 1)

        def seen() -> TerminalView:
            live = house.engine.snapshot(KEY).live
            assert live is not None
            assert live.terminal is not None
            return live.terminal

        await house.until(lambda: seen().heartbeat_msc is not None)
        first = seen()
        assert first.build > 0
        assert first.handshake_ms is not None
        assert first.report_ms is not None
        # Both sides have one clock here: little but the way is between them.
        assert first.clock_offset_ms is not None
        assert -30_000 < first.clock_offset_ms < 1_000
        assert (first.reconnects, first.gaps, first.lost_msc) == (0, 0, None)
