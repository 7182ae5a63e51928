"""Posts JSON to one destination over httpx: pinned address, no redirect, bounded answer.

The transport is used without httpx's client: the client writes every URL to its log, and Telegram's
URLs hold the token; it would also follow proxies from the environment.
"""

import ipaddress
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime

import httpx
import trio

from adapters.notify.channel import ThrottledError
from adapters.notify.destinations import Destination, Resolve, pinned, resolve_host
from engine.errors import AdapterError
from engine.secret import Secret

ANSWER_BYTES = 1 << 20
"""Most that is read of an answer."""
MESSAGE_AT_FAULT = frozenset({400, 405, 413, 414, 415, 422})
"""Statuses about what was posted: posting it again changes nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    body: bytes = field(repr=False)
    """May repeat what was sent: never shown."""
    retry_after_s: float | None


class Poster:
    """One destination, connections kept. All methods are for the one Trio thread."""

    def __init__(
        self,
        place: Destination,
        system: str,
        *,
        resolve: Resolve = resolve_host,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            system: what failures call it.
            tls: whom to trust; None: the public authorities.
        """
        self._place = place
        self._system = system
        self._resolve = resolve
        self._tls = tls
        self._transport: httpx.AsyncHTTPTransport | None = None

    async def post(
        self,
        body: bytes,
        headers: Mapping[str, str],
        *,
        target: Secret | None = None,
        limit_s: float,
    ) -> Answer:
        """The answer, whatever its status.

        Args:
            target: path and query instead of the destination's own; may hold a token.

        Raises:
            AdapterError: nobody answered, or the name leads where it may not.
        """
        address = await pinned(self._place, self._resolve, self._system)
        sent = await self._send(address, body, headers, target, limit_s)
        if isinstance(sent, str):
            raise AdapterError(sent, system=self._system, retry=True)
        return sent

    async def aclose(self) -> None:
        """Closes the connections that are kept."""
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    async def _send(
        self,
        address: str,
        body: bytes,
        headers: Mapping[str, str],
        target: Secret | None,
        limit_s: float,
    ) -> Answer | str:
        """The answer, or in a few words why there is none.

        What httpx raises holds the request, and with it the URL: it is looked at and let go here.
        """
        place = self._place
        path = place.target.encode() if target is None else target.reveal()
        url = httpx.URL(scheme=place.scheme, host=address, port=place.port, raw_path=path)
        named = place.host if place.port in (80, 443) else f"{place.host}:{place.port}"
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), limit_s)
        request = httpx.Request(
            "POST",
            url,
            headers={
                **headers,
                "Host": named,
                "Accept-Encoding": "identity",
                "Content-Length": str(len(body)),
            },
            stream=_Once(body),
            extensions={"timeout": timeouts, **self._sni()},
        )
        try:
            with trio.move_on_after(limit_s):
                response = await self._opened().handle_async_request(request)
                try:
                    return _answer(response, await _read(response))
                finally:
                    with trio.CancelScope(shield=True, deadline=trio.current_time() + 0.2):
                        await response.aclose()
        except httpx.TimeoutException:
            return "no answer in time"
        except httpx.TransportError as error:
            return f"no connection ({type(error).__name__})"
        return "no answer in time"

    def _opened(self) -> httpx.AsyncHTTPTransport:
        if self._transport is None:
            verify: ssl.SSLContext | bool = True if self._tls is None else self._tls
            self._transport = httpx.AsyncHTTPTransport(
                verify=verify, trust_env=False, http2=False, retries=0
            )
        return self._transport

    def _sni(self) -> dict[str, str]:
        """The certificate is checked against the name, though the address is connected to."""
        try:
            ipaddress.ip_address(self._place.host)
        except ValueError:
            return {"sni_hostname": self._place.host}
        return {}


class _Once(httpx.AsyncByteStream):
    """A body in one piece. httpx's own is a generator, which a cancelled post leaves unfinished."""

    def __init__(self, body: bytes) -> None:
        self._left = [body]

    def __aiter__(self) -> "_Once":
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()


async def _read(response: httpx.Response) -> bytes:
    """The body; nothing where it is too long. The time that a post may take bounds the reading."""
    body, length = b"", 0
    async for chunk in response.aiter_raw():
        length += len(chunk)
        body = body + chunk if length <= ANSWER_BYTES else b""
    return body


def _answer(response: httpx.Response, body: bytes) -> Answer:
    text = response.headers.get("Retry-After", "")
    after_s: float | None = None
    if text.isascii() and text.isdigit() and len(text) < 8:
        after_s = float(text)
    elif text:
        after_s = _until(text, response.headers.get("Date", ""))
    return Answer(response.status_code, body, after_s)


def _until(later: str, now: str) -> float | None:
    """Seconds between two HTTP dates, both of the server's own clock."""
    try:
        gap_s = (parsedate_to_datetime(later) - parsedate_to_datetime(now)).total_seconds()
    except (ValueError, TypeError):
        return None
    return max(0.0, gap_s)


def checked(answer: Answer, system: str) -> Answer:
    """The answer, if it is a success.

    Raises:
        AdapterError: it is not. A redirect is not followed. The body is not quoted: it may repeat
            what was sent.
    """
    status = answer.status
    if 200 <= status < 300:
        return answer
    if answer.retry_after_s is not None and (status == 429 or status >= 500):
        raise ThrottledError(f"status {status}", system=system, after_s=answer.retry_after_s)
    redirect = ", redirects are not followed" if 300 <= status < 400 else ""
    retry = status not in MESSAGE_AT_FAULT
    raise AdapterError(f"status {status}{redirect}", system=system, retry=retry)


def with_retry_after(answer: Answer, after_s: float) -> Answer:
    """The same answer, with a pause that its body names."""
    return replace(answer, retry_after_s=after_s)
