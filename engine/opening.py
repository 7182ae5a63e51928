"""A book's account before anything happened."""

from engine.book_accounts import BookAccount
from engine.domain.account import AccountState
from engine.domain.marks import opening_marks


def opening_state(account: BookAccount) -> AccountState:
    """The account as it is given, not opened yet and not valued."""
    return AccountState(
        spec=account.spec,
        balance_minor=account.balance_minor,
        credit_minor=account.credit_minor,
        positions=account.positions,
        marks=opening_marks(account.spec),
    )
