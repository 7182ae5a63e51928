"""How late the loop's tasks are of late: the longest wait of a ready task in the last seconds."""

from collections import deque

WINDOW_S = 10.0


class LoopLag:
    """What is told of a pulse's lateness, and the worst of it in the last `WINDOW_S`."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque()

    def take(self, now_s: float, lag_s: float) -> None:
        """A task that was due ran so late."""
        while self._seen and self._seen[0][0] <= now_s - WINDOW_S:
            self._seen.popleft()
        self._seen.append((now_s, lag_s))

    @property
    def worst_ms(self) -> float:
        """In milliseconds; 0 before the first."""
        return round(1000 * max((lag_s for _, lag_s in self._seen), default=0.0), 1)
