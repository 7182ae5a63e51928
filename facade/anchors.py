"""The end of the journal's chain, noted elsewhere: whoever rewrites the journal cannot rewrite it.

A note that fails is logged, counted, told and tried again at the next turn; it stops nothing. Each
place where heads are noted fails and recovers by itself.
"""

import os
import re
import syslog
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
import trio

from engine.errors import JournalError, UserError

log = structlog.get_logger("tidegate.anchors")

PATIENCE_S = 30.0
"""What one note may take: a disk of another machine may be away without an error."""
_LINE = re.compile(r"\S+ ([0-9]{1,18}:[0-9a-f]{64})")

Send = Callable[[str], Awaitable[None]]
"""Takes a line `TIME NUMBER:HASH` to somewhere; raises OSError where it does not arrive."""
OnFailure = Callable[[str, int, str], Awaitable[None]]
"""Told of a place, how often in a row it has failed now, and why."""


class _Target:
    """One place where heads are noted."""

    def __init__(self, name: str, send: Send) -> None:
        self.name = name
        self.noted = ""
        self.failures = 0
        """In a row."""
        self._send = send

    async def note(self, head: str) -> str | None:
        """Notes a head that is not noted there yet; why it failed, or None."""
        if head == self.noted:
            return None
        when = datetime.now(UTC).isoformat(timespec="seconds")
        try:
            with trio.fail_after(PATIENCE_S):
                await self._send(f"{when} {head}")
        except OSError as error:
            cause = str(error)
        except trio.TooSlowError:
            cause = f"no answer within {PATIENCE_S:g} s"
        else:
            self.noted, self.failures = head, 0
            return None
        self.failures += 1
        return cause


async def keep_anchors(
    head: Callable[[], Awaitable[object]],
    every_s: float,
    file: Path | None = None,
    *,
    to_syslog: bool = False,
    send: Send | None = None,
    on_failure: OnFailure | None = None,
) -> None:
    """Notes the head (`NUMBER:HASH`) now and whenever it has moved since, until cancelled.

    Ends when the journal has: there is no head to note then.

    Args:
        file: gets a line `TIME NUMBER:HASH`, durable; made with mode 0600 if it is not there.
        to_syslog: sends the same to the system's log, facility auth.
        send: takes the same line elsewhere, to a signed webhook for one.
        on_failure: told of every note that failed.
    """
    targets = []
    if file is not None:
        targets.append(_Target(str(file), _in_a_thread(partial(_append, file))))
    if to_syslog:
        targets.append(_Target("syslog", _in_a_thread(_say)))
    if send is not None:
        targets.append(_Target("webhook", send))
    while targets:
        try:
            found = str(await head())
        except JournalError:
            return
        for target in targets:
            cause = await target.note(found)
            if cause is None:
                continue
            log.warning("the journal's head could not be noted", place=target.name, cause=cause)
            if on_failure is not None:
                await on_failure(target.name, target.failures, cause)
        await trio.sleep(every_s)


def read_anchors(file: Path) -> list[str]:
    """The heads noted in a file, as written. A line that was cut short by a fall is passed over.

    Raises:
        UserError: it cannot be read, or there is none in it.
    """
    try:
        lines = file.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror}", place=str(file)) from error
    found = [match[1] for line in lines if (match := _LINE.fullmatch(line))]
    if not found:
        raise UserError(
            "there is no head in this file",
            place=str(file),
            help="it has a line TIME NUMBER:HASH for each, as `anchor_file` of the settings gets",
        )
    return found


def _in_a_thread(work: Callable[[str], None]) -> Send:
    """One note at a time: where the last is stuck, the next waits for it and not for a thread."""
    alone = trio.CapacityLimiter(1)

    async def send(line: str) -> None:
        await trio.to_thread.run_sync(work, line, limiter=alone, abandon_on_cancel=True)

    return send


def _append(file: Path, line: str) -> None:
    handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        end = os.fstat(handle).st_size
        is_torn = end > 0 and os.pread(handle, 1, end - 1) != b"\n"
        text = (b"\n" if is_torn else b"") + line.encode() + b"\n"
        if os.write(handle, text) != len(text):
            raise OSError("no space for a whole line")
        os.fsync(handle)
    finally:
        os.close(handle)


def _say(line: str) -> None:
    syslog.openlog("tidegate", syslog.LOG_PID, syslog.LOG_AUTH)
    syslog.syslog(syslog.LOG_NOTICE, f"journal head {line}")
