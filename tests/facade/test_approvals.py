from collections.abc import Sequence

import pytest
import trio

from adapters.memory.audit import MemoryAuditTrail
from engine.audit import AuditEntry, first_fault
from engine.errors import AdapterError
from facade import approvals
from facade.access import AccountScope, Denied, Principal, Role
from facade.approvals import Approval, Approvals
from tests.facade.access_desk import FOREIGN, OWN

SCOPE, ELSEWHERE = AccountScope((OWN,)), AccountScope((FOREIGN,))
BODY = '{"cause":"daily loss","reason":"agreed with the trader"}'


def person(subject: str, role: Role = "operator") -> Principal:
    return Principal(
        subject=subject,
        role=role,
        accounts=(str(OWN),),
        token_id="token-id-1",
        key_id="k",
        authenticated_s=0,
        expires_s=900,
    )


ANN, BOB, ZOE = person("ann"), person("bob"), person("zoe", "admin")


class Room:
    """Approvals over a trail in memory, under a clock set by hand."""

    def __init__(self, trail: MemoryAuditTrail | None = None) -> None:
        self.now_msc = 1_700_000_000_000
        self.trail = trail or MemoryAuditTrail()
        self.held = Approvals(self.trail, lambda: self.now_msc)

    def restarted(self) -> "Room":
        room = Room(self.trail)
        room.now_msc = self.now_msc
        return room

    async def release(self, by: Principal = ANN, body: str = BODY) -> Approval:
        return await self.held.propose(by, "release", str(OWN), body, "agreed")


async def refusal(room: Room, approval_id: str, by: Principal, scope: AccountScope = SCOPE) -> str:
    with pytest.raises(Denied) as caught:
        await room.held.approve(approval_id, by, scope)
    return f"{caught.value.status} {caught.value.reason}"


async def test_one_proposes_and_another_approves_exactly_that_once() -> None:
    room = Room()
    one = await room.release()
    assert (one.state, one.payload, one.proposed_by) == ("waiting", BODY, "api:ann")
    assert await refusal(room, one.approval_id, ANN) == "403 second_person_needed"
    assert await refusal(room, one.approval_id, person("ANN")) == "403 second_person_needed"
    assert await refusal(room, one.approval_id, person("cy", "viewer")) == "403 role"
    approved = await room.held.approve(one.approval_id, BOB, SCOPE)
    assert (approved.state, approved.payload, approved.decided_by) == ("approved", BODY, "api:bob")
    assert await refusal(room, one.approval_id, ZOE) == "409 approval_decided"
    done = await room.held.settle(one.approval_id, "released")
    assert (done.state, done.outcome) == ("done", "released")


async def test_a_ruleset_needs_an_admin_for_the_second_person() -> None:
    room = Room()
    one = await room.held.propose(ZOE, "ruleset", str(OWN), "{}", "wider")
    assert await refusal(room, one.approval_id, BOB) == "403 role"
    assert await refusal(room, one.approval_id, ZOE) == "403 second_person_needed"
    await room.held.approve(one.approval_id, person("yan", "admin"), SCOPE)
    with pytest.raises(Denied, match="role"):
        await room.held.propose(person("cy", "viewer"), "ruleset", str(OWN), "{}", "")


async def test_a_foreign_approval_and_a_missing_one_are_the_same() -> None:
    room = Room()
    one = await room.release()
    assert await refusal(room, one.approval_id, BOB, ELSEWHERE) == "404 approval_unknown"
    assert await refusal(room, "apr_0", BOB) == "404 approval_unknown"
    assert await room.held.visible(ELSEWHERE) == []
    assert await room.held.visible(SCOPE) == [one]


async def test_what_waits_too_long_cannot_be_approved() -> None:
    room = Room()
    one = await room.release()
    room.now_msc = one.expires_msc - 1
    assert not one.is_expired(room.now_msc)
    room.now_msc += 1
    assert one.is_expired(room.now_msc)
    assert await refusal(room, one.approval_id, BOB) == "409 approval_expired"
    assert (await room.release()).approval_id != one.approval_id


