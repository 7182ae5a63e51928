"""Expected against actual: what a report, a heartbeat or a deal makes of what we believe.

`compare` is pure: the book of beliefs after it, the discrepancies that changed, and what to do. The
same report twice changes nothing; a report that failed changes no belief. `reporting` calls it at
every full report, heartbeat and deal, publishes what changed and does what it asks for.
"""

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from engine.domain import adoption, net_deals, residuals
from engine.domain.beliefs import Book, Terms, money_words
from engine.domain.discrepancies import (
    ABOUT_MONEY,
    PROVED,
    Discrepancy,
    Finding,
    Kind,
    turn,
)
from engine.domain.executions import Executions, learned
from engine.domain.fills import stranger
from engine.domain.instruments import CALC_MODE_NUMBERS, Instrument
from engine.domain.matching import Tolerances, names_of
from engine.domain.remedies import Action, AskReport, adoptable, asked_by_policy, questions
from engine.domain.reports import (
    AccountReport,
    DealReport,
    FullReport,
    Heartbeat,
    SpecReport,
)
from engine.domain.showing import matched, netted

_SPEC_FIELDS = (
    "digits",
    "trade_contract_size",
    "trade_calc_mode",
    "currency_base",
    "currency_profit",
    "currency_margin",
    "trade_tick_size",
    "volume_min",
    "volume_max",
    "volume_step",
)
"""What changes profit, margin or volume. The tick value is left out: it follows the market."""


class Sighting(msgspec.Struct, frozen=True, kw_only=True):
    """What came from the terminal, and what the engine knew at that moment."""

    at_msc: int
    session: str = ""
    n: int = 0
    """Of the frame, from 1; a report or heartbeat of this session not above the last is ignored."""
    report: FullReport | None = None
    beat: Heartbeat | None = None
    deals: tuple[DealReport, ...] = ()
    """New ones and repeats, in any order: each counts once."""
    closing_lots: Mapping[int, float] = {}
    """Volume of closes sent and not settled, by position."""
    own_deals: frozenset[int] = frozenset()
    """Tickets that the engine's own commands made, by their results."""
    own_orders: frozenset[int] = frozenset()
    """The same by order, where a result was given before there was a deal."""
    expected_profit_minor: Mapping[int, int] = {}
    """By deal: what its price makes of the position, where the engine can value it."""
    mark_minor: int | None = None
    """Our own equity of this moment; None while it is not known."""
    listed: Mapping[str, Instrument] = {}
    """The book's instruments by name: a terminal that says otherwise is a discrepancy."""
    expects: bool = True
    """Strategies say what they mean to hold: what nobody means is a discrepancy."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What a sighting made."""

    book: Book
    changed: tuple[Discrepancy, ...] = ()
    """To be published, in this order."""
    actions: tuple[Action, ...] = ()
    is_unknown: bool = False
    """The report failed: the account is UNKNOWN until one does not."""


def compare(book: Book, seen: Sighting, terms: Terms) -> Comparison:
    """The beliefs after a sighting, what changed, and what to do.

    Deals are taken first; then the report or the heartbeat is judged, if it is newer than the last.
    """
    executions = learned(
        book.ledger,
        book.intents,
        seen.deals,
        terms,
        closing_lots=seen.closing_lots,
        own_deals=seen.own_deals,
        own_orders=seen.own_orders,
        expected_profit_minor=seen.expected_profit_minor,
    )
    book = replace(book, ledger=executions.ledger, intents=executions.intents)
    is_old = seen.session == book.session and seen.n <= book.n
    report = None if is_old else seen.report
    beat = None if is_old else seen.beat
    if report is not None and not report.complete:
        done = _settled(book, executions, seen, terms)
        why = AskReport("the report failed")
        return replace(done, actions=(*done.actions, why), is_unknown=True)
    if report is not None:
        return _reported(book, executions, report, seen, terms)
    if beat is not None:
        return _beaten(book, executions, beat, seen, terms)
    return _settled(book, executions, seen, terms)


