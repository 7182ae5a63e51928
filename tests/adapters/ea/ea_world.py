"""A gateway, and terminals with the real expert that link to it over loopback TLS."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha1
from pathlib import Path
from typing import Any

import trio

from engine.domain.reports import CommandResult, FullReport
from engine.link import Handed, TerminalCommand
from tests.adapters.ea.expert import Expert, running
from tests.adapters.mt5.link_house import House, contexts, house
from tests.adapters.mt5.link_samples import ACCOUNT


async def thumbprint(open_house: House) -> str:
    """SHA-1 of the certificate the gateway shows."""
    async with open_house.knock() as stream:
        tls = trio.SSLStream(stream, contexts()[1], server_hostname="127.0.0.1")
        await tls.do_handshake()
        return sha1(tls.getpeercert(binary_form=True)).hexdigest()


class World:
    """A gateway, and terminals with the expert that link to it."""

    def __init__(self, open_house: House, program: Path, files: Path, pin: str) -> None:
        self.house = open_house
        self.sink = open_house.sink
        self.pin = pin
        self._program = program
        self._files = files

    @asynccontextmanager
    async def terminal(self, *opening: str, **settings: str) -> AsyncIterator[Expert]:
        """A terminal, its first report told; the lines happen before it links."""
        reports = len(self.sink.of("reported"))
        async with self.unlinked(**settings) as run:
            await run.tell(*opening)
            await self.sink.until("reported", reports + 1)
            yield run

    @asynccontextmanager
    async def unlinked(self, **settings: str) -> AsyncIterator[Expert]:
        engine = settings.pop("ENGINE", f"127.0.0.1:{self.house.port}")
        pins = settings.pop("THUMBPRINTS", self.pin)
        async with running(self._program, self._files, engine, pins, **settings) as run:
            yield run

    async def command(self, **fields: Any) -> None:
        command = TerminalCommand(**fields)
        assert await self.house.gateway.send(ACCOUNT, command) is Handed.HANDED

    async def answer(self, **fields: Any) -> CommandResult:
        """What the expert says to this command."""
        before = len(self.sink.of("result"))
        await self.command(**fields)
        result = (await self.sink.until("result", before + 1))[-1][1]
        assert isinstance(result, CommandResult)
        return result

    def report(self) -> FullReport:
        """The last one."""
        report = self.sink.of("reported")[-1][1]
        assert isinstance(report, FullReport)
        return report


@asynccontextmanager
async def opened(program: Path, files: Path, **limits: Any) -> AsyncIterator[World]:
    async with house(heartbeat_ms=50, **limits) as open_house:
        yield World(open_house, program, files, await thumbprint(open_house))
