"""Compiling everything compiled ahead of time, so that no tick waits for a compiler."""

from collections.abc import Callable

from engine.marking import warming
from engine.ports import plugin

_PARSERS_SHARE = 0.1


def warm_up(progress: Callable[[float], None] | None = None) -> None:
    """Compiles the kernel and the tick parsers, or loads them from their caches.

    Some twenty seconds when nothing is cached, well under one when all is; a second call is free.

    Args:
        progress: told the share done, 0 to 1.
    """

    def told(done: int, total: int, _name: str) -> None:
        if progress is not None:
            progress(_PARSERS_SHARE + (1.0 - _PARSERS_SHARE) * done / total)

    plugin("tick_parsers")()
    warming.warm_up(told)
