"""What is offered from afar: reading, and lowering risk."""

from collections.abc import Sequence

from msgspec.structs import replace

from engine.audit import AuditEntry, AuditHead, Kind
from engine.desk import Taken
from engine.domain import records
from engine.domain.commands import Flatten, Halt, Refused
from engine.operations import PAGE_RECORDS, DeskOperations
from tests.engine.alert_desk import KEY, AlertDesk, breach, record


class Log:
    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []

    async def append(self, entry: AuditEntry) -> int:
        self.entries.append(entry)
        return len(self.entries)

    async def append_after(self, entry: AuditEntry, last_number: int) -> int | None:
        raise AssertionError("nothing here is decided by several")

    async def read(
        self, after_number: int, limit: int, kind: Kind | None = None
    ) -> Sequence[tuple[int, AuditEntry]]:
        return []

    async def head(self) -> AuditHead:
        raise AssertionError("nobody asks for it here")


async def test_the_last_verdict_is_found_behind_many_other_records() -> None:
    desk, log = AlertDesk(), Log()
    others = [
        replace(record(records.AccountHalted, cause="x"), seq=number)
        for number in range(3, 2 * PAGE_RECORDS + 5)
    ]
    desk.kept = [replace(breach(), seq=1), replace(breach(guard="last"), seq=2), *others]
    desk.now = replace(desk.now, seq=others[-1].seq)
    found = await DeskOperations(desk, log).last_verdict(KEY)
    assert isinstance(found, records.GuardBreach)
    assert found.guard == "last"


async def test_an_account_without_a_verdict_has_none() -> None:
    desk = AlertDesk()
    assert await DeskOperations(desk, Log()).last_verdict(KEY) is None


async def test_commands_are_handed_on_and_a_refusal_comes_back() -> None:
    desk = AlertDesk()
    operations = DeskOperations(desk, Log())
    assert await operations.command(KEY, Halt(0, "telegram:1", "why")) is None
    desk.answer = Refused("no")
    assert await operations.command(KEY, Flatten(0, "telegram:1", "why")) == Refused("no")
    assert [type(one) for one in desk.asked] == [Halt, Flatten]
    desk.answer = Taken(1, ())


async def test_requests_are_audited() -> None:
    log = Log()
    entry = AuditEntry(time_msc=1, by="telegram:1", asked="/status", outcome="told")
    operations = DeskOperations(AlertDesk(), log)
    await operations.audit(entry)
    assert log.entries == [entry]
    assert operations.keys() == (KEY,)
    assert operations.snapshot(KEY).login == KEY.login
