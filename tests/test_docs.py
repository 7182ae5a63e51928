"""The documents say what is so: commands, options, book keys, links, numbered decisions.

What cannot be derived from the code is checked against it, in both directions where both exist.
"""

import importlib
import inspect
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer.main

from tests.tree import ROOT, TOP_FOLDERS, committed

Commands = Mapping[str, frozenset[str]]
"""Command line ("ticks convert") -> its options ("--out")."""

FENCE = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def documents() -> dict[Path, str]:
    """Every committed Markdown page."""
    pages = [path for path in committed() if path.suffix == ".md"]
    return {path: (ROOT / path).read_text(encoding="utf-8") for path in pages}


def code_in(text: str) -> list[str]:
    """Lines of code in a page, continued lines joined: fenced blocks and spans."""
    blocks = [match.group() for match in FENCE.finditer(text)]
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return lines + SPAN.findall(FENCE.sub("", text))


# Make targets


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def unknown_targets(text: str) -> list[str]:
    """`make x` in the code of a page where the Makefile has no x."""
    named = [word for line in code_in(text) for word in re.findall(r"\bmake ([a-z]+)", line)]
    return [word for word in named if word not in targets()]


def test_every_make_command_in_the_documents_exists() -> None:
    found = {path: unknown_targets(text) for path, text in documents().items()}
    assert {path: words for path, words in found.items() if words} == {}


def test_an_unknown_make_command_is_caught() -> None:
    planted = "Run `make demo`, then `make coffee`.\n\n```sh\nmake tea\n```\n"
    assert unknown_targets(planted) == ["tea", "coffee"]


