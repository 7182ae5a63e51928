"""What other rules would do to a live account, and what they then do."""

from msgspec.structs import replace

from engine.domain import records
from engine.domain.commands import Refused, Respec
from engine.domain.guards import EquityLimit, Money, Reference
from engine.domain.ids import AccountKey
from tests.live.live_house import live_house, spec_of, trailing

LOGIN = 1001
KEY = AccountKey("Demo-1", LOGIN)


def floor(lost_minor: int) -> EquityLimit:
    amount = Money(amount_minor=lost_minor)
    return trailing(reference=Reference.INITIAL, amount=amount, name="floor")


async def test_rules_that_would_breach_at_once_say_so_before_and_close_after() -> None:
    async with live_house([spec_of(LOGIN)]) as house:
        house.open(LOGIN)
        await house.valued(LOGIN, 1)
        spec = replace(house.state(LOGIN).spec, ruleset="tight")
        # The spread alone is a loss: no room at all is crossed, a good deal is not.
        mild = Respec(0, "a.kim", replace(spec, guards=(floor(900_000),)), "review")
        hard = Respec(0, "a.kim", replace(spec, guards=(floor(0),)), "review")
        before = house.state(LOGIN)
        assert (await house.engine.outlook(KEY, mild)).breaches == ()
        seen = await house.engine.outlook(KEY, hard)
        assert (seen.breaches, seen.after[0].floor) == (("floor",), 10_000.0)
        assert house.state(LOGIN).spec is before.spec
        assert house.records(records.RulesetChanged) == []
        done = await house.engine.command(KEY, hard)
        assert not isinstance(done, Refused)
        await house.until(lambda: not house.held(LOGIN))
        [breach] = house.records(records.GuardBreach)
        assert (breach.guard, breach.floor) == ("floor", 10_000.0)
