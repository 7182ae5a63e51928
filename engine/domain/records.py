"""What an account publishes: the lines of an events file, one struct a type.

Field names and meanings are relied on by clients; money is a decimal number with the currency's
digits, times are UTC milliseconds.
"""

from typing import ClassVar

import msgspec
from msgspec import UNSET, UnsetType


class Tick(msgspec.Struct, frozen=True):
    """The tick on which something was decided."""

    index: int
    """In the merged stream of a replay."""
    symbol: str
    bid: float
    ask: float


class Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What every record has."""

    seq: int
    time_msc: int
    login: int
    server: str
    tick: Tick | UnsetType = UNSET
    """Absent where no tick decided: openings, resets, and what is decided at a reset."""


class AccountOpened(Record, frozen=True, kw_only=True, tag="account_opened"):
    """The account is watched from here."""

    balance: float
    equity: float | None
    """None: nothing valued yet."""
    initial: float
    currency: str


class GuardWarning(Record, frozen=True, kw_only=True, tag="guard_warning"):
    """A guard's amount is used up to its warning line."""

    verdict_id: str
    guard: str
    kind: str
    equity: float
    balance: float
    floor: float
    reference: float
    used_percent: float


class GuardBreach(Record, frozen=True, kw_only=True, tag="guard_breach"):
    """A guard's limit is crossed; published once per latch."""

    verdict_id: str
    guard: str
    kind: str
    equity: float
    balance: float
    floor: float
    reference: float
    measured: str
    comparator: str
    action: str
    broker_equity: float | UnsetType = UNSET
    """Live, where it and ours were too far apart for either to be believed alone: both are past the
    floor, and that decided."""


class RuleWarning(Record, frozen=True, kw_only=True, tag="rule_warning"):
    """A guard that has no equity floor warns."""

    verdict_id: str
    guard: str
    kind: str
    measured: str
    value: float | None
    limit: float | None
    subject: str
    """What it is about: a symbol, a position, a news event; empty for the whole account."""


class RuleBreach(Record, frozen=True, kw_only=True, tag="rule_breach"):
    """A guard that has no equity floor is breached."""

    verdict_id: str
    guard: str
    kind: str
    measured: str
    value: float | None
    limit: float | None
    subject: str
    action: str


class ObjectiveReached(Record, frozen=True, kw_only=True, tag="objective_reached"):
    """A profit target or a number of trading days is reached."""

    guard: str
    kind: str
    value: float
    target: float


class DayReset(Record, frozen=True, kw_only=True, tag="day_reset"):
    """A guard's day ended and its reference was taken anew."""

    guard: str
    reference: float | None
    floor: float | None
    local_time: str
    estimated: bool | UnsetType = UNSET
    """Present and true where nobody was there at the reset: put together from deals afterwards."""


class CloseIntended(Record, frozen=True, kw_only=True, tag="close_intended"):
    """A close was decided; what must remain is named, not what must go."""

    intent_id: str
    position_id: int
    target_volume_lots: float
    reason: str
    sacrificed: tuple[str, ...] | UnsetType = UNSET
    """Weaker rules that closing now breaks, the strongest first: `news_window`, `minimum_hold`.
    Absent where there is none."""


class CloseWaits(Record, frozen=True, kw_only=True, tag="close_waits"):
    """A close was asked for and not decided: a stronger rule forbids it until a time.

    Said again where the reason, the rules or the time change; what follows is a `close_intended` of
    the same reason, or nothing, where the position went by itself. For `market_closed` it was
    decided before, and the broker refused it: said once, it goes as soon as that takes it.
    """

    position_id: int
    reason: str
    yields_to: tuple[str, ...]
    """As `sacrificed` of a close, and `money_floor`, `close_throttle`, `market_closed`."""
    until_msc: int | None
    """None: nobody knows, as where a news calendar that must be there is not. Of a closed market:
    when the book has it open next, None where the book has it open now."""


class PositionClosed(Record, frozen=True, kw_only=True, tag="position_closed"):
    """A deal closed a position, wholly or in part."""

    position_id: int
    symbol: str
    side: str
    volume_lots: float
    open_price: float
    close_price: float
    profit: float
    reason: str


class BalanceChanged(Record, frozen=True, kw_only=True, tag="balance_changed"):
    """Money came or went without a trade; references moved by the same amount."""

    kind: str
    amount: float
    balance: float
    credit: float


class AccountHalted(Record, frozen=True, kw_only=True, tag="account_halted"):
    """No new risk from here on."""

    cause: str


class AccountReleased(Record, frozen=True, kw_only=True, tag="account_released"):
    """A halt ended."""

    by: str
    cause: str
    reason: str


