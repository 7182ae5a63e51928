"""What the engine needs of the outside, as Protocols, and how it finds who provides it.

The engine may not import its outer layers. What reads tick files and what draws a report are
found by name, among the entry points of the installed distribution.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Protocol

from engine.alerts import Alert
from engine.audit import AuditEntry
from engine.domain.account import AccountState
from engine.domain.close_actions import Command
from engine.domain.commands import Flatten, Halt, Refused
from engine.domain.effects import SendClose
from engine.domain.events import DealReported
from engine.domain.ids import AccountKey
from engine.domain.records import Record
from engine.domain.reports import (
    CommandResult,
    DealReport,
    FullReport,
    Heartbeat,
    PositionReport,
)
from engine.domain.snapshot import Snapshot
from engine.errors import UserError
from engine.kept import Entry, KeptState, KeptStep
from engine.link import LinkQuote, PositionChange, Receipt, Sent, TerminalFacts
from engine.marking.ticks import TickStream
from engine.outbox import Seen

PLUGINS = "tidegate.plugins"


class OpenTicks(Protocol):
    """Opens tick files as one merged stream."""

    def __call__(
        self,
        sources: Sequence[tuple[str, Sequence[Path]]],
        *,
        zones: Mapping[str, str] = ...,
        dates: Mapping[str, date] = ...,
        digits: Mapping[str, int] = ...,
        from_msc: int | None = ...,
        to_msc: int | None = ...,
        progress: Callable[[str, float], None] | None = ...,
    ) -> TickStream:
        """The valid ticks of all files of all symbols, merged by UTC millisecond.

        Raises:
            UserError: a file cannot be read as ticks; names the file and the row.
        """


class Begun(Protocol):
    """An append that was handed over. Wait for it, once or again, until it is known."""

    @property
    def is_durable(self) -> bool:
        """Whether all of it is, by now."""

    async def wait(self) -> None:
        """Returns once it is.

        Raises:
            JournalError, JournalFullError: as `Journal.append_all`.
        """


class Journal(Protocol):
    """Keeps the records of every account: what it has kept is never lost."""

    async def append(
        self, key: AccountKey, records: Sequence[Record], entry: Entry | None = None
    ) -> None:
        """Returns once the records and the entry are durable, all of it or nothing.

        They follow what was appended before for this account: `seq` goes up by one each, and so
        does the number of entries.

        Raises:
            JournalError: they may not be durable. Nothing may be acknowledged from here on.
            JournalFullError: none is kept for want of space. The same append may be tried again.
        """

    async def append_all(self, key: AccountKey, steps: Sequence[KeptStep]) -> None:
        """The same of several steps of an account, in order; what of them was kept is a beginning.

        Raises:
            JournalError, JournalFullError: as `append`; for want of space none is kept.
        """

    def begin(self, key: AccountKey, steps: Sequence[KeptStep]) -> Begun | None:
        """The same, handed over without waiting; None: not now, and nothing was handed over.

        For closes: it may stand still for a moment so that they are durable when it returns.
        """

    async def read(self, key: AccountKey, after_seq: int, limit: int) -> Sequence[Record]:
        """At most `limit` durable records of the account from `after_seq + 1` on, in order."""

    async def pin(self) -> str | None:
        """What vouches for every row kept so far, to be noted elsewhere; None: nothing does."""


class StateStore(Protocol):
    """Keeps states beside a journal's records, so that a restart need not replay them all."""

    async def accounts(self) -> Sequence[AccountKey]:
        """Every account with a record, in the order of their names."""

    async def last_seq(self, key: AccountKey) -> int:
        """Of the account's last durable record; 0 before the first."""

    async def entries(self, key: AccountKey, after_number: int, limit: int) -> Sequence[Entry]:
        """At most `limit` durable entries of the account after that number, in order."""

    async def last_entry(self, key: AccountKey) -> int:
        """The number of the account's last durable entry; 0 before the first."""

    async def keep_state(self, key: AccountKey, state: KeptState) -> None:
        """Returns once it is durable. Older states may go from then on.

        Raises:
            JournalError: the state is of a record that is not durable, or the disk failed.
        """

    async def kept_state(self, key: AccountKey) -> KeptState | None:
        """The newest whole one; None where there is none: replay from the first record."""


class Outbox(Protocol):
    """Takes closes to the broker of an account."""

    def reached(self, state: AccountState, seen: Seen) -> Iterable[DealReported]:
        """Deals the broker made by itself on the tick just seen, before the account takes it.

        Only a broker that lives inside this program knows them; a link has none to give here.
        """

    async def send(
        self, state: AccountState, close: SendClose, seen: Seen
    ) -> Sequence[DealReported]:
        """Hands a durable intent to the broker; the deals it has made already, in order.

        A broker that answers later returns none: its deals come through the account's inbox, and
        this never waits for them. Sending an intent twice does what sending it once does. A link
        that is down is no error here: an account whose sends keep raising is given up.
        """


