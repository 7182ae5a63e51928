"""The engine as a program: from start to a signal, with everybody told how it is."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import structlog
import trio

from engine.domain.ids import AccountKey
from engine.garbage import collect_seldom
from engine.stuck import stuck_cut_short
from facade import systemd
from facade.http_setup import serve_floor
from facade.internal_setup import internal_socket_of
from facade.reloading import reread_at
from facade.settings import Settings
from facade.watchdog import Watchdog
from facade.wiring_floor import Floor, open_floor

log = structlog.get_logger("tidegate.serve")


async def serve(
    settings: Settings, on_open: Callable[[Floor], Awaitable[None]] | None = None
) -> None:
    """Guards until SIGINT or SIGTERM; at SIGHUP the book is read again.

    Args:
        on_open: runs beside the engine once it guards.

    Raises:
        UserError, AdapterError: it cannot start; says why.
        JournalError: it failed; nothing is acknowledged any more.
    """
    with (
        trio.open_signal_receiver(signal.SIGHUP) as wishes,  # from here on it ends nothing
        stuck_cut_short() as is_armed,
    ):
        if not is_armed:
            log.warning("steps that do not end are not cut short here: they end the process")
        await _serve(settings, wishes, on_open)


async def _serve(
    settings: Settings,
    wishes: AsyncIterator[int],
    on_open: Callable[[Floor], Awaitable[None]] | None,
) -> None:
    async with trio.open_nursery() as nursery:
        watchdog = Watchdog()
        await nursery.start(watchdog.run)
        async with open_floor(settings, on_crash=_given_up) as floor:
            collect_seldom()
            health = floor.engine.health()
            log.info(
                "guarding",
                accounts=health.accounts,
                listening=health.listening,
                thumbprint=floor.thumbprint,
                journal=str(settings.journal),
                replayed=floor.replayed,
            )
            systemd.notify("READY=1", f"STATUS=guarding {health.accounts} accounts")
            async with trio.open_nursery() as beside:
                await beside.start(
                    internal_socket_of(settings, floor.engine, floor.alerting.kill_switch).serve
                )
                server = await beside.start(serve_floor, floor, settings)
                if server is not None:
                    log.info("serving", url=server.url)
                beside.start_soon(reread_at, wishes, floor, settings)
                beside.start_soon(systemd.keep_alive, lambda: floor.engine.health().is_ready)
                if on_open is not None:
                    beside.start_soon(on_open, floor)
                await _signalled()
                beside.cancel_scope.cancel()
            log.info("stopping")
            systemd.notify("STOPPING=1")
        log.info("stopped")
        nursery.cancel_scope.cancel()


def _given_up(key: AccountKey, why: str) -> None:
    log.error("account given up", account=str(key), cause=why)


async def _signalled() -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for number in signals:
            log.info("signal", name=signal.Signals(number).name)
            return
