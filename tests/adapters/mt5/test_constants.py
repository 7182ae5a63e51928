"""Retcodes by class, against the table of the closing rules; the digest against known values."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.mt5.constants import (
    OrderFilling,
    digest_of,
    fillings_allowed,
    position_digest,
)
from engine.domain.reports import PositionReport
from engine.domain.retcodes import RETCODES, RetcodeClass, classify, retcode_words

TABLE = {
    RetcodeClass.SUCCESS: {10009, 10008, 10010},
    RetcodeClass.ALREADY_SO: {10036, 10025},
    RetcodeClass.NEW_PRICE: {10004, 10020, 10015, 10023},
    RetcodeClass.BACK_OFF: {10021, 10024, 10028, 10029, -1, -2, -4},
    RetcodeClass.UNKNOWN: {10039, 10011, 10012, 10031, 10007, 10006},
    RetcodeClass.WAIT: {10018, 10017, 10026, 10027},
    RetcodeClass.OUR_MISTAKE: {-3, 10035, 10032, 10041, 10013, 10014, 10016, 10022, 10030, 10038}
    | {10045, 10046},
    RetcodeClass.LIMITS: {10019, 10033, 10034, 10040, 10042, 10043, 10044},
}


@pytest.mark.parametrize("kind", RetcodeClass)
def test_every_retcode_has_the_class_of_the_table(kind: RetcodeClass) -> None:
    assert {code for code in RETCODES if classify(code) is kind} == TABLE[kind]


@pytest.mark.parametrize("retcode", [None, 0, -5, 10037, 10047, 99999])
def test_no_reply_and_a_code_not_listed_are_unknown(retcode: int | None) -> None:
    assert classify(retcode) is RetcodeClass.UNKNOWN
    assert retcode_words(retcode) in {"no reply", f"{retcode} not a listed code"}


def test_a_retcode_is_said_in_words() -> None:
    assert retcode_words(10018) == "10018 market closed"


def position(identifier: int, kind: int, volume: float) -> PositionReport:
    return PositionReport(
        identifier=identifier, ticket=1, symbol="X", type=kind, volume=volume, price_open=1.0
    )


def test_the_empty_set_has_the_offset_basis_as_its_digest() -> None:
    assert position_digest([]) == "cbf29ce484222325"


def test_the_digest_is_that_of_its_text() -> None:
    # FNV-1a 64 of "a" and of "foobar", from the reference vectors of the hash's authors.
    assert digest_by_hand("a") == "af63dc4c8601ec8c"
    assert digest_by_hand("foobar") == "85944171f73967e8"
    two = [position(11, 1, 0.3), position(7, 0, 1.25)]
    assert position_digest(two) == digest_by_hand("7:0:125000000;11:1:30000000;")


def digest_by_hand(text: str) -> str:
    state = 14695981039346656037
    for letter in text:
        state = ((state ^ ord(letter)) * 1099511628211) % 2**64
    return f"{state:016x}"


rows = st.tuples(st.integers(1, 2**63), st.integers(0, 1), st.integers(1, 10**12))


@given(st.lists(rows, max_size=8, unique_by=lambda row: row[0]), st.randoms())
def test_the_digest_does_not_depend_on_the_order(
    held: list[tuple[int, int, int]], random: Random
) -> None:
    shuffled = list(held)
    random.shuffle(shuffled)
    assert digest_of(shuffled) == digest_of(held)


@given(st.lists(rows, min_size=1, max_size=8, unique_by=lambda row: row[0]))
def test_a_changed_volume_or_side_changes_the_digest(held: list[tuple[int, int, int]]) -> None:
    identifier, kind, units = held[0]
    assert digest_of([(identifier, kind, units + 1), *held[1:]]) != digest_of(held)
    assert digest_of([(identifier, 1 - kind, units), *held[1:]]) != digest_of(held)


def test_what_a_symbol_allows_is_tried_first_and_return_always_remains() -> None:
    assert fillings_allowed(0) == (OrderFilling.RETURN,)
    assert fillings_allowed(3) == (OrderFilling.IOC, OrderFilling.FOK, OrderFilling.RETURN)
    assert fillings_allowed(1) == (OrderFilling.FOK, OrderFilling.RETURN)
