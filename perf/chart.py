"""The figures with a budget as a picture: how far inside or outside of it each one is."""

from math import log10
from typing import Any
from xml.sax.saxutils import escape

ROW, LEFT, WIDTH, TOP = 26, 230, 760, 58
FONT = 'font-family="system-ui, sans-serif" font-size="12"'
SAID = "the line is the budget; each gridline is ten times better (right) or worse (left)"
DECADES = 2.0
"""Either way: a hundred times better or worse than the budget."""


def chart_svg(figures: list[dict[str, Any]]) -> str:
    """One bar a figure, to the right of the line when its budget is kept; logarithmic."""
    rows = [f for f in figures if f["at_least"] is not None or f["at_most"] is not None]
    height = TOP + ROW * len(rows) + 30
    middle = LEFT + (WIDTH - LEFT - 150) / 2
    scale = (WIDTH - LEFT - 150) / 2 / DECADES
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" {FONT}>',
        f'<rect width="{WIDTH}" height="{height}" fill="#FFFFFF"/>',
        '<text x="16" y="24" font-size="15" fill="#12181F">Figures against their budgets</text>',
        f'<text x="16" y="42" fill="#5A6472">{SAID}</text>',
    ]
    for decade in range(-2, 3):
        x = middle + decade * scale
        colour = "#12181F" if decade == 0 else "#D9DEE4"
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{height - 24}" stroke="{colour}"/>'
        )
    for place, figure in enumerate(rows):
        y = TOP + ROW * place
        ratio = better(figure)
        reach = max(-DECADES, min(DECADES, log10(ratio))) if ratio > 0 else -DECADES
        start, length = middle + min(reach, 0.0) * scale, abs(reach) * scale
        colour = "#0E75A8" if figure["kept"] else "#841915"
        parts.append(
            f'<text x="{LEFT - 10}" y="{y + 17}" text-anchor="end" fill="#12181F">'
            f"{escape(figure['name'])}</text>"
            f'<rect x="{start:.1f}" y="{y + 5}" width="{max(length, 1):.1f}" height="16" '
            f'fill="{colour}"/>'
            f'<text x="{WIDTH - 140}" y="{y + 17}" fill="#12181F">'
            f"{figure['median']:,.4g} {escape(figure['unit'])}</text>"
        )
    parts.append("</svg>\n")
    return "\n".join(parts)


def better(figure: dict[str, Any]) -> float:
    """How many times better than its budget a figure is; below 1 it is over it."""
    if figure["at_least"] is not None:
        return float(figure["median"] / figure["at_least"])
    return float(figure["at_most"] / figure["median"]) if figure["median"] else 100.0
