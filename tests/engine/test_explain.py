"""Explanations: the recomputation agrees with every verdict, and with no tampered one."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from msgspec.structs import replace

from engine.book import Book
from engine.book_accounts import BookAccount
from engine.domain.account import Operation, OperationKind
from engine.domain.guards import (
    Action,
    Comparator,
    EquityLimit,
    MaxHolding,
    Measured,
    Percent,
    Reference,
    Reset,
)
from engine.domain.records import GuardBreach, Tick
from engine.errors import UserError
from engine.explain import Explanation, explain, find_verdict
from engine.replay import run
from engine.replay_result import Replay
from tests.conftest import SOAK
from tests.domain.accounts import MAJORS, START_MSC, buy, market, sell
from tests.engine.replays import gold_ticks, one_account, random_replay, replayed
from tests.random_books import ListStream

CLASSIC = EquityLimit(
    name="max_drawdown",
    action=Action.CLOSE_AND_HALT,
    reference=Reference.EQUITY_HIGH_WATER,
    amount=Percent(percent=20.0, of_reference=True),
    comparator=Comparator.AT_OR_BELOW,
    warn_percent=None,
    warn_drawdown_percent=15.0,
)
BOOK = one_account([CLASSIC], [buy("XAUUSD", 1.0, 1900.0)])
STREAM = gold_ticks(
    (START_MSC, 1900.0), (START_MSC + 250, 1902.0), (START_MSC + 900, 1885.0),
    (START_MSC + 1500, 1870.0), (START_MSC + 1600, 1880.0),
)  # fmt: skip


@pytest.fixture
def done() -> Replay:
    """A warning and a breach of the classic drawdown."""
    return replayed(BOOK, STREAM)


@pytest.fixture
def events(done: Replay, tmp_path: Path) -> Path:
    """Its events file."""
    path = tmp_path / "events.jsonl"
    done.write_events(path)
    return path


def tampered(events: Path, verdict_id: str, **changes: Any) -> Path:
    """The events file with fields of one verdict changed."""
    lines = []
    for line in events.read_bytes().splitlines():
        event = orjson.loads(line)
        if event.get("verdict_id") == verdict_id:
            event |= changes
        lines.append(orjson.dumps(event))
    events.write_bytes(b"\n".join(lines) + b"\n")
    return events


@pytest.mark.parametrize("seed", range(12 * max(SOAK, 1)))
def test_every_verdict_of_random_books_is_recomputed_equal(seed: int, tmp_path: Path) -> None:
    replay = random_replay(seed)
    path = tmp_path / "events.jsonl"
    replay.write_events(path)
    for record in replay.verdict_records[:12]:
        found = explain(record.verdict_id, path, replay.book, replay.stream)
        assert found.agrees, str(found)
        assert found.record == found.recomputed == record
        assert found.inputs is not None
        equity = getattr(record, "equity", found.inputs.equity)
        assert found.inputs.equity == equity
        if found.inputs.limit is not None:
            assert found.inputs.limit.floor == getattr(record, "floor", None)
            assert found.inputs.limit.since_msc <= record.time_msc


def test_the_breach_shows_its_formula_with_its_numbers(done: Replay) -> None:
    name, amount = done.verdict(-1).record.verdict_id, "20 % of 10 200.00"
    assert done.verdict(-1).explain().lines == [
        f"{name}  breach of max_drawdown (equity_limit)  Demo-1/1001 at 2026-01-05T00:00:01.500Z",
        "tick 3  XAUUSD bid 1870.0 ask 1870.0",
        "equity = balance 10 000.00 + credit 0.00 + profit -3 000.00 + swap 0.00 = 7 000.00 USD",
        "  position 1  XAUUSD buy 1.0 lots, open 1900.0, close at bid 1870.0 (0 ms old)",
        "    the difference rounded: -3 000.00 USD",
        "reference equity_high_water = 10 200.00 since 2026-01-05T00:00:00.250Z",
        f"floor = 10 200.00 - {amount} = 8 160.00; breach when equity <= floor; equity 7 000.00",
        "recomputed over 4 ticks: agrees in every field",
    ]


def test_the_warning_shows_how_much_is_used(done: Replay) -> None:
    found = done.explain(done.verdict(0).record.verdict_id)
    assert found.agrees
    assert found.lines[-2] == (
        "83.3333 % of the amount between 10 200.00 and 8 160.00 is used (equity 8 500.00,"
        " balance 10 000.00); warns at 15 % below the reference"
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("equity", 7_000.01),
        ("floor", 8_159.99),
        ("reference", 10_200.01),
        ("comparator", "below"),
        ("action", "alert"),
        ("time_msc", START_MSC + 1501),
        ("seq", 4),
        ("tick", {"index": 3, "symbol": "XAUUSD", "bid": 1870.0, "ask": 1870.01}),
        ("tick", {"index": 2, "symbol": "XAUUSD", "bid": 1870.0, "ask": 1870.0}),
    ],
)
def test_a_tampered_field_is_found(done: Replay, events: Path, field: str, value: Any) -> None:
    name = done.verdict(-1).record.verdict_id
    found = explain(name, tampered(events, name, **{field: value}), BOOK, STREAM)
    assert not found.agrees
    assert [difference.field.split(".")[0] for difference in found.differences] == [field]
    assert "DISAGREES" in str(found)


def test_an_untampered_file_agrees(done: Replay, events: Path) -> None:
    """The control of the test above: writing it anew changes nothing by itself."""
    name = done.verdict(-1).record.verdict_id
    assert explain(name, tampered(events, name), BOOK, STREAM).agrees


def test_a_verdict_that_is_not_there_is_refused_with_how_many_are(events: Path) -> None:
    with pytest.raises(UserError, match="no verdict 'vrd_0' among 2") as refused:
        explain("vrd_0", events, BOOK, STREAM)
    assert str(events) in str(refused.value)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        find_verdict("vrd_0", tmp_path / "none.jsonl")


def test_a_line_that_is_no_record_is_refused_with_its_number(done: Replay, events: Path) -> None:
    name = done.verdict(-1).record.verdict_id
    with pytest.raises(UserError, match="line 3"):
        find_verdict(name, tampered(events, name, equity="much"))


def test_other_ticks_give_no_such_verdict(done: Replay) -> None:
    name = done.verdict(-1).record.verdict_id
    other = Replay(BOOK, gold_ticks((START_MSC, 1900.0)), done.records, done, 0.0, ())
    found = other.explain(name)
    assert not found.agrees
    assert found.recomputed is None
    assert "give no verdict" in str(found)


def other_balance(book: Book) -> Book:
    """A book whose account has a cent more."""
    [account] = book.accounts
    richer = replace(account, balance_minor=account.balance_minor + 1)
    return Book(book.path, book.sha256, book.text, book.instruments, (richer,))


def test_another_book_disagrees(done: Replay, events: Path) -> None:
    found = explain(done.verdict(-1).record.verdict_id, events, other_balance(BOOK), STREAM)
    assert {difference.field for difference in found.differences} >= {"equity", "balance"}


def test_an_account_that_the_book_has_not_is_refused(done: Replay, events: Path) -> None:
    name = done.verdict(-1).record.verdict_id
    with pytest.raises(UserError, match="no account Demo-1/7"):
        explain(name, tampered(events, name, login=7), BOOK, STREAM)


def explained_cross() -> Explanation:
    """A GBP account that sells USDJPY: each leg rounded, converted through USD by two pairs."""
    limit = EquityLimit(
        name="max_loss", action=Action.ALERT, reference=Reference.INITIAL,
        amount=Percent(percent=1.0),
    )  # fmt: skip
    book = one_account([limit], [])
    [account] = book.accounts
    spec = replace(account.spec, market=market("GBP", MAJORS))
    held: BookAccount = replace(account, spec=spec, positions=(sell("USDJPY", 1.0, 150.0),))
    book = Book(book.path, book.sha256, book.text, book.instruments, (held,))
    stream = ListStream(
        ("USDJPY", "GBPUSD"),
        [
            (START_MSC, 1, 1.25, 1.2501),
            (START_MSC + 100, 0, 150.0, 150.01),
            (START_MSC + 350, 0, 150.49, 150.5),
        ],
    )
    return replayed(book, stream).verdict(-1).explain()


def test_a_conversion_shows_pairs_sides_rates_and_ages() -> None:
    found = explained_cross()
    assert found.agrees
    assert found.inputs is not None
    [position] = found.inputs.positions
    assert (position.closed_leg, position.opened_leg) == (15_050_000.0, 15_000_000.0)
    assert position.raw_profit == -50_000.0
    assert [(leg.symbol, leg.side, leg.age_ms) for leg in position.conversion] == [
        ("USDJPY", "ask", 0),
        ("GBPUSD", "ask", 350),
    ]
    assert position.rate == 1 / 150.5 * (1 / 1.2501)
    assert position.profit == -265.76
    assert "    each leg rounded: 15 000 000 - 15 050 000 = -50 000 JPY" in found.lines
    assert any("1 / USDJPY ask 150.5 (0 ms old) * 1 / GBPUSD ask" in line for line in found.lines)


def test_a_breach_at_a_reset_says_so() -> None:
    daily = EquityLimit(
        name="daily",
        action=Action.CLOSE_AND_HALT,
        reference=Reference.BALANCE_AT_RESET,
        amount=Percent(percent=5.0),
        reset=Reset(zone="UTC", at_minute=1),
    )
    # A target lifts the balance by what the other side loses: the next day begins 600 down.
    hedged = [buy("XAUUSD", 1.0, 1900.0, take_profit=1906.0), sell("XAUUSD", 1.0, 1900.0)]
    book = one_account([daily], hedged)
    prices = [(0, 1900.0), (5_000, 1906.0), (90_000, 1906.0)]
    stream = gold_ticks(*((START_MSC + at, price) for at, price in prices))
    done = replayed(book, stream)
    found = done.verdict(-1).explain()
    assert found.agrees
    assert not isinstance(found.record.tick, Tick)
    assert found.lines[1] == "at a reset instant, on the quotes before any tick of that moment"
    assert found.lines[-3].endswith("since 2026-01-05T00:01:00.000Z")


def test_time_runs_on_ticks_of_symbols_that_the_account_does_not_hold() -> None:
    """A withdrawal falls due, and a notice runs out, on a tick of another symbol."""
    limit = EquityLimit(
        name="max_loss",
        action=Action.CLOSE_AND_HALT,
        reference=Reference.INITIAL,
        amount=Percent(percent=5.0),
        notice_s=1.0,
    )
    after = replace(limit, name="after", amount=Percent(percent=9.0), measured=Measured.BALANCE)
    withdrawal = Operation(
        at_msc=START_MSC + 100, kind=OperationKind.WITHDRAWAL, amount_minor=-600_00
    )
    book = one_account([limit, after], [buy("XAUUSD", 1.0, 1900.0)], operations=(withdrawal,))
    stream = ListStream(
        ("XAUUSD", "EURUSD"),
        [
            (START_MSC, 0, 1899.0, 1899.0),
            (START_MSC + 100, 1, 1.1, 1.1),  # breached: 9 300 < 9 500
            (START_MSC + 500, 0, 1895.0, 1895.0),
            (START_MSC + 1100, 1, 1.1, 1.1),  # closed: the balance is 8 900 < 9 100
            (START_MSC + 1200, 1, 1.1, 1.1),  # tested on it
            (START_MSC + 1300, 0, 1900.0, 1900.0),
        ],
    )
    done = replayed(book, stream)
    breaches = [r for r in done.verdict_records if isinstance(r, GuardBreach)]
    assert [r.time_msc - START_MSC for r in breaches] == [100, 1200]
    for record in done.verdict_records:
        assert done.explain(record.verdict_id).agrees


def test_a_guard_without_a_floor_shows_what_it_measured() -> None:
    holding = MaxHolding(name="holding", action=Action.CLOSE, seconds=60.0)
    book = one_account([holding], [buy("XAUUSD", 1.0, 1900.0)])
    stream = gold_ticks((START_MSC, 1900.0), (START_MSC + 61_000, 1900.0))
    found = replayed(book, stream).verdict(-1).explain()
    assert found.agrees
    assert "limit 60.0" in found.lines[-2]


def test_an_explanation_is_json_too(done: Replay) -> None:
    told = orjson.loads(orjson.dumps(done.verdict(-1).explain().as_dict()))
    assert told["agrees"] is True
    assert told["record"]["equity"] == told["inputs"]["equity"] == 7_000.0
    assert told["inputs"]["positions"][0]["close_price"] == 1870.0


def test_the_worked_case_is_explained(shared_dir: Path) -> None:
    ticks = shared_dir / "ticks"
    found = run(
        shared_dir / "acceptance" / "replay_payrolls" / "book.toml",
        {
            symbol: ticks / f"lean_{symbol.lower()}_oanda_tick" / "20140501_quote.zip"
            for symbol in ("XAUUSD", "EURUSD")
        },
    )
    explained = next(
        found.explain(record.verdict_id)
        for record in found.verdict_records
        if (record.login, record.kind, record.time_msc) == (1001, "equity_limit", 1398928850976)
    )
    assert explained.agrees
    assert explained.lines[-2] == (
        "floor = 6 268.25 - 20 % of 6 268.25 = 5 014.60; breach when equity <= floor;"
        " equity 4 996.25"
    )
