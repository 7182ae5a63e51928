"""Instruments and guards of the feed, as the domain has them."""

from collections.abc import Sequence
from typing import assert_never

from engine import config
from engine.book_zones import sessions_of
from engine.domain import market_guards
from engine.domain.instruments import CalcMode, Instrument
from engine.domain.market_guards import AnyMarketGuard
from engine.toml_document import Spot, one_of


def instruments_of(listed: Sequence[config.InstrumentKeys], spot: Spot) -> tuple[Instrument, ...]:
    """The book's instruments, in its order.

    Raises:
        UserError: there is none, a symbol is given twice, or a future lacks its tick.
    """
    if not listed:
        raise Spot(spot.document, ()).refusal(
            "the book has no instrument", "add an [[instrument]] for each symbol held or converted"
        )
    made: dict[str, Instrument] = {}
    for number, keys in enumerate(listed):
        place = spot / number
        if keys.symbol in made:
            raise (place / "symbol").refusal(f"the symbol `{keys.symbol}` is given twice")
        made[keys.symbol] = _instrument(keys, place)
    return tuple(made.values())


def _instrument(keys: config.InstrumentKeys, spot: Spot) -> Instrument:
    if keys.calc_mode is CalcMode.FUTURES:
        for name in ("tick_size", "tick_value"):
            if getattr(keys, name) is None:
                raise spot.refusal(
                    f"`{name}` is missing: a future's profit is counted in ticks",
                    "give tick_size (in price) and tick_value (in the profit currency)",
                )
    if keys.volume_min > keys.volume_max:
        raise (spot / "volume_min").refusal("`volume_min` is more than `volume_max`")
    return Instrument(
        symbol=keys.symbol,
        calc_mode=keys.calc_mode,
        digits=keys.digits,
        contract_size=keys.contract_size,
        base_currency=keys.base_currency,
        profit_currency=keys.profit_currency,
        tick_size=keys.tick_size,
        tick_value=keys.tick_value,
        pip_size=keys.pip_size,
        margin_currency=keys.margin_currency,
        margin_initial=keys.margin_initial,
        margin_hedged=keys.margin_hedged,
        hedged_use_leg=keys.hedged_use_leg,
        margin_rate_buy=keys.margin_rate_buy,
        margin_rate_sell=keys.margin_rate_sell,
        conversion=keys.conversion,
        volume_min=keys.volume_min,
        volume_max=keys.volume_max,
        volume_step=keys.volume_step,
        sessions=sessions_of(keys.sessions, spot / "sessions"),
    )


def feed_guards_of(
    feed: config.FeedKeys | None, instruments: Sequence[Instrument], spot: Spot
) -> tuple[AnyMarketGuard, ...]:
    """The guards on quotes, in the order listed; a guard without a name has its kind's.

    Raises:
        UserError: a symbol is unknown, a name is given twice, or a limit warns after it acts.
    """
    symbols = [instrument.symbol for instrument in instruments]
    made: dict[str, AnyMarketGuard] = {}
    for number, keys in enumerate(feed.guard if feed is not None else ()):
        place = spot / "guard" / number
        for item, symbol in enumerate(keys.symbols):
            if symbol not in symbols:
                raise (place / "symbols" / item).refusal(
                    f"unknown symbol `{symbol}`", one_of(symbol, symbols)
                )
        guard = _feed_guard(keys, place)
        if guard.name in made:
            raise place.refusal(
                f"the guard `{guard.name}` of the feed is given twice", "give each its own name"
            )
        made[guard.name] = guard
    return tuple(made.values())


def _feed_guard(
    keys: config.GapKeys | config.SpreadKeys | config.StaleKeys | config.SuspectKeys, spot: Spot
) -> AnyMarketGuard:
    kind = str(keys.__struct_config__.tag)
    name, action, symbols = keys.name or kind, keys.action, tuple(keys.symbols)
    if isinstance(keys, config.GapKeys | config.SpreadKeys) and (
        keys.warn_percent > keys.act_percent
    ):
        raise (spot / "warn_percent").refusal(
            f"a warning at {keys.warn_percent:g} % comes after acting at {keys.act_percent:g} %"
        )
    match keys:
        case config.GapKeys():
            return market_guards.Gap(
                name=name,
                action=action,
                symbols=symbols,
                warn_percent=keys.warn_percent,
                act_percent=keys.act_percent,
                quiet_s=keys.quiet_s,
                across_sessions=keys.across_sessions,
            )
        case config.SpreadKeys():
            return market_guards.Spread(
                name=name,
                action=action,
                symbols=symbols,
                warn_percent=keys.warn_percent,
                act_percent=keys.act_percent,
                for_s=keys.for_s,
            )
        case config.StaleKeys():
            age = keys.max_age_s
            return market_guards.Stale(name=name, action=action, symbols=symbols, max_age_s=age)
        case config.SuspectKeys():
            return market_guards.Suspect(
                name=name,
                action=action,
                symbols=symbols,
                in_a_row=keys.in_a_row,
                policy=keys.policy,
            )
        case _:
            assert_never(keys)
