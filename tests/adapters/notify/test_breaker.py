from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.notify.breaker import Breaker, pause_s


def opened(now_s: float = 0.0) -> Breaker:
    breaker = Breaker(opens_after=3, rest_s=0.5, rest_max_s=2.0)
    for _ in range(3):
        assert breaker.admit(now_s)
        breaker.failed(now_s)
    return breaker


def test_it_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker(opens_after=3)
    for _ in range(2):
        breaker.failed(0.0)
    breaker.succeeded()
    for _ in range(2):
        breaker.failed(0.0)
    assert not breaker.is_open
    breaker.failed(0.0)
    assert breaker.is_open
    assert not breaker.admit(0.0)


def test_an_open_breaker_lets_exactly_one_probe_through() -> None:
    breaker = opened()
    assert breaker.wait_s(0.0) == 0.5
    assert [breaker.admit(0.5) for _ in range(5)] == [True, False, False, False, False]
    assert not breaker.admit(1e9)


def test_a_probe_that_succeeds_closes_it() -> None:
    breaker = opened()
    assert breaker.admit(0.5)
    breaker.succeeded()
    assert [breaker.admit(0.5) for _ in range(5)] == [True] * 5


def test_a_probe_that_fails_makes_it_rest_longer_up_to_a_bound() -> None:
    breaker, now_s, rests = opened(), 0.0, []
    for _ in range(5):
        rests.append(breaker.wait_s(now_s))
        now_s += rests[-1]
        assert breaker.admit(now_s)
        breaker.failed(now_s)
    assert rests == [0.5, 1.0, 2.0, 2.0, 2.0]


def test_a_probe_that_was_given_up_frees_the_way_for_the_next_one() -> None:
    breaker = opened()
    assert breaker.admit(0.5)
    breaker.dropped()
    assert breaker.admit(0.5)


@given(st.lists(st.sampled_from(["admit", "succeed", "fail", "drop", "wait"]), max_size=60))
@settings(max_examples=200)
def test_no_two_probes_are_ever_out_and_it_always_opens_again(deeds: list[str]) -> None:
    breaker, now_s, out = Breaker(opens_after=2), 0.0, 0
    for deed in deeds:
        if deed == "wait":
            now_s += 0.4
        elif deed == "admit":
            was_open = breaker.is_open
            if breaker.admit(now_s):
                assert not (was_open and out), "a second probe"
                out += was_open
        elif deed == "fail":
            breaker.failed(now_s)
            out = 0
        else:
            (breaker.succeeded if deed == "succeed" else breaker.dropped)()
            out = 0
    breaker.dropped()
    assert breaker.admit(now_s + 2.0)


def test_pauses_double_up_to_a_bound_and_are_jittered() -> None:
    longest = [pause_s(failures, 0.25, 2.0, lambda: 1.0) for failures in range(1, 6)]
    shortest = [pause_s(failures, 0.25, 2.0, lambda: 0.0) for failures in range(1, 6)]
    assert longest == [0.25, 0.5, 1.0, 2.0, 2.0]
    assert shortest == [pause / 2 for pause in longest]
    assert pause_s(10_000, 0.25, 2.0, lambda: 0.0) == 1.0
