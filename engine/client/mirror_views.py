"""What a mirror shows of what it holds: ages that go on, and an engine that is away."""

import time

import msgspec
from msgspec.structs import replace

from engine.board import Encoded
from engine.desk import Health
from engine.domain.snapshot import Quality, Snapshot

LOST_AFTER_S = 3.0
"""An engine that says nothing for so long is away: it answers for its health each second."""
AGE_STEP_S = 1.0
"""An age that is shown is at most so much out of date."""

_decoder = msgspec.msgpack.Decoder(Snapshot)


class Held:
    """One account as it was pushed, decoded when somebody asks."""

    __slots__ = (
        "_base",
        "arrived_s",
        "encoded",
        "packed",
        "repacked",
        "shown",
        "shown_away",
        "shown_until_s",
        "version",
    )

    def __init__(self, version: tuple[int, int], packed: bytes, arrived_s: float) -> None:
        self.version = version
        self.packed = packed
        self.arrived_s = arrived_s
        self._base: Snapshot | None = None
        self.shown: Snapshot | None = None
        self.shown_away = False
        self.shown_until_s = 0.0
        self.encoded: Encoded | None = None
        self.repacked: bytes | None = None

    def base(self) -> Snapshot:
        """As it was pushed."""
        if self._base is None:
            self._base = _decoder.decode(self.packed)
        return self._base

    def show(self, snapshot: Snapshot, now_s: float, *, is_away: bool) -> None:
        """Keeps what is shown until its ages are out of date."""
        self.shown, self.shown_away = snapshot, is_away
        self.shown_until_s = now_s + AGE_STEP_S
        self.encoded = self.repacked = None

    @property
    def snapshot(self) -> Snapshot:
        """What is shown."""
        assert self.shown is not None, "shown before it is read"
        return self.shown


def aged(snapshot: Snapshot, elapsed_s: float, silent_s: float | None) -> Snapshot:
    """The snapshot so much later; `silent_s`: for how long the engine has been away."""
    more_ms = int(elapsed_s * 1000)
    if more_ms and snapshot.age_ms is not None:
        guards = tuple(
            guard if guard.age_ms is None else replace(guard, age_ms=guard.age_ms + more_ms)
            for guard in snapshot.guards
        )
        snapshot = replace(snapshot, age_ms=snapshot.age_ms + more_ms, guards=guards)
    if silent_s is None or snapshot.quality is Quality.UNKNOWN:
        return snapshot
    reason = f"the engine has not been heard for {silent_s:.0f} s"
    return replace(snapshot, quality=Quality.STALE, reason=reason)


def away_health(last: Health, silent_s: float, *, is_known: bool) -> Health:
    """The last that was heard, and that nothing was heard since."""
    said = f"the engine has not been heard for {silent_s:.0f} s" if is_known else last.reason
    return replace(last, is_ready=False, reason=said)


def blank_health(reason: str) -> Health:
    """Before anything was heard."""
    now_msc = time.time_ns() // 1_000_000
    return Health(
        is_ready=False,
        reason=reason,
        started_msc=now_msc,
        time_msc=now_msc,
        accounts=0,
        linked=0,
        crashed={},
        journal_failure=None,
        loop_lag_ms=0.0,
        feeds=(),
        refused={},
        listening="",
        thumbprint="",
    )
