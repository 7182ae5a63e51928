"""The composition root: the one module that knows both the facade and the adapters."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from adapters.sqlite.chain import Head, parse_head
from adapters.sqlite.verification import Verification, export, verify
from adapters.tick_files.convert import Converted, convert
from adapters.tick_files.inspect import Inspection, inspect
from adapters.tick_files.synthesize import SyntheticFile, synthesize


@dataclass(frozen=True)
class TickTools:
    """What the `ticks` commands do their work with."""

    convert: Callable[..., Converted]
    inspect: Callable[..., Inspection]
    synthesize: Callable[..., tuple[SyntheticFile, ...]]
    without_news: dict[str, Any]
    """Arguments of `synthesize` for a sample in which nothing jumps."""


def tick_tools() -> TickTools:
    """The tools for tick files."""
    return TickTools(convert, inspect, synthesize, {"news": None})


@dataclass(frozen=True)
class JournalTools:
    """What the `journal` commands do their work with."""

    verify: Callable[..., Verification]
    export: Callable[..., int]
    parse_head: Callable[[str], Head | None]


def journal_tools() -> JournalTools:
    """The tools for journals."""
    return JournalTools(verify, export, parse_head)
