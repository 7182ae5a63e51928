"""The HTTP server: an ASGI application by hypercorn's protocol, within a nursery of ours.

`tidegate serve` runs it beside the engine. The same application under another ASGI server, in a
process of its own, does not need this file.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext

from engine.errors import AdapterError, UserError
from facade.serving_connection import GuardedConnection
from facade.serving_crowd import Bounds, Crowd
from facade.settings import Settings

BACKLOG = 512
LIFESPAN_S = 2.0
PER_ADDRESS = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpBinding:
    """Where it listens."""

    host: str = "127.0.0.1"
    port: int = 0
    """0: any that is free."""
    certificate: Path | None = None
    certificate_key: Path | None = None
    bounds: Bounds = field(default_factory=Bounds)


@dataclass(frozen=True, slots=True)
class HttpServer:
    """One that listens."""

    addresses: tuple[tuple[str, int], ...]
    url: str
    crowd: Crowd


def binding_of(settings: Settings) -> HttpBinding:
    """What the settings say of `[http]`."""
    keys = settings.keys.http
    is_alone = keys.behind_proxy or keys.host in ("127.0.0.1", "::1", "localhost")
    most = keys.max_connections
    return HttpBinding(
        host=keys.host,
        port=keys.port,
        certificate=None if keys.certificate is None else settings.beside(keys.certificate),
        certificate_key=(
            None if keys.certificate_key is None else settings.beside(keys.certificate_key)
        ),
        bounds=Bounds(connections=most, per_address=most if is_alone else min(PER_ADDRESS, most)),
    )


async def serve_http(
    app: Any,
    binding: HttpBinding,
    *,
    stopping: Callable[[], None] | None = None,
    task_status: trio.TaskStatus[HttpServer] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until it is cancelled, and then ends within `graceful_s` and a moment.

    Args:
        app: an ASGI application.
        stopping: called first of all when it is to end: whoever streams ends by it.

    Raises:
        AdapterError: the address is taken, or is none of this machine.
        UserError: the certificate cannot be read.
    """
    tls = _tls(binding)
    listeners = await _listen(binding)
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        run = partial(_run, app, binding.bounds, listeners, tls, stop, stopping)
        server = await nursery.start(run)
        task_status.started(server)
        try:
            await trio.sleep_forever()
        finally:
            stop.set()


async def _run(
    app: Any,
    bounds: Bounds,
    listeners: list[trio.SocketListener],
    tls: ssl.SSLContext | None,
    stop: trio.Event,
    stopping: Callable[[], None] | None,
    *,
    task_status: trio.TaskStatus[HttpServer],
) -> None:
    """Not to be cancelled from outside: it ends in good order once `stop` is set."""
    config, crowd, context = _config(bounds), Crowd(bounds), WorkerContext(None)
    state: Any = {}
    wrapped = ASGIWrapper(app)
    lifespan = Lifespan(wrapped, config, state)

    async def take(stream: Any) -> None:
        await GuardedConnection(wrapped, config, context, state, stream, crowd).run()

    entries: list[Any] = list(listeners)
    if tls is not None:
        entries = [trio.SSLListener(one, tls, https_compatible=True) for one in listeners]
    with trio.CancelScope(shield=True):
        async with trio.open_nursery() as around:
            await around.start(lifespan.handle_lifespan)
            await lifespan.wait_for_startup()
            around.start_soon(crowd.sweep)
            async with trio.open_nursery() as connections:
                listen = partial(trio.serve_listeners, take, entries, handler_nursery=connections)
                async with trio.open_nursery() as accepting:
                    accepting.start_soon(listen)
                    task_status.started(_described(listeners, crowd, is_tls=tls is not None))
                    await stop.wait()
                    accepting.cancel_scope.cancel()
                if stopping is not None:
                    stopping()
                await context.terminated.set()
                await crowd.end()
                connections.cancel_scope.cancel()
            with trio.move_on_after(LIFESPAN_S):
                await lifespan.wait_for_shutdown()
            around.cancel_scope.cancel()


def _described(listeners: list[trio.SocketListener], crowd: Crowd, *, is_tls: bool) -> HttpServer:
    addresses = tuple(listener.socket.getsockname()[:2] for listener in listeners)
    host, port = addresses[0]
    shown = f"[{host}]" if ":" in host else host
    return HttpServer(addresses, f"{'https' if is_tls else 'http'}://{shown}:{port}", crowd)


async def _listen(binding: HttpBinding) -> list[trio.SocketListener]:
    try:
        return await trio.open_tcp_listeners(binding.port, host=binding.host, backlog=BACKLOG)
    except OSError as error:
        raise AdapterError(
            f"cannot listen on {binding.host}:{binding.port}: {error.strerror or error}",
            system="HTTP",
            retry=False,
        ) from error


def _tls(binding: HttpBinding) -> ssl.SSLContext | None:
    if binding.certificate is None or binding.certificate_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(binding.certificate, binding.certificate_key)
    except (OSError, ssl.SSLError) as error:
        raise UserError(
            "the certificate of the API cannot be read, or is not of its key",
            place=str(binding.certificate),
        ) from error
    return context


def _config(bounds: Bounds) -> Config:
    config = Config()
    config.accesslog = None
    config.errorlog = None
    config.include_date_header = False
    config.include_server_header = False
    config.h11_max_incomplete_size = bounds.header_bytes
    config.keep_alive_max_requests = 100_000
    config.websocket_max_message_size = 65_536
    config.websocket_ping_interval = 20.0
    config.shutdown_timeout = LIFESPAN_S
    return config
