"""Answers that are kept: as long as they are made of the same, and no longer."""

import trio
from starlette.types import Message

from facade.answers_kept import ACCOUNTS_MAX, ANSWERS_MAX, KeptAnswers, Made, Ready
from tests.facade.fake_desk import FakeDesk


class Maker:
    """Counts how often it is asked, and how often for a body; each answer is another."""

    def __init__(self) -> None:
        self.made = 0
        self.encoded = 0

    def __call__(self) -> Made:
        self.made += 1
        return Made(f'"{self.made}"', self._body)

    def _body(self) -> bytes:
        self.encoded += 1
        return b"{}"


def tag(answer: Ready) -> str:
    return answer.headers["etag"]


def test_an_answer_is_made_again_when_anything_it_depends_on_is_another() -> None:
    desk = FakeDesk()
    one, other = map(desk.snapshot, desk.keys())
    kept, make = KeptAnswers(), Maker()
    first = kept.of("ann", 1, [one, other], make)
    assert tag(first.for_one_with("")) == '"1"'
    assert kept.of("ann", 1, [one, other], make) is first
    assert tag(kept.of("bob", 1, [one, other], make).for_one_with("")) == '"2"'
    assert tag(kept.of("ann", 2, [one, other], make).for_one_with("")) == '"3"'
    assert tag(kept.of("ann", 2, [one], make).for_one_with("")) == '"4"'
    assert tag(kept.of("ann", 2, [other], make).for_one_with("")) == '"5"'
    same_words = desk.snapshot(desk.keys()[1])
    assert tag(kept.of("ann", 2, [same_words], make).for_one_with("")) == '"6"'


def test_neither_many_answers_nor_large_ones_are_kept() -> None:
    desk = FakeDesk()
    one = desk.snapshot(desk.keys()[0])
    kept, make = KeptAnswers(), Maker()
    for number in range(ANSWERS_MAX + 1):
        kept.of(number, 1, [one], make)
    made = make.made
    kept.of(0, 1, [one], make)
    assert make.made == made + 1
    for _ in range(2):
        kept.of("all", 1, [one] * (ACCOUNTS_MAX + 1), make)
    assert make.made == made + 3


def test_a_body_is_made_once_and_only_for_whoever_has_not_got_it() -> None:
    desk = FakeDesk()
    make = Maker()
    kept = KeptAnswers().of("ann", 1, [desk.snapshot(desk.keys()[0])], make)
    for known in ('"1"', 'W/"1"', '"0", "1"'):
        assert kept.for_one_with(known).status_code == 304
    assert make.encoded == 0
    for known in ("", '"0"', '1"'):
        answer = kept.for_one_with(known)
        assert (answer.status_code, answer.body) == (200, b"{}")
    assert make.encoded == 1


def test_what_stands_before_the_server_cannot_change_an_answer_that_is_kept() -> None:
    answer = Ready('"1"', b"{}")
    starts: list[Message] = []

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            starts.append({**message, "headers": list(message["headers"])})
            message["headers"].append((b"set-cookie", b"of=somebody"))

    async def receive() -> Message:
        raise AssertionError("nothing is read")

    async def twice() -> None:
        for _ in range(2):
            await answer({"type": "http"}, receive, send)

    trio.run(twice)
    assert starts[0] == starts[1]