class Terminals(Protocol):
    """Takes what live accounts have for their terminals. Nothing here waits or raises."""

    def commands(self, key: AccountKey, commands: Sequence[Command]) -> None:
        """Writes commands of closes that are durable. Whether they arrived, evidence tells."""

    def ask_report(self, key: AccountKey) -> bool:
        """Asks for a full report; False: there is no link."""

    def tell_halted(self, key: AccountKey, *, is_halted: bool) -> None:
        """Lets the terminal know that the account takes no new risk, or does again."""

    def set_floor(self, key: AccountKey, floor: float) -> None:
        """Leaves it the floor it enforces by itself while the engine is silent; 0: none."""

    def quote_for(self, key: AccountKey, feed: str | None, symbols: Sequence[str] = ()) -> None:
        """Has its terminal quote these (broker's names) for that feed of its own, now and whenever
        it is linked, and lead its server's no more; None: as any other again."""

    def lead(self, key: AccountKey) -> None:
        """Has its terminal quote for the whole server from here on, where it is linked."""


class EpochStore(Protocol):
    """Keeps the epoch of each account: one owner's commands are told from an older one's by it."""

    async def read(self, key: AccountKey) -> int:
        """The highest epoch ever recorded for the account; 0 before the first."""

    async def raise_to(self, key: AccountKey, epoch: int) -> bool:
        """Records it, durable on return. False, and nothing recorded: one as high is there."""


class LinkSink(Protocol):
    """Takes what the terminals of all accounts say.

    Calls about one account come one at a time, in the order of its link, from `linked` to
    `unlinked`; those of several accounts interleave. What is awaited is back-pressure: the link
    reads no further frame of that terminal meanwhile. A call may be cancelled when the link ends;
    what was not signed for is then sent again at the next one.
    """

    async def let_closes_pass(self) -> None:
        """Waits while closes are on their way out, for a quarter of a second at most.

        Asked before what is no quote is read: its turn costs the closes theirs.
        """

    async def linked(self, facts: TerminalFacts) -> None:
        """A terminal proved its key. A full report follows."""

    async def reported(
        self, key: AccountKey, report: FullReport, sent: Sent, receipt: Receipt
    ) -> None:
        """Everything the terminal holds, or a report that failed (`complete` false)."""

    async def position_changed(
        self,
        key: AccountKey,
        change: PositionChange,
        position: PositionReport,
        sent: Sent,
        receipt: Receipt,
    ) -> None:
        """A position appeared, changed or went: the whole record, the last one when it went."""

    async def deal(self, key: AccountKey, deal: DealReport, sent: Sent, receipt: Receipt) -> None:
        """An execution or a balance operation. The same ticket may come again."""

    async def result(
        self, key: AccountKey, result: CommandResult, sent: Sent, receipt: Receipt
    ) -> None:
        """What became of a command. The same one may come again."""

    async def heartbeat(self, key: AccountKey, heartbeat: Heartbeat, sent: Sent) -> None:
        """The broker's arithmetic. Its digest was compared by the link already."""

    async def quotes(self, feed: str, quotes: Sequence[LinkQuote], sent: Sent) -> None:
        """Ticks of the one terminal that leads this feed, oldest first. May be crossed or zero."""

    def went_stale(self, key: AccountKey, silence_s: float) -> None:
        """Nothing came for so long. Any later call about the account ends it."""

    def led(self, feed: str, leader: AccountKey | None) -> None:
        """Which terminal's quotes the feed takes from here; None: nobody quotes it."""

    def unlinked(self, key: AccountKey, cause: str) -> None:
        """The link ended; commands not answered are now unknown."""


class Notifier(Protocol):
    """Tells people."""

    async def notify(self, alert: Alert) -> None:
        """Takes the alert and returns at once: never waits for a channel and never raises.

        What cannot be told is counted by whoever tells, not by the caller: a failing alert never
        delays a close.
        """


class Operations(Protocol):
    """What a person may read and do from afar. It can only lower risk: nothing here releases."""

    def keys(self) -> Sequence[AccountKey]:
        """Every account there is."""

    def snapshot(self, key: AccountKey) -> Snapshot:
        """The account as it is now."""

    async def last_verdict(self, key: AccountKey) -> Record | None:
        """Its last record that carries a `verdict_id`; None: there is none."""

    async def command(self, key: AccountKey, command: Halt | Flatten) -> Refused | None:
        """Returns once the account has taken the command, durably, or refused it."""

    async def audit(self, entry: AuditEntry) -> None:
        """Records who asked for what, and what became of it; durable on return."""


def plugin(name: str) -> Any:
    """The object registered under `name`.

    Raises:
        UserError: nothing is; the distribution is not installed.
    """
    found = entry_points(group=PLUGINS, name=name)
    for point in found:
        return point.load()
    raise UserError(
        f"no plugin {name!r} is installed",
        help="install the distribution (pip install tidegate), do not just copy its folders",
    )
