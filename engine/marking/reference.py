"""The plain twin of the marking kernel: every account on every tick, nothing clever.

It is the oracle of the kernel's tests and the yardstick of its benchmark. Both do the same
operations in the same order, so their marks and wakes are equal to the last bit.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.domain.conversion import mid_rate
from engine.domain.conversion import rate as side_rate
from engine.domain.quotes import Quote, defect
from engine.domain.watch import DRAWDOWN_TIE, Exposure, Leg, Line, Marks, Watch
from engine.marking.ticks import TickBatch
from engine.marking.wakes import Wake

Quotes = dict[str, Quote]


def side_error(conversion: tuple[Leg, ...], quotes: Quotes) -> float:
    """How far the rate by side may lie from the rate at mid."""
    mid = mid_rate(conversion, quotes)
    ask = side_rate(conversion, quotes, at_ask=True)
    bid = side_rate(conversion, quotes, at_ask=False)
    return max(ask - mid, mid - bid)


def worth(exposure: Exposure, quote: Quote) -> Iterator[float]:
    """What the net side would bring, then what the spread takes from the hedged rest.

    Their sum is `long_units * bid - short_units * ask`; taken like this, an account that is all
    hedged is bounded closely by the extremes of the spread.
    """
    net_units = exposure.long_units - exposure.short_units
    hedged_units = min(exposure.long_units, exposure.short_units)
    if net_units != 0.0:
        yield net_units * (quote.bid if net_units > 0.0 else quote.ask)
    if hedged_units > 0.0:
        yield -hedged_units * (quote.ask - quote.bid)


def mark_of(watch: Watch, quotes: Quotes) -> float:
    """What the account is worth: unrounded, each symbol netted, conversion at mid.

    First what needs no conversion, costs before worths, then what does.
    """
    plain = [exposure for exposure in watch.exposures if not exposure.conversion]
    converted = [exposure for exposure in watch.exposures if exposure.conversion]
    mark = watch.base
    for exposure in plain:
        mark -= exposure.cost
    for exposure in plain:
        for piece in worth(exposure, quotes[exposure.symbol]):
            mark += piece
    for exposure in converted:
        rate, cost = mid_rate(exposure.conversion, quotes), exposure.cost
        for piece in worth(exposure, quotes[exposure.symbol]):
            mark += (piece - cost) * rate
            cost = 0.0
    return mark


def gross_profit(exposure: Exposure, quote: Quote) -> float:
    """At least the sum of |profit| of the positions, in the profit currency."""
    gross = 0.0
    if exposure.long_units > 0.0:
        away = max(quote.bid - exposure.long_open_min, exposure.long_open_max - quote.bid)
        gross += exposure.long_units * away
    if exposure.short_units > 0.0:
        away = max(quote.ask - exposure.short_open_min, exposure.short_open_max - quote.ask)
        gross += exposure.short_units * away
    return gross


def error_bound(watch: Watch, quotes: Quotes) -> float:
    """The MT5-exact equity is at most this far from the mark."""
    bound = 0.0
    for exposure in watch.exposures:
        if exposure.conversion:
            gross = gross_profit(exposure, quotes[exposure.symbol])
            bound += gross * side_error(exposure.conversion, quotes)
    return watch.rounding_bound + bound


def height(line: Line, trackers: tuple[float, ...]) -> float:
    """Where the line lies, given the running maxima."""
    reference = trackers[line.tracker] if line.tracker >= 0 else 0.0
    return line.p * reference + line.q * min(line.a * reference + line.b, line.cap)


def may_reach(line: Line, trackers: tuple[float, ...], mark: float, bound: float) -> bool:
    """Whether the exact equity may lie at the line or past it."""
    if line.wakes_above:
        return not mark + bound < height(line, trackers) - line.slack
    return not mark - bound > height(line, trackers) + line.slack


def reaches_level(exposure: Exposure, quote: Quote) -> bool:
    """Whether a price level of the symbol is reached: inclusive, as long as it is."""
    return not (
        quote.bid > exposure.wake_bid_at_or_below
        and quote.bid < exposure.wake_bid_at_or_above
        and quote.ask > exposure.wake_ask_at_or_below
        and quote.ask < exposure.wake_ask_at_or_above
    )


def wakes(watch: Watch, marks: Marks, quotes: Quotes, time_msc: int) -> bool:
    """Whether the account has to be stepped on this tick; `marks` are of the tick before."""
    if time_msc >= watch.wake_at_msc:
        return True
    if any(reaches_level(exposure, quotes[exposure.symbol]) for exposure in watch.exposures):
        return True
    mark = mark_of(watch, quotes)
    trackers = tuple(max(tracker, mark) for tracker in marks.trackers)
    bound = error_bound(watch, quotes)
    return any(may_reach(line, trackers, mark, bound) for line in watch.lines)


def valued(marks: Marks, mark: float, time_msc: int) -> Marks:
    """The marks with one more tick in them: the high-water mark first, then the drawdown."""
    trackers = tuple(max(tracker, mark) for tracker in marks.trackers)
    deepest, high_water, deepest_msc = (
        marks.max_drawdown,
        marks.max_drawdown_high_water,
        marks.max_drawdown_time_msc,
    )
    if trackers[0] - mark > deepest + abs(trackers[0]) * DRAWDOWN_TIE:
        deepest, high_water, deepest_msc = trackers[0] - mark, trackers[0], time_msc
    return Marks(
        trackers=trackers,
        max_drawdown=deepest,
        max_drawdown_high_water=high_water,
        max_drawdown_time_msc=deepest_msc,
        ticks=marks.ticks + 1,
    )


@dataclass(slots=True)
class _Account:
    watch: Watch
    marks: Marks
    valued_to: int
    """The position in the stream, in ticks walked, up to which `marks` reach."""


class ReferenceFeed:
    """`MarkingFeed` in plain Python; `every_tick` wakes every account on every tick."""

    def __init__(self, symbols: Iterable[str], *, every_tick: bool = False) -> None:
        self.symbols = tuple(symbols)
        self._every_tick = every_tick
        self._quotes: Quotes = {}
        self._accounts: dict[int, _Account] = {}
        self._free: list[int] = []
        self._walked = 0
        self._time_msc = 0

    def add(self, watch: Watch) -> int:
        """See `MarkingFeed.add`."""
        slot = self._free.pop() if self._free else len(self._accounts)
        self._accounts[slot] = _Account(watch, watch.marks, self._walked)
        self.put(slot, watch)
        return slot

    def put(self, slot: int, watch: Watch) -> None:
        """See `MarkingFeed.put`."""
        for exposure in watch.exposures:
            for symbol in (exposure.symbol, *(leg.symbol for leg in exposure.conversion)):
                assert symbol in self._quotes, f"{symbol} has no quote yet"
        assert slot in self._accounts, f"slot {slot} holds no account"
        self._accounts[slot] = _Account(watch, watch.marks, self._walked)

    def remove(self, slot: int) -> None:
        """See `MarkingFeed.remove`."""
        del self._accounts[slot]
        self._free.append(slot)

    def marks(self, slot: int) -> Marks:
        """See `MarkingFeed.marks`."""
        account = self._accounts[slot]
        if account.valued_to == self._walked or self._wakes(account):
            return account.marks
        return valued(account.marks, mark_of(account.watch, self._quotes), self._time_msc)

    def mark(self, slot: int) -> float:
        """See `MarkingFeed.mark`."""
        return mark_of(self._accounts[slot].watch, self._quotes)

    def quote(self, symbol: str) -> Quote | None:
        """See `MarkingFeed.quote`."""
        return self._quotes.get(symbol)

    def quotes(self, symbols: Iterable[str]) -> Quotes:
        """See `MarkingFeed.quotes`."""
        return {symbol: self._quotes[symbol] for symbol in symbols if symbol in self._quotes}

    def walk(self, batch: TickBatch) -> Iterator[Wake]:
        """See `MarkingFeed.walk`."""
        assert batch.symbols == self.symbols, "the batch is of another stream"
        for offset in range(len(batch)):
            symbol = self.symbols[int(batch.symbol[offset])]
            bid, ask = float(batch.bid[offset]), float(batch.ask[offset])
            time_msc = int(batch.time_msc[offset])
            assert defect(bid, ask) is None, f"tick {offset}: {defect(bid, ask)}"
            self._quotes[symbol] = Quote(bid, ask, time_msc)
            self._time_msc = time_msc
            self._walked += 1
            for slot in sorted(self._accounts):
                account = self._accounts.get(slot)
                if account is None or account.valued_to == self._walked:
                    continue  # gone, new or put while an account before it was handled
                if self._wakes(account):
                    index = batch.first_index + offset
                    yield Wake(slot, offset, time_msc, symbol, bid, ask, index, account.marks)
                    if self._accounts.get(slot) is not account:
                        continue  # put or removed by whoever handled the wake
                mark = mark_of(account.watch, self._quotes)
                account.marks = valued(account.marks, mark, time_msc)
                account.valued_to = self._walked

    def _wakes(self, account: _Account) -> bool:
        return self._every_tick or wakes(account.watch, account.marks, self._quotes, self._time_msc)