async def test_asked_twice_it_waits_once() -> None:
    room = Room()
    one = await room.release()
    assert await room.release() == one
    assert (await room.release(BOB)).approval_id != one.approval_id
    assert (await room.release(ANN, "{}")).approval_id != one.approval_id


async def test_a_restart_keeps_what_waits_and_spends_nothing_twice() -> None:
    room = Room()
    waits, spent, ended = [await room.release(ANN, f'{{"n":{number}}}') for number in range(3)]
    await room.held.approve(spent.approval_id, BOB, SCOPE)
    await room.held.reject(ended.approval_id, ANN, SCOPE, "not needed any more")
    again = room.restarted()
    assert await refusal(again, spent.approval_id, ZOE) == "409 approval_decided"
    assert await refusal(again, ended.approval_id, BOB) == "409 approval_decided"
    assert (await again.held.visible(SCOPE))[0] == waits
    await again.held.approve(waits.approval_id, BOB, SCOPE)
    assert not isinstance(first_fault(room.trail.rows), str)


async def test_a_hundred_approvers_at_once_spend_it_once() -> None:
    room = Room()
    one = await room.release()
    came: list[str] = []

    async def approve(number: int) -> None:
        try:
            await room.held.approve(one.approval_id, person(f"p{number}"), SCOPE)
            came.append("approved")
        except Denied as denied:
            came.append(denied.reason)

    async with trio.open_nursery() as nursery:
        for number in range(100):
            nursery.start_soon(approve, number)
    assert sorted(came) == ["approval_decided"] * 99 + ["approved"]


async def test_two_processes_offer_it_and_one_spends_it() -> None:
    room = Room()
    one = await room.release()
    rooms = [room, *(room.restarted() for _ in range(9))]
    came: list[str] = []

    async def approve(where: Room, number: int) -> None:
        try:
            await where.held.approve(one.approval_id, person(f"p{number}"), SCOPE)
            came.append("approved")
        except Denied as denied:
            came.append(denied.reason)

    async with trio.open_nursery() as nursery:
        for number, where in enumerate(rooms):
            nursery.start_soon(approve, where, number)
    assert sorted(came) == ["approval_decided"] * 9 + ["approved"]
    states = {(await where.held.visible(SCOPE))[0].state for where in rooms}
    assert states == {"approved"}


class BrokenTrail(MemoryAuditTrail):
    """One whose disk fails when told to."""

    is_broken = False

    async def append_after(self, entry: AuditEntry, last_number: int) -> int | None:
        await trio.lowlevel.checkpoint()
        if self.is_broken:
            raise AdapterError("no space", system="audit", retry=True)
        return await super().append_after(entry, last_number)


async def test_what_is_not_durable_is_neither_proposed_nor_approved() -> None:
    trail = BrokenTrail()
    room = Room(trail)
    one = await room.release()
    trail.is_broken = True
    with pytest.raises(AdapterError):
        await room.held.approve(one.approval_id, BOB, SCOPE)
    with pytest.raises(AdapterError):
        await room.release(ANN, "{}")
    trail.is_broken = False
    assert await room.held.visible(SCOPE) == [one]
    await room.held.approve(one.approval_id, BOB, SCOPE)


async def test_what_waits_and_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "WAITING_OF_ONE_MAX", 3)
    monkeypatch.setattr(approvals, "KEPT_MAX", 4)
    room = Room()
    waiting: Sequence[Approval] = [await room.release(ANN, f"{number}") for number in range(3)]
    with pytest.raises(Denied) as caught:
        await room.release(ANN, "one more")
    assert caught.value.status == 429
    with pytest.raises(ValueError, match="payload"):
        await room.release(BOB, "x" * 20_000)
    longest = await room.release(BOB, "\x01" * approvals.PAYLOAD_MAX)  # six characters each as JSON
    await room.held.reject(longest.approval_id, BOB, SCOPE, "x" * 9999)
    for number in range(9):
        one = await room.release(BOB, f"{number}")
        await room.held.reject(one.approval_id, ANN, SCOPE, "no")
    assert len(await room.held.visible(SCOPE)) == 4
    assert {one.approval_id for one in waiting} <= {
        one.approval_id for one in await room.held.visible(SCOPE)
    }
