"""Commands over HTTP: taken when they are durable, in the audit trail, once a key.

What lowers risk (halt, flatten) is never held up by the trail, by other requests or by other
accounts; what raises it waits for the trail, and where it must, for a second person.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import msgspec
import structlog
from starlette.responses import Response

from engine.domain.commands import (
    Adopt,
    ClosePosition,
    Command,
    Flatten,
    Halt,
    Refused,
    Register,
    Release,
    Respec,
)
from engine.domain.ids import AccountKey
from engine.domain.intents import Intent, adopted_name
from engine.domain.positions import Side
from engine.errors import AdapterError, UserError
from facade.api_structs import Accepted, AcceptedAll, Adopted, Failed, NotAdopted
from facade.api_structs_calls import (
    AdoptBody,
    FlattenAllBody,
    FlattenBody,
    HaltBody,
    IntentBody,
    NoQuery,
    ReleaseBody,
    ReportBody,
    RulesetBody,
    ScopeQuery,
)
from facade.call import JSON, Call
from facade.codec import encode
from facade.idempotency import Answer
from facade.internal_rules import needs_second_person
from facade.problems import Problem, unprocessable
from facade.tightening import is_tightening

log = structlog.get_logger("tidegate.commands")
AT_ONCE = 64
"""Accounts of a kill switch that are commanded at the same time."""
TELL_S = 5.0
"""The most that telling people of a kill switch may hold up its answer."""
Effect = Callable[[], Awaitable[Answer]]


async def halt(call: Call) -> Response:
    """No new risk in one account."""
    key, said = call.key(), call.said(HaltBody)
    call.query(NoQuery)
    return await _lower(call, key, Halt(0, call.who.name, said.reason), said.reason)


async def flatten(call: Call) -> Response:
    """Every pending order is cancelled and every position closed; or one position."""
    key, said = call.key(), call.said(FlattenBody)
    call.query(NoQuery)
    by = call.who.name
    command: Command = Flatten(0, by, said.reason)
    if said.position_id is not None:
        command = ClosePosition(0, by, said.position_id, said.reason)
    return await _lower(call, key, command, said.reason)


async def halt_all(call: Call) -> Response:
    """The kill switch: every account of the caller takes no new risk."""
    call.query(ScopeQuery)
    reason = call.said(HaltBody).reason
    return await _all(call, "halt", Halt(0, call.who.name, reason), reason)


async def flatten_all(call: Call) -> Response:
    """The kill switch that also closes everything."""
    call.query(ScopeQuery)
    said = call.said(FlattenAllBody)
    return await _all(call, "flatten", Flatten(0, call.who.name, said.reason), said.reason)


async def release(call: Call) -> Response:
    """A halt ends; one that a guard began, when a second person agrees."""
    key, said = call.key(), call.said(ReleaseBody)
    call.query(NoQuery)
    halts = call.desk.snapshot(key).halts
    cause = said.cause
    if cause is None:
        if len(halts) != 1:
            raise unprocessable("cause", f"one of the account's {len(halts)} halts")
        cause = halts[0]
    if cause not in halts:
        raise unprocessable("cause", "is no halt of this account now")
    command = Release(0, call.who.name, cause, said.reason)

    async def effect() -> Answer:
        if needs_second_person(call.desk, key, command):
            payload = encode({"cause": cause, "reason": said.reason})
            return await _propose(call, "release", key, payload.decode(), said.reason)
        await _note(call, key, "release", "asked", said.reason)
        return await _done(call, key, command)

    return await once(call, effect)


async def ruleset(call: Call) -> Response:
    """Other rules: tighter at once, looser when a second person agrees."""
    key, said = call.key(), call.said(RulesetBody)
    call.query(NoQuery)
    command = respec_of(call, key, said, call.who.name)

    async def effect() -> Answer:
        if not tightens(call, key, command):
            payload = encode({"ruleset": said.ruleset, "reason": said.reason})
            return await _propose(call, "ruleset", key, payload.decode(), said.reason)
        await _note(call, key, f"ruleset {said.ruleset}", "asked", said.reason)
        return await _done(call, key, command)

    return await once(call, effect)


async def adopt(call: Call) -> Response:
    """Positions that nobody here opened are meant from now on; nothing is traded."""
    key, said = call.key(), call.said(AdoptBody)
    call.query(NoQuery)
    numbers = tuple(dict.fromkeys(said.position_ids))

    async def effect() -> Answer:
        names: list[str] = []
        failed: list[NotAdopted] = []
        seq = 0
        for number in numbers:
            await _note(call, key, f"adopt {number}", "asked", said.reason)
            try:
                done = await carry_out(call, key, Adopt(0, call.who.name, number, said.reason))
            except Problem as problem:
                failed.append(NotAdopted(number, problem.detail))
            else:
                names.append(adopted_name(number))
                seq = done.seq or seq
        if not names:
            raise Problem(409, "refused", failed[0].reason)
        return _accepted(
            Adopted(status="accepted", intent_ids=tuple(names), seq=seq, failed=tuple(failed))
        )

    return await once(call, effect)


async def ask_report(call: Call) -> Response:
    """The terminal of an account is asked for a full report."""
    said = call.said(ReportBody)
    call.query(NoQuery)
    key = call.named(said.account)

    async def effect() -> Answer:
        call.parts.limits.full_report(key, call.who.subject)
        if not await call.desk.ask_report(key):
            raise Problem(409, "not_linked", "The account's terminal is not linked.")
        return _accepted(Accepted(status="accepted", intent_ids=(), seq=None))

    return await once(call, effect)


async def intents(call: Call) -> Response:
    """A strategy says what it means to hold; said twice with the same words, it is said once."""
    said = call.said(IntentBody)
    call.query(NoQuery)
    key = call.named(said.account)
    intent = Intent(
        intent_id=said.intent_id,
        symbol=said.symbol,
        side=Side(said.side),
        volume_lots=said.volume_lots,
        open_price=said.open_price,
        stop_loss=said.stop_loss,
        take_profit=said.take_profit,
        magic=said.magic,
        tag=said.tag,
        registered_at_msc=call.parts.now_msc(),
        expires_at_msc=said.expires_at_msc,
        in_flight_lots=said.in_flight_lots,
    )

    async def effect() -> Answer:
        await _note(call, key, f"register {said.intent_id}", "asked", "")
        done = await _done(call, key, Register(0, call.who.name, intent))
        found = msgspec.json.decode(done.body, type=Accepted)
        return _accepted(msgspec.structs.replace(found, intent_ids=(said.intent_id,)))

    return await once(call, effect)


# What they have in common


async def once(call: Call, effect: Effect) -> Response:
    """The effect's answer; with an Idempotency-Key, that of the first request that had it."""
    key = call.request.headers.get("idempotency-key")
    if key is None:
        found = await effect()
    else:
        path = call.request.scope["path"]
        route = f"{call.request.method} {path}?{call.request.scope['query_string'].decode()}"
        found = await call.parts.idempotency.once(call.who.subject, key, route, call.body, effect)
    headers = {"Cache-Control": "no-store", **dict(found.headers)}
    return Response(found.body, found.status, headers=headers, media_type=JSON)


