"""Webhooks against a local server over real sockets."""

import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256

import pytest
import trio

from adapters.notify.channel import Message, ThrottledError
from adapters.notify.webhook import WebhookChannel, signature
from engine.alerts import Level
from engine.errors import AdapterError, UserError
from engine.secret import Secret
from tests.adapters.notify.notify_house import (
    NAME,
    NOW_MSC,
    Answering,
    Response,
    alert,
    contexts,
    http_server,
    resolver,
)

SECRET = Secret(b"0123456789abcdef-canary")


@asynccontextmanager
async def webhook(port: int, **options: object) -> AsyncIterator[WebhookChannel]:
    wanted: dict[str, object] = {"loopback_hosts": ("127.0.0.1",), "hosts": ()}
    wanted |= {"wall_msc": lambda: NOW_MSC} | options
    url = wanted.pop("url", f"http://127.0.0.1:{port}/hook?x=1")
    channel = WebhookChannel(url, SECRET, **wanted)  # type: ignore[arg-type]
    try:
        yield channel
    finally:
        await channel.aclose()


def always(status: int, **headers: str) -> Answering:
    return lambda request: Response(
        status, b"", {k.replace("_", "-"): v for k, v in headers.items()}
    )


async def failure(answering: Answering) -> AdapterError:
    """How a delivery fails against this server."""
    async with http_server(answering) as server, webhook(server.port) as channel:
        with pytest.raises(AdapterError) as raised:
            await channel.deliver(Message(alert(), "d1"))
    return raised.value


