"""Where terminals come in: a TLS listener, one link an account, one leader a feed.

Nothing is written for a terminal before it has proved its key. Of two links of one account the
newer wins. The epoch of a link is one above whatever the engine or the terminal ever saw.
"""

import secrets
import ssl
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from adapters.mt5.connection import Connection
from adapters.mt5.door import Door, GatewaySettings, KeyRing, Refused, log
from adapters.mt5.engine_side import EngineSide
from adapters.mt5.leads import LeadChange, Leads
from adapters.mt5.precedence import Precedence
from adapters.mt5.protocol import EndCode, Nonces
from adapters.mt5.tls import TlsChannel
from engine.clock import Clock
from engine.domain.ids import AccountKey
from engine.errors import UserError
from engine.link import Action, Handed, TerminalCommand
from engine.ports import EpochStore, LinkSink
from engine.secret import Secret

CHALLENGE_BYTES = 16


@dataclass(frozen=True, slots=True)
class GatewayStatistics:
    """What goes on at the gateway, at one moment."""

    connections: int
    unproved: int
    links: int
    stale: int
    accepted: int
    """Links since the start."""
    resumed: int
    """Of these, in a session that was known."""
    refused: dict[str, int]
    """By cause."""
    recent_refusals: tuple[Refused, ...]
    reports_needed: dict[str, int]
    """Full reports asked for, by what made them necessary."""
    gaps: int
    repeated: int
    dropped_quotes: int
    """Ticks of terminals that did not lead."""
    leaders: dict[str, AccountKey | None]


