"""The Bot API against a local server over real sockets."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
import trio

from adapters.notify.channel import Message, ThrottledError
from adapters.notify.outbox import AlertOutbox
from adapters.notify.routes import Route
from adapters.notify.telegram import TelegramBot, TelegramChannel, cut
from engine.alerts import Level
from engine.clock import SystemClock
from engine.errors import AdapterError, UserError
from engine.secret import Secret
from tests.adapters.notify.notify_house import Request, Response, alert, http_server

TOKEN = Secret(b"4711:canary-token_X")
CHAT = 99


def said(result: Any) -> Response:
    return Response(200, json.dumps({"ok": True, "result": result}).encode())


def refused(status: int, description: str, **parameters: float) -> Response:
    body = {"ok": False, "error_code": status, "description": description}
    return Response(status, json.dumps({**body, "parameters": parameters}).encode())


class Api:
    """A Bot API that numbers messages, or answers as a test says."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: list[Response] = []
        self.last = 0

    def __call__(self, request: Request) -> Response:
        assert request.target.startswith("/bot4711:canary-token_X/"), request.target
        method = request.target.rpartition("/")[2]
        self.calls.append((method, json.loads(request.body)))
        if self.answers:
            return self.answers.pop(0)
        self.last += method == "sendMessage"
        return said({"message_id": self.last, "chat": {"id": CHAT}})


@asynccontextmanager
async def bot_of(api: Api) -> AsyncIterator[TelegramBot]:
    async with http_server(api) as server:
        bot = TelegramBot(
            TOKEN, api=f"http://127.0.0.1:{server.port}", loopback_hosts=("127.0.0.1",)
        )
        try:
            yield bot
        finally:
            await bot.aclose()


async def delivered(api: Api, message: Message) -> str | None:
    async with bot_of(api) as bot:
        return await TelegramChannel(bot, CHAT).deliver(message)


async def failure(answer: Response) -> AdapterError:
    """How a delivery fails against this answer."""
    api = Api()
    api.answers = [answer]
    async with bot_of(api) as bot:
        with pytest.raises(AdapterError) as raised:
            await TelegramChannel(bot, CHAT).deliver(Message(alert(), "d"))
    return raised.value


async def test_an_alert_is_a_message_without_markup() -> None:
    api = Api()
    assert await delivered(api, Message(alert(), "d", silent=True)) == "1"
    ((method, arguments),) = api.calls
    assert method == "sendMessage"
    assert arguments["text"] == "▲ 1001 alert 1\nsecond line"
    assert (arguments["chat_id"], arguments["disable_notification"]) == (CHAT, True)
    assert "parse_mode" not in arguments


async def test_a_later_alert_of_the_thread_edits_the_message() -> None:
    api = Api()
    assert await delivered(api, Message(alert(), "d", edits="5")) == "5"
    ((method, arguments),) = api.calls
    assert (method, arguments["message_id"]) == ("editMessageText", 5)


async def test_an_edit_that_changes_nothing_is_done() -> None:
    api = Api()
    api.answers = [refused(400, "Bad Request: message is not modified: same content")]
    assert await delivered(api, Message(alert(), "d", edits="5")) == "5"
    assert len(api.calls) == 1


@pytest.mark.parametrize(
    "description",
    ["Bad Request: message to edit not found", "Bad Request: message can't be edited"],
)
async def test_a_message_that_is_gone_is_sent_anew(description: str) -> None:
    api = Api()
    api.answers = [refused(400, description)]
    assert await delivered(api, Message(alert(), "d", edits="5")) == "1"
    assert [method for method, _ in api.calls] == ["editMessageText", "sendMessage"]


async def test_the_time_telegram_asks_for_is_kept() -> None:
    error = await failure(refused(429, "Too Many Requests: retry after 14", retry_after=14))
    assert isinstance(error, ThrottledError)
    assert error.after_s == 14


@pytest.mark.parametrize(
    ("answer", "retry"),
    [
        (refused(400, "Bad Request: chat not found"), False),
        (refused(401, "Unauthorized"), True),
        (refused(403, "Forbidden: bot was blocked by the user"), True),
        (Response(502, b"<html>"), True),
        (Response(200, b"<html>"), True),
        (Response(200, b'{"ok": false}'), True),
        (Response(200, b""), True),
    ],
)
async def test_what_telegram_refuses_is_told_without_its_words(
    answer: Response, retry: bool
) -> None:
    error = await failure(answer)
    assert error.retry is retry
    assert "blocked" not in str(error)


def test_a_text_is_cut_to_what_a_message_holds() -> None:
    assert cut("a" * 4096) == "a" * 4096
    long = cut("😀" * 4096)
    assert len(long.encode("utf-16-le")) // 2 <= 4096
    assert set(long) == {"😀", "…"}


@pytest.mark.parametrize("token", [b"", b"canary", b"12:", b":abc", b"12:a/b", b"12:a b"])
def test_what_is_no_token_is_refused_and_not_shown(token: bytes) -> None:
    with pytest.raises(UserError) as raised:
        TelegramBot(Secret(token))
    assert "canary" not in raised.value.render()


async def test_a_hundred_alerts_reach_a_chat_that_is_up_well_within_5_s() -> None:
    api = Api()
    async with bot_of(api) as bot, trio.open_nursery() as nursery:
        channel = TelegramChannel(bot, CHAT)
        outbox = AlertOutbox([(Route("r"), channel)], SystemClock(), Random(1))
        await nursery.start(outbox.run)
        for number in range(100):
            await outbox.notify(alert(number, Level.PAGE))
        assert await outbox.drain(5)
        nursery.cancel_scope.cancel()
    told = "\n".join(arguments["text"] for _, arguments in api.calls)
    assert all(f"alert {number}" in told for number in range(100))
    assert len(api.calls) == 3
