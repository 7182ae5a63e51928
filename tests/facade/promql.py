"""The part of PromQL that the rules are written in, evaluated over two samples of each series.

A range is always the time between the two samples. Not Prometheus: no staleness, no extrapolation,
no vector matching beyond `or`.
"""

import re
from dataclasses import dataclass

TOKEN = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*)(?![a-z])|(?P<name>[a-zA-Z_:][\w:]*)"
    r'|(?P<string>"[^"]*")|(?P<range>\[\d+[smh]\])|(?P<sign>==|!=|>=|<=|[-+*/(){},=<>]))'
)
Labels = tuple[tuple[str, str], ...]
Vector = dict[Labels, float]
UNITS_S = {"s": 1, "m": 60, "h": 3600}
KEYWORDS = {"or", "by", "sum", "max", "rate", "increase", "absent", "histogram_quantile"}


@dataclass(frozen=True)
class Series:
    """`before` is the sample at the start of the range, `now` the one at its end."""

    name: str
    labels: Labels
    before: float
    now: float


class Query:
    """One evaluation."""

    def __init__(self, text: str, series: list[Series]) -> None:
        self._series = series
        self._tokens: list[str] = []
        at = 0
        while at < len(text.rstrip()):
            found = TOKEN.match(text, at)
            if found is None:
                raise SyntaxError(f"{text[at:]!r}")
            self._tokens.append(found.group().strip())
            at = found.end()

    def value(self) -> Vector:
        found = self._either()
        if self._tokens:
            raise SyntaxError(f"left over: {self._tokens}")
        return found

    def _next(self) -> str:
        return self._tokens[0] if self._tokens else ""

    def _take(self, wanted: str | None = None) -> str:
        token = self._tokens.pop(0)
        if wanted is not None and token != wanted:
            raise SyntaxError(f"{wanted} expected, not {token}")
        return token

    def _either(self) -> Vector:
        found = self._compared()
        while self._next() == "or":
            self._take()
            found = {**self._compared(), **found}
        return found

    def _compared(self) -> Vector:
        left = self._term()
        if self._next() in {">", "<", ">=", "<=", "==", "!="}:
            sign, right = self._take(), float(self._take())
            tests = {
                ">": lambda a: a > right,
                "<": lambda a: a < right,
                ">=": lambda a: a >= right,
                "<=": lambda a: a <= right,
                "==": lambda a: a == right,
                "!=": lambda a: a != right,
            }
            return {labels: value for labels, value in left.items() if tests[sign](value)}
        return left

    def _term(self) -> Vector:
        name = self._take()
        if name in {"rate", "increase"}:
            return self._over_time(name)
        if name == "absent":
            self._take("(")
            inner = self._either()
            self._take(")")
            return {} if inner else {(): 1.0}
        if name in {"sum", "max"}:
            return self._aggregated(name)
        if name == "histogram_quantile":
            return self._quantile()
        return {one.labels: one.now for one in self._selected(name)}

    def _selected(self, name: str) -> list[Series]:
        wanted = {}
        if self._next() == "{":
            self._take()
            while self._next() != "}":
                label = self._take()
                self._take("=")
                wanted[label] = self._take().strip('"')
                if self._next() == ",":
                    self._take()
            self._take("}")
        return [
            one
            for one in self._series
            if one.name == name and wanted.items() <= dict(one.labels).items()
        ]

    def _over_time(self, name: str) -> Vector:
        self._take("(")
        found = self._selected(self._take())
        span = self._take().strip("[]")
        self._take(")")
        seconds = int(span[:-1]) * UNITS_S[span[-1]] if name == "rate" else 1
        return {one.labels: (one.now - one.before) / seconds for one in found}

    def _aggregated(self, name: str) -> Vector:
        by: list[str] = []
        if self._next() == "by":
            self._take()
            self._take("(")
            while self._next() != ")":
                by.append(self._take())
                if self._next() == ",":
                    self._take()
            self._take(")")
        self._take("(")
        inner = self._either()
        self._take(")")
        groups: dict[Labels, list[float]] = {}
        for labels, value in inner.items():
            kept = tuple(pair for pair in labels if pair[0] in by)
            groups.setdefault(kept, []).append(value)
        fold = sum if name == "sum" else max
        return {labels: float(fold(values)) for labels, values in groups.items()}

    def _quantile(self) -> Vector:
        self._take("(")
        share = float(self._take())
        self._take(",")
        inner = self._either()
        self._take(")")
        groups: dict[Labels, list[tuple[float, float]]] = {}
        for labels, value in inner.items():
            rest = tuple(pair for pair in labels if pair[0] != "le")
            groups.setdefault(rest, []).append((float(dict(labels)["le"]), value))
        found = {}
        for labels, buckets in groups.items():
            at = quantile(share, sorted(buckets))
            if at is not None:
                found[labels] = at
        return found


def quantile(share: float, buckets: list[tuple[float, float]]) -> float | None:
    """Linear within a bucket, as Prometheus does it; None: nothing was observed."""
    rank = share * buckets[-1][1]
    if not rank:
        return None
    low, below = 0.0, 0.0
    for high, count in buckets:
        if count >= rank:
            if high == float("inf"):
                return low
            return low + (high - low) * (rank - below) / (count - below)
        low, below = high, count
    return None


def names_in(text: str) -> set[str]:
    """The metrics an expression names."""
    without = re.sub(r"\{[^}]*\}|\[[^]]*\]|by \([^)]*\)", " ", text)
    return set(re.findall(r"[a-zA-Z_:][\w:]*", without)) - KEYWORDS
