"""Intents against positions on a netting account, where a symbol is held but once.

The broker adds up whatever several intents trade: what is compared is the signed sum of the intents
of a symbol with its one position. Neither tag nor identifier is needed for that; entry and stops
are judged only where the sum leaves no doubt of them. What the sum does not show is told as shares:
what each intent has of the position, the youngest that was never filled going short first.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from engine.domain.discrepancies import Finding, Kind
from engine.domain.fills import entry_findings, intent_words, plain, stop_findings
from engine.domain.intents import Intent
from engine.domain.matching import Fill, Tolerances, is_whole, side_of
from engine.domain.positions import Side
from engine.domain.reports import PositionReport

_WORDS = 8
"""Intents told one by one in a sum; the others are told together."""


class Net(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol's intents, in the order registered, and what is held of it: one position, or none.

    Were there several, against the rule of such accounts, their sum would count.
    """

    symbol: str
    """As its intents spell it."""
    intents: tuple[Intent, ...]
    positions: tuple[PositionReport, ...]
    allowed: Tolerances

    @property
    def expected_steps(self) -> int:
        """What should be held, in volume steps; below 0: sold."""
        return sum(signed_steps(one, self.allowed) for one in self.intents)

    @property
    def actual_steps(self) -> int:
        """What is held, the same way."""
        return sum(self.allowed.steps(one.volume) * sign_of(side_of(one)) for one in self.positions)

    @property
    def is_whole(self) -> bool:
        """Whether something is held, and it is what should be."""
        expected, actual = self.expected_steps, self.actual_steps
        return expected * actual > 0 and is_whole(abs(actual), abs(expected))


class Shares(NamedTuple):
    """What is held, divided: all of it, together."""

    steps: tuple[int, ...]
    """Of each intent, signed: from none of it to all of it, never more."""
    nobodys: int
    """What no intent explains, signed."""


def nets_of(
    intents: Sequence[Intent],
    positions: Sequence[PositionReport],
    tolerances: Callable[[str], Tolerances],
    name: Callable[[str], str],
) -> tuple[tuple[Net, ...], tuple[PositionReport, ...]]:
    """One net for each symbol that is meant, and the positions of all other symbols.

    Args:
        tolerances: of a symbol, as `name` spells it.
        name: how a symbol is spelled to be compared.
    """
    groups: dict[str, list[Intent]] = {}
    for one in intents:
        groups.setdefault(name(one.symbol), []).append(one)
    nets = tuple(
        Net(
            symbol=group[0].symbol,
            intents=tuple(group),
            positions=tuple(one for one in positions if name(one.symbol) == symbol),
            allowed=tolerances(symbol),
        )
        for symbol, group in groups.items()
    )
    return nets, tuple(one for one in positions if name(one.symbol) not in groups)


def sign_of(side: Side) -> int:
    """1 for a buy, -1 for a sell."""
    return 1 if side is Side.BUY else -1


def signed_steps(intent: Intent, allowed: Tolerances) -> int:
    """The intent's volume in steps; below 0: sold."""
    return allowed.steps(intent.volume_lots) * sign_of(intent.side)


def shares_of(net: Net) -> Shares:
    """Who has what of the position."""
    steps = [signed_steps(one, net.allowed) for one in net.intents]
    off = net.actual_steps - sum(steps)
    youngest_first = sorted(
        range(len(steps)), key=lambda place: (net.intents[place].was_whole, -place)
    )
    for place in youngest_first:
        if off * steps[place] < 0:
            unfilled = min(abs(off), abs(steps[place])) * (1 if off > 0 else -1)
            steps[place] += unfilled
            off -= unfilled
    return Shares(tuple(steps), off)


