"""Positions against intents: the agreed cases, and every small set against brute force."""

from collections.abc import Sequence
from itertools import combinations, permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.instruments import CalcMode, Instrument
from engine.domain.intents import Intent, tag_of
from engine.domain.matching import (
    Fill,
    How,
    Matching,
    Tolerances,
    cost_of,
    is_whole,
    match,
    names_of,
    pip_size,
    tolerances_of,
)
from engine.domain.positions import Side
from engine.domain.reports import PositionReport
from tests.domain.accounts import fx, gold

EURUSD = tolerances_of(fx("EURUSD"))
TERMS = {
    "EURUSD": EURUSD,
    "USDJPY": tolerances_of(fx("USDJPY")),
    "XAUUSD": tolerances_of(gold()),
}


def meant(name: str, lots: float = 1.0, price: float | None = 1.1, **more: Any) -> Intent:
    fields: dict[str, Any] = {"symbol": "EURUSD", "side": Side.BUY, "tag": tag_of(name)}
    return Intent(intent_id=name, volume_lots=lots, open_price=price, **fields | more)


def held(identifier: int, lots: float = 1.0, price: float = 1.1, **more: Any) -> PositionReport:
    fields: dict[str, Any] = {"symbol": "EURUSD", "type": 0}
    return PositionReport(
        identifier=identifier, ticket=identifier, volume=lots, price_open=price, **fields | more
    )


def matched(
    intents: Sequence[Intent],
    positions: Sequence[PositionReport],
    aliases: dict[str, str] | None = None,
) -> Matching:
    return match(intents, positions, TERMS.__getitem__, names_of(aliases or {}))


def ids(positions: Sequence[PositionReport]) -> list[int]:
    return [one.identifier for one in positions]


def only(matching: Matching) -> Fill:
    (fill,) = matching.fills
    return fill


def other_instrument(symbol: str, digits: int, **more: Any) -> Instrument:
    fields: dict[str, Any] = {"calc_mode": CalcMode.CFD, "contract_size": 1.0}
    fields |= {"base_currency": "USD", "profit_currency": "USD"}
    return Instrument(symbol=symbol, digits=digits, **fields | more)


@pytest.mark.parametrize(
    ("instrument", "pip"),
    [
        (fx("EURUSD"), 0.0001),
        (fx("EURUSD", digits=4), 0.0001),
        (fx("USDJPY"), 0.01),
        (fx("USDJPY", digits=2), 0.01),
        (gold(), 0.10),
        (gold(digits=3), 0.10),
        (fx("XAUUSD", digits=2), 0.10),
        (gold(pip_size=0.01), 0.01),
        (other_instrument("US30", 1), 1.0),
    ],
)
def test_a_pip_is_ten_points_of_fx_and_ten_cents_of_gold(
    instrument: Instrument, pip: float
) -> None:
    assert pip_size(instrument) == pytest.approx(pip, rel=1e-12)


@pytest.mark.parametrize(
    ("lots", "fits"), [(1.05, True), (0.95, True), (1.06, False), (0.94, False)]
)
def test_exactly_five_percent_of_volume_matches_and_a_step_more_does_not(
    lots: float, fits: bool
) -> None:
    assert (cost_of(meant("a"), held(1, lots), EURUSD) is not None) is fits
    fill = only(matched([meant("a")], [held(1, lots)]))
    assert bool(fill.parts) is (lots <= 1.05)  # too little of it is a fill in part


