"""The closing machine as it is, and copies of it with a bug put in, loaded beside it."""

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

NAMES = ("close_actions", "close_orders", "close_answers", "close_evidence", "close_plans")
DOMAIN = Path(__file__).parents[2] / "engine" / "domain"

Planting = tuple[str, str, str]
"""Module, what it says, what the bug says instead."""


@dataclass(frozen=True)
class Machine:
    """The modules of one copy; enums and structs of one know nothing of another's."""

    orders: Any
    answers: Any
    evidence: Any
    plans: Any


@cache
def machine(*plantings: Planting) -> Machine:
    """The machine with these bugs in it; each must change exactly one place."""
    package = f"planted_{abs(hash(plantings)):x}"
    sys.modules[package] = ModuleType(package)
    loaded = []
    for name in NAMES:
        source = (DOMAIN / f"{name}.py").read_text(encoding="utf-8")
        for module, old, new in plantings:
            if module == name:
                assert source.count(old) == 1, f"{name}: {source.count(old)} times {old!r}"
                source = source.replace(old, new)
        for other in NAMES:
            source = source.replace(f"engine.domain.{other}", f"{package}.{other}")
        full = f"{package}.{name}"
        module_ = ModuleType(full)
        sys.modules[full] = module_
        exec(compile(source, f"{full}.py", "exec"), module_.__dict__)
        loaded.append(module_)
    return Machine(*loaded[1:])
