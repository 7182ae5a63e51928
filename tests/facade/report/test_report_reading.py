"""A report can be read back."""

from pathlib import Path

import msgspec
import pytest

from engine.errors import UserError
from facade.report.page import render
from facade.report.reading import read_report
from tests.facade.report.pages import account, falling, gold, replayed


def test_what_was_embedded_is_read_back_equal(tmp_path: Path) -> None:
    result = replayed(account(1001) + account(1002), gold(falling(1290.0)))
    path = tmp_path / "report.html"
    path.write_text(render(result), encoding="utf-8")
    machine = read_report(path)
    assert machine["summary"] == result.summary
    assert machine["events"] == [msgspec.to_builtins(record) for record in result.records]
    assert machine["events_left_out"] == 0
    assert machine["provenance"]["book"]["sha256"] == result.book.sha256


def test_the_same_replay_gives_the_same_page() -> None:
    result = replayed(account(1001), gold(falling(1290.0)))
    assert render(result) == render(result)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>nothing</html>", "no machine part"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b'<script type="application/json" id="tidegate-report">{"a":</script>', "damaged"),
        (b'<script type="application/json" id="tidegate-report">[1]</script>', "not that of"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "other.html"
    path.write_bytes(content)
    with pytest.raises(UserError, match=said):
        read_report(path)


def test_a_report_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read the report"):
        read_report(tmp_path / "absent.html")
