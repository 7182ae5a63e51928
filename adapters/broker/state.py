"""The server's books between two runs: accounts, tickets, and how far the days have come.

Requests on their way are lost, as they are with a real server that stops; quotes come anew.
"""

from pathlib import Path

import msgspec

from adapters.broker.account import BrokerAccount
from adapters.broker.holdings import Held, Resting
from adapters.broker.server import TradeServer
from engine.aside import written_aside
from engine.domain.reports import DealReport
from engine.errors import UserError


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """An account."""

    login: int
    balance_minor: int
    credit_minor: int
    positions: list[Held]
    orders: list[Resting]
    deals: list[DealReport]


class Books(msgspec.Struct, frozen=True, kw_only=True):
    """All of a server's."""

    last_order: int
    last_deal: int
    day: int | None
    books: list[Book]

    def of(self, login: int) -> Book | None:
        """The account's; None where it was not there."""
        return next((book for book in self.books if book.login == login), None)


def save(server: TradeServer, path: Path) -> None:
    """Writes the books, whole or not at all."""
    books = [
        Book(
            login=login,
            balance_minor=account.balance_minor,
            credit_minor=account.credit_minor,
            positions=list(account.positions.values()),
            orders=list(account.orders.values()),
            deals=account.deals,
        )
        for login, account in server.accounts.items()
    ]
    kept = Books(
        last_order=server.tickets.last_order,
        last_deal=server.tickets.last_deal,
        day=server.day,
        books=books,
    )
    with written_aside(path) as out:
        out.write(msgspec.json.encode(kept))


def read_books(path: Path) -> Books | None:
    """What the last run left; None where there was none.

    Raises:
        UserError: the file is not what `save` writes.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Books)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise UserError("no books of a broker", place=str(path)) from error


def put_back(account: BrokerAccount, book: Book) -> None:
    """Gives a fresh account what the book says."""
    account.balance_minor = book.balance_minor
    account.credit_minor = book.credit_minor
    account.positions = {held.position.position_id: held for held in book.positions}
    account.orders = {order.ticket: order for order in book.orders}
    account.deals = list(book.deals)
    account.touch()
