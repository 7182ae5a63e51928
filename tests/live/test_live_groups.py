"""Two accounts of one server, over real links: one is in a group with another spread."""

import pytest

from adapters.broker.holdings import Terms as BrokerTerms
from adapters.broker.market import Symbol
from adapters.broker.server import TradeServer
from engine.domain import own_feed
from engine.domain.ids import AccountKey
from engine.domain.records import Discrepancy, FeedChanged, GuardBreach
from engine.own_feeds import OwnFeeds
from tests.adapters.broker.server_world import INSTRUMENTS, NOON_MSC
from tests.live.live_house import DEPOSIT, QUICK, SERVER, LiveHouse, live_house, spec_of, trailing

PLAIN, DEAR = 1001, 1002
MARKUP_POINTS = 300.0
"""30 pips: 300 USD a lot."""
SPECS = [spec_of(PLAIN, [trailing(percent=20.0)]), spec_of(DEAR, [trailing(percent=20.0)])]


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes ten seconds of heartbeats takes half a one, here."""
    monkeypatch.setattr(own_feed, "LAST_MS", 500)


def two_groups() -> TradeServer:
    server = TradeServer([Symbol(instrument=one) for one in INSTRUMENTS], QUICK)
    for login, points in ((PLAIN, 0.0), (DEAR, MARKUP_POINTS)):
        terms = BrokerTerms(key=AccountKey(SERVER, login), markup_points=points)
        server.open_account(terms, DEPOSIT, NOON_MSC)
    return server


async def both_hold(house: LiveHouse) -> None:
    """A lot of EURUSD each, bought at 1.1001 and at 1.1031; the first that linked quotes."""
    await house.until(lambda: house.gateway.statistics().leaders.get(SERVER) is not None)
    if house.gateway.statistics().leaders[SERVER] != AccountKey(SERVER, PLAIN):
        await house.until(lambda: house.gateway.is_linked(AccountKey(SERVER, PLAIN)))
        house.gateway.lead(AccountKey(SERVER, PLAIN))
    for login in (PLAIN, DEAR):
        house.open(login)
        await house.valued(login, 1)


def keep_fresh(house: LiveHouse) -> bool:
    """A tick of the market, where it was."""
    house.quote("EURUSD", 1.1000, 1.1001)
    return True


async def test_its_residual_is_found_it_gets_its_feed_and_its_guard_acts_on_its_own_price() -> None:
    async with live_house(SPECS, server=two_groups()) as house:
        await both_hold(house)
        dear = AccountKey(SERVER, DEAR)
        place = house.engine._by_key
        await house.until(lambda: keep_fresh(house) and place[dear].account == dear)
        [changed] = house.records(FeedChanged)
        assert (changed.login, changed.feed) == (DEAR, "own")
        leaders = house.gateway.statistics().leaders
        assert leaders == {SERVER: AccountKey(SERVER, PLAIN), f"{SERVER}/{DEAR}": dear}
        await house.until(
            lambda: [r.state for r in house.records(Discrepancy, DEAR)][-1:] == ["resolved"]
        )
        equity = house.server.accounts[DEAR].equity_minor() / 100.0
        assert house.engine.snapshot(dear).equity == equity == DEPOSIT - 610.0
        # For an instant: 1.0859 is 1,420 under for one, 1.0829 is 2,020 under for the other.
        house.quote("EURUSD", 1.0859, 1.0860)
        house.quote("EURUSD", 1.1000, 1.1001)
        await house.until(lambda: house.records(GuardBreach))
        [breach] = house.records(GuardBreach)
        assert (breach.login, breach.equity) == (DEAR, DEPOSIT - 2_020.0)
        assert breach.tick.bid == 1.0829
        await house.until(lambda: not house.held(DEAR))
        assert len(house.held(PLAIN)) == 1


async def test_without_the_move_it_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OwnFeeds, "see_to", lambda _self, _actor: None)
    async with live_house(SPECS, server=two_groups()) as house:
        await both_hold(house)
        await house.until(lambda: keep_fresh(house) and house.records(FeedChanged))
        house.quote("EURUSD", 1.0859, 1.0860)
        house.quote("EURUSD", 1.1000, 1.1001)
        marked = house.engine.version(AccountKey(SERVER, PLAIN))[1]
        house.quote("EURUSD", 1.1000, 1.1002)
        await house.until(lambda: house.engine.version(AccountKey(SERVER, PLAIN))[1] > marked)
        assert house.records(GuardBreach) == []
        assert len(house.held(DEAR)) == 1


async def test_a_terminal_that_links_again_quotes_for_its_own_feed_again() -> None:
    async with live_house(SPECS, server=two_groups()) as house:
        await both_hold(house)
        dear = AccountKey(SERVER, DEAR)
        place = house.engine._by_key
        await house.until(lambda: keep_fresh(house) and place[dear].account == dear)
        links = house.gateway.statistics().accepted
        house.own.terminals[DEAR].cut()
        await house.until(lambda: house.gateway.statistics().accepted > links)
        await house.until(lambda: place[dear].leader == dear)
        house.quote("EURUSD", 1.1010, 1.1011)
        await house.until(lambda: house.engine.snapshot(dear).equity == DEPOSIT - 510.0)
        assert place[AccountKey(SERVER, PLAIN)].leader == AccountKey(SERVER, PLAIN)
