"""The reader against a local Bot API over real sockets, and the search for leaked secrets."""

import base64
import json
import logging
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest
import trio

from adapters.notify.channel import Channel, Message
from adapters.notify.chat import Chat
from adapters.notify.mail import MailChannel, MailServer, Security
from adapters.notify.outbox import AlertOutbox
from adapters.notify.routes import Route
from adapters.notify.telegram import TelegramBot, TelegramChannel
from adapters.notify.telegram_reader import TelegramReader
from adapters.notify.webhook import WebhookChannel
from engine.clock import SystemClock
from engine.errors import AdapterError
from engine.secret import Secret
from tests.adapters.notify.chat_house import Desk, desk_of
from tests.adapters.notify.notify_house import (
    Request,
    Response,
    alert,
    http_server,
    mail_sink,
)
from tests.adapters.notify.test_telegram import TOKEN, refused, said

USER = 11
SENT_S = 1


class BotApi:
    """Hands out updates once each, as Telegram does, and remembers what was sent."""

    def __init__(self) -> None:
        self.updates: list[dict[str, Any]] = []
        self.sent: list[dict[str, Any]] = []
        self.offsets: list[int] = []
        self.answers: list[Response] = []

    def write(self, text: str, /, **changed: Any) -> None:
        message: dict[str, Any] = {
            "message_id": 1,
            "date": SENT_S,
            "chat": {"id": USER, "type": "private"},
            "from": {"id": USER, "is_bot": False},
            "text": text,
        }
        number = 100 + len(self.updates)
        self.updates.append({"update_id": number, "message": {**message, **changed}})

    def __call__(self, request: Request) -> Response:
        arguments = json.loads(request.body)
        if request.target.endswith("/getUpdates"):
            self.offsets.append(arguments["offset"])
            if self.answers:
                return self.answers.pop(0)
            new = [u for u in self.updates if u["update_id"] >= arguments["offset"]]
            return said(new)
        self.sent.append(arguments)
        return said({"message_id": len(self.sent)})

    @property
    def texts(self) -> list[str]:
        return [arguments["text"].splitlines()[0] for arguments in self.sent]


class StillClock:
    """A wall clock that stands at the second the messages were written."""

    def monotonic_ns(self) -> int:
        return 0

    def wall_msc(self) -> int:
        return SENT_S * 1000


@asynccontextmanager
async def reader_of(api: BotApi, desk: Desk | None = None) -> AsyncIterator[TelegramReader]:
    async with http_server(api) as server:
        bot = TelegramBot(
            TOKEN, api=f"http://127.0.0.1:{server.port}", loopback_hosts=("127.0.0.1",)
        )
        outbox = AlertOutbox([], StillClock(), Random(1))
        chat = Chat(desk or desk_of(1001), outbox, StillClock(), lambda: "424242")
        try:
            yield TelegramReader(bot, chat, [USER], Random(1).random)
        finally:
            await bot.aclose()


async def test_a_listed_user_is_answered_once() -> None:
    api = BotApi()
    api.write("/help")
    async with reader_of(api) as reader:
        assert await reader.poll(0) == 1
        assert await reader.poll(0) == 0
    assert api.texts == ["/status"]
    assert api.offsets == [0, 101]
    assert reader.counts == {"answered": 1}


async def test_a_flatten_takes_its_code_through_the_chat() -> None:
    api, desk = BotApi(), desk_of(1001)
    async with reader_of(api, desk) as reader:
        for text in ("/flatten", "/flatten 1001", "424242"):
            api.write(text)
            await reader.poll(0)
    assert api.texts == ["Which account?", "FLATTEN 1001", "flatten: 1 of 1 taken"]
    assert api.sent[0]["reply_markup"]["keyboard"] == [[{"text": "/flatten 1001"}]]
    assert api.sent[1]["reply_markup"] == {"remove_keyboard": True}
    assert len(desk.commands) == 1


@pytest.mark.parametrize(
    ("changed", "counted"),
    [
        ({"from": {"id": 12}, "chat": {"id": 12, "type": "private"}}, "stranger"),
        ({"from": {"id": USER, "is_bot": True}}, "stranger"),
        ({"from": None}, "stranger"),
        ({"chat": {"id": -5, "type": "group"}}, "not_private"),
        ({"chat": {"id": 12, "type": "private"}}, "not_private"),
        ({"text": ""}, "not_text"),
        ({"forward_origin": {"type": "user"}}, "not_text"),
        ({"date": "yesterday"}, "not_read"),
        ({"text": 5}, "not_read"),
    ],
)
async def test_who_may_not_write_gets_no_answer_and_is_counted(
    changed: dict[str, Any], counted: str
) -> None:
    api = BotApi()
    api.write("/help", **changed)
    api.write("/help")
    async with reader_of(api) as reader:
        await reader.poll(0)
    assert len(api.sent) == 1, "and who may is answered after them"
    assert reader.counts == {counted: 1, "answered": 1}


