"""An audit trail in memory: as strict as a durable one, and gone with the program."""

from collections.abc import Sequence

import anyio.lowlevel

from engine.audit import EMPTY, AuditEntry, AuditHead, AuditRow, Kind, decode_entry, next_row


class MemoryAuditTrail:
    """`AuditTrail` in a list."""

    def __init__(self) -> None:
        self.rows: list[AuditRow] = []

    async def append(self, entry: AuditEntry) -> int:
        """See `AuditTrail.append`."""
        await anyio.lowlevel.checkpoint()
        row = next_row(self._head(), entry)
        self.rows.append(row)
        return row.number

    async def append_after(self, entry: AuditEntry, last_number: int) -> int | None:
        """See `AuditTrail.append_after`."""
        if any(row.kind == entry.kind for row in self.rows[last_number:]):
            await anyio.lowlevel.checkpoint()
            return None
        row = next_row(self._head(), entry)
        self.rows.append(row)
        await anyio.lowlevel.cancel_shielded_checkpoint()
        return row.number

    async def read(
        self, after_number: int, limit: int, kind: Kind | None = None
    ) -> Sequence[tuple[int, AuditEntry]]:
        """See `AuditTrail.read`."""
        await anyio.lowlevel.checkpoint()
        wanted = [one for one in self.rows[after_number:] if kind is None or one.kind == kind]
        return [(one.number, decode_entry(one.body)) for one in wanted[:limit]]

    async def head(self) -> AuditHead:
        """See `AuditTrail.head`."""
        await anyio.lowlevel.checkpoint()
        return self._head()

    def _head(self) -> AuditHead:
        return AuditHead(self.rows[-1].number, self.rows[-1].hash) if self.rows else EMPTY
