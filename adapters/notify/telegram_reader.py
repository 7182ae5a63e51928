"""Reads what people write to the bot, by long polling, and sends the answers.

Only private chats of listed users are answered. Everybody else gets no answer and is counted. The
engine does not care whether this works: it runs beside it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

import msgspec
import trio

from adapters.notify.breaker import pause_s
from adapters.notify.channel import ThrottledError
from adapters.notify.chat import Chat, Reply
from adapters.notify.telegram import TelegramBot, cut
from engine.errors import AdapterError

log = logging.getLogger("tidegate.alerts")

POLL_S = 25
PAUSE_FIRST_S = 0.5
PAUSE_MOST_S = 20.0
ANSWER_TRIES = 3


class _User(msgspec.Struct):
    id: int
    is_bot: bool = False


class _Room(msgspec.Struct):
    id: int
    type: str


class _Written(msgspec.Struct):
    chat: _Room
    date: int
    sender: _User | None = msgspec.field(default=None, name="from")
    text: str = ""
    forward_origin: dict[str, object] | None = None


class _Update(msgspec.Struct):
    update_id: int
    message: msgspec.Raw = msgspec.Raw(b"")
    """Kept as it came: one that cannot be read stops no other."""


class TelegramReader:
    """See the top. All methods are for the one Trio thread."""

    def __init__(
        self,
        bot: TelegramBot,
        chat: Chat,
        users: Collection[int],
        chance: Callable[[], float],
    ) -> None:
        """`users`: Telegram ids of those who may write."""
        self._bot = bot
        self._chat = chat
        self._users = frozenset(users)
        self._chance = chance
        self._offset = 0
        self.counts = Counter[str]()
        """`answered`, `stranger`, `not_private`, `not_text`, `not_read`, `unanswered`."""

    async def run(self) -> None:
        """Reads and answers until cancelled."""
        failures = 0
        while True:
            trouble: AdapterError | None = None
            try:
                await self.poll(POLL_S)
            except AdapterError as error:
                trouble = error
            if trouble is None:
                failures = 0
                continue
            failures += 1
            if failures == 3:
                log.warning("chat cannot be read: cause=%s", trouble)
            wait_s = pause_s(failures, PAUSE_FIRST_S, PAUSE_MOST_S, self._chance)
            if isinstance(trouble, ThrottledError):
                wait_s = max(wait_s, trouble.after_s)
            await trio.sleep(wait_s)

    async def poll(self, wait_s: int) -> int:
        """Asks once, waiting so long for news; how many updates came.

        Raises:
            AdapterError: Telegram did not answer.
        """
        arguments = {"offset": self._offset, "timeout": wait_s, "allowed_updates": ["message"]}
        result = await self._bot.call("getUpdates", arguments, limit_s=wait_s + 10.0)
        updates: list[_Update] | None = None
        try:
            updates = msgspec.json.decode(result, type=list[_Update])
        except (msgspec.DecodeError, ValueError):
            self.counts["not_read"] += 1
        if updates is None:
            raise AdapterError("updates that cannot be read", system="telegram", retry=True)
        for update in updates:
            # Past it first: an update that breaks something is not asked for again.
            self._offset = max(self._offset, update.update_id + 1)
            if bytes(update.message):
                await self._take(update.message)
        return len(updates)

    async def _take(self, raw: msgspec.Raw) -> None:
        try:
            written = msgspec.json.decode(raw, type=_Written)
        except (msgspec.DecodeError, ValueError):
            self.counts["not_read"] += 1
            return
        refused = self._refusal(written)
        if refused is not None:
            self.counts[refused] += 1
            return
        assert written.sender is not None, "a stranger was refused"
        crash = ""
        reply = Reply("Failed. See the engine's log.")
        try:
            reply = await self._chat.answer(written.sender.id, written.text, written.date)
        except* Exception as raised:  # noqa: BLE001  # a question may break; the reader goes on
            crash = type(raised.exceptions[0]).__name__
        if crash:
            log.error("a question from chat failed: error=%s", crash)
        await self._send(written.chat.id, reply)

    def _refusal(self, written: _Written) -> str | None:
        """Why this gets no answer; None: it does."""
        sender = written.sender
        if sender is None or sender.is_bot or sender.id not in self._users:
            return "stranger"
        if written.chat.type != "private" or written.chat.id != sender.id:
            return "not_private"
        if not written.text or written.forward_origin is not None:
            return "not_text"
        return None

    async def _send(self, chat_id: int, reply: Reply) -> None:
        markup: dict[str, Any] = {"remove_keyboard": True}
        if reply.buttons:
            rows = [[{"text": text}] for text in reply.buttons]
            markup = {"keyboard": rows, "one_time_keyboard": True, "resize_keyboard": True}
        arguments = {"chat_id": chat_id, "text": cut(reply.text), "reply_markup": markup}
        for tried in range(1, ANSWER_TRIES + 1):
            try:
                await self._bot.call("sendMessage", arguments, limit_s=5.0)
            except AdapterError as error:
                if not error.retry or tried == ANSWER_TRIES:
                    break
            else:
                self.counts["answered"] += 1
                return
            await trio.sleep(pause_s(tried, PAUSE_FIRST_S, 2.0, self._chance))
        self.counts["unanswered"] += 1
        log.warning("an answer did not reach chat")
