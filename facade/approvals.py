"""What waits for a second person: proposed by one, approved by another, once, within an hour.

Every step is an entry of the audit trail, durable before it counts, and what the trail says is
what is so: what waits is as durable, and as hard to change unseen, as the trail itself. An approval
is spent by approving it: several processes may offer it, and only one of them can. When the
program ends between that and carrying it out, it is not carried out by itself later: it is listed
as approved, and has to be proposed again.
"""

import secrets
from collections.abc import Callable
from typing import Literal

import anyio
import msgspec

from engine.audit import AuditEntry, AuditTrail
from facade.access import AccountScope, Denied, Principal, Role
from facade.access_policy import ADMINS, OPERATORS

Action = Literal["release", "ruleset"]
State = Literal["waiting", "approved", "rejected", "done"]

APPROVERS: dict[Action, frozenset[Role]] = {"release": OPERATORS, "ruleset": ADMINS}
LIFETIME_MS = 3_600_000
WAITING_MAX = 500
WAITING_OF_ONE_MAX = 50
PAYLOAD_MAX = 12_000
KEPT_MAX = 1000
_PAGE = 500


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that needs, or had, a second person."""

    approval_id: str
    action: Action
    account: str
    """`server/login`."""
    payload: str
    """The body that was asked for, as JSON: exactly this is carried out."""
    reason: str
    proposed_by: str
    proposed_msc: int
    expires_msc: int
    state: State = "waiting"
    decided_by: str | None = None
    decided_msc: int | None = None
    decision_reason: str = ""
    outcome: str = ""
    """What came of carrying it out."""

    def is_expired(self, now_msc: int) -> bool:
        """Whether nobody can approve it any more."""
        return self.state == "waiting" and now_msc >= self.expires_msc


_CODER = msgspec.json.Decoder(Approval)


class Approvals:
    """Proposes, decides and lists, by what the trail says at that moment."""

    def __init__(
        self, trail: AuditTrail, now_msc: Callable[[], int], *, lifetime_ms: int = LIFETIME_MS
    ) -> None:
        """Reads nothing yet."""
        self._trail = trail
        self._now_msc = now_msc
        self._lifetime_ms = lifetime_ms
        self._all: dict[str, Approval] = {}
        self._read_to = 0
        """Number of the trail's last entry that is in it."""
        self._lock = anyio.Lock()

    async def propose(
        self, by: Principal, action: Action, account: str, payload: str, reason: str
    ) -> Approval:
        """Asks for a second person; durable on return. Asked again while it waits, it is the same.

        Raises:
            Denied: 403: the role may not; 429: too much waits.
            ValueError: the payload is too long.
            AdapterError: it is not durable, so nothing waits.
        """
        if by.role not in OPERATORS:
            raise Denied(403, "role", who=by.subject)
        if len(payload) > PAYLOAD_MAX:
            raise ValueError(f"a payload of {len(payload)} characters, at most {PAYLOAD_MAX}")
        async with self._lock:
            while True:
                await self._catch_up()
                one, is_new = self._proposed(by, action, account, payload, reason)
                if not is_new or await self._keep(one, by.name, f"propose {action}", "waiting"):
                    return one

    async def approve(self, approval_id: str, by: Principal, scope: AccountScope) -> Approval:
        """Spends it, durably: whoever gets it carries it out, now, and then calls `settle`.

        Raises:
            Denied: 403: it is their own, or the role may not; 404: none, or not of their
                accounts; 409: it was decided before, or has expired.
            AdapterError: it is not durable, so it is not approved.
        """
        return await self._decide(approval_id, by, scope, "approved", "")

    async def reject(
        self, approval_id: str, by: Principal, scope: AccountScope, reason: str
    ) -> Approval:
        """Ends it. Whoever proposed it may do that too. Raises as `approve`."""
        return await self._decide(approval_id, by, scope, "rejected", reason[:300])

    async def settle(self, approval_id: str, outcome: str) -> Approval:
        """Notes what came of carrying it out."""
        async with self._lock:
            while True:
                await self._catch_up()
                one = self._all[approval_id]
                assert one.state == "approved", one.state
                settled = msgspec.structs.replace(one, state="done", outcome=outcome[:300])
                by = one.decided_by or "unknown"
                if await self._keep(settled, by, f"carry out {one.action}", outcome):
                    return settled

    async def visible(self, scope: AccountScope) -> list[Approval]:
        """Those of these accounts: what waits first, then the newest."""
        async with self._lock:
            await self._catch_up()
        mine = [one for one in self._all.values() if scope.named(one.account) is not None]
        return sorted(mine, key=lambda one: (not self._waits(one), -one.proposed_msc))

    def _one(self, approval_id: str, scope: AccountScope) -> Approval | None:
        """That of this id; None for a foreign one and for none at all alike."""
        found = self._all.get(approval_id)
        return found if found is not None and scope.named(found.account) is not None else None

    def _proposed(
        self, by: Principal, action: Action, account: str, payload: str, reason: str
    ) -> tuple[Approval, bool]:
        """What is to wait, and whether it does not wait already."""
        now_msc = self._now_msc()
        waiting = [one for one in self._all.values() if self._waits(one)]
        asked = (by.name, action, account, payload)
        for one in waiting:
            if (one.proposed_by, one.action, one.account, one.payload) == asked:
                return one, False
        mine = sum(one.proposed_by == by.name for one in waiting)
        if len(waiting) >= WAITING_MAX or mine >= WAITING_OF_ONE_MAX:
            raise Denied(429, "too_many_wait", retry_after_s=60, who=by.subject)
        made = Approval(
            approval_id=f"apr_{secrets.token_hex(8)}",
            action=action,
            account=account,
            payload=payload,
            reason=reason[:300],
            proposed_by=by.name,
            proposed_msc=now_msc,
            expires_msc=now_msc + self._lifetime_ms,
        )
        return made, True

    async def _catch_up(self) -> None:
        """Reads what has come to the trail, by whomever."""
        while rows := await self._trail.read(self._read_to, _PAGE, "approval"):
            for number, entry in rows:
                self._read_to = number
                try:
                    one = _CODER.decode(entry.detail)
                except msgspec.MsgspecError:
                    continue  # another program's entry; verifying the trail is not this file's
                self._all[one.approval_id] = one
            self._forget()

    async def _decide(
        self,
        approval_id: str,
        by: Principal,
        scope: AccountScope,
        state: Literal["approved", "rejected"],
        reason: str,
    ) -> Approval:
        async with self._lock:
            while True:
                await self._catch_up()
                one = self._decidable(approval_id, by, scope, state)
                decided = msgspec.structs.replace(
                    one,
                    state=state,
                    decided_by=by.name,
                    decided_msc=self._now_msc(),
                    decision_reason=reason,
                )
                if await self._keep(decided, by.name, f"{state} {one.action}", state):
                    return decided

    def _decidable(
        self, approval_id: str, by: Principal, scope: AccountScope, state: State
    ) -> Approval:
        one = self._one(approval_id, scope)
        if one is None:
            raise Denied(404, "approval_unknown", who=by.subject)
        if by.role not in APPROVERS[one.action]:
            raise Denied(403, "role", who=by.subject)
        is_own = by.name.casefold() == one.proposed_by.casefold()
        if state == "approved" and is_own:
            raise Denied(403, "second_person_needed", who=by.subject)
        if not self._waits(one):
            expired = one.is_expired(self._now_msc())
            raise Denied(409, "approval_expired" if expired else "approval_decided", who=by.subject)
        return one

    async def _keep(self, one: Approval, by: str, asked: str, outcome: str) -> bool:
        """Whether it is durable; False: another process was first, so look again."""
        entry = AuditEntry(
            time_msc=self._now_msc(),
            by=by,
            asked=f"{asked} ({one.approval_id})",
            outcome=outcome,
            kind="approval",
            account=one.account,
            reason=one.decision_reason or one.reason,
            detail=msgspec.json.encode(one).decode(),
        )
        number = await self._trail.append_after(entry, self._read_to)
        if number is None:
            return False
        self._read_to = number
        self._all[one.approval_id] = one
        self._forget()
        return True

    def _waits(self, one: Approval) -> bool:
        return one.state == "waiting" and self._now_msc() < one.expires_msc

    def _forget(self) -> None:
        spare = len(self._all) - KEPT_MAX
        for name in [name for name, one in self._all.items() if not self._waits(one)]:
            if spare <= 0:
                return
            del self._all[name]
            spare -= 1
