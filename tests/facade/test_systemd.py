"""sd_notify, against a real datagram socket in the place of systemd."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import trio
from trio.testing import MockClock

from facade import systemd


@pytest.fixture(params=["a file", "an abstract name"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[socket.socket]:
    """The socket systemd would listen on."""
    name = f"@tidegate-{uuid4()}" if request.param == "an abstract name" else str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("\0" + name[1:] if name.startswith("@") else name)
        listening.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield listening


def heard(manager: socket.socket) -> list[str]:
    manager.settimeout(0.0)
    said: list[str] = []
    while True:
        try:
            said.append(manager.recv(4096).decode())
        except BlockingIOError:
            return said


def test_what_is_said_arrives_as_one_datagram(manager: socket.socket) -> None:
    assert systemd.notify("READY=1", "STATUS=guarding 3 accounts")
    assert systemd.notify("STOPPING=1")
    assert heard(manager) == ["READY=1\nSTATUS=guarding 3 accounts", "STOPPING=1"]


def test_without_systemd_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not systemd.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    assert not systemd.notify("READY=1")


def test_a_line_end_in_a_status_cannot_say_something_else(manager: socket.socket) -> None:
    assert systemd.notify("STATUS=account a\nREADY=1")
    assert heard(manager) == ["STATUS=account a READY=1"]


def test_a_manager_that_does_not_read_holds_nobody_up(manager: socket.socket) -> None:
    while systemd.notify("STATUS=" + "x" * 1000):
        pass
    assert heard(manager)[0].startswith("STATUS=x")


@pytest.mark.parametrize(
    ("wanted", "pid", "period_s"),
    [
        ("10000000", None, 10.0),
        ("10000000", "ours", 10.0),
        ("10000000", "1", None),
        ("soon", None, None),
        ("0", None, None),
        (None, None, None),
    ],
)
def test_the_period_is_systemds_and_meant_for_this_process(
    monkeypatch: pytest.MonkeyPatch, wanted: str | None, pid: str | None, period_s: float | None
) -> None:
    pid = str(os.getpid()) if pid == "ours" else pid
    for name, value in (("WATCHDOG_USEC", wanted), ("WATCHDOG_PID", pid)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    assert systemd.watchdog_s() == period_s


async def test_the_watchdog_is_fed_only_while_guards_are_evaluated(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "9000000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    well = [True]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(systemd.keep_alive, lambda: well[0])
        await trio.sleep(10)
        assert heard(manager) == ["WATCHDOG=1"] * 4
        well[0] = False
        await trio.sleep(30)
        assert heard(manager) == []
        well[0] = True
        await trio.sleep(4)
        assert "WATCHDOG=1" in heard(manager)
        nursery.cancel_scope.cancel()


async def test_nobody_is_fed_who_does_not_ask(
    manager: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    await systemd.keep_alive(lambda: True)
    assert heard(manager) == []