class Discrepancy(Record, frozen=True, kw_only=True, tag="discrepancy"):
    """What is held and what should be differ, or do no longer; one row a difference, told by life.

    `expected` and `actual` are text, since a side, a volume and an absence are all compared: lots
    and prices as plain decimals, money with the currency's digits, null for what is not there.
    """

    kind: str
    state: str
    """`suspected`, `confirmed`, `resolved`."""
    position_id: int | None
    intent_id: str | None
    """The strategy's intent, not a close intent."""
    subject: str
    """The symbol of a changed specification, or of a sum of several intents on a netting account;
    the deal of a profit or a close; else empty."""
    expected: str | None
    actual: str | None


class QuoteSuspect(Record, frozen=True, kw_only=True, tag="quote_suspect"):
    """A symbol's quotes cannot be trusted for now."""

    symbol: str
    cause: str
    count: int


class OrderCancelled(Record, frozen=True, kw_only=True, tag="order_cancelled"):
    """A pending order is gone because a flatten asked for it."""

    order: int
    symbol: str
    reason: str


class PositionOpened(Record, frozen=True, kw_only=True, tag="position_opened"):
    """A live account holds a position that it did not hold before."""

    position_id: int
    symbol: str
    side: str
    volume_lots: float
    open_price: float
    magic: int


class CloseSettled(Record, frozen=True, kw_only=True, tag="close_settled"):
    """What a close was to bring about is so, as deals or a report prove."""

    intent_id: str
    position_id: int
    kind: str
    attempts: int
    took_ms: int
    """From the decision."""


class CloseAlert(Record, frozen=True, kw_only=True, tag="close_alert"):
    """A close needs a person's eye; each kind is said once a close."""

    intent_id: str
    position_id: int
    kind: str
    page: bool
    """At once."""
    retcode: int | None


class IntentRegistered(Record, frozen=True, kw_only=True, tag="intent_registered"):
    """A strategy, or a person who adopted a position, said what is meant to be held."""

    intent_id: str
    by: str
    symbol: str
    side: str
    volume_lots: float


class IntentWithdrawn(Record, frozen=True, kw_only=True, tag="intent_withdrawn"):
    """It is no longer meant."""

    intent_id: str
    by: str


class LinkChanged(Record, frozen=True, kw_only=True, tag="link_changed"):
    """The terminal came, went, or fell silent."""

    state: str
    """`linked`, `reported`, `silent`, `unlinked`, `refused`."""
    cause: str


class FeedChanged(Record, frozen=True, kw_only=True, tag="feed_changed"):
    """Which quotes the account is valued on is decided anew; so as soon as they are all there."""

    feed: str
    """`own`: what its own terminal quotes, for it alone; `shared`: its server's."""
    cause: str


class RulesetChanged(Record, frozen=True, kw_only=True, tag="ruleset_changed"):
    """The account is guarded by another specification from here."""

    by: str
    ruleset: str
    reason: str


class AccountClosed(Record, frozen=True, kw_only=True, tag="account_closed"):
    """The replay ended."""

    balance: float
    equity: float | None
    """None: the account was never known."""
    equity_high_water: float
    max_drawdown: float
    max_drawdown_percent: float
    max_drawdown_time_msc: int | None
    ticks: int


AnyRecord = (
    AccountOpened
    | GuardWarning
    | GuardBreach
    | RuleWarning
    | RuleBreach
    | ObjectiveReached
    | DayReset
    | CloseIntended
    | CloseWaits
    | PositionClosed
    | BalanceChanged
    | AccountHalted
    | AccountReleased
    | Discrepancy
    | QuoteSuspect
    | OrderCancelled
    | PositionOpened
    | CloseSettled
    | CloseAlert
    | IntentRegistered
    | IntentWithdrawn
    | LinkChanged
    | FeedChanged
    | RulesetChanged
    | AccountClosed
)

VERDICTS = (GuardWarning, GuardBreach, RuleWarning, RuleBreach)
"""Records that carry a `verdict_id`."""


class Encoding:
    """Both ways between records and the lines of an events file."""

    _encoder: ClassVar[msgspec.json.Encoder] = msgspec.json.Encoder()
    _decoder: ClassVar[msgspec.json.Decoder[AnyRecord]] = msgspec.json.Decoder(AnyRecord)

    @classmethod
    def line(cls, record: Record) -> bytes:
        """One line of JSON with its newline."""
        return cls._encoder.encode(record) + b"\n"

    @classmethod
    def parse(cls, line: bytes) -> AnyRecord:
        """The record of a line.

        Raises:
            msgspec.ValidationError: not a record, with the path of the field.
        """
        return cls._decoder.decode(line)