class Gateway:
    """See the top. All methods are for the one Trio thread."""

    def __init__(
        self,
        sink: LinkSink,
        keys: KeyRing,
        epochs: EpochStore,
        clock: Clock,
        settings: GatewaySettings | None = None,
    ) -> None:
        self.sink = sink
        self.clock = clock
        self.settings = settings or GatewaySettings()
        self._keys = keys
        self._epochs = epochs
        self._door = Door(self.settings, clock.wall_msc)
        self._nonces = Nonces()
        self._leads = Leads()
        self._precedence = Precedence()
        self._links: dict[AccountKey, Connection] = {}
        self._sessions: dict[AccountKey, tuple[str, int, Connection]] = {}
        self._kept_out: set[AccountKey] = set()
        """Accounts of which it is not decided whether they are still guarded."""
        self._stopping = trio.CancelScope()
        self._accepting = trio.CancelScope()
        self._accepted = self._resumed = 0
        self._past = Counter[str]()
        self._past_reports = Counter[str]()

    # Serving

    async def serve(
        self,
        context: ssl.SSLContext,
        host: str,
        port: int,
        *,
        task_status: trio.TaskStatus[list[tuple[str, int]]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accepts terminals until `stop`; reports the addresses it listens on.

        Raises:
            UserError: the address cannot be listened on.
        """
        try:
            listeners = await trio.open_tcp_listeners(port, host=host)
        except OSError as error:
            message = f"cannot listen: {error.strerror or error}"
            raise UserError(message, place=f"{host}:{port}") from error
        for listener in listeners:
            buffer_bytes = self.settings.socket_bytes
            listener.socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_SNDBUF, buffer_bytes)

        async def accept(stream: trio.SocketStream) -> None:
            await self._accept(stream, context)

        with self._stopping:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_keys)
                task_status.started([listener.socket.getsockname()[:2] for listener in listeners])
                with self._accepting:
                    await trio.serve_listeners(accept, listeners, handler_nursery=nursery)
                await trio.sleep_forever()

    async def stop(self, grace_s: float = 1.0) -> None:
        """Takes nobody in any more, tells every terminal to come back later, and ends `serve`."""
        self._accepting.cancel()
        with trio.move_on_after(grace_s):
            leaving = list(self._links.values())
            for link in leaving:
                link.end(EndCode.RETRY, "the engine stops", cause="stopped")
            for link in leaving:
                await link.over.wait()
        self._stopping.cancel()

    async def _accept(self, stream: trio.SocketStream, context: ssl.SSLContext) -> None:
        try:
            address = str(stream.socket.getpeername()[0])
        except OSError:
            await trio.aclose_forcefully(stream)
            return
        if not self._door.enter(address):
            await trio.aclose_forcefully(stream)
            return
        tls = TlsChannel(stream, context)
        side = EngineSide(self._nonces, self.settings.pace)
        connection = Connection(self, tls, address, side)
        try:
            await connection.run()
        except* AssertionError:
            # One terminal's link met a bug of ours: it ends, the others go on.
            log.exception("link broken: account=%s", connection.claimed)
            self._door.refuse(address, "broken_invariant", connection.claimed)
        finally:
            self._door.leave(address, proved=connection.is_proved)
            connection.over.set()

    async def _watch_keys(self) -> None:
        """Ends the links whose keys were revoked."""
        while True:
            await trio.sleep(self.settings.keys_checked_s)
            for account, link in list(self._links.items()):
                try:
                    valid = link.key in self._keys.keys_of(account)
                except UserError as error:
                    log.error("terminal keys cannot be read: %s", error)
                    break
                if not valid:
                    self._door.refuse(link.address, EndCode.REVOKED.value, account)
                    link.end(EndCode.REVOKED, "its key was revoked")

    # For the engine

    def send_nowait(self, key: AccountKey, *commands: TerminalCommand) -> Handed:
        """Sends the commands to the account's terminal; see `Connection.hand`. Never waits."""
        link = self._links.get(key)
        return link.hand(*commands) if link is not None else Handed.NOT_LINKED

    async def send(self, key: AccountKey, command: TerminalCommand) -> Handed:
        """As `send_nowait`, but waits for room: at most as long as a slow terminal is borne."""
        await trio.lowlevel.checkpoint()
        while (handed := self.send_nowait(key, command)) is Handed.NO_ROOM:
            await self._links[key].wait_for_room()
        return handed

    def is_linked(self, key: AccountKey) -> bool:
        """Whether a command would go out now."""
        return key in self._links

    def want_symbols(self, feed: str, symbols: Sequence[str]) -> None:
        """What the leader of a feed is to quote, now and whoever leads later."""
        self._leads.want(feed, tuple(symbols))
        self._tell_wanted(self._leads.leader(feed), tuple(symbols))

    def quote_for(self, key: AccountKey, feed: str | None, symbols: Sequence[str] = ()) -> None:
        """Has the account's terminal quote these for a feed of its own; None: for its server's.

        Now, and whenever it links. A server's name as `feed` is a bug of the caller's.
        """
        if feed is not None:
            self._leads.want(feed, tuple(symbols))
        for change in self._leads.assign(key, feed):
            self._changed(change)

    def lead(self, key: AccountKey) -> None:
        """Has the account's terminal quote for its server from here on, where it may."""
        self._changed(self._leads.prefer(key))

    def move(self, key: AccountKey, to: str) -> None:
        """Sends the account's terminal to another node, `host:port`, if it is linked."""
        link = self._links.get(key)
        if link is not None:
            link.end(EndCode.MOVED, "another node has the account", to=to)

    async def part(self, key: AccountKey) -> None:
        """Ends the account's link, if there is one; returns when the sink knows.

        Until `let_back` its terminal is told to come back later: being refused it would not.
        """
        self._kept_out.add(key)
        link = self._links.get(key)
        if link is not None:
            link.end(EndCode.RETRY, "the account leaves the book", cause="left")
            await link.gone.wait()

    def let_back(self, key: AccountKey) -> None:
        """The account may link again, as far as its key is known."""
        self._kept_out.discard(key)

    def statistics(self) -> GatewayStatistics:
        """What goes on."""
        links = list(self._links.values())
        tallies = [link.side.tellings.tally for link in links]
        reports = Counter(self._past_reports)
        for tally in tallies:
            reports.update(tally.reports_needed)
        return GatewayStatistics(
            connections=self._door.connections,
            unproved=self._door.unproved,
            links=len(links),
            stale=sum(link.is_stale for link in links),
            accepted=self._accepted,
            resumed=self._resumed,
            refused=dict(self._door.refused),
            recent_refusals=tuple(self._door.recent),
            reports_needed=dict(reports),
            gaps=self._past["gaps"] + sum(tally.gaps for tally in tallies),
            repeated=self._past["repeated"] + sum(tally.repeated for tally in tallies),
            dropped_quotes=self._past["quotes"] + sum(link.dropped_quotes for link in links),
            leaders=self._leads.leaders(),
        )

    # For its connections: see `connection.House`

    async def offer(self, connection: Connection) -> tuple[tuple[Secret, ...], str, int]:
        """See `House.offer`. The store is not read for accounts nobody knows."""
        hello = connection.side.hello
        assert hello is not None, "no hello came"
        keys = tuple(self._keys.keys_of(connection.account))
        own = await self._epochs.read(connection.account) if keys else 0
        return keys, secrets.token_hex(CHALLENGE_BYTES), max(own, hello.epoch_seen) + 1

    async def admit(self, connection: Connection) -> bool:
        """See `House.admit`. Returns when the sink knows that the older link has ended."""
        self._door.prove()
        connection.is_proved = True
        account = connection.account
        if not await self._epochs.raise_to(account, connection.side.epoch):
            return False
        if account in self._kept_out:
            return False
        older = self._links.get(account)
        self._links[account] = connection
        if older is not None:
            older.end(EndCode.SUPERSEDED, "a newer link of this account")
            await older.gone.wait()
        self._accepted += 1
        return True

    def resume_from(self, connection: Connection) -> int:
        """See `House.resume_from`: 1 for a session this process has not seen."""
        hello = connection.side.hello
        assert hello is not None, "no hello came"
        session, signed_up_to, _ = self._sessions.get(connection.account, ("", 0, connection))
        known = session == hello.session
        self._resumed += known
        start = signed_up_to + 1 if known else 1
        self._sessions[connection.account] = (hello.session, start - 1, connection)
        return start

    def join(self, connection: Connection) -> tuple[str, ...]:
        """See `House.join`."""
        self._changed(self._leads.join(connection.account))
        feed = self.leads(connection)
        if feed is None:
            return ()
        self._precedence.follow(feed, connection)
        return self._leads.wanted(feed)

    def leads(self, connection: Connection) -> str | None:
        """See `House.leads`."""
        account = connection.account
        return self._leads.feed_of(account) if self._leads.leads(account) else None

    async def let_urgent_pass(self, connection: Connection) -> None:
        """See `House.let_urgent_pass`."""
        if self.leads(connection) is None:
            await self.sink.let_closes_pass()
            await self._precedence.let_quotes_pass()

    def heard(self, connection: Connection) -> None:
        """See `House.heard`."""
        self._changed(self._leads.join(connection.account))

    def went_stale(self, connection: Connection) -> None:
        """See `House.went_stale`."""
        self.sink.went_stale(connection.account, connection.silence_s)
        self._changed(self._leads.leave(connection.account))

    def signed(self, connection: Connection) -> None:
        """See `House.signed`. After a newer link began, an older one's numbers mean nothing."""
        kept = self._sessions.get(connection.account)
        if kept is not None and kept[2] is connection:
            up_to = connection.side.signed_up_to
            self._sessions[connection.account] = (kept[0], up_to, connection)

    def parted(self, connection: Connection, cause: str) -> None:
        """See `House.parted`."""
        feed = self._leads.feed_of(connection.account)
        self._precedence.forget(feed, connection)
        tally = connection.side.tellings.tally
        self._past.update(gaps=tally.gaps, repeated=tally.repeated)
        self._past["quotes"] += connection.dropped_quotes
        self._past_reports.update(tally.reports_needed)
        self.signed(connection)
        current = self._links.get(connection.account) is connection
        if current:
            del self._links[connection.account]
        if connection.was_linked:
            self.sink.unlinked(connection.account, cause)
        if current:
            self._changed(self._leads.leave(connection.account))

    def refuse(self, connection: Connection, cause: str) -> None:
        """See `House.refuse`."""
        self._door.refuse(connection.address, cause, connection.claimed)

    # Inside

    def _changed(self, change: LeadChange | None) -> None:
        if change is None:
            return
        wanted = self._leads.wanted(change.feed)
        self._tell_wanted(change.before, ())
        self._tell_wanted(change.now, wanted)
        now = self._links.get(change.now) if change.now is not None else None
        self._precedence.follow(change.feed, now)
        self.sink.led(change.feed, change.now)

    def _tell_wanted(self, account: AccountKey | None, symbols: tuple[str, ...]) -> None:
        link = self._links.get(account) if account is not None else None
        if link is not None:
            link.hand(TerminalCommand(action=Action.SET, symbols=symbols), force=True)
