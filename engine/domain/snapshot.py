"""The reader's view of one account: built on read from its state and the quotes of now.

Pure, and never part of a decision. Money is in major units of the account currency; what cannot be
computed on the quotes at hand is None, never zero.
"""

from enum import Enum

import msgspec
from msgspec.structs import replace

from engine.domain.account import AccountState
from engine.domain.guard_views import (
    GuardView,
    Sight,
    guard_view,
    major_of,
    nearest,
    room_percent,
    standing_guard,
)
from engine.domain.live import Live
from engine.domain.live_views import LiveView, live_view
from engine.domain.margin import is_margin_fixed, margin_minor
from engine.domain.marks import published_drawdown, published_high_water
from engine.domain.positions import Side
from engine.domain.terminal_views import TerminalView
from engine.domain.units import minor_of_mark, percent
from engine.domain.valuation import UNPRICED, Quotes, profit_minor, symbols_needed


class Quality(Enum):
    """What the valuation is worth."""

    KNOWN = "known"
    STALE = "stale"
    """Valued, on a quote that is too old."""
    UNKNOWN = "unknown"
    """Not valued; the reason says what is missing."""


class PositionView(msgspec.Struct, frozen=True, kw_only=True):
    """An open position at the price that would close it."""

    position_id: int
    ticket: int
    symbol: str
    side: str
    volume_lots: float
    open_price: float
    current_price: float | None
    profit: float | None
    """Without swap."""
    swap: float
    stop_loss: float | None
    take_profit: float | None
    opened_at_msc: int | None
    magic: int
    comment: str
    intent_id: str | None = None
    """The strategy's intent that it fills."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One account as of `time_msc`."""

    server: str
    login: int
    currency: str
    mode: str
    seq: int
    """Of the last record."""
    feed_version: int
    time_msc: int
    quality: Quality
    reason: str | None
    """Why it is not known."""
    age_ms: int | None
    """Of the oldest quote in the valuation; None where it has none."""
    balance: float
    credit: float
    initial: float
    equity: float | None
    profit: float | None
    """Floating, swap included."""
    margin: float | None
    """Our projection; the broker's figure is the truth."""
    free_margin: float | None
    margin_level: float | None
    """Percent; None while there is no margin."""
    equity_high_water: float
    drawdown: float | None
    """High-water mark less equity, at least 0."""
    drawdown_percent: float | None
    max_drawdown: float
    max_drawdown_percent: float
    max_drawdown_time_msc: int | None
    ticks: int
    """Ticks the account was valued on."""
    halts: tuple[str, ...]
    nearest_guard: str | None
    """Of the guards with a floor that is not breached, the one with least of its amount left."""
    room: float | None
    """What is measured less the floor of the nearest guard."""
    room_percent: float | None
    """That, as percent of the guard's amount."""
    positions: tuple[PositionView, ...]
    guards: tuple[GuardView, ...]
    ruleset: str = ""
    feed: str = ""
    """The quotes it is valued on, by name: its server's, or `server/login` of its own terminal
    alone; empty in a replay."""
    live: LiveView | None = None
    """Of an account with a link to a terminal."""


