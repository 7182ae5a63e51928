"""docs/book.md against the code: every key in its table with its default, every example taken."""

import re
import tomllib
from enum import Enum
from functools import cache
from typing import Any, NamedTuple

import msgspec
import pytest

from engine import config
from engine.book import load_book, parse_book
from engine.domain.presets import PRESETS
from engine.toml_document import Document
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "book.md").read_text(encoding="utf-8")
LATCHED = ("equity_limit", "profit_target", "min_days", "consistency", "exposure", "margin_level")

WHERE: dict[str, type[config.Keys]] = {
    "`[[instrument]]`": config.InstrumentKeys,
    "`sessions`": config.SessionsKeys,
    "`[[ruleset]]`": config.RulesetKeys,
    "a guard of any kind": config.GuardKeys,
    "`reset`": config.ResetKeys,
    "kinds " + ", ".join(f"`{kind}`" for kind in LATCHED): config.LatchedKeys,
    "kind `equity_limit`": config.EquityLimitKeys,
    "`amount`": config.AmountKeys,
    "`lock_at`": config.LockKeys,
    "kind `profit_target`": config.ProfitTargetKeys,
    "`target`": config.TargetKeys,
    "kind `min_days`": config.MinDaysKeys,
    "kind `consistency`": config.ConsistencyKeys,
    "kind `exposure`": config.ExposureKeys,
    "kind `margin_level`": config.MarginLevelKeys,
    "kind `weekend_flat`": config.WeekendFlatKeys,
    "kind `news_window`": config.NewsWindowKeys,
    "kind `max_holding`": config.MaxHoldingKeys,
    "kind `stop_loss_required`": config.StopLossRequiredKeys,
    "`[[account]]`": config.AccountKeys,
    "`[[account.position]]`": config.PositionKeys,
    "`[[account.operation]]`": config.OperationKeys,
    "`[feed]`": config.FeedKeys,
    "`[[feed.guard]]` of any kind": config.MarketGuardKeys,
    "kind `gap` of the feed": config.GapKeys,
    "kind `spread` of the feed": config.SpreadKeys,
    "kind `stale` of the feed": config.StaleKeys,
    "kind `suspect` of the feed": config.SuspectKeys,
}


class Row(NamedTuple):
    """One line of the table."""

    key: str
    where: str
    default: str
    example: str


@cache
def rows() -> list[Row]:
    found = []
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and cells[0].startswith("`"):
            key, where, _, default, _, example = cells
            found.append(Row(key.strip("`"), where, default, example.strip("`")))
    return found


def own_fields(shape: type[config.Keys]) -> list[msgspec.structs.FieldInfo]:
    """Fields that the shape does not have from another."""
    above = {
        field.name
        for other in shape.__mro__[1:]
        if issubclass(other, config.Keys)
        for field in msgspec.structs.fields(other)
    }
    return [field for field in msgspec.structs.fields(shape) if field.name not in above]


def default_text(field: msgspec.structs.FieldInfo) -> str:
    value: Any = field.default
    if value is msgspec.NODEFAULT:
        if field.default_factory is msgspec.NODEFAULT:
            return "required"
        value = field.default_factory()
    if value is None:
        return "none"
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, str):
        value = f'"{value}"'
    return f"`{value}`"


def parsed(row: Row) -> dict[str, Any]:
    """The example as the keys it gives."""
    if row.example.startswith("{"):
        table: dict[str, Any] = tomllib.loads(f"x = {row.example}")["x"]
        return table
    return tomllib.loads(row.example)


def test_the_table_has_every_key_that_is_taken_and_no_other() -> None:
    shapes = {
        shape
        for shape in vars(config).values()
        if isinstance(shape, type) and issubclass(shape, config.Keys) and own_fields(shape)
    }
    # The lists at the top of a book are the heads of its tables.
    assert shapes - set(WHERE.values()) == {config.BookKeys, config.PresetKeys}
    for where, shape in WHERE.items():
        listed = [row.key for row in rows() if row.where == where]
        assert sorted(listed) == sorted(field.name for field in own_fields(shape)), where
    assert {row.where for row in rows()} == set(WHERE)


def test_the_table_has_every_default() -> None:
    defaults = {
        (where, field.name): default_text(field)
        for where, shape in WHERE.items()
        for field in own_fields(shape)
    }
    assert {(row.where, row.key): row.default for row in rows()} == defaults


@pytest.mark.parametrize("row", rows(), ids=lambda row: f"{row.where} {row.key}")
def test_the_example_of_a_key_is_taken(row: Row) -> None:
    shape = WHERE[row.where]
    if shape is config.GuardKeys:
        shape = config.MaxHoldingKeys
    elif shape is config.LatchedKeys:
        shape = config.MinDaysKeys
    elif shape is config.MarketGuardKeys:
        shape = config.StaleKeys
    required = {f.name for f in msgspec.structs.fields(shape) if f.required}
    raw: dict[str, Any] = {}
    for other in rows():
        if other.key in required and WHERE[other.where] in shape.__mro__:
            raw |= parsed(other)
    raw |= parsed(row)
    assert row.key in raw
    if (tag := shape.__struct_config__.tag) is not None:
        raw["kind"] = tag
    msgspec.convert(raw, shape)


BLOCKS = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
INSTRUMENTS = BLOCKS[0][: BLOCKS[0].index("[[ruleset]]")].replace("EURUSD", "XAUUSD")
ACCOUNT = '[[account]]\nlogin = 7\nserver = "D"\ncurrency = "USD"\nbalance = 1e6\nruleset = "{}"\n'


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_block_of_the_page_is_a_book_or_a_part_of_one(number: int) -> None:
    block = BLOCKS[number]
    if "[[account]]" not in block:
        name = Document("block", block).read(config.BookKeys).ruleset[0].name
        block = INSTRUMENTS + block + ACCOUNT.format(name)
    book = parse_book(block, str(ROOT / "docs" / "block.toml"))
    assert book.accounts[0].spec.guards


def test_the_block_of_every_kind_has_every_kind() -> None:
    kinds = set(re.findall(r'^kind = "(\w+)"', BLOCKS[1], re.MULTILINE))
    unions = (*config.AnyGuardKeys.__args__, config.GapKeys, config.SpreadKeys, config.StaleKeys)
    tags = {shape.__struct_config__.tag for shape in (*unions, config.SuspectKeys)}
    assert kinds == tags


def test_the_page_lists_every_preset_with_its_guards() -> None:
    for name, preset in PRESETS.items():
        names = ", ".join(f"`{n}`" for n in re.findall(r'^name = "(\w+)"', preset.guards, re.M))
        assert f"| `{name}` | {names} |" in PAGE


def test_the_sample_book_is_in_order() -> None:
    book = load_book(ROOT / "docs" / "examples" / "demo.toml")
    assert len(book.accounts) == 12
    assert book.warnings == ()
