"""What `bench_live` and its terminals both know: the accounts, the ticks, and who breaches when.

Nine symbols go along the price path; the tenth goes down by one step each time an account is to
breach. Every account holds one lot of it, opened so far above the market that its trailing floor is
half a step below its equity after so many steps: each step breaches exactly one account.
"""

from dataclasses import dataclass

from engine.domain.account import AccountSpec
from engine.domain.guards import AccountGuard, Action, EquityLimit, Percent, Reference
from engine.domain.ids import AccountKey
from engine.domain.instruments import Instrument
from engine.domain.reports import PositionReport, SpecReport
from engine.domain.valuation import Market, market_of
from engine.secret import Secret
from perf.workload import DAILY_LOSS, SYMBOL_COUNT, DerivedStream, instruments, price_path

SERVER = "Bench-1"
KEY = Secret(bytes(range(32)))
FIRST_LOGIN = 100_000
INITIAL = 10_000_000.0
TRAILING_PERCENT = 4.0
CONTRACT = 100.0
STEP_PRICE = 4.0
"""A step of the stairs moves an account of one lot by 400; the path moves it by some dollars."""
STAIRS_PRICE = 5000.0
SPREAD = 0.25
CALM_LOTS = 0.01
FRAME_S = 0.005
"""The terminal's timer: ten ticks a frame."""


@dataclass(frozen=True)
class World:
    """See the top. The same in both processes."""

    source: str
    symbols: tuple[str, ...]
    bids: tuple[tuple[float, ...], ...]
    """Of each symbol but the last, one a frame."""

    @property
    def stairs(self) -> str:
        """The symbol that steps down."""
        return self.symbols[-1]

    def instruments(self) -> list[Instrument]:
        """Of the book."""
        return instruments(self.symbols)

    def specs(self) -> tuple[SpecReport, ...]:
        """The same as a terminal tells it."""
        return tuple(
            SpecReport(
                name=symbol,
                digits=3,
                trade_contract_size=CONTRACT,
                trade_calc_mode=2,
                currency_base="XAU",
                currency_profit="USD",
                currency_margin="USD",
                filling_mode=3,
            )
            for symbol in self.symbols
        )

    def positions(self, number: int, count: int) -> list[PositionReport]:
        """What account `number` of `count` holds: it breaches at step `number + 1`."""
        limit = INITIAL * TRAILING_PERCENT / 100.0
        lead = limit / CONTRACT - (number + 0.5) * STEP_PRICE
        held = [(self.stairs, 0, 1.0, round(STAIRS_PRICE + lead, 3))]
        for k in range(4):
            row = (number * 4 + k) % (SYMBOL_COUNT - 1)
            price = self.bids[row][0] + (SPREAD if k % 2 else 0.0)
            held.append((self.symbols[row], k % 2, CALM_LOTS, round(price, 3)))
        assert number < count, "no such account"
        return [
            PositionReport(
                identifier=number * 10 + place + 1,
                ticket=number * 10 + place + 1,
                symbol=symbol,
                type=kind,
                volume=lots,
                price_open=price,
            )
            for place, (symbol, kind, lots, price) in enumerate(held)
        ]


def make_world(frames: int) -> World:
    """Gold ticks where they are there; `frames` of ten ticks each."""
    path = price_path()
    stream = DerivedStream(path, frames * SYMBOL_COUNT)
    bids = tuple(
        tuple(stream.whole.bid[stream.whole.symbol == row][:frames].tolist())
        for row in range(SYMBOL_COUNT - 1)
    )
    shortest = min(len(row) for row in bids)
    return World(path.source, stream.symbols, tuple(row[:shortest] for row in bids))


def guards() -> tuple[AccountGuard, ...]:
    """A daily and a trailing floor that close and halt."""
    return (
        DAILY_LOSS,
        EquityLimit(
            name="trailing",
            action=Action.CLOSE_AND_HALT,
            reference=Reference.EQUITY_HIGH_WATER,
            amount=Percent(percent=TRAILING_PERCENT),
        ),
    )


def specs(world: World, count: int) -> list[AccountSpec]:
    """The book's accounts."""
    market: Market = market_of(world.instruments(), "USD")
    return [
        AccountSpec(
            key=AccountKey(SERVER, FIRST_LOGIN + number),
            market=market,
            initial_minor=int(INITIAL * 100),
            guards=guards(),
        )
        for number in range(count)
    ]
