"""Logs as lines of JSON (or text, for a person), one an event; secrets are never in them.

What the standard library's loggers under `tidegate` say comes out the same way. Secrets are taken
out by type (`engine.secret.Secret`), by the name of the field they are under, and where they look
like one we know. What a library formats into a sentence of its own may hold others; so only
loggers under `tidegate` are let through.
"""

import logging
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any, TextIO

import structlog

from engine.errors import UserError
from engine.secret import Secret

_NAMES = re.compile(
    r"(?i)secret|token|passw|passphrase|hmac|api[_-]?key|private[_-]?key|authorization|cookie"
    r"|credential"
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
_BOT_TOKEN = re.compile(r"(?<!\d)\d{6,12}:[\w-]{30,}")
_JWT = re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*")
_HIDDEN = "[hidden]"
_DEPTH = 6
REPEATS = 5
"""Lines of one event of one logger that are let through in a window."""
WINDOW_S = 10.0
_EVENTS_REMEMBERED = 1_000


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Sends every log to `stream` (stderr unless given).

    Args:
        level: `debug`, `info`, `warning` or `error`.
        form: `json` or `text`.
    """
    stream = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        without_secrets,
    ]
    renderer: Any = structlog.processors.JSONRenderer(default=str)
    if form == "text":
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.addFilter(Throttle())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger("tidegate")
    root.handlers[:] = [handler]
    root.setLevel(number)
    root.propagate = False


def opened(path: Path) -> TextIO:
    """A log file to append to, a line at a time; only its owner may read it.

    Raises:
        UserError: it cannot be written.
    """
    try:
        path.touch(mode=0o600)
        return path.open("a", encoding="utf-8", buffering=1)
    except OSError as error:
        raise UserError(f"cannot write the log: {error.strerror}", place=str(path)) from error


class Throttle(logging.Filter):
    """Lets through so many lines of one event in a window; the next says how many were left out.

    The level is part of the event; its fields are not. A page-worthy event has its own alert, which
    does not come this way.
    """

    def __init__(
        self,
        repeats: int = REPEATS,
        window_s: float = WINDOW_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._repeats = repeats
        self._window_s = window_s
        self._now_s = now_s
        self._seen: OrderedDict[tuple[str, int, str], list[float]] = OrderedDict()
        """Logger, level, event: when its window began, and the lines in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """See `logging.Filter.filter`."""
        event = record.msg.get("event") if isinstance(record.msg, dict) else record.msg
        name = (record.name, record.levelno, str(event))
        now_s = self._now_s()
        row = self._seen.get(name)
        if row is None or now_s - row[0] >= self._window_s:
            left_out = 0 if row is None else max(0, int(row[1]) - self._repeats)
            self._seen[name] = [now_s, 1]
            self._seen.move_to_end(name)
            if len(self._seen) > _EVENTS_REMEMBERED:
                self._seen.popitem(last=False)
            if left_out:
                _tell(record, left_out)
            return True
        row[1] += 1
        return row[1] <= self._repeats


def _tell(record: logging.LogRecord, left_out: int) -> None:
    if isinstance(record.msg, dict):
        record.msg = {**record.msg, "left_out": left_out}
    else:
        record.msg = f"{record.msg} [{left_out} like it left out]"


def without_secrets(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The event without what is a secret by its type, by its name, or by its look."""
    for name, value in event.items():
        if name.startswith("_"):  # structlog's own: the record, not the words
            continue
        hidden = name != "event" and _NAMES.search(name)
        event[name] = _HIDDEN if hidden else _cleaned(value, _DEPTH)
    return event


def _cleaned(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        for look in (_BEARER, _BOT_TOKEN, _JWT):
            value = look.sub(_HIDDEN, value)
        return value
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Secret | bytes | bytearray) or depth == 0:
        return _HIDDEN
    if isinstance(value, Mapping):
        return {
            str(name): _HIDDEN if _NAMES.search(str(name)) else _cleaned(part, depth - 1)
            for name, part in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [_cleaned(part, depth - 1) for part in value]
    return _cleaned(str(value), depth - 1)
