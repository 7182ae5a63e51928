"""The glyphs of the states, drawn by us: no font, so that forced colours and printing keep them."""

from facade.report.markup import Markup, h
from facade.report.story import BREACHED, KNOWN, UNKNOWN, WARNED

WORDS = {BREACHED: "Breached", UNKNOWN: "Unknown", WARNED: "Warned", KNOWN: "Known"}

_SHAPES = {
    KNOWN: '<circle cx="8" cy="8" r="6.2" fill="currentColor"/>',
    WARNED: '<path d="M8 1.6 15.2 14.4H.8Z" fill="currentColor"/>',
    BREACHED: '<path d="M2.6 2.6 13.4 13.4M13.4 2.6 2.6 13.4" fill="none" stroke="currentColor"'
    ' stroke-width="3.2"/>',
    UNKNOWN: '<path d="M4.4 5.4a3.6 3.6 0 1 1 5.5 3.1C8.6 9.3 8 9.9 8 11.2" fill="none"'
    ' stroke="currentColor" stroke-width="2.2"/>'
    '<circle cx="8" cy="14.2" r="1.5" fill="currentColor"/>',
    "halted": '<path d="M2.5 2.5h11v11h-11z" fill="currentColor"/>',
    "observe": '<path d="M8 1.6 14.4 8 8 14.4 1.6 8Z" fill="none" stroke="currentColor"'
    ' stroke-width="2"/>',
    "gate": '<path d="M2 2.5v19M22 2.5v19M2 4h20M5.5 7.5h13v6.5h-13z" fill="none"'
    ' stroke="currentColor" stroke-width="1.7"/><path d="M1 19q2.75-2.4 5.5 0t5.5 0 5.5 0'
    ' 5.5 0" fill="none" stroke="currentColor" stroke-width="1.7"/>',
}  # fmt: skip

_STROKES = {
    "line": '<path d="M0 5h22" stroke="var(--ok)" stroke-width="2"/>',
    "band": '<path d="M0 1h22v8H0z" fill="var(--band)"/>',
    "water": '<path d="M1 5h21" stroke="var(--dim)" stroke-width="2" stroke-dasharray="2 3"/>',
    "balance": '<path d="M0 5h22" stroke="var(--halted)" stroke-width="1"/>',
    "floor": '<path d="M0 5h22" stroke="var(--breach)" stroke-width="1.6" stroke-dasharray="6 3"/>',
    "reset": '<path d="M11 0v10" stroke="var(--dim)" stroke-width="1" stroke-dasharray="2 2"/>',
    "close": '<circle cx="11" cy="5" r="3.3" fill="none" stroke="var(--ink)" stroke-width="1.5"/>',
    "poll": '<circle cx="11" cy="5" r="3.8" fill="none" stroke="var(--unknown)" stroke-width="2"/>',
    "operation": '<path d="M11 9.5 6.5 1.5h9z" fill="none" stroke="var(--ink)"'
    ' stroke-width="1.3"/>',
}


def sprite() -> Markup:
    """The glyphs and samples, once in the page, to be used by name."""
    boxes = [(name, "0 0 24 24" if name == "gate" else "0 0 16 16", shape)
             for name, shape in _SHAPES.items()]  # fmt: skip
    boxes += [(name, "0 0 22 10", shape) for name, shape in _STROKES.items()]
    symbols = [
        Markup(f'<symbol id="g-{name}" viewBox="{box}">{shape}</symbol>')
        for name, box, shape in boxes
    ]
    return h("svg", symbols, width=0, height=0, class_="hidden", aria_hidden="true")


def glyph(name: str) -> Markup:
    """A glyph without words; the words stand beside it."""
    return Markup(f'<svg aria-hidden="true"><use href="#g-{name}"/></svg>')


def stroke(name: str) -> Markup:
    """A sample of a line, for the key of a chart."""
    return Markup(f'<svg class="stroke" aria-hidden="true"><use href="#g-{name}"/></svg>')


def state(name: str) -> Markup:
    """Glyph and word of a state."""
    return h("span", glyph(name), WORDS[name], class_=f"state s-{name}")
