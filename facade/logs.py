"""Logs as lines of JSON (or text, for a person), one an event; secrets are never in them.

What the standard library's loggers under `tidegate` say comes out the same way.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from engine.secret import Secret

_NAMES = re.compile(r"(?i)(secret|token|password|hmac|api_?key|authorization)")
_HIDDEN = "[hidden]"


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
    renderer: Any = structlog.processors.JSONRenderer()
    if form == "text":
        renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
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


def without_secrets(
    _logger: Any, _name: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The event without what is a secret by its type or by its name."""
    for name, value in event.items():
        if isinstance(value, Secret) or (_NAMES.search(name) and name != "event"):
            event[name] = _HIDDEN
    return event
