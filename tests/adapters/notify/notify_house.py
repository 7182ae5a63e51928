"""A channel that remembers, a tiny HTTP server, a tiny mail server, and alerts to send."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import trio

from adapters.mt5.certificates import client_context, make_certificates, server_context
from adapters.notify.channel import Message
from adapters.notify.outbox import AlertOutbox
from adapters.notify.routes import Route
from adapters.notify.templates import Place
from engine.alerts import Alert, Level
from engine.clock import VirtualClock
from engine.domain import records
from engine.domain.ids import AccountKey

KEY = AccountKey("Demo-1", 1001)
PLACE = Place(KEY, "USD")
NOW_MSC = 1_399_033_801_690
"""2014-05-02T12:30:01.690Z."""
NAME = "hooks.example.test"


def alert(number: int = 1, level: Level = Level.NOTIFY, thread: str | None = None) -> Alert:
    """The alert with that number; each is its own thread unless one is named."""
    return Alert(
        level=level,
        kind="warning",
        account=KEY,
        lines=(f"▲ 1001 alert {number}", "second line"),
        time_msc=NOW_MSC,
        dedupe_key=f"key {number} {level}",
        thread=thread or f"thread {number}",
        verdict_id=f"vrd_{number}",
    )


def breach_record(**changed: object) -> records.GuardBreach:
    fields: dict[str, object] = {
        "seq": 7,
        "time_msc": NOW_MSC,
        "login": 1001,
        "server": "Demo-1",
        "verdict_id": "vrd_7q",
        "guard": "daily_loss",
        "kind": "equity_limit",
        "equity": 97_093.30,
        "balance": 100_000.0,
        "floor": 97_133.10,
        "reference": 100_000.0,
        "measured": "equity",
        "comparator": "below",
        "action": "close_and_halt",
    }
    return records.GuardBreach(**{**fields, **changed})  # type: ignore[arg-type]


@dataclass
class Mailbox:
    """A channel that takes, fails or waits as a test says, and remembers every try."""

    answers: list[Exception | str | None] = field(default_factory=list)
    """Of the next tries; afterwards every one is taken."""
    always: Exception | None = None
    hangs: bool = False
    attempt_s: float = 2.5
    gathers: int = 1
    closed: bool = False
    tries: list[tuple[float, Message]] = field(default_factory=list)
    taken: list[Message] = field(default_factory=list)

    async def deliver(self, message: Message) -> str | None:
        self.tries.append((trio.current_time(), message))
        if self.hangs:
            await trio.sleep_forever()
        await trio.lowlevel.checkpoint()
        answer = self.answers.pop(0) if self.answers else self.always
        if isinstance(answer, Exception):
            raise answer
        self.taken.append(message)
        return answer or f"handle {len(self.taken)}"

    async def aclose(self) -> None:
        self.closed = True

    @property
    def texts(self) -> list[str]:
        return [message.alert.lines[0] for message in self.taken]


@asynccontextmanager
async def outbox_of(*channels: Mailbox, **options: object) -> AsyncIterator[AlertOutbox]:
    """An outbox with a plain route to each, running."""
    routes = [(Route(f"route {place}"), channel) for place, channel in enumerate(channels)]
    clock = VirtualClock(NOW_MSC)
    outbox = AlertOutbox(routes, clock, Random(1), **options)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        await nursery.start(outbox.run)
        yield outbox
        nursery.cancel_scope.cancel()


# HTTP


@dataclass(frozen=True)
class Request:
    """What the server got."""

    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Response:
    """What it answers."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0


Answering = Callable[[Request], Response]


@dataclass
class HttpServer:
    """A server on a loopback port."""

    port: int
    requests: list[Request]
    connections: list[int]


@asynccontextmanager
async def http_server(
    answering: Answering, tls: ssl.SSLContext | None = None
) -> AsyncIterator[HttpServer]:
    """Serves HTTP/1.1 with kept connections until left."""
    requests: list[Request] = []
    connections: list[int] = []

    async def serve(stream: trio.abc.Stream) -> None:
        connections.append(1)
        if tls is not None:
            stream = trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
        try:
            await _converse(stream, requests, answering)
        except (trio.BrokenResourceError, ssl.SSLError):
            return

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, serve, listeners)
        yield HttpServer(listeners[0].socket.getsockname()[1], requests, connections)
        nursery.cancel_scope.cancel()


