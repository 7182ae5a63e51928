"""The head of the chain, noted elsewhere."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import structlog
import trio
from trio.testing import MockClock

from engine.errors import JournalError
from facade import anchors
from facade.anchors import keep_anchors, read_anchors

HEAD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00 (\d+:[0-9a-f]{64})")


class Chain:
    """A journal's head that moves when told to."""

    def __init__(self) -> None:
        self.number = 1

    async def head(self) -> str:
        await trio.lowlevel.checkpoint()
        return f"{self.number}:{self.number:064x}"


def noted(file: Path) -> list[str]:
    lines = file.read_text(encoding="ascii").splitlines() if file.exists() else []
    return [found[1] for line in lines if (found := HEAD.fullmatch(line))]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> float:
    """Virtual time runs on while a real thread writes: nothing is given up here for that."""
    usual = anchors.PATIENCE_S
    monkeypatch.setattr(anchors, "PATIENCE_S", 1e9)
    return usual


def at_once(work: Callable[[str], None]) -> anchors.Send:
    """Without a thread: for what is tested in virtual time, hangs among it."""

    async def send(line: str) -> None:
        await trio.lowlevel.checkpoint()
        work(line)

    return send


async def until_noted(file: Path, count: int) -> list[str]:
    with trio.fail_after(1_000_000):  # of virtual time; the test ends long before
        while len(noted(file)) < count:
            await trio.sleep(1)
    return noted(file)


async def test_the_head_is_noted_now_and_when_it_has_moved(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    chain, file = Chain(), tmp_path / "heads"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_anchors, chain.head, 60.0, file)
        await until_noted(file, 1)
        await trio.sleep(300)
        assert len(noted(file)) == 1
        chain.number = 2
        found = await until_noted(file, 2)
        nursery.cancel_scope.cancel()
    assert [head.partition(":")[0] for head in found] == ["1", "2"]
    assert file.stat().st_mode & 0o077 == 0


async def test_a_note_that_fails_is_logged_and_tried_again(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    chain, folder = Chain(), tmp_path / "unmounted"
    with structlog.testing.capture_logs() as logged:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(keep_anchors, chain.head, 60.0, folder / "heads")
            while not logged:
                await trio.sleep(1)
            folder.mkdir()
            await until_noted(folder / "heads", 1)
            nursery.cancel_scope.cancel()
    assert logged[0]["log_level"] == "warning"


async def test_the_systems_log_gets_the_same(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    said: list[str] = []
    monkeypatch.setattr(anchors, "_say", said.append)
    monkeypatch.setattr(anchors, "_in_a_thread", at_once)
    with trio.move_on_after(100):

        async def run() -> None:
            await keep_anchors(Chain().head, 60.0, to_syslog=True)

        await run()
    assert len(said) == 1
    assert HEAD.fullmatch(said[0])


async def test_with_nowhere_to_note_it_nothing_runs() -> None:
    await keep_anchors(Chain().head, 60.0)


async def test_one_place_that_fails_or_hangs_keeps_no_other_from_its_notes(
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    patience: float,
) -> None:
    monkeypatch.setattr(anchors, "PATIENCE_S", patience)
    monkeypatch.setattr(anchors, "_in_a_thread", at_once)
    chain, file = Chain(), tmp_path / "heads"
    told: list[tuple[str, int, str]] = []
    sent: list[str] = []

    async def send(line: str) -> None:
        if chain.number < 3:
            await trio.sleep_forever()
        sent.append(line)

    async def on_failure(place: str, failures: int, cause: str) -> None:
        told.append((place, failures, cause))

    with structlog.testing.capture_logs():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                partial(keep_anchors, send=send, on_failure=on_failure), chain.head, 60.0, file
            )
            for number in (1, 2, 3):
                chain.number = number
                await until_noted(file, number)
                await trio.sleep(2 * patience)
            nursery.cancel_scope.cancel()
    assert [(place, failures) for place, failures, _ in told] == [("webhook", 1), ("webhook", 2)]
    assert "no answer" in told[0][2]
    assert [HEAD.fullmatch(line) is not None for line in sent] == [True]


async def test_a_line_cut_short_spoils_no_later_one(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    chain, file = Chain(), tmp_path / "heads"
    file.write_text(f"2026-03-02T09:00:00+00:00 1:{1:064x}\n2026-03-02T09:01:00+00:00 2:00")
    chain.number = 3
    async with trio.open_nursery() as nursery:
        nursery.start_soon(keep_anchors, chain.head, 60.0, file)
        await until_noted(file, 2)
        nursery.cancel_scope.cancel()
    assert read_anchors(file) == [f"1:{1:064x}", f"3:{3:064x}"]


async def test_it_ends_with_the_journal(tmp_path: Path) -> None:
    async def failed() -> str:
        raise JournalError("the disk")

    await keep_anchors(failed, 60.0, tmp_path / "heads")
    assert not (tmp_path / "heads").exists()
