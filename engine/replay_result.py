"""What a replay gave: records, summary, equity over time and verdicts, and how to keep them."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import orjson

from engine.aside import written_aside
from engine.book import Book
from engine.domain import records
from engine.domain.account import AccountState
from engine.domain.ids import AccountKey
from engine.domain.records import Encoding, Record
from engine.errors import UserError
from engine.explain import Explanation, closes_of, explain_record
from engine.marking.ticks import TickStream
from engine.notebook import replay_html
from engine.polling import compare_all
from engine.ports import plugin
from engine.recomputation import VerdictRecord
from engine.replay_equity import EquitySeries
from engine.replay_loop import Change
from engine.replay_times import period_msc
from engine.tables import Table, equity_table, events_table, verdicts_table

_COUNTED = {
    records.GuardWarning: "warnings",
    records.RuleWarning: "warnings",
    records.GuardBreach: "breaches",
    records.RuleBreach: "breaches",
    records.PositionClosed: "closes",
}


class Driven(Protocol):
    """Accounts at the end of a stream: a finished loop, or what live actors came to."""

    ticks: int

    @property
    def states(self) -> list[AccountState]:
        """Every account as of the last tick it was stepped on, in the order of the book."""

    def changes(self, account: int) -> list[Change]:
        """The states the account has been in, oldest first."""


class Replay:
    """A finished replay. `run` makes it."""

    def __init__(
        self,
        book: Book,
        stream: TickStream,
        records: list[Record],
        driven: Driven,
        seconds: float,
        compare_poll: tuple[str, ...],
    ) -> None:
        self.book = book
        self.stream = stream
        self.records = records
        """In the order they were decided."""
        self.seconds = seconds
        """Reading, marking, guards and records; loading the book and compiling apart."""
        self.ticks = driven.ticks
        self.compare_poll = compare_poll
        self._driven = driven

    @property
    def states(self) -> list[AccountState]:
        """The accounts at the end, in the order of the book."""
        return self._driven.states

    def changes(self, account: int) -> list[Change]:
        """The states account number `account` of the book went through, oldest first."""
        return self._driven.changes(account)

    def account_number(self, login: int, server: str | None = None) -> int:
        """Which account of the book a login is.

        Raises:
            UserError: none is, or several servers have it and none was named.
        """
        found = [
            number
            for number, account in enumerate(self.book.accounts)
            if account.spec.key.login == login and server in (None, account.spec.key.server)
        ]
        if len(found) != 1:
            raise UserError(
                f"{len(found)} accounts of the book have login {login}",
                help="name the server too" if found else "see the logins in the book",
            )
        return found[0]

    def records_of(self, account: int) -> list[Record]:
        """The records of account number `account` of the book, in order."""
        return self._records_by_account.get(self.book.accounts[account].spec.key, [])

    @cached_property
    def _records_by_account(self) -> dict[AccountKey, list[Record]]:
        found: dict[AccountKey, list[Record]] = {}
        for record in self.records:
            found.setdefault(AccountKey(record.server, record.login), []).append(record)
        return found

    @cached_property
    def events(self) -> Table:
        """Every record as a table that pandas, polars and duckdb read."""
        return events_table(self.records)

    @cached_property
    def verdicts(self) -> Table:
        """Every warning and breach as such a table; row n is `verdict(n)`."""
        return verdicts_table(self.records)

    def equity(self, login: int, bucket: str | None = None, server: str | None = None) -> Table:
        """An account over time as such a table: every tick, or buckets of `1s`, `5m`.

        Raises:
            UserError: no such account, several and no server named, or no such bucket.
        """
        bucket_msc = None if bucket is None else period_msc(bucket)
        return equity_table(EquitySeries(self, self.account_number(login, server)), bucket_msc)

    @cached_property
    def verdict_records(self) -> list[VerdictRecord]:
        """Every warning and breach, in the order decided."""
        return [record for record in self.records if isinstance(record, records.VERDICTS)]

    def verdict(self, number: int) -> "Verdict":
        """Warning or breach number `number`, from 0 in the order decided; from the end below 0.

        Raises:
            UserError: there are not so many.
        """
        found = self.verdict_records
        if not -len(found) <= number < len(found):
            raise UserError(f"there is no verdict {number}", help=f"there are {len(found)}")
        return Verdict(self, found[number])

    def explain(self, verdict_id: str) -> Explanation:
        """One warning or breach by its id, recomputed tick by tick without the kernel.

        Raises:
            UserError: there is none of that id.
        """
        for record in self.verdict_records:
            if record.verdict_id == verdict_id:
                closes = closes_of(record, self.records)
                return explain_record(record, self.book, self.stream, closes=closes)
        raise UserError(
            f"there is no verdict {verdict_id!r}", help=f"there are {len(self.verdict_records)}"
        )

    def what_if(self, ruleset: str) -> "Replay":
        """The same accounts on the same ticks under another ruleset of the book, or a preset.

        Raises:
            UserError: there is neither, or its money does not fit an account's currency.
        """
        from engine.what_if import what_if  # it runs replays, and so needs this file first

        return what_if(self, ruleset)

    def _repr_html_(self) -> str:
        return replay_html(self)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Counts and results, as `summary.json` has them."""
        counts: Counter[tuple[str, int, str]] = Counter()
        for record in self.records:
            name = _COUNTED.get(type(record))
            if name is not None:
                counts[record.server, record.login, name] += 1
        accounts = []
        for record in self.records:
            if isinstance(record, records.AccountClosed):
                entry = {
                    "server": record.server,
                    "login": record.login,
                    "balance": record.balance,
                    "equity": record.equity,
                    "equity_high_water": record.equity_high_water,
                    "max_drawdown_percent": record.max_drawdown_percent,
                }
                for name in ("warnings", "breaches", "closes"):
                    entry[name] = counts[record.server, record.login, name]
                accounts.append(entry)
        summary = {
            "ticks": self.ticks,
            "invalid_rows": sum(q.invalid_rows for q in self.stream.quality()),
            "seconds": round(self.seconds, 6),
            "ticks_per_second": round(self.ticks / self.seconds) if self.seconds else None,
            "accounts": accounts,
        }
        if self.compare_poll:
            summary["compare_poll"] = compare_all(self)
        return summary

    def write_events(self, path: str | Path) -> None:
        """Writes every record as a line of JSON; the file is whole or not there."""
        with written_aside(Path(path)) as out:
            for record in self.records:
                out.write(Encoding.line(record))

    def write_summary(self, path: str | Path) -> None:
        """Writes the summary as JSON."""
        with written_aside(Path(path)) as out:
            out.write(orjson.dumps(self.summary, option=orjson.OPT_INDENT_2) + b"\n")

    def save(self, path: str | Path) -> None:
        """Writes the report, one self-contained HTML page."""
        page: str = plugin("report")(self)
        with written_aside(Path(path)) as out:
            out.write(page.encode())


@dataclass(frozen=True, slots=True)
class Verdict:
    """One warning or breach of a replay."""

    replay: Replay
    record: VerdictRecord

    def explain(self) -> Explanation:
        """What it came from, recomputed tick by tick without the kernel."""
        closes = closes_of(self.record, self.replay.records)
        return explain_record(self.record, self.replay.book, self.replay.stream, closes=closes)

    def __repr__(self) -> str:
        return repr(self.record)