async def _converse(stream: trio.abc.Stream, requests: list[Request], answering: Answering) -> None:
    received = b""
    while True:
        while b"\r\n\r\n" not in received:
            more = await stream.receive_some(65536)
            if not more:
                return
            received += more
        head, _, received = received.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        wanted = int(headers.get("Content-Length", "0"))
        while len(received) < wanted:
            received += await stream.receive_some(65536)
        body, received = received[:wanted], received[wanted:]
        request = Request(first.split()[1], headers, bytes(body))
        requests.append(request)
        response = answering(request)
        await trio.sleep(response.after_s)
        shown = {"Content-Length": str(len(response.body)), **response.headers}
        text = "".join(f"{name}: {value}\r\n" for name, value in shown.items())
        await stream.send_all(
            f"HTTP/1.1 {response.status} X\r\n{text}\r\n".encode() + response.body
        )


@lru_cache(maxsize=1)
def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """TLS for a server called NAME, and for those who trust it."""
    with TemporaryDirectory() as folder:
        files = make_certificates(Path(folder) / "tls", [NAME], datetime.now(UTC))
        return server_context(files.server, files.server_key), client_context(files.authority)


def resolver(*answers: list[str]) -> tuple[Callable[[str, int], Awaitable[list[str]]], list[str]]:
    """Answers these in turn, the last one for ever; and the names it was asked for."""
    asked: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        await trio.lowlevel.checkpoint()
        asked.append(host)
        return answers[min(len(asked), len(answers)) - 1]

    return resolve, asked


# Mail


@dataclass
class MailSink:
    """A mail server on a loopback port."""

    port: int
    mails: list[str]
    commands: list[str]


@asynccontextmanager
async def mail_sink(
    *,
    refuse: dict[str, str] | None = None,
    starttls: ssl.SSLContext | None = None,
    silent: bool = False,
) -> AsyncIterator[MailSink]:
    """Takes mail until left.

    Args:
        refuse: command to the line that answers it.
        starttls: offered, with this.
        silent: accepts connections and says nothing.
    """
    mails: list[str] = []
    commands: list[str] = []

    async def serve(stream: trio.abc.Stream) -> None:
        if silent:
            await trio.sleep_forever()
        try:
            await _take_mail(stream, mails, commands, refuse or {}, starttls)
        except (trio.BrokenResourceError, ssl.SSLError):
            return

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, serve, listeners)
        yield MailSink(listeners[0].socket.getsockname()[1], mails, commands)
        nursery.cancel_scope.cancel()


async def _take_mail(
    stream: trio.abc.Stream,
    mails: list[str],
    commands: list[str],
    refuse: dict[str, str],
    starttls: ssl.SSLContext | None,
) -> None:
    async def say(text: str) -> None:
        await stream.send_all(text.encode() + b"\r\n")

    received = b""
    await say("220 sink")
    while True:
        while b"\r\n" not in received:
            more = await stream.receive_some(65536)
            if not more:
                return
            received += more
        line, _, received = received.partition(b"\r\n")
        commands.append(line.decode())
        verb = line.decode().split()[0].upper()
        if verb in refuse:
            await say(refuse[verb].replace("{line}", line.decode()))
        elif verb == "EHLO":
            offers = ["250-sink", "250-AUTH PLAIN", "250 8BITMIME"]
            await say(
                "\r\n".join([offers[0], *(["250-STARTTLS"] if starttls else []), *offers[1:]])
            )
        elif verb == "STARTTLS" and starttls is not None:
            await say("220 go on")
            stream, starttls = trio.SSLStream(stream, starttls, server_side=True), None
        elif verb == "AUTH":
            await say("235 welcome")
        elif verb == "DATA":
            await say("354 write")
            while b"\r\n.\r\n" not in received:
                received += await stream.receive_some(65536)
            mail, _, received = received.partition(b"\r\n.\r\n")
            mails.append(mail.decode())
            await say("250 taken")
        elif verb == "QUIT":
            await say("221 bye")
            return
        else:
            await say("250 ok")
