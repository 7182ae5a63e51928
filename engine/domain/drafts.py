"""A step in the making: the next state and the effects gathered so far. Lives for one step only."""

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from engine.domain.account import AccountState
from engine.domain.effects import Effect, Publish
from engine.domain.records import Record, Tick
from engine.domain.valuation import Quotes


class Draft:
    """What the parts of one step write to; `done` gives the state that replaces the old one."""

    __slots__ = ("effects", "quotes", "state", "tick", "time_msc")

    def __init__(self, state: AccountState, time_msc: int, quotes: Quotes | None = None) -> None:
        """`quotes`: of this moment, where what happened came with them."""
        self.state = state
        self.time_msc = time_msc
        self.quotes: Quotes = {} if quotes is None else quotes
        self.tick: Tick | None = None
        self.effects: list[Effect] = []

    @property
    def next_seq(self) -> int:
        """The number the next record will have."""
        return self.state.seq + 1

    def publish(self, kind: type[Record], /, **fields: Any) -> None:
        """Numbers a record, stamps it and adds it to the effects."""
        seq = self.next_seq
        key = self.state.spec.key
        record = kind(
            seq=seq,
            time_msc=self.time_msc,
            login=key.login,
            server=key.server,
            tick=UNSET if self.tick is None else self.tick,
            **fields,
        )
        self.state = replace(self.state, seq=seq)
        self.effects.append(Publish(record))

    def done(self) -> AccountState:
        """The state after the step."""
        return replace(self.state, time_msc=self.time_msc)
