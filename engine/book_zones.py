"""Zones, resets and sessions as a book writes them."""

import difflib
import re
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from engine import config
from engine.domain.guards import Reset
from engine.domain.instruments import Sessions, SessionSpan
from engine.toml_document import Spot

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(
    rf"({'|'.join(_DAYS)})\w* +(\d\d):(\d\d) *- *({'|'.join(_DAYS)})\w* +(\d\d):(\d\d)",
    re.IGNORECASE,
)
_SPAN_HELP = 'write "sun 17:00 - fri 17:00"; 24:00 is the end of a day'


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    """Whether the time zone database has a zone of this name."""
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError):  # folders and odd paths raise what files do
        return False
    return True


def zone_help(name: str) -> str:
    """What to write instead of a name that is no zone."""
    zones = sorted(available_timezones())
    near = difflib.get_close_matches(name, zones, n=1, cutoff=0.7)
    cities = {zone.rpartition("/")[2].lower(): zone for zone in zones if "/" in zone}
    city = name.rpartition("/")[2].lower().replace(" ", "_")
    if city in cities:
        near = [cities[city]]
    elif not near:
        near = [cities[c] for c in difflib.get_close_matches(city, cities, n=1, cutoff=0.7)]
    hint = f"did you mean `{near[0]}`? " if near else ""
    return f"{hint}allowed: IANA names such as Europe/Prague, never an hour offset"


def checked_zone(name: str, spot: Spot) -> str:
    """The name, when it is a zone's.

    Raises:
        UserError: it is none.
    """
    if not is_zone(name):
        raise spot.refusal(f"there is no zone `{name}`", zone_help(name))
    return name


def reset_of(keys: config.ResetKeys, spot: Spot) -> Reset:
    """A reset as the domain has it.

    Raises:
        UserError: the zone is not an IANA name.
    """
    hour, minute = keys.at.split(":")
    zone = checked_zone(keys.zone, spot / "zone")
    return Reset(zone=zone, at_minute=int(hour) * 60 + int(minute))


def sessions_of(keys: config.SessionsKeys | None, spot: Spot) -> Sessions:
    """A symbol's sessions; the FX week when the book gives none.

    Raises:
        UserError: the zone is not an IANA name, or a span is not written as one.
    """
    if keys is None:
        return Sessions()
    spans = tuple(_span(text, spot / "spans" / number) for number, text in enumerate(keys.spans))
    return Sessions(zone=checked_zone(keys.zone, spot / "zone"), spans=spans)


def _span(text: str, spot: Spot) -> SessionSpan:
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise spot.refusal(f'"{text}" is not a span of a week', _SPAN_HELP)
    ends = []
    for day, hour, minute in (found.groups()[:3], found.groups()[3:]):
        minutes = int(hour) * 60 + int(minute)
        if minutes > 24 * 60 or int(minute) > 59:
            raise spot.refusal(f"{hour}:{minute} is not a time of day", _SPAN_HELP)
        days = _DAYS.index(day.lower()) + minutes // (24 * 60)
        ends.append((days % 7, minutes % (24 * 60)))
    (open_day, open_minute), (close_day, close_minute) = ends
    return SessionSpan(
        open_day=open_day, open_minute=open_minute, close_day=close_day, close_minute=close_minute
    )
