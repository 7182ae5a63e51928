"""Reading a report back: the page carries its summary and events for machines."""

import re
from pathlib import Path
from typing import Any

import orjson

from engine.errors import UserError

REPORT_JSON = "tidegate-report"
"""Name of the machine part in the page."""
CHARTS_JSON = "tidegate-charts"

_EMBEDDED = re.compile(rf'<script type="application/json" id="{REPORT_JSON}">([^<]*)</script>')


def read_report(path: str | Path) -> dict[str, Any]:
    """The machine part of a report: headline, provenance, summary and events.

    Raises:
        UserError: the file cannot be read, or is no report of ours.
    """
    place = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read the report: {error.strerror}", place=place) from error
    except UnicodeDecodeError as error:
        raise UserError("this is no report: it is not UTF-8 text", place=place) from error
    found = _EMBEDDED.search(text)
    if found is None:
        raise UserError(
            "this is no report: it has no machine part",
            place=place,
            help="give a page that `tidegate replay --report` wrote",
        )
    try:
        machine = orjson.loads(found[1])
    except orjson.JSONDecodeError as error:
        raise UserError(f"the machine part is damaged: {error}", place=place) from error
    if not isinstance(machine, dict) or machine.get("format") != REPORT_JSON:
        raise UserError("the machine part is not that of a report", place=place)
    return machine
