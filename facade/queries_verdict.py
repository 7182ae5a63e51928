"""One verdict: what decided, on what, by which rule, and what came of it when."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace
from starlette.responses import Response

from engine.domain.ids import AccountKey
from engine.domain.records import (
    AccountHalted,
    CloseIntended,
    CloseSettled,
    CloseWaits,
    OrderCancelled,
    PositionClosed,
    Record,
)
from facade.api_structs import TimelineItem, VerdictAnswer
from facade.api_structs_calls import NoQuery
from facade.call import Call, answer
from facade.codec import time_text
from facade.problems import not_found
from facade.queries_rulesets import hash_of

FOLLOWING = 500
"""Records after the verdict that are looked at for what came of it."""
_SIGNS = {"below": "<", "at_or_below": "<="}
CAME_OF_IT = (
    AccountHalted,
    CloseIntended,
    CloseWaits,
    CloseSettled,
    OrderCancelled,
    PositionClosed,
)


async def verdict(call: Call) -> Response:
    """What decided; 404 where it is of an account that is not the caller's."""
    call.query(NoQuery)
    return answer(await verdict_answer(call))


async def verdict_answer(call: Call) -> VerdictAnswer:
    """The verdict of the path, with all it was made of.

    Raises:
        Problem: 404: there is none, or it is of somebody else.
    """
    name = verdict_id_of(call)
    # Those of others are not looked through: neither the time it takes nor its cost are theirs.
    keys = None if call.scope.is_every else call.scope.keys()
    with call.looking_back():
        found = await call.desk.verdict(name, keys)
    if found is None:
        raise not_found()
    record = found["record"]
    key = call.scope.one(record["server"], record["login"])
    if key is None:
        raise not_found()
    rules = found.get("rules")
    return VerdictAnswer(
        verdict_id=name,
        server=key.server,
        login=key.login,
        time=time_text(record["time_msc"]),
        record=record,
        formula=formula_of(record, found),
        input=found.get("input"),
        quotes=found.get("quotes", {}),
        balance=found.get("balance"),
        credit=found.get("credit"),
        currency=found.get("currency"),
        positions=found.get("positions", ()),
        ruleset=found.get("ruleset"),
        ruleset_hash=None if rules is None else hash_of(rules),
        rules=() if rules is None else rules,
        digest=found.get("digest"),
        agrees=found.get("agrees"),
        journal_head=found.get("journal_head"),
        timings=await _timeline(call, key, record),
    )


def verdict_id_of(call: Call) -> str:
    """The verdict of the path.

    Raises:
        Problem: 404: it is none.
    """
    name: str = call.request.path_params["id"]
    if not (name.startswith("vrd_") and name.isascii() and len(name) <= 64):
        raise not_found()
    return name


def formula_of(record: Mapping[str, Any], found: Mapping[str, Any]) -> str:
    """The rule with its numbers, in one line."""
    unit = found.get("currency") or ""
    if "floor" not in record:
        return f"{record['measured']} = {record['value']}, limit {record['limit']}"
    measured = record.get("measured", "equity")
    value = record.get(measured, record["equity"])
    lost = record["reference"] - record["floor"]
    floor = f"floor = {record['reference']} - {round(lost, 8)} = {record['floor']} {unit}".strip()
    if "used_percent" in record:
        return f"{floor}; {record['used_percent']} % of the amount used at {value} {unit}".strip()
    sign = _SIGNS.get(record["comparator"], record["comparator"])
    told = record.get("broker_equity")
    too = "" if told is None else f", the broker's own {told} as well"
    return f"{floor}; {measured} {value} {sign} {record['floor']} {unit}".strip() + too


async def _timeline(
    call: Call, key: AccountKey, verdict_record: Mapping[str, Any]
) -> tuple[TimelineItem, ...]:
    """The verdict, and what this guard did after it: halts, closes, deals, with milliseconds."""
    began_msc = verdict_record["time_msc"]
    items = [_item(verdict_record["type"], verdict_record["seq"], began_msc, began_msc, None)]
    guard = verdict_record["guard"]
    ours: set[str] = set()
    for record in await call.desk.records(key, verdict_record["seq"], FOLLOWING):
        if isinstance(record, CAME_OF_IT) and is_of(record, guard, ours):
            kind = str(type(record).__struct_config__.tag)
            position = getattr(record, "position_id", None)
            item = _item(kind, record.seq, record.time_msc, began_msc, position)
            sacrificed = getattr(record, "sacrificed", None) or ()
            yields_to = getattr(record, "yields_to", ())
            items.append(replace(item, sacrificed=sacrificed, yields_to=yields_to))
    return tuple(items)


def is_of(record: Record, guard: str, ours: set[str]) -> bool:
    """Whether the guard did it; `ours`: the intents of its closes, which this goes on with."""
    if isinstance(record, AccountHalted):
        return record.cause == guard
    if isinstance(record, CloseSettled):
        return record.intent_id in ours
    if getattr(record, "reason", None) != f"guard:{guard}":
        return False
    if isinstance(record, CloseIntended):
        ours.add(record.intent_id)
    return True


def _item(
    kind: str, seq: int, time_msc: int, began_msc: int, position_id: int | None
) -> TimelineItem:
    return TimelineItem(
        type=kind,
        seq=seq,
        time=time_text(time_msc),
        after_ms=time_msc - began_msc,
        position_id=position_id,
    )
