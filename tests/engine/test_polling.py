"""Pollers by intervals of phases against pollers that poll."""

from math import ceil
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import polling
from engine.domain.equity_limits import floor_minor, reference_minor
from engine.domain.guards import Action, Comparator, EquityLimit, Measured, Money, Reference, Reset
from engine.domain.marks import advance, mark_of
from engine.domain.quotes import Quote
from engine.domain.records import GuardBreach, Tick
from engine.domain.resets import next_reset_msc
from engine.domain.valuing import equity_minor
from engine.errors import UserError
from engine.poll_phases import Phases, PollComparison
from engine.polling import compare, compare_all
from engine.replay_result import Replay
from tests.conftest import SOAK
from tests.domain.accounts import START_MSC, buy
from tests.engine.replays import gold_ticks, one_account, random_replay, replayed
from tests.random_books import ListStream

NOON = Reset(zone="UTC", at_minute=720)
LIMIT = EquityLimit(
    name="max_loss",
    action=Action.CLOSE_AND_HALT,
    reference=Reference.INITIAL,
    amount=Money(amount_minor=500_00),
)


def by_polling(replay: Replay, breach: GuardBreach, period_ms: int) -> tuple[list[int], list[int]]:
    """Lateness and equity of every phase that sees the breach, one poll after another."""
    number = replay.account_number(breach.login, breach.server)
    changes = replay.changes(number)
    state = next(change.state for change in changes if change.state.seq >= breach.seq)
    place = next(n for n, g in enumerate(state.spec.guards) if g.name == breach.guard)
    guard = state.spec.guards[place]
    assert isinstance(guard, EquityLimit)
    [whole] = replay.stream.batches(1_000_000)
    first = breach.tick.index if isinstance(breach.tick, Tick) else None
    end_msc = int(whole.time_msc[-1]) + 1
    if guard.reset is not None:
        end_msc = min(end_msc, next_reset_msc(guard.reset, breach.time_msc))
    quotes: dict[str, Quote] = {}
    standing: list[tuple[int, int, bool]] = []
    """From when, the equity, whether it is in breach."""
    marks = state.marks
    if first is None:
        standing.append((breach.time_msc, round(breach.equity * 10**state.spec.digits), True))
    for index in range(len(whole)):
        time_msc, symbol = int(whole.time_msc[index]), whole.symbols[whole.symbol[index]]
        quotes[symbol] = Quote(float(whole.bid[index]), float(whole.ask[index]), time_msc)
        if (index if first is not None else time_msc) < (
            breach.time_msc if first is None else first
        ):
            continue
        marks = advance(marks, mark_of(state, quotes), time_msc)
        equity = equity_minor(state, quotes)
        reference = reference_minor(guard, place, state.guards[place], state, marks)
        floor = floor_minor(guard, reference, state.spec)
        measured = equity if guard.measured is Measured.EQUITY else state.balance_minor
        below = guard.comparator is Comparator.BELOW
        standing.append((time_msc, equity, measured < floor if below else measured <= floor))
    late, equities = [], []
    for phase in range(period_ms):
        poll = breach.time_msc + (phase - breach.time_msc) % period_ms
        at = 0
        while poll < end_msc:
            while at + 1 < len(standing) and standing[at + 1][0] <= poll:
                at += 1
            if standing[at][2]:
                late.append(poll - breach.time_msc)
                equities.append(standing[at][1])
                break
            poll += period_ms
    return late, equities


def agrees(found: PollComparison, late: list[int], equities: list[int], digits: int) -> None:
    """Asserts that a comparison is of these phases."""
    assert found.missed_percent == pytest.approx(
        100.0 * (found.phases - len(late)) / found.phases, abs=1e-4
    )
    if not late:
        assert found.late_min_ms is None
        assert found.equity_median is None
        return
    late.sort()
    equities.sort()
    assert found.late_min_ms == late[0]
    assert found.late_max_ms == late[-1]
    assert found.late_median_ms == late[ceil(len(late) * 0.5) - 1]
    assert found.late_p95_ms == late[ceil(len(late) * 0.95) - 1]
    assert found.equity_worst == equities[0] / 10**digits
    assert found.equity_median == equities[ceil(len(equities) * 0.5) - 1] / 10**digits
    cost = (round(found.equity * 10**digits) - equities[0]) / 10**digits
    assert found.cost_worst == pytest.approx(cost)


def quick(seed: int) -> Replay:
    """Random accounts on ticks milliseconds apart, around a reset of one of them."""
    replay = random_replay(seed, ticks=250)
    rng = Random(seed)
    assert isinstance(replay.stream, ListStream)
    resets = [guard.reset for account in replay.book.accounts for guard in account.spec.guards]
    instant = next_reset_msc(rng.choice([*filter(None, resets), NOON]), START_MSC)
    rows, time_msc = [], instant - rng.randrange(10_000)
    for index in range(len(replay.stream.whole)):
        time_msc += rng.choice([0, 0, 1, 3, 40, 400])
        whole = replay.stream.whole
        row = int(whole.symbol[index]), float(whole.bid[index]), float(whole.ask[index])
        rows.append((time_msc, *row))
    return replayed(replay.book, ListStream(replay.stream.symbols, rows))


@pytest.mark.parametrize("seed", range(20 * max(SOAK, 1)))
@pytest.mark.parametrize("period_ms", [7, 250, 1000])
def test_intervals_of_phases_are_pollers_of_every_phase(
    seed: int, period_ms: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "BATCH_TICKS", 40)
    replay = quick(seed)
    breaches = [record for record in replay.records if isinstance(record, GuardBreach)]
    found = compare(replay, f"{period_ms}ms")
    assert [one.verdict_id for one in found] == [breach.verdict_id for breach in breaches]
    for breach, one in zip(breaches, found, strict=True):
        number = replay.account_number(breach.login)
        digits = replay.book.accounts[number].spec.digits
        agrees(one, *by_polling(replay, breach, period_ms), digits)


