"""Logs: one line an event, the same for both kinds of loggers, and never a secret."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from engine.errors import UserError
from engine.secret import Secret
from facade import logs
from facade.logs import Throttle

CANARY = "CANARY-4711-do-not-log"


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger("tidegate")
    kept, level, propagate = root.handlers[:], root.level, root.propagate
    logs.configure("info", "json", stream)
    yield stream
    root.handlers[:] = kept
    root.setLevel(level)
    root.propagate = propagate
    structlog.reset_defaults()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_both_kinds_of_loggers_come_out_as_json_lines(out: io.StringIO) -> None:
    structlog.get_logger("tidegate.serve").info("guarding", accounts=3)
    logging.getLogger("tidegate.link").warning("refused: cause=%s", "late")
    first, second = lines(out)
    assert (first["event"], first["accounts"], first["level"]) == ("guarding", 3, "info")
    assert first["logger"] == "tidegate.serve"
    assert (second["event"], second["level"]) == ("refused: cause=late", "warning")
    assert second["timestamp"].endswith("Z")


def test_what_is_below_the_level_is_not_written(out: io.StringIO) -> None:
    structlog.get_logger("tidegate.serve").debug("unseen")
    logging.getLogger("tidegate.link").debug("unseen")
    assert out.getvalue() == ""


def test_no_secret_comes_out_whatever_way_it_goes_in(out: io.StringIO) -> None:
    log = structlog.get_logger("tidegate.canary")
    secret = Secret(CANARY.encode())
    log.info("by type", held=secret, listed=[secret], nested={"deep": [{"deeper": secret}]})
    log.info("by name", bot_token=CANARY, password=CANARY, Authorization=f"Bearer {CANARY}")
    log.info("nested by name", headers={"X-Api-Key": CANARY, "cookie": CANARY})
    log.info("bytes", raw=CANARY.encode())
    log.info(f"header was Authorization: Bearer {CANARY}")
    logging.getLogger("tidegate.canary").error("given %s", secret)
    logging.getLogger("tidegate.canary").error("header Bearer %s", CANARY)
    try:
        raise ValueError(f"Bearer {CANARY}")
    except ValueError:
        log.exception("failed")
    assert len(lines(out)) == 8
    assert CANARY not in out.getvalue()
    assert "[hidden]" in out.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "POST /bot123456789:AAE4pCANARYxxxxxxxxxxxxxxxxxxxxxxxxxxxxx/send",
        "token eyJhbGciOiJFZERTQSJ9.eyJDQU5BUlkiOjF9CANARY.c2ln",
    ],
)
def test_what_looks_like_a_secret_is_taken_out_of_a_sentence(out: io.StringIO, text: str) -> None:
    structlog.get_logger("tidegate.canary").info(text, also=text)
    assert "CANARY" not in out.getvalue()
    assert "[hidden]" in lines(out)[0]["also"]


def test_ordinary_words_are_left_as_they_are(out: io.StringIO) -> None:
    structlog.get_logger("tidegate.serve").info(
        "a basic line",
        account="Demo-1/1001",
        key_id="0f3a",
        why="12:30:01 the link",
        path=Path("a"),
    )
    (line,) = lines(out)
    assert line["event"] == "a basic line"
    assert line["account"] == "Demo-1/1001"
    assert line["key_id"] == "0f3a"
    assert line["why"] == "12:30:01 the link"
    assert line["path"] == "a"


def test_a_line_that_repeats_is_counted_instead(out: io.StringIO) -> None:
    now_s = [0.0]
    handler = logging.getLogger("tidegate").handlers[0]
    handler.filters[:] = [Throttle(3, 10.0, lambda: now_s[0])]
    log = structlog.get_logger("tidegate.link")
    for number in range(20):
        log.warning("refused", number=number)
    log.error("refused")
    log.warning("another")
    assert len(lines(out)) == 5
    now_s[0] = 10.0
    log.warning("refused", number=20)
    assert lines(out)[-1]["left_out"] == 17
    plain = logging.getLogger("tidegate.plain")
    for number in range(5):
        plain.warning("said %s", number)
    now_s[0] = 20.0
    plain.warning("said %s", 5)
    assert lines(out)[-1]["event"] == "said 5 [2 like it left out]"


def test_the_throttle_remembers_only_so_many_events() -> None:
    throttle = Throttle(1, 10.0, lambda: 0.0)
    for number in range(5_000):
        record = logging.LogRecord("tidegate", 30, "", 0, f"event {number}", None, None)
        assert throttle.filter(record)
    assert len(throttle._seen) <= 1_000


def test_text_is_for_people() -> None:
    stream = io.StringIO()
    root = logging.getLogger("tidegate")
    kept = root.handlers[:]
    try:
        logs.configure("info", "text", stream)
        structlog.get_logger("tidegate.serve").info("guarding", accounts=3, token=CANARY)
    finally:
        root.handlers[:] = kept
        structlog.reset_defaults()
    assert "guarding" in stream.getvalue()
    assert "accounts=3" in stream.getvalue()
    assert CANARY not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_a_log_file_is_its_owners_and_a_missing_folder_is_said(tmp_path: Path) -> None:
    with logs.opened(tmp_path / "log") as out:
        out.write("a line\n")
        assert (tmp_path / "log").read_text(encoding="utf-8") == "a line\n"
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0
    with pytest.raises(UserError, match="cannot write the log"):
        logs.opened(tmp_path / "nowhere" / "log")
