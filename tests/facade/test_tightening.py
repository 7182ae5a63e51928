"""Which change of rules one person alone may make."""

from engine.domain.guards import Action, EquityLimit, NewsWindow, Percent, Reference
from facade.tightening import is_tightening

FLOOR = EquityLimit(
    name="floor",
    action=Action.CLOSE,
    reference=Reference.INITIAL,
    amount=Percent(percent=10.0),
)
NEWS = NewsWindow(name="news", action=Action.ALERT)


def floor(percent: float, action: Action = Action.CLOSE) -> EquityLimit:
    return EquityLimit(
        name="floor",
        action=action,
        reference=Reference.INITIAL,
        amount=Percent(percent=percent),
    )


def test_a_smaller_amount_or_a_stronger_action_is_surely_tighter() -> None:
    assert is_tightening([FLOOR], [floor(5.0)])
    assert is_tightening([FLOOR], [floor(10.0, Action.CLOSE_AND_HALT)])
    assert not is_tightening([FLOOR], [floor(11.0)])
    assert not is_tightening([FLOOR], [floor(10.0, Action.ALERT)])
    assert not is_tightening([FLOOR], [])


def test_a_new_or_longer_news_window_makes_closes_wait_and_is_not_surely_tighter() -> None:
    assert is_tightening([FLOOR, NEWS], [FLOOR, NEWS])
    assert not is_tightening([FLOOR], [FLOOR, NEWS])
    longer = NewsWindow(name="news", action=Action.ALERT, after_s=600.0)
    assert not is_tightening([FLOOR, NEWS], [FLOOR, longer])
