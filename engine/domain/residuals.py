"""What money does not add up: a broker's balance against its deals, its equity against our mark.

Between two reports the balance changes by exactly the deals in between. A residual proves a missed
deal or an unknown charge before any volume differs.
Source of the types: MQL5 Reference, Deal Properties (ENUM_DEAL_TYPE).
"""

from collections.abc import Iterable, Sequence

import msgspec

from engine.domain.reports import AccountReport, DealReport, Heartbeat
from engine.domain.units import minor

BUY, SELL = 0, 1
CREDIT, BONUS, SO_COMPENSATION_CREDIT = 3, 6, 20
BALANCE_TYPES = frozenset({BUY, SELL, 2, 4, 5, *range(7, 20)})
"""Move the balance: trades (also cancelled ones), BALANCE, CHARGE, CORRECTION, COMMISSION*,
INTEREST, DIVIDEND*, TAX, AGENT, SO_COMPENSATION. CREDIT and SO_COMPENSATION_CREDIT move the credit;
BONUS the one that the broker says."""

_KEPT = 4096
"""Tickets remembered one by one; lower ones count as booked. Deals arrive nearly in order."""


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Balance and credit as the deals make them, in minor units, since a report that was right."""

    balance_minor: int = 0
    credit_minor: int = 0
    is_anchored: bool = False
    """Whether there was a report to start from. Before it deals are only remembered as booked: the
    first report has them in its balance."""
    booked: frozenset[int] = frozenset()
    """Tickets of the deals in it, so that one sent again counts once."""
    booked_below: int = 0
    """Deals with a lower ticket are in it too."""
    unlisted: tuple[int, ...] = ()
    """Tickets of deals of a type no list has: counted as balance, and a residual may be theirs."""


class Residual(msgspec.Struct, frozen=True):
    """What the broker has more than the deals explain, minor units, signed; zero is right."""

    balance_minor: int
    credit_minor: int

    @property
    def is_zero(self) -> bool:
        """Whether everything is explained."""
        return not self.balance_minor and not self.credit_minor


def fresh(ledger: Ledger, deals: Iterable[DealReport]) -> tuple[DealReport, ...]:
    """The deals that are not booked yet, each once, by ticket."""
    by_ticket = {deal.ticket: deal for deal in deals}
    return tuple(
        by_ticket[ticket]
        for ticket in sorted(by_ticket)
        if ticket >= ledger.booked_below and ticket not in ledger.booked
    )


def booked(
    ledger: Ledger, deals: Sequence[DealReport], digits: int, *, bonus_is_credit: bool = False
) -> Ledger:
    """The ledger after deals; those it has already change nothing.

    A ledger without a report to start from takes note of them only.

    Args:
        digits: of the account currency; each amount of a deal is rounded by itself.
        bonus_is_credit: whether this broker books BONUS to the credit: known only by asking it.
    """
    balance, credit = ledger.balance_minor, ledger.credit_minor
    tickets = set(ledger.booked)
    unlisted = list(ledger.unlisted)
    for deal in fresh(ledger, deals):
        total = total_minor(deal, digits)
        tickets.add(deal.ticket)
        if not ledger.is_anchored:
            continue
        if moves_credit(deal.type, bonus_is_credit=bonus_is_credit):
            credit += total
            continue
        balance += total
        if deal.type not in BALANCE_TYPES and deal.type != BONUS:
            unlisted.append(deal.ticket)
    kept = sorted(tickets)[-_KEPT:]
    return Ledger(
        balance_minor=balance,
        credit_minor=credit,
        is_anchored=ledger.is_anchored,
        booked=frozenset(kept),
        booked_below=kept[0] if len(tickets) > _KEPT else ledger.booked_below,
        unlisted=tuple(unlisted),
    )


def total_minor(deal: DealReport, digits: int) -> int:
    """Everything a deal pays or costs, of the account currency's minor units."""
    return (
        minor(deal.profit, digits)
        + minor(deal.swap, digits)
        + minor(deal.commission, digits)
        + minor(deal.fee, digits)
    )


def moves_credit(deal_type: int, *, bonus_is_credit: bool = False) -> bool:
    """Whether a deal of this DEAL_TYPE moves the credit, not the balance."""
    if deal_type == BONUS:
        return bonus_is_credit
    return deal_type in (CREDIT, SO_COMPENSATION_CREDIT)


def money_residual(ledger: Ledger, report: AccountReport | Heartbeat, digits: int) -> Residual:
    """What the report has more than the ledger.

    The ledger must be anchored. Only a report taken after the last deal booked is fair: a deal
    moves the ledger at once.
    """
    return Residual(
        minor(report.balance, digits) - ledger.balance_minor,
        minor(report.credit, digits) - ledger.credit_minor,
    )


def anchored(ledger: Ledger, report: AccountReport | Heartbeat, digits: int) -> Ledger:
    """The ledger made to agree with a report: the first, or one whose residual is accepted.

    Its deals stay booked.
    """
    return msgspec.structs.replace(
        ledger,
        balance_minor=minor(report.balance, digits),
        credit_minor=minor(report.credit, digits),
        is_anchored=True,
        unlisted=(),
    )


def equity_residual_minor(report: AccountReport | Heartbeat, mark_minor: int, digits: int) -> int:
    """The broker's equity less our mark of the same moment, minor units."""
    return minor(report.equity, digits) - mark_minor
