"""Writing to the audit trail from the facade: what was asked, and what was refused.

A flood of refusals is written as one entry and a count, so that it fills no disk and cannot hide
what else happened. A trail that fails stops nobody from lowering risk: `record` says so and goes
on. What raises risk is written with `require`, which does not.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import structlog

from engine.audit import AuditEntry, AuditHead, AuditTrail, Kind
from engine.errors import AdapterError
from facade.access import Denied, Principal
from facade.access_gate import Asked

log = structlog.get_logger("tidegate.audit")

REPEATS_MS = 10_000
CALLERS_MAX = 4096
DENIED_PER_MINUTE = 600


class CountedTrail:
    """An `AuditTrail` that says of each entry that it is kept, whoever wrote it."""

    def __init__(self, trail: AuditTrail, on_entry: Callable[[], None]) -> None:
        """`on_entry` is called once the entry is durable."""
        self._trail = trail
        self._on_entry = on_entry

    async def append(self, entry: AuditEntry) -> int:
        """See `AuditTrail.append`."""
        number = await self._trail.append(entry)
        self._on_entry()
        return number

    async def append_after(self, entry: AuditEntry, last_number: int) -> int | None:
        """See `AuditTrail.append_after`."""
        number = await self._trail.append_after(entry, last_number)
        if number is not None:
            self._on_entry()
        return number

    async def read(
        self, after_number: int, limit: int, kind: Kind | None = None
    ) -> Sequence[tuple[int, AuditEntry]]:
        """See `AuditTrail.read`."""
        return await self._trail.read(after_number, limit, kind)

    async def head(self) -> AuditHead:
        """See `AuditTrail.head`."""
        return await self._trail.head()


class AuditRecorder:
    """Makes entries of requests."""

    def __init__(self, trail: AuditTrail, now_msc: Callable[[], int]) -> None:
        """`now_msc`: the wall clock."""
        self.trail = trail
        self._now_msc = now_msc
        self._seen: OrderedDict[tuple[str, ...], tuple[int, int]] = OrderedDict()
        self._minute = (0, 0)
        self.failures = 0
        """Entries that were not kept; a metric."""
        self.unwritten = 0
        """Refusals beyond what is written in a minute; a metric."""

    async def require(
        self,
        who: Principal,
        asked: str,
        outcome: str,
        *,
        kind: Kind = "command",
        account: str = "",
        origin: str = "",
        reason: str = "",
    ) -> None:
        """Writes it, durable on return.

        Raises:
            AdapterError: it is not kept, so what it is about may not happen.
        """
        entry = AuditEntry(
            time_msc=self._now_msc(),
            by=who.name,
            asked=asked,
            outcome=outcome,
            kind=kind,
            account=account,
            origin=origin,
            reason=reason,
        )
        try:
            await self.trail.append(entry)
        except AdapterError:
            self.failures += 1
            raise

    async def record(
        self,
        who: Principal,
        asked: str,
        outcome: str,
        *,
        kind: Kind = "command",
        account: str = "",
        origin: str = "",
        reason: str = "",
    ) -> bool:
        """The same for what lowers risk: False, and a line in the log, when it was not kept."""
        try:
            await self.require(
                who, asked, outcome, kind=kind, account=account, origin=origin, reason=reason
            )
        except AdapterError as error:
            log.error("not in the audit trail", by=who.name, asked=asked, cause=str(error))
            return False
        return True

    async def denied(self, asked: Asked, denied: Denied) -> None:
        """Writes a refused attempt; repeats within ten seconds are counted in the next entry."""
        now_msc = self._now_msc()
        what = (asked.address, denied.who, asked.method, asked.path, denied.reason)
        since, repeats = self._seen.get(what, (-REPEATS_MS, 0))
        if now_msc - since < REPEATS_MS:
            self._seen[what] = (since, repeats + 1)
            return
        minute, written = self._minute
        if minute != now_msc // 60_000:
            minute, written = now_msc // 60_000, 0
        self._minute = (minute, written + 1)
        if written >= DENIED_PER_MINUTE:
            self.unwritten += 1
            return
        self._seen[what] = (now_msc, 0)
        self._seen.move_to_end(what)
        while len(self._seen) > CALLERS_MAX:
            self._seen.popitem(last=False)
        counted = f", and {repeats} times before" if repeats else ""
        entry = AuditEntry(
            time_msc=now_msc,
            by=f"api:{denied.who}" if denied.who else "api:unknown",
            asked=f"{asked.method} {asked.path}",
            outcome=f"{denied.status} {denied.reason}{counted}",
            kind="denied",
            origin=asked.address,
        )
        try:
            await self.trail.append(entry)
        except AdapterError as error:
            self.failures += 1
            log.error("not in the audit trail", asked=entry.asked, cause=str(error))
