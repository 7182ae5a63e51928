"""What the engine measures of itself, whoever shows it. Cheap: called on every decision."""

from typing import Protocol


class Meter(Protocol):
    """Takes measurements. Names are those of the metrics, without the unit at their end."""

    def observe(self, name: str, seconds: float) -> None:
        """One more value of a distribution: `tick_to_decision`, `decision_to_durable`, ..."""

    def count(self, name: str, number: int = 1, label: str = "") -> None:
        """So many more; `label` is the value of the one label the metric has, if it has one."""


class NoMeter:
    """Measures nothing."""

    def observe(self, name: str, seconds: float) -> None:
        """See `Meter.observe`."""

    def count(self, name: str, number: int = 1, label: str = "") -> None:
        """See `Meter.count`."""
