"""The layers: engine.domain < engine.marking < engine < {facade | adapters}, each seeing inwards.

Two guards hold the line: the syntax trees here, and `engine/domain/ruff.toml` in the editor. Both
must catch a planted offender. What imports do at run time is checked too, in a fresh interpreter.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.tree import ROOT, modules

RANKS = {"engine.domain": 0, "engine.marking": 1, "engine": 2, "facade": 3, "adapters": 3}
COMPOSITION_ROOT = ("facade.wiring", "facade.wiring_floor")
BANNED_IN_DOMAIN = {"trio", "asyncio", "threading", "numpy", "numba", "time", "random", "secrets"}
BANNED_IN_DOMAIN |= {"uuid", "os", "socket", "subprocess", "logging", "pathlib", "io"}
RUFF = (sys.executable, "-m", "ruff", "check", "--output-format=json", "--no-cache")
BANNED_CALLS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today", "open", "print"}
BANNED_CALLS |= {"__import__", "exec", "eval"}


def layer_of(module: str) -> str | None:
    """The most particular layer that holds this dotted name."""
    found = [layer for layer in RANKS if module == layer or module.startswith(layer + ".")]
    return max(found, key=len, default=None)


def imports(module: str, tree: ast.Module) -> Iterator[str]:
    """Dotted names of everything imported, relative imports resolved."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            stem = ".".join([*package, *([node.module] if node.module else [])])
            yield from (f"{stem}.{alias.name}" for alias in node.names)


def offences(module: str, source: str | ast.Module) -> list[str]:
    """What this module imports or calls that its layer may not."""
    tree = ast.parse(source) if isinstance(source, str) else source
    mine, found = layer_of(module), []
    for name in imports(module, tree):
        theirs = layer_of(name)
        sideways = {mine, theirs} == {"facade", "adapters"} and module not in COMPOSITION_ROOT
        if mine and theirs and (RANKS[theirs] > RANKS[mine] or sideways):
            found.append(f"{module} ({mine}) imports {name} ({theirs})")
        if mine and name.split(".")[0] in {"tests", "perf"}:
            found.append(f"{module} imports {name}, which is not installed")
        if mine == "engine.domain" and name.split(".")[0] in BANNED_IN_DOMAIN:
            found.append(f"{module} imports {name}: the domain is pure")
    for node in ast.walk(tree) if mine == "engine.domain" else ():
        if isinstance(node, ast.Call):
            called = ".".join(ast.unparse(node.func).split(".")[-2:])
            if called in BANNED_CALLS:
                found.append(f"{module} calls {called}: the domain is pure")
    return found


def test_every_module_keeps_to_its_layer() -> None:
    found = []
    for path, tree in modules("engine", "facade", "adapters"):
        # `a/b/__init__.py` is named a.b.__init__, so that its relative imports resolve as a.b's.
        found += offences(".".join(path.with_suffix("").parts), tree)
    assert found == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("engine.domain.units", "import trio"),
        ("engine.domain.units", "import numpy as np"),
        ("engine.domain.units", "from os import environ"),
        ("engine.domain.units", "import os.path"),
        ("engine.domain.resets", "from datetime import datetime\nnow = datetime.now()"),
        ("engine.domain.resets", "import datetime\nnow = datetime.datetime.now(None)"),
        ("engine.domain.guards", "def read():\n    import random"),
        ("engine.domain.guards", "open('calendar.csv')"),
        ("engine.domain.guards", "from engine.marking.kernel import mark"),
        ("engine.domain.guards", "from ..marking import kernel"),
        ("engine.domain.guards", "from .. import replay"),
        ("engine.marking.feed", "from engine.replay import run"),
        ("engine.marking.feed", "import engine.board"),
        ("engine.replay", "from adapters.tick_files.front import open_ticks"),
        ("engine.replay", "if TYPE_CHECKING:\n    import facade.cli"),
        ("facade.cli", "import adapters.tick_files.front"),
        ("adapters.mt5.gateway", "from facade import cli"),
        ("adapters.mt5.gateway", "from tests.tree import ROOT"),
    ],
)
def test_a_planted_offender_is_caught(module: str, source: str) -> None:
    assert offences(module, source)


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("engine.domain.resets", "from datetime import datetime\nfrom zoneinfo import ZoneInfo"),
        ("engine.domain.guards", "from .units import round_half_away"),
        ("engine.marking.feed", "import numpy\nfrom engine.domain.quotes import Quote"),
        ("engine.actor", "import trio\nimport time\nfrom engine.marking import kernel"),
        ("facade.wiring", "import adapters.tick_files.front"),
        ("adapters.mt5.gateway", "from engine.ports import Journal"),
    ],
)
def test_what_is_allowed_is_not_caught(module: str, source: str) -> None:
    assert offences(module, source) == []


def ruff_codes(filename: str, source: str) -> set[str]:
    """Codes ruff reports for this source as if it lay at that path of the checkout."""
    done = subprocess.run(
        [*RUFF, "--stdin-filename", filename, "-"],
        check=False,  # findings make it exit 1
        input=source,
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    return {finding["code"] for finding in json.loads(done.stdout)}


@pytest.mark.parametrize(
    "source",
    [
        "import trio\n\ntrio.run(print)\n",
        "import numpy as np\n\nnp.zeros(1)\n",
        "import time\n\ntime.time()\n",
        "from datetime import datetime\n\ndatetime.now()\n",
        "import random\n\nrandom.random()\n",
        "import os\n\nos.getpid()\n",
        "import socket\n\nsocket.socket()\n",
    ],
)
def test_ruff_catches_a_planted_offender_in_the_domain_only(source: str) -> None:
    assert "TID251" in ruff_codes("engine/domain/planted.py", source)
    assert "TID251" not in ruff_codes("engine/planted.py", source)


def loaded_by(statement: str) -> set[str]:
    """Top-level and layer names in `sys.modules` of a fresh interpreter after the statement."""
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    names = json.loads(done.stdout)
    return {name.split(".")[0] for name in names} | {layer_of(name) or "" for name in names}


def statement_importing(*folders: str) -> str:
    names = (".".join(path.with_suffix("").parts) for path, _ in modules(*folders))
    named = [name for name in names if not name.endswith(("__init__", "__main__"))]
    return "\n".join(f"import {name}" for name in named)


def test_importing_the_whole_domain_loads_no_scheduler_and_no_arrays() -> None:
    whole = statement_importing("engine").splitlines()
    domain = [line for line in whole if line.startswith("import engine.domain.")]
    assert domain
    loaded = loaded_by("\n".join(domain))
    assert loaded.isdisjoint({"trio", "numpy", "numba", "engine.marking", "facade", "adapters"})
    assert "numpy" in loaded_by("import engine.domain\nimport numpy")  # the offender is seen


def test_importing_the_whole_engine_loads_no_outer_layer() -> None:
    assert loaded_by(statement_importing("engine")).isdisjoint({"facade", "adapters"})