def respec_of(call: Call, key: AccountKey, said: RulesetBody, by: str) -> Respec:
    """The command that puts a ruleset of the book in force.

    Raises:
        Problem: 422: there is none of that name, or it does not fit.
    """
    try:
        spec = call.parts.specs(key, said.ruleset)
    except UserError as error:
        raise unprocessable("ruleset", str(error)[:300]) from None
    return Respec(0, by, spec, said.reason)


async def carry_out(call: Call, key: AccountKey, command: Command) -> Accepted:
    """The command, once what it led to is durable.

    Raises:
        Problem: 409: the account refuses it.
    """
    done = await call.desk.command(key, command)
    if isinstance(done, Refused):
        raise Problem(409, "refused", done.reason)
    return Accepted(status="accepted", intent_ids=done.intent_ids, seq=done.seq)


def _accepted(value: Any) -> Answer:
    return Answer(202, (), encode(value))


async def _done(call: Call, key: AccountKey, command: Command) -> Answer:
    return _accepted(await carry_out(call, key, command))


async def _lower(call: Call, key: AccountKey, command: Command, reason: str) -> Response:
    """Done first, written to the trail then, whatever came of it."""
    verb = str(type(command).__struct_config__.tag)

    async def effect() -> Answer:
        outcome = "failed"
        try:
            done = await _done(call, key, command)
            outcome = "accepted"
            return done
        except Problem as problem:
            outcome = problem.detail
            raise
        finally:
            with anyio.CancelScope(shield=True):
                await call.parts.audit.record(
                    call.who,
                    verb,
                    outcome,
                    account=str(key),
                    origin=call.address,
                    reason=reason,
                )

    return await once(call, effect)


