"""The API as a process of its own: `TIDEGATE_CONFIG=serve.toml uvicorn facade.standalone:app`.

It reads a mirror that the engine keeps up to date over the internal socket, so no load and no crash
here can touch a guard; several of them may run beside one engine. Any ASGI server with lifespan
events will do, under asyncio or Trio.

To command for the API's users it must show the token of `[internal] token_file`: without one it
would only be another program of the shell's user, so it does not start.
"""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
from starlette.applications import Starlette

from engine.client.mirror import Mirror
from engine.errors import OutsideError, UserError
from engine.garbage import collect_seldom
from facade.api_parts import parts_of
from facade.app import make_app
from facade.audit import CountedTrail
from facade.internal_setup import TOKEN_VARIABLE
from facade.metrics import Metrics
from facade.pages import Pages
from facade.settings import Settings, read_secret, read_settings
from facade.wiring import audit_tools

VARIABLE = "TIDEGATE_CONFIG"
FIRST_S = 5.0
"""So long the first request may wait for the engine; after that it is answered 503."""

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


def settings_of_environment() -> Settings:
    """The settings that `TIDEGATE_CONFIG` names.

    Raises:
        UserError: it names none, or they are not as they should be.
    """
    path = os.environ.get(VARIABLE)
    if not path:
        raise UserError(f"which engine? {VARIABLE} is not set", help=f"{VARIABLE}=serve.toml")
    return read_settings(Path(path))


@asynccontextmanager
async def open_app(settings: Settings) -> AsyncIterator[Starlette]:
    """The application over a mirror of the engine of these settings.

    Raises:
        UserError: there is no token for programs, or it cannot be read.
        AdapterError: the audit trail cannot be opened.
    """
    token_file = settings.keys.internal.token_file
    if token_file is None:
        raise UserError(
            "the API in its own process needs a token of the engine",
            place=str(settings.path),
            path="internal.token_file",
            help="name a file of mode 0600 with a long random text; the engine reads it too",
        )
    token = read_secret(settings.beside(token_file), TOKEN_VARIABLE).reveal().decode()
    mirror = Mirror(settings.socket, token)
    stopping = anyio.Event()
    metrics = Metrics()
    async with audit_tools().open(settings.state / "audit.db") as audit:
        trail = CountedTrail(audit, lambda: metrics.count("audit_events"))
        parts = parts_of(settings, mirror, trail, metrics, stopping)
        parts = replace(parts, on_kill=mirror.tell_kill_switch)
        app = make_app(mirror, parts, Pages().routes())
        async with anyio.create_task_group() as group:
            group.start_soon(mirror.run)
            with anyio.move_on_after(FIRST_S):
                await mirror.ready()
            yield app
            stopping.set()
            group.cancel_scope.cancel()


class Standalone:
    """An ASGI application that is made when its server starts."""

    def __init__(self, settings: Callable[[], Settings] = settings_of_environment) -> None:
        self._settings = settings
        self._app: Starlette | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """See the ASGI specification, 3.0."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._app is not None, "the server does not send lifespan events: turn them on"
        await self._app(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with open_app(self._settings()) as self._app:
                collect_seldom()
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except UserError as error:
            await send({"type": "lifespan.startup.failed", "message": error.render()})
        except OutsideError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
        else:
            await send({"type": "lifespan.shutdown.complete"})


app = Standalone()
