"""Seeded random books and tick streams: hedged, several currencies, every kind of equity limit.

Prices walk in coarse steps and jump now and then, so that lines are crossed, touched and left
again within a few hundred ticks.
"""

from collections.abc import Iterator
from random import Random

import numpy as np

from engine.domain.account import AccountSpec, AccountState, Operation, OperationKind
from engine.domain.guards import (
    AT_RESET,
    AccountGuard,
    Action,
    Amount,
    Comparator,
    EquityLimit,
    Exposure,
    FixedFloor,
    Latch,
    MarginLevel,
    MaxHolding,
    Measured,
    Money,
    Percent,
    ProfitTarget,
    Reference,
    Reset,
)
from engine.domain.ids import AccountKey
from engine.domain.instruments import CalcMode, ConversionRule, Instrument
from engine.domain.marks import opening_marks
from engine.domain.positions import Position, Side
from engine.domain.units import currency_digits
from engine.domain.valuation import market_of
from engine.marking.ticks import FileQuality, TickBatch

START_MSC = 1_772_960_000_000  # 2026-03-08, a Sunday on which New York changes its clocks
PRICES = {
    "EURUSD": 1.1,
    "USDJPY": 150.0,
    "GBPUSD": 1.3,
    "EURJPY": 165.0,
    "XAUUSD": 1900.0,
    "DAX.fut": 18_000.0,
}


def instruments(rng: Random) -> list[Instrument]:
    """Six symbols: pairs, a cross, a metal and a future in euros."""

    def pair(symbol: str, digits: int) -> Instrument:
        return Instrument(
            symbol=symbol,
            calc_mode=CalcMode.FOREX,
            digits=digits,
            contract_size=rng.choice([1_000.0, 100_000.0]),
            base_currency=symbol[:3],
            profit_currency=symbol[3:],
            conversion=rng.choice(list(ConversionRule)),
        )

    return [
        pair("EURUSD", 5),
        pair("USDJPY", 3),
        pair("GBPUSD", 5),
        pair("EURJPY", 3),
        Instrument(
            symbol="XAUUSD",
            calc_mode=CalcMode.CFD,
            digits=2,
            contract_size=100.0,
            base_currency="XAU",
            profit_currency="USD",
        ),
        Instrument(
            symbol="DAX.fut",
            calc_mode=CalcMode.FUTURES,
            digits=1,
            contract_size=1.0,
            base_currency="EUR",
            profit_currency="EUR",
            tick_size=0.5,
            tick_value=12.5,
        ),
    ]


class ListStream:
    """A `TickStream` of ticks made here."""

    def __init__(self, symbols: tuple[str, ...], rows: list[tuple[int, int, float, float]]) -> None:
        self.symbols = symbols
        columns = list(zip(*rows, strict=True))
        self.whole = TickBatch(
            symbols,
            0,
            np.array(columns[0], np.int64),
            np.array(columns[1], np.int32),
            np.array(columns[2], np.float64),
            np.array(columns[3], np.float64),
        )

    def batches(self, max_ticks: int) -> Iterator[TickBatch]:
        """All ticks, so many at a time."""
        for start in range(0, len(self.whole), max_ticks):
            yield self.whole.part(start, min(start + max_ticks, len(self.whole)))

    def quality(self) -> tuple[FileQuality, ...]:
        """No file."""
        return ()


def stream(rng: Random, listed: list[Instrument], ticks: int) -> ListStream:
    """A walk of every symbol through two days and a night, now and then a jump."""
    symbols = tuple(i.symbol for i in listed)
    digits = {i.symbol: i.digits for i in listed}
    price = dict(PRICES)
    time_msc, rows = START_MSC, []
    lively = rng.choice([1e-4, 5e-4, 2e-3])
    for _ in range(ticks):
        time_msc += rng.choice([0, 0, 1, 50, 1_000, 60_000, 900_000])
        number = rng.randrange(len(symbols))
        symbol = symbols[number]
        step = rng.gauss(0.0, lively) * (30 if rng.random() < 0.01 else 1)
        price[symbol] = min(max(price[symbol] * (1 + step), PRICES[symbol] / 3), PRICES[symbol] * 3)
        bid = round(price[symbol], digits[symbol])
        spread = round(bid * rng.choice([0.0, 1e-4, 1e-4, 3e-3]), digits[symbol])
        rows.append((time_msc, number, bid, round(bid + spread, digits[symbol])))
    return ListStream(symbols, rows)


