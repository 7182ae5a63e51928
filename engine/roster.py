"""Accounts that come and go while the engine runs, for its book was read again.

One that comes begins as at a start of the engine: its past is read, it is told its book, and its
first report opens it. One that goes must have nothing that anybody has to look after. What it was
stays readable until the engine stops, and may not come back before that. No other account notices.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import trio

from engine.clock import Clock
from engine.domain import yielding
from engine.domain.ids import AccountKey
from engine.domain.link_events import Founded, LinkEvent, Recovered
from engine.equity_history import EquityHistory
from engine.intake import Intake
from engine.link import Receipt
from engine.lobby import Lobby
from engine.supervisor import Supervisor
from engine.tap import Tap
from engine.tapes import Tapes

if TYPE_CHECKING:
    from engine.live_engine import LiveAccount

Note = Callable[[AccountKey, LinkEvent, Receipt | None], Awaitable[None]]
LOOK_S = 0.01
DURABLE_S = 10.0


class Server(Protocol):
    """Where accounts live."""

    @property
    def supervisor(self) -> Supervisor: ...

    @property
    def intake(self) -> Intake: ...

    @property
    def history(self) -> EquityHistory: ...


def beginnings(account: "LiveAccount") -> Iterator[LinkEvent]:
    """What an account is told first: its book, where that is new, and that it has a past."""
    state, recovery = account.recovery.state, account.recovery
    live = state.live
    assert live is not None, "a live account has a link"
    same = (
        recovery.entries
        and state.spec == account.spec
        and live.terms == account.terms
        and live.close_terms == account.close_terms
        and (live.expects or not account.expects)
    )
    if not same:
        yield Founded(
            time_msc=0,
            spec=account.spec,
            terms=account.terms,
            close_terms=account.close_terms,
            expects=account.expects,
        )
    if recovery.entries:
        yield Recovered(time_msc=0)


Where = TypeVar("Where", bound=Server)


class Roster(Generic[Where]):
    """Who is guarded. Made by the engine."""

    def __init__(
        self,
        accounts: "Sequence[LiveAccount]",
        servers: Mapping[str, Where],
        by_key: dict[AccountKey, Where],
        tap: Tap,
        tapes: Tapes,
        lobby: Lobby,
        clock: Clock,
        note: Note,
    ) -> None:
        """`by_key` is the engine's own, which is looked at for everything about an account."""
        self.accounts = list(accounts)
        """In the order shown."""
        self.keys = tuple(one.key for one in accounts)
        self._servers = servers
        self._by_key = by_key
        self._tap = tap
        self._tapes = tapes
        self._lobby = lobby
        self._clock = clock
        self._note = note

    def names_of(self, key: AccountKey) -> Mapping[str, str]:
        """The broker's symbols of an account, to the book's, where they differ."""
        found = (one.terms.aliases for one in self.accounts if one.key == key)
        return next(found, {})

    def was_here(self, key: AccountKey) -> bool:
        """Whether it is guarded, or was since the start."""
        return key in self._by_key

    async def admit(self, accounts: "Sequence[LiveAccount]") -> None:
        """Guards these too, each of a server there is.

        Returns when that they begin is durable, or where that has not come in `DURABLE_S`: a full
        disk keeps it, and they are guarded meanwhile.
        """
        for name, server in self._servers.items():
            own = [one for one in accounts if one.key.server == name]
            if not own:
                continue
            keys = [one.key for one in own]
            server.history.admit(keys)
            self._tapes.admit(name, keys)
            for one in own:
                state, entries = one.recovery.state, one.recovery.entries
                self._tap.admit(one.key, state.seq)
                self._by_key[one.key] = server
                server.supervisor.admit(state, entries, self._clock.wall_msc())
                server.intake.rename(one.terms.aliases)
                self._show([*self.accounts, one])
        with trio.move_on_after(DURABLE_S):
            for durable in [await self._begin(one) for one in accounts]:
                await durable.wait()

    def holds_up(self, key: AccountKey) -> str:
        """What the account still has that somebody must look after, in words; empty: nothing.

        What it holds is what its terminal last reported.
        """
        actor = self._by_key[key].supervisor.by_key[key]
        live = actor.state.live
        assert live is not None, "a live account has a link"
        if actor.crashed is not None:
            return "it was given up: what it holds is not known"
        if live.is_failed:
            return "its last report failed: what it holds is not known"
        counts = {
            "open positions": len(live.holdings),
            "pending orders": len(live.orders),
            "closes under way": len(live.open_closes),
            "closes that wait": len(yielding.waiting(actor.state)),
            "deals on their way": len(live.settling),
            "registered intents": len(live.book.intents),
        }
        found = [f"{number} {what}" for what, number in counts.items() if number]
        return f"it has {', '.join(found)}" if found else ""

    async def rest(self, key: AccountKey, within_s: float) -> bool:
        """Returns when the account has done all that was said to it; False: not within the time."""
        with trio.move_on_after(within_s):
            while not self._rests(key):
                await trio.sleep(LOOK_S)
            return True
        return False

    def dismiss(self, keys: Sequence[AccountKey]) -> str:
        """Guards these no more; or none of them, and why. No other task runs meanwhile."""
        for key in keys:
            why = self.holds_up(key) or ("" if self._rests(key) else "something came just now")
            if why:
                return f"{key}: {why}"
        for key in keys:
            self._by_key[key].supervisor.dismiss(key)
        self._show([one for one in self.accounts if one.key not in keys])
        return ""

    async def _begin(self, account: "LiveAccount") -> trio.Event:
        durable = trio.Event()
        for event in beginnings(account):
            await self._note(account.key, event, Receipt(durable.set))
        return durable

    def _rests(self, key: AccountKey) -> bool:
        actor = self._by_key[key].supervisor.by_key[key]
        return not actor.inbox and actor.at is None and not self._lobby.waits(key)

    def _show(self, accounts: "list[LiveAccount]") -> None:
        self.accounts = accounts
        self.keys = tuple(one.key for one in accounts)