async def test_an_alert_is_posted_signed() -> None:
    async with http_server(lambda request: Response()) as server, webhook(server.port) as channel:
        assert await channel.deliver(Message(alert(1, Level.PAGE), "d1")) == "thread 1"
    (request,) = server.requests
    assert request.target == "/hook?x=1"
    stamp, delivery = (
        request.headers["X-Tidegate-Timestamp"],
        request.headers["X-Tidegate-Delivery"],
    )
    assert (stamp, delivery) == (str(NOW_MSC // 1000), "d1")
    signed = f"{stamp}.{delivery}.".encode() + request.body
    wanted = hmac.new(SECRET.reveal(), signed, sha256).hexdigest()
    assert request.headers["X-Tidegate-Signature"] == f"v1={wanted}"
    body = json.loads(request.body)
    assert (body["level"], body["login"], body["lines"][0]) == ("page", 1001, "▲ 1001 alert 1")


def test_what_is_signed_cannot_be_changed() -> None:
    signed = signature(SECRET, "1", "d", b"body")
    others = [
        signature(SECRET, "2", "d", b"body"),
        signature(SECRET, "1", "e", b"body"),
        signature(SECRET, "1", "d", b"bodz"),
        signature(Secret(b"another secret 16"), "1", "d", b"body"),
    ]
    assert signed not in others


async def test_connections_are_kept() -> None:
    async with http_server(lambda request: Response()) as server, webhook(server.port) as channel:
        for number in range(5):
            await channel.deliver(Message(alert(number), f"d{number}"))
    assert (len(server.connections), len(server.requests)) == (1, 5)


async def test_a_redirect_is_not_followed() -> None:
    async with http_server(lambda request: Response()) as elsewhere:
        there = f"http://127.0.0.1:{elsewhere.port}/"
        error = await failure(always(307, Location=there))
        assert elsewhere.connections == []
    assert "redirects are not followed" in str(error)


@pytest.mark.parametrize(
    ("status", "retry"),
    [(400, False), (413, False), (422, False), (401, True), (404, True), (408, True), (429, True),
     (500, True), (503, True)],
)  # fmt: skip
async def test_only_what_is_the_messages_fault_is_not_tried_again(status: int, retry: bool) -> None:
    assert (await failure(always(status))).retry is retry


@pytest.mark.parametrize(
    ("headers", "after_s"),
    [
        ({"Retry_After": "7"}, 7.0),
        (
            {
                "Retry_After": "Fri, 02 May 2014 12:31:00 GMT",
                "Date": "Fri, 02 May 2014 12:30:00 GMT",
            },
            60.0,
        ),
    ],
)
async def test_a_server_may_say_when_to_come_back(headers: dict[str, str], after_s: float) -> None:
    error = await failure(always(503, **headers))
    assert isinstance(error, ThrottledError)
    assert error.after_s == after_s


async def test_a_retry_after_that_is_none_is_passed_over() -> None:
    assert not isinstance(await failure(always(503, Retry_After="soon")), ThrottledError)


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    async with (
        http_server(lambda request: Response(after_s=60)) as server,
        webhook(server.port) as channel,
    ):
        channel.attempt_s = 0.1
        before_s = trio.current_time()
        with pytest.raises(AdapterError, match="no answer in time") as raised:
            await channel.deliver(Message(alert(), "d"))
        assert trio.current_time() - before_s < 5
    assert raised.value.retry


async def test_an_answer_without_end_is_read_to_a_bound_only() -> None:
    huge = Response(200, b"x" * (3 << 20))
    async with http_server(lambda request: huge) as server, webhook(server.port) as channel:
        assert await channel.deliver(Message(alert(), "d")) is not None


async def test_a_port_nobody_listens_on_is_tried_again() -> None:
    async with http_server(lambda request: Response()) as server:
        port = server.port
    async with webhook(port) as channel:
        with pytest.raises(AdapterError, match="no connection") as raised:
            await channel.deliver(Message(alert(), "d"))
    assert raised.value.retry


async def test_a_public_name_that_leads_to_this_machine_is_not_connected_to() -> None:
    async with http_server(lambda request: Response()) as server:
        resolve, _ = resolver(["127.0.0.1"])
        named = f"{NAME}:{server.port}"
        options = {"url": f"https://{named}/", "hosts": (named,), "resolve": resolve}
        async with webhook(server.port, **options) as channel:
            with pytest.raises(AdapterError, match="not on the public internet"):
                await channel.deliver(Message(alert(), "d"))
        assert server.connections == []


async def test_the_connection_goes_to_the_address_that_was_looked_at() -> None:
    """The name is in no resolver but ours, which answers once: nothing asks a second time."""
    serving, trusting = contexts()
    async with http_server(lambda request: Response(), tls=serving) as server:
        resolve, asked = resolver(["127.0.0.1"], ["10.0.0.1"])
        options = {"resolve": resolve, "tls": trusting, "loopback_hosts": (NAME,)}
        url = f"https://{NAME}:{server.port}/h"
        async with webhook(server.port, url=url, **options) as channel:
            await channel.deliver(Message(alert(), "d"))
            assert asked == [NAME]
            with pytest.raises(AdapterError, match="is not this machine"):
                await channel.deliver(Message(alert(), "d"))
    (request,) = server.requests
    assert request.headers["Host"] == f"{NAME}:{server.port}"


@pytest.mark.parametrize(("name", "trusts"), [("other.example.test", True), (NAME, False)])
async def test_a_certificate_of_another_name_or_of_nobody_is_refused(
    name: str, trusts: bool
) -> None:
    serving, trusting = contexts()
    async with http_server(lambda request: Response(), tls=serving) as server:
        resolve, _ = resolver(["127.0.0.1"])
        options: dict[str, object] = {"resolve": resolve, "loopback_hosts": (name,)}
        options |= {"tls": trusting if trusts else None}
        url = f"https://{name}:{server.port}/"
        async with webhook(server.port, url=url, **options) as channel:
            with pytest.raises(AdapterError, match="no connection"):
                await channel.deliver(Message(alert(), "d"))
    assert server.requests == []


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        http_server(lambda request: Response()) as proxy,
        http_server(lambda request: Response()) as server,
    ):
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        async with webhook(server.port) as channel:
            await channel.deliver(Message(alert(), "d"))
    assert (len(proxy.connections), len(server.requests)) == (0, 1)


def test_a_short_secret_is_refused() -> None:
    url, hosts = "https://a.example/", ("a.example",)
    with pytest.raises(UserError, match="too short"):
        WebhookChannel(url, Secret(b"x"), hosts=hosts, wall_msc=lambda: 0)
