"""Explaining a verdict: found in the events, recomputed tick by tick, held against what was said.

The recomputation shares neither the marking kernel nor the replay loop: it steps the one account on
every tick, in the order of the contract. So it finds an events file that was changed, a book or
ticks that are not those of the events, and a kernel that was late.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engine.book import Book
from engine.domain.ids import AccountKey
from engine.domain.records import (
    VERDICTS,
    CloseIntended,
    CloseWaits,
    Encoding,
    GuardBreach,
    Record,
    Tick,
)
from engine.errors import UserError
from engine.explain_inputs import Inputs
from engine.explain_lines import close_lines, explanation_lines
from engine.market_pieces import Found, Piece, market_pieces, pieces_of
from engine.marking.ticks import TickStream
from engine.opening import opening_state
from engine.recomputation import Recomputation, VerdictRecord

BATCH_TICKS = 65_536


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which the recomputation and the events disagree."""

    field: str
    in_events: Any
    recomputed: Any
    """Both None-able; a field the other has not is `absent`."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A verdict, what it came from, and whether recomputing it gives the same."""

    record: VerdictRecord
    """As the events have it."""
    recomputed: VerdictRecord | None
    """None: the ticks and the book give no verdict of that id."""
    differences: tuple[Difference, ...]
    inputs: Inputs | None
    ticks: int
    """Taken until the verdict was reached, or all."""
    closes: tuple[CloseIntended | CloseWaits, ...] = ()
    """What its guard asked to be closed from there on, as the events have it."""

    @property
    def agrees(self) -> bool:
        """Whether every field is equal."""
        return self.recomputed is not None and not self.differences

    @property
    def lines(self) -> list[str]:
        """The explanation in plain words and numbers."""
        found = explanation_lines(self.recomputed or self.record, self.inputs)
        found += close_lines(self.closes)
        ticks = f"{self.ticks} tick{'' if self.ticks == 1 else 's'}"
        if self.recomputed is None:
            found.append(
                f"recomputed over {ticks}: DISAGREES, these ticks and this book give no"
                f" verdict {self.record.verdict_id}"
            )
        elif self.agrees:
            found.append(f"recomputed over {ticks}: agrees in every field")
        else:
            found.append(f"recomputed over {ticks}: DISAGREES")
            found += [
                f"  {d.field}: events say {d.in_events!r}, recomputed {d.recomputed!r}"
                for d in self.differences
            ]
        return found

    def __str__(self) -> str:
        return "\n".join(self.lines)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "verdict_id": self.record.verdict_id,
            "agrees": self.agrees,
            "record": msgspec.to_builtins(self.record),
            "recomputed": msgspec.to_builtins(self.recomputed),
            "differences": msgspec.to_builtins(self.differences),
            "inputs": msgspec.to_builtins(self.inputs),
            "closes": msgspec.to_builtins(self.closes),
            "ticks": self.ticks,
        }


def explain(
    verdict_id: str,
    events: Path,
    book: Book,
    stream: TickStream,
    progress: Callable[[float], None] | None = None,
) -> Explanation:
    """The verdict of that id in an events file, recomputed. Costs some 10 us a tick.

    Raises:
        UserError: the file has no such verdict or is no events file, or the book no such account.
    """
    record = find_verdict(verdict_id, events)
    closes = closes_of(record, _closes_in(events))
    return explain_record(record, book, stream, progress, closes)


