"""What we hold to be so of one account between two reports, and by which terms it is compared."""

from collections.abc import Mapping

import msgspec
from msgspec import UNSET, UnsetType

from engine.domain.discrepancies import Discrepancy, Kind, Policies
from engine.domain.intents import Intent
from engine.domain.matching import Tolerances, names_of, tolerances_by_spec
from engine.domain.reports import SpecReport
from engine.domain.residuals import Ledger
from engine.domain.units import major

_LAST_PIP = 0.0001
"""Of a symbol of which neither book nor terminal says anything: strict for most."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How one account is compared; from its book."""

    digits: int
    """Of the account currency."""
    tolerances: Mapping[str, Tolerances] = {}
    """By the book's symbol, in any case; others go by what the terminal says of the symbol."""
    aliases: Mapping[str, str] = {}
    """The broker's symbols to the book's."""
    policies: Policies = Policies()
    profit_tolerance_minor: int = 100
    """Our profit of a deal may differ from the broker's by this: its conversion rate is hidden."""
    equity_tolerance_minor: int = 100
    equity_tolerance_percent: float = 0.1
    """Of our mark; the larger of the two counts: theirs and ours are not of one instant."""
    bonus_is_credit: bool = False
    """Whether this broker books BONUS to the credit; known only by asking it."""
    nets: bool | UnsetType = UNSET
    """A symbol is held once, and intents are compared by their sum (`netting`). UNSET: also of a
    netting account whose journal is from before sums were compared."""

    def name(self, symbol: str) -> str:
        """The one spelling of a symbol that is compared."""
        return names_of(self.aliases)(symbol)

    def tolerances_of(self, name: str, specs: Mapping[str, SpecReport]) -> Tolerances:
        """Of a symbol as `name` spells it: the book's, else by its specification."""
        for symbol, known in self.tolerances.items():
            if symbol.upper() == name:
                return known
        spec = specs.get(name)
        return Tolerances(pip=_LAST_PIP) if spec is None else tolerances_by_spec(spec)

    def equity_tolerance_of(self, mark_minor: int) -> float:
        """What their equity may differ by from this mark, minor units."""
        relative = abs(mark_minor) * self.equity_tolerance_percent / 100.0
        return max(float(self.equity_tolerance_minor), relative)


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `compare` needs to know; a comparison makes a new one."""

    intents: tuple[Intent, ...] = ()
    """Those that still hold."""
    rows: tuple[Discrepancy, ...] = ()
    """Open discrepancies, oldest first."""
    ledger: Ledger = Ledger()
    specs: Mapping[str, SpecReport] = {}
    """As first told or adopted, by name."""
    session: str = ""
    n: int = 0
    """Of the last frame judged."""
    total_syncs: int = 0
    """Full reports compared."""
    last_sync_msc: int | None = None
    open_positions: int = 0
    """In the last full report."""
    matched_positions: int = 0
    """Of those, the ones that fill an intent."""

    @property
    def divergences_detected(self) -> int:
        """Open discrepancies, suspected ones included."""
        return len(self.rows)

    def status(self, *, is_unknown: bool = False) -> str:
        """`idle`, `healthy`, `warning`, `degraded` or `error`, as /reconciliation/status says it.

        Args:
            is_unknown: the last report failed.
        """
        if is_unknown:
            return "error"
        if any(row.kind is Kind.STALE_TERMINAL for row in self.rows):
            return "degraded"
        if self.last_sync_msc is None:
            return "idle"
        return "warning" if self.rows else "healthy"


def money_words(amount_minor: int, digits: int) -> str:
    """An amount with the currency's digits."""
    return f"{major(amount_minor, digits):.{digits}f}"
