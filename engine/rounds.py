"""What a running engine looks after at each account, some times a second."""

from collections.abc import Sequence

from engine.actor import Actor
from engine.domain.driving import time_due_ms
from engine.domain.link_events import MarksNoted, TimePassed
from engine.equity_history import EquityHistory
from engine.ports import Terminals
from engine.supervisor import Supervisor


def note_account(
    actor: Actor,
    supervisor: Supervisor,
    history: EquityHistory,
    terminals: Terminals,
    now_msc: int,
) -> None:
    """Notes its balance, and its marks where they rose; asks again for a report that failed."""
    state = actor.state
    if state.opened:
        history.balance(actor.key, now_msc, state.spec.major(state.balance_minor))
    risen = zip(actor.marks.trackers, actor.kept_trackers, strict=False)
    if any(now > kept for now, kept in risen):
        supervisor.note_nowait(actor.key, MarksNoted(time_msc=0))
    live = state.live
    if live is not None and live.is_failed:
        terminals.ask_report(actor.key)


def closing_of(actors: Sequence[Actor]) -> list[Actor]:
    """Those with a close that is remembered: most have none, and are not even called for."""
    lives = [(actor, actor.state.live) for actor in actors]
    return [actor for actor, live in lives if live is not None and live.closes]


def pass_time(actor: Actor, supervisor: Supervisor, now_msc: int) -> None:
    """Tells it that time passes, where a close asks for that; not again before it has heard."""
    live = actor.state.live
    if live is None or not live.closes or actor.awaits_time:
        return
    closes, due_msc = actor.time_due
    if closes is not live.closes:
        # Closes are a new tuple where anything about them changed: most are looked at once.
        due_msc = time_due_ms(live.closes)
        actor.time_due = live.closes, due_msc
    if due_msc <= now_msc:
        actor.awaits_time = supervisor.note_nowait(actor.key, TimePassed(time_msc=0))