async def test_a_question_that_breaks_is_answered_and_not_asked_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    api, desk = BotApi(), desk_of(1001)
    desk.accounts.clear()
    desk.keys = lambda: 1 / 0  # type: ignore[assignment,method-assign,return-value]
    api.write("/status")
    async with reader_of(api, desk) as reader:
        await reader.poll(0)
        assert await reader.poll(0) == 0
    assert api.texts == ["Failed. See the engine's log."]
    assert "ZeroDivisionError" in caplog.text


async def test_an_outage_is_waited_out() -> None:
    api = BotApi()
    api.answers = [refused(502, "bad gateway"), Response(200, b"nonsense")]
    api.write("/help")
    async with reader_of(api) as reader, trio.open_nursery() as nursery:
        nursery.start_soon(reader.run)
        with trio.fail_after(10):
            while not api.sent:
                await trio.sleep(0.02)
        nursery.cancel_scope.cancel()


# Secrets


HOOK_SECRET = Secret(b"canary-hook-secret-0123")
PASSWORD = Secret(b"canary-password")
CANARIES = (
    "canary-token_X",
    "canary-hook-secret",
    "canary-password",
    base64.b64encode(b"\0desk\0canary-password").decode(),
    "canary-path",
)


def everything_about(error: BaseException) -> str:
    """What a traceback shows, local variables of every frame included."""
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    return "".join(shown.format()) + repr(error)


async def trouble_of(channel: Channel) -> str:
    """All that a failed delivery shows; empty for one that came through."""
    try:
        await channel.deliver(Message(alert(), "d"))
    except AdapterError as error:
        return everything_about(error)
    return ""


async def test_no_secret_reaches_a_log_a_repr_or_an_exception(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Everything at DEBUG, httpx and httpcore included; success, refusal, silence, no server."""
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    replies = [
        said({"message_id": 1}), refused(401, "canary-path"), Response(307, b""),
        Response(200, after_s=3.0),
    ]  # fmt: skip

    def answer(request: Request) -> Response:
        response = replies.pop(0)
        # The server repeats what it was told, as the worst one would.
        response.body += b" " * 8 if response.status == 200 else request.target.encode()
        return response

    async with http_server(answer) as server, mail_sink(refuse={"AUTH": "535 {line}"}) as sink:
        here = ("127.0.0.1",)
        url = f"http://127.0.0.1:{server.port}"
        bot = TelegramBot(TOKEN, api=url, loopback_hosts=here)
        gone = TelegramBot(TOKEN, api="http://127.0.0.1:1", loopback_hosts=here)
        telegram = TelegramChannel(bot, 1)
        hook = WebhookChannel(
            f"{url}/canary-path", HOOK_SECRET, hosts=(), loopback_hosts=here, wall_msc=lambda: 0
        )
        hook.attempt_s = 1.0
        account = MailServer("127.0.0.1", sink.port, Security.NONE, "desk", PASSWORD)
        mail = MailChannel(account, "a@b.example", ["c@d.example"])
        channels: list[Channel] = [telegram, telegram, hook, hook, TelegramChannel(gone, 1), mail]
        for channel in channels:
            shown += [repr(channel), repr(vars(channel)), await trouble_of(channel)]
        shown += [repr(vars(bot)), repr(account)]
        outbox = AlertOutbox([(Route("r"), mail)], SystemClock(), Random(1))
        async with trio.open_nursery() as nursery:
            await nursery.start(outbox.run)
            await outbox.notify(alert())
            with trio.move_on_after(5):
                while not outbox.lanes[0].breaker.is_open:
                    await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        await bot.aclose()
        await hook.aclose()
    assert replies == []
    assert sum("AdapterError" in text for text in shown) == 5
    assert any(CANARIES[3] in command for command in sink.commands), "the password was used"
    assert len(caplog.records) > 10
    everything = caplog.text + "\n".join(shown) + repr([vars(r) for r in caplog.records])
    leaks = [canary for canary in CANARIES[:4] if canary in everything]
    assert leaks == []
    assert "canary-path" not in caplog.text
