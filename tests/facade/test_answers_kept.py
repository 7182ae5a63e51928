"""Answers that are kept: as long as they are made of the same, and no longer."""

from facade.answers_kept import ACCOUNTS_MAX, ANSWERS_MAX, KeptAnswers
from tests.facade.fake_desk import FakeDesk


class Maker:
    """Counts how often it is asked; each body is another."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> bytes:
        self.made += 1
        return str(self.made).encode()


def test_an_answer_is_made_again_when_anything_it_depends_on_is_another() -> None:
    desk = FakeDesk()
    one, other = map(desk.snapshot, desk.keys())
    kept, make = KeptAnswers(), Maker()
    assert kept.body("ann", 1, [one, other], make) == b"1"
    assert kept.body("ann", 1, [one, other], make) == b"1"
    assert kept.body("bob", 1, [one, other], make) == b"2"
    assert kept.body("ann", 2, [one, other], make) == b"3"
    assert kept.body("ann", 2, [one], make) == b"4"
    assert kept.body("ann", 2, [other], make) == b"5"
    same_words = desk.snapshot(desk.keys()[1])
    assert kept.body("ann", 2, [same_words], make) == b"6"


def test_neither_many_answers_nor_large_ones_are_kept() -> None:
    desk = FakeDesk()
    one = desk.snapshot(desk.keys()[0])
    kept, make = KeptAnswers(), Maker()
    for number in range(ANSWERS_MAX + 1):
        kept.body(number, 1, [one], make)
    made = make.made
    kept.body(0, 1, [one], make)
    assert make.made == made + 1
    for _ in range(2):
        kept.body("all", 1, [one] * (ACCOUNTS_MAX + 1), make)
    assert make.made == made + 3
