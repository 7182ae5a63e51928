"""What is installed: the wheel's contents, the console script, the pins, the declared dependencies.

The three import names are plain words, and real distributions called `adapters` and `facade` exist;
so nobody else in the environment may own them.
"""

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tree import PACKAGES, ROOT, imported_roots, packaged

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUN = (ROOT / "requirements" / "run.txt").read_text(encoding="utf-8")
TEST = (ROOT / "requirements" / "test.txt").read_text(encoding="utf-8")

# Needed without an import of their own, each with what shows the need.
NOT_IMPORTED = {
    "tzdata": "zoneinfo reads it",
    "build": "`python -m build` in .ci/run",
    "asyncpg": "sqlalchemy drives Postgres by it, in perf",
    "pandas": "pyarrow makes its frames",
    "mypy": "`make check`",
    "ruff": "`make check`",
    "pytest-trio": "trio_mode in pyproject.toml",
    "pytest-xdist": "-n in the Makefile",
    "hatchling": "the build backend",
    "editables": "what hatchling makes an exact editable install with",
}


# What the wheel holds


def wheel(folder: Path) -> zipfile.ZipFile:
    """The wheel of this checkout, built into the folder."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def strays(names: Iterable[str]) -> list[str]:
    """Names in a wheel that are neither of the three packages nor its metadata."""
    allowed = re.compile(rf"({'|'.join(PACKAGES)})/|tidegate-[^/]+\.dist-info/")
    made = re.compile(r"__pycache__|\.(pyc|nbi|nbc)$|(^|/)tests?/|/ruff\.toml$")
    return [name for name in names if not allowed.match(name) or made.search(name)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return wheel(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_holds_the_three_packages_whole_and_nothing_else(built: zipfile.ZipFile) -> None:
    names = set(built.namelist())
    assert strays(names) == []
    sources = {path.as_posix() for path in packaged() if path.name != "ruff.toml"}
    assert sources - names == set()
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_a_stray_file_in_a_wheel_is_caught() -> None:
    planted = [
        "tests/test_a.py",
        "engine/__pycache__/a.pyc",
        "engine/domain/ruff.toml",
        "perf/a.py",
    ]
    assert strays([*planted, "engine/replay.py", "tidegate-1.dist-info/METADATA"]) == planted


def test_the_wheel_carries_the_console_script_and_the_licence(built: zipfile.ZipFile) -> None:
    names = built.namelist()
    (entry_points,) = (name for name in names if name.endswith("entry_points.txt"))
    assert "tidegate = facade.__main__:main" in built.read(entry_points).decode()
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_every_entry_point_leads_to_something() -> None:
    entries = importlib.metadata.distribution("tidegate").entry_points
    assert {"console_scripts", "tidegate.plugins"} <= {entry.group for entry in entries}
    for entry in entries:
        assert callable(entry.load()), entry


# Who owns the names


def foreign_owners(owners: dict[str, list[str]]) -> set[str]:
    """Distributions other than ours that claim one of the three import names."""
    claims = {owner for package in PACKAGES for owner in owners.get(package, [])}
    return claims - {"tidegate"}


def test_nobody_else_owns_our_import_names() -> None:
    assert foreign_owners(dict(importlib.metadata.packages_distributions())) == set()


def test_a_foreign_owner_of_our_import_names_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "top_level.txt").write_text("adapters\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    owners = dict(importlib.metadata.packages_distributions())
    assert foreign_owners(owners) == {"stranger"}


# The pins


def pins(text: str) -> list[tuple[Requirement, int]]:
    """Requirements of a pinned file, each with the number of its hashes."""
    logical = text.replace("\\\n", " ").splitlines()
    found = []
    for line in logical:
        if line.strip() and not line.lstrip().startswith("#"):
            requirement, *hashes = line.split(" --hash=sha256:")
            found.append((Requirement(requirement.strip()), len(hashes)))
    return found


def loose(text: str) -> list[str]:
    """Requirements that are not pinned to one version with at least one hash."""
    return [
        str(requirement)
        for requirement, hashes in pins(text)
        if not hashes or not re.fullmatch(r"==[^,*]+", str(requirement.specifier))
    ]


def uncovered(declared: Iterable[str], text: str) -> list[str]:
    """Declared requirements that no pin meets."""
    found = []
    for line in declared:
        wanted = Requirement(line)
        met = any(
            canonicalize_name(pin.name) == canonicalize_name(wanted.name)
            and wanted.specifier.contains(str(pin.specifier).removeprefix("=="))
            for pin, _ in pins(text)
        )
        if not met:
            found.append(line)
    return found


@pytest.mark.parametrize("text", [RUN, TEST], ids=["run", "test"])
def test_every_requirement_is_pinned_and_hashed(text: str) -> None:
    assert len(pins(text)) > 10
    assert loose(text) == []
    options = [line for line in text.splitlines() if line.startswith("-") or "://" in line]
    assert options == []  # no index, no link, no constraint: the machine's pip decides from where


def test_a_loose_requirement_is_caught() -> None:
    planted = "trio>=0.30 --hash=sha256:00\nrich==15.0.0\norjson==3.* --hash=sha256:00\n"
    assert loose(planted) == ["trio>=0.30", "rich==15.0.0", "orjson==3.*"]


def test_the_pins_cover_what_is_declared() -> None:
    extras = PROJECT["optional-dependencies"]
    assert uncovered([*PROJECT["dependencies"], *extras["build"]], RUN) == []
    assert uncovered([*PROJECT["dependencies"], *extras["build"], *extras["test"]], TEST) == []


def test_an_uncovered_dependency_is_caught() -> None:
    planted = ["trio>=99", "no-such-thing>=1"]
    assert uncovered([*planted, "trio>=0.30"], RUN) == planted


def test_the_test_pins_contain_the_run_pins() -> None:
    # `make test` counts as having built what `make demo` needs.
    # Markers may differ: more packages, more reasons.
    run, test = ({(pin.name, str(pin.specifier)) for pin, _ in pins(text)} for text in (RUN, TEST))
    assert run - test == set()


# Declared against imported


def distributions_of(roots: set[str]) -> set[str]:
    """Distributions that provide these third-party import names; the name itself if none does."""
    owners = importlib.metadata.packages_distributions()
    ours = {*PACKAGES, "tests", "perf"} | set(sys.stdlib_module_names)
    return {
        canonicalize_name(owner)
        for root in roots - ours
        for owner in owners.get(root, [root])
    }  # fmt: skip


def names_of(declared: Iterable[str]) -> set[str]:
    return {str(canonicalize_name(Requirement(line).name)) for line in declared}


def test_what_the_packages_import_is_what_is_declared() -> None:
    used = distributions_of(imported_roots(*PACKAGES))
    declared = names_of(PROJECT["dependencies"])
    assert used - declared == set()
    assert declared - used - set(NOT_IMPORTED) == set()


def test_what_the_tests_import_is_what_is_declared() -> None:
    extras = PROJECT["optional-dependencies"]
    used = distributions_of(imported_roots("tests", "perf"))
    declared = names_of(extras["test"])
    assert used - declared - names_of(PROJECT["dependencies"]) == set()
    assert declared - used - set(NOT_IMPORTED) == set()


def test_an_undeclared_import_is_seen() -> None:
    planted = ast.parse("import os\nimport pandas.io\nfrom msgspec import Struct\nimport nowhere")
    assert distributions_of(imported_roots(trees=[planted])) == {"pandas", "msgspec", "nowhere"}
