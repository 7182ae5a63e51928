"""What an account asks the marking kernel to watch for it, so that it need not see every tick.

A `Watch` is a conservative reading of an account's state: the kernel values it on every tick and
wakes the account at any tick on which something *may* have to be decided. It never carries a
verdict; that is `step`'s, on exact arithmetic.

The mark (double precision, no rounding, conversion at mid) of an account is

    mark = base + sum over exposures of
           (long_units * bid - short_units * ask - cost) * rate(conversion)

and the MT5-exact equity lies within an error bound of it: `rounding_bound` plus, for every
exposure with a conversion, (gross profit in the profit currency) * (rate by side - rate at mid).
"""

from math import inf

import msgspec


class Leg(msgspec.Struct, frozen=True, array_like=True):
    """One FX instrument of a conversion; the rate is its price, or 1 / price when inverse."""

    symbol: str
    inverse: bool


class Exposure(msgspec.Struct, frozen=True, kw_only=True):
    """All of one account's positions in one symbol."""

    symbol: str
    long_units: float = 0.0
    """Profit currency per 1.0 of price of all buys: the sum of lots * contract size."""
    short_units: float = 0.0
    cost: float = 0.0
    """Sum of open * units of the buys, less that of the sells, in the profit currency."""
    long_open_min: float = inf
    long_open_max: float = -inf
    short_open_min: float = inf
    short_open_max: float = -inf
    """Extremes of the open prices, to bound gross profit; (inf, -inf) where there is no side."""
    conversion: tuple[Leg, ...] = ()
    """Profit currency to deposit currency; empty when they are the same."""
    wake_bid_at_or_below: float = -inf
    wake_bid_at_or_above: float = inf
    wake_ask_at_or_below: float = -inf
    wake_ask_at_or_above: float = inf
    """Price levels (stops, targets, notional limits), inclusive, that wake the account."""


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A line the exact equity may not reach without waking the account.

    Its height is `p * ref + q * min(a * ref + b, cap)`, where `ref` is the tracker numbered
    `tracker`, or 0 when that is -1 (a fixed line: `p = 0, q = 1, a = 0, b = height`).
    The account's own line may differ from this by rounding: at most `slack`.
    """

    wakes_above: bool
    """False: wake at or below the line. True: wake at or above it."""
    tracker: int = -1
    p: float = 0.0
    q: float = 1.0
    a: float = 0.0
    b: float = 0.0
    cap: float = inf
    slack: float = 0.0


DRAWDOWN_TIE = 1e-13
"""Of the (absolute) high-water mark: a drawdown deeper by no more is the same one, and the first
of equals stands. Far above what the order of a sum can make, far below a minor unit."""


class Marks(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of every tick on which an account was valued; major units, not rounded."""

    trackers: tuple[float, ...]
    """Running maxima of the mark: first the equity high-water mark, then one day high for each
    guard that has one, in the order of the guards."""
    max_drawdown: float = 0.0
    """Largest (high-water - mark), the mark of that tick included in the high-water first."""
    max_drawdown_high_water: float = 0.0
    """The high-water mark of the tick of the largest drawdown."""
    max_drawdown_time_msc: int = 0
    """The first tick of the largest drawdown; 0 before there is one."""
    ticks: int = 0
    """Ticks on which the account was valued."""


NEVER_MSC = 2**62


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the kernel needs of one known account, until the next `Watch` replaces it."""

    base: float
    """Balance + credit + swap, in major units of the deposit currency."""
    exposures: tuple[Exposure, ...]
    lines: tuple[Line, ...]
    marks: Marks
    """As of the last tick this account was stepped on; the kernel goes on from here."""
    rounding_bound: float
    """Largest |exact equity - mark| from rounding alone."""
    wake_at_msc: int = NEVER_MSC
    """Wake at the first tick at or past this time (notices, holding times, operations)."""
