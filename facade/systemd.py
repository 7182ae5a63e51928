"""Telling systemd how it is: `sd_notify`, as far as it is needed. Without systemd it says nothing.

Source: sd_notify(3): datagrams of `KEY=value` lines to the socket in NOTIFY_SOCKET; a leading `@`
stands for the abstract namespace.
"""

import os
import socket
from collections.abc import Callable
from contextlib import suppress

import trio


def notify(*lines: str) -> bool:
    """Sends the lines, without waiting; False where no systemd listens, or it does not read."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(0.0)  # it is called on the loop
        sender.connect(address)
        sender.send("\n".join(line.replace("\n", " ") for line in lines).encode())
        return True
    return False


def watchdog_s() -> float | None:
    """How often systemd wants to hear that all is well; None: it does not."""
    wanted = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID")
    if not wanted.isdigit() or (pid is not None and pid != str(os.getpid())):
        return None
    return int(wanted) / 1e6 or None


async def keep_alive(is_well: Callable[[], bool]) -> None:
    """Feeds the watchdog for as long as guards are evaluating, three times in each period."""
    period_s = watchdog_s()
    if period_s is None:
        return
    while True:
        if is_well():
            notify("WATCHDOG=1")
        await trio.sleep(period_s / 3)