def test_no_volume_step_makes_five_percent_miss_by_a_rounding_of_doubles() -> None:
    for step in (0.001, 0.01, 0.1, 1.0):
        terms = Tolerances(pip=0.0001, volume_step=step)
        for units in range(20, 400, 20):
            lots = (units + units // 20) * step
            assert is_whole(terms.steps(lots), terms.steps(units * step))
            assert not is_whole(terms.steps(lots + step), terms.steps(units * step))


@pytest.mark.parametrize(
    ("symbol", "price", "slipped"), [("XAUUSD", 1950.50, 1950.60), ("USDJPY", 150.0, 150.01)]
)
def test_a_gold_slip_of_ten_cents_and_a_yen_slip_of_a_pip_match(
    symbol: str, price: float, slipped: float
) -> None:
    one = meant("a", price=price, symbol=symbol)
    fill = only(matched([one], [held(1, price=slipped, symbol=symbol)]))
    assert (ids(fill.parts), fill.how) == ([1], How.LIKENESS)


def test_an_entry_exactly_at_the_tolerance_matches_and_a_point_beyond_is_a_stranger() -> None:
    assert ids(only(matched([meant("a")], [held(1, price=1.10100)])).parts) == [1]
    assert matched([meant("a")], [held(1, price=1.10101)]).strangers


def test_an_intent_at_market_matches_at_any_price() -> None:
    assert ids(only(matched([meant("a", price=None)], [held(1, price=9.9)])).parts) == [1]


def test_an_identifier_outdoes_a_tag_and_a_tag_outdoes_likeness() -> None:
    linked, tagged = meant("linked", position_ids=(1,)), meant("tagged", price=1.3)
    positions = [
        held(1, comment=tagged.tag),
        held(2, price=1.5, comment=f"[sl] {tagged.tag}"),
        held(3),
    ]
    found = matched([linked, tagged], positions)
    assert [ids(fill.parts) for fill in found.fills] == [[1], [2]]
    assert [fill.how for fill in found.fills] == [How.IDENTIFIER, How.TAG]
    assert ids(found.strangers) == [3]


def test_an_overwritten_comment_leaves_the_magic_where_one_intent_bears_it() -> None:
    far = held(1, price=1.5, magic=77, comment="broker says hello")
    one = matched([meant("a", magic=77), meant("b", magic=78)], [far])
    assert [ids(fill.parts) for fill in one.fills] == [[1], []]
    two = matched([meant("a", magic=77), meant("b", magic=77)], [far])
    assert ids(two.strangers) == [1]
    assert matched([meant("a", magic=0)], [held(1, price=1.5)]).strangers


def test_a_tag_that_holds_another_is_the_longer_one() -> None:
    found = matched([meant("a", tag="x"), meant("b", tag="xy")], [held(1, comment="xy")])
    assert [ids(fill.parts) for fill in found.fills] == [[], [1]]


def test_symbols_are_compared_without_case_and_by_the_alias_table() -> None:
    gold_meant = meant("a", price=1950.0, symbol="XAUUSD")
    plain = held(1, price=1950.0, symbol="xauusd")
    renamed = held(1, price=1950.0, symbol="Gold.m")
    assert ids(only(matched([gold_meant], [plain])).parts) == [1]
    assert ids(only(matched([gold_meant], [renamed], {"GOLD.M": "xauusd"})).parts) == [1]
    assert ids(matched([gold_meant], [renamed]).strangers) == [1]


def test_the_other_side_is_never_alike_and_named_where_the_tag_says_it_is_ours() -> None:
    assert ids(matched([meant("a")], [held(1, type=1)]).strangers) == [1]
    fill = only(matched([meant("a")], [held(1, type=1, comment=tag_of("a"))]))
    assert (ids(fill.parts), ids(fill.wrong_side)) == ([], [1])


def test_the_best_match_is_taken_not_the_first() -> None:
    near, far = held(2, price=1.10001), held(1, price=1.10080)
    found = matched([meant("a")], [far, near])
    assert (ids(only(found).parts), ids(found.strangers)) == ([2], [1])


def test_a_near_match_gives_way_where_another_intent_has_no_other() -> None:
    """Greedy would give 1.1004 to the first intent and leave the second without any."""
    first, second = meant("first", price=1.1000), meant("second", price=1.1012)
    found = matched([first, second], [held(1, price=1.1004), held(2, price=1.0992)])
    assert [ids(fill.parts) for fill in found.fills] == [[2], [1]]


def test_sixty_and_forty_hundredths_fill_one_lot() -> None:
    found = matched([meant("a")], [held(1, 0.6), held(2, 0.4)])
    assert (sorted(ids(only(found).parts)), found.strangers) == ([1, 2], ())


def test_a_piece_is_a_fill_in_part_until_the_rest_is_there() -> None:
    assert ids(only(matched([meant("a")], [held(1, 0.6)])).parts) == [1]
    tagged = held(1, 0.6, comment=tag_of("a"))
    assert sorted(ids(only(matched([meant("a")], [tagged, held(2, 0.4)])).parts)) == [1, 2]


def test_pieces_never_come_to_more_than_is_meant() -> None:
    found = matched([meant("a")], [held(1, 0.7), held(2, 0.8)])
    assert (ids(only(found).parts), ids(found.strangers)) == ([2], [1])


def test_a_whole_match_is_not_broken_up_for_pieces() -> None:
    found = matched([meant("a"), meant("b", 0.6)], [held(1, 0.6), held(2, 0.4), held(3, 0.6)])
    assert sorted(ids(found.fills[0].parts)) in ([1, 2], [2, 3])
    assert len(found.fills[1].parts) == 1
    assert found.strangers == ()


def test_a_second_whole_position_with_the_same_tag_is_too_much() -> None:
    tag = tag_of("a")
    linked = meant("a", position_ids=(2,), was_whole=True)
    fill = only(matched([linked], [held(1, comment=tag), held(2, comment=tag)]))
    assert (ids(fill.parts), ids(fill.extras)) == ([2], [1])


def test_an_intent_that_was_whole_takes_no_stranger_in_for_what_it_lost() -> None:
    lost = meant("a", position_ids=(1,), was_whole=True)
    assert ids(matched([lost], [held(2)]).strangers) == [2]
    assert ids(matched([lost], [held(1, 0.5), held(2, 0.5)]).strangers) == [2]


LOTS = st.sampled_from((0.60, 0.95, 0.97, 1.00, 1.03, 1.05, 1.06))
PRICES = st.integers(0, 12).map(lambda tenths: round(1.1 + tenths * 0.00015, 5))
SMALL = st.tuples(
    st.lists(st.tuples(st.sampled_from((1.0, 0.98)), PRICES), max_size=4),
    st.lists(st.tuples(LOTS, PRICES), max_size=4),
)


def best_by_force(
    intents: Sequence[Intent], positions: Sequence[PositionReport]
) -> tuple[int, int]:
    """(most pairs, least cost of that many), over every way there is."""
    best = (0, 0)
    for count in range(1, min(len(intents), len(positions)) + 1):
        for chosen in combinations(intents, count):
            for order in permutations(positions, count):
                costs = [cost_of(i, p, EURUSD) for i, p in zip(chosen, order, strict=True)]
                known = [cost for cost in costs if cost is not None]
                if len(known) == count:
                    best = max(best, (count, -sum(known)))
    return best[0], -best[1]


@settings(deadline=None, max_examples=200)
@given(SMALL)
def test_likeness_finds_what_brute_force_finds(
    small: tuple[list[tuple[float, float]], list[tuple[float, float]]],
) -> None:
    intents = [meant(str(n), lots, price) for n, (lots, price) in enumerate(small[0])]
    positions = [held(n + 1, lots, price) for n, (lots, price) in enumerate(small[1])]
    found = matched(intents, positions)
    costs = [
        cost
        for fill in found.fills
        if len(fill.parts) == 1
        and (cost := cost_of(fill.intent, fill.parts[0], EURUSD)) is not None
    ]
    assert (len(costs), sum(costs)) == best_by_force(intents, positions)
    placed = [p for fill in found.fills for p in (*fill.parts, *fill.extras, *fill.wrong_side)]
    assert sorted(ids([*placed, *found.strangers])) == sorted(ids(positions))
    assert found == matched(intents, list(reversed(positions)))


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(1, 60), max_size=6))
def test_pieces_are_the_best_that_any_subset_comes_to(steps: list[int]) -> None:
    positions = [held(n + 1, units / 100) for n, units in enumerate(steps)]
    fill = only(matched([meant("a")], positions))
    total = sum(EURUSD.steps(one.volume) for one in fill.parts)
    sums = [sum(some) for count in range(len(steps) + 1) for some in combinations(steps, count)]
    whole = [one for one in sums if is_whole(one, 100)]
    if whole:
        assert abs(total - 100) == min(abs(one - 100) for one in whole)
    else:
        assert total == max(one for one in sums if one <= 100)
