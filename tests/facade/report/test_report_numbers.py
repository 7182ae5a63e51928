"""Numbers as a person reads them."""

import pytest

from facade.report.numbers import clock, duration, instant, lots, money, percent, price, short_money


@pytest.mark.parametrize(
    ("amount", "digits", "shown"),
    [
        (97093.3, 2, "97\u202f093.30"),
        (-2906.7, 2, "\u22122\u202f906.70"),
        (1234567.0, 0, "1\u202f234\u202f567"),
        (0.5, 8, "0.50000000"),
        (-0.001, 2, "0.00"),
        (-1e15, 2, "\u22121\u202f000\u202f000\u202f000\u202f000\u202f000.00"),
        (None, 2, "—"),
        (float("nan"), 2, "—"),
    ],
)
def test_money_has_groups_a_true_minus_and_the_currency_s_digits(
    amount: float | None, digits: int, shown: str
) -> None:
    assert money(amount, digits) == shown


def test_only_a_change_has_a_plus_and_nothing_has_none() -> None:
    assert money(12.5, 2, signed=True) == "+12.50"
    assert money(0.0, 2, signed=True) == "0.00"
    assert money(-1.0, 2, signed=True) == "\u22121.00"


def test_a_tile_shortens_from_a_million_on_and_never_upwards() -> None:
    assert short_money(999_999.99, 2) == "999\u202f999.99"
    assert short_money(1_249_999.0, 2) == "1.24\u00a0M"
    assert short_money(None, 2) == "—"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.0, "0"), (0.4321, "0.43"), (0.999, "1.0"), (23.24, "23.2"), (99.96, "99.9"),
     (100.0, "100.0"), (103.2, "103.2"), (-3.05, "\u22123.0")],
)  # fmt: skip
def test_a_percentage_never_reaches_100_by_rounding(value: float, shown: str) -> None:
    assert percent(value) == f"{shown}\u00a0%"


def test_past_a_breach_a_percentage_rounds_as_it_will() -> None:
    assert percent(99.96, breached=True) == "100.0\u00a0%"
    assert percent(None) == "—"


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(0, "0 ms"), (153, "153 ms"), (5_000, "5 s"), (12_460, "12.4 s"), (59_999, "59.9 s"),
     (163_000, "2 min 43 s"), (3_600_000, "1 h"), (10_530_000, "2 h 55 min"),
     (172_800_000, "2 d")],
)  # fmt: skip
def test_a_duration_has_one_or_two_units(milliseconds: float, shown: str) -> None:
    assert duration(milliseconds).replace("\u00a0", " ") == shown


def test_prices_and_lots_have_the_digits_of_their_symbol() -> None:
    assert price(1283.5, 3) == "1283.500"
    assert price(1.5, None) == "1.5"
    assert [lots(1.5), lots(0.015, 0.001), lots(3.0, 1.0)] == ["1.50", "0.015", "3"]


def test_times_are_utc_to_the_millisecond() -> None:
    assert clock(1399033801690) == "12:30:01.690Z"
    assert instant(1399033801690) == "2014-05-02T12:30:01.690Z"
