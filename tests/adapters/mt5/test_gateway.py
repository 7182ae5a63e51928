"""The gateway over real loopback TLS: links, quotes, silence, succession, and commands."""

import pytest
import trio

from adapters.mt5.protocol import EndCode, Ended
from adapters.mt5.terminal_side import Commanded, TerminalEvent, TerminalSession, Welcomed
from engine.domain.ids import AccountKey
from engine.errors import UserError
from engine.link import Action, Handed, PositionChange, TerminalCommand
from tests.adapters.mt5.link_house import Line, contexts, house
from tests.adapters.mt5.link_samples import (
    ACCOUNT,
    GMT,
    beat,
    deal,
    position,
    quote,
    report,
    result,
)

OTHER = AccountKey("Demo-1", 1002)
CLOSE = TerminalCommand(action=Action.CLOSE, intent_id="int_1", position=7)


async def commanded(line: Line, action: Action) -> Commanded:
    """The next command of this kind that reaches the terminal."""

    def wanted(event: TerminalEvent) -> bool:
        return isinstance(event, Commanded) and event.command.action is action

    event = await line.until(wanted)
    assert isinstance(event, Commanded)
    return event


async def test_what_a_terminal_says_reaches_the_sink_in_order() -> None:
    async with house() as open_house, open_house.linked() as line:
        side, held = line.side, position(7)
        await line.say(
            side.send_report(report(held), GMT),
            side.send_quotes([quote(), quote("GBPUSD")], GMT),
            side.send_position(PositionChange.OPENED, position(8), GMT),
            side.send_deals([deal(1)], GMT),
            side.send_result(result("int_1"), GMT),
            side.send_heartbeat(beat(held, position(8)), GMT),
        )
        await open_house.sink.until("heartbeat")
        kinds = [call[0] for call in open_house.sink.calls]
        told = ["reported", "quotes", "position", "deal", "result", "heartbeat"]
        assert kinds == ["led", "linked", *told]
        assert open_house.sink.of("reported") == [(ACCOUNT, report(held))]
        assert open_house.sink.of("quotes") == [("Demo-1", ["EURUSD", "GBPUSD"])]
        assert open_house.gateway.statistics().links == 1


async def test_a_command_reaches_the_terminal_with_the_epoch_of_the_link() -> None:
    async with house() as open_house:
        assert open_house.gateway.send_nowait(ACCOUNT, CLOSE) is Handed.NOT_LINKED
        async with open_house.linked(session=TerminalSession("run-1", epoch_seen=6)) as line:
            assert await open_house.gateway.send(ACCOUNT, CLOSE) is Handed.HANDED
            event = await commanded(line, Action.CLOSE)
            assert (event.command.epoch, event.command.position) == (7, 7)
            assert await open_house.epochs.read(ACCOUNT) == 7


async def test_each_link_has_a_higher_epoch_than_the_one_before() -> None:
    async with house() as open_house:
        session = TerminalSession("run-1")
        for epoch in (1, 2, 3):
            async with open_house.linked(session=session):
                assert session.epoch_seen == epoch
            await open_house.sink.until("unlinked", epoch)


async def test_a_gap_or_a_digest_asks_the_terminal_for_a_report() -> None:
    async with house() as open_house, open_house.linked() as line:
        side = line.side
        await line.say(side.send_report(report(), GMT), side.send_heartbeat(beat(position(7)), GMT))
        await commanded(line, Action.REPORT)
        await line.say(side.send_report(report(position(7)), GMT))
        side.send_deals([deal(1)], GMT)
        await line.say(side.send_deals([deal(2)], GMT))
        await commanded(line, Action.REPORT)
        counted = open_house.gateway.statistics()
        assert counted.reports_needed == {"digest": 1, "gap": 1}
        assert counted.gaps == 1


async def test_the_sink_is_told_how_long_the_answer_to_the_challenge_took() -> None:
    async with house() as open_house, open_house.linked():
        [(facts,)] = await open_house.sink.until("linked")
        assert facts.handshake_ms is not None
        assert 0.0 < facts.handshake_ms < 60_000.0


