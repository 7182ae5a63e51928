"""Bugs put into the running system, one at a time; a few seeds of the simulation must show each."""

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine import link_sink, recovery
from engine.actor import Actor
from engine.domain import (
    booking,
    closing,
    driving,
    early,
    equity_limits,
    linking,
    matching,
    operating,
    reconcile,
    reporting,
    resets,
    resetting,
    residuals,
)
from engine.router import Router

SHORT_S = 100.0
"""Of trouble: enough for each."""


@dataclass(frozen=True)
class Bug:
    """What is wrong, where, and the seed whose world shows it."""

    name: str
    where: Callable[..., Any]
    old: str
    new: str
    seed: int
    shows: str
    """Part of what an oracle says of it."""


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """The function does what the bug says, wherever it was imported to, while this lasts."""
    where: Any = bug.where
    wrapped = getattr(where, "__wrapped__", where)
    source = textwrap.dedent(inspect.getsource(wrapped))
    assert source.count(bug.old) == 1, f"{bug.name}: {source.count(bug.old)} times {bug.old!r}"
    made: dict[str, Any] = {}
    exec(
        compile(source.replace(bug.old, bug.new), f"<{bug.name}>", "exec"),
        wrapped.__globals__,
        made,
    )
    new = getattr(made[wrapped.__name__], "__wrapped__", made[wrapped.__name__])
    before = wrapped.__code__
    wrapped.__code__ = new.__code__
    try:
        if where is not wrapped:
            where.cache_clear()
        yield
    finally:
        wrapped.__code__ = before
        if where is not wrapped:
            where.cache_clear()


BUGS = (
    Bug(
        "a failed report is taken as flat",
        reporting.on_report,
        "if not report.complete:",
        "if False:",
        25,
        "drift not found",
    ),
    Bug(
        "valued on the older quote",
        early.is_early,
        "fill.server_msc <= newest_msc",
        "True",
        6,
        "the broker had",
    ),
    Bug(
        "valued half closed by another position",
        booking._pair,
        "elif half:",
        "elif False:",
        5,
        "the broker had",
    ),
    Bug(
        "a deal told twice is booked twice",
        residuals.fresh,
        "if ticket >= ledger.booked_below and ticket not in ledger.booked",
        "",
        2,
        "balance_residual",
    ),
    Bug(
        "deals are dropped",
        link_sink.LiveSink.deal,
        "await self._accounts.note(key, event, receipt)",
        "if deal.ticket % 7:\n"
        "        await self._accounts.note(key, event, receipt)\n"
        "    else:\n"
        "        receipt.sign()",
        0,
        "balance_residual",
    ),
    Bug(
        "midnight in UTC",
        resets.next_reset_msc,
        "zone_of(reset.zone)",
        "zone_of('UTC')",
        0,
        "ends of the day",
    ),
    Bug(
        "the high-water mark stays when money goes",
        operating.apply,
        "marks=moved(state.marks, spec.major(amount_minor))",
        "marks=state.marks",
        1,
        "trailing",
    ),
    Bug(
        "the terms of a symbol are not compared",
        reconcile._spec_findings,
        "if fields:",
        "if False:",
        1,
        "SPEC_CHANGED",
    ),
    Bug(
        "silence is not noticed",
        linking.on_silent,
        "if not link.is_linked or link.is_silent:",
        "if True:",
        1,
        "STALE_TERMINAL",
    ),
    Bug(
        "an hour back is out of order",
        link_sink.LiveSink.quotes,
        "intake.start_over()",
        "pass",
        1,
        "linked and unknown",
    ),
    Bug(
        "a tag tells nothing",
        matching._by_tag,
        "if spoken:",
        "if False:",
        1,
        "SIDE",
    ),
    Bug(
        "rules read after the start have no resets",
        Router.on_time,
        "self._schedule_resets()",
        "pass",
        0,
        "ends of the day",
    ),
    Bug(
        "a reset missed is not made up for",
        resetting.catch_up,
        "if instant:",
        "if False:",
        140,
        "ends of the day",
    ),
    Bug(
        "published before it is durable",
        Actor._swap,
        "    self._take(before, state, records, taken)\n",
        "    self._take(before, state, records, taken)\n"
        "    if hands is not None and records:\n"
        "        hands.tap.publish(self.key, records)\n",
        2,
        "not durable",
    ),
    Bug(
        "a percentage of the initial balance",
        equity_limits.floor_minor,
        "share_of(share, reference if of_reference else spec.initial_minor)",
        "share_of(share, spec.initial_minor)",
        0,
        "trailing",
    ),
    Bug(
        "what opens again is let be",
        driving.chase,
        "may = again and ",
        "may = False and again and ",
        24,
        "its strategy holds",
    ),
    Bug(
        "entries after the newest state are left out",
        recovery.recover,
        "while page := await store.entries(key, number, PAGE):",
        "while (page := await store.entries(key, number, PAGE)) and not kept:",
        29,
        "the engine broke",
    ),
    Bug(
        "notices never run out",
        closing.close_what_is_due,
        "known.close_due_msc <= draft.time_msc",
        "known.close_due_msc < 0",
        0,
        "still holds",
    ),
)
