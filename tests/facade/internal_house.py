"""An internal socket over a fake desk, on a short path, and everything of the settings' rules."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import trio

from engine.client.wire import ANSWER_BYTES, VERSION, Answer, Frames, answer_of, pack
from engine.secret import Secret
from facade.internal_rules import NotAllowedError, Rules
from facade.internal_socket import InternalSocket
from tests.facade.fake_desk import FakeDesk

LONG_S = 30.0
"""No test waits so long unless it fails."""
TOKEN = "0123456789abcdef0123456789abcdef"
RULES = Rules(Secret(TOKEN.encode()))


class House:
    """What a test sees."""

    def __init__(self, desk: FakeDesk, served: InternalSocket, path: Path) -> None:
        self.desk = desk
        self.served = served
        self.path = path

    @property
    def port(self) -> int:
        assert self.served.port is not None
        return self.served.port

    async def until_gone(self) -> None:
        """Until no client is connected any more."""
        with trio.fail_after(LONG_S):
            while self.served.counts.connections:
                await trio.sleep(0.005)


@asynccontextmanager
async def house(
    desk: FakeDesk | None = None, rules: Rules = RULES, path: Path | None = None
) -> AsyncIterator[House]:
    """A served desk; by TCP too."""
    own = desk or FakeDesk()
    with TemporaryDirectory(prefix="tg") as folder:
        where = path or Path(folder) / "s"
        served = InternalSocket(own, where, rules, 0 if rules.token else None)
        async with trio.open_nursery() as nursery:
            await nursery.start(served.serve)
            with trio.fail_after(4 * LONG_S):
                yield House(own, served, where)
            nursery.cancel_scope.cancel()


class Raw:
    """A connection that says exactly what a test says."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._frames = Frames(ANSWER_BYTES)
        self._waiting: list[Answer] = []

    async def say(self, number: int, call: str, **arguments: Any) -> None:
        await self.stream.send_all(pack(number, call, arguments))

    async def heard(self) -> Answer:
        """The next answer or push."""
        with trio.fail_after(LONG_S):
            while not self._waiting:
                chunk = await self.stream.receive_some(65_536)
                assert chunk, "hung up"
                self._waiting.extend(map(answer_of, self._frames.feed(chunk)))
        return self._waiting.pop(0)

    async def is_closed(self) -> bool:
        """Waits for the end; whatever comes before is thrown away."""
        with trio.fail_after(LONG_S):
            try:
                while await self.stream.receive_some(65_536):
                    pass
            except trio.BrokenResourceError:
                pass
        return True


@asynccontextmanager
async def raw(of: House, *, greets: bool = True) -> AsyncIterator[Raw]:
    """A connection to the Unix socket, that has said hello."""
    stream = await trio.open_unix_socket(str(of.path))
    async with stream:
        made = Raw(stream)
        if greets:
            await made.say(1, "hello", version=VERSION)
            assert (await made.heard()).outcome == "ok"
        yield made


def second_person(token: str, key: object) -> str:
    """Tokens of a test are names; only operators' are any good."""
    if not token.startswith("operator:"):
        raise NotAllowedError(f"no operator of {key}")
    return token.removeprefix("operator:")
