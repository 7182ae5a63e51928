"""Replaying tick files through the engine, from Python: no async, no server, works in a notebook.

from engine.replay import run
r = run("book.toml", ticks={"XAUUSD": "2014-05-02.zip"}, compare_poll=["10s", "30s"])
"""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

from engine.book import Book, load_book
from engine.domain.account import AccountState
from engine.domain.records import Record
from engine.errors import UserError
from engine.live_replay import run_live
from engine.market_pieces import Found, MarketPieces, market_pieces, pieces_of
from engine.marking.feed import Feed
from engine.marking.ticks import FileQuality, TickStream
from engine.marking.wakes import MarkingFeed
from engine.opening import opening_state
from engine.ports import OpenTicks, plugin
from engine.replay_loop import ReplayLoop
from engine.replay_result import Driven, Replay
from engine.replay_times import Moment, moment_text, speed_factor, time_range
from engine.warming import warm_up

BATCH_TICKS = 1024

Files = str | Path | Sequence[str | Path]


def run(
    book: str | Path | Book,
    ticks: Mapping[str, Files],
    *,
    zones: Mapping[str, str] | None = None,
    dates: Mapping[str, str | date] | None = None,
    start: Moment | None = None,
    end: Moment | None = None,
    compare_poll: Sequence[str] = (),
    speed: str = "max",
    progress: Callable[[float], None] | None = None,
) -> Replay:
    """What the engine would have done with these accounts on these ticks.

    Args:
        ticks: symbol to its tick file or files, in the order they are to be read; equal times
            keep the order of this mapping.
        zones: symbol to the IANA zone of its files' wall clock, where the format leaves it open.
        dates: symbol to the day its files are of, where neither format nor name says.
        start: first moment taken (inclusive), RFC 3339 or UTC milliseconds.
        end: first moment not taken.
        compare_poll: periods (`10s`, `500ms`, `1m`) of pollers to compare with.
        speed: `max` drives the accounts as fast as it goes; `real` and `10x` through the live
            actors at the pace of the ticks, or so many times that. The records are the same.
        progress: called with the share of the ticks done, 0 to 1.

    Raises:
        UserError: the book, the files or what they are to each other are at fault.
    """
    loaded = book if isinstance(book, Book) else load_book(Path(book))
    warm_up()
    began = time.perf_counter()
    stream = open_stream(loaded, ticks, zones, dates, start, end)
    return replay(
        loaded, stream, compare_poll=compare_poll, speed=speed, progress=progress, began=began
    )


def open_stream(
    book: Book,
    ticks: Mapping[str, Files],
    zones: Mapping[str, str] | None,
    dates: Mapping[str, str | date] | None,
    start: Moment | None,
    end: Moment | None,
) -> TickStream:
    """The tick files as one stream, checked against the book.

    Raises:
        UserError: a symbol is not in the book, or a file cannot be read as ticks.
    """
    digits = {i.symbol: i.digits for i in book.instruments}
    for symbol in ticks:
        if symbol not in digits:
            raise UserError(
                f"ticks are given for {symbol!r}, which is not in the book",
                help=f"instruments in the book: {', '.join(sorted(digits))}",
            )
    from_msc, to_msc = time_range(start, end)
    open_ticks: OpenTicks = plugin("tick_files")
    return open_ticks(
        [(symbol, _paths(files)) for symbol, files in ticks.items()],
        zones=zones or {},
        dates={s: _day(d) for s, d in (dates or {}).items()},
        digits=digits,
        from_msc=from_msc,
        to_msc=to_msc,
    )


def replay(
    book: Book,
    stream: TickStream,
    *,
    feed: MarkingFeed | None = None,
    compare_poll: Sequence[str] = (),
    speed: str = "max",
    progress: Callable[[float], None] | None = None,
    began: float | None = None,
) -> Replay:
    """Drives a book's accounts through a stream; `speed` as in `run`.

    Args:
        began: when reading began (`time.perf_counter`), so that the seconds include it.

    Raises:
        UserError: the stream holds no tick, or the speed is not one.
    """
    factor = speed_factor(speed)
    total = sum(quality.rows for quality in stream.quality()) or 1

    def told(ticks: int) -> None:
        if progress is not None:
            progress(min(ticks / total, 1.0))

    accounts, marking = opening_states(book), feed or Feed(stream.symbols)
    market = market_pieces(book.feed_guards, book.instruments, stream.quality())
    began = time.perf_counter() if began is None else began
    driven: Driven
    if factor is None:
        records, driven = _drive(accounts, stream, marking, told, market)
    else:
        records, driven = run_live(
            accounts, stream, speed=factor, feed=marking, progress=told, market=market
        )
    if not driven.ticks:
        raise UserError("there is no tick to replay", help=_span_help(stream))
    seconds = time.perf_counter() - began
    return Replay(book, stream, records, driven, seconds, tuple(compare_poll))


def _drive(
    accounts: Sequence[AccountState],
    stream: TickStream,
    feed: MarkingFeed,
    told: Callable[[int], None],
    market: MarketPieces | None,
) -> tuple[list[Record], ReplayLoop]:
    records: list[Record] = []
    loop = ReplayLoop(accounts, feed, records.append)
    for batch in stream.batches(BATCH_TICKS):
        for piece in pieces_of(market, batch):
            if isinstance(piece, Found):
                loop.market_found(piece)
            else:
                loop.take(piece)
        told(loop.ticks)
    if loop.ticks:
        loop.end()
    return records, loop


def opening_states(book: Book) -> list[AccountState]:
    """The book's accounts before anything happened."""
    return [opening_state(account) for account in book.accounts]


def _paths(files: Files) -> list[Path]:
    if isinstance(files, str | Path):
        return [Path(files)]
    return [Path(file) for file in files]


def _day(day: str | date) -> date:
    if isinstance(day, date):
        return day
    try:
        return date.fromisoformat(day)
    except ValueError as error:
        raise UserError(f"{day!r} is not a date", help="write YYYY-MM-DD") from error


def _span_help(stream: TickStream) -> str:
    """What the files hold, so that a range that misses them is seen."""
    return "; ".join(_span(quality) for quality in stream.quality()) or "no file was given"


def _span(quality: FileQuality) -> str:
    said = f"{quality.path}: {quality.rows} rows"
    if quality.invalid_rows:
        said += f", {quality.invalid_rows} invalid"
    if quality.first_msc is not None and quality.last_msc is not None:
        said += f", {moment_text(quality.first_msc)} to {moment_text(quality.last_msc)}"
    return said
