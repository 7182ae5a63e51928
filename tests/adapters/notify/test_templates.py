import msgspec
import pytest

from adapters.notify import figures, templates
from adapters.notify.templates import Place
from engine.alerts import Alert, Level
from engine.domain import records
from engine.domain.ids import AccountKey
from tests.adapters.notify.notify_house import KEY, NOW_MSC, PLACE, breach_record

THIN = "\u202f"


def warning_record(**changed: object) -> records.GuardWarning:
    fields: dict[str, object] = {
        "seq": 3,
        "time_msc": NOW_MSC,
        "login": 1011,
        "server": "Demo-1",
        "verdict_id": "vrd_w",
        "guard": "daily_loss",
        "kind": "equity_limit",
        "equity": 96_250.0,
        "balance": 100_000.0,
        "floor": 95_000.0,
        "reference": 100_000.0,
        "used_percent": 75.0,
    }
    return records.GuardWarning(**{**fields, **changed})  # type: ignore[arg-type]


def rule_breach(**changed: object) -> records.RuleBreach:
    fields: dict[str, object] = {
        "seq": 4,
        "time_msc": NOW_MSC,
        "login": 1001,
        "server": "Demo-1",
        "verdict_id": "vrd_r",
        "guard": "max_lots",
        "kind": "max_volume",
        "measured": "net_lots",
        "value": 12.5,
        "limit": 10.0,
        "subject": "EURUSD",
        "action": "close",
    }
    return records.RuleBreach(**{**fields, **changed})  # type: ignore[arg-type]


def test_a_breach_reads_as_agreed() -> None:
    told = templates.breach(breach_record(), PLACE, 3, 4.2)
    assert told.lines == (
        f"✕ 1001 BREACH daily_loss: equity 97{THIN}093.30 < floor 97{THIN}133.10 USD",
        "closing 3 positions, 4.20 lots",
        "12:30:01.690Z · Demo-1 · verdict vrd_7q",
    )
    assert (told.level, told.account, told.verdict_id) == (Level.NOTIFY, KEY, "vrd_7q")


def test_a_breach_of_a_balance_rule_shows_the_balance_and_its_own_comparator() -> None:
    record = breach_record(measured="balance", comparator="at_or_below", balance=97_133.10)
    first = templates.breach(record, PLACE, 1, 0.017).lines[0]
    assert f"balance 97{THIN}133.10 <= floor 97{THIN}133.10 USD" in first


def test_a_breach_that_closes_nothing_says_so() -> None:
    told = templates.breach(breach_record(action="alert"), PLACE, 0, 0.0)
    assert told.lines[1] == "action: alert; nothing is being closed"


def test_what_becomes_of_a_breach_is_an_edit_of_it() -> None:
    told = templates.breach(breach_record(), PLACE, 3, 4.2)
    due = templates.closing_at(told, NOW_MSC + 300_000, NOW_MSC)
    done = templates.flat(due, PLACE, 410, -2906.70, NOW_MSC + 410)
    assert due.lines[1] == "closing at 12:35:01.690Z, in 5 min"
    assert done.lines == (
        told.lines[0],
        f"flat in 0.41 s, realised \u22122{THIN}906.70",
        told.lines[2],
    )
    assert told.thread == due.thread == done.thread
    assert len({told.dedupe_key, due.dedupe_key, done.dedupe_key}) == 3


def test_a_close_that_waits_names_the_rules_and_the_time() -> None:
    told = templates.breach(breach_record(), PLACE, 3, 4.2)
    rules = ("news_window", "minimum_hold")
    waits = templates.close_waits(told, rules, NOW_MSC + 300_000, NOW_MSC)
    assert (
        waits.lines[1]
        == "waits for news window and minimum hold: closing at 12:35:01.690Z, in 5 min"
    )
    blind = templates.close_waits(told, rules[:1], None, NOW_MSC)
    assert blind.lines[1] == "waits for news window: nobody knows when"


def test_a_breach_not_flat_in_time_is_a_page_with_the_whole_story() -> None:
    told = templates.breach(breach_record(), PLACE, 3, 4.2)
    late = templates.not_flat(told, 2, 3, 5_000, NOW_MSC + 5_000)
    assert late.lines == ("✕ 1001 NOT FLAT after 5 s: 2 of 3 positions open", *told.lines)
    assert (late.level, late.thread) == (Level.PAGE, told.thread)


def test_what_becomes_flat_after_a_page_keeps_the_pages_last_line() -> None:
    told = templates.breach(breach_record(), PLACE, 3, 4.2)
    late = templates.not_flat(told, 2, 3, 5_000, NOW_MSC + 5_000)
    done = templates.flat(late, PLACE, 7_000, -1.0, NOW_MSC + 7_000)
    assert done.lines[1:] == ("flat in 7.00 s, realised \u22121.00", told.lines[-1])


def test_a_warning_reads_as_agreed() -> None:
    place = Place(AccountKey("Demo-1", 1011), "USD", "https://desk.example")
    told = templates.warning(warning_record(), place, NOW_MSC + 34_140_000)
    assert told.lines == (
        f"▲ 1011 75 % of daily_loss used, 1{THIN}250.00 left, resets in 9 h 29",
        "12:30:01.690Z · Demo-1 · verdict vrd_w · https://desk.example/v/vrd_w",
    )


