"""Where an account's closes go: the broker. Here the one of a replay, which fills at once.

The port is in `ports.py`. A live link returns no deal from `send`: its deals come later, through
the inbox of the account.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from engine.domain.account import AccountState
from engine.domain.effects import SendClose
from engine.domain.events import DealReported
from engine.domain.ids import AccountKey
from engine.domain.quotes import Quote
from engine.domain.records import Tick
from engine.domain.valuation import Quotes
from engine.replay_broker import fill_close, stops_reached


@dataclass(frozen=True, slots=True)
class Seen:
    """What an account saw when it decided."""

    time_msc: int
    tick: Tick | None
    """None between two ticks: at a reset, on a command."""
    quotes: dict[str, Quote]


class NoReplayBroker:
    """`Outbox` of live accounts: their closes are commands, and their deals come over the link."""

    def reached(self, state: AccountState, seen: Seen) -> Iterator[DealReported]:
        """See `Outbox.reached`: a link has none to give here."""
        del state, seen
        return iter(())

    async def send(
        self, state: AccountState, close: SendClose, seen: Seen
    ) -> tuple[DealReported, ...]:
        """Never called: a live step has no such effect."""
        del close, seen
        raise AssertionError(f"{state.spec.key}: a close of a replay on a live account")


class ReplayOutbox:
    """The broker of a replay behind the port: zero latency, at the tick's own bid or ask.

    A close that cannot be priced yet is filled on the first tick that prices it.
    """

    def __init__(self) -> None:
        self._waiting: dict[AccountKey, list[SendClose]] = {}

    def reached(self, state: AccountState, seen: Seen) -> Iterator[DealReported]:
        """See `Outbox.reached`: stops and targets, and the closes that were waiting for a price."""
        assert seen.tick is not None, "stops are reached on ticks"
        closed = set()
        for close in self._priced(state, seen):
            closed.add(close.position_id)
            yield fill_close(state, close, seen.time_msc, seen.tick, seen.quotes)
        for deal in stops_reached(state, seen.time_msc, seen.tick, seen.quotes):
            if deal.position_id not in closed:
                yield deal

    async def send(
        self, state: AccountState, close: SendClose, seen: Seen
    ) -> tuple[DealReported, ...]:
        """See `Outbox.send`."""
        position = state.position(close.position_id)
        if position is None or position.volume_lots <= close.target_volume_lots:
            return ()
        if not _is_priced(state, close, seen.quotes):
            waiting = self._waiting.setdefault(state.spec.key, [])
            if all(other.position_id != close.position_id for other in waiting):
                waiting.append(close)
            return ()
        return (fill_close(state, close, seen.time_msc, seen.tick, seen.quotes),)

    def _priced(self, state: AccountState, seen: Seen) -> list[SendClose]:
        waiting = self._waiting.pop(state.spec.key, [])
        open_still = [c for c in waiting if state.position(c.position_id) is not None]
        priced = [close for close in open_still if _is_priced(state, close, seen.quotes)]
        later = [close for close in open_still if close not in priced]
        if later:
            self._waiting[state.spec.key] = later
        return priced


def _is_priced(state: AccountState, close: SendClose, quotes: Quotes) -> bool:
    position = state.position(close.position_id)
    assert position is not None, f"position {close.position_id} is not open"
    return all(symbol in quotes for symbol in state.spec.market.needs(position.symbol))
