import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facade import limits
from facade.access import Denied
from facade.access_policy import Bucket
from facade.limits import Allowance, Limits, network_of
from tests.facade.access_desk import FOREIGN, OWN


class Hand:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@settings(max_examples=100, deadline=None, database=None)
@given(
    st.integers(1, 20),
    st.floats(0.5, 100),
    st.lists(st.floats(0, 10), min_size=1, max_size=80),
)
def test_never_more_than_twice_the_count_in_any_period_and_a_wait_is_true(
    count: int, period_s: float, gaps: list[float]
) -> None:
    hand = Hand()
    allowance = Allowance(count, period_s, hand)
    taken: list[float] = []
    for gap in gaps:
        hand.now_s += gap
        spent = allowance.is_spent("x")
        wait_s = allowance.take("x")
        assert spent == (wait_s > 0)
        if wait_s:
            hand.now_s += wait_s
            assert allowance.take("x") == 0.0
        taken.append(hand.now_s)
        assert sum(when > hand.now_s - period_s for when in taken) <= 2 * count
    assert allowance.take("y") == 0.0


def test_a_burst_is_the_whole_count_and_then_it_comes_back_evenly() -> None:
    hand = Hand()
    allowance = Allowance(60, 60.0, hand)
    assert [allowance.take("a") for _ in range(60)] == [0.0] * 60
    assert allowance.take("a") == pytest.approx(1.0)
    hand.now_s += 1.0
    assert allowance.take("a") == 0.0
    assert allowance.take("a") > 0


def test_names_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "NAMES_MAX", 100)
    hand = Hand()
    allowance = Allowance(1, 60.0, hand)
    for number in range(1000):
        allowance.take(str(number))
    assert len(allowance) <= 100
    hand.now_s += 61
    for number in range(200):
        allowance.take("one" if number else "other")
        hand.now_s += 61
    assert len(allowance) < 5


def test_a_full_report_is_asked_once_in_ten_seconds_of_each_account() -> None:
    hand = Hand()
    held = Limits(hand)
    held.full_report(OWN, "ann")
    held.full_report(FOREIGN, "ann")
    with pytest.raises(Denied) as caught:
        held.full_report(OWN, "bob")
    assert (caught.value.status, caught.value.retry_after_s) == (429, 10)
    hand.now_s += 10
    held.full_report(OWN, "bob")


def test_probes_have_an_allowance_of_their_own() -> None:
    held = Limits(Hand(), unauthenticated_per_minute=2)
    for _ in range(100):
        held.unauthenticated("192.0.2.1", Bucket.PROBE)
    held.unauthenticated("192.0.2.1")
    held.unauthenticated("192.0.2.1")
    assert held.is_spent("192.0.2.1")
    held.unauthenticated("192.0.2.1", Bucket.PROBE)


def test_an_address_is_counted_as_a_network() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert len(network_of("x" * 9999)) == 64


def test_an_allowance_finer_than_the_clock_tells_apart_is_no_fault() -> None:
    hand = Hand()
    hand.now_s = 1.7e9
    allowance = Allowance(10**9, 60.0, hand)
    assert [allowance.take("a") for _ in range(5)] == [0.0] * 5
