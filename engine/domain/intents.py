"""What a strategy means to hold: registered by it, filled by the broker, compared with reports.

Not to be taken for a close intent, which is the engine's own. Intents speak the symbols of the
book; a report speaks the broker's. Pure values: the caller keeps the tuple.
"""

from collections.abc import Iterable, Sequence
from hashlib import blake2b
from math import isfinite

import msgspec
from msgspec.structs import replace

from engine.domain.positions import Position, Side

TAG_LENGTH = 31
"""Characters of a comment that MT5 keeps (MQL5 Reference, MqlTradeRequest)."""
_LOT_DIGITS = 8
"""Lots are doubles: differences are cut to this many decimals, far below any step."""


class IntentError(ValueError):
    """The strategy's mistake: what was said, and what is allowed."""


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a strategy means to hold."""

    intent_id: str
    symbol: str
    side: Side
    volume_lots: float
    """What should be held now: closes that a deal proves lower it."""
    open_price: float | None = None
    """None: at whatever price the market gave."""
    stop_loss: float | None = None
    """None: whatever is set is right. The same for the target."""
    take_profit: float | None = None
    magic: int = 0
    """What the strategy writes as ORDER_MAGIC; 0: nothing."""
    tag: str = ""
    """What the strategy writes as comment; `tag_of` where it has none of its own."""
    registered_at_msc: int = 0
    expires_at_msc: int | None = None
    """From when on an intent that nothing filled is dropped; None: never."""
    in_flight_lots: float = 0.0
    """Sent to the broker and not answered: said by whoever sends the orders."""
    position_ids: tuple[int, ...] = ()
    """Positions known to fill it, by POSITION_IDENTIFIER."""
    was_whole: bool = False
    """Filled wholly once: less is then a loss of volume, no longer a fill that goes on."""


def tag_of(intent_id: str) -> str:
    """The tag of an intent that names none of its own: 19 characters, the same for the same id."""
    return f"td-{blake2b(intent_id.encode(), digest_size=8).hexdigest()}"


def register(intents: Sequence[Intent], intent: Intent) -> tuple[Intent, ...]:
    """The intents with this one; registered twice with the same words, once.

    A tag is given where it has none. What is on its way is no part of the words: said again, it
    replaces what was said before.

    Raises:
        IntentError: it cannot be, or its id or its tag is another intent's.
    """
    tagged = replace(intent, tag=intent.tag or tag_of(intent.intent_id))
    _check(tagged)
    for known in intents:
        if known.intent_id == tagged.intent_id:
            if _words(known) == _words(tagged):
                return with_in_flight(intents, known.intent_id, tagged.in_flight_lots)
            raise IntentError(f"intent {intent.intent_id} is registered with other words")
        if known.tag == tagged.tag:
            raise IntentError(f"tag {tagged.tag!r} is the tag of intent {known.intent_id}")
        shared = set(known.position_ids) & set(tagged.position_ids)
        if shared:
            raise IntentError(f"position {min(shared)} fills intent {known.intent_id}")
    return (*intents, tagged)


def expire(intents: Sequence[Intent], now_msc: int) -> tuple[tuple[Intent, ...], tuple[str, ...]]:
    """(those that stay, names of those dropped): due, and not filled by anything.

    One that is filled in part, or has volume on its way, stays: the broker holds it, or may.
    """
    gone = tuple(
        one.intent_id
        for one in intents
        if one.expires_at_msc is not None
        and one.expires_at_msc <= now_msc
        and not one.position_ids
        and not one.in_flight_lots
    )
    return tuple(one for one in intents if one.intent_id not in gone), gone


def with_in_flight(intents: Sequence[Intent], intent_id: str, lots: float) -> tuple[Intent, ...]:
    """The intents with this much of one on its way to the broker; 0: all is answered.

    Raises:
        IntentError: no such intent, or a volume that cannot be.
    """
    if not (isfinite(lots) and lots >= 0):
        raise IntentError(f"in-flight volume {lots} lots: must be 0 or more")
    if all(one.intent_id != intent_id for one in intents):
        raise IntentError(f"no intent {intent_id}")
    return tuple(
        replace(one, in_flight_lots=lots) if one.intent_id == intent_id else one for one in intents
    )


def reduced(intent: Intent, lots: float) -> Intent | None:
    """The intent after a close of so much of it; None when nothing remains."""
    left = round(intent.volume_lots - lots, _LOT_DIGITS)
    return replace(intent, volume_lots=left) if left > 0 else None


def adopted_name(position_id: int) -> str:
    """What the intent of an adopted position is called."""
    return f"adopted-{position_id}"


def adopted(position: Position, at_msc: int) -> Intent:
    """An intent to hold a position as it is: for what was there first, or came by hand.

    Stop and target become part of it: their removal is found.
    """
    name = adopted_name(position.position_id)
    return Intent(
        intent_id=name,
        symbol=position.symbol,
        side=position.side,
        volume_lots=position.volume_lots,
        open_price=position.open_price,
        stop_loss=position.stop_loss,
        take_profit=position.take_profit,
        magic=position.magic,
        tag=tag_of(name),
        registered_at_msc=at_msc,
        position_ids=(position.position_id,),
        was_whole=True,
    )


def put(intents: Iterable[Intent], intent: Intent) -> tuple[Intent, ...]:
    """The intents with the one of that name replaced."""
    return tuple(intent if one.intent_id == intent.intent_id else one for one in intents)


def _words(intent: Intent) -> Intent:
    """What the strategy said, without what happened since: volume is lowered by closes."""
    return replace(
        intent,
        volume_lots=0.0,
        registered_at_msc=0,
        in_flight_lots=0.0,
        position_ids=(),
        was_whole=False,
    )


def _check(intent: Intent) -> None:
    if not intent.intent_id:
        raise IntentError("intent_id is empty")
    if not intent.symbol:
        raise IntentError(f"intent {intent.intent_id}: symbol is empty")
    if len(intent.tag) > TAG_LENGTH or not (intent.tag.isascii() and intent.tag.isprintable()):
        raise IntentError(
            f"intent {intent.intent_id}: tag {intent.tag!r}:"
            f" at most {TAG_LENGTH} printable ASCII characters, a broker cuts the rest"
        )
    prices = (intent.open_price, intent.stop_loss, intent.take_profit)
    for name, value in zip(("open_price", "stop_loss", "take_profit"), prices, strict=True):
        if value is not None and not (isfinite(value) and value > 0):
            raise IntentError(f"intent {intent.intent_id}: {name} is {value}, must be above 0")
    if not (isfinite(intent.volume_lots) and intent.volume_lots > 0):
        raise IntentError(
            f"intent {intent.intent_id}: volume_lots is {intent.volume_lots}, must be above 0"
        )
    if not 0 <= intent.in_flight_lots <= intent.volume_lots:
        raise IntentError(
            f"intent {intent.intent_id}: in_flight_lots is {intent.in_flight_lots}:"
            f" from 0 to its volume, {intent.volume_lots}"
        )