def silent(book: Book, at_msc: int, terms: Terms) -> Comparison:
    """The terminal has been silent for too long; said again, it changes nothing.

    Any report or heartbeat that is newer resolves it.
    """
    if any(row.kind is Kind.STALE_TERMINAL for row in book.rows):
        return Comparison(book=book)
    return _turned(book, [Finding(kind=Kind.STALE_TERMINAL)], (), at_msc, {}, terms)


def _reported(
    book: Book, executions: Executions, report: FullReport, seen: Sighting, terms: Terms
) -> Comparison:
    """A complete report: everything is judged, equity only where we have a mark."""
    name = names_of(terms.aliases)
    told = {name(spec.name): spec for spec in report.specs}
    specs = {**told, **book.specs}

    def tolerances(symbol: str) -> Tolerances:
        return terms.tolerances_of(symbol, specs)

    look = netted if terms.nets else matched
    found = look(book.intents, report, seen.closing_lots, tolerances, name)
    ledger = book.ledger
    if not ledger.is_anchored:
        ledger = residuals.anchored(ledger, report.account, terms.digits)
    book = replace(
        book,
        ledger=ledger,
        session=seen.session,
        n=seen.n,
        specs=specs,
        total_syncs=book.total_syncs + 1,
        last_sync_msc=seen.at_msc,
        open_positions=len(report.positions),
        matched_positions=found.matched,
    )
    findings = [
        *executions.findings,
        *found.findings,
        *(stranger(position) for position in found.strangers if seen.expects),
        *_spec_findings(book, told, seen.listed),
        *_money_findings(book, report.account, seen.mark_minor, terms),
    ]
    book = replace(book, intents=found.intents)
    unjudged = {Kind.EQUITY_RESIDUAL} if seen.mark_minor is None else set()
    done = _turned(
        book,
        findings,
        set(Kind) - unjudged,
        seen.at_msc,
        seen.closing_lots,
        terms,
        told=frozenset(told),
    )
    rows = adoptable(done.book.rows, findings, terms.policies)
    summed, others = net_deals.believed(done.book.intents, rows, found.nets, terms)
    believed = adoption.with_holdings(
        replace(done.book, intents=summed),
        others,
        {position.identifier: position for position in report.positions},
        {fill.intent.intent_id: fill for fill in found.fills},
        told,
        terms,
    )
    return replace(done, book=_with_money(believed, rows, report.account, terms))


def _beaten(
    book: Book, executions: Executions, beat: Heartbeat, seen: Sighting, terms: Terms
) -> Comparison:
    """A heartbeat: money is judged, and the terminal speaks."""
    book = replace(book, session=seen.session, n=seen.n)
    findings = list(executions.findings)
    judged = {Kind.STALE_TERMINAL}
    if book.ledger.is_anchored:
        findings += _money_findings(book, beat, seen.mark_minor, terms)
        judged |= ABOUT_MONEY if seen.mark_minor is not None else {Kind.BALANCE_RESIDUAL}
    done = _turned(
        book,
        findings,
        judged,
        seen.at_msc,
        seen.closing_lots,
        terms,
        ended=executions.ended,
    )
    rows = adoptable(done.book.rows, findings, terms.policies)
    return replace(done, book=_with_money(done.book, rows, beat, terms))


def _with_money(
    book: Book, rows: tuple[Discrepancy, ...], account: AccountReport | Heartbeat, terms: Terms
) -> Book:
    if any(row.kind is Kind.BALANCE_RESIDUAL for row in rows):
        return adoption.with_money(book, account, terms.digits)
    return book


def _settled(book: Book, executions: Executions, seen: Sighting, terms: Terms) -> Comparison:
    """Deals alone: they prove what they say, and end what was about an intent that is no more."""
    return _turned(
        book,
        executions.findings,
        (),
        seen.at_msc,
        seen.closing_lots,
        terms,
        ended=executions.ended,
    )


