"""The broker's page, held to the code."""

import re

import msgspec

from adapters.broker import script
from adapters.broker.faults import DEFAULTS, Fault
from adapters.broker.script import ScriptKeys
from tests.tree import ROOT

PAGE = (ROOT / "docs" / "broker.md").read_text(encoding="utf-8")


def rows(heading: str) -> dict[str, str]:
    """The rows of a section's table by their first cell."""
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `(\w+)` \|(.*)$", section, re.MULTILINE)
    return dict(found)


def names(keys: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(keys)}


def test_every_key_of_the_file_is_documented() -> None:
    told = rows("Its file")
    assert set(told) - {"position"} == names(ScriptKeys) - {"instrument"}
    tables: dict[str, type[msgspec.Struct]] = {
        "engine": script.EngineKeys,
        "trading": script.TradingKeys,
        "ticks": script.TicksKeys,
        "account": script.AccountKeys,
        "position": script.PositionKeys,
        "money": script.MoneyKeys,
        "fault": script.FaultKeys,
    }
    for name, keys in tables.items():
        missing = [key for key in names(keys) if f"`{key}`" not in told[name]]
        assert missing == [], name


def test_every_fault_is_documented_with_its_default() -> None:
    told = rows("Faults")
    assert set(told) == {fault.value for fault in Fault}
    for fault, amount in DEFAULTS.items():
        assert told[fault].rstrip(" |").endswith(str(amount)), fault
