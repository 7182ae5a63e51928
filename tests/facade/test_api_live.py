"""The API over the real engine: a breach is seen, explained, streamed, over a real socket."""

import json
import time
from pathlib import Path
from typing import Any

import anyio
import h11
import httpx
import trio

from adapters.memory.audit import MemoryAuditTrail
from facade.access import Scopes
from facade.access_gate import Gate
from facade.access_sessions import Sessions
from facade.app import make_app
from facade.approvals import Approvals
from facade.audit import AuditRecorder
from facade.call import Parts
from facade.idempotency import Idempotency
from facade.metrics import Metrics
from facade.serving import HttpBinding, HttpServer, serve_http
from tests.adapters.broker.server_world import PRICES
from tests.adapters.mt5.link_house import LONG_S
from tests.facade.access_desk import AccessDesk
from tests.live.live_house import SERVER, LiveHouse, live_house, spec_of


def parts_around(house: LiveHouse, access: AccessDesk) -> Parts:
    """Access for everything; its clock stands still."""
    trail, clock = MemoryAuditTrail(), house.own.clock
    sessions = Sessions(access.keys, lambda: access.now_s, is_secure=False)
    return Parts(
        gate=Gate(access.verifier, sessions, Scopes(house.engine.keys), access.limits),
        sessions=sessions,
        limits=access.limits,
        audit=AuditRecorder(trail, clock.wall_msc),
        approvals=Approvals(trail, clock.wall_msc),
        idempotency=Idempotency(lambda: access.now_s),
        metrics=Metrics(),
        now_msc=clock.wall_msc,
        stopping=anyio.Event(),
    )


async def test_a_breach_is_streamed_and_explained(tmp_path: Path) -> None:
    access = AccessDesk(tmp_path)
    access.now_s = time.time()
    token = access.token("operator", "ann", "*")
    async with live_house([spec_of(1001, minimum_hold_s=3600.0)]) as house:
        parts = parts_around(house, access)
        app = make_app(house.engine, parts)
        async with trio.open_nursery() as nursery:
            server: HttpServer = await nursery.start(
                lambda task_status: serve_http(
                    app, HttpBinding(), stopping=parts.stopping.set, task_status=task_status
                )
            )
            signed = {"Authorization": f"Bearer {token}"}
            with trio.fail_after(3 * LONG_S):
                async with httpx.AsyncClient(
                    base_url=server.url, headers=signed, timeout=LONG_S
                ) as client:
                    breach = await _breach(house, server.addresses[0], token)
                    await house.until(lambda: house.held(1001) == [])
                    await house.until(lambda: not house.engine.snapshot(_key(house)).positions)
                    one = (await client.get(f"/api/v1/accounts/{SERVER}/1001")).json()
                    assert one["halts"] == ["trailing"]
                    assert one["state"] in ("breached", "closing")
                    told = await client.get(f"/api/v1/verdicts/{breach['verdict_id']}")
                    taped = await client.get(f"/api/v1/verdicts/{breach['verdict_id']}/tape")
            nursery.cancel_scope.cancel()
    verdict = told.json()
    assert verdict["agrees"] is True
    assert verdict["record"]["seq"] == breach["seq"]
    assert "floor = " in verdict["formula"]
    assert len(verdict["ruleset_hash"]) == 64
    tape = taped.json()
    [decided] = [one for one in tape["ticks"] if one["index"] == tape["decided_index"]]
    assert tape["agrees"] is True
    assert decided["equity_held"] == verdict["record"]["equity"]
    assert decided["bid"] == verdict["record"]["tick"]["bid"]
    [close] = [item for item in verdict["timings"] if item["type"] == "close_intended"]
    assert close["sacrificed"] == ["minimum_hold"]


def _key(house: LiveHouse) -> Any:
    return house.engine.keys()[0]


async def _breach(house: LiveHouse, address: tuple[str, int], token: str) -> Any:
    """Reads the stream until it tells of a breach, made once the stream has begun."""
    house.open(1001)
    await house.valued(1001, 1)
    client = h11.Connection(h11.CLIENT)
    headers = [("Host", "desk"), ("Authorization", f"Bearer {token}")]
    request = h11.Request(method="GET", target="/api/v1/stream", headers=headers)
    async with await trio.open_tcp_stream(*address) as stream:
        asked = (client.send(request) or b"") + (client.send(h11.EndOfMessage()) or b"")
        await stream.send_all(asked)
        text, has_moved = b"", False
        while True:
            event = client.next_event()
            if event is h11.NEED_DATA:
                client.receive_data(await stream.receive_some(65_536))
            elif isinstance(event, h11.Response):
                assert (b"content-type", b"text/event-stream; charset=utf-8") in event.headers
            elif isinstance(event, h11.Data):
                text += event.data
            if b"event: snapshots" in text and not has_moved:
                has_moved = True
                house.quote("EURUSD", PRICES["EURUSD"][0] - 0.015)
            for part in text.split(b"\n\n")[:-1]:
                head, _, body = part.partition(b"data: ")
                if b"event: event" in head and b'"guard_breach"' in body:
                    return json.loads(body)
