"""What an account's actor has to do, and what a live one works with."""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from engine.clock import Clock
from engine.domain.account import AccountState
from engine.domain.effects import (
    AskReport,
    Effect,
    KeepClose,
    SendClose,
    SetFloor,
    TellTerminal,
)
from engine.domain.events import MarketFound, QuoteMarked, ReplayEnded, TimeReached
from engine.domain.ids import AccountKey
from engine.domain.inputs import Event
from engine.domain.records import Record
from engine.domain.step import Step
from engine.inbox import Item, Reply
from engine.kept import KeptStep
from engine.link import Receipt
from engine.meters import Meter
from engine.ports import Begun, Terminals
from engine.rush import Rush
from engine.tap import Tap


@dataclass(frozen=True, slots=True)
class Settled:
    """One change of an account's state."""

    place: int
    number: int
    """Of the telling that led to it; 0 for deals and commands from outside."""
    index: int
    """First tick valued on this state: a close stands from the next tick on."""
    before: AccountState
    state: AccountState
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Hands:
    """What a live account's actor works with beside the journal."""

    terminals: Terminals
    clock: Clock
    random: Random
    """For the pauses between tries."""
    tap: Tap
    """Where its durable records come out."""
    on_full: Callable[[AccountKey], None]
    """Called while the disk is full, at each try."""
    meter: Meter
    rush: Rush

    def tell(self, key: AccountKey, effects: tuple[Effect, ...]) -> None:
        """Tells its terminal what waited for the journal, but closes: those are commands."""
        for effect in effects:
            match effect:
                case KeepClose():
                    pass
                case AskReport():
                    self.terminals.ask_report(key)
                case TellTerminal(is_halted):
                    self.terminals.tell_halted(key, is_halted=is_halted)
                case SetFloor(floor):
                    self.terminals.set_floor(key, floor)
                case _:
                    raise AssertionError(f"{effect} is not handed out")


@dataclass(frozen=True, slots=True)
class Store:
    """To be made durable, as one."""

    steps: tuple[KeptStep, ...]
    begun: Begun | None = None
    """Where it was handed to the journal already."""

    @property
    def closes(self) -> bool:
        """See `KeptStep.closes`; of any step."""
        return any(step.closes for step in self.steps)

    @property
    def records(self) -> tuple[Record, ...]:
        """Of all its steps, in order."""
        return tuple([record for step in self.steps for record in step.records])


@dataclass(frozen=True, slots=True)
class HandOut:
    """What a live step asks of the world besides, once it is durable."""

    effects: tuple[Effect, ...]


@dataclass(frozen=True, slots=True)
class Sign:
    """What was said is durable."""

    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Answer:
    """A command is done and durable."""

    reply: Reply
    step: Step


class Watching:
    """Reading the new state for what to watch for: the last thing to do of an item."""


WATCHING = Watching()
Valued = QuoteMarked | TimeReached | MarketFound | ReplayEnded
Job = Item | Event | SendClose | Store | HandOut | Sign | Answer | Watching
