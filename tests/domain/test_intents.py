"""What strategies register: once, checked, expired only where nothing fills it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.intents import (
    TAG_LENGTH,
    Intent,
    IntentError,
    adopted,
    expire,
    reduced,
    register,
    tag_of,
    with_in_flight,
)
from engine.domain.positions import Side
from tests.domain.accounts import buy


def intent(name: str = "a", lots: float = 1.0, **more: Any) -> Intent:
    fields: dict[str, Any] = {"symbol": "EURUSD", "side": Side.BUY, "open_price": 1.1}
    return Intent(intent_id=name, volume_lots=lots, **fields | more)


def test_an_intent_without_a_tag_is_given_one_that_a_comment_can_hold() -> None:
    (known,) = register((), intent())
    assert known.tag == tag_of("a")
    assert len(known.tag) <= TAG_LENGTH


@settings(deadline=None, max_examples=50)
@given(st.text(min_size=1, max_size=200))
def test_every_intent_id_makes_a_tag_that_fits(name: str) -> None:
    assert register((), intent(name))[0].tag.isascii()
    assert len(tag_of(name)) <= TAG_LENGTH


def test_the_same_intent_twice_is_one_also_after_it_was_filled_and_reduced() -> None:
    known = register((), intent())
    lived = (reduced(known[0], 0.3),)
    assert register(known, intent()) == known
    assert lived[0] is not None
    assert register((lived[0],), intent(registered_at_msc=5)) == lived


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (intent(symbol="GBPUSD"), "other words"),
        (intent("b", tag=tag_of("a")), "is the tag of intent a"),
        (intent("b", tag="x" * 32), "at most 31"),
        (intent("b", tag="é"), "ASCII"),
        (intent("b", lots=0.0), "volume_lots is 0.0"),
        (intent("b", lots=float("nan")), "volume_lots is nan"),
        (intent("b", open_price=float("inf")), "open_price is inf"),
        (intent("b", stop_loss=0.0), "stop_loss is 0.0"),
        (intent("b", in_flight_lots=-1.0), "in_flight_lots"),
        (intent("b", symbol=""), "symbol is empty"),
        (intent(""), "intent_id is empty"),
        (intent("b", position_ids=(7,)), "position 7 fills intent a"),
    ],
)
def test_an_intent_that_cannot_be_is_refused_with_what_it_was(other: Intent, words: str) -> None:
    known = register((), intent(position_ids=(7,)))
    with pytest.raises(IntentError, match=words):
        register(known, other)


def test_a_tag_of_exactly_31_characters_is_taken() -> None:
    assert register((), intent(tag="x" * TAG_LENGTH))[0].tag == "x" * TAG_LENGTH


def test_only_what_nothing_fills_expires_and_only_when_due() -> None:
    free = intent("free", expires_at_msc=100)
    filled = intent("filled", expires_at_msc=100, position_ids=(1,))
    flying = intent("flying", expires_at_msc=100, in_flight_lots=0.5)
    forever = intent("forever")
    everything = (free, filled, flying, forever)
    assert expire(everything, 99) == (everything, ())
    assert expire(everything, 100) == ((filled, flying, forever), ("free",))


def test_volume_on_its_way_is_set_and_cleared_by_name() -> None:
    known = with_in_flight((intent("a"), intent("b")), "b", 0.4)
    assert [one.in_flight_lots for one in known] == [0.0, 0.4]
    with pytest.raises(IntentError, match="no intent c"):
        with_in_flight(known, "c", 0.0)
    with pytest.raises(IntentError, match="0 or more"):
        with_in_flight(known, "b", float("nan"))


def test_a_close_lowers_what_is_meant_and_a_whole_one_ends_it() -> None:
    left = reduced(intent(lots=0.3), 0.1)
    assert left is not None
    assert left.volume_lots == 0.2
    assert reduced(left, 0.2) is None


def test_an_adopted_position_is_meant_as_it_is() -> None:
    known = adopted(buy("EURUSD", 0.7, 1.2, 9, stop_loss=1.1, magic=4), 5)
    assert (known.volume_lots, known.open_price, known.stop_loss) == (0.7, 1.2, 1.1)
    assert known.position_ids == (9,)
    assert known.was_whole
    assert register((), known) == (known,)