def equity_limit(rng: Random, name: str, initial_minor: int) -> EquityLimit:
    """Any equity limit, some of them within reach."""
    reference = rng.choice(list(Reference))
    share = rng.choice([0.5, 2.0, 5.0])
    amounts: list[Amount] = [
        Percent(percent=share),
        Percent(percent=share, of_reference=True),
        Money(amount_minor=max(int(initial_minor * share / 100), 1)),
    ]
    if reference is Reference.INITIAL:
        amounts.append(FixedFloor(floor_minor=int(initial_minor * (1 - share / 100))))
    amount = rng.choice(amounts)
    needs_reset = reference in AT_RESET
    action = rng.choice(list(Action))
    latch = Latch.RESET if action is Action.PAUSE else rng.choice(list(Latch))
    if latch is Latch.RESET or needs_reset or rng.random() < 0.3:
        zone = rng.choice(["Europe/Prague", "America/New_York", "Asia/Tokyo"])
        reset = Reset(zone=zone, at_minute=rng.choice([0, 17 * 60, 150]))
    else:
        reset = None
    warn = rng.choice(["percent", "drawdown", "none"])
    return EquityLimit(
        name=name,
        action=action,
        latch=latch,
        notice_s=rng.choice([0.0, 0.0, 30.0]),
        reset=reset,
        reference=reference,
        amount=amount,
        measured=rng.choice([Measured.EQUITY, Measured.EQUITY, Measured.BALANCE]),
        comparator=rng.choice(list(Comparator)),
        lock_at=rng.choice([None, None, Percent(percent=100.5), Money(amount_minor=initial_minor)]),
        warn_percent=rng.choice([50.0, 75.0]) if warn == "percent" else None,
        warn_drawdown_percent=share * 0.7 if warn == "drawdown" else None,
    )


def guards(rng: Random, initial_minor: int) -> tuple[AccountGuard, ...]:
    """One to three equity limits, sometimes another kind."""
    made: list[AccountGuard] = [
        equity_limit(rng, f"limit_{k}", initial_minor) for k in range(rng.randint(1, 3))
    ]
    others: list[AccountGuard] = [
        Exposure(
            name="exposure",
            action=rng.choice(list(Action)[:3]),
            max_gross_notional=initial_minor / 100 * rng.choice([5.0, 50.0]),
        ),
        MarginLevel(name="margin", action=Action.CLOSE, floor_percent=rng.choice([100.0, 800.0])),
        MaxHolding(name="holding", action=Action.CLOSE, seconds=rng.choice([3_600.0, 90_000.0])),
        ProfitTarget(name="target", action=Action.ALERT, target=Percent(percent=1.0)),
    ]
    if rng.random() < 0.5:
        made.append(rng.choice(others))
    return tuple(made)


def account(rng: Random, number: int, listed: list[Instrument]) -> AccountState:
    """One account of up to six positions."""
    deposit = rng.choice(["USD", "EUR", "JPY", "GBP"])
    digits = currency_digits(deposit)
    initial_minor = rng.choice([150_00, 5_000_00, 100_000_00])
    if digits == 0:
        initial_minor = initial_minor * 150 // 100
    spec = AccountSpec(
        key=AccountKey("Random-1", 1000 + number),
        market=market_of(listed, deposit),
        initial_minor=initial_minor,
        guards=guards(rng, initial_minor),
        operations=tuple(
            Operation(
                at_msc=START_MSC + rng.randrange(0, 50_000_000),
                kind=rng.choice(list(OperationKind)),
                amount_minor=rng.choice([1, -1]) * initial_minor // 50,
            )
            for _ in range(rng.choice([0, 0, 1]))
        ),
    )
    size = initial_minor / 10**digits / (150.0 if deposit == "JPY" else 1.0)
    positions = []
    for k in range(rng.randint(0, 6)):
        instrument = rng.choice(listed)
        side = rng.choice(list(Side))
        price = PRICES[instrument.symbol]
        worth = instrument.units_per_lot * price
        worth *= {"JPY": 1 / 150.0, "EUR": 1.1}.get(instrument.profit_currency, 1.0)
        lots = round(rng.choice([0.2, 1.0, 6.0]) * size / worth, 3)
        away = rng.choice([0.995, 0.98])
        levels = (away, 2 - away) if side is Side.BUY else (2 - away, away)
        positions.append(
            Position(
                position_id=number * 100 + k,
                symbol=instrument.symbol,
                side=side,
                volume_lots=max(lots, 0.001),
                open_price=round(price * rng.uniform(0.995, 1.005), instrument.digits),
                swap_minor=rng.choice([0, -3, 7]),
                stop_loss=price * levels[0] if rng.random() < 0.2 else None,
                take_profit=price * levels[1] if rng.random() < 0.2 else None,
            )
        )
    return AccountState(
        spec=spec,
        balance_minor=initial_minor,
        positions=tuple(positions),
        marks=opening_marks(spec),
    )
