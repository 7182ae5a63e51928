"""The Telegram Bot API: what it is asked, what it answers, and alerts as messages of one chat.

Methods, limits and error fields as in https://core.telegram.org/bots/api (sendMessage,
editMessageText, getUpdates, ResponseParameters). Text goes as it is, without a parse mode: nothing
in it is markup.
"""

import ssl
from typing import Any

import msgspec
import orjson

from adapters.notify.channel import Message
from adapters.notify.destinations import Resolve, destination, resolve_host
from adapters.notify.posting import Answer, Poster, checked, with_retry_after
from engine.errors import AdapterError, UserError
from engine.secret import Secret

PUBLIC = "https://api.telegram.org"
TEXT_UNITS = 4096
"""Most a message may hold, in UTF-16 units."""
_SYSTEM = "telegram"


class _Parameters(msgspec.Struct):
    retry_after: float | None = None


class _Said(msgspec.Struct):
    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    description: str = ""
    parameters: _Parameters = msgspec.field(default_factory=_Parameters)


class _Sent(msgspec.Struct):
    message_id: int


class EditRefusedError(AdapterError):
    """There is nothing to edit any more: the message is gone, or too old."""


class TelegramBot:
    """Calls methods of one bot. The token is in the path of every URL, so no URL is ever shown."""

    def __init__(
        self,
        token: Secret,
        *,
        api: str = PUBLIC,
        loopback_hosts: tuple[str, ...] = (),
        resolve: Resolve = resolve_host,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`api`: another Bot API server than the public one.

        Raises:
            UserError: the token does not look like one, or the server may not be posted to.
        """
        if not _is_token(token):
            raise UserError("this is not the token of a Telegram bot", help="123456:ABC...")
        host = api.partition("://")[2].partition("/")[0]
        place = destination(api, (host,), loopback_hosts)
        self._token = token
        self._poster = Poster(place, _SYSTEM, resolve=resolve, tls=tls)

    async def call(self, method: str, arguments: dict[str, Any], *, limit_s: float) -> msgspec.Raw:
        """What the method returned, as JSON.

        Raises:
            AdapterError: it did not come through.
        """
        body = orjson.dumps(arguments)
        headers = {"Content-Type": "application/json"}
        answer = await self._poster.post(
            body, headers, target=self._target(method), limit_s=limit_s
        )
        return _result(answer)

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._poster.aclose()

    def _target(self, method: str) -> Secret:
        return Secret(b"/bot" + self._token.reveal() + b"/" + method.encode("ascii"))


def _is_token(token: Secret) -> bool:
    number, _, rest = token.reveal().partition(b":")
    return number.isdigit() and rest.replace(b"-", b"").replace(b"_", b"").isalnum()


def _result(answer: Answer) -> msgspec.Raw:
    said: _Said | None = None
    try:
        said = msgspec.json.decode(answer.body, type=_Said)
    except (msgspec.DecodeError, ValueError):
        checked(answer, _SYSTEM)
    if said is None:
        raise AdapterError("an answer that is not the Bot API's", system=_SYSTEM, retry=True)
    if said.ok:
        return checked_result(answer, said.result)
    if said.parameters.retry_after is not None:
        answer = with_retry_after(answer, said.parameters.retry_after)
    if answer.status == 400 and "not modified" in said.description:
        return msgspec.Raw(b"true")
    if (answer.status == 400 and "edited" in said.description) or "to edit" in said.description:
        raise EditRefusedError("the message cannot be edited", system=_SYSTEM, retry=False)
    checked(answer, _SYSTEM)
    raise AdapterError("refused without a status", system=_SYSTEM, retry=True)


def checked_result(answer: Answer, result: msgspec.Raw) -> msgspec.Raw:
    """The result of a successful answer.

    Raises:
        AdapterError: the status says otherwise.
    """
    checked(answer, _SYSTEM)
    return result


class TelegramChannel:
    """A `Channel`: one chat, messages edited in place."""

    attempt_s = 2.5
    gathers = 40

    def __init__(self, bot: TelegramBot, chat_id: int) -> None:
        self._bot = bot
        self._chat_id = chat_id

    async def deliver(self, message: Message) -> str | None:
        """See `Channel.deliver`. Returns the message's number in the chat."""
        text = cut(message.text)
        if message.edits is not None and await self._edited(int(message.edits), text):
            return message.edits
        arguments = {
            "chat_id": self._chat_id,
            "text": text,
            "disable_notification": message.silent,
            "link_preview_options": {"is_disabled": True},
        }
        result = await self._bot.call("sendMessage", arguments, limit_s=self.attempt_s)
        try:
            return str(msgspec.json.decode(result, type=_Sent).message_id)
        except (msgspec.DecodeError, ValueError):
            # It was taken; without its number it cannot be edited.
            return None

    async def aclose(self) -> None:
        """Closes the bot's connections."""
        await self._bot.aclose()

    async def _edited(self, message_id: int, text: str) -> bool:
        arguments = {
            "chat_id": self._chat_id,
            "message_id": message_id,
            "text": text,
            "link_preview_options": {"is_disabled": True},
        }
        try:
            await self._bot.call("editMessageText", arguments, limit_s=self.attempt_s)
        except EditRefusedError:
            return False
        return True


def cut(text: str, units: int = TEXT_UNITS) -> str:
    """The text, cut to what a message may hold."""
    if len(text.encode("utf-16-le")) <= 2 * units:
        return text
    kept = text.encode("utf-16-le")[: 2 * (units - 1)]
    return kept.decode("utf-16-le", "ignore") + "…"
