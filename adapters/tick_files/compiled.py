"""Functions compiled by numba, cached on disk where the disk allows it."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from numba import njit

P = ParamSpec("P")
R = TypeVar("R")


def compiled(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, compiled at its first call; the machine code is kept beside the source.

    Where neither that folder nor the user's cache folder can be written (an installed wheel under
    a locked-down service user), it is compiled anew in each process instead of failing.
    Everything a compiled function calls lives in the same file as itself: numba's cache looks only
    at that file to see whether it is stale.
    """
    try:
        return cast(Callable[P, R], njit(cache=True)(function))
    except RuntimeError:  # numba's "no locator available": nowhere to put the cache
        return cast(Callable[P, R], njit(function))
