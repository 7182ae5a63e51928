"""The worked cases beside the checkout, computed by others: every event equal."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from engine.domain.records import Encoding
from engine.replay import run

_FREE = {"seq", "max_drawdown_time_msc"}


def differences(expected: Path, got: list[dict[str, Any]]) -> list[str]:
    """Where the events differ from a worked case, by its own rules of equality."""
    found = []
    wanted: dict[int, list[dict[str, Any]]] = {}
    for line in expected.read_text().splitlines():
        event = json.loads(line)
        wanted.setdefault(event["login"], []).append(event)
    types = {event["type"] for events in wanted.values() for event in events}
    for login, events in wanted.items():
        ours = [e for e in got if e["login"] == login and e["type"] in types]
        if [e["type"] for e in ours] != [e["type"] for e in events]:
            found.append(f"{login}: {len(ours)} events, not the {len(events)} expected, in order")
            continue
        for event, our in zip(events, ours, strict=True):
            for field, value in event.items():
                if field not in _FREE and not _equal(field, our.get(field), value):
                    found.append(f"{login} {event['type']} {field}: {our.get(field)} not {value}")
    return found


def _equal(field: str, ours: object, value: object) -> bool:
    if "percent" in field:
        assert isinstance(ours, float)
        assert isinstance(value, float)
        return abs(ours - value) <= 1e-4
    return ours == value


@pytest.fixture(scope="module")
def replayed(shared_dir: Path) -> list[dict[str, Any]]:
    """The events of the payrolls case."""
    ticks = shared_dir / "ticks"
    files = {
        symbol: [
            ticks / f"lean_{symbol.lower()}_oanda_tick" / f"{day}_quote.zip"
            for day in ("20140501", "20140502")
        ]
        for symbol in ("XAUUSD", "EURUSD")
    }
    result = run(shared_dir / "acceptance" / "replay_payrolls" / "book.toml", files)
    assert result.ticks == 468_279
    assert result.summary["invalid_rows"] == 0
    return [json.loads(Encoding.line(record)) for record in result.records]


def test_the_payrolls_case_is_equal_in_every_event(
    shared_dir: Path, replayed: list[dict[str, Any]]
) -> None:
    expected = shared_dir / "acceptance" / "replay_payrolls" / "expected.jsonl"
    assert differences(expected, replayed) == []


@pytest.mark.parametrize(
    ("field", "value"), [("equity", 9598.36), ("floor", 9600.01), ("time_msc", 1)]
)
def test_a_changed_event_is_a_difference(
    shared_dir: Path, replayed: list[dict[str, Any]], field: str, value: float
) -> None:
    """The control: the comparison sees a cent and a millisecond."""
    got = copy.deepcopy(replayed)
    breach = next(e for e in got if e["type"] == "guard_breach")
    breach[field] = value
    expected = shared_dir / "acceptance" / "replay_payrolls" / "expected.jsonl"
    assert len(differences(expected, got)) == 1
