"""The books and ticks the harness measures on: one price path, ten symbols, seeded accounts."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.domain.account import AccountSpec, AccountState
from engine.domain.guards import (
    AccountGuard,
    Action,
    Comparator,
    EquityLimit,
    Money,
    Percent,
    Reference,
    Reset,
)
from engine.domain.ids import AccountKey
from engine.domain.instruments import CalcMode, Instrument
from engine.domain.marks import opening_marks
from engine.domain.positions import Position, Side
from engine.domain.valuation import Market, market_of
from engine.marking.ticks import FileQuality, Floats, Int64s, TickBatch

SYMBOL_COUNT = 10
POSITIONS = 5
INITIAL_MINOR = 10_000_000
GOLD_DAYS = ("20140501", "20140502", "20140504", "20140505", "20140506")
_GOLD = Path(__file__).parents[2] / "shared" / "ticks" / "lean_xauusd_oanda_tick"


@dataclass(frozen=True)
class PricePath:
    """One instrument's ticks in columns, and where they came from."""

    source: str
    time_msc: Int64s
    bid: Floats
    ask: Floats


def gold_files() -> list[Path]:
    """The real XAUUSD files, as far as they are there."""
    return [p for day in GOLD_DAYS if (p := _GOLD / f"{day}_quote.zip").exists()]


def price_path() -> PricePath:
    """Real XAUUSD ticks when the shared folder is there, else a seeded random walk, and says so."""
    from adapters.tick_files.front import open_ticks

    files = gold_files()
    if not files:
        return synthetic_path(750_000)
    stream = open_ticks([("XAUUSD", files)], digits={"XAUUSD": 3})
    parts = list(stream.batches(1 << 20))
    return PricePath(
        f"real XAUUSD, {len(files)} files",
        np.concatenate([p.time_msc for p in parts]),
        np.concatenate([p.bid for p in parts]),
        np.concatenate([p.ask for p in parts]),
    )


def synthetic_path(ticks: int) -> PricePath:
    """A seeded random walk with jumps, in the manner of gold."""
    rng = np.random.Generator(np.random.PCG64(20261124))
    steps = rng.normal(0.0, 0.02, ticks) + (rng.random(ticks) < 1e-5) * rng.normal(0.0, 4.0, ticks)
    bid = np.round(1284.0 + np.cumsum(steps), 3)
    spread = np.round(0.25 + rng.random(ticks) * 0.3, 3)
    time_msc = 1398902400000 + np.cumsum(rng.integers(1, 1200, ticks))
    ask = np.round(bid + spread, 3)
    return PricePath("synthetic random walk, seed 20261124", time_msc, bid, ask)


class DerivedStream:
    """Ten symbols, each on a piece of the path of its own, merged by time: a `TickStream`."""

    def __init__(self, path: PricePath, ticks: int) -> None:
        each = -(-ticks // SYMBOL_COUNT)
        size = len(path.bid)
        times, bids, asks, owners = [], [], [], []
        for number in range(SYMBOL_COUNT):
            first = number * size // SYMBOL_COUNT
            rows = (first + np.arange(each)) % size
            lap = (first + np.arange(each)) // size
            span = int(path.time_msc[-1] - path.time_msc[0]) + 1000
            moments = path.time_msc[rows] + lap * span
            times.append(moments - moments[0] + path.time_msc[0])
            scale = round(1.0 + 0.05 * number, 3)
            bids.append(np.round(path.bid[rows] * scale, 3))
            asks.append(np.round(path.ask[rows] * scale, 3))
            owners.append(np.full(each, number, np.int32))
        merged = np.concatenate(times)
        order = np.argsort(merged, kind="stable")[:ticks]
        self.symbols = tuple(f"SYM{number}" for number in range(SYMBOL_COUNT))
        self.whole = TickBatch(
            self.symbols,
            0,
            merged[order],
            np.concatenate(owners)[order],
            np.concatenate(bids)[order],
            np.concatenate(asks)[order],
        )
        """Every tick, in one batch."""

    def batches(self, max_ticks: int) -> Iterator[TickBatch]:
        """Views of the columns."""
        for start in range(0, len(self.whole), max_ticks):
            yield self.whole.part(start, min(start + max_ticks, len(self.whole)))

    def quality(self) -> tuple[FileQuality, ...]:
        """None: no file is read."""
        return ()

    def first_prices(self) -> dict[str, float]:
        """Each symbol's first bid."""
        firsts = [int(np.argmax(self.whole.symbol == k)) for k in range(SYMBOL_COUNT)]
        return {s: float(self.whole.bid[k]) for s, k in zip(self.symbols, firsts, strict=True)}


def instruments(symbols: tuple[str, ...]) -> list[Instrument]:
    """CFDs of 100 units in USD, like the gold they are derived from."""
    return [
        Instrument(
            symbol=symbol,
            calc_mode=CalcMode.CFD,
            digits=3,
            contract_size=100.0,
            base_currency="XAU",
            profit_currency="USD",
        )
        for symbol in symbols
    ]


DAILY_LOSS = EquityLimit(
    name="daily_loss",
    action=Action.CLOSE_AND_HALT,
    reference=Reference.BALANCE_AT_RESET,
    amount=Percent(percent=5.0),
    reset=Reset(zone="Europe/Prague", at_minute=0),
)


def rule_set() -> tuple[AccountGuard, ...]:
    """`ftmo_two_step` and `trailing_intraday` together: a daily, an overall, a trailing floor."""
    act = Action.CLOSE_AND_HALT
    return (
        DAILY_LOSS,
        EquityLimit(
            name="max_loss",
            action=act,
            reference=Reference.INITIAL,
            amount=Percent(percent=10.0),
        ),
        EquityLimit(
            name="trailing",
            action=act,
            reference=Reference.EQUITY_HIGH_WATER,
            amount=Percent(percent=4.0),
            comparator=Comparator.AT_OR_BELOW,
            lock_at=Money(amount_minor=INITIAL_MINOR + 10_000),
        ),
    )


def accounts(
    count: int, stream: DerivedStream, seed: int = 7, market: Market | None = None
) -> list[AccountState]:
    """`count` seeded accounts of five positions: many calm, some lively, some hedged."""
    rng = np.random.Generator(np.random.PCG64(seed))
    shared = market or market_of(instruments(stream.symbols), "USD")
    guards = rule_set()
    prices = stream.first_prices()
    # Lots are log-normal: most accounts risk a percent or two, a few live near their floors.
    size = np.exp(rng.normal(-1.2, 0.9, count))
    picks = rng.integers(0, SYMBOL_COUNT, (count, POSITIONS))
    buys = rng.random((count, POSITIONS)) < 0.5
    away = rng.normal(0.0, 1.0, (count, POSITIONS))
    share = 0.5 + rng.random((count, POSITIONS))
    made = []
    for number in range(count):
        positions = []
        for k in range(POSITIONS):
            symbol = stream.symbols[picks[number, k]]
            positions.append(
                Position(
                    position_id=number * 10 + k + 1,
                    symbol=symbol,
                    side=Side.BUY if buys[number, k] else Side.SELL,
                    volume_lots=max(round(float(size[number] * share[number, k]), 2), 0.01),
                    open_price=round(prices[symbol] + float(away[number, k]), 3),
                )
            )
        spec = AccountSpec(
            key=AccountKey("Bench-1", 100_000 + number),
            market=shared,
            initial_minor=INITIAL_MINOR,
            guards=guards,
        )
        made.append(
            AccountState(
                spec=spec,
                balance_minor=INITIAL_MINOR,
                positions=tuple(positions),
                marks=opening_marks(spec),
            )
        )
    return made