async def test_silence_makes_an_account_stale_and_a_frame_ends_it() -> None:
    async with (
        house(silence_s=0.1, heartbeat_ms=50) as open_house,
        open_house.linked() as line,
    ):
        assert await open_house.sink.until("stale") == [(ACCOUNT,)]
        assert open_house.gateway.statistics().stale == 1
        await line.say(line.side.send_report(report(), GMT))
        await open_house.sink.until("reported")
        assert open_house.gateway.statistics().stale == 0


async def test_pieces_of_a_frame_are_silence() -> None:
    async with (
        house(silence_s=0.1, heartbeat_ms=50) as open_house,
        open_house.linked() as line,
    ):
        for byte in line.side.send_heartbeat(beat(), GMT)[:12]:
            await line.say(bytes([byte]))
            await trio.sleep(0.02)
        assert open_house.sink.of("stale") == [(ACCOUNT,)]


async def test_a_terminal_that_stays_silent_is_let_go() -> None:
    limits = {"silence_s": 0.05, "heartbeat_ms": 50, "lost_s": 0.2}
    async with house(**limits) as open_house, open_house.linked() as line:
        assert await line.end_code() == "retry"
        assert await open_house.sink.until("unlinked") == [(ACCOUNT, "silent")]


async def test_a_newer_link_of_the_account_wins_and_the_older_is_told() -> None:
    newer_session = TerminalSession("run-2", 1)
    async with (
        house() as open_house,
        open_house.linked() as older,
        open_house.linked(session=newer_session) as newer,
    ):
        assert await older.end_code() == "superseded"
        assert await open_house.sink.until("unlinked") == [(ACCOUNT, "superseded")]
        kinds = [call[0] for call in open_house.sink.calls]
        assert kinds == ["led", "linked", "unlinked", "linked"]
        assert await open_house.gateway.send(ACCOUNT, CLOSE) is Handed.HANDED
        await commanded(newer, Action.CLOSE)
        assert open_house.gateway.statistics().links == 1


async def test_a_newer_link_wins_though_the_older_waits_for_the_sink() -> None:
    async with house() as open_house, open_house.linked() as older:
        open_house.sink.held = trio.Event()
        await older.say(older.side.send_deals([deal(1)], GMT))
        await open_house.sink.until("deal")
        async with open_house.linked(session=TerminalSession("run-2", 1)):
            assert await open_house.sink.until("unlinked") == [(ACCOUNT, "superseded")]


async def test_a_link_outrun_while_it_is_let_in_is_told_and_never_linked() -> None:
    async with house() as open_house, open_house.linked() as first:
        open_house.sink.held, open_house.sink.shields = trio.Event(), True
        await first.say(first.side.send_deals([deal(1)], GMT))
        await open_house.sink.until("deal")
        second_session, third_session = (TerminalSession(f"run-{n}", n) for n in (2, 3))
        async with (
            open_house.line(session=second_session) as second,
            open_house.line(session=third_session) as third,
        ):
            for line, epoch in ((second, 3), (third, 4)):
                await line.say(line.side.send_hello())
                await line.hear()
                await line.say(line.side.send_proof())
                with trio.fail_after(5):
                    while await open_house.epochs.read(ACCOUNT) < epoch:
                        await trio.sleep(0.005)
            open_house.sink.held.set()
            assert await second.end_code() == "superseded"
            await third.until(lambda event: isinstance(event, Welcomed))
            links = [facts.session for (facts,) in open_house.sink.of("linked")]
            assert links == ["run-1", "run-3"]
            assert "broken_invariant" not in open_house.refused()


async def test_of_many_links_at_once_one_remains() -> None:
    async with house() as open_house, trio.open_nursery() as nursery:
        ended: list[str] = []

        async def link(number: int) -> None:
            session = TerminalSession(f"run-{number}")
            async with open_house.line(session=session) as line:
                await line.say(line.side.send_hello())
                await line.hear()
                await line.say(line.side.send_proof())
                ended.append(await line.end_code())

        for number in range(6):
            nursery.start_soon(link, number)
        with trio.fail_after(5):
            while len(ended) < 5:
                await trio.sleep(0.01)
        assert set(ended) <= {"superseded", "retry"}
        assert open_house.gateway.statistics().links == 1
        linked, unlinked = (open_house.sink.of(kind) for kind in ("linked", "unlinked"))
        assert len(linked) == len(unlinked) + 1
        nursery.cancel_scope.cancel()


