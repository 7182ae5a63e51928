"""The engine, live: accounts and feeds, what drives them by the clock, and the door to them.

One supervisor and one kernel feed for each broker server of the book. The link gives what terminals
say to `sink`; readers and commanders come in by the methods of `Desk`.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

import trio

from engine.actor import Actor
from engine.agenda import Hands
from engine.board import Encoded
from engine.clock import Clock
from engine.desk import Health, Taken
from engine.domain.account import AccountSpec
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.commands import Adopt, ClosePosition, Command, Flatten, Halt, Refused, Respec
from engine.domain.effects import KeepClose
from engine.domain.feeds import QuotedBy
from engine.domain.ids import AccountKey
from engine.domain.instruments import Instrument
from engine.domain.link_events import LinkEvent
from engine.domain.market_guards import AnyMarketGuard
from engine.domain.outlook import Outlook
from engine.domain.records import Record
from engine.domain.snapshot import Snapshot
from engine.equity_history import Bucket, EquityHistory, PeriodStatistics
from engine.equity_records import statistics_of
from engine.errors import JournalFullError
from engine.intake import Intake
from engine.link import Receipt
from engine.link_sink import LiveSink
from engine.live_health import Running, Surroundings, feed_health, health_of
from engine.lobby import Lobby
from engine.loop_lag import LoopLag
from engine.marking.ticks import TickBatch
from engine.meters import Meter, NoMeter
from engine.outside_reads import OutsideReads
from engine.own_feeds import OwnFeeds
from engine.ports import Journal, StateStore, Terminals
from engine.recovery import Recovery, kept_state_of
from engine.roster import Roster, beginnings
from engine.rounds import note_account, pass_time
from engine.rush import Rush
from engine.servers import Foundry, Server, quoted_by
from engine.tap import Listener, Tap
from engine.tapes import Tapes
from engine.verdicts import Verdicts

PULSE_S = 0.1
"""How often the clock is told: notices, resets, closes under way."""
NOTE_S = 1.0
"""How often risen marks are kept, and the market shown that time went by."""
NOTED_AT_ONCE = 8
"""Accounts looked at between two pauses, so that the second's work is spread over the second."""
MEANS_HELD = (Adopt, ClosePosition, Flatten, Halt)
"""Commands about what is held now: a fill that waits for its quote is let in before them. An intent
is not: a strategy registers one with every order, and each would undo the wait."""
KEEP_EVERY = 64
"""Inputs after which an account's state is kept, so that a restart has few to step again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveAccount:
    """One account of the book, and what its journal has of it."""

    spec: AccountSpec
    terms: Terms
    close_terms: CloseTerms
    expects: bool
    recovery: Recovery

    @property
    def key(self) -> AccountKey:
        """Its name."""
        return self.spec.key


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSettings:
    """What can be set of a running engine."""

    stale_after_ms: int = 60_000
    keep_every: int = KEEP_EVERY


class LiveEngine:
    """See the top. `await nursery.start(engine.run)`, then give `engine.sink` to a gateway."""

    def __init__(
        self,
        accounts: Sequence[LiveAccount],
        instruments: Sequence[Instrument],
        market_guards: Sequence[AnyMarketGuard],
        journal: Journal,
        store: StateStore,
        terminals: Terminals,
        clock: Clock,
        *,
        random: Random | None = None,
        meter: Meter | None = None,
        settings: EngineSettings | None = None,
        on_crash: Callable[[AccountKey, str], None] | None = None,
        on_full: Callable[[AccountKey], None] | None = None,
        on_batch: Callable[[str, TickBatch], None] | None = None,
    ) -> None:
        """`clock` never goes back (`SteadyClock`); `accounts` in the order they are shown."""
        self.tap = Tap({one.key: one.recovery.state.seq for one in accounts})
        self.surroundings = Surroundings()
        self.rush = Rush()
        """Closes on their way out."""
        self.meter = meter or NoMeter()
        self.tapes = Tapes(clock, self.meter)
        self.started_msc = clock.wall_msc()
        self._settings = settings or EngineSettings()
        self._clock = clock
        self._journal = journal
        self._store = store
        self._reads = OutsideReads(journal)
        self._verdicts = Verdicts(
            self.tap, self._reads, store, lambda key: self._actor(key).state.seq
        )
        self._terminals = terminals
        self._by_key: dict[AccountKey, Server] = {}
        self._lobby = Lobby(self._by_key, clock, self.meter)
        self._kept: dict[AccountKey, int] = {a.key: a.recovery.entries for a in accounts}
        self._lag = LoopLag()
        self._is_ready = False
        self._pulsed_s = 0.0
        self._scope = trio.CancelScope()
        draw = random or Random()  # noqa: S311  spreads retries, guards nothing
        foundry = self._foundry(instruments, market_guards, draw, on_crash, on_full, on_batch)
        self._servers: dict[str, Server] = {}
        for name in dict.fromkeys(account.key.server for account in accounts):
            own = [account for account in accounts if account.key.server == name]
            self._servers[name] = server = foundry.server(name, own)
            self._by_key.update((account.key, server) for account in own)
        self.sink = LiveSink(self, clock, self.meter, self._led)
        servers, by_key, lobby = self._servers, self._by_key, self._lobby
        self.roster = Roster(
            accounts, servers, by_key, self.tap, self.tapes, lobby, clock, self.note
        )
        """Who is guarded."""
        names_of = self.roster.names_of
        self.own_feeds = OwnFeeds(servers, by_key, foundry, terminals, lobby, clock, names_of)
        self.own_feeds.begin()

    def _foundry(
        self,
        instruments: Sequence[Instrument],
        market_guards: Sequence[AnyMarketGuard],
        random: Random,
        on_crash: Callable[[AccountKey, str], None] | None,
        on_full: Callable[[AccountKey], None] | None,
        on_batch: Callable[[str, TickBatch], None] | None,
    ) -> Foundry:
        hands = Hands(
            terminals=self._terminals,
            clock=self._clock,
            random=random,
            tap=self.tap,
            on_full=on_full or (lambda _key: None),
            meter=self.meter,
            rush=self.rush,
        )
        return Foundry(
            instruments=instruments,
            market_guards=market_guards,
            journal=self._journal,
            clock=self._clock,
            tapes=self.tapes,
            hands=hands,
            stale_after_ms=self._settings.stale_after_ms,
            compared_ms=lambda key: self.sink.compared_ms.get(key),  # noqa: PLW0108  no sink yet
            terminal=lambda key: self.sink.gauges.of(key),  # noqa: PLW0108
            on_crash=on_crash,
            on_batch=on_batch,
        )

    # Running

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Guards until `stop`. Started once every account knows its book and its past.

        Raises:
            ExceptionGroup: of `JournalError`; nothing may be acknowledged any more.
        """
        async with trio.open_nursery() as nursery:
            for server in self._servers.values():
                await nursery.start(server.supervisor.run)
                server.router.open(self._clock.wall_msc(), len(server.intake.symbols))
            self.own_feeds.run()
            await self._begin()
            self._is_ready = True
            self._pulsed_s = trio.current_time()
            task_status.started()
            with self._scope:
                async with trio.open_nursery() as pulses:
                    pulses.start_soon(self._pulse)
                    pulses.start_soon(self._note)
                    pulses.start_soon(self._keep_states)
                    pulses.start_soon(self.tapes.run)

    async def stop(self, deadline_s: float = 3.0) -> tuple[AccountKey, ...]:
        """Takes nothing more, lets accounts finish, keeps their states; who did not finish."""
        self._is_ready = False
        self._scope.cancel()
        parked: list[AccountKey] = []
        for own in self.own_feeds:
            own.router.close()
        for server in self._servers.values():
            stopped = await server.supervisor.stop(deadline_s)
            parked.extend(stopped.parked)
        if self.surroundings.journal_failure() is None:
            for account in self.roster.accounts:
                if account.key not in parked:
                    await self._keep_state(self._actor(account.key))
        return tuple(parked)

    async def _begin(self) -> None:
        """Tells each account its book, where that is new, and that it was read from a journal."""
        for account in self.roster.accounts:
            for event in beginnings(account):
                await self.note(account.key, event)
        for server in self._servers.values():
            await server.supervisor.settle()

    async def _pulse(self) -> None:
        """The clock: resets, notices, closes under way. Its own lateness is the loop's lag."""
        due_s = trio.current_time()
        while True:
            due_s = max(due_s + PULSE_S, trio.current_time())
            await trio.sleep_until(due_s)
            self._pulsed_s = trio.current_time()
            self._lag.take(trio.current_time(), lag_s := trio.current_time() - due_s)
            self.meter.observe("event_loop_lag", lag_s)
            now_msc = self._clock.wall_msc()
            for server in self._servers.values():
                await server.router.on_time(now_msc)
                # A quote must not wait until a thousand accounts are looked at.
                await trio.lowlevel.checkpoint()
                pass_time(server.supervisor, now_msc)
            await self.own_feeds.pass_time(now_msc)
            self._lobby.release()

    async def _note(self) -> None:
        """Every second: marks that rose are kept; markets and unknown accounts are looked at."""
        pause_s = NOTE_S / (1 + len(self.roster.accounts) // NOTED_AT_ONCE)
        while True:
            await trio.sleep(pause_s)
            seen = 0
            for server in self._servers.values():
                await server.intake.pass_time()
                await server.router.wake_unknown(self._clock.wall_msc())
                now_msc = self._clock.wall_msc()
                for actor in server.supervisor.actors:
                    note_account(actor, server.supervisor, server.history, self._terminals, now_msc)
                    await self.own_feeds.note(actor)
                    seen += 1
                    if seen % NOTED_AT_ONCE == 0:
                        # A thousand in one go would hold up a close by a good part of a second.
                        await trio.sleep(pause_s)
                        now_msc = self._clock.wall_msc()

    async def _keep_states(self) -> None:
        while True:
            await trio.sleep(NOTE_S)
            for account in self.roster.accounts:
                actor = self._actor(account.key)
                due = actor.entries - self._kept.get(account.key, 0) >= self._settings.keep_every
                if due and actor.at is None and actor.crashed is None:
                    await self._keep_state(actor)

    async def _keep_state(self, actor: Actor) -> None:
        if actor.entries > self._kept.get(actor.key, 0):
            kept = kept_state_of(actor.state, actor.entries)
            with suppress(JournalFullError):  # a restart has more to step again, that is all
                await self._store.keep_state(actor.key, kept)
                self._kept[actor.key] = kept.number

    # For the sink

    async def note(self, key: AccountKey, event: LinkEvent, receipt: Receipt | None = None) -> None:
        """See `link_sink.Accounts.note`."""
        await self._lobby.note(key, event, receipt)

    def note_soon(self, key: AccountKey, event: LinkEvent) -> None:
        """See `link_sink.Accounts.note_soon`; in the order said, before what is noted later."""
        self._lobby.note_soon(key, event)

    def quoted(self) -> None:
        """See `link_sink.Accounts.quoted`."""
        self._lobby.release()

    def intake(self, feed: str) -> Intake | None:
        """See `link_sink.Accounts.intake`."""
        server = self._servers.get(feed) or self.own_feeds.find(feed)
        return None if server is None else server.intake

    def quoted_by(self, key: AccountKey) -> QuotedBy:
        """See `link_sink.Accounts.quoted_by`."""
        return quoted_by(self._by_key[key], key)

    def symbols_of(self, feed: str) -> tuple[str, ...]:
        """The broker's names of all a feed's symbols: what its terminals are to quote."""
        server = self._servers[feed]
        renamed = {
            own: broker
            for account in self.roster.accounts
            if account.key.server == feed
            for broker, own in account.terms.aliases.items()
        }
        return tuple(renamed.get(symbol, symbol) for symbol in server.intake.symbols)

    @property
    def histories(self) -> dict[str, EquityHistory]:
        """Equity over time, of each broker server."""
        return {name: server.history for name, server in self._servers.items()}

    @property
    def feeds(self) -> tuple[str, ...]:
        """The broker servers of the book."""
        return tuple(self._servers)

    def _led(self, feed: str, leader: AccountKey | None) -> None:
        server = self._servers.get(feed) or self.own_feeds.find(feed)
        if server is not None:
            server.leader = leader

    def _actor(self, key: AccountKey) -> Actor:
        return self._by_key[key].supervisor.by_key[key]

    # The desk

    def keys(self) -> tuple[AccountKey, ...]:
        """See `Desk.keys`."""
        return self.roster.keys

    def version(self, key: AccountKey) -> tuple[int, int]:
        """See `Desk.version`."""
        server = self._by_key[key]
        return server.supervisor.by_key[key].version, server.router.version

    def snapshot(self, key: AccountKey) -> Snapshot:
        """See `Desk.snapshot`."""
        return self._by_key[key].board.snapshot(key)

    def encoded(self, key: AccountKey) -> Encoded:
        """See `Desk.encoded`."""
        return self._by_key[key].board.encoded(key)

    def packed(self, key: AccountKey) -> bytes:
        """See `Desk.packed`."""
        return self._by_key[key].board.packed(key)

    def listen(self, keys: Sequence[AccountKey] | None = None) -> Listener:
        """See `Desk.listen`."""
        if keys is None:
            return self.tap.listen()
        return self.tap.listen(frozenset(keys).__contains__)

    async def records(self, key: AccountKey, after_seq: int, limit: int) -> Sequence[Record]:
        """See `Desk.records`."""
        return await self._reads.read(key, after_seq, limit)

    async def command(self, key: AccountKey, command: Command) -> Taken | Refused:
        """See `Desk.command`."""
        if isinstance(command, MEANS_HELD):
            self._lobby.let_in(key)
        done = await self._by_key[key].supervisor.ask(key, command)
        if isinstance(done, Refused):
            return done
        names = tuple(e.intent_id for e in done.effects if isinstance(e, KeepClose))
        return Taken(done.state.seq, names)

    async def outlook(self, key: AccountKey, command: Respec) -> Outlook:
        """See `Desk.outlook`."""
        await trio.lowlevel.checkpoint()
        return self._by_key[key].board.outlook(key, command)

    async def equity(
        self, key: AccountKey, bucket_s: int, from_msc: int, to_msc: int
    ) -> Sequence[Bucket]:
        """See `Desk.equity`."""
        await trio.lowlevel.checkpoint()
        return self._by_key[key].history.buckets(key, bucket_s, from_msc, to_msc)

    async def statistics(self, key: AccountKey, from_msc: int, to_msc: int) -> PeriodStatistics:
        """See `Desk.statistics`."""
        history, read = self._by_key[key].history, self._reads.of(key)
        span = (from_msc, min(to_msc, self._clock.wall_msc() + 1))
        return await statistics_of(history, key, read, self._actor(key).state.seq, *span)

    async def ask_report(self, key: AccountKey) -> bool:
        """See `Desk.ask_report`."""
        await trio.lowlevel.checkpoint()
        return self._terminals.ask_report(key)

    async def verdict(
        self, verdict_id: str, keys: Sequence[AccountKey] | None = None
    ) -> Mapping[str, Any] | None:
        """See `Desk.verdict`."""
        found = await self._verdicts.find(verdict_id, self.keys() if keys is None else keys)
        return None if found is None else {**found[1], "journal_head": await self._journal.pin()}

    def health(self) -> Health:
        """See `Desk.health`."""
        servers = self._servers.values()
        running = Running(
            is_ready=self._is_ready,
            pulse_age_s=trio.current_time() - self._pulsed_s,
            started_msc=self.started_msc,
            time_msc=self._clock.wall_msc(),
            accounts=len(self.roster.accounts),
            loop_lag_ms=self._lag.worst_ms,
            crashed={key: why for one in servers for key, why in one.supervisor.crashed.items()},
        )
        now_ns = self._clock.monotonic_ns()
        feeds = [feed_health(one, now_ns) for one in (*servers, *self.own_feeds)]
        return health_of(self.surroundings, running, feeds)
