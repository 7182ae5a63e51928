"""Feeds of one account alone: whoever sees other prices than its server is valued on its own.

What is decided is in the account's state (`domain/own_feed.py`), kept with it and read again at a
restart; here it is brought about. The way to a feed of its own:

1. It is opened, and the account's terminal is told to quote for it alone. Meanwhile the account
   stays where it is: known, and guarded on the quotes it had.
2. Once every symbol it needs has a quote there, no older than what it is valued on now, it moves:
   when it has done all that was said to it, between two walks, in one go. So each valuation is on
   quotes of one feed, and no tick, deal, command or reset is lost or comes twice.
3. It is told the quotes of now at once: where a guard is broken on these, it is broken then.

The way back is the same. Where its terminal goes, its quotes grow stale: never others instead.

An account keeps its supervisor, its actor with all that it is at, its inbox, its tap and its
equity over time; it gets a kernel feed, a router, a board, an intake and a tape.

Measured, with 30 symbols: a feed has 0.7 MB (and its tape's ticks, see `tape`) and takes 0.3 ms to
open, 37 us a quote, 1 us ten times a second. There are `MOST` at most; one more is refused, which
the account records and people are told.
"""

import logging
from collections.abc import Callable, Iterator, Mapping

import trio
from msgspec.structs import replace

from engine.actor import Actor
from engine.agenda import Settled
from engine.clock import Clock
from engine.domain import own_feed
from engine.domain.ids import AccountKey
from engine.domain.link_events import FeedRefused
from engine.domain.valuation import symbols_needed
from engine.lobby import Lobby
from engine.ports import Terminals
from engine.seats import Seat
from engine.servers import Foundry, Server
from engine.supervisor import DISMISSED

log = logging.getLogger("tidegate.own_feeds")

MOST = 1000
"""Feeds of one account, in one process."""
TIMED_AT_ONCE = 32
"""Feeds whose clock is told between two pauses: a quote must not wait until all are."""
FRESH_NS = 60_000_000_000
TURN_MSC = 10_000
"""So long after another terminal took the lead for a server, what was asked for before is old."""
TURN_AGAIN_MSC = 3_600_000
"""A lead is not taken away sooner again: with three kinds of quotes it would go round."""


