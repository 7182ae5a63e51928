"""What a person may write to the bot, parsed. Pure.

Reading, silence, and the lowering of risk. There is no way from here to release a halt, change a
ruleset or adopt a position.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from engine.domain.ids import AccountKey

MUTE_MOST_MIN = 24 * 60
LETTERS = 100
"""Longest text that is looked at."""
NEVER = frozenset({"release", "resume", "ruleset", "rules", "adopt", "loosen", "unhalt"})

_CODE = re.compile(r"[0-9]{6}")
_COMMAND = re.compile(r"/([a-z]+)(?:@\w+)?(?:\s+(.*))?", re.IGNORECASE | re.DOTALL)
_SPAN = re.compile(r"([0-9]{1,4})\s*(min|m|h)", re.IGNORECASE)


class Topic(Enum):
    """What may be read of one account."""

    ACCOUNT = "account"
    WHY = "why"
    GUARDS = "guards"


class Action(Enum):
    """What may be done."""

    HALT = "halt"
    FLATTEN = "flatten"


@dataclass(frozen=True, slots=True)
class Status:
    """How many accounts are in which state, and which are nearest to a floor."""


@dataclass(frozen=True, slots=True)
class Look:
    """One account, one topic; no account named: which one?"""

    topic: Topic
    account: str | None


@dataclass(frozen=True, slots=True)
class Mute:
    """Nothing but pages of this account for a while."""

    account: str
    minutes: int


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """The pages so far were seen."""


@dataclass(frozen=True, slots=True)
class Act:
    """Lower risk, once it is confirmed; neither an account nor all: which one?"""

    action: Action
    account: str | None
    everything: bool = False


@dataclass(frozen=True, slots=True)
class Confirm:
    """A code, sent back."""

    code: str


@dataclass(frozen=True, slots=True)
class Help:
    """What may be asked."""


@dataclass(frozen=True, slots=True)
class NotUnderstood:
    """Why nothing was done."""

    reason: str


Asked = Status | Look | Mute | Acknowledge | Act | Confirm | Help | NotUnderstood


def parse(text: str) -> Asked:
    """What a message asks for."""
    text = text.strip()
    if len(text) > LETTERS:
        return NotUnderstood("too long")
    if _CODE.fullmatch(text):
        return Confirm(text)
    found = _COMMAND.fullmatch(text)
    if found is None:
        return NotUnderstood("not a command: /help")
    word, rest = found.group(1).lower(), " ".join((found.group(2) or "").split())
    if word in NEVER:
        return NotUnderstood(f"{word} is not done from chat")
    if word in {"status", "ack", "help", "start"}:
        if rest:
            return NotUnderstood(f"/{word} takes nothing more")
        return Status() if word == "status" else Acknowledge() if word == "ack" else Help()
    if word in {topic.value for topic in Topic}:
        return Look(Topic(word), rest or None)
    if word in {action.value for action in Action}:
        everything = rest.lower() == "all"
        return Act(Action(word), None if everything else rest or None, everything)
    if word == "mute":
        return _mute(rest)
    return NotUnderstood("unknown command: /help")


def _mute(rest: str) -> Asked:
    account, _, span = rest.rpartition(" ")
    found = _SPAN.fullmatch(span)
    if found is None or not account:
        return NotUnderstood("write /mute 1001 30m")
    minutes = int(found.group(1)) * (60 if found.group(2).lower() == "h" else 1)
    if not 1 <= minutes <= MUTE_MOST_MIN:
        return NotUnderstood("from 1m to 24h")
    return Mute(account, minutes)


def accounts_named(text: str, keys: Sequence[AccountKey]) -> list[AccountKey]:
    """The accounts a text may mean: `1001`, or `Demo-1/1001` where servers share a login."""
    server, slash, login = text.rpartition("/")
    if not login.isascii() or not login.isdigit() or len(login) > 19:
        return []
    return [
        key
        for key in keys
        if key.login == int(login) and (not slash or key.server.lower() == server.lower())
    ]
