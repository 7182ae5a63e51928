"""What outlives a terminal's run: its intent table, the highest epoch, the floor, the halt.

With a path everything is on the disk before it is acted on; a line cut by a crash is skipped.
"""

import os
import threading
from pathlib import Path

import msgspec

from engine.domain.reports import IntentReport

KEPT = 512


class _Line(msgspec.Struct, frozen=True, omit_defaults=True):
    intent: IntentReport | None = None
    epoch: int | None = None
    floor: float | None = None
    is_halted: bool | None = None
    deals_msc: int | None = None
    gmt_offset_s: int | None = None


class IntentTable:
    """The newest rows by intent, and what else a terminal must not forget."""

    def __init__(self, path: Path | None = None) -> None:
        """Reads what an earlier run left; without a path nothing outlives this object."""
        self.epoch_seen = 0
        self.floor = 0.0
        self.is_halted = False
        self.deals_msc: int | None = None
        """Server time of the newest deal the engine signed for; None: none ever."""
        self.gmt_offset_s: int | None = None
        """The server's wall clock minus UTC as last estimated, for a closed market."""
        self._lock = threading.Lock()
        self._rows: dict[str, IntentReport] = {}
        self._path = path
        if path is not None and path.exists():
            for line in path.read_bytes().splitlines():
                try:
                    self._take(msgspec.json.decode(line, type=_Line))
                except msgspec.MsgspecError:
                    continue

    def find(self, intent_id: str) -> IntentReport | None:
        """The row of an intent; None where it never came, or so many came since."""
        return self._rows.get(intent_id)

    def recent(self) -> tuple[IntentReport, ...]:
        """The rows, the oldest first."""
        return tuple(self._rows.values())

    def note(self, row: IntentReport) -> None:
        """Keeps the row: first as taken (retcode 0), then as answered."""
        self._keep(_Line(intent=row))

    def note_epoch(self, epoch: int) -> None:
        """The epoch of a link that stands."""
        if epoch > self.epoch_seen:
            self._keep(_Line(epoch=epoch))

    def note_floor(self, floor: float) -> None:
        """The fail-safe floor; 0: none."""
        self._keep(_Line(floor=floor))

    def note_halt(self, is_halted: bool) -> None:
        """Whether new risk is to be refused."""
        self._keep(_Line(is_halted=is_halted))

    def note_deals(self, deals_msc: int) -> None:
        """The engine has every deal up to this server time."""
        if self.deals_msc is None or deals_msc > self.deals_msc:
            self._keep(_Line(deals_msc=deals_msc))

    def note_offset(self, gmt_offset_s: int) -> None:
        """The server's wall clock minus UTC."""
        if gmt_offset_s != self.gmt_offset_s:
            self._keep(_Line(gmt_offset_s=gmt_offset_s))

    def _keep(self, line: _Line) -> None:
        with self._lock:  # the agent notes from two threads
            self._write(line)

    def _write(self, line: _Line) -> None:
        if self._path is not None:
            with self._path.open("ab") as out:
                # A new line first: an earlier one may have been cut.
                out.write(b"\n" + msgspec.json.encode(line) + b"\n")
                out.flush()
                os.fsync(out.fileno())
        self._take(line)

    def _take(self, line: _Line) -> None:
        if line.intent is not None:
            self._rows[line.intent.intent_id] = line.intent
            while len(self._rows) > KEPT:
                del self._rows[next(iter(self._rows))]
        if line.epoch is not None:
            self.epoch_seen = max(self.epoch_seen, line.epoch)
        if line.floor is not None:
            self.floor = line.floor
        if line.is_halted is not None:
            self.is_halted = line.is_halted
        if line.deals_msc is not None:
            self.deals_msc = line.deals_msc
        if line.gmt_offset_s is not None:
            self.gmt_offset_s = line.gmt_offset_s
