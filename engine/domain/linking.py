"""The link of an account comes, falls silent and goes: what that does to its closes and beliefs."""

from msgspec.structs import replace

from engine.domain import close_orders, driving, reconcile, records
from engine.domain.account import AccountState, MarginMode
from engine.domain.discrepancies import Discrepancy
from engine.domain.drafts import Draft
from engine.domain.driving import live_of, set_live
from engine.domain.effects import TellTerminal
from engine.domain.link_events import Linked, LinkLost, Recovered, WentSilent
from engine.domain.live import Link

UNTOLD_MS = 60_000
"""A reset instant is told to an account within a small part of this, whatever the load."""


def on_linked(draft: Draft, event: Linked) -> None:
    """A terminal is there; a full report follows, and nothing is sent before it."""
    refusal = _refusal(draft.state, event)
    set_live(
        draft,
        link=Link(
            is_linked=True,
            epoch=event.epoch,
            session=event.session,
            changed_msc=draft.time_msc,
            refusal=refusal,
        ),
        floor_sent=None,
        beats_below=0,
    )
    _say(draft, "refused" if refusal else "linked", refusal)
    if refusal:
        return
    driving.apply_all(draft, lambda order: close_orders.linked(order, event.epoch))
    if draft.state.is_halted:
        draft.effects.append(TellTerminal(is_halted=True))


def on_lost(draft: Draft, event: LinkLost) -> None:
    """Commands that were out are unknown from now."""
    link = live_of(draft).link
    if not link.is_linked:
        return
    gone = replace(
        link, is_linked=False, is_reported=False, is_silent=False, changed_msc=draft.time_msc
    )
    set_live(draft, link=gone, beats_below=0)
    now_ms = draft.time_msc
    driving.apply_all(draft, lambda order: close_orders.link_lost(order, now_ms))
    _say(draft, "unlinked", event.cause)
    _silent(draft)


def on_silent(draft: Draft, _event: WentSilent) -> None:
    """The link stands and says nothing: what is held may change unseen."""
    link = live_of(draft).link
    if not link.is_linked or link.is_silent:
        return
    set_live(draft, link=replace(link, is_silent=True, changed_msc=draft.time_msc), beats_below=0)
    _say(draft, "silent", "")
    _silent(draft)


def heard(draft: Draft) -> None:
    """Anything at all came over the link: it is silent no more."""
    link = live_of(draft).link
    if link.is_silent:
        back = replace(link, is_silent=False, changed_msc=draft.time_msc)
        set_live(draft, link=back)
        _say(draft, "linked", "heard again")


def on_recovered(draft: Draft, _event: Recovered) -> None:
    """After a restart: what was out may have been done, and nobody saw what the market did."""
    live, state = live_of(draft), draft.state
    before_msc = state.time_msc
    # What came after midnight may be durable where midnight itself, told late, was not.
    untold_msc = max(live.reset_msc, before_msc - UNTOLD_MS) if state.opened else 0
    set_live(
        draft,
        link=replace(live.link, is_linked=False, is_reported=False, is_silent=False),
        floor_sent=None,
        beats_below=0,
        missed_since_msc=live.missed_since_msc or untold_msc,
        estimated_msc=live.estimated_msc or (before_msc if state.opened else 0),
    )
    draft.state = replace(draft.state, known=False, untested=True)
    now_ms = draft.time_msc
    driving.apply_all(draft, lambda order: close_orders.recovered(order, now_ms))


def publish_rows(draft: Draft, changed: tuple[Discrepancy, ...]) -> None:
    """Publishes discrepancies that are new, confirmed, resolved, or have another value."""
    for row in changed:
        found = row.finding
        draft.publish(
            records.Discrepancy,
            kind=found.kind.value,
            state=row.state.value,
            position_id=found.position_id,
            intent_id=found.intent_id,
            subject=found.subject,
            expected=found.expected,
            actual=found.actual,
        )


def _silent(draft: Draft) -> None:
    live = live_of(draft)
    done = reconcile.silent(live.book, draft.time_msc, live.terms)
    set_live(draft, book=done.book)
    publish_rows(draft, done.changed)


def _say(draft: Draft, state: str, cause: str) -> None:
    draft.publish(records.LinkChanged, state=state, cause=cause)


def _refusal(state: AccountState, event: Linked) -> str:
    """Why the terminal's account cannot be the book's; empty: it can."""
    deposit = state.spec.market.deposit
    if event.currency != deposit:
        return f"the terminal's account is in {event.currency}, the book says {deposit}"
    is_hedging = state.spec.margin_mode is MarginMode.HEDGING
    if event.is_hedging is not is_hedging:
        kinds = ("netting", "hedging")
        return (
            f"the terminal's account is {kinds[event.is_hedging]},"
            f" the book says {kinds[is_hedging]}"
        )
    return ""
