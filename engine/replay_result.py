"""What a replay gave: records, summary, equity over time and verdicts, and how to keep them."""

from collections import Counter
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import orjson

from engine.aside import written_aside
from engine.book import Book
from engine.domain import records
from engine.domain.account import AccountState
from engine.domain.records import Encoding, Record
from engine.errors import UserError
from engine.marking.ticks import TickStream
from engine.ports import plugin
from engine.replay_loop import Change

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
        return {
            "ticks": self.ticks,
            "invalid_rows": sum(q.invalid_rows for q in self.stream.quality()),
            "seconds": round(self.seconds, 6),
            "ticks_per_second": round(self.ticks / self.seconds) if self.seconds else None,
            "accounts": accounts,
        }

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
