"""The life of a discrepancy: one row, confirmed by newer reports, resolved only when shown gone."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.discrepancies import (
    ABOUT_POSITIONS,
    PROVED,
    Discrepancy,
    Finding,
    Kind,
    Policies,
    Policy,
    State,
    allowed_policies,
    turn,
)
from engine.domain.ids import AccountKey
from engine.domain.records import Encoding

PLAIN = Policies()


def all_of_it(found: Finding) -> bool:
    """A full report judges everything."""
    return True


def only_equity(found: Finding) -> bool:
    return found.kind is Kind.EQUITY_RESIDUAL


def finding(kind: Kind = Kind.MISSING, **more: Any) -> Finding:
    return Finding(kind=kind, **{"intent_id": "a"} | more)


def seen(
    times: int, *findings: Finding, policies: Policies = PLAIN
) -> tuple[tuple[Discrepancy, ...], list[list[State]]]:
    rows: tuple[Discrepancy, ...] = ()
    told = []
    for at in range(times):
        done = turn(rows, findings, at, all_of_it, policies)
        rows = done.rows
        told.append([row.state for row in done.changed])
    return rows, told


def test_it_is_suspected_then_confirmed_then_told_no_more() -> None:
    rows, told = seen(5, finding())
    assert told == [[State.SUSPECTED], [State.CONFIRMED], [], [], []]
    (row,) = rows
    assert (row.first_seen_msc, row.last_seen_msc, row.count) == (0, 4, 5)


def test_it_is_resolved_by_the_report_that_does_not_show_it() -> None:
    rows, _ = seen(2, finding())
    done = turn(rows, (), 9, all_of_it, PLAIN)
    assert done.rows == ()
    (row,) = done.changed
    assert (row.state, row.last_seen_msc, row.count) == (State.RESOLVED, 1, 2)


def test_a_kind_that_was_not_judged_is_neither_resolved_nor_counted() -> None:
    rows, _ = seen(2, finding())
    assert turn(rows, (), 9, only_equity, PLAIN).rows == rows


def test_one_that_comes_back_is_a_new_row() -> None:
    rows, _ = seen(2, finding())
    rows = turn(rows, (), 5, all_of_it, PLAIN).rows
    (row,) = turn(rows, [finding()], 6, all_of_it, PLAIN).rows
    assert (row.state, row.first_seen_msc, row.count) == (State.SUSPECTED, 6, 1)


@pytest.mark.parametrize("kind", sorted(PROVED))
def test_what_a_deal_or_a_silence_proves_is_confirmed_at_once(kind: Kind) -> None:
    assert seen(1, finding(kind))[1] == [[State.CONFIRMED]]


def test_the_equity_residual_needs_its_own_number_of_sightings() -> None:
    found = finding(Kind.EQUITY_RESIDUAL, intent_id=None)
    _, told = seen(5, found, policies=Policies(equity_confirmations=4))
    assert told == [[State.SUSPECTED], [], [], [State.CONFIRMED], []]


def test_another_value_is_told_but_for_money_that_moves_all_the_time() -> None:
    for kind, times in ((Kind.VOLUME, 1), (Kind.EQUITY_RESIDUAL, 0)):
        rows, _ = seen(4, finding(kind, actual="1"))
        done = turn(rows, [finding(kind, actual="2")], 9, all_of_it, PLAIN)
        assert len(done.changed) == times
        assert done.rows[0].finding.actual == "2"


def test_a_policy_that_cannot_be_is_refused_with_those_that_can() -> None:
    with pytest.raises(ValueError, match="missing: cannot close; allowed: report, adopt, halt"):
        Policies(by_kind={Kind.MISSING: Policy.CLOSE})
    with pytest.raises(ValueError, match="equity_residual: cannot adopt"):
        Policies(by_kind={Kind.EQUITY_RESIDUAL: Policy.ADOPT})
    with pytest.raises(ValueError, match="at least 1"):
        Policies(confirmations=0)
    assert all(Policy.CLOSE in allowed_policies(kind) for kind in ABOUT_POSITIONS)


def test_a_kind_without_a_policy_is_reported() -> None:
    own = Policies(by_kind={Kind.UNEXPECTED: Policy.CLOSE})
    assert (own.of(Kind.UNEXPECTED), own.of(Kind.VOLUME)) == (Policy.CLOSE, Policy.REPORT)


def test_it_is_published_as_a_record_that_can_be_read_again() -> None:
    (row,), _ = seen(2, finding(Kind.SIDE, position_id=7, expected="buy", actual="sell"))
    line = Encoding.line(row.published(AccountKey("Demo-1", 1001), 4, 99))
    assert line == (
        b'{"type":"discrepancy","seq":4,"time_msc":99,"login":1001,"server":"Demo-1",'
        b'"kind":"side","state":"confirmed","position_id":7,"intent_id":"a","subject":"",'
        b'"expected":"buy","actual":"sell"}\n'
    )
    assert Encoding.line(Encoding.parse(line)) == line


FINDINGS = st.lists(
    st.builds(
        lambda kind, number, value: finding(kind, position_id=number, actual=value),
        st.sampled_from((Kind.MISSING, Kind.SIDE, Kind.PROFIT)),
        st.integers(1, 3),
        st.sampled_from("xy"),
    ),
    unique_by=lambda one: one.key,
    max_size=6,
)


@settings(deadline=None, max_examples=150)
@given(st.lists(FINDINGS, max_size=6))
def test_there_is_one_row_a_difference_and_none_without_one(reports: list[list[Finding]]) -> None:
    rows: tuple[Discrepancy, ...] = ()
    told: dict[object, State] = {}
    for at, findings in enumerate(reports):
        done = turn(rows, findings, at, all_of_it, PLAIN)
        rows = done.rows
        told |= {row.finding.key: row.state for row in done.changed}
        assert sorted(str(row.finding) for row in rows) == sorted(map(str, findings))
    alive = {key for key, state in told.items() if state is not State.RESOLVED}
    assert alive == {row.finding.key for row in rows}
    assert all(told[row.finding.key] is row.state for row in rows)