def findings_of_net(
    net: Net, closing_lots: Mapping[int, float], opening_lots: Mapping[str, float]
) -> Iterator[Finding]:
    """What is wrong with one symbol.

    Args:
        closing_lots: volume whose close was sent and is not settled, by position.
        opening_lots: volume that was sent, or rests as an order, by intent.
    """
    found = _volume(net, closing_lots, opening_lots)
    if found is not None:
        yield found
    expected, actual = net.expected_steps, net.actual_steps
    if expected * actual > 0:
        yield from _prices(net)


def _volume(
    net: Net, closing_lots: Mapping[int, float], opening_lots: Mapping[str, float]
) -> Finding | None:
    """The one thing that can be wrong with a sum, counted in the direction that is meant."""
    expected, actual = net.expected_steps, net.actual_steps
    way = 1 if expected > 0 or (not expected and actual < 0) else -1
    aim, held = expected * way, actual * way
    with_it, against_it = _flying(net, way, closing_lots, opening_lots)
    if not aim:
        if held + with_it >= 0 >= held - against_it:
            return None
        return _told(net, Kind.UNEXPECTED)
    if not held and not with_it:
        return _told(net, Kind.MISSING)
    lacking = aim - held - with_it
    if held < 0:
        return _told(net, Kind.SIDE) if lacking * 20 > aim else None
    all_were_whole = all(one.was_whole for one in net.intents)
    if (held - against_it - aim) * 10 > aim or (all_were_whole and lacking * 10 > aim):
        return _told(net, Kind.VOLUME)
    if not all_were_whole and lacking * 20 > aim:
        return _told(net, Kind.PARTIAL_FILL)
    return None


def _flying(
    net: Net, way: int, closing_lots: Mapping[int, float], opening_lots: Mapping[str, float]
) -> tuple[int, int]:
    """Steps on their way, with the direction and against it.

    A close is counted with it: what it takes is still meant until its deal has come.
    """
    flying = {way: 0, -way: 0}
    for one in net.intents:
        sent = net.allowed.steps(opening_lots.get(one.intent_id, 0.0))
        flying[sign_of(one.side)] += sent
    known = {number for one in net.intents for number in one.position_ids}
    known |= {one.identifier for one in net.positions}
    closing = sum(closing_lots.get(number, 0.0) for number in known)
    flying[way] += net.allowed.steps(closing)
    return flying[way], flying[-way]


def _told(net: Net, kind: Kind) -> Finding:
    """The finding, of its intent where there is but one, else of the symbol with every share."""
    held = [one.identifier for one in net.positions]
    known = held or sorted({number for one in net.intents for number in one.position_ids})
    position_id = known[0] if len(known) == 1 else None
    if len(net.intents) == 1:
        return _told_of_one(net, kind, position_id)
    if kind is Kind.UNEXPECTED:
        # The same row as of a position that nobody means: this one is meant by nobody, in sum.
        return Finding(
            kind=kind,
            position_id=position_id,
            expected=_meant_words(net),
            actual=_held_words(net),
        )
    return Finding(
        kind=kind,
        position_id=position_id,
        subject=net.symbol,
        expected=_meant_words(net),
        actual=None if kind is Kind.MISSING else _held_words(net),
    )


def _told_of_one(net: Net, kind: Kind, position_id: int | None) -> Finding:
    """In the words that a hedging account has for it."""
    [intent] = net.intents
    expected, actual = plain(intent.volume_lots), plain(_lots(net, abs(net.actual_steps)))
    if kind is Kind.MISSING:
        expected, actual = intent_words(intent), ""
    elif kind is Kind.SIDE:
        expected, actual = intent.side.value, side_of(net.positions[0]).value
    return Finding(
        kind=kind,
        position_id=position_id,
        intent_id=intent.intent_id,
        expected=expected,
        actual=actual or None,
    )


def _meant_words(net: Net) -> str:
    """`0.6 EURUSD = a 1 - b 0.4`."""
    steps = [signed_steps(one, net.allowed) for one in net.intents]
    return _sum_words(net, net.expected_steps, steps, 0)


