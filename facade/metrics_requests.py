"""How many requests came and how long they took, counted where every request pays for it.

Half a microsecond each; the client library's counter and histogram, behind a lock for each value,
took two. One thread counts; whoever collects may be another.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)
_BOUNDS = [*map(str, SECONDS), "+Inf"]


class _Took:
    """The durations of one route."""

    __slots__ = ("counts", "sum_s")

    def __init__(self) -> None:
        self.counts = [0] * len(_BOUNDS)
        """In each bucket alone, not up to it."""
        self.sum_s = 0.0


class _Seen:
    """The requests of one route with one status."""

    __slots__ = ("count", "took")

    def __init__(self, took: _Took) -> None:
        self.count = 0
        self.took = took


class RequestCounts:
    """A collector: `http_requests` and `request_duration_seconds`."""

    def __init__(self, bounded: Callable[[str], str]) -> None:
        """`bounded`: the route as it is shown; later ones of too many are `other`."""
        self._bounded = bounded
        self._found: dict[tuple[str, int], _Seen] = {}
        self._seen: dict[tuple[str, int], _Seen] = {}
        self._took: dict[str, _Took] = {}

    def count(self, route: str, status: int, seconds: float) -> None:
        """One request."""
        seen = self._found.get((route, status)) or self._find(route, status)
        seen.count += 1
        took = seen.took
        took.counts[bisect_left(SECONDS, seconds)] += 1
        took.sum_s += seconds

    def _find(self, route: str, status: int) -> _Seen:
        known = self._bounded(route)
        seen = self._seen.get((known, status))
        if seen is None:
            seen = self._seen[known, status] = _Seen(self._took.setdefault(known, _Took()))
        if known == route:
            self._found[route, status] = seen
        return seen

    def collect(self) -> Iterator[Metric]:
        """What was counted so far."""
        counts = CounterMetricFamily(
            "http_requests", "Requests, by route and status.", labels=["route", "status"]
        )
        for (route, status), seen in list(self._seen.items()):
            counts.add_metric([route, str(status)], seen.count)
        yield counts
        durations = HistogramMetricFamily(
            "request_duration_seconds",
            "From a request's head until its answer is ready; of a stream, until it begins.",
            labels=["route"],
        )
        for route, took in list(self._took.items()):
            up_to = accumulate(took.counts)
            durations.add_metric([route], list(zip(_BOUNDS, up_to, strict=True)), took.sum_s)
        yield durations
