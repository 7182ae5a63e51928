"""Alerts as signed JSON, posted to an allow-listed host.

`X-Tidegate-Signature: v1=` and the hex HMAC-SHA256, under the shared secret, of the timestamp, the
delivery's name and the body, joined by points. A receiver compares in equal time, refuses old
timestamps, and knows a repeated try by the name of its delivery.
"""

import hmac
import ssl
from collections.abc import Callable, Collection
from hashlib import sha256

import orjson

from adapters.notify.channel import Message
from adapters.notify.destinations import Resolve, destination, resolve_host
from adapters.notify.posting import Poster, checked
from engine.errors import UserError
from engine.secret import Secret

SECRET_BYTES = 16
"""A shorter secret is refused."""


class WebhookChannel:
    """A `Channel`: each alert is one POST; edits carry the same `thread`."""

    attempt_s = 2.5
    gathers = 1

    def __init__(
        self,
        url: str,
        secret: Secret,
        *,
        hosts: Collection[str],
        wall_msc: Callable[[], int],
        loopback_hosts: Collection[str] = (),
        resolve: Resolve = resolve_host,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """See `destinations.destination` for what may be posted to.

        Raises:
            UserError: the URL is not allowed, or the secret is too short.
        """
        if len(secret.reveal()) < SECRET_BYTES:
            raise UserError(
                "a webhook's secret is too short", help=f"at least {SECRET_BYTES} bytes"
            )
        place = destination(url, hosts, loopback_hosts)
        self._system = f"webhook {place.host}"
        self._poster = Poster(place, self._system, resolve=resolve, tls=tls)
        self._secret = secret
        self._wall_msc = wall_msc

    async def deliver(self, message: Message) -> str | None:
        """See `Channel.deliver`. Returns the thread: a later alert of it says so."""
        body = body_of(message)
        stamp = str(self._wall_msc() // 1000)
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "tidegate",
            "X-Tidegate-Timestamp": stamp,
            "X-Tidegate-Delivery": message.delivery,
            "X-Tidegate-Signature": signature(self._secret, stamp, message.delivery, body),
        }
        checked(await self._poster.post(body, headers, limit_s=self.attempt_s), self._system)
        return message.alert.thread

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._poster.aclose()


def body_of(message: Message) -> bytes:
    """The JSON that is posted; docs/alerts.md lists its fields."""
    alert = message.alert
    account = alert.account
    return orjson.dumps(
        {
            "v": 1,
            "level": alert.level.value,
            "kind": alert.kind,
            "server": None if account is None else account.server,
            "login": None if account is None else account.login,
            "lines": alert.lines,
            "time_msc": alert.time_msc,
            "verdict_id": alert.verdict_id,
            "thread": alert.thread,
            "edits": message.edits is not None,
            "silent": message.silent,
        }
    )


def signature(secret: Secret, stamp: str, delivery: str, body: bytes) -> str:
    """`v1=` and the hex HMAC; for receivers too."""
    signed = f"{stamp}.{delivery}.".encode() + body
    return "v1=" + hmac.new(secret.reveal(), signed, sha256).hexdigest()
