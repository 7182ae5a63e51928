"""A quote: what a feed last said of a symbol."""

from math import isfinite
from typing import NamedTuple


class Quote(NamedTuple):
    """Bid and ask as of `time_msc` (UTC milliseconds)."""

    bid: float
    ask: float
    time_msc: int

    @property
    def mid(self) -> float:
        """Halfway between bid and ask."""
        return (self.bid + self.ask) / 2.0


def defect(bid: float, ask: float) -> str | None:
    """Why this pair of prices may not enter a valuation, or None when it may."""
    if not (isfinite(bid) and isfinite(ask)):
        return "malformed"
    if bid <= 0.0 or ask <= 0.0:
        return "not_positive"
    if ask < bid:
        return "crossed"
    return None
