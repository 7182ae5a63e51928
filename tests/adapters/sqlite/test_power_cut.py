"""A power cut takes what was not synced: nothing that was acknowledged."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path
from random import Random

import pytest

from adapters.sqlite import schema
from engine.errors import UserError
from tests.adapters.sqlite.faulty_disk import UNHEARD, FaultyDisk
from tests.adapters.sqlite.workload import Acknowledged, lost, run
from tests.conftest import SOAK

CUTS = 200 * max(SOAK, 1)
CONTROL_CUTS = 100
_names = count()
pytestmark = UNHEARD


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """Fresh folders, one after the other."""

    def made() -> Iterator[Path]:
        for number in count():
            folder = tmp_path / str(number)
            (folder / "after").mkdir(parents=True)
            yield folder

    return made()


def cut_once(folder: Path, rng: Random, cut_at: int | None) -> tuple[Acknowledged, FaultyDisk]:
    """A run that ends in a cut, and in `after` what the cut left."""
    disk = FaultyDisk(f"cut-{next(_names)}")
    try:
        disk.cut_at = cut_at
        acked, _ = run(folder / "journal.db", disk.vfs, rng)
        disk.after_cut(folder / "after", rng, rng.choice((0.0, 0.3, 0.7, 1.0)))
    finally:
        disk.unregister()
    return acked, disk


def missing_after(folder: Path, acked: Acknowledged) -> list[str]:
    try:
        return lost(folder / "after" / "journal.db", acked)
    except UserError as error:  # not even a journal yet
        return [str(error)] if acked else []


def test_nothing_acknowledged_is_lost_at_a_power_cut(folders: Iterator[Path]) -> None:
    rng = Random(1 if not SOAK else None)
    _, whole = cut_once(next(folders), rng, None)
    cut, acknowledged = 0, 0
    for number in range(CUTS):
        folder = next(folders)
        acked, disk = cut_once(folder, rng, rng.randrange(1, whole.operations))
        assert missing_after(folder, acked) == [], f"cut {number} at {disk.cut_at}"
        cut += disk.cut
        acknowledged += sum(acked.values())
    assert cut > CUTS * 0.7, "nearly every run must end in its cut"
    assert acknowledged > CUTS * 5, "a test without acknowledged records shows nothing"


def test_the_same_cuts_lose_records_when_commits_are_not_synced(
    folders: Iterator[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    weaker = tuple(p.replace("synchronous = FULL", "synchronous = NORMAL") for p in schema.PRAGMAS)
    assert weaker != schema.PRAGMAS
    monkeypatch.setattr(schema, "PRAGMAS", weaker)
    rng = Random(2)
    _, whole = cut_once(next(folders), rng, None)
    losing = 0
    for _ in range(CONTROL_CUTS):
        folder = next(folders)
        acked, _ = cut_once(folder, rng, rng.randrange(whole.operations // 3, whole.operations))
        losing += bool(missing_after(folder, acked))
    assert losing >= CONTROL_CUTS // 20, "the disk of this test does not forget enough"
