"""What a running engine looks after at each account, some times a second."""

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


def pass_time(supervisor: Supervisor, now_msc: int) -> None:
    """Tells accounts that time passes, where a close asks for that; not again before it is heard.

    Ten times a second, so most accounts, which have no close, cost an attribute each.
    """
    lives = [(actor, actor.state.live) for actor in supervisor.actors]
    for actor, live in lives:
        if live is None or not live.closes or actor.awaits_time:
            continue
        closes, due_msc = actor.time_due
        if closes is not live.closes:
            # Closes are a new tuple where anything about them changed: most are looked at once.
            due_msc = time_due_ms(live.closes)
            actor.time_due = live.closes, due_msc
        if due_msc <= now_msc:
            actor.awaits_time = supervisor.note_nowait(actor.key, TimePassed(time_msc=0))
