"""A news calendar file: CSV of time (RFC 3339), currency, title."""

import csv
from datetime import UTC, datetime
from pathlib import Path

from engine.domain.guards import NewsEvent
from engine.errors import UserError


def read_calendar(path: Path) -> tuple[NewsEvent, ...]:
    """The events of a calendar file, by time; a first row without a time is a heading.

    Raises:
        OSError: the file cannot be read.
        UserError: a row is not an event; a calendar with a hole is worse than none.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError("not UTF-8 text", place=str(path)) from error
    events = []
    for number, row in enumerate(csv.reader(text.splitlines()), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if number == 1 and cells[0].lower().startswith("time"):
            continue
        events.append(_event(cells, f"{path}:{number}", text.splitlines()[number - 1]))
    return tuple(sorted(events, key=lambda event: event.time_msc))


def _event(cells: list[str], place: str, source: str) -> NewsEvent:
    allowed = "a row is time,currency,title: 2026-11-06T13:30:00Z,USD,Payrolls"
    if len(cells) < 2 or not cells[1]:
        raise UserError("a news event without a currency", place=place, source=source, help=allowed)
    try:
        moment = datetime.fromisoformat(cells[0])
    except ValueError as error:
        raise UserError(
            f'"{cells[0]}" is not a time', place=place, source=source, help=allowed
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    title = ",".join(cells[2:])
    return NewsEvent(time_msc=int(moment.timestamp() * 1000), currency=cells[1], title=title)