def test_the_readme_names_its_two_commands_and_ci_runs_the_second() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "make demo" in readme
    assert "make test" in readme
    assert re.search(r"^make test$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)


# Command line


def commands() -> Commands:
    """Every command of the program with its options, groups flattened."""
    app = importlib.import_module("facade.cli").app
    return flattened(typer.main.get_command(app), ())


def flattened(command: Any, path: tuple[str, ...]) -> Commands:
    """A click command or group as a flat table."""
    table = {" ".join(path): frozenset(o for p in command.params for o in p.opts)}
    for name, child in getattr(command, "commands", {}).items():
        table |= flattened(child, (*path, name))
    return table


def wrong_commands(text: str, known: Commands) -> list[str]:
    """`tidegate ...` in the code of a page that the program would not understand."""
    wrong = []
    for line in code_in(text):
        for match in re.finditer(r"\btidegate((?: +[^\s|;&<>`)]+)+)", line):
            words = match.group(1).split()
            starts = [" ".join(words[:count]) for count in (3, 2)]
            path = next((start for start in starts if start in known), words[0])
            if words[0].startswith("-"):
                path = ""
            elif not re.fullmatch(r"[a-z]+", words[0]):
                continue
            options = {word.split("=")[0] for word in words if word.startswith("--")}
            if path not in known:
                wrong.append(path)
            else:
                wrong += [f"{path} {o}" for o in sorted(options - known[path] - {"--help"})]
    return wrong


def test_every_tidegate_command_in_the_documents_exists() -> None:
    known = commands()
    wrong = {path: wrong_commands(text, known) for path, text in documents().items()}
    assert {path: names for path, names in wrong.items() if names} == {}


def test_every_command_and_option_is_documented() -> None:
    pages = "\n".join(documents().values())
    known = commands()
    missing = [
        f"{path} {option}".strip()
        for path, options in known.items()
        for option in ("", *options)
        if (path and f"tidegate {path}" not in pages)
        or (option.startswith("--") and not re.search(rf"{option}\b", pages))
    ]
    hidden = ("--install-completion", "--show-completion", "--help")
    assert [name for name in missing if not name.endswith(hidden)] == []


def test_a_wrong_command_is_caught() -> None:
    known = {"": frozenset({"--version"}), "replay": frozenset({"--book"}), "ticks": frozenset()}
    known["ticks convert"] = frozenset({"--out"})
    planted = (
        "`tidegate --version`, `tidegate fly`, `tidegate ticks convert --out x --fast`\n"
        "```\n$ tidegate replay --book b.toml \\\n    --ticket 1 | tidegate dance\n```\n"
        "the tidegate swims; `tidegate --verbose`\n"
    )
    assert wrong_commands(planted, known) == [
        "replay --ticket",
        "dance",
        "fly",
        "ticks convert --fast",
        " --verbose",
    ]


# The book


def book_keys(*modules: str) -> dict[str, set[str]]:
    """Keys of every struct of these modules, as they are spelled in the book."""
    found: dict[str, set[str]] = {}
    for name in modules:
        for member in vars(importlib.import_module(name)).values():
            if inspect.isclass(member) and issubclass(member, msgspec.Struct):
                keys = {field.encode_name for field in msgspec.structs.fields(member)}
                found[member.__qualname__] = keys
    return found


def undocumented(keys: Iterable[str], page: str) -> list[str]:
    """Keys that the page neither names in code nor shows in an example."""
    code = "\n".join(code_in(page))
    return sorted(key for key in keys if not re.search(rf"\b{re.escape(key)}\b", code))


def test_every_key_of_the_book_is_documented() -> None:
    structs = book_keys("engine.config")
    assert structs
    page = (ROOT / "docs" / "book.md").read_text(encoding="utf-8")
    missing = {name: undocumented(keys, page) for name, keys in structs.items()}
    assert {name: keys for name, keys in missing.items() if keys} == {}


def test_an_undocumented_key_is_caught() -> None:
    class Planted(msgspec.Struct, rename={"volume": "volume_lots"}):
        volume: float
        colour: str

    page = "| `volume_lots` | lots |\n\nNo colour is named in code.\n"
    keys = {field.encode_name for field in msgspec.structs.fields(Planted)}
    assert undocumented(keys, page) == ["colour"]


# Links and paths


def broken_links(page: Path, text: str) -> list[str]:
    """Relative links of a page, and paths of this tree in its code, that lead nowhere."""
    links = [link for link in LINK.findall(text) if "://" not in link]
    broken = [link for link in links if not (ROOT / page.parent / link).exists()]
    for line in code_in(text):
        for path in re.findall(rf"(?<![\w./-])(?:{'|'.join(TOP_FOLDERS)})/[\w./-]*\w", line):
            made = path.startswith("out/")
            if not made and not (ROOT / path).exists():
                broken.append(path)
    return broken


def test_every_link_and_path_in_the_documents_leads_somewhere() -> None:
    found = {path: broken_links(path, text) for path, text in documents().items()}
    assert {path: links for path, links in found.items() if links} == {}


def test_a_broken_link_is_caught() -> None:
    planted = "[a](no-such.md), [b](../README.md#top), [c](https://example.org), `tests/none.py`"
    assert broken_links(Path("docs/a.md"), planted) == ["no-such.md", "tests/none.py"]


# Decisions


HEADINGS = ("Status", "Context", "Decision", "Consequences", "How we would know it was wrong")


def malformed(decisions: Mapping[str, str]) -> list[str]:
    """Gaps in the numbers, and headings a decision lacks."""
    wrong = []
    for number, (name, text) in enumerate(sorted(decisions.items()), 1):
        if not re.fullmatch(rf"{number:04d}-[a-z0-9-]+\.md", name):
            wrong.append(f"{name}: number {number:04d} expected")
        wrong += [f"{name}: no {h!r}" for h in HEADINGS if f"\n## {h}\n" not in text]
    return wrong


def test_decisions_are_numbered_without_gaps_and_complete() -> None:
    folder = ROOT / "docs" / "decisions"
    decisions = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.md")}
    assert len(decisions) >= 5
    assert malformed(decisions) == []


@pytest.mark.parametrize("name", ["0002-a.md", "1-a.md", "0001_a.md"])
def test_a_misnumbered_decision_is_caught(name: str) -> None:
    complete = "# A\n" + "".join(f"\n## {heading}\n\ntext\n" for heading in HEADINGS)
    assert malformed({"0001-a.md": complete}) == []
    assert malformed({name: complete})
    assert malformed({"0001-a.md": complete.replace("## Context", "## Contents")})


def test_the_changelog_has_an_entry_for_the_version_at_hand() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    assert f"## [{version.group(1)}]" in text or "## [Unreleased]" in text
