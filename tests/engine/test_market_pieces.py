"""Guards on a feed's quotes over whole batches, against the same guards shown every row."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from engine.book import parse_book
from engine.domain.instruments import CalcMode, Instrument
from engine.domain.market_findings import Finding
from engine.domain.market_guards import AnyMarketGuard, Gap, Spread, Stale, opening_state, watching
from engine.domain.market_watch import elapse, observe
from engine.domain.quotes import Quote
from engine.domain.records import (
    GuardBreach,
    PositionClosed,
    QuoteSuspect,
    Record,
    RuleBreach,
    RuleWarning,
)
from engine.market_pieces import Found, MarketPieces
from engine.marking.ticks import TickBatch
from engine.replay import run
from tests.engine.books import BOOK
from tests.random_books import ListStream

MONDAY_MSC = 1_772_432_400_000  # 2026-03-02T06:20Z, in the middle of a session
GUARDS: tuple[AnyMarketGuard, ...] = (
    Gap(name="gap", quiet_s=30.0, warn_percent=1.0, act_percent=2.0),
    Spread(name="spread", warn_percent=0.2, act_percent=0.4, for_s=1.0),
    Stale(name="stale", max_age_s=45.0, symbols=("AAA",)),
)


def instrument(symbol: str) -> Instrument:
    """A CFD that trades in the default week."""
    return Instrument(
        symbol=symbol,
        calc_mode=CalcMode.CFD,
        digits=2,
        contract_size=1.0,
        base_currency="XXX",
        profit_currency="USD",
    )


LISTED = [instrument("AAA"), instrument("BBB")]


def random_stream(seed: int) -> ListStream:
    """Two symbols with quiet spells, jumps and wide spreads, now and then over a weekend."""
    rng = Random(seed)
    time_msc = MONDAY_MSC + rng.choice([0, 4 * 86_400_000 + 14 * 3_600_000])
    price, rows = [100.0, 50.0], []
    for _ in range(300):
        time_msc += rng.choice([0, 100, 700, 5_000, 20_000, 50_000, 200_000])
        row = rng.choice([0, 0, 1])
        price[row] = round(price[row] * rng.choice([1.0, 1.001, 0.999, 1.015, 0.975]), 2)
        wide = rng.choice([0.0, 0.0001, 0.003, 0.005, 0.005])
        rows.append((time_msc, row, price[row], round(price[row] * (1 + wide), 2)))
    return ListStream(("AAA", "BBB"), rows)


def shown_every_row(stream: ListStream) -> list[tuple[int, Finding]]:
    """The twin: every guard on every tick, in the plainest way; with how many ticks were taken."""
    states = {i.symbol: opening_state(watching(GUARDS, i.symbol)) for i in LISTED}
    found: list[tuple[int, Finding]] = []
    whole = stream.whole
    for n in range(len(whole)):
        symbol, now = whole.symbols[whole.symbol[n]], int(whole.time_msc[n])
        for own in LISTED:
            held = watching(GUARDS, own.symbol)
            if own.symbol != symbol:
                states[own.symbol], said = elapse(
                    held, states[own.symbol], own.symbol, own.sessions, now
                )
                found.extend((n, finding) for finding in said)
        own = next(i for i in LISTED if i.symbol == symbol)
        quote = Quote(float(whole.bid[n]), float(whole.ask[n]), now)
        states[symbol], said = observe(
            watching(GUARDS, symbol), states[symbol], symbol, own.sessions, quote
        )
        found.extend((n + 1, finding) for finding in said)
    return found


def in_pieces(stream: ListStream, batch_ticks: int) -> list[tuple[int, Finding]]:
    """The same by batches, with how many ticks were taken before each finding."""
    market = MarketPieces(GUARDS, LISTED, ())
    found, taken = [], 0
    for batch in stream.batches(batch_ticks):
        for piece in market.pieces(batch):
            if isinstance(piece, Found):
                found.append((taken, piece.finding))
            else:
                assert isinstance(piece, TickBatch)
                assert piece.first_index == taken
                taken += len(piece)
    assert taken == len(stream.whole)
    return found


@pytest.mark.parametrize("seed", range(25))
def test_pieces_find_what_guards_shown_every_row_find(seed: int) -> None:
    stream = random_stream(seed)
    for batch_ticks in (1, 7, 300):
        assert in_pieces(stream, batch_ticks) == shown_every_row(stream)


def test_random_streams_hold_something_to_find() -> None:
    """The control: all three kinds are found, and warnings and breaches both."""
    said = {
        (f.kind, f.level.value) for seed in range(25) for _, f in in_pieces(random_stream(seed), 64)
    }
    assert said >= {
        ("gap", "warn"), ("gap", "act"), ("spread", "act"), ("spread", "cleared"),
        ("stale", "act"), ("stale", "cleared"),
    }  # fmt: skip


def tsv(path: Path, rows: Sequence[tuple[str, float, float]]) -> Path:
    """An MT5 export of the morning of 2026-03-02."""
    head = "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\n"
    path.write_text(
        head + "".join(f"2026.03.02\t{at}\t{bid}\t{ask}\t\t\t6\n" for at, bid, ask in rows)
    )
    return path


def records_of(tmp_path: Path, guards: str, rows: list[tuple[str, float, float]]) -> list[Record]:
    """The records of one account long EURUSD, driven by the loop and by live actors alike."""
    book = parse_book(BOOK + guards, "book.toml")
    file = tsv(tmp_path / "EURUSD.tsv", rows)
    result = run(book, {"EURUSD": file})
    live = run(book, {"EURUSD": file}, speed="1000000x")
    assert live.records == result.records
    for record in result.records:
        if isinstance(record, RuleBreach | RuleWarning | GuardBreach):
            assert result.explain(record.verdict_id).agrees
    return result.records


CALM = [("08:00:00.000", 1.38, 1.3801), ("08:00:01.000", 1.38, 1.3801)]


def test_a_gap_closes_the_positions_of_its_symbol(tmp_path: Path) -> None:
    guards = '[[feed.guard]]\nname = "jump"\nkind = "gap"\naction = "close"\n'
    records = records_of(tmp_path, guards, [*CALM, ("08:05:00.000", 1.20, 1.2001)])
    breach = next(r for r in records if isinstance(r, RuleBreach))
    assert (breach.guard, breach.measured, breach.limit) == ("jump", "gap_percent", 10.0)
    closed = next(r for r in records if isinstance(r, PositionClosed))
    assert (closed.reason, closed.close_price) == ("guard:jump", 1.20)


def test_a_spread_must_persist(tmp_path: Path) -> None:
    guards = '[[feed.guard]]\nkind = "spread"\naction = "close"\n'
    odd = [("08:00:02.000", 1.38, 1.40), ("08:00:03.000", 1.38, 1.3801)]
    records = records_of(tmp_path, guards, [*CALM, *odd])
    assert not [r for r in records if isinstance(r, RuleBreach)]
    lasting = [("08:00:02.000", 1.38, 1.40), ("08:00:04.000", 1.38, 1.40)]
    breach = [
        r for r in records_of(tmp_path, guards, [*CALM, *lasting]) if isinstance(r, RuleBreach)
    ]
    assert [b.subject for b in breach] == ["EURUSD"]


def test_a_suspect_symbol_holds_its_guards_until_a_good_quote(tmp_path: Path) -> None:
    guards = '[[feed.guard]]\nkind = "suspect"\nin_a_row = 2\n'
    bad = [("08:00:02.000", 1.39, 1.38), ("08:00:03.000", 1.39, 1.38)]
    records = records_of(tmp_path, guards, [*CALM, *bad, ("08:00:04.000", 1.38, 1.3801)])
    suspect = [r for r in records if isinstance(r, QuoteSuspect)]
    assert [(s.symbol, s.cause, s.count) for s in suspect] == [("EURUSD", "crossed", 2)]
    one_bad = [*CALM, bad[0], ("08:00:04.000", 1.38, 1.3801)]
    records = records_of(tmp_path, guards, one_bad)
    assert not [r for r in records if isinstance(r, QuoteSuspect)]


HELD = """
[[ruleset.guard]]
name = "fixed"
kind = "equity_limit"
reference = "initial"
amount = { floor = 9999.0 }
action = "alert"

