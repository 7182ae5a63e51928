"""The style of the house, held by a test: sizes, names, where things lie, what is never committed.

Each rule is a function from files to findings; `test_the_tree_is_tidy` runs all of them over what
is committed, and each has a planted offender below that it must catch, and a neighbour that it
must let pass.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tree import PACKAGES, ROOT, TOP_FOLDERS, committed

LINES_PER_FILE = 500
LINES_PER_FUNCTION = 70
COLUMNS = 100
FOLDERS_BELOW_ROOT = 3
TOP_LEVEL = {*TOP_FOLDERS, "pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile"}

# Words that say nothing about what a thing is (product.md), and folders where things pile up.
EMPTY_WORDS = {"manager", "helper", "helpers", "util", "utils", "service", "process", "data"}
EMPTY_WORDS |= {"info", "handler", "sync"}
PILES = {"common", "core", "base", "misc", "shared", "lib"}
MODULE_WORDS = EMPTY_WORDS | PILES
# What the outside world calls things: the word stays where the name is not ours.
FOREIGN_NAMES = {"handler": ("facade",)}

# One letter of each in brackets, so that this file does not name what it looks for.
UNFINISHED = re.compile(r"\b([T]ODO|[F]IXME|[H]ACK|NotImplemented[E]rror)\b")
WORKPLACE = re.compile(
    r"/[w]ork/|/[f]arm/|/[r]oot/|bash_[j]obs|farm-(studio|bench)|\.[l]ibrary/|/tmp/[t]eam"
)
INDEX_HOST = re.compile(
    r"[p]ypi\.org|python[h]osted|--(extra-)?index-[u]rl|/[s]imple/?( |$)|\.whl[#]|\"[r]esolved\":",
    re.MULTILINE,
)
# A word to a tool at the end of a line, which has to stand there, is not counted; ruff agrees.
PRAGMA = re.compile(r"\s*# (noqa|type: ignore).*$")
TEXT = {".py", ".md", ".toml", ".txt", ".js", ".css", ".html", ".sh", ".mq5", ".mqh", ".h", ".cpp"}

Files = dict[Path, str]
Rule = Callable[[Files], Iterator[str]]
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def files_are_short(files: Files) -> Iterator[str]:
    for path, text in files.items():
        if path.suffix == ".py" and (count := len(text.splitlines())) > LINES_PER_FILE:
            yield f"{path}: {count} lines, at most {LINES_PER_FILE}: one noun a file"


def functions_are_short(files: Files) -> Iterator[str]:
    for path, function in _definitions(files, ast.FunctionDef, ast.AsyncFunctionDef):
        assert function.end_lineno is not None
        count = function.end_lineno - function.lineno + 1
        if count > LINES_PER_FUNCTION:
            yield f"{path}:{function.lineno}: {function.name} has {count} lines"


def lines_are_short(files: Files) -> Iterator[str]:
    for path, text in files.items():
        if path.suffix in {".py", ".toml", ".sh"} or path.name in {"Makefile", "run"}:
            for number, line in enumerate(text.splitlines(), 1):
                wide = len(PRAGMA.sub("", line))
                if wide > COLUMNS and path.name != "pyproject.toml":
                    yield f"{path}:{number}: {wide} columns, at most {COLUMNS}"


def module_names_say_what_is_inside(files: Files) -> Iterator[str]:
    for path in files:
        if path.parts[0] in PACKAGES and path.suffix == ".py":
            for part in path.with_suffix("").parts:
                for word in MODULE_WORDS.intersection(_words(part)):
                    yield f"{path}: the word {word!r} says nothing; use a word of the field"


def names_say_what_is_inside(files: Files) -> Iterator[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for path, found in _definitions(files, *kinds):
        if path.parts[0] not in PACKAGES or found.name.startswith("__"):
            continue
        for word in EMPTY_WORDS.intersection(_words(found.name)):
            if path.parts[0] not in FOREIGN_NAMES.get(word, ()):
                yield f"{path}:{found.lineno}: {found.name}: the word {word!r} says nothing"


def packages_hold_only_a_docstring(files: Files) -> Iterator[str]:
    for path, text in files.items():
        if path.name == "__init__.py":
            body = ast.parse(text).body
            if len(body) != 1 or ast.get_docstring(ast.parse(text)) is None:
                yield f"{path}: holds something else than a docstring"


def modules_begin_with_a_docstring(files: Files) -> Iterator[str]:
    for path, text in files.items():
        if (
            path.suffix == ".py"
            and path.parts[0] != "tests"
            and not ast.get_docstring(ast.parse(text))
        ):
            yield f"{path}: no docstring says what it is"


def folders_are_shallow(files: Files) -> Iterator[str]:
    for path in files:
        if len(path.parent.parts) > FOLDERS_BELOW_ROOT:
            yield f"{path}: more than {FOLDERS_BELOW_ROOT} folders below the root"


def the_top_level_is_fixed(files: Files) -> Iterator[str]:
    for path in files:
        if path.parts[0] not in TOP_LEVEL and not path.parts[0].startswith("."):
            yield f"{path}: {path.parts[0]} is not part of the layout"


def nothing_is_unfinished(files: Files) -> Iterator[str]:
    yield from _matches(files, UNFINISHED, "unfinished")


def no_workplace_is_named(files: Files) -> Iterator[str]:
    yield from _matches(files, WORKPLACE, "names the machine it was written on")


def no_index_host_is_named(files: Files) -> Iterator[str]:
    yield from _matches(files, INDEX_HOST, "names a package index")


def _matches(files: Files, pattern: re.Pattern[str], what: str) -> Iterator[str]:
    for path, text in files.items():
        for match in pattern.finditer(text):
            number = text.count("\n", 0, match.start()) + 1
            yield f"{path}:{number}: {what}: {match.group()!r}"


def _definitions(files: Files, *kinds: type[Definition]) -> Iterator[tuple[Path, Definition]]:
    for path, text in files.items():
        if path.suffix == ".py":
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, kinds):
                    yield path, node


def _words(name: str) -> set[str]:
    """Words of a snake_case or CamelCase name, lower case."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", name)}


