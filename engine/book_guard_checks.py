"""What the keys of one guard mean to each other."""

from engine import config
from engine.book_guards import latch_of
from engine.domain.guards import AT_RESET, Action, Latch, Reference, Reset
from engine.toml_document import Spot

RESET_HELP = 'add reset = { zone = "Europe/Prague", at = "00:00" } to it or to its ruleset'


def needs_reset(keys: config.AnyGuardKeys) -> bool:
    """Whether the guard can do nothing without a reset."""
    if isinstance(keys, config.EquityLimitKeys) and keys.reference in AT_RESET:
        return True
    if isinstance(keys, config.MinDaysKeys | config.ConsistencyKeys):
        return True
    return isinstance(keys, config.LatchedKeys) and latch_of(keys) is Latch.RESET


def check(keys: config.AnyGuardKeys, reset: Reset | None, spot: Spot) -> None:
    """Holds the keys of one guard against each other.

    Raises:
        UserError: they do not go together.
    """
    if reset is None and needs_reset(keys):
        raise spot.refusal(f"the guard `{keys.name}` needs a reset: {_why(keys)}", RESET_HELP)
    if isinstance(keys, config.LatchedKeys):
        if keys.action is Action.PAUSE and keys.latch is Latch.NEVER:
            raise (spot / "latch").refusal(
                "a pause ends, and the latch `never` does not", "allowed: reset, manual"
            )
    elif keys.action is Action.PAUSE:
        raise (spot / "action").refusal(
            "`pause` is for guards of the whole account; this one judges positions one by one",
            "allowed: alert, close, close_and_halt",
        )
    match keys:
        case config.EquityLimitKeys():
            _check_equity_limit(keys, spot)
        case config.ProfitTargetKeys(target=target):
            _exactly_one(target, ("percent", "money"), spot / "target")
        case config.ExposureKeys():
            limits = (
                "max_positions",
                "max_lots_per_symbol",
                "max_net_notional",
                "max_gross_notional",
            )
            if all(getattr(keys, limit) is None for limit in limits):
                raise spot.refusal(
                    f"the guard `{keys.name}` limits nothing", f"give one of: {', '.join(limits)}"
                )
        case config.MarginLevelKeys(floor_percent=lowest, warn_level_percent=warn):
            if warn is not None and warn <= lowest:
                raise (spot / "warn_level_percent").refusal(
                    f"a warning at {warn:g} % comes after the breach at {lowest:g} %",
                    f"give more than {lowest:g}",
                )
        case _:
            pass


def _why(keys: config.AnyGuardKeys) -> str:
    if isinstance(keys, config.EquityLimitKeys) and keys.reference in AT_RESET:
        assert keys.reference is not None
        return f"its reference `{keys.reference.value}` is taken there"
    if isinstance(keys, config.MinDaysKeys | config.ConsistencyKeys):
        return "it counts days"
    if keys.action is Action.PAUSE:
        return "a pause lasts until the next one"
    return "its latch lasts until the next one"


def _check_equity_limit(keys: config.EquityLimitKeys, spot: Spot) -> None:
    _exactly_one(keys.amount, ("percent", "money", "floor"), spot / "amount")
    if keys.amount.floor is None and keys.reference is None:
        names = ", ".join(r.value for r in Reference)
        raise spot.refusal("`reference` is missing in a guard", f"allowed: {names}")
    if keys.amount.floor is not None and keys.reference not in (None, Reference.INITIAL):
        raise (spot / "reference").refusal(
            "a fixed floor is measured from `initial`", "leave `reference` out, or write initial"
        )
    if keys.lock_at is not None:
        _exactly_one(keys.lock_at, ("percent", "money", "above_initial"), spot / "lock_at")
    if keys.warn_percent is not None and keys.warn_drawdown_percent is not None:
        raise (spot / "warn_drawdown_percent").refusal(
            "both `warn_percent` and `warn_drawdown_percent` are given", "give one of the two"
        )


def _exactly_one(
    keys: config.AmountKeys | config.LockKeys | config.TargetKeys,
    names: tuple[str, ...],
    spot: Spot,
) -> None:
    given = [name for name in names if getattr(keys, name) is not None]
    if len(given) != 1:
        raise spot.refusal(
            f"{keys.noun} needs one of {', '.join(names)}; {len(given) or 'none'} given",
            'for example { percent = 5.0, of = "initial" } or { money = 500.0 }',
        )
    if keys.of is not None and keys.percent is None:
        raise (spot / "of").refusal(f"`of` goes with `percent`, not with `{given[0]}`")
