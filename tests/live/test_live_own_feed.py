"""An account whose group has other prices gets a feed of its own, and moves there whole."""

from itertools import pairwise

import trio
import trio.testing
from msgspec.structs import replace
from trio.testing import MockClock

from adapters.memory.journal import MemoryJournal
from engine.domain import own_feed
from engine.domain.commands import Halt
from engine.domain.link_events import FeedRefused
from engine.domain.records import AccountHalted, FeedChanged, GuardBreach
from engine.domain.reports import PositionReport
from engine.domain.snapshot import Quality
from engine.own_feeds import OwnFeeds
from tests.live.live_house import SERVER, spec_of, trailing
from tests.live.own_feed_house import LEADER, NOON_MSC, ODD, THIRD, Groups, buy, groups

MARKUP = 0.0030
"""300 USD a lot on each side."""
FOUND_S = 20
"""Until it is decided, with its report."""


async def odd_one(house: Groups, *, lots: float = 1.0) -> None:
    """Two accounts of a server are linked, and one of them has a markup."""
    house.markups[ODD] = MARKUP
    house.held[ODD] = house.held[LEADER] = (buy(lots),)
    await house.lead(LEADER)
    await house.link_up(LEADER)
    await house.link_up(ODD)


async def on_its_own(house: Groups) -> None:
    await odd_one(house)
    await house.seconds(FOUND_S, LEADER, ODD)
    assert house.is_own(ODD)


async def test_its_residual_is_found_it_gets_its_feed_and_the_residual_is_resolved(
    autojump_clock: MockClock,
) -> None:
    async with groups() as house:
        await on_its_own(house)
        assert await house.feeds(ODD) == ["own"]
        assert await house.feeds(LEADER) == []
        assert house.link.own == {
            ODD: (f"{SERVER}/2", ("EURUSD", "GBPUSD", "USDJPY", "XAUUSD")),
        }
        await house.seconds(30, LEADER, ODD)
        live = house.state(ODD).live
        assert live is not None
        assert live.book.rows == ()
        shown, other = house.engine.snapshot(ODD), house.engine.snapshot(LEADER)
        assert shown.equity == house.equity(ODD) == 9_700.0
        assert other.equity == house.equity(LEADER) == 10_000.0
        assert (shown.feed, other.feed) == (f"{SERVER}/2", SERVER)
        assert await house.feeds(ODD) == ["own"]


async def test_until_all_it_needs_is_quoted_it_stays_where_it_is_known(
    autojump_clock: MockClock,
) -> None:
    async with groups() as house:
        await odd_one(house)
        house.held[ODD] = (buy(), buy_of("USDJPY", 8))
        await house.report(ODD)
        house.unquoted = {"USDJPY"}
        await house.seconds(FOUND_S + 20, LEADER, ODD)
        assert own_feed.wants_own(house.state(ODD))
        assert not house.is_own(ODD)
        shown = house.engine.snapshot(ODD)
        assert (shown.quality, shown.feed) == (Quality.KNOWN, SERVER)
        await house.tick("EURUSD", 1.0950)
        await trio.testing.wait_all_tasks_blocked()
        assert house.engine.snapshot(ODD).profit == round(-500.0, 2)
        house.unquoted = set()
        await house.tick("USDJPY", 150.0)
        await house.second(LEADER, ODD)
        assert house.is_own(ODD)
        assert house.engine.snapshot(ODD).equity == house.equity(ODD)


def buy_of(symbol: str, identifier: int) -> PositionReport:
    return replace(buy(0.1, symbol, 150.0), identifier=identifier, ticket=identifier)