RULES: list[Rule] = [
    files_are_short,
    functions_are_short,
    lines_are_short,
    module_names_say_what_is_inside,
    names_say_what_is_inside,
    packages_hold_only_a_docstring,
    modules_begin_with_a_docstring,
    folders_are_shallow,
    the_top_level_is_fixed,
    nothing_is_unfinished,
    no_workplace_is_named,
    no_index_host_is_named,
]


@pytest.fixture(scope="module")
def house() -> Files:
    """Every committed text, by its path."""
    paths = committed()
    texts = [path for path in paths if path.suffix in TEXT or path.suffix == ""]
    return {path: (ROOT / path).read_text(encoding="utf-8") for path in texts}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_tree_is_tidy(rule: Rule, house: Files) -> None:
    assert list(rule(house)) == []


def test_every_committed_path_has_its_place() -> None:
    everything = dict.fromkeys(committed(), "")
    assert [*the_top_level_is_fixed(everything), *folders_are_shallow(everything)] == []


OFFENDERS: list[tuple[Rule, str, str]] = [
    (files_are_short, "engine/a.py", '"""A."""\n' * 501),
    (functions_are_short, "perf/a.py", "def long():\n" + "    x = 1\n" * 70),
    (functions_are_short, "engine/a.py", "async def long():\n" + "    x = 1\n" * 70),
    (lines_are_short, "engine/a.py", "#" * 101),
    (lines_are_short, "engine/a.py", "x" * 101 + "  # type: ignore[misc]"),
    (module_names_say_what_is_inside, "engine/quote_utils.py", ""),
    (module_names_say_what_is_inside, "engine/core/quotes.py", ""),
    (module_names_say_what_is_inside, "adapters/base.py", ""),
    (module_names_say_what_is_inside, "facade/position_sync.py", ""),
    (names_say_what_is_inside, "engine/a.py", "class AccountManager: pass"),
    (names_say_what_is_inside, "engine/a.py", "def process_tick(): pass"),
    (names_say_what_is_inside, "adapters/a.py", "class Frame:\n    def as_data(self): pass"),
    (names_say_what_is_inside, "engine/a.py", "class FrameHandler: pass"),
    (packages_hold_only_a_docstring, "engine/__init__.py", '"""Engine."""\nimport os\n'),
    (packages_hold_only_a_docstring, "engine/__init__.py", ""),
    (modules_begin_with_a_docstring, "perf/bench_a.py", "import os\n"),
    (folders_are_shallow, "engine/a/b/c/d.py", ""),
    (the_top_level_is_fixed, "scripts/a.py", ""),
    (the_top_level_is_fixed, "notes.md", ""),
    (nothing_is_unfinished, "engine/a.py", "x = 1  # TO" + "DO: later"),
    (nothing_is_unfinished, "engine/a.py", "raise NotImplemented" + "Error"),
    (no_workplace_is_named, "docs/a.md", "see /wo" + "rk/main"),
    (no_index_host_is_named, "requirements/a.txt", "--index" + "-url https://example.invalid"),
    (no_index_host_is_named, "requirements/a.txt", "--extra-index" + "-url x"),
    (no_index_host_is_named, "README.md", "https://py" + "pi.org/project/tidegate"),
]


@pytest.mark.parametrize(("rule", "path", "text"), OFFENDERS)
def test_a_planted_offender_is_caught(rule: Rule, path: str, text: str) -> None:
    assert list(rule({Path(path): text}))


def test_every_rule_has_a_planted_offender() -> None:
    assert {rule for rule, _, _ in OFFENDERS} == set(RULES)


def test_a_tidy_file_passes_every_rule() -> None:
    tidy: Files = {
        Path("engine/domain/high_water.py"): '"""The mark."""\n\n' + "x = 1\n" * 400,
        Path("engine/domain/__init__.py"): '"""The domain."""\n',
        Path("adapters/mt5/ea/Tidegate.mq5"): "// the terminal's side of the link\n",
        Path("facade/problems.py"): '"""Problems."""\n\n\ndef not_found_handler() -> None: ...\n',
        Path("engine/noted.py"): '"""Noted."""\n' + "x" * 95 + "  # type: ignore[misc]\n",
        Path("engine/database.py"): '"""`database` is one word."""\n',
        Path(".gitignore"): "out/\n",
    }
    assert [finding for rule in RULES for finding in rule(tidy)] == []
