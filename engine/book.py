"""A book: the instruments, rulesets and accounts of one TOML file, checked, as domain types.

Accounts share what they can: one market per deposit currency, one tuple of guards per ruleset and
currency.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.book_accounts import AccountMaker, BookAccount
from engine.book_guards import Calendar
from engine.book_instruments import feed_guards_of, instruments_of
from engine.book_rulesets import Ruleset
from engine.config import BookKeys, NewsWindowKeys
from engine.domain.guards import AccountGuard, NewsEvent
from engine.domain.instruments import Instrument
from engine.domain.market_guards import AnyMarketGuard
from engine.errors import UserError
from engine.news_calendar import read_calendar
from engine.replay_times import moment_msc
from engine.toml_document import Document, Spot, one_of


@dataclass(frozen=True)
class Book:
    """What a book says. Build one directly for accounts that come from elsewhere."""

    path: Path
    sha256: str
    """Of the file's bytes."""
    text: str
    instruments: tuple[Instrument, ...]
    accounts: tuple[BookAccount, ...]
    rulesets: Mapping[str, Ruleset] = field(default_factory=dict)
    feed_guards: tuple[AnyMarketGuard, ...] = ()
    warnings: tuple[str, ...] = ()
    """What is allowed but worth a look: an unreadable calendar, a ruleset without a guard."""

    def guards_of(self, ruleset: str, currency: str, initial: float) -> tuple[AccountGuard, ...]:
        """A ruleset's guards for an account in this currency.

        Raises:
            UserError: there is no such ruleset, or its money does not fit the currency.
        """
        if ruleset not in self.rulesets:
            raise UserError(
                f"there is no ruleset `{ruleset}` in the book", help=one_of(ruleset, self.rulesets)
            )
        return self.rulesets[ruleset].guards(currency, initial)


def load_book(path: Path) -> Book:
    """The book in a file.

    Raises:
        UserError: it cannot be read, or something in it is wrong; says where and what is allowed.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"cannot read the book: {reason}", place=str(path)) from error
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = raw.count(b"\n", 0, error.start) + 1
        raise UserError(
            "the book is not UTF-8 text", place=f"{path}:{row}", help="save it as UTF-8"
        ) from error
    return parse_book(text, str(path), sha256=hashlib.sha256(raw).hexdigest())


def parse_book(text: str, name: str, *, sha256: str | None = None) -> Book:
    """The book in a text; `name` stands in messages, and a calendar is looked for beside it.

    Raises:
        UserError: something in it is wrong; says where and what is allowed.
    """
    document = Document(name, text)
    keys = document.read(BookKeys)
    root = Spot(document, ())
    instruments = instruments_of(keys.instrument, root / "instrument")
    calendars = _Calendars(Path(name).parent)
    rulesets = _rulesets(keys, root / "ruleset", calendars)
    feed_guards = feed_guards_of(keys.feed, instruments, root / "feed")
    if not keys.account:
        raise root.refusal("the book has no account", "add an [[account]]")
    maker = AccountMaker(instruments, rulesets)
    accounts = tuple(
        maker.account(account, root / "account" / number)
        for number, account in enumerate(keys.account)
    )
    empty = [
        f"the ruleset `{name}` has no guard"
        for name, ruleset in rulesets.items()
        if not len(ruleset)
    ]
    return Book(
        path=Path(name),
        sha256=sha256 or hashlib.sha256(text.encode()).hexdigest(),
        text=text,
        instruments=instruments,
        accounts=accounts,
        rulesets=rulesets,
        feed_guards=feed_guards,
        warnings=(*empty, *calendars.warnings),
    )


def _rulesets(keys: BookKeys, spot: Spot, calendars: "_Calendars") -> dict[str, Ruleset]:
    made: dict[str, Ruleset] = {}
    for number, ruleset in enumerate(keys.ruleset):
        place = spot / number
        if ruleset.name in made:
            raise (place / "name").refusal(f"the ruleset `{ruleset.name}` is given twice")
        made[ruleset.name] = Ruleset(ruleset, place, calendars.read)
    return made


class _Calendars:
    """The calendar files of a book, each read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, tuple[NewsEvent, ...] | None] = {}
        self.warnings: list[str] = []

    def read(self, keys: NewsWindowKeys, spot: Spot) -> Calendar:
        """The events a guard goes by, and until when they say something."""
        if keys.calendar not in self._read:
            path = self._folder / keys.calendar
            try:
                self._read[keys.calendar] = read_calendar(path)
            except OSError as error:
                self._read[keys.calendar] = None
                reason = (error.strerror or str(error)).lower()
                self.warnings.append(
                    f"{spot}: the calendar {path} cannot be read ({reason}); "
                    f"the guard `{keys.name}` follows on_missing = {keys.on_missing.value}"
                )
        events = self._read[keys.calendar]
        if keys.covers_until is not None:
            return events, moment_msc(keys.covers_until, "covers_until")
        if events is None:
            return None, None
        last = events[-1].time_msc + int(keys.after_s * 1000) if events else 0
        return events, last