async def test_its_guard_breaches_at_the_price_of_its_own_group(autojump_clock: MockClock) -> None:
    async with groups() as house:
        await on_its_own(house)
        # 1.0840 less the markup is 1.0810: 1,900 under; 1.0830 is 2,000: 20 percent.
        await house.tick("EURUSD", 1.0840)
        await trio.testing.wait_all_tasks_blocked()
        assert await house.kept(ODD, GuardBreach) == []
        await house.tick("EURUSD", 1.0829)
        await house.tick("EURUSD", 1.1000)
        await trio.testing.wait_all_tasks_blocked()
        [breach] = await house.kept(ODD, GuardBreach)
        assert breach.equity == 7_990.0
        assert (breach.tick.bid, breach.tick.ask) == (1.0799, 1.0860)
        assert await house.kept(LEADER, GuardBreach) == []


async def test_without_the_move_that_breach_is_missed(autojump_clock: MockClock) -> None:
    async with groups() as house:
        house.engine.own_feeds = Nowhere(house.engine.own_feeds)  # type: ignore[assignment]
        await odd_one(house)
        await house.seconds(FOUND_S, LEADER, ODD)
        assert not house.is_own(ODD)
        await house.tick("EURUSD", 1.0829)
        await house.tick("EURUSD", 1.1000)
        await house.seconds(10, LEADER, ODD)
        assert await house.kept(ODD, GuardBreach) == []


class Nowhere:
    """Own feeds that nobody ever gets."""

    def __init__(self, real: OwnFeeds) -> None:
        self.find = real.find

    def __iter__(self) -> object:
        return iter(())

    async def note(self, _actor: object) -> None:
        await trio.lowlevel.checkpoint()

    async def pass_time(self, _now_msc: int) -> None:
        await trio.lowlevel.checkpoint()


async def test_what_is_broken_on_its_own_quotes_is_broken_when_it_moves(
    autojump_clock: MockClock,
) -> None:
    specs = [spec_of(key.login, [trailing(percent=2.5)]) for key in (LEADER, ODD)]
    async with groups(specs) as house:
        await odd_one(house)
        # The broker's own equity is below the floor as well, and would decide in the end.
        await house.seconds(FOUND_S, LEADER, ODD)
        [breach] = await house.kept(ODD, GuardBreach)
        assert breach.equity == 9_700.0


async def test_versions_go_up_at_both_moves(autojump_clock: MockClock) -> None:
    async with groups() as house:
        await odd_one(house)
        seen = [house.engine.version(ODD)]
        tags = [(s.seq, s.feed_version) for s in [house.engine.snapshot(ODD)]]
        for second in range(60):
            await house.second(LEADER, ODD)
            if second == FOUND_S:
                house.markups[LEADER] = 0.0
                house.held[ODD] = (buy(3.0),)
                await house.report(ODD)
            if second == FOUND_S + 2:
                refuse(house)
            seen.append(house.engine.version(ODD))
            shown = house.engine.snapshot(ODD)
            tags.append((shown.seq, shown.feed_version))
        assert await house.feeds(ODD) == ["own", "shared"]
        assert not house.is_own(ODD)
        assert all(before[0] <= after[0] for before, after in pairwise(seen))
        assert all(before[1] <= after[1] for before, after in pairwise(seen))
        assert all(before[1] <= after[1] for before, after in pairwise(tags))
        assert house.engine.health().feeds[0].ticks < 300, "ticks are counted, not versions"


def refuse(house: Groups) -> None:
    """Has it decided that its own quotes are no remedy."""
    house.engine.note_soon(ODD, FeedRefused(time_msc=0, cause="no remedy"))


async def test_where_its_own_quotes_are_no_remedy_it_goes_back_and_its_feed_is_gone(
    autojump_clock: MockClock,
) -> None:
    async with groups() as house:
        await on_its_own(house)
        name = f"{SERVER}/2"
        assert house.engine.intake(name) is not None
        # What it says of its equity is of other prices still than those it quotes.
        house.markups[ODD] = MARKUP * 2
        house.is_bare = True
        await house.seconds(40, LEADER, ODD)
        assert await house.feeds(ODD) == ["own", "shared"]
        [_, back] = await house.kept(ODD, FeedChanged)
        assert back.cause == "the difference stays on its own quotes"
        assert not house.is_own(ODD)
        assert house.link.own == {}
        assert house.engine.intake(name) is None
        assert [one.name for one in house.engine.health().feeds] == [SERVER]
        shown = house.engine.snapshot(ODD)
        assert (shown.equity, shown.feed) == (10_000.0, SERVER)
        assert own_feed.differs(house.state(ODD)) is True
        await house.seconds(600, LEADER, ODD)
        assert await house.feeds(ODD) == ["own", "shared"], "not again soon"


