"""Where a report's figures come from: program, book, tick files, time, and what was assumed."""

from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from engine.marking.ticks import FileQuality
from engine.replay_result import Replay
from facade.report import numbers
from facade.report.markup import Child, Markup, h

ZERO_LATENCY = (
    "a zero-latency broker: every close filled at the deciding tick's own bid or ask, at once and "
    "in full"
)

_HASH_SHOWN = 12
_HASHES_MOST = 4


@dataclass(frozen=True)
class Provenance:
    """What the head of the page says of its sources."""

    program: str
    book_name: str
    book_text: str
    book_sha256: str
    files: tuple[FileQuality, ...]
    from_msc: int
    to_msc: int
    ticks: int
    invalid_rows: int
    seconds: float

    @property
    def synthetic(self) -> list[str]:
        """Symbols of which a tick file says, in its format, header or name, that it is made up."""
        return list(dict.fromkeys(q.symbol for q in self.files if _is_synthetic(q)))

    @property
    def one_day(self) -> bool:
        """Whether all of it lies in one UTC day."""
        return numbers.day(self.from_msc) == numbers.day(self.to_msc)

    def as_json(self) -> dict[str, Any]:
        """For the machine part of the page."""
        return {
            "program": self.program,
            "book": {"name": self.book_name, "sha256": self.book_sha256},
            "tick_files": [
                {"symbol": q.symbol, "name": Path(q.path).name, "format": q.format,
                 "sha256": q.sha256, "rows": q.rows, "invalid_rows": q.invalid_rows,
                 "synthetic": _is_synthetic(q)}
                for q in self.files
            ],
            "from_msc": self.from_msc,
            "to_msc": self.to_msc,
            "broker": ZERO_LATENCY,
        }  # fmt: skip


def provenance_of(replay: Replay) -> Provenance:
    """The sources of a replay."""
    times = [record.time_msc for record in replay.records]
    text = str(getattr(replay.book, "text", "") or "")
    path = getattr(replay.book, "path", None)
    return Provenance(
        program=f"Tidegate {program_version()}",
        book_name=Path(path).name if path else "a book made in Python",
        book_text=text,
        book_sha256=getattr(replay.book, "sha256", None) or sha256(text.encode()).hexdigest(),
        files=replay.stream.quality(),
        from_msc=min(times),
        to_msc=max(times),
        ticks=replay.ticks,
        invalid_rows=replay.summary["invalid_rows"],
        seconds=replay.seconds,
    )


def program_version() -> str:
    """The version of the installed distribution."""
    try:
        return version("tidegate")
    except PackageNotFoundError:
        return "(not installed)"


def _is_synthetic(quality: FileQuality) -> bool:
    told = f"{quality.format} {Path(quality.path).name}".lower()
    return bool(quality.synthetic) or "synthetic" in told


def synthetic_note(provenance: Provenance) -> Markup | None:
    """Said plainly at the top when ticks were made up."""
    symbols = provenance.synthetic
    if not symbols:
        return None
    others = {q.symbol for q in provenance.files} - set(symbols)
    whose = f"Those of {', '.join(symbols)} were" if others else "All of them were"
    return h(
        "p",
        h("b", "Synthetic ticks. "),
        f"{whose} made by a program from a seed. No market ever traded at these prices, and "
        "nothing here says what a real day would have done.",
        class_="synthetic",
    )


def line(provenance: Provenance) -> Markup:
    """The provenance line: everything needed to make the same page again."""
    p = provenance
    names = list(dict.fromkeys(q.symbol for q in p.files))
    of_each = ", ".join(
        f"{name} ({numbers.counted(sum(q.symbol == name for q in p.files), 'file')})"
        for name in names
    )
    hashes: Child = None
    if len(p.files) <= _HASHES_MOST:
        hashes = [", SHA-256 ", _listed([_hash(q.sha256) for q in p.files])]
    parts: list[Child] = [
        [h("b", p.program)],
        ["book ", h("b", p.book_name), ", SHA-256 ", _hash(p.book_sha256)],
        ["ticks of ", h("b", of_each), hashes],
        [h("b", span_in_words(p)), " UTC"],
        [h("b", numbers.counted(p.ticks, "tick")), " and ",
         numbers.counted(p.invalid_rows, "invalid row"), ", never valued"],
        ZERO_LATENCY,
    ]  # fmt: skip
    return h("p", _listed(parts, "; "), ".", class_="provenance")


def span_in_words(provenance: Provenance) -> str:
    """From the first tick to the last."""
    p = provenance
    first = f"{numbers.day(p.from_msc)} {numbers.clock(p.from_msc)[:8]}"
    last = f"{numbers.day(p.to_msc)} {numbers.clock(p.to_msc)[:8]}"
    return f"{first} to {last[11:] if p.one_day else last}"


def _hash(digest: str) -> Markup:
    return h("span", digest[:_HASH_SHOWN], class_="id", title=digest)


def _listed(parts: list[Any], between: str = ", ") -> list[Child]:
    out: list[Child] = []
    for part in parts:
        if out:
            out.append(between)
        out.append(part)
    return out
