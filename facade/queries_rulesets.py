"""Rule sets of the book: their guards in words, and what one would make of an account."""

from collections import Counter
from hashlib import sha256
from typing import Any

import msgspec
from starlette.responses import Response

from engine.domain.account import AccountSpec
from engine.domain.guard_views import GuardView
from engine.domain.ids import AccountKey
from engine.errors import UserError
from facade.access_policy import ADMINS
from facade.api_structs import Quality
from facade.api_structs_calls import Name, NoQuery, RulesetBody
from facade.call import Call, answer
from facade.codec import encode
from facade.commands import respec_of, tightens
from facade.report.rules import in_words


class OutlookQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Which rules."""

    ruleset: Name


class GuardInWords(msgspec.Struct, frozen=True, kw_only=True):
    """One guard of a rule set."""

    name: str
    kind: str
    action: str
    words: str


class Ruleset(msgspec.Struct, frozen=True, kw_only=True):
    """One rule set, as it guards an account."""

    name: str
    accounts: int
    """Of the caller's, that it guards now."""
    currency: str | None
    """Of the account the words are of; null: it fits none of the caller's."""
    ruleset_hash: str | None
    """SHA-256 of the guards, as of a verdict on such an account."""
    minimum_hold_s: float
    guards: tuple[GuardInWords, ...]


class RulesetsPage(msgspec.Struct, frozen=True, kw_only=True):
    """All that the caller may know of, in the order of the book."""

    rulesets: tuple[Ruleset, ...]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a guard stands; null is what is not known now."""

    reference: float | None
    floor: float | None
    room: float | None
    used_percent: float | None
    action: str


class GuardOutlook(msgspec.Struct, frozen=True, kw_only=True):
    """One guard by its name, under the rules in force and under the others."""

    name: str
    words: str | None
    """Of the others; null: it is not among them."""
    before: Standing | None
    """Null: the rules in force have no such guard."""
    after: Standing | None
    breaches: bool
    """It would breach at once, and be acted on."""


class RulesetOutlook(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule set would make of an account, on the quotes of now."""

    server: str
    login: int
    currency: str
    ruleset: str
    ruleset_hash: str
    in_force: str
    is_tighter: bool
    """Surely no looser, so one person alone may put it in force."""
    equity: float | None
    guards: tuple[GuardOutlook, ...]
    quality: Quality
    age_ms: int | None


async def rulesets(call: Call) -> Response:
    """Rule sets in words; an admin's are all of the book, of others those of their accounts."""
    call.query(NoQuery)
    uses: Counter[str] = Counter()
    likes: dict[str, list[AccountKey]] = {}
    currencies: dict[str, AccountKey] = {}
    keys = call.scope.keys()
    for key, one in zip(keys, await call.snapshots(keys), strict=True):
        uses[one.ruleset] += 1
        likes.setdefault(one.ruleset, [key])
        currencies.setdefault(one.currency, key)
    known = call.parts.rulesets()
    names = known if call.who.role in ADMINS else [name for name in known if uses[name]]
    found = [
        _told(call, name, uses[name], [*likes.get(name, ()), *currencies.values()])
        for name in names
    ]
    return answer(RulesetsPage(rulesets=tuple(found)))


def _told(call: Call, name: str, accounts: int, fits: list[AccountKey]) -> Ruleset:
    """In the words of the first account that it fits."""
    for key in fits:
        try:
            spec = call.parts.specs(key, name)
        except UserError:
            continue
        return Ruleset(
            name=name,
            accounts=accounts,
            currency=spec.market.deposit,
            ruleset_hash=hash_of(spec.guards),
            minimum_hold_s=spec.minimum_hold_s or 0.0,
            guards=tuple(
                GuardInWords(
                    name=guard.name,
                    kind=str(type(guard).__struct_config__.tag),
                    action=guard.action.value,
                    words=in_words(guard, spec),
                )
                for guard in spec.guards
            ),
        )
    return Ruleset(
        name=name, accounts=accounts, currency=None, ruleset_hash=None, minimum_hold_s=0.0,
        guards=(),
    )  # fmt: skip


async def outlook(call: Call) -> Response:
    """What a rule set of the book would make of an account, worked out by the engine."""
    key = call.key()
    query = call.query(OutlookQuery)
    command = respec_of(call, key, RulesetBody(ruleset=query.ruleset, reason="-"), call.who.name)
    found = await call.desk.outlook(key, command)
    one = call.desk.snapshot(key)
    return answer(
        RulesetOutlook(
            server=key.server,
            login=key.login,
            currency=one.currency,
            ruleset=query.ruleset,
            ruleset_hash=hash_of(command.spec.guards),
            in_force=one.ruleset,
            is_tighter=tightens(call, key, command),
            equity=found.equity,
            guards=_side_by_side(command.spec, found.before, found.after, found.breaches),
            quality=one.quality.value,
            age_ms=one.age_ms,
        )
    )


def _side_by_side(
    spec: AccountSpec,
    before: tuple[GuardView, ...],
    after: tuple[GuardView, ...],
    breaches: tuple[str, ...],
) -> tuple[GuardOutlook, ...]:
    """In the order of the new rules, then those that go."""
    was = {guard.name: _standing(guard) for guard in before}
    words = {guard.name: in_words(guard, spec) for guard in spec.guards}
    then = {guard.name: _standing(guard) for guard in after}
    return tuple(
        GuardOutlook(
            name=name,
            words=words.get(name),
            before=was.get(name),
            after=then.get(name),
            breaches=name in breaches,
        )
        for name in dict.fromkeys((*then, *was))
    )


def _standing(guard: GuardView) -> Standing:
    return Standing(
        reference=guard.reference,
        floor=guard.floor,
        room=guard.distance,
        used_percent=guard.used_percent,
        action=guard.action,
    )


def hash_of(rules: Any) -> str:
    """SHA-256 of guards, as structs or as they are made of."""
    return sha256(encode(rules)).hexdigest()