async def test_a_sink_that_waits_makes_the_terminal_wait_and_loses_nothing() -> None:
    async with house() as open_house, open_house.linked() as line:
        open_house.sink.held = trio.Event()
        await line.say(line.side.send_deals([deal(n) for n in range(1, 200)], GMT))
        await open_house.sink.until("deal")
        await trio.sleep(0.05)
        assert len(open_house.sink.of("deal")) == 1
        open_house.sink.held.set()
        deals = await open_house.sink.until("deal", 199)
        assert [ticket for _, ticket in deals] == list(range(1, 200))


async def test_what_the_sink_did_not_sign_for_comes_again_after_a_reconnect() -> None:
    async with house() as open_house:
        session = TerminalSession("run-1")
        open_house.sink.signs = False
        async with open_house.linked(session=session) as line:
            await line.say(line.side.send_deals([deal(1), deal(2)], GMT))
            await open_house.sink.until("deal", 2)
            open_house.sink.receipts[0].sign()
        await open_house.sink.until("unlinked")
        async with open_house.linked(session=session) as line:
            await line.say(line.side.send_kept(), line.side.send_report(report(), GMT))
            await open_house.sink.until("reported")
            assert [ticket for _, ticket in open_house.sink.of("deal")] == [1, 2, 2]
            assert open_house.gateway.statistics().resumed == 1
            assert open_house.sink.of("linked")[1][0].resumed


async def test_signed_frames_are_acknowledged_to_the_terminal() -> None:
    async with house() as open_house, open_house.linked() as line:
        await line.say(line.side.send_deals([deal(1), deal(2)], GMT))
        await open_house.sink.until("deal", 2)
        await trio.sleep(0.25)
        await line.say(line.side.send_heartbeat(beat(), GMT))
        with trio.fail_after(2):
            while line.session.kept:
                line.side.receive(await line.stream.receive_some())


async def test_a_receipt_of_an_older_link_signs_for_nothing_on_the_newer() -> None:
    async with house() as open_house:
        session = TerminalSession("run-1")
        open_house.sink.signs = False
        async with open_house.linked(session=session) as line:
            await line.say(line.side.send_deals([deal(1), deal(2)], GMT))
            await open_house.sink.until("deal", 2)
        await open_house.sink.until("unlinked")
        async with open_house.linked(session=session) as line:
            await line.say(line.side.send_kept())
            await open_house.sink.until("deal", 4)
        await open_house.sink.until("unlinked", 2)
        for receipt in open_house.sink.receipts[:2]:
            receipt.sign()
        async with open_house.linked(session=session) as line:
            await line.say(line.side.send_kept())
            deals = await open_house.sink.until("deal", 6)
            assert [ticket for _, ticket in deals] == [1, 2] * 3


# One quote stream a server


async def test_one_terminal_of_a_server_quotes_for_all() -> None:
    async with house() as open_house:
        open_house.gateway.want_symbols("Demo-1", ["EURUSD"])
        open_house.keys[OTHER] = open_house.keys[ACCOUNT]
        async with open_house.line() as first, open_house.line(OTHER) as second:
            assert (await first.shake_hands()).symbols == ("EURUSD",)
            assert (await second.shake_hands()).symbols == ()
            await second.say(second.side.send_quotes([quote()], GMT))
            await second.say(second.side.send_heartbeat(beat(), GMT))
            await open_house.sink.until("heartbeat")
            assert open_house.sink.of("quotes") == []
            assert open_house.gateway.statistics().dropped_quotes == 1
            assert open_house.gateway.statistics().leaders == {"Demo-1": ACCOUNT}
            open_house.gateway.want_symbols("Demo-1", ["EURUSD", "USDJPY"])
            told = await commanded(first, Action.SET)
            assert told.command.symbols == ("EURUSD", "USDJPY")


