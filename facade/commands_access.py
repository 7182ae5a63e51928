"""Approvals by a second person, and sessions of the page."""

from typing import Any

import msgspec
from starlette.responses import Response

from engine.domain.commands import Command, Release
from engine.errors import AdapterError, UserError
from facade.api_structs import Accepted, ApprovalsPage, ApprovalView, SessionOpened
from facade.api_structs_calls import DecisionBody, NoQuery, RulesetBody
from facade.approvals import Approval
from facade.call import Call, answer
from facade.codec import encode, time_text
from facade.commands import carry_out, once, respec_of, unkept
from facade.idempotency import Answer
from facade.problems import Problem


class _Asked(msgspec.Struct):
    """The payload of an approval."""

    reason: str
    cause: str = ""
    ruleset: str = ""


def _view(one: Approval, now_msc: int) -> ApprovalView:
    state: Any = "expired" if one.is_expired(now_msc) else one.state
    return ApprovalView(
        approval_id=one.approval_id,
        action=one.action,
        account=one.account,
        asked=msgspec.Raw(one.payload.encode()),
        reason=one.reason,
        proposed_by=one.proposed_by,
        proposed_at=time_text(one.proposed_msc),
        expires_at=time_text(one.expires_msc),
        state=state,
        decided_by=one.decided_by,
        decided_at=time_text(one.decided_msc),
        decision_reason=one.decision_reason,
        outcome=one.outcome,
    )


async def approvals(call: Call) -> Response:
    """What waits for a second person, then the newest of what was decided."""
    call.query(NoQuery)
    now_msc = call.parts.now_msc()
    found = await call.parts.approvals.visible(call.scope)
    return answer(ApprovalsPage(approvals=tuple(_view(one, now_msc) for one in found[:500])))


async def decide(call: Call) -> Response:
    """The second person agrees, and it is carried out now; or rejects it."""
    said = call.said(DecisionBody)
    call.query(NoQuery)
    parts = call.parts

    async def effect() -> Answer:
        try:
            if said.decision == "reject":
                await parts.approvals.reject(said.approval_id, call.who, call.scope, said.reason)
                done = Accepted(
                    status="accepted", intent_ids=(), seq=None, approval_id=said.approval_id
                )
                return Answer(202, (), encode(done))
            one = await parts.approvals.approve(said.approval_id, call.who, call.scope)
        except AdapterError:
            raise unkept() from None
        return Answer(202, (), encode(await _carried_out(call, one)))

    return await once(call, effect)


async def _carried_out(call: Call, one: Approval) -> Accepted:
    """Exactly what was asked for; what came of it is noted, also a refusal."""
    key = call.named(one.account)
    asked = msgspec.json.decode(one.payload, type=_Asked)
    by = f"{one.proposed_by}+{call.who.subject}"
    outcome = "failed"
    try:
        command: Command
        if one.action == "release":
            command = Release(0, by, asked.cause, asked.reason)
        else:
            command = respec_of(
                call, key, RulesetBody(ruleset=asked.ruleset, reason=asked.reason), by
            )
        done = await carry_out(call, key, command)
        outcome = "carried out"
        return msgspec.structs.replace(done, approval_id=one.approval_id)
    except Problem as problem:
        outcome = f"refused: {problem.detail}"
        raise
    finally:
        try:
            await call.parts.approvals.settle(one.approval_id, outcome)
        except AdapterError:
            call.parts.audit.failures += 1


async def session(call: Call) -> Response:
    """A session for the page, or the one of the cookie renewed."""
    call.query(NoQuery)
    if not call.parts.options.cookies:
        raise Problem(403, "no_cookies", "Nobody signs in here: `[http] cookies` is off.")
    try:
        opened = call.parts.sessions.open(call.who)
    except UserError:
        raise Problem(503, "no_sessions", "The directory of keys cannot be written.") from None
    if call.who.session_id is None:
        await call.parts.audit.record(
            call.who, "sign in", "accepted", kind="session", origin=call.address
        )
    made = answer(
        SessionOpened(
            subject=call.who.subject,
            role=call.who.role,
            csrf_token=opened.csrf,
            expires_at=time_text(opened.expires_s * 1000),
            accounts=len(call.scope.keys()),
        )
    )
    for cookie in opened.cookies:
        made.headers.append("Set-Cookie", cookie)
    return made


async def end_session(call: Call) -> Response:
    """Signed out for good, in every process."""
    call.query(NoQuery)
    try:
        cookies = call.parts.sessions.close(call.who)
    except UserError:
        raise Problem(503, "no_sessions", "The directory of keys cannot be written.") from None
    await call.parts.audit.record(
        call.who, "sign out", "accepted", kind="session", origin=call.address
    )
    made = Response(None, 204, headers={"Cache-Control": "no-store"})
    for cookie in cookies:
        made.headers.append("Set-Cookie", cookie)
    return made
