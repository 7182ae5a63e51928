"""The day, and for .bi5 the hour, that a file's rows count from: out of its name or path."""

import re
from datetime import date
from pathlib import Path

from engine.errors import UserError

DAY = re.compile(r"(?<!\d)(\d{4})-(\d\d)-(\d\d)(?!\d)|(?<!\d)(\d{4})(\d\d)(\d\d)(?!\d)")
HOUR = re.compile(r"(?<![0-9A-Za-z])(\d\d)h(?![0-9A-Za-z])")
EPOCH = date(1970, 1, 1)


def day_in(name: str) -> date | None:
    """The first real date in `name`, written `2014-05-02` or `20140502`."""
    for match in DAY.finditer(name):
        parts = [int(part) for part in match.groups() if part is not None]
        try:
            day = date(*parts)
        except ValueError:
            continue
        if 1970 <= day.year <= 2099:
            return day
    return None


def midnight_msc(day: date) -> int:
    """00:00 of `day` in milliseconds since 1970-01-01."""
    return (day - EPOCH).days * 86_400_000


def day_of(path: Path, member: str | None, given: date | None) -> date:
    """The day of a Lean file: from its name, else its member's name, else `given`.

    Raises UserError if none of them has one.
    """
    day = day_in(path.name) or day_in(member or "") or given
    if day is None:
        raise UserError(
            "the day of this Lean file is not known",
            place=str(path),
            help="name it like 20140502_quote.zip, or give --date SYMBOL=YYYY-MM-DD",
        )
    return day


def hour_msc(path: Path, member: str | None, given: date | None) -> int:
    """The start of a .bi5 file's hour in UTC ms.

    Names `YYYY-MM-DD_HHh_ticks.bi5` carry the true month, paths `YYYY/MM/DD/HHh_ticks.bi5` a
    0-based one (Dukascopy's own); else the day is `given`. Raises UserError without day or hour.
    """
    name = path.name
    match = HOUR.search(name)
    if not match and member:
        name = Path(member).name
        match = HOUR.search(name)
    day = day_in(name) or _day_in_folders(path) or given
    if day is None or not match or int(match[1]) > 23:
        raise UserError(
            "the hour of this .bi5 file is not known",
            place=str(path),
            help="name it like 2019-02-04_10h_ticks.bi5, or 10h_ticks.bi5 with "
            "--date SYMBOL=YYYY-MM-DD",
        )
    return midnight_msc(day) + int(match[1]) * 3_600_000


def _day_in_folders(path: Path) -> date | None:
    folders = path.absolute().parent.parts[-3:]
    if len(folders) < 3 or not re.fullmatch(r"\d{4}/\d\d/\d\d", "/".join(folders)):
        return None
    year, month, day = (int(part) for part in folders)
    try:
        return date(year, month + 1, day)
    except ValueError:
        return None
