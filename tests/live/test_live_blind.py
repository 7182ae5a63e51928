"""What is decided while the link is down, and done by the next report."""

from msgspec.structs import replace

from engine.domain import records
from engine.domain.account import AccountState
from engine.domain.asking import blank
from engine.domain.beliefs import Terms
from engine.domain.booking import MONEY
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.events import QuoteMarked
from engine.domain.guards import AccountGuard, Action, Exposure
from engine.domain.link_events import Founded, HeartbeatCame, LinkLost
from engine.domain.quotes import Quote
from engine.domain.records import Tick
from engine.domain.reports import Heartbeat
from tests.live.live_account import QUOTES, START_MSC, Account, deal, held
from tests.live.live_house import spec_of, trailing

LOTS = Exposure(name="lots", action=Action.CLOSE, max_positions=1, notice_s=1.0)


def guarded(*guards: AccountGuard) -> Account:
    """A linked account under these guards, whose positions are to be held for an hour."""
    account = Account()
    spec = spec_of(1, guards, minimum_hold_s=3600.0)
    account.state = blank(spec.key)
    account.take(
        Founded(
            time_msc=START_MSC,
            spec=spec,
            terms=Terms(digits=2),
            close_terms=CloseTerms(),
            expects=False,
        )
    )
    account.link(START_MSC)
    return account


def tick(account: Account, bid: float, at_msc: int) -> None:
    quotes = {"EURUSD": Quote(bid, bid + 0.0001, at_msc)}
    account.take(QuoteMarked(at_msc, Tick(0, "EURUSD", bid, bid + 0.0001), quotes))


def waiting(state: AccountState) -> list[int]:
    return [one.position_id for one in state.waiting or ()]


def test_a_weaker_rule_does_not_make_wait_what_a_money_floor_closes_once_it_is_seen() -> None:
    """The floor breaks without a link; then more positions than allowed have had their notice."""
    account = guarded(LOTS, trailing(percent=10.0))
    seven, eight = held(1.0, START_MSC), held(1.0, START_MSC, identifier=8, ticket=8)
    account.report(START_MSC + 1, 10_000.0, seven, eight)
    account.take(LinkLost(time_msc=START_MSC + 10, cause="cut"))
    tick(account, 1.0800, START_MSC + 100)
    tick(account, 1.0800, START_MSC + 2_000)
    assert [one.guard for one in account.of(records.GuardBreach)] == ["trailing"]
    assert {one.reason for one in account.of(records.CloseIntended)} == {"guard:trailing"}
    account.link(START_MSC + 3_000)
    unseen = held(1.0, START_MSC + 50, identifier=9, ticket=9, time_msc=START_MSC + 50)
    account.report(START_MSC + 3_001, 10_000.0, seven, eight, unseen)
    assert waiting(account.state) == []
    last = account.of(records.CloseIntended)[-1]
    assert (last.position_id, last.reason) == (9, "guard:trailing")


def test_two_notices_that_end_together_without_a_link_close_for_the_stronger() -> None:
    account = guarded(LOTS, trailing(percent=10.0, notice_s=1.0))
    account.report(START_MSC + 1, 10_000.0)
    account.take(LinkLost(time_msc=START_MSC + 10, cause="cut"))
    state = account.state
    due = tuple(replace(known, close_due_msc=START_MSC + 100) for known in state.guards)
    account.state = replace(state, guards=due)
    tick(account, 1.0900, START_MSC + 200)
    account.link(START_MSC + 3_000)
    account.report(START_MSC + 3_001, 10_000.0, held(1.0, START_MSC + 50))
    assert waiting(account.state) == []
    assert [one.reason for one in account.of(records.CloseIntended)] == ["guard:trailing"]


def beat(account: Account, equity: float, at_msc: int) -> None:
    told = Heartbeat(balance=10_000.0, credit=0.0, equity=equity, margin=0.0, digest="")
    account.take(HeartbeatCame(time_msc=at_msc, heartbeat=told, quotes=QUOTES))


def test_a_small_doubt_of_a_link_that_ended_leaves_no_account_unguarded() -> None:
    """150 off when they were compared; the 1,500 since then are the market's."""
    account = guarded(trailing(percent=10.0))
    account.report(START_MSC + 1, 10_000.0, held(1.0, START_MSC, price_open=1.0900))
    beat(account, 9_850.0, START_MSC + 50)
    account.take(LinkLost(time_msc=START_MSC + 60, cause="cut"))
    tick(account, 1.0750, START_MSC + 100)
    assert [one.equity for one in account.of(records.GuardBreach)] == [8_500.0]


def test_an_absurd_figure_before_the_link_ended_still_closes_nothing() -> None:
    account = guarded(trailing(percent=10.0))
    account.report(START_MSC + 1, 10_000.0, held(1.0, START_MSC, price_open=1.0900))
    beat(account, 20_000.0, START_MSC + 50)
    account.take(LinkLost(time_msc=START_MSC + 60, cause="cut"))
    tick(account, 1.0750, START_MSC + 100)
    assert account.of(records.GuardBreach) == []


def test_a_close_by_without_an_order_leaves_the_money_that_settles() -> None:
    account = guarded(trailing())
    account.report(START_MSC + 1, 10_000.0, held(1.0, START_MSC))
    live = account.state.live
    assert live is not None
    account.state = replace(account.state, live=replace(live, settling=(MONEY,)))
    account.take(deal(0.0, 1.0, START_MSC + 100, entry=3, order=0))
    live = account.state.live
    assert live is not None
    assert live.settling == (MONEY,)
