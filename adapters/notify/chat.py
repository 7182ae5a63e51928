"""Answers the people who write to the bot: what may be read at once, what acts after a code.

Every request is audited, as it was understood. An audit that fails stops nobody from lowering risk;
the answer says so.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import trio

from adapters.notify import chat_replies as replies
from adapters.notify import templates
from adapters.notify.chat_commands import (
    Acknowledge,
    Act,
    Action,
    Asked,
    Confirm,
    Help,
    Look,
    Mute,
    NotUnderstood,
    Status,
    Topic,
    accounts_named,
    parse,
)
from adapters.notify.codes import Codes, six_digits
from adapters.notify.outbox import AlertOutbox
from engine.audit import AuditEntry
from engine.clock import Clock
from engine.domain import records
from engine.domain.commands import Flatten, Halt, Refused
from engine.domain.ids import AccountKey
from engine.ports import Operations

log = logging.getLogger("tidegate.alerts")

OLD_S = 60
"""A request that took longer to arrive does not act."""
BUTTONS = 20


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer."""

    text: str
    buttons: tuple[str, ...] = ()
    """Texts the person can send with a touch."""


@dataclass(frozen=True, slots=True)
class _Pending:
    action: Action
    keys: tuple[AccountKey, ...]
    everything: bool
    """All accounts there are when it is done, not just those there were when it was asked."""