def test_the_random_breaches_are_missed_seen_late_and_at_resets() -> None:
    """The control: what the property above is about does occur."""
    missed, late, resets = 0, 0, 0
    for seed in range(20):
        replay = quick(seed)
        resets += sum(
            isinstance(record, GuardBreach) and not isinstance(record.tick, Tick)
            for record in replay.records
        )
        for one in compare(replay, "1s"):
            missed += one.missed_percent > 0
            late += (one.late_max_ms or 0) > 1000
    assert missed > 5
    assert late > 5
    assert resets > 0


@given(
    period_ms=st.integers(1, 60),
    holds=st.lists(st.tuples(st.integers(0, 50), st.integers(1, 90)), max_size=12),
)
@settings(max_examples=150, deadline=None)
def test_each_phase_sees_the_first_interval_one_of_its_polls_falls_into(
    period_ms: int, holds: list[tuple[int, int]]
) -> None:
    breach_msc = START_MSC + 17
    phases, at, intervals = Phases(period_ms, breach_msc), breach_msc, []
    for number, (gap, length) in enumerate(holds):
        intervals.append((at + gap, at + gap + length, float(number)))
        at += gap + length
        phases.see(*intervals[-1])
    seen = []
    for phase in range(period_ms):
        polls = range(breach_msc + (phase - breach_msc) % period_ms, at, period_ms)
        hit = next(
            ((poll, n) for poll in polls for start, end, n in intervals if start <= poll < end),
            None,
        )
        if hit is not None:
            seen.append((hit[0] - breach_msc, hit[1]))
    runs = [(late + k, equity) for late, length, equity in phases.runs for k in range(length)]
    assert runs == sorted(seen)
    assert phases.left == (len(seen) < period_ms)


def spike(*prices: tuple[int, float]) -> Replay:
    """One lot of gold bought at 1900 with 500 to lose; times in ms from the start."""
    book = one_account([LIMIT], [buy("XAUUSD", 1.0, 1900.0)])
    rows = [(START_MSC + time, price) for time, price in prices]
    return replayed(book, gold_ticks(*rows), ["10s", "1s"])


def test_a_spike_of_one_second_is_missed_by_nine_in_ten_pollers_of_ten_seconds() -> None:
    replay = spike((0, 1900.0), (60_000, 1894.0), (61_000, 1899.0), (600_000, 1900.0))
    ten, one = compare_all(replay)
    assert ten["missed_percent"] == 90.0
    assert (ten["late_min_ms"], ten["late_median_ms"], ten["late_max_ms"]) == (0, 499, 999)
    assert one["missed_percent"] == 0.0
    assert one["cost_worst"] == 0.0


def test_lateness_costs_what_the_price_went_on_to_lose() -> None:
    replay = spike((0, 1900.0), (60_000, 1894.0), (60_001, 1884.0), (600_000, 1884.0))
    ten, _ = compare_all(replay)
    assert ten["equity"] == 9_400.0
    assert ten["equity_median"] == ten["equity_worst"] == 8_400.0
    assert ten["cost_median"] == 1_000.0
    assert ten["late_max_ms"] == 9_999


def test_the_positions_stay_open_until_a_poll_sees_the_breach() -> None:
    """The engine closes at the spike; the poller still holds, and sees the second dip."""
    replay = spike(
        (0, 1900.0), (60_000, 1894.0), (60_001, 1899.0), (90_000, 1890.0), (200_000, 1890.0)
    )
    ten, _ = compare_all(replay)
    assert ten["missed_percent"] == 0.0
    assert ten["late_median_ms"] == 30_000 + 4_999
    assert ten["equity_worst"] == 9_000.0


def test_after_the_reset_the_breach_is_no_longer_there_to_see() -> None:
    daily = EquityLimit(
        name="daily",
        action=Action.ALERT,
        reference=Reference.EQUITY_AT_RESET,
        amount=Money(amount_minor=500_00),
        reset=Reset(zone="UTC", at_minute=1),
    )
    book = one_account([daily], [buy("XAUUSD", 1.0, 1900.0)])
    stream = gold_ticks(
        (START_MSC, 1900.0), (START_MSC + 59_000, 1894.0), (START_MSC + 900_000, 1894.0)
    )
    [found] = compare(replayed(book, stream), "10s")
    assert found.missed_percent == 90.0  # one second is left of the day
    assert found.late_max_ms == 999


def test_two_ticks_of_one_millisecond_are_seen_as_the_last() -> None:
    replay = spike((0, 1900.0), (60_000, 1894.0), (60_000, 1899.0), (90_000, 1899.0))
    assert [one["missed_percent"] for one in compare_all(replay)] == [100.0, 100.0]


def test_the_summary_holds_the_comparison_when_asked_for() -> None:
    replay = spike((0, 1900.0), (60_000, 1894.0), (90_000, 1894.0))
    assert [one["period"] for one in replay.summary["compare_poll"]] == ["10s", "1s"]
    assert "compare_poll" not in random_replay(0, 50).summary


def test_a_period_that_is_none_is_refused() -> None:
    with pytest.raises(UserError, match="not a period"):
        compare(spike((0, 1900.0)), "often")


def test_no_period_reads_no_ticks() -> None:
    replay = spike((0, 1900.0), (60_000, 1894.0))
    replay.compare_poll = ()
    assert compare_all(replay) == []
