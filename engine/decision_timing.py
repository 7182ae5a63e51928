"""How long an account's decisions take: from the tick, to the disk, to the wire."""

from engine.clock import Clock
from engine.meters import Meter


class DecisionTiming:
    """One actor's; of the decision at hand."""

    def __init__(self, clock: Clock, meter: Meter) -> None:
        self._clock = clock
        self._meter = meter
        self._heard_ns = self._decided_ns = 0

    def heard(self, ns: int) -> None:
        """When the ticks came that it looks at, on the monotonic clock."""
        self._heard_ns = ns

    def decided(self, *, by_tick: bool, inbox_depth: int) -> None:
        """A step has published something; the rest counts from here."""
        self._decided_ns = self._clock.monotonic_ns()
        if by_tick:
            self._meter.observe("tick_to_decision", self._since_s(self._heard_ns))
        self._meter.observe("inbox_depth", inbox_depth)

    def durable(self) -> None:
        """What was published is kept."""
        self._meter.observe("decision_to_durable", self._since_s(self._decided_ns))

    def sent(self, commands: int) -> None:
        """So many commands are on the wire."""
        for _ in range(commands):
            self._meter.observe("decision_to_wire", self._since_s(self._decided_ns))

    def _since_s(self, ns: int) -> float:
        return (self._clock.monotonic_ns() - ns) / 1e9 if ns else 0.0
