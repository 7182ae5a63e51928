"""What may change in settings and book while the engine runs: which accounts there are.

Pure: two readings are compared, and what else differs is refused by the name of its key.
"""

import tomllib
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec

from engine.book import Book
from engine.book_accounts import BookAccount
from engine.domain.ids import AccountKey
from engine.errors import UserError
from engine.toml_places import KeyPath, written
from facade.settings import Settings


class Change(NamedTuple):
    """What a reading of the book changes."""

    added: tuple[BookAccount, ...]
    removed: tuple[AccountKey, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.removed)


def change_of(was: Settings, now: Settings) -> Change:
    """The accounts that came and went.

    Raises:
        UserError: anything else differs: `needs a restart: ` and its key.
    """
    keys_were, keys_are = msgspec.to_builtins(was.keys), msgspec.to_builtins(now.keys)
    for path in _differing(keys_were, keys_are, ()):
        raise needs_restart(written(path), str(now.path))
    for path in _in_books(was.book, now.book):
        raise needs_restart(written(path), str(now.book.path))
    before = {account.spec.key: account for account in was.book.accounts}
    after = {account.spec.key: account for account in now.book.accounts}
    for key, account in after.items():
        if key in before and account != before[key]:
            # The same words, and not the same account: only a calendar is read from elsewhere.
            raise needs_restart(f"a calendar of {key}", str(now.book.path))
    return Change(
        tuple(account for key, account in after.items() if key not in before),
        tuple(key for key in before if key not in after),
    )


def needs_restart(what: str, place: str) -> UserError:
    """Refuses a change that only a start takes up."""
    return UserError(
        f"needs a restart: {what}",
        place=place,
        help="undo it, or restart; accounts alone may come and go while it serves",
    )


def _in_books(was: Book, now: Book) -> Iterator[KeyPath]:
    """Keys that differ outside of accounts, or inside of one that both have."""
    old, new = tomllib.loads(was.text), tomllib.loads(now.text)
    olds, news = old.pop("account"), new.pop("account")
    yield from _differing(old, new, ())
    known = {(one["server"], one["login"]): one for one in olds}
    for number, one in enumerate(news):
        before = known.get((one["server"], one["login"]))
        if before is not None:
            yield from _differing(before, one, ("account", number))


def _differing(was: Any, now: Any, path: KeyPath) -> Iterator[KeyPath]:
    """The places of what is in one and not in the other, or is something else there."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in [*was, *(key for key in now if key not in was)]:
            yield from _differing(was.get(key), now.get(key), (*path, key))
    elif isinstance(was, list) and isinstance(now, list):
        for number in range(max(len(was), len(now))):
            old, new = (rows[number] if number < len(rows) else None for rows in (was, now))
            yield from _differing(old, new, (*path, number))
    elif was != now:
        yield path
