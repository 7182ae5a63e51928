"""Where alerts may be posted: named hosts only, and only at addresses of the public internet.

A host is resolved once for each post, every address it has is looked at, and the connection goes to
one of those: a name that answers differently a moment later leads nowhere else. Hosts of the
machine itself are for a sidecar or a test; they must be named as such, and then must be loopback.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from urllib.parse import urlsplit

import trio

from engine.errors import AdapterError, UserError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host and port, as text."""

_PORTS = {"https": 443, "http": 80}
# Addresses that carry another one inside: what they lead to is not what they look like.
_WRAPPERS = tuple(
    ipaddress.ip_network(text)
    for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)


@dataclass(frozen=True, slots=True)
class Destination:
    """A place that was allowed."""

    scheme: str
    host: str
    port: int
    target: str
    """Path and query."""
    loopback: bool
    """Must be this machine; else must not."""


def destination(
    url: str, hosts: Collection[str], loopback_hosts: Collection[str] = ()
) -> Destination:
    """The place a URL names, if it may be posted to.

    Args:
        hosts: allowed hosts, exactly: `hooks.example.com`, with `:8443` for another port than 443.
        loopback_hosts: the same, for hosts that are this machine; only these may use http, and
            any port.

    Raises:
        UserError: it may not; says why, without the path and query, which may hold a secret.
    """
    parts = _parsed(url)
    if parts is None:
        raise UserError("a webhook's URL cannot be read", help="https://host/path")
    host, port = parts.host, parts.port
    if not url.isprintable() or "\\" in url or " " in url:
        raise UserError("a webhook's URL has characters that no URL has")
    if parts.names_user:
        raise UserError("a webhook's URL names a user", help="sign the body instead")
    loopback = host in {name.lower() for name in loopback_hosts}
    allowed = {"https", "http"} if loopback else {"https"}
    if parts.scheme not in allowed:
        wanted = " or ".join(sorted(allowed))
        raise UserError(f"a webhook's URL begins with {parts.scheme!r}", help=f"allowed: {wanted}")
    port = port or _PORTS[parts.scheme]
    named = host if port == _PORTS["https"] else f"{host}:{port}"
    if not loopback and named not in {name.lower() for name in hosts}:
        listed = ", ".join(sorted(hosts)) or "none"
        raise UserError(f"the host {named!r} is not allowed", help=f"allowed: {listed}")
    return Destination(parts.scheme, host, port, parts.target, loopback)


@dataclass(frozen=True, slots=True)
class _Parts:
    scheme: str
    host: str
    port: int | None
    target: str
    names_user: bool


def _parsed(url: str) -> _Parts | None:
    """None: it cannot be read. What the parser would say of it may quote a secret."""
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").rstrip(".")
        host = host.encode("idna").decode("ascii").lower() if ":" not in host else host
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        target.encode("ascii")
        return _Parts(parts.scheme, host, parts.port, target, "@" in parts.netloc)
    except ValueError:
        return None


def refusal(address: Address, *, loopback: bool) -> str | None:
    """Why this address may not be connected to; None: it may."""
    plain = address
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        plain = address.ipv4_mapped
    if loopback:
        return None if plain.is_loopback else "is not this machine"
    if any(address in network for network in _WRAPPERS if network.version == address.version):
        return "stands for another one"
    if not plain.is_global or plain.is_multicast or plain.is_reserved:
        return "is not on the public internet"
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return "is not on the public internet"
    return None


async def pinned(place: Destination, resolve: Resolve, system: str) -> str:
    """The one address to connect to, resolved now.

    Raises:
        AdapterError: the name is not known, or one of its addresses may not be connected to.
    """
    failed = ""
    found: list[str] = []
    try:
        found = await resolve(place.host, place.port)
    except OSError as error:
        failed = type(error).__name__
    if failed or not found:
        raise AdapterError(f"{place.host} has no address", system=system, retry=True)
    for text in found:
        why = refusal(ipaddress.ip_address(text), loopback=place.loopback)
        if why is not None:
            raise AdapterError(f"an address of {place.host} {why}", system=system, retry=True)
    return found[0]


async def resolve_host(host: str, port: int) -> list[str]:
    """The machine's own resolver; IPv4 first.

    Raises:
        OSError: it knows none.
    """
    found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    found.sort(key=lambda entry: entry[0] != trio.socket.AF_INET)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
