"""Guards on a feed's quotes, symbol by symbol: gap, spread, stale, suspect.

They are evaluated once per tick of a symbol (`market_watch.py`), not once per account, and value
nothing. What a finding does to an account that holds the symbol is `outcome_for`; what guards on
the symbol may do meanwhile is `policy_of`.
"""

from collections.abc import Sequence

import msgspec

from engine.domain.account import AccountState
from engine.domain.guards import Action
from engine.domain.market_findings import Finding, Level, OnSuspect
from engine.domain.outcomes import RuleFound
from engine.domain.quotes import Quote


class MarketGuard(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What every guard of a feed has."""

    name: str
    action: Action = Action.ALERT
    symbols: tuple[str, ...] = ()
    """The symbols it watches; empty: every symbol of the feed."""


class Gap(MarketGuard, frozen=True, kw_only=True, tag="gap"):
    """|first mid after a quiet spell - last mid before| / last mid, in percent; both inclusive."""

    warn_percent: float = 5.0
    act_percent: float = 10.0
    quiet_s: float = 60.0
    """No valid tick for so long is a quiet spell."""
    across_sessions: bool = False
    """Whether the spell may hold a closed session: a weekend gap."""


class Spread(MarketGuard, frozen=True, kw_only=True, tag="spread"):
    """(ask - bid) / bid in percent: above `warn_percent`, at or above `act_percent`."""

    warn_percent: float = 0.5
    act_percent: float = 1.0
    for_s: float = 2.0
    """Ticks must show it for so long, without one that does not: one odd tick does nothing."""


class Stale(MarketGuard, frozen=True, kw_only=True, tag="stale"):
    """No valid tick for `max_age_s` inside the session; said once until one comes."""

    max_age_s: float = 60.0


class Suspect(MarketGuard, frozen=True, kw_only=True, tag="suspect"):
    """So many invalid quotes in a row make a symbol suspect; one valid quote clears it."""

    in_a_row: int = 3
    policy: OnSuspect = OnSuspect.HOLD


AnyMarketGuard = Gap | Spread | Stale | Suspect


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """What one market guard remembers of one symbol."""

    level: Level = Level.CLEARED
    """The last one said."""
    warn_since_msc: int | None = None
    act_since_msc: int | None = None
    """Since when every tick was past the spread's limit."""
    checked_msc: int | None = None
    """Never: None. A guard that never runs must be visible."""


class SymbolState(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of one symbol of a feed; `watched` goes with the guards, in order."""

    watched: tuple[Watched, ...] = ()
    last: Quote | None = None
    """The last valid quote."""
    invalid_in_a_row: int = 0
    invalid: int = 0


def opening_state(guards: Sequence[AnyMarketGuard]) -> SymbolState:
    """What is known of a symbol before its first tick."""
    return SymbolState(watched=tuple(Watched() for _ in guards))


def watching(guards: Sequence[AnyMarketGuard], symbol: str) -> tuple[AnyMarketGuard, ...]:
    """The guards that watch this symbol, in the order listed."""
    return tuple(guard for guard in guards if not guard.symbols or symbol in guard.symbols)


def policy_of(guards: Sequence[AnyMarketGuard], state: SymbolState) -> OnSuspect | None:
    """What guards on the symbol do now; None: its quotes are trusted. The strictest one wins."""
    policies = {
        guard.policy
        for guard, known in zip(guards, state.watched, strict=True)
        if isinstance(guard, Suspect) and known.level is Level.ACT
    }
    strictest = (OnSuspect.HOLD, OnSuspect.CORROBORATE, OnSuspect.ALERT)
    return next((policy for policy in strictest if policy in policies), None)


def outcome_for(finding: Finding, state: AccountState) -> RuleFound | None:
    """What a finding is to one account: closes concern the symbol's positions alone.

    None where the account holds nothing in the symbol, or the finding is only that it is over.
    """
    held = tuple(p.position_id for p in state.positions if p.symbol == finding.symbol)
    if not held or finding.level is Level.CLEARED:
        return None
    breach = finding.level is Level.ACT
    return RuleFound(
        breach=breach,
        measured=finding.measured,
        value=finding.value,
        limit=finding.limit,
        subject=finding.symbol,
        only_positions=held if breach else None,
    )