class OwnFeeds:
    """See the top. The engine calls `note` each second and `pass_time` at each pulse."""

    def __init__(
        self,
        servers: Mapping[str, Server],
        by_key: dict[AccountKey, Server],
        foundry: Foundry,
        terminals: Terminals,
        lobby: Lobby,
        clock: Clock,
        names_of: Callable[[AccountKey], Mapping[str, str]],
    ) -> None:
        """`by_key`: the engine's own, looked at for everything about an account; `names_of`: the
        broker's symbols of an account, to the book's."""
        self.most = MOST
        self._servers = servers
        self._by_key = by_key
        self._foundry = foundry
        self._terminals = terminals
        self._lobby = lobby
        self._clock = clock
        self._names_of = names_of
        self._open: dict[AccountKey, Server] = {}
        self._by_name: dict[str, Server] = {}
        self._moving: dict[AccountKey, None] = {}
        """Those that are not where they are to be."""
        self._left: dict[AccountKey, AccountKey | None] = {}
        """Of those that are open: who quoted for the server when that was not right for them."""
        self._turned_msc: dict[str, int] = {}
        """When a server's lead was last given to another."""

    def __iter__(self) -> Iterator[Server]:
        """Those that are open, accounts on them or not yet."""
        return iter(list(self._open.values()))

    def find(self, name: str) -> Server | None:
        """The one of that name."""
        return self._by_name.get(name)

    def begin(self) -> None:
        """At the start, before anything runs: whoever was on a feed of its own is again."""
        for server in self._servers.values():
            for actor in server.actors:
                if own_feed.wants_own(actor.state) and len(self._open) < self.most:
                    own = self._opened(server, actor)
                    self._seat(actor, server, own)

    def run(self) -> None:
        """Once everything runs: opens the routers, and tells terminals what to quote."""
        for key, own in self._open.items():
            own.router.open(self._clock.wall_msc(), len(own.intake.symbols))
            self._terminals.quote_for(key, own.name, self.symbols_of(own))

    def symbols_of(self, own: Server) -> tuple[str, ...]:
        """The broker's names of all its symbols: what its terminal is to quote."""
        assert own.account is not None, "a feed of one account"
        renamed = {book: broker for broker, book in self._names_of(own.account).items()}
        return tuple(renamed.get(symbol, symbol) for symbol in own.intake.symbols)

    async def pass_time(self, now_msc: int) -> None:
        """The clock of those feeds; then moves who can be moved."""
        for number, own in enumerate(self, start=1):
            await own.router.on_time(now_msc)
            if number % TIMED_AT_ONCE == 0:
                await trio.lowlevel.checkpoint()
        await self.look(now_msc)

    async def note(self, actor: Actor) -> None:
        """Looks after one account, about each second: see `see_to`; and after its own feed."""
        self.see_to(actor)
        own = self._open.get(actor.key)
        if own is not None:
            await own.intake.pass_time()
            await own.router.wake_unknown(self._clock.wall_msc())

    def see_to(self, actor: Actor) -> None:
        """Compares what is decided of an account with where it is; begins what is to be done."""
        key = actor.key
        if actor.crashed is not None:
            if actor.crashed == DISMISSED and key in self._open:
                self._drop(key)
            return
        wants, has = own_feed.wants_own(actor.state), key in self._open
        if wants and not has and actor.at is None:
            self._begin(actor)
        elif not wants and has and self._by_key[key] is not self._open[key]:
            self._drop(key)  # its own quotes never came, and it is decided otherwise
        elif not wants and has:
            shared = self._servers[key.server]
            if shared.leader is None and key not in self._moving:
                # Nobody else quotes for the server: its quotes are to be fresh before it moves.
                self._terminals.quote_for(key, None)
            self._moving[key] = None

    async def look(self, now_msc: int) -> None:
        """Moves the accounts that can be moved now."""
        for key in list(self._moving):
            if key not in self._moving:
                continue  # dropped while another had to wait
            own, shared = self._open[key], self._servers[key.server]
            actor = own.supervisor.by_key[key]
            wants = own_feed.wants_own(actor.state)
            source, target = self._by_key[key], own if wants else shared
            if source is target:
                del self._moving[key]
                continue
            if not self._may_move(actor, source, target):
                continue
            await source.router.end_days(now_msc)
            await target.router.end_days(now_msc)
            # Others had their turn meanwhile; from here on nobody has one.
            told = source.router.has_told(now_msc) and target.router.has_told(now_msc)
            is_there = self._open.get(key) is own and self._by_key[key] is source
            if told and is_there and self._may_move(actor, source, target):
                self._move(actor, source, target)

    # Inside

    def _begin(self, actor: Actor) -> None:
        """Opens a feed for the account, or says why not."""
        key, server = actor.key, self._servers[actor.key.server]
        now_msc = self._clock.wall_msc()
        turned_msc = self._turned_msc.get(server.name)
        if turned_msc is not None and now_msc - turned_msc < TURN_MSC:
            self._refuse(server, key, f"{server.leader} quotes for the server now", again=True)
        elif (turned_msc is None or now_msc - turned_msc >= TURN_AGAIN_MSC) and self._is_odd(
            server
        ):
            odd, self._turned_msc[server.name] = server.leader, now_msc
            log.warning("most accounts differ from %s, which quoted: %s does now", odd, key)
            self._terminals.lead(key)
            self._refuse(server, key, f"most differ from {odd}: it quotes for them now", again=True)
        elif len(self._open) >= self.most:
            self._refuse(server, key, f"{self.most} accounts have a feed of their own: no more may")
        else:
            try:
                own = self._opened(server, actor)
            except MemoryError:
                self._refuse(server, key, "there is no memory for a feed of its own")
                return
            self._left[key] = server.leader
            own.router.open(now_msc, len(own.intake.symbols))
            self._terminals.quote_for(key, own.name, self.symbols_of(own))
            self._moving[key] = None

    def _is_odd(self, server: Server) -> bool:
        """Whether most accounts that can tell differ from whoever quotes for all of them.

        Those that have gone because of its quotes differ.
        """
        said = [
            own_feed.differs(actor.state)
            for actor in server.actors
            if actor.seat.seats is server.seats and actor.key != server.leader
            if actor.crashed is None
        ]
        gone = [
            key.server == server.name and self._left.get(key) == server.leader for key in self._open
        ]
        return said.count(True) + sum(gone) > said.count(False) + 1

    def _refuse(self, server: Server, key: AccountKey, why: str, *, again: bool = False) -> None:
        """One for which there is no room is said again, for it goes on being decided."""
        event = FeedRefused(time_msc=0, cause=why, may_ask_again=again)
        server.supervisor.note_nowait(key, event)

    def _opened(self, server: Server, actor: Actor) -> Server:
        key = actor.key
        name = str(key)
        while name in self._servers:  # a server may be named so
            name += "'"
        own = self._foundry.own(server, actor, name, self._names_of(key))
        self._open[key] = self._by_name[name] = own
        return own

    def _drop(self, key: AccountKey) -> None:
        """Nobody is on it any more, or ever was."""
        own = self._open.pop(key)
        self._moving.pop(key, None)
        self._left.pop(key, None)
        del self._by_name[own.name]
        own.router.close()
        own.history.beside.pop(key, None)
        self._foundry.tapes.drop(own.name)
        self._terminals.quote_for(key, None)

    def _may_move(self, actor: Actor, source: Server, target: Server) -> bool:
        """Whether it has done all that was said to it, and has the quotes it needs there."""
        if actor.crashed is not None or actor.at is not None or actor.inbox:
            return False
        if actor.seat.is_busy or actor.state.suspects or self._lobby.waits(actor.key):
            return False
        if not target.router.is_open or target.router.is_closed:
            return False
        now_ns, needs = self._clock.monotonic_ns(), _needs(actor)
        if len(target.seats.feed.quotes(needs)) < len(needs):
            return False
        for symbol in needs:
            there, here = target.router.heard_ns(symbol), source.router.heard_ns(symbol)
            if there is None:
                return False
            if now_ns - there > FRESH_NS and here is not None and there < here:
                return False
        return True

    def _move(self, actor: Actor, source: Server, target: Server) -> None:
        """In one go: nobody else has a turn meanwhile."""
        key, now_msc = actor.key, self._clock.wall_msc()
        source.history.let_go(actor.seat.slot if source.account is None else None)
        if source.account is not None:
            source.history.beside[key]()
        self._seat(actor, source, target)
        target.router.ahead += max(0, source.router.version + 1 - target.router.version)
        target.router.take_over(actor, now_msc)
        del self._moving[key]
        if target.account is None:
            self._drop(key)
        log.info("account=%s is valued on the quotes of %s", key, target.name)

    def _seat(self, actor: Actor, source: Server, target: Server) -> None:
        state, marks = actor.state, actor.marks
        # On these quotes it is nobody's any more: what a tape shows of it ends here.
        gone = replace(state, known=False)
        source.taped.settled(Settled(actor.seat.place, 0, 0, state, gone, ()))
        actor.seat.leave()
        actor.seat.retire()
        if target.account is not None:
            target.actors[:] = [actor]
        place = target.actors.index(actor)
        actor.seat = Seat(target.seats, place, _needs(actor))
        actor.sentry.sit(actor.seat, marks)
        actor.on_settled = target.taped.settled
        actor.version += 1
        target.taped.settled(Settled(place, 0, 0, state, state, ()))
        self._foundry.tapes.move(actor.key, None if target.account is None else target.name)
        self._by_key[actor.key] = target


def _needs(actor: Actor) -> tuple[str, ...]:
    return symbols_needed(actor.state.spec.market, actor.state.positions)