async def _all(call: Call, action: str, command: Command, reason: str) -> Response:
    """Every account at once; one that cannot is told, and stops no other."""

    async def effect() -> Answer:
        keys = call.scope.keys()
        names: list[str] = []
        failed: list[Failed] = []
        limit = anyio.CapacityLimiter(AT_ONCE)

        async def one(key: AccountKey) -> None:
            async with limit:
                try:
                    done = await carry_out(call, key, command)
                except Problem as problem:
                    failed.append(Failed(str(key), problem.detail))
                except Exception as error:  # noqa: BLE001  the others go on
                    failed.append(Failed(str(key), type(error).__name__))
                else:
                    names.extend(done.intent_ids)

        async def tell() -> None:
            try:
                with anyio.move_on_after(TELL_S):
                    await call.parts.on_kill(call.who.name, action, len(keys), reason)
            except Exception as error:  # noqa: BLE001  whoever cannot be told stops no stop
                log.error("kill switch not told", by=call.who.name, cause=str(error)[:200])

        async with anyio.create_task_group() as group:
            group.start_soon(tell)
            for key in keys:
                group.start_soon(one, key)
        outcome = f"accepted for {len(keys) - len(failed)} of {len(keys)} accounts"
        await call.parts.audit.record(
            call.who, f"{action} all", outcome, origin=call.address, reason=reason
        )
        return _accepted(
            AcceptedAll(
                status="accepted",
                accounts=len(keys),
                intent_ids=tuple(names),
                failed=tuple(sorted(failed, key=lambda one: one.account)),
            )
        )

    return await once(call, effect)


def tightens(call: Call, key: AccountKey, command: Respec) -> bool:
    """Against the rules in force, as the book has them by name; where it has none: no."""
    try:
        old = call.parts.specs(key, call.desk.snapshot(key).ruleset)
    except (UserError, Problem):
        return False
    longer = (command.spec.minimum_hold_s or 0.0) > (old.minimum_hold_s or 0.0)
    return not longer and is_tightening(old.guards, command.spec.guards)


async def _propose(call: Call, action: Any, key: AccountKey, payload: str, reason: str) -> Answer:
    try:
        one = await call.parts.approvals.propose(call.who, action, str(key), payload, reason)
    except AdapterError:
        raise unkept() from None
    waiting = Accepted(status="waiting", intent_ids=(), seq=None, approval_id=one.approval_id)
    return _accepted(waiting)


async def _note(call: Call, key: AccountKey, asked: str, outcome: str, reason: str) -> None:
    """In the trail before it happens.

    Raises:
        Problem: 503: it is not, so it may not happen.
    """
    try:
        await call.parts.audit.require(
            call.who, asked, outcome, account=str(key), origin=call.address, reason=reason
        )
    except AdapterError:
        raise unkept() from None


def unkept() -> Problem:
    """503: what raises risk waits for the trail's disk."""
    return Problem(503, "audit_failed", "The audit trail cannot be written: this waits for it.")