def _held_words(net: Net) -> str:
    """The same of what is held, with `nobody` for what no intent explains."""
    shares = shares_of(net)
    return _sum_words(net, net.actual_steps, shares.steps, shares.nobodys)


def _sum_words(net: Net, total: int, steps: Sequence[int], nobodys: int) -> str:
    named = [(one.intent_id, of) for one, of in zip(net.intents, steps, strict=True)]
    if len(named) > _WORDS:
        others = named[_WORDS - 1 :]
        rest = (f"{len(others)} others", sum(of for _, of in others))
        named = [*named[: _WORDS - 1], rest]
    if nobodys:
        named.append(("nobody", nobodys))
    words = f"{plain(_lots(net, total))} {net.symbol} ="
    for place, (who, of) in enumerate(named):
        sign = ("- " if of < 0 else "+ ") if place or of < 0 else ""
        words += f" {sign}{who} {plain(_lots(net, abs(of)))}"
    return words


def _lots(net: Net, steps: int) -> float:
    return steps * net.allowed.volume_step


def _prices(net: Net) -> Iterator[Finding]:
    """Entry and stops of a position on the side that is meant.

    Of several intents the entry is judged where all trade the same way and name a price, as their
    average; a stop where it is nobody's. MT5 keeps one of each, the last that was set.
    """
    if len(net.intents) == 1:
        fill = Fill(intent=net.intents[0], parts=net.positions)
        yield from entry_findings(fill, net.allowed)
        for one in net.positions:
            yield from stop_findings(net.intents[0], one, net.allowed)
        return
    way = 1 if net.expected_steps > 0 else -1
    meant = [one for one in net.intents if sign_of(one.side) == way]
    yield from _average_entry(net, meant)
    for position in net.positions:
        for kind, levels, actual in (
            (Kind.STOP_LOSS, [one.stop_loss for one in meant], position.sl),
            (Kind.TAKE_PROFIT, [one.take_profit for one in meant], position.tp),
        ):
            named = [one for one in levels if one is not None]
            allowed = net.allowed
            if named and not any(
                actual and allowed.is_within(one, actual, allowed.stop_pips) for one in named
            ):
                yield Finding(
                    kind=kind,
                    position_id=position.identifier,
                    subject=net.symbol,
                    expected=" or ".join(plain(one) for one in dict.fromkeys(named)),
                    actual=plain(actual) if actual else None,
                )


def _average_entry(net: Net, meant: Sequence[Intent]) -> Iterator[Finding]:
    prices = [one.open_price for one in meant if one.open_price is not None]
    if len(prices) < len(net.intents) or not net.is_whole:
        return
    lots = sum(one.volume_lots for one in meant)
    average = sum(price * one.volume_lots for price, one in zip(prices, meant, strict=True)) / lots
    held = sum(one.volume for one in net.positions)
    entry = sum(one.price_open * one.volume for one in net.positions) / held
    if not net.allowed.is_within(entry, average, net.allowed.slippage_pips):
        yield Finding(
            kind=Kind.ENTRY_SLIPPAGE,
            subject=net.symbol,
            expected=plain(average),
            actual=plain(entry),
        )


def linked_net(net: Net) -> tuple[Intent, ...]:
    """The intents with the position that they are now known to have a share of.

    One that has none of it keeps what it knew, and may still expire. Where all trade the same way a
    whole sum has all that was on its way; else what one lacks may hide what another does.
    """
    held = tuple(one.identifier for one in net.positions)
    all_came = len({one.side for one in net.intents}) == 1
    linked = []
    for one, share in zip(net.intents, shares_of(net).steps, strict=True):
        if net.is_whole and share:
            flying = 0.0 if all_came else one.in_flight_lots
            linked.append(replace(one, position_ids=held, was_whole=True, in_flight_lots=flying))
        elif share:
            known = tuple(dict.fromkeys((*one.position_ids, *held)))
            linked.append(replace(one, position_ids=known))
        else:
            linked.append(one)
    return tuple(linked)
