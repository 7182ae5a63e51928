"""A command sent twice with one `Idempotency-Key` happens once and is answered the same.

In memory, for a day: a restart forgets keys and answers. What makes that bearable is below it, in
the engine: a halt of a halted account and a flatten of a flat one change nothing, an intent
registered twice with the same words is one intent, an approval is spent once, durably.
"""

import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import NamedTuple

import anyio

from facade.access import Denied

KEPT_S = 86_400.0
KEPT_MAX = 20_000
KEPT_OF_ONE_MAX = 2_000
KEY = re.compile(r"[\x21-\x7e]{1,128}")


class Answer(NamedTuple):
    """What a command was answered."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


class _Kept:
    """One key: what came with it, and the answer once there is one."""

    __slots__ = ("answer", "answered", "begun_s", "digest")

    def __init__(self, digest: bytes, begun_s: float) -> None:
        self.digest = digest
        self.begun_s = begun_s
        self.answered = anyio.Event()
        self.answer: Answer | None = None


class Idempotency:
    """The keys of the last day, by subject: nobody can meet another's."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        """`now_s`: a clock that never goes back."""
        self._now_s = now_s
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self._of: dict[str, int] = {}

    async def once(
        self,
        subject: str,
        key: str,
        route: str,
        body: bytes,
        effect: Callable[[], Awaitable[Answer]],
    ) -> Answer:
        """What `effect` answered, now or before. While it works, others with the key wait for it.

        An effect that has begun is not cancelled, also when its client is gone. Only what is below
        500 is remembered; after anything else the key may be used again.

        Args:
            route: method and the path with its parameters filled in: the same key on another
                account is another request.

        Raises:
            Denied: 409: the key came with something else before, or the request it waited for
                broke off; 422: it is no key; 429: so many of the subject's are at work.
        """
        if not KEY.fullmatch(key):
            raise Denied(422, "idempotency_key_malformed", who=subject)
        digest = sha256(b"%d:%b:%b" % (len(route.encode()), route.encode(), body)).digest()
        name = (subject, key)
        self._forget()
        kept = self._kept.get(name)
        if kept is None:
            return await self._first(name, digest, effect)
        if kept.digest != digest:
            raise Denied(409, "idempotency_key_reused", who=subject)
        await kept.answered.wait()
        if kept.answer is None:
            raise Denied(409, "idempotency_first_failed", who=subject)
        return kept.answer

    def __len__(self) -> int:
        return len(self._kept)

    async def _first(
        self, name: tuple[str, str], digest: bytes, effect: Callable[[], Awaitable[Answer]]
    ) -> Answer:
        self._make_room(name[0])
        kept = self._kept[name] = _Kept(digest, self._now_s())
        self._of[name[0]] = self._of.get(name[0], 0) + 1
        try:
            with anyio.CancelScope(shield=True):
                answer = kept.answer = await effect()
            return answer
        finally:
            if kept.answer is None or kept.answer.status >= 500:
                self._drop(name)
            kept.answered.set()

    def _make_room(self, subject: str) -> None:
        """Drops the oldest answer of the subject, or of all; never one that is still at work.

        Raises:
            Denied: 429: all of them are at work.
        """
        is_mine = self._of.get(subject, 0) >= KEPT_OF_ONE_MAX
        if not is_mine and len(self._kept) < KEPT_MAX:
            return
        for name, kept in self._kept.items():
            if kept.answer is not None and (not is_mine or name[0] == subject):
                self._drop(name)
                return
        raise Denied(429, "too_many_at_work", retry_after_s=1, who=subject)

    def _forget(self) -> None:
        oldest_s = self._now_s() - KEPT_S
        while self._kept:
            name, kept = next(iter(self._kept.items()))
            if kept.begun_s > oldest_s or kept.answer is None:
                return
            self._drop(name)

    def _drop(self, name: tuple[str, str]) -> None:
        del self._kept[name]
        left = self._of[name[0]] - 1
        if left:
            self._of[name[0]] = left
        else:
            del self._of[name[0]]
