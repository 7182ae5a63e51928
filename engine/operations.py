"""What a person may read and do from afar, over the desk: it can only lower risk."""

from collections.abc import Sequence

from engine.audit import AuditEntry, AuditTrail
from engine.desk import Desk
from engine.domain.commands import Flatten, Halt, Refused
from engine.domain.ids import AccountKey
from engine.domain.records import VERDICTS, Record
from engine.domain.snapshot import Snapshot

PAGE_RECORDS = 512
LOOK_BACK_RECORDS = 65_536
"""Records of one account that are looked through for its last verdict."""


class DeskOperations:
    """`Operations` of a desk."""

    def __init__(self, desk: Desk, trail: AuditTrail) -> None:
        """`trail`: where who asked for what is kept."""
        self._desk = desk
        self._trail = trail

    def keys(self) -> Sequence[AccountKey]:
        """See `Operations.keys`."""
        return self._desk.keys()

    def snapshot(self, key: AccountKey) -> Snapshot:
        """See `Operations.snapshot`."""
        return self._desk.snapshot(key)

    async def last_verdict(self, key: AccountKey) -> Record | None:
        """See `Operations.last_verdict`. Reads backwards, a page at a time."""
        before = self._desk.snapshot(key).seq
        oldest = max(0, before - LOOK_BACK_RECORDS)
        while before > oldest:
            after = max(oldest, before - PAGE_RECORDS)
            page = await self._desk.records(key, after, before - after)
            for record in reversed(page):
                if isinstance(record, VERDICTS):
                    return record
            before = after
        return None

    async def command(self, key: AccountKey, command: Halt | Flatten) -> Refused | None:
        """See `Operations.command`."""
        done = await self._desk.command(key, command)
        return done if isinstance(done, Refused) else None

    async def audit(self, entry: AuditEntry) -> None:
        """See `Operations.audit`."""
        await self._trail.append(entry)
