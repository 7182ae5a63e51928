"""An incident to hand over: the verdict, what came of it, its ticks, signed as one document."""

import anyio.to_thread
import msgspec
from starlette.responses import Response

from engine.domain.records import AccountReleased, CloseAlert, Record
from engine.errors import UserError
from facade.access_keys import AccessKeys
from facade.call import JSON, Call, answer
from facade.codec import encode, encode_record, time_text
from facade.exports import export_of, signed
from facade.problems import Problem
from facade.queries_tape import TAPE
from facade.queries_verdict import CAME_OF_IT, FOLLOWING, is_of, verdict_answer

_TOLD = (*CAME_OF_IT, AccountReleased, CloseAlert)


class ExportQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Whole, or without names and ids."""

    redact: bool = False


class ExportKey(msgspec.Struct, frozen=True, kw_only=True):
    """The public half of a key that incidents are signed with."""

    kid: str
    created_at: str
    algorithm: str
    public: str
    """32 bytes in hexadecimal."""


class ExportKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The newest last; none: incidents are not signed."""

    keys: tuple[ExportKey, ...]


async def export(call: Call) -> Response:
    """The incident as a document; 404 where it is of an account that is not the caller's."""
    query = call.query(ExportQuery)
    told = await verdict_answer(call)
    key = call.scope.one(told.server, str(told.login))
    assert key is not None, "a verdict of somebody else is not answered"
    later = await call.desk.records(key, told.record["seq"], FOLLOWING)
    ours, guard = set[str](), told.record["guard"]
    came = [one for one in later if isinstance(one, _TOLD) and _is_of(one, guard, ours)]
    tape = await call.desk.tapes.of_verdict(told.verdict_id)
    made_at, keys = time_text(call.parts.now_msc()), call.parts.export_keys

    def made() -> bytes:
        parts = encode(told), [encode_record(one) for one in came]
        shown = None if tape is None else encode(TAPE.of(tape))
        return signed(export_of(made_at, *parts, shown, redact=query.redact), keys)

    try:
        body = await anyio.to_thread.run_sync(made)
    except UserError as error:
        raise Problem(503, "not_signed", "The key to sign with cannot be read.") from error
    headers = {
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{told.verdict_id}.json"',
    }
    return Response(body, headers=headers, media_type=JSON)


def _is_of(record: Record, guard: str, ours: set[str]) -> bool:
    if isinstance(record, AccountReleased):
        return record.cause == guard
    if isinstance(record, CloseAlert):
        return record.intent_id in ours
    return is_of(record, guard, ours)


async def export_keys(call: Call) -> Response:
    """The public halves, to hold a document to."""
    keys = call.parts.export_keys
    found = [] if keys is None else await anyio.to_thread.run_sync(public_keys, keys)
    return answer(ExportKeys(keys=tuple(found)))


def public_keys(keys: AccessKeys) -> list[ExportKey]:
    """Those that are live, the oldest first."""
    public = keys.trusted().public
    return [
        ExportKey(
            kid=one.kid,
            created_at=one.created_at,
            algorithm="Ed25519",
            public=public[one.kid].public_bytes_raw().hex(),
        )
        for one in keys.live()
        if one.kid in public
    ]
