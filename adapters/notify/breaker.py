"""When to leave an outside system alone, and when to try it again. Pure: the caller tells the time.

Closed: every call goes. After `opens_after` failures in a row it opens: none goes until it has
rested, then exactly one does, the probe. A probe that succeeds closes it; one that fails makes it
rest again, longer, up to `rest_max_s`.
"""

from collections.abc import Callable
from math import inf


class Breaker:
    """See the top. `now_s` of one monotonic clock."""

    def __init__(self, opens_after: int = 3, rest_s: float = 0.5, rest_max_s: float = 2.0) -> None:
        assert opens_after >= 1, "a breaker opens after a failure"
        assert 0 < rest_s <= rest_max_s, "a breaker rests a while"
        self._opens_after = opens_after
        self._rest_first_s = rest_s
        self._rest_max_s = rest_max_s
        self._rest_s = rest_s
        self._failures = 0
        self._open_until_s: float | None = None
        self._probing = False

    @property
    def is_open(self) -> bool:
        """Whether calls are held back, but for a probe."""
        return self._open_until_s is not None

    def wait_s(self, now_s: float) -> float:
        """How long until `admit` may say yes; infinite while a probe is out."""
        if self._open_until_s is None:
            return 0.0
        return inf if self._probing else max(0.0, self._open_until_s - now_s)

    def admit(self, now_s: float) -> bool:
        """Whether a call may go. Who is let through tells `succeeded`, `failed` or `dropped`."""
        if self._open_until_s is None:
            return True
        if self._probing or now_s < self._open_until_s:
            return False
        self._probing = True
        return True

    def succeeded(self) -> None:
        """A call came back well."""
        self._failures = 0
        self._open_until_s = None
        self._probing = False
        self._rest_s = self._rest_first_s

    def failed(self, now_s: float) -> None:
        """A call did not."""
        self._failures += 1
        if self._probing:
            self._rest_s = min(self._rest_max_s, self._rest_s * 2)
        if self._probing or self._failures >= self._opens_after:
            self._open_until_s = now_s + self._rest_s
        self._probing = False

    def dropped(self) -> None:
        """A call was given up before it said anything: the next one may be the probe."""
        self._probing = False


def pause_s(failures: int, first_s: float, most_s: float, chance: Callable[[], float]) -> float:
    """How long to wait after so many failures in a row: doubling, then between half and all of it.

    Args:
        chance: a number in [0, 1), drawn once.
    """
    whole_s = min(most_s, first_s * 2.0 ** min(failures - 1, 32))
    return whole_s * (0.5 + 0.5 * chance())
