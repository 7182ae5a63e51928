"""The dashboard's files, as routes for an application: one page, its scripts, styles and vendor.

Everything is read once, at the start, from the package itself. The page is the same for everybody
and holds nothing of anybody's. Its files lie under `/static/BUILD/`, where BUILD is the digest of
them all: what has that name never changes, so a browser may keep it for good, and modules that
import each other relatively are always of one build. Another BUILD (a page that was open while the
program was upgraded) is answered with today's file, not to be kept.
"""

from collections.abc import Mapping
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
"""Of every answer of these routes; HSTS is the business of whoever ends TLS."""

_TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "": "text/plain; charset=utf-8",
}
_FOR_GOOD = "public, max-age=31536000, immutable"
_ASK_ALWAYS = "no-cache"
_BUILD = b"BUILD"
"""What stands in index.html for the digest."""


class Asset(NamedTuple):
    """One file as it is sent."""

    body: bytes
    media_type: str
    etag: str


class Pages:
    """The page and its files, held in memory: some 250 kB."""

    def __init__(self) -> None:
        """Reads the package's own files.

        Raises:
            FileNotFoundError: the package is not whole.
        """
        root = files("facade")
        found = dict(_read(root / "dashboard", ""))
        found |= _read(root / "report" / "vendor", "vendor/")
        index = found.pop("index.html")
        digest = sha256()
        for name in sorted(found):
            digest.update(name.encode() + b"\0" + found[name] + b"\0")
        self.build = digest.hexdigest()[:12]
        self.assets = {name: _asset(name, body) for name, body in found.items()}
        self.index = _asset("index.html", index.replace(_BUILD, self.build.encode()))

    def routes(self) -> list[Route]:
        """The page at its three addresses, and `/static/{path}`. GET and HEAD."""
        return [
            Route("/", self.show_page),
            Route("/a/{server}/{login}", self.show_page),
            Route("/v/{id}", self.show_page),
            Route("/static/{path:path}", self.show_asset),
        ]

    async def show_page(self, request: Request) -> Response:
        """The one page; which view it opens is its own script's business."""
        return _answer(request, self.index, _ASK_ALWAYS)

    async def show_asset(self, request: Request) -> Response:
        """A file of the page; 404 for any other name: no path of the disk is ever made of it."""
        build, _, name = request.path_params["path"].partition("/")
        asset = self.assets.get(name)
        if asset is None:
            return PlainTextResponse("Not found.\n", 404, headers=dict(HEADERS))
        return _answer(request, asset, _FOR_GOOD if build == self.build else _ASK_ALWAYS)


def _answer(request: Request, asset: Asset, caching: str) -> Response:
    headers = {**HEADERS, "ETag": asset.etag, "Cache-Control": caching}
    known = request.headers.get("if-none-match", "")
    if asset.etag in (one.strip().removeprefix("W/") for one in known.split(",")):
        return Response(None, 304, headers=headers)
    return Response(asset.body, headers=headers, media_type=asset.media_type)


def _read(folder: Traversable, prefix: str) -> dict[str, bytes]:
    """Every file of the folder that a page may ask for."""
    found = {}
    for one in folder.iterdir():
        if one.is_file() and _suffix(one.name) in _TYPES:
            found[prefix + one.name] = one.read_bytes()
    return found


def _asset(name: str, body: bytes) -> Asset:
    return Asset(body, _TYPES[_suffix(name)], f'"{sha256(body).hexdigest()[:20]}"')


def _suffix(name: str) -> str:
    return name.rpartition(".")[2] if "." in name else ""
