"""The end of the journal's chain, noted elsewhere: whoever rewrites the journal cannot rewrite it.

A note that fails is logged and tried again; it stops nothing.
"""

import os
import syslog
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog
import trio

log = structlog.get_logger("tidegate.anchors")


async def keep_anchors(
    head: Callable[[], Awaitable[object]],
    every_s: float,
    file: Path | None = None,
    *,
    to_syslog: bool = False,
) -> None:
    """Notes the head (`NUMBER:HASH`) now and whenever it has moved since, until cancelled.

    Args:
        file: gets a line `TIME NUMBER:HASH`, durable; made with mode 0600 if it is not there.
        to_syslog: sends the same to the system's log, facility auth.
    """
    if file is None and not to_syslog:
        return
    noted = ""
    while True:
        found = str(await head())
        if found != noted:
            when = datetime.now(UTC).isoformat(timespec="seconds")
            line = f"{when} {found}"
            try:
                if file is not None:
                    await trio.to_thread.run_sync(_append, file, line)
                if to_syslog:
                    _say(line)
                noted = found
            except OSError as error:
                log.warning("the journal's head could not be noted", cause=str(error))
        await trio.sleep(every_s)


def _append(file: Path, line: str) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, f"{line}\n".encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def _say(line: str) -> None:
    syslog.openlog("tidegate", syslog.LOG_PID, syslog.LOG_AUTH)
    syslog.syslog(syslog.LOG_NOTICE, f"journal head {line}")
