"""Whether symbols' terms of trade are still those the agent reported."""

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from adapters.mt5.agent_package import Package
from engine.domain.reports import SpecReport

TERMS_A_BEAT = 16
"""So many symbols are looked at by one heartbeat; where there are more they take turns."""
REPORT_S = 5.0
"""New terms are told at most so often: a broker may change them symbol by symbol."""


class ToldTerms:
    """The terms last told in a report that was complete."""

    def __init__(self) -> None:
        self._told: dict[str, SpecReport] | None = None
        self._at = 0
        self._reported_s: float | None = None

    def keep(self, specs: Iterable[SpecReport]) -> None:
        """These were told."""
        self._told = {one.name: _terms(one) for one in specs}

    def are_outdated(self, package: Package, names: Sequence[str], now_s: float) -> bool:
        """Whether a report is due: one of these was never told, or has other terms than told.

        Costs one query a symbol, for at most `TERMS_A_BEAT`. What cannot be asked just now, and
        what the terminal does not know yet, is no change. False before the first report.
        """
        if self._told is None or not names:
            return False
        if self._reported_s is not None and now_s - self._reported_s < REPORT_S:
            return False
        for _ in range(min(len(names), TERMS_A_BEAT)):
            self._at = (self._at + 1) % len(names)
            name = names[self._at]
            for one in package.specs([name]) or ():
                if has_terms(one) and self._told.get(name) != _terms(one):
                    self._reported_s = now_s
                    return True
        return False


def has_terms(spec: SpecReport) -> bool:
    """Whether the terminal knows them: of a symbol just begun to be watched it may say zeroes."""
    return spec.trade_contract_size > 0.0 and bool(spec.currency_profit)


def _terms(spec: SpecReport) -> SpecReport:
    """What does not move with the market."""
    return replace(spec, trade_tick_value=0.0)
