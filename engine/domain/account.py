"""One account: what it was opened as, and what it is now."""

from enum import Enum

import msgspec
from msgspec import UNSET, UnsetType

from engine.domain.guards import AccountGuard
from engine.domain.ids import AccountKey
from engine.domain.live import Live
from engine.domain.positions import Position
from engine.domain.units import major
from engine.domain.valuation import Market
from engine.domain.watch import Marks


class MarginMode(Enum):
    """ACCOUNT_MARGIN_MODE: whether a symbol can be held twice."""

    HEDGING = "hedging"
    NETTING = "netting"


class Mode(Enum):
    """Whether guards may trade on this account."""

    ENFORCE = "enforce"
    OBSERVE = "observe"
    """Watch and alert, never trade: some firms forbid remote trading."""


class OperationKind(Enum):
    """Money that comes or goes without a trade."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    CREDIT = "credit"


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """A balance operation; `amount_minor` is signed: a withdrawal is negative."""

    at_msc: int
    kind: OperationKind
    amount_minor: int


class AccountSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change while the account is guarded."""

    key: AccountKey
    market: Market
    initial_minor: int
    guards: tuple[AccountGuard, ...]
    ruleset: str = ""
    """Where the guards are from, by name."""
    leverage: int = 100
    margin_mode: MarginMode = MarginMode.HEDGING
    mode: Mode = Mode.ENFORCE
    operations: tuple[Operation, ...] = ()
    """Known in advance (a replay's book), by time; live ones are reported as deals."""
    minimum_hold_s: float | UnsetType = UNSET
    """A position closed sooner after its opening breaks a rule of the firm's. UNSET: of a journal
    from before closes yielded to rules, and nothing of `yielding` is looked at."""

    @property
    def digits(self) -> int:
        """Digits of the deposit currency."""
        return self.market.digits

    def major(self, amount_minor: int) -> float:
        """Minor units as published."""
        return major(amount_minor, self.market.digits)


class Days(msgspec.Struct, frozen=True, kw_only=True):
    """Realised results by day of one guard's reset; the day that runs is not in best and total."""

    traded: int = 0
    """Days with at least one deal, this one included."""
    best_minor: int = 0
    """The largest result of a day; 0 when none gained."""
    total_minor: int = 0
    today_minor: int = 0
    today_traded: bool = False


class GuardState(msgspec.Struct, frozen=True, kw_only=True):
    """What one guard remembers between two evaluations."""

    reference_minor: int | None = None
    """The reference taken at the last reset; None where the reference is not of that kind, or not
    taken yet because the account has not been valued."""
    warned: bool = False
    """A warning was given and has not re-armed."""
    breached: bool = False
    """The latch."""
    breached_at_msc: int | None = None
    close_due_msc: int | None = None
    """When the notice runs out; None when no close is pending."""
    evaluated_at_msc: int | None = None
    """Never evaluated: None. A guard that never runs must be visible."""
    distance_minor: int | None = None
    """Measured less floor at the last evaluation."""
    acted_on: tuple[tuple[int, int], ...] = ()
    """(position, occasion) this guard has acted on, for guards that are not latched as a whole. The
    occasion is a weekly close or a news event in UTC milliseconds, 0 where there is but one."""
    since: tuple[tuple[int, int], ...] = ()
    """(position, UTC milliseconds) from which a holding time or a grace runs."""
    days: Days | None = None
    """For objectives; None before the first deal."""
    is_estimated: bool = False
    """The reference is of a reset that nobody was there for, put together afterwards."""


class WaitingClose(msgspec.Struct, frozen=True, kw_only=True):
    """A close that was asked for and waits for a stronger rule (`yielding`)."""

    position_id: int
    reason: str
    asks: int
    """The place of what asked, a `close_plans.Rule`."""
    yields_to: tuple[str, ...]
    until_msc: int


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything `step` needs. Immutable: a step makes a new one, in one assignment."""

    spec: AccountSpec
    balance_minor: int
    marks: Marks
    positions: tuple[Position, ...] = ()
    credit_minor: int = 0
    net_operations_minor: int = 0
    """Deposits less withdrawals since opening: never profit."""
    balance_high_water_minor: int = 0
    credited_high_water_minor: int = 0
    """The same, also moved by each credit: for guards on equity, of which credit is a part."""
    guards: tuple[GuardState, ...] = ()
    halts: tuple[str, ...] = ()
    """Causes for which the account takes no new risk, oldest first."""
    seq: int = 0
    """Of the last record published."""
    intents: int = 0
    """Close intents made so far."""
    operations_done: int = 0
    opened: bool = False
    suspects: tuple[str, ...] = ()
    """Symbols whose quotes are not trusted and whose policy is to hold, by name."""
    known: bool = False
    """Valued at least once, and every quote it needs is there."""
    untested: bool = False
    """Money moved since the guards were last tested: they are tested on the next tick."""
    time_msc: int = 0
    """Of the last event."""
    waiting: tuple[WaitingClose, ...] | UnsetType = UNSET
    """Closes that wait, at most one a position; UNSET: none, and so digests are as they were."""
    live: Live | None = None
    """Of an account with a link to a terminal; None in a replay."""

    @property
    def is_halted(self) -> bool:
        """Whether new risk is refused."""
        return bool(self.halts)

    @property
    def is_held_back(self) -> bool:
        """Whether guards wait: a symbol that is held is suspect, and its policy is to hold."""
        return bool(self.suspects) and any(p.symbol in self.suspects for p in self.positions)

    def position(self, position_id: int) -> Position | None:
        """The open position of that identifier."""
        for position in self.positions:
            if position.position_id == position_id:
                return position
        return None
