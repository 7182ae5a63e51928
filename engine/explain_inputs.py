"""The inputs of one verdict: every price, rounding, rate and age that the equity came from."""

from collections.abc import Mapping
from dataclasses import dataclass

from engine.domain.account import AccountSpec, AccountState
from engine.domain.conversion import converts_at_ask, rate
from engine.domain.equity_limits import floor_minor, lock_minor, reference_minor
from engine.domain.guards import EquityLimit, FixedFloor, Money, Percent
from engine.domain.instruments import FX_MODES
from engine.domain.positions import Position, Side
from engine.domain.quotes import Quote
from engine.domain.units import currency_digits, major, minor
from engine.domain.valuation import profit_in_profit_currency, profit_minor


def money(amount: float, digits: int) -> str:
    """An amount with the currency's digits, thousands apart."""
    return f"{amount:,.{digits}f}".replace(",", " ")


@dataclass(frozen=True, slots=True)
class LegInput:
    """One pair of a conversion and the price of it that was used."""

    symbol: str
    inverse: bool
    """The rate is 1 / price."""
    side: str
    """`bid` or `ask` of the pair."""
    price: float
    age_ms: int


@dataclass(frozen=True, slots=True)
class PositionInput:
    """One position, valued as the terminal does."""

    position_id: int
    symbol: str
    side: str
    volume_lots: float
    open_price: float
    close_side: str
    """`bid` or `ask`."""
    close_price: float
    age_ms: int
    """Of the quote, at the verdict."""
    profit_currency: str
    closed_leg: float | None
    """close * contract size * lots, rounded by itself; None where the difference is rounded."""
    opened_leg: float | None
    raw_profit: float
    """In the profit currency."""
    conversion: tuple[LegInput, ...]
    rate: float
    """Deposit currency for one of the profit currency; 1 without a conversion."""
    profit: float
    """In the account currency, rounded."""
    swap: float


@dataclass(frozen=True, slots=True)
class LimitInput:
    """An equity limit's reference and floor at the verdict, money in the account currency."""

    reference_kind: str
    reference: float
    since_msc: int
    """Since when the reference has had this value."""
    amount: float
    """Reference less floor."""
    formula: str
    """The amount as the guard has it: `5 % of 10000.00`."""
    lock: float | None
    """The floor never rises above it."""
    floor: float
    warns: str
    """From where the guard warns; empty where it does not."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a verdict was made of."""

    currency: str
    balance: float
    credit: float
    positions: tuple[PositionInput, ...]
    equity: float
    limit: LimitInput | None
    """None for guards without an equity floor."""


def inputs_of(
    state: AccountState, quotes: Mapping[str, Quote], place: int | None, since_msc: int
) -> Inputs:
    """The inputs of a verdict of the guard at `place`, on the state and quotes it was made on.

    Args:
        state: after the guards were tested, before anything they asked for was done.
        since_msc: since when the guard's reference has had its value.
    """
    spec = state.spec
    positions = tuple(_position(spec, p, quotes, state.time_msc) for p in state.positions)
    floating = sum(profit_minor(spec.market, p, quotes) + p.swap_minor for p in state.positions)
    return Inputs(
        currency=spec.market.deposit,
        balance=spec.major(state.balance_minor),
        credit=spec.major(state.credit_minor),
        positions=positions,
        equity=spec.major(state.balance_minor + state.credit_minor + floating),
        limit=None if place is None else _limit(state, place, since_msc),
    )


def _limit(state: AccountState, place: int, since_msc: int) -> LimitInput | None:
    spec = state.spec
    guard = spec.guards[place]
    if not isinstance(guard, EquityLimit):
        return None
    reference = reference_minor(guard, place, state.guards[place], state, state.marks)
    floor = floor_minor(guard, reference, spec)
    lock = lock_minor(guard, spec)
    return LimitInput(
        reference_kind=guard.reference.value,
        reference=spec.major(reference),
        since_msc=since_msc,
        amount=spec.major(reference - floor),
        formula=_formula(guard, reference, floor, spec),
        lock=None if lock is None else spec.major(lock),
        floor=spec.major(floor),
        warns=_warns(guard),
    )


def _formula(guard: EquityLimit, reference: int, floor: int, spec: AccountSpec) -> str:
    match guard.amount:
        case Percent(percent=share, of_reference=of_reference):
            whole = reference if of_reference else spec.initial_minor
            return f"{share:g} % of {money(spec.major(whole), spec.digits)}"
        case Money(amount_minor=amount):
            return money(spec.major(amount), spec.digits)
        case FixedFloor():
            return money(spec.major(reference - floor), spec.digits)


def _warns(guard: EquityLimit) -> str:
    if guard.warn_drawdown_percent is not None:
        return f"at {guard.warn_drawdown_percent:g} % below the reference"
    return "" if guard.warn_percent is None else f"at {guard.warn_percent:g} % of the amount used"


def _position(
    spec: AccountSpec, position: Position, quotes: Mapping[str, Quote], time_msc: int
) -> PositionInput:
    market = spec.market
    priced = market.priced[position.symbol]
    instrument = priced.instrument
    quote = quotes[position.symbol]
    is_buy = position.side is Side.BUY
    close_price = quote.bid if is_buy else quote.ask
    digits = currency_digits(instrument.profit_currency)
    size, lots = instrument.contract_size, position.volume_lots
    closed = opened = None
    if instrument.calc_mode in FX_MODES:
        closed = major(minor(close_price * size * lots, digits), digits)
        opened = major(minor(position.open_price * size * lots, digits), digits)
    raw = profit_in_profit_currency(
        instrument, position.side, lots, position.open_price, close_price
    )
    at_ask = converts_at_ask(instrument, position.side, raw)
    legs = []
    for leg in priced.path:
        pair = quotes[leg.symbol]
        uses_ask = at_ask is not leg.inverse
        legs.append(
            LegInput(
                symbol=leg.symbol,
                inverse=leg.inverse,
                side="ask" if uses_ask else "bid",
                price=pair.ask if uses_ask else pair.bid,
                age_ms=time_msc - pair.time_msc,
            )
        )
    return PositionInput(
        position_id=position.position_id,
        symbol=position.symbol,
        side=position.side.value,
        volume_lots=lots,
        open_price=position.open_price,
        close_side="bid" if is_buy else "ask",
        close_price=close_price,
        age_ms=time_msc - quote.time_msc,
        profit_currency=instrument.profit_currency,
        closed_leg=closed,
        opened_leg=opened,
        raw_profit=major(raw, digits),
        conversion=tuple(legs),
        rate=rate(priced.path, quotes, at_ask) if priced.path else 1.0,
        profit=spec.major(profit_minor(market, position, quotes)),
        swap=spec.major(position.swap_minor),
    )
