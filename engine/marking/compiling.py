"""How the kernel is compiled: strict floating point, cached on disk where there is a disk to use.

Strict means that no operation is reordered or fused: marks are equal, to the last bit, to those
of the plain twin, and a NaN compares false as it should.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import numba

_P = ParamSpec("_P")
_R = TypeVar("_R")

_BARE: dict[str, Any] = {"error_model": "numpy", "_nrt": False}
_config: Any = numba.config  # its attributes are made when it is loaded


def compiled(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, compiled at its first call.

    Where no cache directory can be written the machine code lives in this process only. Division
    by zero gives infinity or NaN, as in C, and no exception: a check would keep LLVM from
    vectorising.
    """
    return _compile(function, {"error_model": "numpy"})


def bare(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The same, without numba's runtime: nothing may be allocated inside.

    No array is then counted as held and let go, which costs 20 to 80 times the work where all
    columns are handed down to something small (measured). The option has an underscore in numba
    and no page in its manual; without it all stays right and becomes slow, as perf would show.
    """
    return _compile(function, _BARE)


def inlined(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """A bare function, made part of each one that calls it.

    A call that passes all columns, some 150 words, costs more than most of what is called.
    """
    return cast("Callable[_P, _R]", numba.njit(inline="always", **_BARE)(function))


def _compile(function: Callable[_P, _R], options: dict[str, Any]) -> Callable[_P, _R]:
    try:
        with _own_cache(Path(function.__code__.co_filename).parent):
            made = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba's "cannot cache function": it found no place it may write
        made = numba.njit(**options)(function)
    return cast("Callable[_P, _R]", made)


@contextmanager
def _own_cache(folder: Path) -> Iterator[None]:
    """Have numba keep what is compiled now under a name made of all sources of the folder.

    Left alone it looks at the file of the outermost function only, and would go on running old
    code of a function called from there (numba reference manual, "Notes on Caching").
    """
    held = _config.CACHE_DIR
    root = _writable_root(held, folder)
    if root is not None:
        _config.CACHE_DIR = str(root / f"tidegate-{folder.name}-{_sources_digest(folder)}")
    try:
        yield
    finally:
        _config.CACHE_DIR = held


def _writable_root(wanted: str, folder: Path) -> Path | None:
    """The first of: where the user wants numba's cache, beside the sources, the user's cache."""
    user_cache = os.environ.get("XDG_CACHE_HOME") or os.path.join("~", ".cache")
    roots = [Path(wanted)] if wanted else []
    roots += [folder / "__pycache__", Path(user_cache).expanduser() / "tidegate"]
    for root in roots:
        try:
            root.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(root, os.W_OK | os.X_OK):
            return root
    return None


@cache
def _sources_digest(folder: Path) -> str:
    digest = sha256(numba.__version__.encode())
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
