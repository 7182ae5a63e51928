"""How a replay shows itself in a notebook: a sentence, a table of accounts, a line for each."""

from html import escape
from typing import TYPE_CHECKING

import numpy as np

from engine.domain import records
from engine.domain.account import AccountSpec
from engine.explain_inputs import money
from engine.replay_equity import EquitySeries, gather
from engine.replay_times import moment_text

if TYPE_CHECKING:
    from engine.replay_result import Replay

SPARKLINES = 20
"""Accounts that get a line; the rest of the table would only be in the way."""

_BINS = 160
_WIDTH, _HEIGHT = 160, 28
_STATES = {
    "breached": ("\N{MULTIPLICATION X}", "#DE5A45"),
    "unknown": ("?", "#8A7A9C"),
    "warned": ("\N{BLACK UP-POINTING TRIANGLE}", "#B5850B"),
    "known": ("\N{BLACK CIRCLE}", "#2389D0"),
}
"""Glyph and colour; seen on light and on dark pages, for a notebook does not say which it is."""
_HEADS = ("State", "Login", "Server", "Equity", "", "Max drawdown", "Breach", "Over time")


def headline(replay: "Replay") -> str:
    """`Replay: 2 of 5 accounts breached; 1 warned; 0 unknown`."""
    states = [state_of(replay, number) for number in range(len(replay.book.accounts))]
    accounts = f"{len(states)} account{'' if len(states) == 1 else 's'}"
    return (
        f"Replay: {states.count('breached')} of {accounts} breached; "
        f"{states.count('warned')} warned; {states.count('unknown')} unknown"
    )


def state_of(replay: "Replay", account_number: int) -> str:
    """`breached`, `unknown` (never valued), `warned` or `known`: the worst that is so."""
    own = replay.records_of(account_number)
    if any(isinstance(r, records.GuardBreach | records.RuleBreach) for r in own):
        return "breached"
    if not replay.states[account_number].known:
        return "unknown"
    warned = any(isinstance(r, records.GuardWarning | records.RuleWarning) for r in own)
    return "warned" if warned else "known"


def replay_html(replay: "Replay") -> str:
    """The replay as HTML without scripts; at most 20 accounts, the worst first."""
    order = list(_STATES)
    numbers = sorted(
        range(len(replay.book.accounts)), key=lambda n: order.index(state_of(replay, n))
    )
    shown = [EquitySeries(replay, number) for number in numbers[:SPARKLINES]]
    gather(shown, _BINS)
    heads = "".join(f'<th scope="col">{escape(head)}</th>' for head in _HEADS)
    rows = "".join(_row(replay, series) for series in shown)
    left = len(numbers) - len(shown)
    more = f"<p>{left} more accounts are in <code>summary</code>.</p>" if left else ""
    return (
        f"<div><p><strong>{escape(headline(replay))}</strong><br>{escape(_ticks_line(replay))}</p>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{more}</div>"
    )


def _ticks_line(replay: "Replay") -> str:
    invalid = sum(quality.invalid_rows for quality in replay.stream.quality())
    ticks = f"{replay.ticks:,}".replace(",", " ")
    return f"{ticks} ticks, {invalid} invalid rows; closes fill at the tick's own price, at once"


def _row(replay: "Replay", series: EquitySeries) -> str:
    spec = series.spec
    own = replay.records_of(series.account_number)
    state = state_of(replay, series.account_number)
    glyph, colour = _STATES[state]
    closed = own[-1]
    assert isinstance(closed, records.AccountClosed), "an account's last record closes it"
    cells = [
        f'<td><span style="color:{colour}">{glyph}</span> {state}</td>',
        f"<td>{spec.key.login}</td><td>{escape(spec.key.server)}</td>",
        f'<td style="text-align:right">{_equity(spec, closed.equity)}</td>',
        f"<td>{escape(spec.market.deposit)}</td>",
        f'<td style="text-align:right">{closed.max_drawdown_percent:.2f} %</td>',
        f"<td>{escape(_breach(own))}</td>",
        f"<td>{sparkline(series, colour)}</td>",
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _equity(spec: AccountSpec, equity: float | None) -> str:
    return "\N{EM DASH}" if equity is None else money(equity, spec.digits)


def _breach(own: list[records.Record]) -> str:
    for record in own:
        if isinstance(record, records.GuardBreach | records.RuleBreach):
            return f"{record.guard} {moment_text(record.time_msc)}"
    return ""


def sparkline(series: EquitySeries, colour: str) -> str:
    """The mark's envelope over the whole replay as an SVG, with the nearest floor when near."""
    envelope = series.envelope(_BINS)
    low, high = envelope.mark.low, envelope.mark.high
    known = np.flatnonzero(~np.isnan(low))
    if not len(known):
        return "never valued"
    bottom, top = float(np.nanmin(low)), float(np.nanmax(high))
    floors = [band.last for band in envelope.floors.values()]
    floor = np.fmax.reduce(floors) if floors else np.full(len(low), np.nan)
    span = max(top - bottom, abs(top) * 1e-6, 1e-9)
    if np.nanmax(floor, initial=-np.inf) > bottom - span:
        bottom = min(bottom, float(np.nanmin(floor)))
        bottom = max(bottom, float(np.nanmin(low)) - span)
        span = max(top - bottom, span)

    def points(heights: "np.ndarray[tuple[int], np.dtype[np.float64]]", order: list[int]) -> str:
        drawn = []
        for place in order:
            share = min(max((float(heights[place]) - bottom) / span, 0.0), 1.0)
            x, y = (place + 0.5) * _WIDTH / _BINS, (1 - share) * (_HEIGHT - 2) + 1
            drawn.append(f"{x:.1f},{y:.1f}")
        return " ".join(drawn)

    there = known.tolist()
    area = f"{points(high, there)} {points(low, there[::-1])}"
    lines = f'<polygon points="{area}" fill="{colour}" stroke="{colour}" stroke-width="0.7"/>'
    visible = [place for place in there if floor[place] >= bottom]
    if visible:
        lines += (
            f'<polyline points="{points(floor, visible)}" fill="none" stroke="currentColor"'
            ' stroke-width="0.7" stroke-dasharray="3 2"/>'
        )
    lowest = money(float(np.nanmin(low)), series.spec.digits)
    title = f"equity of {series.spec.key.login}, lowest {lowest} {series.spec.market.deposit}"
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">'
        f"<title>{escape(title)}</title>{lines}</svg>"
    )