async def test_back_where_nobody_else_quotes_its_own_terminal_does_first(
    autojump_clock: MockClock,
) -> None:
    async with groups() as house:
        await on_its_own(house)
        await house.lead(None)
        await house.seconds(90, ODD)
        house.prices["EURUSD"] = (1.2000, 1.2001)
        await house.tick("EURUSD", 1.2000)
        assert house.engine.snapshot(ODD).equity == house.equity(ODD)
        refuse(house)
        await house.second(ODD)
        assert house.link.own == {}, "it may lead its server again"
        assert house.is_own(ODD), "and is not valued on what is a minute and a half old"
        await house.lead(ODD)
        await house.second(ODD)
        assert not house.is_own(ODD)
        assert house.engine.snapshot(ODD).equity == house.equity(ODD)


async def test_its_terminal_gone_its_quotes_grow_stale_and_are_never_another_groups(
    autojump_clock: MockClock,
) -> None:
    async with groups() as house:
        await on_its_own(house)
        house.engine.sink.led(f"{SERVER}/2", None)
        house.engine.sink.unlinked(ODD, "eof")
        known = house.engine.snapshot(ODD).equity
        house.unquoted = set(house.prices)
        for _ in range(100):
            await house.second(LEADER)
            await house.tick("EURUSD", 1.0500)
        shown = house.engine.snapshot(ODD)
        assert shown.quality is Quality.STALE
        assert shown.equity == known
        assert house.engine.snapshot(LEADER).equity != known
        assert await house.kept(ODD, GuardBreach) == []
        [own] = [one for one in house.engine.health().feeds if one.account]
        assert (own.account, own.leader) == (str(ODD), None)


async def test_after_a_restart_it_begins_on_its_own_feed(autojump_clock: MockClock) -> None:
    journal = MemoryJournal()
    async with groups(journal=journal) as house:
        await on_its_own(house)
        now_msc = house.clock.wall_msc()
    async with groups(journal=journal, now_msc=now_msc + 5000) as house:
        assert house.is_own(ODD)
        assert house.link.own[ODD][0] == f"{SERVER}/2"
        house.markups[ODD] = MARKUP
        house.held[ODD] = house.held[LEADER] = (buy(),)
        await house.lead(LEADER)
        await house.link_up(LEADER)
        await house.link_up(ODD)
        assert house.engine.snapshot(ODD).quality is Quality.UNKNOWN, "not on the server's quotes"
        await house.second(LEADER, ODD)
        shown = house.engine.snapshot(ODD)
        assert (shown.quality, shown.equity) == (Quality.KNOWN, 9_700.0)
        await house.seconds(60, LEADER, ODD)
        assert await house.feeds(ODD) == ["own"]


async def test_its_equity_over_time_goes_on_through_the_move(autojump_clock: MockClock) -> None:
    async with groups() as house:
        await on_its_own(house)
        await house.seconds(10, LEADER, ODD)
        now_msc = house.clock.wall_msc()
        buckets = await house.engine.equity(ODD, 1, NOON_MSC, now_msc + 1000)
        closes = [round(one.close, 2) for one in buckets]
        assert len(closes) >= FOUND_S + 8
        moved = closes.index(9_700.0)
        assert moved >= 10
        assert set(closes[:moved]) == {10_000.0}
        assert set(closes[moved:]) == {9_700.0}
        [minute] = await house.engine.equity(ODD, 60, NOON_MSC, now_msc + 1000)
        assert (round(minute.high, 2), round(minute.low, 2)) == (10_000.0, 9_700.0)
        points = await house.engine.tapes.prices(ODD, "EURUSD", NOON_MSC, now_msc + 1000)
        assert points is not None
        assert (points[0].bid, points[-1].bid) == (1.1000, 1.0970)
        starts = [one.start_msc for one in points]
        assert starts == sorted(set(starts))


