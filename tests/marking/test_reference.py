"""The twin itself, against the arithmetic it stands for."""

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.quotes import Quote
from engine.domain.watch import Exposure, Leg, Marks, Watch
from engine.marking.reference import error_bound, mark_of, side_error

PRICES = st.floats(0.5, 2.0)


@settings(max_examples=200, deadline=None)
@given(seed=st.integers(0, 2**32), inverse=st.booleans(), two_legs=st.booleans())
def test_equity_by_any_side_of_the_rate_lies_within_the_error_bound(
    seed: int, inverse: bool, two_legs: bool
) -> None:
    random = Random(seed)
    quotes = {
        symbol: Quote(bid, bid * random.uniform(1.0, 1.01), 0)
        for symbol in ("GBPJPY", "USDJPY", "EURUSD")
        for bid in [random.uniform(0.5, 2.0)]
    }
    conversion = (Leg("USDJPY", inverse),) + ((Leg("EURUSD", not inverse),) if two_legs else ())
    positions = [
        (random.random() < 0.5, random.uniform(0.1, 5.0), random.uniform(0.5, 2.0))
        for _ in range(random.randrange(6))
    ]
    longs = [(units, opened) for buy, units, opened in positions if buy]
    shorts = [(units, opened) for buy, units, opened in positions if not buy]
    exposure = Exposure(
        symbol="GBPJPY",
        long_units=sum(units for units, _ in longs),
        short_units=sum(units for units, _ in shorts),
        cost=sum(u * p for u, p in longs) - sum(u * p for u, p in shorts),
        long_open_min=min((opened for _, opened in longs), default=float("inf")),
        long_open_max=max((opened for _, opened in longs), default=float("-inf")),
        short_open_min=min((opened for _, opened in shorts), default=float("inf")),
        short_open_max=max((opened for _, opened in shorts), default=float("-inf")),
        conversion=conversion,
    )
    watch = Watch(
        base=100.0,
        exposures=(exposure,),
        lines=(),
        marks=Marks(trackers=(100.0,)),
        rounding_bound=1e-9,
    )
    equity = 100.0
    for buy, units, opened in positions:
        quote = quotes["GBPJPY"]
        profit = units * ((quote.bid - opened) if buy else (opened - quote.ask))
        equity += profit * _rate_by_side(conversion, quotes, ask=random.random() < 0.5)
    assert abs(equity - mark_of(watch, quotes)) <= error_bound(watch, quotes)


def _rate_by_side(conversion: tuple[Leg, ...], quotes: dict[str, Quote], *, ask: bool) -> float:
    """The product of the legs, each on that side; the ask of an inverse is 1 / its bid."""
    rate = 1.0
    for leg in conversion:
        quote = quotes[leg.symbol]
        if leg.inverse:
            rate *= 1.0 / (quote.bid if ask else quote.ask)
        else:
            rate *= quote.ask if ask else quote.bid
    return rate


def test_a_mark_is_what_all_positions_would_bring_at_mid() -> None:
    quotes = {"GBPUSD": Quote(1.20, 1.30, 0), "USDJPY": Quote(150.0, 150.0, 0)}
    watch = Watch(
        base=1000.0,
        exposures=(
            Exposure(symbol="GBPUSD", long_units=300.0, short_units=100.0, cost=-7.0),
            Exposure(
                symbol="USDJPY",
                long_units=10.0,
                cost=1400.0,
                long_open_min=140.0,
                long_open_max=140.0,
                conversion=(Leg("USDJPY", inverse=True),),
            ),
        ),
        lines=(),
        marks=Marks(trackers=(1000.0,)),
        rounding_bound=0.0,
    )
    expected = 1000.0 + (300.0 * 1.20 - 100.0 * 1.30 + 7.0) + (1500.0 - 1400.0) / 150.0
    assert abs(mark_of(watch, quotes) - expected) < 1e-9


def test_the_rate_by_side_of_an_inverse_is_off_by_more_below_mid_than_above() -> None:
    quotes = {"GBPUSD": Quote(1.0, 3.0, 0)}
    assert side_error((Leg("GBPUSD", inverse=True),), quotes) == 0.5
    assert side_error((Leg("GBPUSD", inverse=False),), quotes) == 1.0
