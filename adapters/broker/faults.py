"""Faults on request: what a network, a server or a clock may do to a terminal.

Each is asked for by account, a number of times, and taken by whoever would suffer it. Rates, for
long runs, draw from a stream of each account and fault.
"""

from collections import Counter, deque
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from adapters.broker.streams import Streams


class Fault(StrEnum):
    """What may be asked for; `amount` is what the words say, 0 the default."""

    LOST_COMMAND = "lost_command"
    """The engine's command is lost before the terminal has read it: no row, no answer."""
    LOST_REQUEST = "lost_request"
    """The server never sees the request; the terminal answers 10012 after its time-out."""
    LOST_REPLY = "lost_reply"
    """Executed, and the deals are told; the terminal answers 10012 after its time-out."""
    LATE_EXECUTION = "late_execution"
    """Executed `amount` ms (3,000) later; the terminal answered 10012 at its time-out."""
    RETCODE = "retcode"
    """Not executed; the server answers `amount`."""
    RETCODE_DONE = "retcode_done"
    """Executed; the server answers `amount` all the same."""
    DUPLICATE = "duplicate"
    """Deals and results of a moment are told twice, under new numbers."""
    REORDER = "reorder"
    """What is to be told of a moment is told the last first: a result before its deal."""
    DISCONNECT_MID_CLOSE = "disconnect_mid_close"
    """The link is cut when the close has left for the server; back after `amount` ms (0)."""
    CUT = "cut"
    """The link is cut; back after `amount` ms (0)."""
    SILENCE = "silence"
    """The terminal sends nothing for `amount` ms (4,000); the connection stands."""
    ABSURD_EQUITY = "absurd_equity"
    """The next heartbeat or report shows an equity `amount` (1,000) times the balance."""
    FAILED_REPORT = "failed_report"
    """A query behind the next report fails: `complete` false, and no position in it."""
    WRONG_CLOCK = "wrong_clock"
    """From now on the terminal claims a GMT offset wrong by `amount` s (3,600)."""
    CLOCK_STEP = "clock_step"
    """The terminal's own clock steps by `amount` ms (60,000)."""


DEFAULTS = {
    Fault.LATE_EXECUTION: 3000,
    Fault.SILENCE: 4000,
    Fault.ABSURD_EQUITY: 1000,
    Fault.WRONG_CLOCK: 3600,
    Fault.CLOCK_STEP: 60_000,
    Fault.RETCODE: 10006,
    Fault.RETCODE_DONE: 10012,
}


class Planted(NamedTuple):
    """A fault that strikes now."""

    fault: Fault
    amount: int


class Faults:
    """The faults of a server: asked for, drawn, and counted."""

    def __init__(self, streams: Streams, rates: Mapping[Fault, float] | None = None) -> None:
        """`rates`: chance of each fault at each occasion for it."""
        self._streams = streams
        self._rates = dict(rates or {})
        self._asked: dict[tuple[int, Fault], deque[int]] = {}
        self.struck: Counter[Fault] = Counter()

    def ask(self, login: int, fault: Fault, amount: int = 0, times: int = 1) -> None:
        """Lets the fault strike this account at the next `times` occasions."""
        amounts = [amount or DEFAULTS.get(fault, 0)] * times
        self._asked.setdefault((login, fault), deque()).extend(amounts)

    def waiting(self, login: int, fault: Fault) -> int:
        """How often it is still to strike."""
        return len(self._asked.get((login, fault), ()))

    def take(self, login: int, fault: Fault) -> Planted | None:
        """The fault, where it strikes on this occasion."""
        asked = self._asked.get((login, fault))
        if asked:
            amount = asked.popleft()
        else:
            rate = self._rates.get(fault, 0.0)
            if not rate or self._streams.of(f"fault:{login}:{fault}").random() >= rate:
                return None
            amount = DEFAULTS.get(fault, 0)
        self.struck[fault] += 1
        return Planted(fault, amount)