async def test_a_breach_after_the_move_is_taped_on_its_own_ticks(
    autojump_clock: MockClock,
) -> None:
    async with groups() as house:
        await on_its_own(house)
        await house.seconds(3, LEADER, ODD)
        await house.tick("EURUSD", 1.0829)
        await trio.testing.wait_all_tasks_blocked()
        [breach] = await house.kept(ODD, GuardBreach)
        tape = await house.engine.tapes.of_verdict(breach.verdict_id)
        assert tape is not None
        assert tape.agrees is True
        assert not tape.is_whole, "its own quotes do not reach back so far"
        [decided] = [one for one in tape.ticks if one.index == tape.decided_index]
        assert (decided.bid, decided.equity) == (1.0799, 7_990.0)
        assert {one.equity for one in tape.ticks} == {9_700.0, 7_990.0}
        assert [one.equity for one in tape.broker][-1] == 9_700.0


async def test_commands_and_halts_go_through_the_move(autojump_clock: MockClock) -> None:
    async with groups() as house:
        await odd_one(house)
        await house.seconds(10, LEADER, ODD)
        await house.engine.command(ODD, Halt(time_msc=0, by="anna", reason="x"))
        await house.seconds(FOUND_S, LEADER, ODD)
        assert house.is_own(ODD)
        assert house.state(ODD).halts == ("anna",)
        await house.engine.command(ODD, Halt(time_msc=0, by="bert", reason="x"))
        assert [one.cause for one in await house.kept(ODD, AccountHalted)] == ["anna", "bert"]
        seqs = [one.seq for one in await house.engine.records(ODD, 0, 1000)]
        assert seqs == list(range(1, len(seqs) + 1))


async def test_where_no_more_feeds_may_be_it_says_so(autojump_clock: MockClock) -> None:
    async with groups() as house:
        house.engine.own_feeds.most = 0
        await odd_one(house)
        await house.seconds(60, LEADER, ODD)
        assert await house.feeds(ODD) == ["own", "shared"]
        [_, refused] = await house.kept(ODD, FeedChanged)
        assert refused.cause == "0 accounts have a feed of their own: no more may"
        assert not house.is_own(ODD)


async def test_where_most_differ_from_whoever_quotes_another_quotes_for_all(
    autojump_clock: MockClock,
) -> None:
    specs = [spec_of(key.login, [trailing(percent=20.0)]) for key in (ODD, LEADER, THIRD)]
    async with groups(specs) as house:
        house.markups[ODD] = MARKUP
        for key in (ODD, LEADER, THIRD):
            house.held[key] = (buy(),)
        await house.lead(ODD)
        for key in (ODD, LEADER, THIRD):
            await house.link_up(key)
        for _ in range(120):
            await house.second(ODD, LEADER, THIRD)
            if house.link.leads:
                await house.lead(house.link.leads.pop())
        assert house.leader in (LEADER, THIRD)
        assert house.is_own(ODD)
        assert not house.is_own(LEADER)
        assert not house.is_own(THIRD)
        for key in (ODD, LEADER, THIRD):
            assert house.engine.snapshot(key).equity == house.equity(key)


async def test_an_account_that_leaves_the_book_takes_its_feed_with_it(
    autojump_clock: MockClock,
) -> None:
    async with groups() as house:
        await on_its_own(house)
        house.held[ODD] = ()
        await house.report(ODD)
        await house.seconds(2, LEADER, ODD)
        assert await house.engine.roster.rest(ODD, 5.0)
        assert house.engine.roster.dismiss([ODD]) == ""
        await house.seconds(2, LEADER)
        assert [one.name for one in house.engine.health().feeds] == [SERVER]
        assert house.engine.snapshot(ODD).reason is not None
