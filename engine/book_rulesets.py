"""Rulesets of a book as the domain's guards: one tuple for all accounts of a ruleset and currency.

A ruleset is its preset's guards, then its own, in the order listed. What cannot be tested without a
currency (decimals of money) or an initial balance (`above_initial`) waits for an account.
"""

from collections.abc import Iterator, Sequence

from engine import config
from engine.book_guard_checks import check, needs_reset
from engine.book_guards import ReadCalendar, guard_of
from engine.book_zones import reset_of
from engine.domain.guards import AccountGuard, Reset
from engine.domain.presets import PRESETS, Preset
from engine.toml_document import Document, Spot, one_of


def preset_guards(preset: Preset) -> Sequence[tuple[Spot, config.AnyGuardKeys]]:
    """A preset's guards as keys, each with its place in the preset's text."""
    document = Document(f"preset {preset.name}", preset.guards)
    keys = document.read(config.PresetKeys).guard
    return [(Spot(document, ("guard", number)), guard) for number, guard in enumerate(keys)]


class Ruleset:
    """One ruleset of a book, and the guards it gives, made once per currency."""

    def __init__(
        self,
        keys: config.RulesetKeys,
        spot: Spot,
        read_calendar: ReadCalendar,
    ) -> None:
        """Checks everything that needs no account.

        Raises:
            UserError: an unknown preset, a name given twice, a key that lacks another.
        """
        self.name = keys.name
        self.minimum_hold_s = keys.minimum_hold_s
        self._read_calendar = read_calendar
        self._made: dict[tuple[str, float | None], tuple[AccountGuard, ...]] = {}
        own_reset = None if keys.reset is None else reset_of(keys.reset, spot / "reset")
        self._guards: list[tuple[Spot, config.AnyGuardKeys, Reset | None]] = []
        for place, guard in self._listed(keys, spot):
            reset = None if guard.reset is None else reset_of(guard.reset, place / "reset")
            if own_reset is not None and (reset is None or place.document is not spot.document):
                reset = own_reset if reset is not None or needs_reset(guard) else None
            check(guard, reset, place)
            self._guards.append((place, guard, reset))
        self._on_initial = any(
            isinstance(guard, config.EquityLimitKeys)
            and guard.lock_at is not None
            and guard.lock_at.above_initial is not None
            for _, guard, _ in self._guards
        )

    def __len__(self) -> int:
        return len(self._guards)

    @staticmethod
    def _listed(keys: config.RulesetKeys, spot: Spot) -> Iterator[tuple[Spot, config.AnyGuardKeys]]:
        names: set[str] = set()
        if keys.preset is not None:
            if keys.preset not in PRESETS:
                raise (spot / "preset").refusal(
                    f"there is no preset `{keys.preset}`", one_of(keys.preset, PRESETS)
                )
            for place, guard in preset_guards(PRESETS[keys.preset]):
                names.add(guard.name)
                yield place, guard
        for number, guard in enumerate(keys.guard):
            place = spot / "guard" / number
            if guard.name in names:
                raise (place / "name").refusal(
                    f"the guard `{guard.name}` is twice in the ruleset `{keys.name}`",
                    "a preset's guards come first; names are unique within a ruleset",
                )
            names.add(guard.name)
            yield place, guard

    def guards(self, currency: str, initial: float) -> tuple[AccountGuard, ...]:
        """The guards of an account; the same tuple for all accounts they do not differ for.

        Raises:
            UserError: money in the ruleset does not fit the currency.
        """
        key = (currency, initial if self._on_initial else None)
        if key not in self._made:
            self._made[key] = tuple(
                guard_of(guard, reset, place, currency, initial, self._read_calendar)
                for place, guard, reset in self._guards
            )
        return self._made[key]

    def place_of(self, number: int) -> Spot:
        """Where guard number `number` was written."""
        return self._guards[number][0]
