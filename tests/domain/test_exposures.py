"""Limits on what is open and on the margin level, and what wakes an account for them."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.domain.account import AccountState, GuardState
from engine.domain.exposures import evaluate, notional, wakes
from engine.domain.guards import Action, Exposure, MarginLevel
from engine.domain.margin import margin_minor
from engine.domain.outcomes import Outcome, RuleFound, View, Wakes
from engine.domain.positions import Position
from engine.domain.quotes import Quote
from engine.domain.valuation import Market, Quotes, market_of
from engine.domain.valuing import equity_minor
from tests.domain.accounts import (
    MAJORS,
    START_MSC,
    Life,
    buy,
    fx,
    gold,
    kinds,
    market,
    quote,
    sell,
    unopened,
)


def exposure(**more: Any) -> Exposure:
    fields: dict[str, Any] = {"name": "exposure", "action": Action.ALERT}
    return Exposure(**fields | more)


def level(floor: float, warn: float | None = None) -> MarginLevel:
    return MarginLevel(
        name="margin", action=Action.ALERT, floor_percent=floor, warn_level_percent=warn
    )


def view(state: AccountState, quotes: Quotes, equity: float | None = None) -> View:
    minor = equity_minor(state, quotes) if equity is None else round(equity * 100)
    return View(state, START_MSC, quotes, minor)


def over(measured: str, value: float, limit: float) -> RuleFound:
    return RuleFound(breach=True, measured=measured, value=value, limit=limit)


def judge(guard: Exposure, *positions: Position, quotes: Quotes | None = None) -> Outcome | None:
    plain = {"EURUSD": quote(1.1), "XAUUSD": quote(2000.0), "USDJPY": quote(150.0)}
    state = unopened([guard], positions)
    found = evaluate(guard, GuardState(), view(state, quotes or plain, 10_000.0))[1]
    assert len(found) <= 1
    return found[0] if found else None


def test_as_many_positions_as_allowed_and_not_one_more() -> None:
    guard = exposure(max_positions=2)
    three = [buy("EURUSD", 0.01, 1.1, n) for n in (1, 2, 3)]
    assert judge(guard, *three[:2]) is None
    assert judge(guard, *three) == over("positions", 3.0, 2.0)


def test_lots_of_both_sides_of_a_symbol_count_in_volume_steps() -> None:
    guard = exposure(max_lots_per_symbol=0.3)
    # 0.1 + 0.2 is 0.30000000000000004 as doubles, and thirty steps as steps.
    both = (buy("EURUSD", 0.1, 1.1, 1), sell("EURUSD", 0.2, 1.1, 2))
    assert judge(guard, *both) is None
    assert judge(guard, *both, buy("XAUUSD", 0.3, 2000.0, 3)) is None
    found = judge(guard, *both, buy("EURUSD", 0.01, 1.1, 4))
    assert isinstance(found, RuleFound)
    assert (found.measured, found.limit, found.subject) == ("lots", 0.3, "EURUSD")
    assert found.value == pytest.approx(0.31)


def test_notional_is_at_mid_in_the_account_currency() -> None:
    quotes = {"EURUSD": quote(1.09, 1.11), "USDJPY": quote(150.0), "GBPUSD": quote(1.2, 1.3)}
    in_dollars = unopened((), [buy("EURUSD", 1.0, 1.0), sell("EURUSD", 0.4, 1.0)])
    assert notional(in_dollars, quotes) == pytest.approx((66_000.0, 154_000.0))
    yen = unopened((), [sell("USDJPY", 1.0, 140.0)])
    assert notional(yen, quotes) == pytest.approx((100_000.0, 100_000.0))
    pounds = unopened((), [buy("USDJPY", 1.0, 140.0)], of=market("GBP"))
    assert notional(pounds, quotes) == pytest.approx((80_000.0, 80_000.0))


def test_net_notional_nets_within_a_symbol_and_adds_across_symbols() -> None:
    guard = exposure(max_net_notional=200_000.0)
    hedged = (buy("XAUUSD", 1.0, 1.0, 1), sell("XAUUSD", 1.0, 1.0, 2))
    assert judge(guard, *hedged) is None
    at_limit = (buy("XAUUSD", 1.0, 1.0, 1),)
    assert judge(guard, *at_limit) is None
    dearer = {"XAUUSD": quote(2000.0, 2000.01)}
    found = judge(guard, *at_limit, quotes=dearer)
    assert found == over("net_notional", 200_000.5, 200_000.0)
    apart = (buy("XAUUSD", 0.6, 1.0, 1), sell("EURUSD", 1.0, 1.0, 2))
    assert isinstance(judge(guard, *apart), RuleFound)


def test_gross_notional_adds_the_two_sides() -> None:
    guard = exposure(max_gross_notional=399_999.99)
    hedged = (buy("XAUUSD", 1.0, 1.0, 1), sell("XAUUSD", 1.0, 1.0, 2))
    found = judge(guard, *hedged)
    assert found == over("gross_notional", 400_000.0, 399_999.99)


def test_an_exceeded_limit_is_said_once_a_latch() -> None:
    guard = exposure(max_positions=0, max_gross_notional=150_000.0)
    state = unopened([guard], [buy("EURUSD", 1.0, 1.1)])
    at = view(state, {"EURUSD": quote(1.1)})
    known, found = evaluate(guard, GuardState(), at)
    assert known.breached
    assert len(found) == 1
    assert known.distance_minor == 40_000_00
    assert evaluate(guard, known, at) == (known, ())
    assert wakes(guard, known, state, at.quotes) == Wakes()


def test_an_account_that_exceeds_a_limit_is_halted_and_flattened() -> None:
    guard = exposure(max_gross_notional=200_000.0, action=Action.CLOSE_AND_HALT)
    one = Life(unopened([guard], [buy("XAUUSD", 1.0, 2000.0)]))
    assert one.tick(START_MSC, "XAUUSD", 2000.0) == []
    published = one.tick(START_MSC + 1, "XAUUSD", 2000.1)
    assert kinds(published) == ["rule_breach", "account_halted", "close_intended"]


# -- margin level: EURUSD 1.0 at 1.10 and leverage 100 is 1,100.00 of margin -----------------------


def judge_level(guard: MarginLevel, known: GuardState, equity: float) -> tuple[GuardState, Any]:
    state = unopened([guard], [buy("EURUSD", 1.0, 1.10)])
    after, found = evaluate(guard, known, view(state, {"EURUSD": quote(1.1)}, equity))
    return after, found[0] if found else None


def test_a_margin_level_is_breached_below_its_floor_and_not_at_it() -> None:
    guard = level(50.0)
    assert judge_level(guard, GuardState(), 550.0)[1] is None
    known, found = judge_level(guard, GuardState(), 549.99)
    assert found.breach
    assert found.measured == "margin_level_percent"
    assert found.value == pytest.approx(100 * 549.99 / 1100)
    assert known.distance_minor == -1
    assert judge_level(guard, known, 100.0)[1] is None


def test_a_margin_warning_re_arms_strictly_above_a_tenth_of_the_way() -> None:
    guard = level(50.0, warn=100.0)  # warns at 1,100, re-arms above 105 %: 1,155
    assert judge_level(guard, GuardState(), 1100.01)[1] is None
    known, found = judge_level(guard, GuardState(), 1100.0)
    assert (found.breach, found.limit) == (False, 100.0)
    for equity in (900.0, 1155.0):
        known, found = judge_level(guard, known, equity)
        assert known.warned
        assert found is None
    known, found = judge_level(guard, known, 1155.01)
    assert not known.warned
    assert judge_level(guard, known, 1099.0)[1] is not None


def test_without_margin_there_is_no_level_and_no_breach() -> None:
    guard = level(50.0)
    free = market_of([fx("EURUSD", margin_hedged=0.0)], "USD")
    hedged = [buy("EURUSD", 1.0, 1.1, 1), sell("EURUSD", 1.0, 1.1, 2)]
    for state in (unopened([guard]), unopened([guard], hedged, of=free)):
        at = view(state, {"EURUSD": quote(1.1)}, -500.0)
        after, found = evaluate(guard, GuardState(), at)
        assert found == ()
        assert after.distance_minor is None
        assert after.evaluated_at_msc == START_MSC
        assert wakes(guard, GuardState(), state, at.quotes) == Wakes()


def test_a_margin_that_cannot_be_computed_is_said_once_and_the_guard_stands_still() -> None:
    guard = level(50.0)
    odd = market_of([gold(margin_currency="CHF")], "USD")
    state = unopened([guard], [buy("XAUUSD", 1.0, 2000.0)], of=odd)
    at = view(state, {"XAUUSD": quote(2000.0)})
    known, found = evaluate(guard, GuardState(), at)
    unknown = RuleFound(breach=False, measured="margin_unknown", value=None, limit=None)
    assert found == (unknown,)
    assert known.evaluated_at_msc is None
    assert evaluate(guard, known, at) == (known, ())


# -- wakes, against what evaluation finds on the same path -----------------------------------------

POUNDS = market_of([*MAJORS, fx("EURGBP"), fx("GBPJPY")], "GBP")
DOLLARS = market_of([*MAJORS, fx("EURGBP"), fx("GBPJPY")], "USD")
START = {
    "EURUSD": 1.1,
    "GBPUSD": 1.25,
    "USDJPY": 150.0,
    "XAUUSD": 2000.0,
    "EURGBP": 0.88,
    "GBPJPY": 187.5,
}


def leaves(bands: Wakes, quotes: Quotes) -> bool:
    return any(
        not (band.low < price < band.high)
        for band in bands.bands
        for price in (quotes[band.symbol].bid, quotes[band.symbol].ask)
    )


def reaches(lines: Wakes, equity: float) -> bool:
    return any(
        equity >= line.b - line.slack if line.wakes_above else equity <= line.b + line.slack
        for line in lines.lines
    )


held = st.lists(
    st.tuples(
        st.sampled_from(sorted(START)), st.booleans(), st.integers(1, 200).map(lambda n: n / 100)
    ),
    min_size=1,
    max_size=3,
)
Move = tuple[str, float, float]


@st.composite
def paths(draw: st.DrawFn, symbols: tuple[str, ...]) -> list[Move]:
    """Moves of one or two symbols, mostly one way: (symbol, relative move, spread)."""
    movers = draw(st.lists(st.sampled_from(symbols), min_size=1, max_size=2))
    way = draw(st.sampled_from([-1.0, 1.0]))
    moves = st.tuples(
        st.sampled_from(movers), st.sampled_from((-2, 1, 3, 5, 8, 20, 40)), st.integers(0, 1)
    )
    return [
        (symbol, way * move / 10_000, spread / 20_000)
        for symbol, move, spread in draw(st.lists(moves, min_size=8, max_size=25))
    ]


def positions_of(drawn: list[tuple[str, bool, float]]) -> list[Position]:
    return [
        (buy if is_buy else sell)(symbol, lots, START[symbol], place)
        for place, (symbol, is_buy, lots) in enumerate(drawn, 1)
    ]


def needed(of: Market, positions: list[Position]) -> tuple[str, ...]:
    return tuple(sorted({s for p in positions for s in of.needs(p.symbol)}))


def walk(moves: list[Move]) -> Iterator[dict[str, Quote]]:
    """The quotes after each move of a path."""
    quotes = {symbol: Quote(price, price, 0) for symbol, price in START.items()}
    for symbol, move, spread in moves:
        bid = quotes[symbol].bid * (1.0 + move)
        quotes = quotes | {symbol: Quote(bid, bid * (1.0 + spread), 0)}
        yield quotes


@settings(max_examples=300)
@given(st.booleans(), held, st.floats(1.0, 1.02), st.booleans(), st.data())
def test_a_notional_limit_wakes_no_later_than_it_decides(
    pounds: bool, drawn: list[Any], room: float, gross: bool, data: st.DataObject
) -> None:
    of = POUNDS if pounds else DOLLARS
    state = unopened((), positions_of(drawn), of=of)
    before = {symbol: Quote(price, price, 0) for symbol, price in START.items()}
    limit = notional(state, before)[gross] * room
    guard = exposure(max_gross_notional=limit) if gross else exposure(max_net_notional=limit)
    known, _ = evaluate(guard, GuardState(), view(state, before, 0.0))
    asked = wakes(guard, known, state, before)
    for quotes in walk(data.draw(paths(needed(of, list(state.positions))))):
        after, found = evaluate(guard, known, view(state, quotes, 0.0))
        woken = leaves(asked, quotes)
        assert woken or not found
        if woken:
            known = after
            asked = wakes(guard, known, state, quotes)


LEVELS = {"floor": 60.0, "warn": 90.0, "re-arm": 93.0}
aims = st.tuples(st.sampled_from(sorted(LEVELS)), st.integers(-8, 8).map(lambda n: n / 10_000))


@settings(max_examples=300)
@given(st.booleans(), held, st.booleans(), st.lists(aims, min_size=25, max_size=25), st.data())
def test_a_margin_level_wakes_no_later_than_it_decides(
    pounds: bool, drawn: list[Any], direct: bool, aimed: list[Any], data: st.DataObject
) -> None:
    """On each tick the equity lies next to one of the levels of that tick's own margin."""
    of = POUNDS if pounds else DOLLARS
    state = unopened((), positions_of(drawn), of=of)
    guard = level(60.0, warn=90.0)
    kept = tuple(START) if direct else needed(of, list(state.positions))
    quotes: Quotes = {symbol: quote(START[symbol]) for symbol in kept}
    known = GuardState()
    asked = wakes(guard, known, state, quotes)
    for everything, (name, off) in zip(walk(data.draw(paths(kept))), aimed, strict=False):
        quotes = {symbol: everything[symbol] for symbol in kept}
        margin = margin_minor(of, 100, state.positions, quotes) / 100
        equity = round(LEVELS[name] * margin / 100.0 * (1.0 + off), 2)
        after, found = evaluate(guard, known, view(state, quotes, equity))
        woken = leaves(asked, quotes) or reaches(asked, equity)
        assert woken or (not found and after.warned == known.warned)
        if woken:
            known = replace(after, breached=False)  # released at once, to go on
            asked = wakes(guard, known, state, quotes)


def test_far_from_its_limit_an_account_sleeps() -> None:
    guard = exposure(max_gross_notional=400_000.0)
    state = unopened([guard], [buy("XAUUSD", 1.0, 2000.0)], of=market("GBP"))
    quotes = {"XAUUSD": quote(2000.0), "GBPUSD": quote(1.25)}
    asked = wakes(guard, GuardState(), state, quotes)
    assert not leaves(asked, {"XAUUSD": quote(2700.0), "GBPUSD": quote(0.95)})
    assert leaves(asked, {"XAUUSD": quote(3200.0), "GBPUSD": quote(1.25)})


def test_a_margin_in_the_account_currency_needs_no_price_at_all() -> None:
    state = unopened((), [buy("EURUSD", 1.0, 1.10)])
    asked = wakes(level(50.0, warn=100.0), GuardState(), state, {"EURUSD": quote(1.1)})
    assert asked.bands == ()
    assert sorted(line.b for line in asked.lines) == [550.0, 1100.0]
    warned = replace(GuardState(), warned=True)
    asked = wakes(level(50.0, warn=100.0), warned, state, {"EURUSD": quote(1.1)})
    assert [(line.wakes_above, line.b) for line in asked.lines] == [(False, 550.0), (True, 1155.0)]
