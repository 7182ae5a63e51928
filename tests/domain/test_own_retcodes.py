"""A terminal's own answers, below zero: nothing was sent, so nothing is unknown."""

import pytest

from engine.domain.close_answers import answered
from engine.domain.close_orders import State
from engine.domain.retcodes import RetcodeClass, classify, retcode_words
from tests.domain.test_close_orders import SENT_MS, order, result


@pytest.mark.parametrize("retcode", [-1, -2, -4])
def test_what_was_not_sent_is_tried_again_later_and_is_never_in_doubt(retcode: int) -> None:
    made, actions = answered(order(State.SENT), result(retcode), SENT_MS + 100, 0.5)
    assert (made.state, made.in_flight, actions) == (State.WAITING, False, ())
    assert made.retry_at_ms is not None
    assert made.retry_at_ms > SENT_MS + 100


def test_a_command_that_names_nothing_is_our_mistake() -> None:
    assert classify(-3) is RetcodeClass.OUR_MISTAKE
    made, _ = answered(order(State.SENT), result(-3), SENT_MS + 100, 0.5)
    assert (made.state, made.mended) == (State.WAITING, True)


@pytest.mark.parametrize("retcode", [-1, -2, -3, -4])
def test_they_say_that_nothing_was_sent(retcode: int) -> None:
    assert retcode_words(retcode).endswith("not sent")
