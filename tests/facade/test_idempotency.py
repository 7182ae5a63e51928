from collections.abc import Awaitable, Callable

import pytest
import trio

from facade import idempotency
from facade.access import Denied
from facade.idempotency import KEPT_S, Answer, Idempotency

FLATTEN = "POST /accounts/Demo-1/1001/flatten"


class Effect:
    """Counts how often it happens, and answers with the count."""

    def __init__(self, status: int = 202) -> None:
        self.count = 0
        self.status = status
        self.gate = trio.Event()
        self.gate.set()

    async def __call__(self) -> Answer:
        await self.gate.wait()
        self.count += 1
        return Answer(self.status, (), str(self.count).encode())


class Hand:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def refusal(call: Callable[[], Awaitable[Answer]]) -> str:
    with pytest.raises(Denied) as caught:
        await call()
    return f"{caught.value.status} {caught.value.reason}"


async def test_the_same_request_happens_once_and_is_answered_the_same() -> None:
    held, effect = Idempotency(Hand()), Effect()
    first = await held.once("ann", "k1", FLATTEN, b"{}", effect)
    assert await held.once("ann", "k1", FLATTEN, b"{}", effect) == first
    assert effect.count == 1
    await held.once("bob", "k1", FLATTEN, b"{}", effect)
    await held.once("ann", "k2", FLATTEN, b"{}", effect)
    assert effect.count == 3


async def test_the_same_key_with_something_else_is_a_conflict() -> None:
    held, effect = Idempotency(Hand()), Effect()
    await held.once("ann", "k1", FLATTEN, b"{}", effect)
    other = "POST /accounts/Demo-1/1002/flatten"
    assert await refusal(lambda: held.once("ann", "k1", FLATTEN, b"{ }", effect)) == (
        "409 idempotency_key_reused"
    )
    assert await refusal(lambda: held.once("ann", "k1", other, b"{}", effect)) == (
        "409 idempotency_key_reused"
    )
    assert effect.count == 1


async def test_a_hundred_at_once_have_one_effect() -> None:
    held, effect = Idempotency(Hand()), Effect()
    effect.gate = trio.Event()
    answers: list[Answer] = []

    async def ask() -> None:
        answers.append(await held.once("ann", "k1", FLATTEN, b"{}", effect))

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        effect.gate.set()
    assert effect.count == 1
    assert answers == [Answer(202, (), b"1")] * 100


async def test_an_effect_that_has_begun_is_finished_when_its_client_goes() -> None:
    held, effect = Idempotency(Hand()), Effect()
    effect.gate = trio.Event()
    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            await held.once("ann", "k1", FLATTEN, b"{}", effect)

        nursery.start_soon(ask)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
        effect.gate.set()
    assert await held.once("ann", "k1", FLATTEN, b"{}", effect) == Answer(202, (), b"1")


async def test_what_failed_is_told_to_all_who_waited_and_may_be_tried_again() -> None:
    held, effect = Idempotency(Hand()), Effect(503)
    assert (await held.once("ann", "k1", FLATTEN, b"{}", effect)).status == 503
    assert (await held.once("ann", "k1", FLATTEN, b"{}", effect)).body == b"2"

    async def broken() -> Answer:
        await trio.testing.wait_all_tasks_blocked(0.001)
        raise RuntimeError("a fault of ours")

    told: list[str] = []

    async def first() -> None:
        with pytest.raises(RuntimeError):
            await held.once("ann", "k2", FLATTEN, b"{}", broken)

    async def waits() -> None:
        told.append(await refusal(lambda: held.once("ann", "k2", FLATTEN, b"{}", broken)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(first)
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(waits)
    assert told == ["409 idempotency_first_failed"]
    assert len(held) == 0


async def test_keys_are_forgotten_after_a_day_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "KEPT_OF_ONE_MAX", 5)
    monkeypatch.setattr(idempotency, "KEPT_MAX", 8)
    hand, effect = Hand(), Effect()
    held = Idempotency(hand)
    for number in range(50):
        await held.once(f"p{number % 3}", f"k{number}", FLATTEN, b"{}", effect)
        assert len(held) <= 8
    hand.now_s = KEPT_S + 1
    await held.once("ann", "new", FLATTEN, b"{}", effect)
    assert len(held) == 1


async def test_a_flood_of_one_subject_pushes_out_nobody_elses_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(idempotency, "KEPT_OF_ONE_MAX", 5)
    held, effect = Idempotency(Hand()), Effect()
    first = await held.once("ann", "k1", FLATTEN, b"{}", effect)
    for number in range(50):
        await held.once("mallory", f"k{number}", FLATTEN, b"{}", effect)
    assert await held.once("ann", "k1", FLATTEN, b"{}", effect) == first


async def test_a_key_that_is_none_is_refused() -> None:
    held, effect = Idempotency(Hand()), Effect()
    for key in ("", "a b", "x" * 129, "é", "a\n"):
        found = await refusal(lambda key=key: held.once("ann", key, FLATTEN, b"{}", effect))  # type: ignore[misc]
        assert found == "422 idempotency_key_malformed"
    assert effect.count == 0