class Chat:
    """See the top. Who may write is decided before: every user id here is an allowed one."""

    def __init__(
        self,
        operations: Operations,
        outbox: AlertOutbox,
        clock: Clock,
        draw: Callable[[], str] = six_digits,
    ) -> None:
        self._operations = operations
        self._outbox = outbox
        self._clock = clock
        self._codes = Codes[_Pending](draw)

    async def answer(self, user_id: int, text: str, sent_s: int) -> Reply:
        """What to say to this. `sent_s`: when it was written, UTC seconds."""
        asked = parse(text)
        is_old = self._clock.wall_msc() // 1000 - sent_s > OLD_S
        if is_old and isinstance(asked, Act | Confirm | Mute | Acknowledge):
            reply, outcome = Reply("Too old, nothing was done.\nSend it again."), "too old"
        else:
            reply, outcome = await self._answer(user_id, asked)
        if await self._audit(user_id, _named(asked), outcome):
            return reply
        return Reply(f"{reply.text}\n(not in the audit log)", reply.buttons)

    async def _answer(self, user_id: int, asked: Asked) -> tuple[Reply, str]:
        """The reply, and the outcome for the audit."""
        match asked:
            case Status():
                keys = self._operations.keys()
                return Reply(replies.status([self._operations.snapshot(k) for k in keys])), "told"
            case Look():
                return await self._look(asked)
            case Mute():
                return self._mute(asked)
            case Acknowledge():
                pages = self._outbox.acknowledge()
                return Reply(f"{pages} pages acknowledged"), f"{pages} pages"
            case Act():
                return self._offer(user_id, asked)
            case Confirm():
                return await self._confirm(user_id, asked.code)
            case Help():
                return Reply(replies.fitted(replies.HELP)), "told"
            case NotUnderstood():
                return Reply(replies.fitted([asked.reason])), "not understood"

    async def _look(self, asked: Look) -> tuple[Reply, str]:
        found = self._found(asked.account)
        if len(found) != 1:
            return self._which(f"/{asked.topic.value}", asked.account, found), "which account"
        snapshot = self._operations.snapshot(found[0])
        if asked.topic is Topic.ACCOUNT:
            return Reply(replies.account(snapshot)), "told"
        if asked.topic is Topic.GUARDS:
            return Reply(replies.guards(snapshot)), "told"
        verdict = await self._operations.last_verdict(found[0])
        place = templates.Place(found[0], snapshot.currency)
        match verdict:
            case records.GuardWarning() | records.RuleWarning():
                told = templates.warning(verdict, place)
            case records.GuardBreach() | records.RuleBreach():
                told = templates.breach(verdict, place, 0, 0.0)
            case _:
                return Reply("no verdict yet"), "told"
        return Reply(replies.fitted([told.lines[0], told.lines[-1]])), "told"

    def _mute(self, asked: Mute) -> tuple[Reply, str]:
        found = self._found(asked.account)
        if len(found) != 1:
            return self._which("/mute", asked.account, found), "which account"
        self._outbox.mute(found[0], self._clock.wall_msc() + asked.minutes * 60_000)
        text = f"{found[0].login} muted {asked.minutes} min; pages still come"
        return Reply(replies.fitted([text])), "muted"

    def _offer(self, user_id: int, asked: Act) -> tuple[Reply, str]:
        found = list(self._operations.keys()) if asked.everything else self._found(asked.account)
        verb = asked.action.value
        if not asked.everything and len(found) != 1:
            return self._which(f"/{verb}", asked.account, found), "which account"
        snapshots = [self._operations.snapshot(key) for key in found]
        pending = _Pending(asked.action, tuple(found), asked.everything)
        code = self._codes.issue(user_id, pending, trio.current_time())
        name = "ALL" if asked.everything else str(found[0].login)
        return Reply(replies.to_confirm(verb, name, snapshots, code)), "code sent"

    async def _confirm(self, user_id: int, code: str) -> tuple[Reply, str]:
        pending = self._codes.redeem(user_id, code, trio.current_time())
        if pending is None:
            return Reply("Code wrong, used or too late.\nNothing was done."), "code refused"
        keys = tuple(self._operations.keys()) if pending.everything else pending.keys
        verb, by = pending.action.value, f"telegram:{user_id}"
        what = f"{verb} {'all' if pending.everything else keys[0]}"
        # In the log before it is done: what comes after may not get there.
        await self._audit(user_id, what, "confirmed")
        refused: list[str] = []

        async def act(key: AccountKey) -> None:
            why = await self._act(key, pending.action, by)
            if why is not None:
                refused.append(f"{key.login}: {why}")

        async with trio.open_nursery() as nursery:
            for key in keys:
                nursery.start_soon(act, key)
        done = len(keys) - len(refused)
        if pending.everything:
            now_msc = self._clock.wall_msc()
            await self._outbox.notify(templates.kill_switch(by, verb, done, "from chat", now_msc))
        outcome = f"{done} of {len(keys)} taken"
        return Reply(replies.fitted([f"{verb}: {outcome}", *sorted(refused)[:10]])), (
            f"{what}: {outcome}"
        )

    async def _act(self, key: AccountKey, action: Action, by: str) -> str | None:
        """None, or why this account did not take it. One account's trouble stops no other."""
        kind = Halt if action is Action.HALT else Flatten
        command = kind(self._clock.wall_msc(), by, "from chat")
        answer: Refused | None = None
        failed = ""
        try:
            answer = await self._operations.command(key, command)
        except* Exception as crash:  # noqa: BLE001
            failed = type(crash.exceptions[0]).__name__
        if failed:
            log.error("a command from chat failed: account=%s error=%s", key, failed)
            return f"failed ({failed})"
        return None if answer is None else answer.reason

    def _found(self, text: str | None) -> list[AccountKey]:
        return [] if text is None else accounts_named(text, self._operations.keys())

    def _which(self, command: str, text: str | None, found: Sequence[AccountKey]) -> Reply:
        keys = found or (self._operations.keys() if text is None else ())
        names = [str(key) if found else str(key.login) for key in keys[:BUTTONS]]
        return Reply(
            replies.which(text, found),
            () if command == "/mute" else tuple(f"{command} {name}" for name in names),
        )

    async def _audit(self, user_id: int, asked: str, outcome: str) -> bool:
        entry = AuditEntry(
            time_msc=self._clock.wall_msc(),
            by=f"telegram:{user_id}",
            asked=asked,
            outcome=outcome,
        )
        failed = ""
        try:
            await self._operations.audit(entry)
        except* Exception as crash:  # noqa: BLE001
            failed = type(crash.exceptions[0]).__name__
        if failed:
            log.error("the audit failed: error=%s", failed)
        return not failed


def _named(asked: Asked) -> str:
    """What was asked, for the audit: no code, and no free text."""
    match asked:
        case Look():
            return f"{asked.topic.value} {asked.account or ''}".strip()
        case Mute():
            return f"mute {asked.account} {asked.minutes}m"
        case Act():
            return f"{asked.action.value} {'all' if asked.everything else asked.account or ''}"
        case _:
            return type(asked).__name__.lower()