"""
GOLD = """
[[account.position]]
id = 2
symbol = "XAUUSD"
side = "buy"
volume_lots = 0.01
open_price = 1900.0

[[feed.guard]]
kind = "suspect"
in_a_row = 1
symbols = ["XAUUSD"]
"""


def test_held_guards_are_tested_once_the_symbol_is_trusted_again(tmp_path: Path) -> None:
    """EURUSD falls through the fixed floor at 08:00:03 while gold is suspect, until 08:00:06."""
    text = BOOK.replace("[[account]]\n", HELD + "[[account]]\n", 1) + GOLD
    euro = [("08:00:00.000", 1.3865, 1.3866), ("08:00:03.000", 1.30, 1.3001)]
    gold = [
        ("08:00:00.500", 1900.0, 1900.1),
        ("08:00:02.000", 1900.0, 1899.0),
        ("08:00:06.000", 1900.0, 1900.1),
    ]
    files = {"EURUSD": tsv(tmp_path / "e.tsv", euro), "XAUUSD": tsv(tmp_path / "x.tsv", gold)}
    breach = next(
        r for r in run(parse_book(text, "book.toml"), files).records if isinstance(r, GuardBreach)
    )
    assert breach.tick
    assert (breach.guard, breach.tick.symbol) == ("fixed", "XAUUSD")
