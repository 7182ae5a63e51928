"""When the agent reports because a symbol's terms of trade are not those it told last."""

from engine.domain.reports import SpecReport
from tests.adapters.agent.test_agent_poll import Bench


def reporting() -> Bench:
    """A bench with a position in EURUSD and a first report told."""
    bench = Bench()
    bench.mt5.open()
    bench.poll.wants_report = True
    assert bench.look(after_s=1.1).report is not None
    return bench


def change(bench: Bench, symbol: str, **terms: object) -> None:
    bench.mt5.symbols[symbol] = bench.mt5.symbols[symbol]._replace(**terms)


def told(bench: Bench, beats: int = 1) -> dict[str, SpecReport] | None:
    """The specifications of the report within so many heartbeats; None: there was none."""
    for _ in range(beats):
        look = bench.look(after_s=1.1)
        if look.report is not None:
            assert look.report.complete
            return {spec.name: spec for spec in look.report.specs}
    return None


def test_new_terms_of_a_held_symbol_are_told_at_the_next_heartbeat() -> None:
    bench = reporting()
    bench.poll.wanted = ()
    assert told(bench) is None
    change(bench, "EURUSD", trade_contract_size=10_000.0, volume_step=0.1)
    specs = told(bench)
    assert specs is not None
    assert (specs["EURUSD"].trade_contract_size, specs["EURUSD"].volume_step) == (10_000.0, 0.1)
    assert told(bench, 8) is None


def test_new_terms_of_a_wanted_symbol_are_told() -> None:
    bench = reporting()
    bench.poll.wanted = ("EURUSD", "GBPUSD", "NOSUCH")
    specs = told(bench)
    assert specs is not None, "it was not told before"
    assert set(specs) == {"EURUSD", "GBPUSD"}, "and one the broker does not have makes no failure"
    change(bench, "GBPUSD", filling_mode=1)
    specs = told(bench, 8)
    assert specs is not None
    assert specs["GBPUSD"].filling_mode == 1


def test_a_symbol_that_is_newly_held_is_reported_with_its_terms() -> None:
    bench = reporting()
    bench.mt5.open(symbol="GBPUSD")
    specs = told(bench)
    assert specs is not None
    assert specs["GBPUSD"].currency_base == "GBP"


def test_what_moves_with_the_market_and_what_nobody_asked_for_is_no_new_term() -> None:
    bench = reporting()
    change(bench, "EURUSD", trade_tick_value=1.07)
    change(bench, "GBPUSD", trade_contract_size=1.0)
    assert told(bench, 8) is None


def test_terms_the_terminal_does_not_have_yet_are_told_when_it_has_them() -> None:
    bench = Bench()
    bench.mt5.open()
    change(bench, "EURUSD", trade_contract_size=0.0)
    bench.poll.wants_report = True
    assert told(bench) == {}
    assert told(bench, 8) is None
    change(bench, "EURUSD", trade_contract_size=100_000.0)
    specs = told(bench)
    assert specs is not None
    assert "EURUSD" in specs


def test_terms_that_never_rest_are_told_every_five_seconds_at_most() -> None:
    bench = reporting()
    reports = 0
    for size in range(1, 21):
        change(bench, "EURUSD", trade_contract_size=float(size))
        reports += told(bench) is not None
    assert 3 <= reports <= 5, "22 s"


def test_a_report_that_failed_does_not_count_as_told() -> None:
    bench = reporting()
    change(bench, "EURUSD", trade_mode=3)
    bench.mt5.failing = {"orders_get"}
    report = bench.look(after_s=1.1).report
    assert report is not None
    assert not report.complete
    bench.mt5.failing = set()
    specs = told(bench, 6)
    assert specs is not None
    assert specs["EURUSD"].trade_mode == 3


def test_a_report_of_new_terms_is_said_to_be_unasked_and_a_request_is_answered_all_the_same() -> (
    None
):
    bench = reporting()
    change(bench, "EURUSD", trade_mode=3)
    look = bench.look(after_s=1.1)
    assert look.report is not None
    assert not look.is_asked
    bench.poll.wants_report = True
    look = bench.look(after_s=1.1)
    assert look.report is not None
    assert look.is_asked
