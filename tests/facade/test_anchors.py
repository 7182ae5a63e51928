"""The head of the chain, noted elsewhere."""

import re
from pathlib import Path

import pytest
import structlog
import trio
from trio.testing import MockClock

from facade import anchors
from facade.anchors import keep_anchors

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
    with trio.move_on_after(100):

        async def run() -> None:
            await keep_anchors(Chain().head, 60.0, to_syslog=True)

        await run()
    assert len(said) == 1
    assert HEAD.fullmatch(said[0])


async def test_with_nowhere_to_note_it_nothing_runs() -> None:
    await keep_anchors(Chain().head, 60.0)