def explain_record(
    record: VerdictRecord,
    book: Book,
    stream: TickStream,
    progress: Callable[[float], None] | None = None,
    closes: tuple[CloseIntended | CloseWaits, ...] = (),
) -> Explanation:
    """A verdict that was published, recomputed.

    Args:
        closes: of the verdict, see `closes_of`.

    Raises:
        UserError: the book has no such account.
    """
    key = AccountKey(record.server, record.login)
    account = next((a for a in book.accounts if a.spec.key == key), None)
    if account is None:
        raise UserError(
            f"the book has no account {key}, on which the verdict was made",
            help="name the book of the replay that wrote these events",
        )
    run = Recomputation(opening_state(account), record)
    total = sum(quality.rows for quality in stream.quality()) or 1
    market = market_pieces(book.feed_guards, book.instruments, stream.quality())
    for batch in stream.batches(BATCH_TICKS):
        for piece in pieces_of(market, batch):
            _recompute(run, piece)
        if run.found is not None:
            break
        if progress is not None:
            progress(min(run.ticks / total, 1.0))
    differences = () if run.found is None else tuple(_differences(record, run.found))
    return Explanation(record, run.found, differences, run.inputs, run.ticks, closes)


def _recompute(run: Recomputation, piece: Piece) -> None:
    """Takes the run through a piece, as far as it has not found what it looks for."""
    if isinstance(piece, Found):
        run.market_found(piece)
        return
    times, bids, asks = piece.time_msc.tolist(), piece.bid.tolist(), piece.ask.tolist()
    rows = zip(times, piece.symbol.tolist(), bids, asks, strict=True)
    for time_msc, symbol, bid, ask in rows:
        if run.found is not None:
            return
        run.take(time_msc, Tick(run.ticks, piece.symbols[symbol], bid, ask))


def find_verdict(verdict_id: str, events: Path) -> VerdictRecord:
    """The record of that verdict in an events file.

    Raises:
        UserError: there is none, with how many others there are; or the file cannot be read.
    """
    name, verdicts = verdict_id.encode(), 0
    try:
        with events.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if b'"verdict_id"' not in line:
                    continue
                verdicts += 1
                if name in line:
                    record = _parsed(line, f"{events}, line {number}")
                    if isinstance(record, VERDICTS) and record.verdict_id == verdict_id:
                        return record
    except OSError as error:
        raise UserError(f"cannot read: {error.strerror or error}", place=str(events)) from error
    raise UserError(
        f"no verdict {verdict_id!r} among {verdicts} in the events",
        place=str(events),
        help="each guard_warning and guard_breach has its verdict_id"
        if verdicts
        else "write them with tidegate replay --events FILE",
    )


def closes_of(
    verdict: VerdictRecord, records: Iterable[Record]
) -> tuple[CloseIntended | CloseWaits, ...]:
    """The closes that the verdict's guard asked for, and that waited, until it is breached anew."""
    asked = f"guard:{verdict.guard}"
    found: list[CloseIntended | CloseWaits] = []
    for one in records:
        if one.seq <= verdict.seq or (one.server, one.login) != (verdict.server, verdict.login):
            continue
        if isinstance(one, GuardBreach) and one.guard == verdict.guard:
            break
        if isinstance(one, CloseIntended | CloseWaits) and one.reason == asked:
            found.append(one)
    return tuple(found)


def _closes_in(events: Path) -> Iterator[Record]:
    with events.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if b'"type":"close_' in line or b'"type":"guard_breach"' in line:
                yield _parsed(line, f"{events}, line {number}")


def _parsed(line: bytes, place: str) -> Record:
    try:
        return Encoding.parse(line)
    except msgspec.DecodeError as error:
        raise UserError(f"not a record: {error}", place=place) from error


def _differences(record: VerdictRecord, recomputed: VerdictRecord) -> Iterator[Difference]:
    said, found = _fields(record), _fields(recomputed)
    for field in dict.fromkeys((*said, *found)):
        in_events, again = said.get(field, "absent"), found.get(field, "absent")
        if in_events != again:
            yield Difference(field, in_events, again)


def _fields(record: VerdictRecord) -> dict[str, Any]:
    """Every field by name, those of the tick too."""
    fields: dict[str, Any] = msgspec.to_builtins(record)
    tick = fields.pop("tick", {})
    return {**fields, **{f"tick.{name}": value for name, value in tick.items()}}
