"""The stream over a WebSocket, on a real one: who may, what comes, and how it ends."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    Event,
    Message,
    Ping,
    RejectConnection,
    RejectData,
    Request,
)

from facade.serving import HttpBinding, serve_http
from tests.adapters.mt5.link_house import LONG_S
from tests.facade.api_house import ApiHouse, api_house


class Talk:
    """One client of the socket."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self.waiting: list[Event] = []

    async def send(self, event: Event) -> None:
        await self.stream.send_all(self.protocol.send(event))

    async def next(self) -> Event:
        """The next event, one whole message at a time."""
        while True:
            for event in self.protocol.events():
                self.waiting.append(event)
            if self.waiting:
                event = self.waiting.pop(0)
                if isinstance(event, Ping):
                    await self.send(event.response())
                    continue
                return event
            taken = await self.stream.receive_some(65_536)
            self.protocol.receive_data(taken or None)

    async def told(self) -> Any:
        """The next message, as JSON."""
        text = ""
        while True:
            event = await self.next()
            assert isinstance(event, Message), event
            text += str(event.data)
            if event.message_finished:
                return json.loads(text)


@asynccontextmanager
async def served(house: ApiHouse) -> AsyncIterator[tuple[Any, trio.Nursery]]:
    async with trio.open_nursery() as nursery:
        stopping = house.parts.stopping.set
        serve = partial(serve_http, house.app, HttpBinding(), stopping=stopping)
        server = await nursery.start(serve)
        with trio.fail_after(LONG_S):
            yield server, nursery
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def talking(server: Any, *headers: tuple[bytes, bytes]) -> AsyncIterator[Talk]:
    async with await trio.open_tcp_stream(*server.addresses[0]) as stream:
        talk = Talk(stream)
        await talk.send(Request(host="desk", target="/api/v1/ws", extra_headers=list(headers)))
        yield talk


async def test_accounts_and_records_come_as_messages(tmp_path: Path) -> None:
    with api_house(tmp_path) as house:
        signed = (b"Authorization", f"Bearer {house.token('viewer')}".encode())
        async with served(house) as (server, nursery), talking(server, signed) as talk:
            assert isinstance(await talk.next(), AcceptConnection)
            first = await talk.told()
            assert first["event"] == "snapshots"
            assert [one["login"] for one in first["data"]] == [1001, 1002]
            house.desk.say(1002)
            told = await talk.told()
            while told["event"] != "event":
                told = await talk.told()
            assert told["data"]["type"] == "account_halted"
            assert told["id"]
            nursery.cancel_scope.cancel()
            while told["event"] != "stopping":
                told = await talk.told()
            assert isinstance(await talk.next(), CloseConnection)
        assert house.app.state.api.hubs.streams == 0
        assert counted(house, 101) == 1.0


def counted(house: ApiHouse, status: int) -> float | None:
    labels = {"route": "/api/v1/ws", "status": str(status)}
    return house.metrics.registry.get_sample_value("http_requests_total", labels)


async def test_nobody_talks_without_a_token(tmp_path: Path) -> None:
    with api_house(tmp_path) as house:
        bad = (b"Authorization", b"Bearer nonsense")
        async with served(house) as (server, _):
            for headers in ((), (bad,)):
                async with talking(server, *headers) as talk:
                    event = await talk.next()
                    assert isinstance(event, RejectConnection)
                    assert event.status_code == 401
                    body = await talk.next()
                    assert isinstance(body, RejectData)
                    assert json.loads(bytes(body.data))["status"] == 401
        assert (counted(house, 401), counted(house, 101)) == (2.0, None)


async def test_a_subject_has_a_number_of_sockets_and_no_more(tmp_path: Path) -> None:
    with api_house(tmp_path) as house:
        signed = (b"Authorization", f"Bearer {house.token('viewer')}".encode())
        async with served(house) as (server, _), trio.open_nursery() as many:

            async def hold(*, task_status: trio.TaskStatus[None]) -> None:
                async with talking(server, signed) as talk:
                    assert isinstance(await talk.next(), AcceptConnection)
                    task_status.started()
                    await trio.sleep_forever()

            for _ in range(5):
                await many.start(hold)
            async with talking(server, signed) as talk:
                event = await talk.next()
                assert isinstance(event, RejectConnection)
                assert event.status_code == 429
            many.cancel_scope.cancel()
        assert (counted(house, 101), counted(house, 429)) == (5.0, 1.0)
        assert house.metrics.registry.get_sample_value("ratelimit_block_total") == 1.0
