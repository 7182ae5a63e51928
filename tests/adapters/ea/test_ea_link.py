"""The real expert advisor, compiled as C++, against the real gateway over loopback TLS."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trio

from engine.domain.reports import PositionReport
from engine.link import Action, PositionChange
from tests.adapters.ea import expert
from tests.adapters.ea.ea_world import opened
from tests.adapters.ea.expert import WHY_NOT, running
from tests.adapters.mt5.link_house import LONG_S
from tests.adapters.mt5.link_samples import ACCOUNT, KEY

pytestmark = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))

FEED = "Demo-1"


# Linking


def test_the_expert_compiles_with_inputs_that_cannot_be_assigned(tmp_path: Path) -> None:
    expert.write_translated(tmp_path)
    main = tmp_path / "strict.cpp"
    main.write_text('#include "fake_terminal.h"\n#include "Tidegate.cpp"\n')
    done = expert.compiled(tmp_path, main, "-fsyntax-only")
    assert done.returncode == 0, done.stderr


async def test_the_expert_proves_its_key_and_reports_the_whole_account(
    program: Path, tmp_path: Path
) -> None:
    async with (
        opened(program, tmp_path) as world,
        world.terminal(
            "open 7 EURUSD 0 0.1 1.095 été 😀", "open 8 USDJPY 1 1.25 150.5", "rest 40 EURUSD"
        ),
    ):
        facts = world.sink.of("linked")[0][0]
        assert (facts.key, facts.epoch, facts.company) == (ACCOUNT, 1, 'Bröker "AG"')
        assert (facts.currency, facts.margin_mode, facts.gmt_offset_s) == ("USD", 2, 7200)
        report = world.report()
        assert report.complete
        assert report.account.balance == 10_000.0
        first, second = report.positions
        assert (first.identifier, first.ticket, first.volume) == (7, 107, 0.1)
        assert (first.comment, first.price_open) == ("été 😀", 1.095)
        assert (second.identifier, second.type, second.volume) == (8, 1, 1.25)
        assert [order.ticket for order in report.orders] == [40]
        assert {spec.name for spec in report.specs} == {"EURUSD", "USDJPY"}
        await world.sink.until("heartbeat", 3)
        assert world.house.gateway.statistics().reports_needed == {}


async def test_on_port_443_the_terminal_negotiates_tls_by_itself(
    program: Path, tmp_path: Path
) -> None:
    async with (
        opened(program, tmp_path) as world,
        world.terminal(ENGINE="127.0.0.1:443", PORT_443=str(world.house.port)) as run,
    ):
        assert run.count("tls") == 1


async def test_the_key_may_lie_in_a_file(program: Path, tmp_path: Path) -> None:
    (tmp_path / "Tidegate").mkdir()
    (tmp_path / "Tidegate" / "terminal.key").write_text(f" {KEY.reveal().hex()} \r\n")
    async with opened(program, tmp_path) as world, world.terminal(TERMINAL_KEY=""):
        assert len(world.sink.of("linked")) == 1


async def test_a_wrong_key_is_refused_and_not_tried_again_at_once(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world:
        wrong = {"TERMINAL_KEY": "ab" * 32}
        async with world.unlinked(**wrong) as run:
            await run.until("print Tidegate: the engine ended the link: refused")
            await trio.sleep(0.7)
            assert run.count("connect ") == 1
            assert world.sink.of("linked") == []


async def test_a_certificate_that_is_not_pinned_hears_nothing(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world:
        async with world.unlinked(THUMBPRINTS="00" * 20) as run:
            await run.until("print Tidegate: 127.0.0.1 shows a certificate that is not pinned")
            await run.until("connect ", 2)
        assert world.house.gateway.statistics().accepted == 0
        assert "wrong_key" not in world.house.refused()


async def test_a_store_without_the_authority_ends_at_tls(program: Path, tmp_path: Path) -> None:
    strangers = ssl.get_default_verify_paths().cafile or ""
    if not Path(strangers).is_file():
        pytest.skip("this system has no certificate store")
    async with (
        opened(program, tmp_path) as world,
        world.unlinked(CA_FILE=strangers) as run,
    ):
        await run.until("print Tidegate: no TLS, error 5274")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"ENGINE": ""}, "Engine: empty"),
        ({"ENGINE": "engine.example"}, "Engine: not host:port"),
        ({"THUMBPRINTS": ""}, "Thumbprints: empty"),
        ({"THUMBPRINTS": "ab:cd"}, "Thumbprints: 40 or 64"),
        ({"TERMINAL_KEY": "short"}, "the terminal key is not 64 hex digits"),
        ({"TERMINAL_KEY": ""}, "the terminal key is not 64 hex digits"),
    ],
)
async def test_inputs_that_cannot_work_are_named(
    program: Path, tmp_path: Path, settings: dict[str, str], said: str
) -> None:
    given = {"ENGINE": "127.0.0.1:1", "THUMBPRINTS": "ab" * 20, **settings}
    engine, pins = given.pop("ENGINE"), given.pop("THUMBPRINTS")
    async with running(program, tmp_path, engine, pins, **given) as run:
        await run.until(f"print Tidegate: {said}")
        with trio.fail_after(LONG_S):
            assert await run.run.wait() == 4


async def test_a_second_copy_of_the_expert_on_an_account_removes_itself(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world, world.terminal(), world.unlinked() as run:
        with trio.fail_after(LONG_S):
            assert await run.run.wait() == 4
        assert len(world.sink.of("linked")) == 1


async def test_a_report_larger_than_a_line_comes_in_parts(program: Path, tmp_path: Path) -> None:
    opening = [f"open {n} EURUSD 0 0.01 1.0950 {'c' * 25}" for n in range(1, 401)]
    known = "rest 40 EURUSD"  # its terms are told first: no report comes for them
    async with opened(program, tmp_path) as world, world.terminal(known) as run:
        await run.tell(*opening)
        await world.sink.until("position", 400)
        await world.command(action=Action.REPORT)
        await world.sink.until("reported", 2)
        assert [p.identifier for p in world.report().positions] == list(range(1, 401))
        assert world.house.refused().get("bad_frame") is None


# Telling


async def test_quotes_of_every_symbol_asked_for_come_whole_and_in_order(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world:
        rows: list[Any] = []
        seen = world.sink.quotes

        async def keep(feed: str, quotes: Any, sent: Any) -> None:
            rows.extend(quotes)
            await seen(feed, quotes, sent)

        world.sink.quotes = keep  # type: ignore[method-assign]
        world.house.gateway.want_symbols(FEED, ["EURUSD", "GBPUSD"])
        async with world.terminal("tick USDJPY 150 150.01", "tick GBPUSD 1.25 1.2501") as run:
            ticks = [f"tick {s} 1.{n:05} 1.{n + 2:05}" for n in range(1, 41) for s in
                     ("EURUSD", "GBPUSD")]  # fmt: skip
            await run.tell(*ticks)
            with trio.fail_after(LONG_S):
                while len(rows) < 81:
                    await trio.sleep(0.01)
        for symbol, extra in (("EURUSD", 0), ("GBPUSD", 1)):
            bids = [row.bid for row in rows if row.symbol == symbol]
            assert bids == [1.25] * extra + [float(f"1.{n:05}") for n in range(1, 41)]
        assert not [row for row in rows if row.symbol == "USDJPY"]
        assert {row.server_msc - row.time_msc for row in rows} == {7_200_000}


async def test_symbols_and_pace_are_the_engines_to_change(program: Path, tmp_path: Path) -> None:
    async with opened(program, tmp_path) as world:
        world.house.gateway.want_symbols(FEED, ["EURUSD"])
        async with world.terminal("tick EURUSD 1.1 1.2", "tick GBPUSD 1.3 1.4") as run:
            assert await world.sink.until("quotes") == [(FEED, ["EURUSD"])]
            world.house.gateway.want_symbols(FEED, ["GBPUSD", "NOSUCH"])
            assert (await world.sink.until("quotes", 2))[1] == (FEED, ["GBPUSD"])
            await run.until("print Tidegate: the broker has no symbol NOSUCH")
            await world.command(action=Action.SET, heartbeat_ms=60_000)
            await trio.sleep(0.1)
            beats = len(world.sink.of("heartbeat"))
            await trio.sleep(0.2)
            assert len(world.sink.of("heartbeat")) == beats


async def test_what_a_hand_does_on_the_terminal_is_told(program: Path, tmp_path: Path) -> None:
    async with opened(program, tmp_path) as world, world.terminal() as run:
        for line in ("open 7 EURUSD 0 0.1 1.0950", "deposit 500", "close 7"):
            await run.tell(line)
        told = await world.sink.until("position", 2)
        assert [(change, p.identifier) for _, change, p in told] == [
            (PositionChange.OPENED, 7),
            (PositionChange.CLOSED, 7),
        ]
        assert len(await world.sink.until("deal", 3)) == 3
        await trio.sleep(0.2)
        assert len(world.sink.of("deal")) == 3
        assert world.house.gateway.statistics().reports_needed == {}


async def test_a_lost_transaction_event_is_made_up_for_by_the_next_heartbeat(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world, world.terminal("lose") as run:
        await run.tell("open 7 EURUSD 0 0.1 1.0950")
        told: PositionReport = (await world.sink.until("position"))[0][2]
        assert told.identifier == 7
        assert world.house.gateway.statistics().reports_needed == {}


async def test_a_terminal_away_from_its_broker_is_silent_until_it_is_back(
    program: Path, tmp_path: Path
) -> None:
    async with (
        opened(program, tmp_path, silence_s=0.2) as world,
        world.terminal("open 7 EURUSD 0 0.1 1.0950") as run,
    ):
        await world.sink.until("heartbeat")
        await run.tell("offline")
        await world.sink.until("stale")
        await run.tell("online")
        beats = len(world.sink.of("heartbeat"))
        await world.sink.until("heartbeat", beats + 1)


async def test_a_change_of_daylight_saving_time_is_told(program: Path, tmp_path: Path) -> None:
    async with opened(program, tmp_path) as world:
        world.house.gateway.want_symbols(FEED, ["EURUSD"])
        async with world.terminal() as run:
            await run.tell("offset 10800")
            await world.sink.until("heartbeat", len(world.sink.of("heartbeat")) + 2)
            link = world.house.gateway._links[ACCOUNT]
            assert link.side.tellings.gmt_offset_s == 10_800


async def test_a_servers_clock_that_is_set_back_does_not_silence_its_quotes(
    program: Path, tmp_path: Path
) -> None:
    async with opened(program, tmp_path) as world:
        world.house.gateway.want_symbols(FEED, ["GBPUSD"])
        async with world.terminal("tick GBPUSD 1.1 1.2") as run:
            await world.sink.until("quotes")
            await run.tell("offset 3600", "tick GBPUSD 1.3 1.4")
            await world.sink.until("quotes", 2)
