"""How many frames a terminal may send: a bucket that fills with time."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Frames a second, and how many may come at once after a quiet time."""

    per_s: float = 2_000.0
    burst: int = 20_000
    """A flatten of a thousand positions tells each four times, on top of quotes."""


class Bucket:
    """Frames still allowed now."""

    __slots__ = ("_frames", "_pace", "_read_ns")

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._frames = float(pace.burst)
        self._read_ns: int | None = None

    def take(self, now_ns: int) -> bool:
        """Whether one more may come."""
        if self._read_ns is not None:
            gained = (now_ns - self._read_ns) * 1e-9 * self._pace.per_s
            self._frames = min(self._pace.burst, self._frames + gained)
        self._read_ns = now_ns
        if self._frames < 1.0:
            return False
        self._frames -= 1.0
        return True