class Standing:
    """What of a snapshot neither quotes nor time move: made once a state, used for every tick."""

    __slots__ = (
        "_live",
        "_margin_minor",
        "guards",
        "is_margin_fixed",
        "mode",
        "needs",
        "positions",
        "state",
        "swap_minor",
    )

    def __init__(self, state: AccountState) -> None:
        spec = state.spec
        self.state = state
        self.mode = spec.mode.value
        self.needs = symbols_needed(spec.market, state.positions)
        self.swap_minor = sum(position.swap_minor for position in state.positions)
        self.positions = _standing_positions(state)
        """Without prices."""
        self.guards = tuple(
            standing_guard(guard, place, state) for place, guard in enumerate(spec.guards)
        )
        symbols = [position.symbol for position in state.positions]
        self.is_margin_fixed = is_margin_fixed(spec.market, symbols)
        self._margin_minor: tuple[int | None] | None = None
        self._live: tuple[float | None, TerminalView | None, LiveView] | None = None

    def margin_minor(self, quotes: Quotes) -> int | None:
        """The margin of now; None: a quote is missing. Asked only where positions are valued."""
        if not self.is_margin_fixed:
            return _margin_minor(self.state, quotes)
        if self._margin_minor is None:
            self._margin_minor = (_margin_minor(self.state, quotes),)
        return self._margin_minor[0]

    def live(self, compared_ms: float | None, terminal: TerminalView | None) -> LiveView | None:
        """The view of what a live account has besides; see `Sight`."""
        if self.state.live is None:
            return None
        made = self._live
        if made is None or made[0] != compared_ms or made[1] is not terminal:
            view = live_view(self.state.live, compared_ms, terminal)
            made = self._live = (compared_ms, terminal, view)
        return made[2]


def snapshot_of(state: AccountState, sight: Sight, standing: Standing | None = None) -> Snapshot:
    """The account as it is seen now. Cost: a valuation of its positions.

    Args:
        standing: of this very state, where the caller kept it.
    """
    standing = standing or Standing(state)
    spec = state.spec
    quality, reason, age_ms = _quality_of(standing, sight)
    valued = all(symbol in sight.quotes for symbol in standing.needs)
    profits = _profits_minor(state, sight.quotes, valued=valued)
    floating = equity = margin = None
    if valued:
        floating = standing.swap_minor + sum(profit for profit in profits if profit is not None)
        equity = state.balance_minor + state.credit_minor + floating
        margin = standing.margin_minor(sight.quotes)
    level = None
    if equity is not None and margin:
        level = percent(100.0 * equity / margin)
    high_water_minor = minor_of_mark(sight.marks.trackers[0], spec.digits)
    drawdown = None if equity is None else max(0, high_water_minor - equity)
    deepest, deepest_percent = published_drawdown(spec, sight.marks)
    guards = tuple([guard_view(one, state, sight, equity, age_ms) for one in standing.guards])
    closest = nearest(guards)
    return Snapshot(
        server=spec.key.server,
        login=spec.key.login,
        currency=spec.market.deposit,
        mode=standing.mode,
        seq=state.seq,
        feed_version=sight.feed_version,
        time_msc=sight.time_msc,
        quality=quality,
        reason=reason,
        age_ms=age_ms,
        balance=spec.major(state.balance_minor),
        credit=spec.major(state.credit_minor),
        initial=spec.major(spec.initial_minor),
        equity=major_of(state, equity),
        profit=major_of(state, floating),
        margin=major_of(state, margin),
        free_margin=None if equity is None or margin is None else spec.major(equity - margin),
        margin_level=level,
        equity_high_water=published_high_water(spec, sight.marks),
        drawdown=major_of(state, drawdown),
        drawdown_percent=_share(drawdown, high_water_minor),
        max_drawdown=deepest,
        max_drawdown_percent=deepest_percent,
        max_drawdown_time_msc=sight.marks.max_drawdown_time_msc or None,
        ticks=sight.marks.ticks,
        halts=state.halts,
        nearest_guard=None if closest is None else closest.name,
        room=None if closest is None else closest.distance,
        room_percent=None if closest is None else room_percent(closest),
        positions=_position_views(standing, sight.quotes, profits),
        guards=guards,
        ruleset=spec.ruleset,
        feed=sight.feed,
        live=standing.live(sight.compared_ms, sight.terminal),
    )