def test_a_warning_about_the_balance_says_what_is_left_of_the_balance() -> None:
    record = warning_record(equity=99_000.0, balance=96_250.0)
    assert f"1{THIN}250.00 left" in templates.warning(record, PLACE).lines[0]


def test_a_rule_without_a_floor_is_told_with_what_was_measured() -> None:
    told = templates.breach(rule_breach(), PLACE, 1, 12.5)
    assert told.lines[0] == "✕ 1001 BREACH max_lots: net lots of EURUSD 12.5, limit 10"
    unmeasured = templates.breach(rule_breach(value=None, limit=None, subject=""), PLACE, 0, 0)
    assert unmeasured.lines[0] == "✕ 1001 BREACH max_lots: net lots —"


def test_halts_and_releases_are_told() -> None:
    common = {"seq": 9, "time_msc": NOW_MSC, "login": 1001, "server": "Demo-1"}
    halt = msgspec.convert({**common, "type": "account_halted", "cause": "trailing"},
                           records.AccountHalted)  # fmt: skip
    freed = records.AccountReleased(
        seq=10, time_msc=NOW_MSC, login=1001, server="Demo-1", by="reset", cause="trailing",
        reason="",
    )  # fmt: skip
    assert templates.halted(halt, PLACE).lines[0] == "■ 1001 HALTED by trailing"
    told = templates.released(freed, PLACE)
    assert told.lines == ("● 1001 RELEASED by reset: trailing", "12:30:01.690Z · Demo-1")


def test_the_engines_own_troubles_are_told() -> None:
    lost = templates.terminal_lost(PLACE, 12_000, 3, NOW_MSC)
    assert lost.lines[0] == "◌ 1001 STALE 12 s: terminal lost, 3 positions open"
    drift = templates.discrepancy(PLACE, "volume_differs", "1.00", "0.95", "position 7", NOW_MSC)
    assert drift.lines[0] == (
        "▲ 1001 DISCREPANCY volume differs position 7: expected 1.00, actual 0.95"
    )
    assert {lost.level, drift.level} == {Level.NOTIFY}


@pytest.mark.parametrize(
    ("told", "first"),
    [
        (
            templates.cannot_act(PLACE, "daily_loss", "autotrading is off", NOW_MSC),
            "✕ 1001 GUARD CANNOT ACT daily_loss: autotrading is off",
        ),
        (
            templates.unknown_exposed(PLACE, "no quote of USDJPY", 61_000, 1, NOW_MSC),
            "? 1001 UNKNOWN 1 min, 1 position open: no quote of USDJPY",
        ),
        (templates.journal_error("disk I/O error", NOW_MSC), "✕ JOURNAL ERROR: disk I/O error"),
        (
            templates.kill_switch("a.kim", "halt", 12, "", NOW_MSC),
            "■ KILL SWITCH: 12 accounts HALTED by a.kim",
        ),
    ],
)
def test_what_a_person_must_act_on_is_a_page(told: Alert, first: str) -> None:
    assert (told.lines[0], told.level) == (first, Level.PAGE)


def test_a_trouble_that_comes_back_is_a_message_of_its_own() -> None:
    before = templates.terminal_lost(PLACE, 3_000, 3, NOW_MSC)
    after = templates.terminal_lost(PLACE, 3_000, 3, NOW_MSC + 3_600_000)
    assert before.dedupe_key == after.dedupe_key
    assert before.thread != after.thread


def test_equity_that_is_not_kept_disturbs_nobody_and_its_end_edits_it() -> None:
    told = templates.equity_not_kept("disk full", NOW_MSC)
    again = templates.equity_kept_again(told, NOW_MSC + 720_000)
    assert (told.level, again.level) == (Level.NOTIFY, Level.NOTIFY)
    assert told.lines[0] == "▲ EQUITY OVER TIME NOT KEPT: disk full"
    assert again.lines[0] == "● EQUITY OVER TIME KEPT again after 12 min"
    assert again.thread == told.thread
    assert again.dedupe_key != told.dedupe_key
    later = templates.equity_not_kept("disk full", NOW_MSC + 10**9)
    assert (later.dedupe_key, later.thread != told.thread) == (told.dedupe_key, True)


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (figures.money(-0.001, "USD"), "0.00"),
        (figures.money(1234.5, "JPY", signed=True), f"+1{THIN}234"),
        (figures.money(None, "USD"), "—"),
        (figures.percent(99.99), "99.9 %"),
        (figures.percent(100.0), "100 %"),
        (figures.percent(-0.04), "0 %"),
        (figures.lots(0.017), "0.017"),
        (figures.lots(4.2), "4.20"),
        (figures.lots(100.0), "100.00"),
        (figures.age(-5), "0 s"),
        (figures.age(200), "0.2 s"),
        (figures.age(3_599_999), "59 min"),
        (figures.age(48 * 3_600_000), "2 d"),
        (figures.seconds(9_999), "10.00 s"),
    ],
)
def test_numbers_are_written_as_the_house_writes_them(shown: str, wanted: str) -> None:
    assert shown == wanted
