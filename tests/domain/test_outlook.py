"""What other rules would do is what they do once they are in force."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.domain.commands import Refused, Respec
from engine.domain.guard_views import Sight
from engine.domain.guards import AccountGuard, Action, EquityLimit, Latch, Money, Percent, Reference
from engine.domain.outlook import Outlook, outlook_of
from engine.domain.records import GuardBreach
from engine.domain.step import obey
from tests.domain.accounts import START_MSC, Life, buy, unopened


def floor(lost: float, name: str = "floor", **more: Any) -> EquityLimit:
    fields: dict[str, Any] = {
        "name": name,
        "reference": Reference.INITIAL,
        "amount": Money(amount_minor=round(lost * 100)),
        "action": Action.CLOSE_AND_HALT,
        "latch": Latch.MANUAL,
        "warn_percent": 75.0,
    }
    return EquityLimit(**fields | more)


HIGH_WATER = floor(0.0, "trail", reference=Reference.EQUITY_HIGH_WATER, amount=Percent(percent=2.0))


def life(bid: float = 1.0960) -> Life:
    """10,000, a lot of EURUSD from 1.1, up to 1.11 once, a floor 1,000 below."""
    made = Life(unopened([floor(1_000.0)], [buy("EURUSD", 1.0, 1.1)]))
    made.tick(START_MSC + 1, "EURUSD", 1.11)
    made.tick(START_MSC + 2, "EURUSD", bid)
    return made


def respec(of: Life, *guards: AccountGuard) -> Respec:
    return Respec(0, "ann", replace(of.state.spec, guards=guards, ruleset="other"), "review")


def seen(of: Life, command: Respec, *, quotes: bool = True) -> Outlook:
    sight = Sight(
        time_msc=START_MSC + 5,
        quotes=of.quotes if quotes else {},
        ages_ms={},
        stale_after_ms=60_000,
        feed_version=1,
        marks=of.state.marks,
    )
    return outlook_of(of.state, command, sight)


def test_floors_before_and_after_stand_side_by_side_and_nothing_is_changed() -> None:
    one = life()
    before = one.state
    found = seen(one, respec(one, floor(500.0), HIGH_WATER))
    assert one.state is before
    assert [(g.name, g.floor) for g in found.before] == [("floor", 9_000.0)]
    assert [(g.name, g.floor, g.distance) for g in found.after] == [
        ("floor", 9_500.0, 100.0),
        ("trail", 10_800.0, -1_200.0),
    ]
    assert (found.equity, found.breaches) == (9_600.0, ("trail",))


def test_an_account_that_cannot_be_valued_has_no_floors_to_promise() -> None:
    one = life()
    found = seen(one, respec(one, floor(100.0)), quotes=False)
    assert (found.equity, found.breaches) == (None, ())
    assert [g.floor for g in found.after] == [None]


@settings(deadline=None, max_examples=60)
@given(
    lost=st.integers(1, 1_500),
    bid=st.integers(10_860, 11_100).map(lambda points: points / 10_000),
    strict=st.booleans(),
)
def test_it_breaches_at_once_exactly_where_the_outlook_says(
    lost: int, bid: float, strict: bool
) -> None:
    one = life(bid)
    rules = (floor(lost), HIGH_WATER) if strict else (floor(lost),)
    command = respec(one, *rules)
    found = seen(one, command)
    done = obey(one.state, replace(command, time_msc=START_MSC + 5))
    assert not isinstance(done, Refused)
    one.take(done)
    records = one.tick(START_MSC + 6, "EURUSD", bid)
    assert found.breaches == tuple(r.guard for r in records if isinstance(r, GuardBreach))