async def test_a_leader_that_goes_silent_is_replaced_and_told_to_stop() -> None:
    async with house(silence_s=1.0, heartbeat_ms=50) as open_house:
        open_house.gateway.want_symbols("Demo-1", ["EURUSD"])
        async with (
            open_house.linked() as first,
            open_house.linked(OTHER) as second,
            trio.open_nursery() as nursery,
        ):

            async def beat_on() -> None:
                while True:
                    await second.say(second.side.send_heartbeat(beat(), GMT))
                    await trio.sleep(0.03)

            nursery.start_soon(beat_on)
            told = await commanded(second, Action.SET)
            assert told.command.symbols == ("EURUSD",)
            assert open_house.sink.of("stale") == [(ACCOUNT,)]
            assert (await commanded(first, Action.SET)).command.symbols == ()
            await second.say(second.side.send_quotes([quote()], GMT))
            assert await open_house.sink.until("quotes") == [("Demo-1", ["EURUSD"])]
            assert open_house.sink.of("led") == [("Demo-1", ACCOUNT), ("Demo-1", OTHER)]
            nursery.cancel_scope.cancel()


async def test_a_leader_that_leaves_is_replaced_at_once() -> None:
    async with house() as open_house, open_house.linked() as first, open_house.linked(OTHER):
        await first.say(first.side.send_error(EndCode.LEFT, "bye"))
        await open_house.sink.until("led", 2)
        assert open_house.sink.of("led")[-1] == ("Demo-1", OTHER)
        assert open_house.sink.of("unlinked") == [(ACCOUNT, "left")]


# Leaving


async def test_a_stop_tells_every_terminal_to_come_back() -> None:
    async with house() as open_house, open_house.linked() as line:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(open_house.gateway.stop, 0.1)
            assert await line.end_code() == "retry"
        assert open_house.sink.of("unlinked") == [(ACCOUNT, "stopped")]
        with pytest.raises(OSError, match="all attempts"):
            await trio.open_tcp_stream("127.0.0.1", open_house.port)


async def test_a_moved_terminal_is_told_where() -> None:
    async with house() as open_house, open_house.linked() as line:
        open_house.gateway.move(ACCOUNT, "node-b.example:443")
        assert await line.until(lambda event: isinstance(event, Ended)) == Ended(
            "moved", "node-b.example:443"
        )


async def test_a_revoked_key_ends_its_link() -> None:
    async with house(keys_checked_s=0.02) as open_house, open_house.linked() as line:
        open_house.keys.clear()
        assert await line.end_code() == "revoked"
        assert open_house.refused() == {"revoked": 1}


async def test_a_port_in_use_is_the_users_to_mend() -> None:
    async with house() as open_house:
        with pytest.raises(UserError, match="cannot listen"):
            await open_house.gateway.serve(contexts()[0], "127.0.0.1", open_house.port)


async def test_a_terminal_quotes_for_a_feed_of_its_own_and_for_its_server_again() -> None:
    async with house() as open_house:
        gateway, own = open_house.gateway, f"{OTHER.server}/{OTHER.login}"
        gateway.want_symbols("Demo-1", ["EURUSD"])
        open_house.keys[OTHER] = open_house.keys[ACCOUNT]
        async with open_house.line() as first, open_house.line(OTHER) as second:
            await first.shake_hands()
            assert (await second.shake_hands()).symbols == ()
            gateway.quote_for(OTHER, own, ["USDJPY"])
            assert (await commanded(second, Action.SET)).command.symbols == ("USDJPY",)
            await second.say(second.side.send_quotes([quote()], GMT))
            await first.say(first.side.send_quotes([quote()], GMT))
            told = await open_house.sink.until("quotes", 2)
            assert {call[0] for call in told} == {own, "Demo-1"}
            assert gateway.statistics().dropped_quotes == 0
            gateway.quote_for(OTHER, None)
            assert (await commanded(second, Action.SET)).command.symbols == ()
            gateway.lead(OTHER)
            assert (await commanded(second, Action.SET)).command.symbols == ("EURUSD",)
            assert (await commanded(first, Action.SET)).command.symbols == ()
            assert gateway.statistics().leaders == {"Demo-1": OTHER}
