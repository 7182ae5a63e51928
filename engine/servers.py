"""A broker server as the engine has it: its accounts alive, their feed, and where quotes come in.

An account whose quotes differ from its server's is valued on a feed of its own (`own_feeds`): that
is one more of these, with the supervisor and the history of its server and all else for itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from engine.actor import Actor
from engine.agenda import Hands
from engine.board import Board
from engine.clock import Clock
from engine.domain.feeds import QuotedBy
from engine.domain.ids import AccountKey
from engine.domain.instruments import Instrument
from engine.domain.market_guards import AnyMarketGuard
from engine.domain.terminal_views import TerminalView
from engine.equity_history import EquityHistory
from engine.equity_own import OwnMarks
from engine.intake import Intake
from engine.marking.feed import Feed
from engine.marking.ticks import TickBatch
from engine.outbox import NoReplayBroker
from engine.ports import Journal
from engine.router import Router
from engine.seats import Seats
from engine.supervisor import Supervisor
from engine.tape_accounts import TapedAccounts
from engine.tapes import Tapes

if TYPE_CHECKING:
    from engine.live_engine import LiveAccount

OWN_TICKS = 512
"""In one walk of a feed of one account: half of what an inbox holds. Room costs memory."""


@dataclass(slots=True, kw_only=True)
class Server:
    """See the top."""

    name: str
    """Of its feed."""
    supervisor: Supervisor
    seats: Seats
    actors: list[Actor]
    """By place."""
    router: Router
    board: Board
    intake: Intake
    history: EquityHistory
    taped: TapedAccounts
    account: AccountKey | None = None
    """Whose feed it is alone; None: its server's."""
    leader: AccountKey | None = None
    """Whose terminal quotes it."""


def quoted_by(server: Server, key: AccountKey) -> QuotedBy:
    """Whose terminal quotes what an account on this feed is valued on."""
    if server.leader is None:
        return QuotedBy.NOBODY
    if server.leader != key:
        return QuotedBy.OTHER
    return QuotedBy.LEADER if server.account is None else QuotedBy.OWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundry:
    """Makes them."""

    instruments: Sequence[Instrument]
    market_guards: Sequence[AnyMarketGuard]
    journal: Journal
    clock: Clock
    tapes: Tapes
    hands: Hands
    stale_after_ms: int
    compared_ms: Callable[[AccountKey], float | None]
    terminal: Callable[[AccountKey], TerminalView | None]
    on_crash: Callable[[AccountKey, str], None] | None
    on_batch: Callable[[str, TickBatch], None] | None

    def server(self, name: str, accounts: "Sequence[LiveAccount]") -> Server:
        """A broker server with these accounts, not running yet."""
        symbols = tuple(one.symbol for one in self.instruments)
        feed = Feed(symbols)
        taped = self.tapes.add(name, [account.key for account in accounts], symbols)
        supervisor = Supervisor(
            [account.recovery.state for account in accounts],
            feed,
            self.journal,
            NoReplayBroker(),
            self.clock,
            conflates=True,
            on_settled=taped.settled,
            on_crash=self.on_crash,
            hands=self.hands,
            entries=[account.recovery.entries for account in accounts],
        )
        router = supervisor.router
        names: dict[str, str] = {}
        for account in accounts:
            names.update(account.terms.aliases)
        history = EquityHistory([a.key for a in accounts], feed, supervisor.seats.by_slot)
        router.history = history
        return Server(
            name=name,
            supervisor=supervisor,
            seats=supervisor.seats,
            actors=supervisor.actors,
            router=router,
            board=self._board(name, supervisor.by_key, router, feed),
            intake=self._intake(name, symbols, names, router, taped),
            history=history,
            taped=taped,
        )

    def own(self, server: Server, actor: Actor, name: str, names: Mapping[str, str]) -> Server:
        """A feed for one account of a server, which is not on it yet; `names`: its aliases."""
        symbols, key = server.intake.symbols, actor.key
        feed = Feed(symbols, OWN_TICKS)
        seats, actors = Seats(feed), list[Actor]()
        router = Router(feed, seats, actors, self.clock)
        router.history = OwnMarks(server.history, key, feed, seats.by_slot)
        taped = self.tapes.add(name, [key], symbols)
        return Server(
            name=name,
            supervisor=server.supervisor,
            seats=seats,
            actors=actors,
            router=router,
            board=self._board(name, {key: actor}, router, feed),
            intake=self._intake(name, symbols, names, router, taped),
            history=server.history,
            taped=taped,
            account=key,
        )

    def _board(
        self, name: str, actors: Mapping[AccountKey, Actor], router: Router, feed: Feed
    ) -> Board:
        return Board(
            actors,
            router,
            feed,
            self.clock,
            stale_after_ms=self.stale_after_ms,
            compared_ms=self.compared_ms,
            terminal=self.terminal,
            name=name,
        )

    def _intake(
        self,
        name: str,
        symbols: Sequence[str],
        names: Mapping[str, str],
        router: Router,
        taped: TapedAccounts,
    ) -> Intake:
        return Intake(
            symbols,
            self.instruments,
            self.market_guards,
            names,
            router,
            self.clock,
            taped.hearing(self.on_batch and partial(self.on_batch, name)),
        )
