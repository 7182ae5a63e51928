"""The expert's page says what its source says; the source keeps to what both languages know."""

import re
from pathlib import Path

import pytest

from tests.adapters.ea.expert import SOURCE, translated
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "expert-advisor.md").read_text("utf-8")
PROGRAM = (SOURCE / "Tidegate.mq5").read_text("utf-8")
INPUT = re.compile(r"^input \w+ (\w+) = (.+?);", re.MULTILINE)
ROW = re.compile(r"^\| `(\w+)` \| (?:`(.+?)`|none) \|", re.MULTILINE)
RETCODE = re.compile(r"^#define (RETCODE_\w+) (-\d+)", re.MULTILINE)


def plain(value: str) -> str:
    """A default as it is typed into a terminal."""
    return value.strip('"').replace("\\\\", "\\")


def test_every_input_is_documented_with_its_default() -> None:
    declared = {name: plain(value) for name, value in INPUT.findall(PROGRAM)}
    assert len(declared) == 10
    assert dict(ROW.findall(PAGE)) == declared


def test_every_source_file_is_to_be_copied() -> None:
    for path in SOURCE.iterdir():
        assert f"`{path.name}`" in PAGE


def test_the_expert_s_own_answers_are_documented() -> None:
    own = RETCODE.findall((SOURCE / "Commands.mqh").read_text("utf-8"))
    assert len(own) == 4
    for _, code in own:
        assert f"| {code} |" in PAGE


# What C++ would take and MetaEditor would not.
FOREIGN = re.compile(r"std::|\bauto\b|\bnullptr\b|\bnamespace\b|->|\bunsigned\b")
# A text goes by value: MQL5 takes no literal where a reference is wanted.
REFERENCE = re.compile(r"const string &")


@pytest.mark.parametrize("path", sorted(SOURCE.glob("*.mq[h5]")), ids=lambda path: path.name)
def test_the_source_is_ascii_and_free_of_what_only_one_language_knows(path: Path) -> None:
    text = path.read_text("ascii")
    assert max(map(len, text.splitlines())) <= 110
    assert FOREIGN.findall(text) + REFERENCE.findall(text) == []


def test_dynamic_arrays_are_what_is_translated() -> None:
    source = "#property strict\nbool F(const uchar &a[], string &b[])\n  { ulong c[]; c[0] = 1; }\n"
    assert translated(source) == (
        "//#property strict\nbool F(const array<uchar> &a, array<string> &b)\n"
        "  { array<ulong> c; c[0] = 1; }\n"
    )
