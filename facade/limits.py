"""How often one may ask: as a burst, then evenly; each counted by itself.

The generic cell rate algorithm: one number a name. It runs in the engine's thread beside the
guards, so it has no thread of its own, sweeps nothing, takes the monotonic clock, and holds a
bounded number of names.

Why not the library `limits` (5.8.0, `MemoryStorage`), measured in one run on a busy machine: a
request costs 5.9 us (fixed window), 8.1 (moving) or 11.6 (sliding) there and 2.4 here; a name that
asked once 320 to 470 bytes there and 42 here, and the moving window keeps an entry for each
request. What decides is not that: it holds as many names as come, so that whoever has many
addresses fills the engine's memory; it sweeps all of them in a thread, under the engine's
interpreter lock; and it takes the wall clock, so that a clock set back refuses a kill switch.
"""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from math import ceil

from engine.domain.ids import AccountKey
from facade.access import Denied
from facade.access_policy import Bucket

FULL_REPORT_S = 10.0
NAMES_MAX = 50_000
PROBES_PER_MINUTE = 1200
KILLS_PER_MINUTE = 120


class Allowance:
    """`count` in `period_s` for each name: all at once if nothing was asked before."""

    def __init__(self, count: int, period_s: float, now_s: Callable[[], float]) -> None:
        """`now_s`: a clock that never goes back."""
        assert count > 0
        self._step_s = period_s / count
        self._burst_s = period_s - self._step_s
        self._now_s = now_s
        self._due_s: OrderedDict[str, float] = OrderedDict()
        """By name, when its allowance is whole again."""

    def take(self, name: str) -> float:
        """0: taken. Else nothing is taken, and how many seconds to wait."""
        now_s = self._now_s()
        due_s = max(self._due_s.get(name, now_s), now_s)
        wait_s = due_s - now_s - self._burst_s
        if wait_s > 1e-9:
            return wait_s
        self._due_s[name] = due_s + self._step_s
        self._due_s.move_to_end(name)
        self._forget(now_s)
        return 0.0

    def is_spent(self, name: str) -> bool:
        """Whether `take` would refuse."""
        now_s = self._now_s()
        return self._due_s.get(name, now_s) - now_s - self._burst_s > 1e-9

    def __len__(self) -> int:
        return len(self._due_s)

    def _forget(self, now_s: float) -> None:
        """Drops whole allowances, two at a time; of too many names the one longest not seen."""
        due_s = self._due_s
        for _ in range(2):
            name = next(iter(due_s), None)
            if name is None or (due_s[name] > now_s and len(due_s) <= NAMES_MAX):
                return
            del due_s[name]


class Limits:
    """The allowances of an API. What is over one is `Denied` 429, with the seconds to wait."""

    def __init__(
        self,
        now_s: Callable[[], float],
        *,
        requests_per_minute: int = 600,
        unauthenticated_per_minute: int = 60,
    ) -> None:
        """`now_s`: a clock that never goes back."""
        self._public = Allowance(unauthenticated_per_minute, 60.0, now_s)
        self._probes = Allowance(PROBES_PER_MINUTE, 60.0, now_s)
        self._subjects = Allowance(requests_per_minute, 60.0, now_s)
        self._kills = Allowance(KILLS_PER_MINUTE, 60.0, now_s)
        self._full_reports = Allowance(1, FULL_REPORT_S, now_s)

    def is_spent(self, address: str) -> bool:
        """Whether nothing more that is unauthenticated is taken from there."""
        return self._public.is_spent(network_of(address))

    def unauthenticated(self, address: str, bucket: Bucket = Bucket.PUBLIC) -> None:
        """Counts a public request, or one whose token was refused."""
        allowance = self._probes if bucket is Bucket.PROBE else self._public
        _refuse(allowance.take(network_of(address)))

    def subject(self, subject: str, address: str, bucket: Bucket) -> None:
        """Counts a request of somebody known.

        What lowers risk has an allowance of its own for each subject and address: neither other
        requests, nor other people, nor a stolen token used elsewhere can exhaust it.
        """
        if bucket is Bucket.KILL:
            _refuse(self._kills.take(f"{subject}|{network_of(address)}"), subject)
        else:
            _refuse(self._subjects.take(subject), subject)

    def full_report(self, key: AccountKey, subject: str) -> None:
        """Counts a full report asked of an account: one in ten seconds, whoever asks."""
        _refuse(self._full_reports.take(str(key)), subject)


def network_of(address: str) -> str:
    """What is counted as one: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped) if mapped else f"{found.packed[:8].hex()}/64"
    return str(found)


def _refuse(wait_s: float, who: str = "") -> None:
    if wait_s > 0:
        raise Denied(429, "rate_limited", retry_after_s=max(1, ceil(wait_s)), who=who)
