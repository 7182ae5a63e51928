"""What other rules would make of an account: decided as it would be, and nothing of it kept."""

import msgspec
from msgspec.structs import replace

from engine.domain.account import AccountState
from engine.domain.commands import Refused, Respec
from engine.domain.drafts import Draft
from engine.domain.effects import Publish
from engine.domain.guard_views import GuardView, Sight
from engine.domain.records import GuardBreach, RuleBreach
from engine.domain.snapshot import snapshot_of
from engine.domain.step import obey
from engine.domain.valuing import take_valuation


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """The guards of now beside those that would be, on the same quotes."""

    before: tuple[GuardView, ...]
    after: tuple[GuardView, ...]
    """Where the account cannot be valued now, without floors: the next valuation gives them."""
    equity: float | None
    breaches: tuple[str, ...]
    """Guards that would breach at once: such a breach is acted on as any other."""


def outlook_of(state: AccountState, command: Respec, sight: Sight) -> Outlook:
    """What the command would lead to at the next moment. Costs some steps and two snapshots."""
    time_msc = max(state.time_msc, sight.time_msc)
    now = replace(state, marks=sight.marks)
    ruled = obey(now, replace(command, time_msc=time_msc))
    assert not isinstance(ruled, Refused), "a specification is never refused"
    draft = Draft(ruled.state, time_msc, sight.quotes)
    take_valuation(draft, sight.quotes)
    then = draft.done()
    breaches = [
        effect.record.guard
        for effect in draft.effects
        if isinstance(effect, Publish) and isinstance(effect.record, GuardBreach | RuleBreach)
    ]
    before = snapshot_of(now, sight)
    return Outlook(
        before=before.guards,
        after=snapshot_of(then, replace(sight, marks=then.marks)).guards,
        equity=before.equity,
        breaches=tuple(dict.fromkeys(breaches)),
    )