def _turned(
    book: Book,
    findings: list[Finding] | tuple[Finding, ...],
    kinds: set[Kind] | tuple[()],
    at_msc: int,
    closing_lots: Mapping[int, float],
    terms: Terms,
    *,
    told: frozenset[str] = frozenset(),
    ended: frozenset[str] = frozenset(),
) -> Comparison:
    """The rows after findings, and what the policies ask for.

    Args:
        kinds: judged by this sighting.
        told: symbols whose specification was told: only of them a change can be resolved.
        ended: intents that deals ended just now: what was said of them is resolved with them.
    """

    def judged(found: Finding) -> bool:
        if found.kind is Kind.SPEC_CHANGED and found.subject not in told:
            return False
        is_over = found.intent_id in ended and found.kind not in PROVED
        return found.kind in kinds or is_over

    turned = turn(book.rows, findings, at_msc, judged, terms.policies)
    shown = {found.key for found in findings}
    actions = [
        *questions(turned.changed),
        *asked_by_policy(turned.rows, turned.changed, shown, closing_lots, terms.policies),
    ]
    return Comparison(
        book=replace(book, rows=turned.rows), changed=turned.changed, actions=tuple(actions)
    )


def _spec_findings(
    book: Book, told: Mapping[str, SpecReport], listed: Mapping[str, Instrument]
) -> list[Finding]:
    """What differs from the book, else from the specification first told; one row a symbol."""
    findings = []
    for symbol, spec in told.items():
        known: object = _as_listed(listed.get(symbol), spec)
        fields = [f for f in _SPEC_FIELDS if getattr(known, f) != getattr(spec, f)]
        if not fields:
            known = book.specs[symbol]
            fields = [f for f in _SPEC_FIELDS if getattr(known, f) != getattr(spec, f)]
        if fields:
            findings.append(
                Finding(
                    kind=Kind.SPEC_CHANGED,
                    subject=symbol,
                    expected=", ".join(f"{f} {getattr(known, f)}" for f in fields),
                    actual=", ".join(f"{f} {getattr(spec, f)}" for f in fields),
                )
            )
    return findings


def _as_listed(instrument: Instrument | None, spec: SpecReport) -> SpecReport:
    """The specification told, with what the book says of profit in place of what it says."""
    if instrument is None:
        return spec
    mode = CALC_MODE_NUMBERS[instrument.calc_mode]
    is_exchange = mode == 1 and spec.trade_calc_mode == 33
    return replace(
        spec,
        digits=instrument.digits,
        trade_contract_size=instrument.contract_size,
        trade_calc_mode=spec.trade_calc_mode if is_exchange else mode,
        currency_base=instrument.base_currency,
        currency_profit=instrument.profit_currency,
    )


def _money_findings(
    book: Book, report: AccountReport | Heartbeat, mark_minor: int | None, terms: Terms
) -> list[Finding]:
    digits, ledger = terms.digits, book.ledger
    off = residuals.money_residual(ledger, report, digits)
    rows = (
        ("balance", ledger.balance_minor, off.balance_minor),
        ("credit", ledger.credit_minor, off.credit_minor),
    )
    findings = [
        Finding(
            kind=Kind.BALANCE_RESIDUAL,
            subject=subject,
            expected=money_words(expected, digits),
            actual=money_words(expected + more, digits),
        )
        for subject, expected, more in rows
        if more
    ]
    if mark_minor is not None:
        residual = residuals.equity_residual_minor(report, mark_minor, digits)
        if abs(residual) > terms.equity_tolerance_of(mark_minor):
            findings.append(
                Finding(
                    kind=Kind.EQUITY_RESIDUAL,
                    expected=money_words(mark_minor, digits),
                    actual=money_words(mark_minor + residual, digits),
                )
            )
    return findings
