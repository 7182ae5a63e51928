"""MT5 rounds half away from zero; Python does not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.domain.units import currency_digits, major, minor, minor_of_mark, percent


@pytest.mark.parametrize(
    ("amount", "digits", "rounded"),
    [
        (0.125, 2, 13),
        (-0.125, 2, -13),
        (0.375, 2, 38),
        (2.5, 0, 3),
        (-2.5, 0, -3),
        (0.5, 0, 1),
        (1.5, 0, 2),
        (-0.5, 0, -1),
        (0.1249, 2, 12),
        (332.2259136, 2, 33223),
        (0.0, 2, 0),
        (0.123456785, 8, 12345679),
    ],
)
def test_halves_go_away_from_zero(amount: float, digits: int, rounded: int) -> None:
    assert minor(amount, digits) == rounded


def test_the_double_as_it_is_decides_and_not_the_decimal_it_was_written_as() -> None:
    # 1.005 is a double just below, and times 100 it is 100.49999999999999: MT5 rounds it down.
    assert minor(1.005, 2) == 100
    assert minor(1.025, 2) == 102  # likewise 102.49999999999999
    assert minor(1.045, 2) == 105  # the product rounds to 104.5: up


@given(st.floats(-1e9, 1e9), st.sampled_from([0, 2, 3, 8]))
def test_rounding_is_symmetric_and_within_half_a_unit(amount: float, digits: int) -> None:
    rounded = minor(amount, digits)
    assert minor(-amount, digits) == -rounded
    assert abs(rounded - amount * 10**digits) <= 0.5 + abs(amount) * 10**digits * 1e-15


def test_digits_of_currencies() -> None:
    digits = {c: currency_digits(c) for c in ("USD", "EUR", "JPY", "jpy", "BTC", "KWD", "XXX")}
    assert digits == {"USD": 2, "EUR": 2, "JPY": 0, "jpy": 0, "BTC": 8, "KWD": 3, "XXX": 2}


def test_a_mark_a_hair_below_a_tie_rounds_as_the_tie() -> None:
    assert minor_of_mark(100.005 - 1e-9, 2) == 10001
    assert minor_of_mark(-(100.005 - 1e-9), 2) == -10001
    assert minor_of_mark(100.0049, 2) == 10000


def test_money_reads_back_and_percentages_have_four_decimals() -> None:
    assert major(-33223, 2) == -332.23
    assert major(33223, 0) == 33223.0
    assert percent(14.99995) == 15.0
    assert percent(19.99994) == 19.9999
    assert percent(-0.00005) == -0.0001
