"""Several intents of a symbol against the one position of a netting account, by their sum."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from engine.domain.discrepancies import Kind, Policy
from engine.domain.intents import Intent, tag_of
from engine.domain.net_deals import unmeant
from engine.domain.netting import Net, findings_of_net, linked_net, shares_of
from engine.domain.positions import Side
from engine.domain.remedies import ClosePosition
from engine.domain.reports import DealReport, OrderReport, PositionReport
from tests.domain.accounts import buy as held_buy
from tests.domain.desk import TERMS, Desk, closing_deal, held, meant, under

NETS = replace(TERMS, nets=True)
ALLOWED = TERMS.tolerances["EURUSD"]


def long(name: str, lots: float, **more: Any) -> Intent:
    return meant(name, lots, None, **more)


def short(name: str, lots: float, **more: Any) -> Intent:
    return meant(name, lots, None, side=Side.SELL, **more)


def net_desk(*intents: Intent, **more: Any) -> Desk:
    return Desk(*intents, terms=replace(NETS, **more))


def net_of(intents: list[Intent], steps: int) -> Net:
    """A net that holds so many signed steps."""
    one = held(1, round(abs(steps) * 0.01, 2), type=0 if steps > 0 else 1)
    return Net(
        symbol="EURUSD",
        intents=tuple(intents),
        positions=(one,) if steps else (),
        allowed=ALLOWED,
    )


def fill_deal(name: str, lots: float, *, sells: bool = False, **more: Any) -> DealReport:
    fields: dict[str, Any] = {"type": int(sells), "entry": 0, "comment": tag_of(name), "reason": 3}
    return closing_deal(**{"lots": lots} | fields | more)


def test_position_by_position_a_sum_would_be_two_missing_intents_and_a_stranger() -> None:
    pair = (long("a", 1.0), long("b", 0.5))
    assert Desk(*pair).report(held(lots=1.5)) == [
        "missing suspected",
        "missing suspected",
        "unexpected suspected",
    ]
    assert net_desk(*pair).report(held(lots=1.5)) == []


def test_opposite_intents_are_held_as_their_difference() -> None:
    desk = net_desk(long("a", 1.0), short("b", 0.4))
    assert desk.report(held(lots=0.6)) == []
    assert [one.position_ids for one in desk.book.intents] == [(1,), (1,)]
    assert all(one.was_whole for one in desk.book.intents)
    assert desk.book.matched_positions == 1


def test_neither_tag_nor_price_nor_volume_has_to_be_alike() -> None:
    desk = net_desk(meant("a", 1.0, 1.3))
    assert desk.report(held(lots=1.0, comment="by hand")) == ["entry_slippage suspected"]


def test_the_sum_short_of_what_is_meant_is_a_partial_fill_and_each_share_is_told() -> None:
    desk = net_desk(long("a", 1.0), long("b", 0.5))
    assert desk.report(held(lots=1.2)) == ["partial_fill suspected"]
    found = desk.row(Kind.PARTIAL_FILL).finding
    assert (found.intent_id, found.subject, found.position_id) == (None, "EURUSD", 1)
    assert (found.expected, found.actual) == (
        "1.5 EURUSD = a 1 + b 0.5",
        "1.2 EURUSD = a 1 + b 0.2",
    )
    assert desk.report(held(lots=1.5)) == ["partial_fill resolved"]
    assert desk.report(held(lots=1.2)) == ["volume suspected"]


def test_an_opposite_intent_that_is_not_filled_yet_is_told_as_none_of_it() -> None:
    desk = net_desk(long("a", 1.0), short("b", 0.4))
    assert desk.report(held(lots=1.0)) == ["volume suspected"]
    assert desk.row(Kind.VOLUME).finding.actual == "1 EURUSD = a 1 + b 0"


def test_more_than_all_intents_together_is_told_as_nobodys() -> None:
    desk = net_desk(long("a", 1.0), long("b", 0.5))
    assert desk.report(held(lots=2.0)) == ["volume suspected"]
    found = desk.row(Kind.VOLUME).finding
    assert found.actual == "2 EURUSD = a 1 + b 0.5 + nobody 0.5"


def test_nothing_held_is_one_missing_sum() -> None:
    desk = net_desk(long("a", 1.0), short("b", 0.4))
    assert desk.report() == ["missing suspected"]
    found = desk.row(Kind.MISSING).finding
    assert (found.expected, found.actual) == ("0.6 EURUSD = a 1 - b 0.4", None)


def test_the_other_side_held_is_one_wrong_side() -> None:
    desk = net_desk(long("a", 1.0), short("b", 0.4))
    assert desk.report(held(lots=0.6, type=1)) == ["side suspected"]
    found = desk.row(Kind.SIDE).finding
    assert found.position_id == 1
    assert found.actual == "-0.6 EURUSD = a 0 - b 0.4 - nobody 0.2"


def test_intents_that_cancel_out_mean_nothing_to_be_held() -> None:
    desk = net_desk(long("a", 1.0), short("b", 1.0))
    assert desk.report() == []
    assert desk.report(held(lots=0.3)) == ["unexpected suspected"]
    found = desk.row(Kind.UNEXPECTED).finding
    assert (found.position_id, found.expected) == (1, "0 EURUSD = a 1 - b 1")
    assert desk.report() == ["unexpected resolved"]


def test_of_one_intent_it_is_told_in_the_words_of_a_hedging_account() -> None:
    ours: dict[str, Any] = {"comment": tag_of("a")}
    for positions in ([], *([held(lots=lots, **ours)] for lots in (0.6, 1.2, 1.0))):
        hedging, netting = Desk(long("a", 1.0)), net_desk(long("a", 1.0))
        assert netting.report(*positions) == hedging.report(*positions)
        assert [r.finding for r in netting.book.rows] == [r.finding for r in hedging.book.rows]
        assert netting.book.intents == hedging.book.intents


@pytest.mark.parametrize("lots", [0.6, 0.8, 1.0])
def test_what_is_on_its_way_either_way_is_no_discrepancy(lots: float) -> None:
    desk = net_desk(long("a", 1.0), short("b", 0.4, in_flight_lots=0.4))
    assert desk.report(held(lots=lots)) == []


def test_a_whole_sum_of_one_way_leaves_nothing_on_its_way_that_hides_its_end() -> None:
    desk = net_desk(long("a", 1.0, in_flight_lots=1.0), long("b", 0.5, in_flight_lots=0.5))
    assert desk.report(held(lots=1.5)) == []
    assert desk.report() == ["missing suspected"]


def test_a_reversal_on_its_way_is_no_wrong_side() -> None:
    desk = net_desk(long("a", 1.0), short("b", 2.0, in_flight_lots=2.0))
    assert desk.report(held(lots=1.0)) == []
    assert desk.report(held(lots=1.0, type=1)) == []


def test_a_resting_order_counts_for_the_intent_whose_tag_it_bears() -> None:
    order = OrderReport(
        ticket=8, symbol="EURUSD", type=3, volume_current=0.4, price_open=1.2, comment=tag_of("b")
    )
    desk = net_desk(long("a", 1.0), short("b", 0.4))
    assert desk.report(held(lots=1.0), orders=(order,)) == []


def test_a_position_whose_close_is_on_its_way_may_be_there_or_gone() -> None:
    desk = net_desk(long("a", 1.0), long("b", 0.5))
    desk.report(held(lots=1.5))
    assert desk.report(held(lots=1.5), closing_lots={1: 1.5}) == []
    assert desk.report(closing_lots={1: 1.5}) == []


def test_a_position_of_a_symbol_that_nobody_means_is_a_stranger_as_ever() -> None:
    desk = net_desk(long("a", 1.0))
    told = desk.report(held(lots=1.0), held(2, symbol="XAUUSD", price=2000.0))
    assert told == ["unexpected suspected"]


def test_a_sell_that_bears_an_intents_tag_is_its_fill_and_nobodys_close() -> None:
    desk = net_desk(long("a", 1.0), short("b", 0.4, in_flight_lots=0.4))
    desk.report(held(lots=1.0))
    assert desk.deals(fill_deal("b", 0.4, sells=True, entry=1)) == []
    assert [(one.volume_lots, one.in_flight_lots) for one in desk.book.intents] == [
        (1.0, 0.0),
        (0.4, 0.0),
    ]
    assert desk.report(held(lots=0.6)) == []


def test_a_second_fill_into_the_same_position_is_no_longer_on_its_way() -> None:
    desk = net_desk(long("a", 1.0, in_flight_lots=1.0), long("b", 0.5, in_flight_lots=0.5))
    desk.deals(fill_deal("a", 1.0, ticket=1))
    desk.deals(fill_deal("b", 0.5, ticket=2))
    assert [one.in_flight_lots for one in desk.book.intents] == [0.0, 0.0]
    assert desk.report(held(lots=1.5)) == []


def test_a_close_of_everything_by_hand_ends_all_intents_of_the_sum() -> None:
    desk = net_desk(long("a", 1.0), short("b", 0.4))
    desk.report(held(lots=0.6))
    assert desk.deals(closing_deal(lots=0.6)) == ["closed_externally confirmed"]
    assert desk.book.intents == ()
    assert desk.report() == ["closed_externally resolved"]


def test_a_close_in_part_lowers_the_strategy_whose_it_is_else_the_youngest() -> None:
    for more, left in (
        ({}, [1.0, 0.2]),
        ({"magic": 7, "reason": 3}, [0.7, 0.5]),
        ({"comment": tag_of("a"), "reason": 3}, [0.7, 0.5]),
    ):
        desk = net_desk(long("a", 1.0, magic=7), long("b", 0.5))
        desk.report(held(lots=1.5))
        desk.deals(closing_deal(lots=0.3, **more))
        assert [one.volume_lots for one in desk.book.intents] == left
        desk.report(held(lots=1.2))
        assert [row.kind for row in desk.book.rows if row.kind is Kind.VOLUME] == []


def test_a_stop_out_of_what_two_mean_is_one_close_from_outside() -> None:
    desk = net_desk(long("a", 1.0), long("b", 0.5))
    desk.report(held(lots=1.5))
    assert desk.deals(closing_deal(lots=1.5, reason=6)) == ["closed_externally confirmed"]
    assert desk.book.intents == ()


def test_a_close_of_the_engines_own_is_expected_and_ends_them() -> None:
    desk = net_desk(long("a", 1.0), long("b", 0.5))
    desk.report(held(lots=1.5))
    assert desk.deals(closing_deal(lots=1.5), own_deals=frozenset({500})) == []
    assert (desk.report(), desk.book.intents) == ([], ())


@pytest.mark.parametrize(
    ("lots", "kind"), [(0.4, 1), (1.2, 0), (2.0, 0), (0.6, 0)], ids=["side", "short", "over", "is"]
)
def test_to_adopt_a_sum_is_to_mean_what_is_held(lots: float, kind: int) -> None:
    policies = under(
        dict.fromkeys((Kind.VOLUME, Kind.PARTIAL_FILL, Kind.SIDE, Kind.MISSING), Policy.ADOPT)
    )
    desk = Desk(long("a", 1.0), long("b", 0.5), terms=replace(policies, nets=True))
    for _ in range(3):
        desk.report(held(lots=lots, type=kind))
    assert desk.book.rows == ()
    meant_lots = sum(
        one.volume_lots if one.side is Side.BUY else -one.volume_lots for one in desk.book.intents
    )
    assert meant_lots == pytest.approx(-lots if kind else lots)


def test_a_policy_closes_what_cancels_out_and_is_held_all_the_same() -> None:
    terms = replace(under({Kind.UNEXPECTED: Policy.CLOSE}), nets=True)
    desk = Desk(long("a", 1.0), short("b", 1.0), terms=terms)
    desk.report(held(lots=0.3))
    desk.report(held(lots=0.3))
    assert ClosePosition(1, "discrepancy:unexpected") in desk.last.actions


def test_a_person_adopts_only_what_nobody_means() -> None:
    known = (long("a", 1.0), short("b", 0.4))
    taken = unmeant(known, held_buy("EURUSD", 0.9, 1.1), NETS, 0.01, 5)
    assert (taken.side, taken.volume_lots, taken.registered_at_msc) == (Side.BUY, 0.3, 5)
    again = unmeant((*known, taken), held_buy("EURUSD", 0.5, 1.1), NETS, 0.01, 6)
    assert (again.side, again.volume_lots) == (Side.SELL, 0.1)
    with pytest.raises(ValueError, match="meant already"):
        unmeant((*known, taken), held_buy("EURUSD", 0.9, 1.1), NETS, 0.01, 5)


def test_entry_and_stops_of_several_are_judged_where_the_sum_leaves_no_doubt() -> None:
    same = (
        meant("a", 1.0, 1.1, stop_loss=1.05),
        meant("b", 1.0, 1.2, stop_loss=1.08),
    )
    good = held(lots=2.0, price=1.15, sl=1.08)
    assert net_desk(*same).report(good) == []
    assert net_desk(*same).report(replace(good, price_open=1.16)) == ["entry_slippage suspected"]
    desk = net_desk(*same)
    assert desk.report(replace(good, sl=0.0)) == ["stop_loss suspected"]
    assert desk.row(Kind.STOP_LOSS).finding.expected == "1.05 or 1.08"
    opposite = (meant("a", 1.0, 1.1), meant("b", 0.4, 1.2, side=Side.SELL))
    assert net_desk(*opposite).report(held(lots=0.6, price=1.3)) == []


# Against a plain sum

INTENTS = st.lists(
    st.tuples(st.integers(1, 60), st.booleans(), st.booleans()), min_size=1, max_size=6
)


@settings(max_examples=400, deadline=None)
@given(listed=INTENTS, steps=st.integers(-150, 150))
def test_the_kind_is_what_a_plain_sum_says(
    listed: list[tuple[int, bool, bool]], steps: int
) -> None:
    intents = [
        meant(f"i{n}", size / 100, None, side=Side.SELL if sells else Side.BUY, was_whole=whole)
        for n, (size, sells, whole) in enumerate(listed)
    ]
    total = sum(-size if sells else size for size, sells, _ in listed)
    if total == 0:
        expected = [] if steps == 0 else [Kind.UNEXPECTED]
    elif steps == 0:
        expected = [Kind.MISSING]
    elif (steps > 0) is not (total > 0):
        expected = [Kind.SIDE]
    else:
        share = abs(steps) * 100 / abs(total)
        whole = all(one[2] for one in listed)
        if abs(steps) * 10 > abs(total) * 11 or (whole and share < 90 - 1e-9):
            expected = [Kind.VOLUME]
        elif not whole and share < 95 - 1e-9:
            expected = [Kind.PARTIAL_FILL]
        else:
            expected = []
    found = list(findings_of_net(net_of(intents, steps), {}, {}))
    assert [one.kind for one in found] == expected


@settings(max_examples=400, deadline=None)
@given(listed=INTENTS, steps=st.integers(-300, 300))
def test_shares_are_all_that_is_held_and_none_is_more_than_its_intent(
    listed: list[tuple[int, bool, bool]], steps: int
) -> None:
    signed = [-size if sells else size for size, sells, _ in listed]
    intents = [
        meant(f"i{n}", abs(of) / 100, None, side=Side.SELL if of < 0 else Side.BUY, was_whole=w)
        for n, (of, (_, _, w)) in enumerate(zip(signed, listed, strict=True))
    ]
    net = net_of(intents, steps)
    shares = shares_of(net)
    assert sum(shares.steps) + shares.nobodys == steps
    for share, of in zip(shares.steps, signed, strict=True):
        assert min(0, of) <= share <= max(0, of)
    lowest, highest = sum(min(0, of) for of in signed), sum(max(0, of) for of in signed)
    assert shares.nobodys == steps - max(lowest, min(highest, steps))
    if steps == sum(signed):
        assert list(shares.steps) == signed
    linked = linked_net(net)
    assert [one.intent_id for one in linked] == [one.intent_id for one in intents]


@settings(max_examples=120, deadline=None)
@given(
    listed=st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=1, max_size=4),
    data=st.data(),
)
def test_whatever_order_fills_come_in_nothing_is_ever_wrong(
    listed: list[tuple[int, bool]], data: st.DataObject
) -> None:
    """A broker that adds up, told piece by piece, and a report after any of them."""
    desk = net_desk(
        *(
            meant(
                f"i{n}",
                size / 100,
                None,
                side=Side.SELL if sells else Side.BUY,
                in_flight_lots=size / 100,
            )
            for n, (size, sells) in enumerate(listed)
        )
    )
    pieces = [(n, sells) for n, (size, sells) in enumerate(listed) for _ in range(size // 10)]
    rest = [(n, size % 10, sells) for n, (size, sells) in enumerate(listed)]
    trades = [(n, 10, sells) for n, sells in pieces] + [one for one in rest if one[1]]
    net = 0
    for ticket, (n, steps, sells) in enumerate(data.draw(st.permutations(trades)), 1):
        before, net = net, net + (-steps if sells else steps)
        grows = before == 0 or (before > 0) is not sells
        turns = not grows and abs(steps) > abs(before)
        entry = 0 if grows else 2 if turns else 1
        assert (
            desk.deals(fill_deal(f"i{n}", steps / 100, sells=sells, entry=entry, ticket=ticket))
            == []
        )
        if data.draw(st.booleans()):
            assert desk.report(*_held(net)) == []
    assert desk.report(*_held(net)) == []
    assert sum(one.in_flight_lots for one in desk.book.intents) == 0.0


def _held(net: int) -> list[PositionReport]:
    return [held(1, abs(net) / 100, type=0 if net > 0 else 1)] if net else []