def _quality_of(standing: Standing, sight: Sight) -> tuple[Quality, str | None, int | None]:
    """What a valuation is worth now, why it is not worth more, and the age of its oldest quote."""
    state, needs, ages_ms = standing.state, standing.needs, sight.ages_ms
    market = state.spec.market
    aged = [(ages_ms[symbol], symbol) for symbol in needs if symbol in ages_ms]
    age_ms, oldest = max(aged, default=(None, ""))
    if sight.crashed is not None:
        return Quality.UNKNOWN, f"crashed: {sight.crashed}", age_ms
    missing = next((symbol for symbol in needs if symbol not in sight.quotes), None)
    if missing == UNPRICED:
        named = sorted({p.symbol for p in state.positions if p.symbol not in market.priced})
        return Quality.UNKNOWN, f"{', '.join(named)}: not in the book, or not convertible", age_ms
    if missing is not None:
        return Quality.UNKNOWN, f"{missing} has no quote yet", age_ms
    if state.live is not None:
        doubt = _doubt(state.live, sight.time_msc)
        if doubt is not None:
            return *doubt, age_ms
    if not state.opened:
        return Quality.UNKNOWN, "not opened yet", age_ms
    if age_ms is not None and age_ms > sight.stale_after_ms:
        return Quality.STALE, f"no quote of {oldest} for {age_ms // 1000} s", age_ms
    return Quality.KNOWN, None, age_ms


def _doubt(live: Live, now_msc: int) -> tuple[Quality, str] | None:
    """Why what a live account holds is not known as of now; None: it is."""
    link = live.link
    if link.refusal:
        return Quality.UNKNOWN, link.refusal
    if live.is_failed:
        return Quality.UNKNOWN, "the terminal's report failed"
    if live.settling:
        return Quality.UNKNOWN, "a position is gone and its deal has not come yet"
    if not live.book.total_syncs:
        return Quality.UNKNOWN, "no full report yet"
    seconds = max(0, now_msc - link.changed_msc) // 1000
    if not link.is_linked:
        return Quality.STALE, f"the terminal has been away for {seconds} s"
    if link.is_silent:
        return Quality.STALE, f"the terminal has been silent for {seconds} s"
    if not link.is_reported:
        return Quality.STALE, "linked again; its report has not come yet"
    return None


def _margin_minor(state: AccountState, quotes: Quotes) -> int | None:
    spec = state.spec
    try:
        return margin_minor(
            spec.market,
            spec.leverage,
            state.positions,
            quotes,
            margin_mode=spec.margin_mode,
        )
    except KeyError:  # margin in a currency whose conversion has no quote
        return None


def _profits_minor(state: AccountState, quotes: Quotes, *, valued: bool) -> list[int | None]:
    """Profit of each position without swap; None where a quote is missing."""
    market = state.spec.market
    if valued:
        return [profit_minor(market, position, quotes) for position in state.positions]
    return [
        profit_minor(market, position, quotes)
        if all(symbol in quotes for symbol in market.needs(position.symbol))
        else None
        for position in state.positions
    ]


def _standing_positions(state: AccountState) -> tuple[PositionView, ...]:
    intents = () if state.live is None else state.live.book.intents
    fills = {number: one.intent_id for one in intents for number in one.position_ids}
    return tuple(
        PositionView(
            position_id=position.position_id,
            ticket=position.ticket or position.position_id,
            symbol=position.symbol,
            side=position.side.value,
            volume_lots=position.volume_lots,
            open_price=position.open_price,
            current_price=None,
            profit=None,
            swap=state.spec.major(position.swap_minor),
            stop_loss=position.stop_loss,
            take_profit=position.take_profit,
            opened_at_msc=position.opened_at_msc,
            magic=position.magic,
            comment=position.comment,
            intent_id=fills.get(position.position_id),
        )
        for position in state.positions
    )


def _position_views(
    standing: Standing, quotes: Quotes, profits: list[int | None]
) -> tuple[PositionView, ...]:
    state, views = standing.state, []
    for position, view, profit in zip(state.positions, standing.positions, profits, strict=True):
        quote = quotes.get(position.symbol)
        if quote is None:
            views.append(view)
            continue
        price = quote.bid if position.side is Side.BUY else quote.ask
        views.append(replace(view, current_price=price, profit=major_of(state, profit)))
    return tuple(views)


def _share(part: int | None, whole: int) -> float | None:
    return None if part is None or whole <= 0 else percent(100.0 * part / whole)
