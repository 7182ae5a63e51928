"""The same accounts on the same ticks under another ruleset."""

from dataclasses import replace as replaced

from msgspec.structs import replace

from engine import config
from engine.book import Book
from engine.book_rulesets import Ruleset
from engine.domain.presets import PRESETS
from engine.errors import UserError
from engine.replay import replay
from engine.replay_result import Replay
from engine.toml_document import Document, Spot


def what_if(done: Replay, ruleset: str) -> Replay:
    """A new replay of the same book and ticks, every account under `ruleset`.

    Args:
        ruleset: one of the book, or else a preset.

    Raises:
        UserError: there is neither, or its money does not fit an account's currency.
    """
    return replay(under(done.book, ruleset), done.stream, compare_poll=done.compare_poll)


def under(book: Book, ruleset: str) -> Book:
    """The book with every account under one ruleset of it, or under a preset.

    Raises:
        UserError: as `what_if`.
    """
    found = book.rulesets.get(ruleset)
    if found is None:
        if ruleset not in PRESETS:
            known = sorted({*book.rulesets, *PRESETS})
            raise UserError(
                f"there is no ruleset or preset `{ruleset}`", help=f"there are: {', '.join(known)}"
            )
        found = _preset(ruleset)
    accounts = []
    for account in book.accounts:
        spec = account.spec
        guards = found.guards(spec.market.deposit, spec.major(spec.initial_minor))
        ruled = replace(spec, guards=guards, minimum_hold_s=found.minimum_hold_s)
        accounts.append(replace(account, spec=ruled))
    return replaced(book, accounts=tuple(accounts))


def _preset(name: str) -> Ruleset:
    document = Document(f"preset {name}", f'preset = "{name}"\n')
    keys = config.RulesetKeys(name=name, preset=name)

    def no_calendar(_keys: config.NewsWindowKeys, spot: Spot) -> tuple[None, None]:
        raise spot.refusal("a preset has no calendar")

    return Ruleset(keys, Spot(document, ()), no_calendar)
