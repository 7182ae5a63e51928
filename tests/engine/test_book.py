"""A book that is in order, as domain types: defaults, units, presets, and what accounts share."""

import hashlib
from pathlib import Path

import pytest

from engine.book import Book, load_book, parse_book
from engine.domain.account import MarginMode, Mode, Operation, OperationKind
from engine.domain.guards import (
    AccountGuard,
    Action,
    Comparator,
    EquityLimit,
    Exposure,
    FixedFloor,
    Latch,
    MarginLevel,
    Money,
    NewsWindow,
    OnMissingCalendar,
    Percent,
    Reference,
    Reset,
    WeekendFlat,
)
from engine.domain.instruments import CalcMode, ConversionRule, SessionSpan
from engine.domain.market_findings import OnSuspect
from engine.domain.market_guards import (
    Gap,
    Spread,
    Stale,
    Suspect,
)
from engine.domain.positions import Side
from engine.domain.presets import PRESETS
from engine.errors import UserError
from tests.engine.books import BOOK, changed, with_guard


def read(text: str) -> Book:
    return parse_book(text, "house.toml")


def guards_of(text: str) -> tuple[AccountGuard, ...]:
    return read(text).accounts[0].spec.guards


def preset(name: str, keys: str = "", currency: str = "USD") -> tuple[AccountGuard, ...]:
    start, end = BOOK.index("[[ruleset]]"), BOOK.index("[[account]]")
    ruleset = f'[[ruleset]]\nname = "house"\npreset = "{name}"\n{keys}\n\n'
    account = BOOK[end : BOOK.index("[[account.position]]")].replace('"USD"', f'"{currency}"')
    return guards_of(BOOK[:start] + ruleset + account)


def test_a_ruleset_says_how_long_a_position_has_to_be_held() -> None:
    assert read(BOOK).accounts[0].spec.minimum_hold_s == 0.0
    text = changed(('name = "house"\n', 'name = "house"\nminimum_hold_s = 120.0\n'))
    assert read(text).accounts[0].spec.minimum_hold_s == 120.0


def test_what_is_left_out_has_its_default() -> None:
    account = read(BOOK).accounts[0]
    spec = account.spec
    assert str(spec.key) == "Demo-1/1001"
    assert (spec.initial_minor, account.balance_minor, account.credit_minor) == (10**6, 10**6, 0)
    assert (spec.leverage, spec.margin_mode, spec.mode) == (100, MarginMode.HEDGING, Mode.ENFORCE)
    assert (account.aliases, account.match_pips, spec.operations) == ({}, None, ())
    position = account.positions[0]
    assert (position.side, position.volume_lots, position.swap_minor) == (Side.BUY, 0.017, 0)
    assert (position.stop_loss, position.take_profit, position.opened_at_msc) == (None, None, None)


def test_the_guard_of_the_contract_is_read_as_it_is_meant() -> None:
    assert guards_of(BOOK) == (
        EquityLimit(
            name="daily_loss",
            action=Action.CLOSE_AND_HALT,
            reference=Reference.BALANCE_AT_RESET,
            amount=Percent(percent=5.0),
            comparator=Comparator.BELOW,
            reset=Reset(zone="Europe/Prague", at_minute=0),
            warn_percent=75.0,
        ),
    )


def test_a_pause_is_latched_until_the_reset_and_everything_else_until_a_person() -> None:
    keys = 'kind = "exposure"\nmax_positions = 3\nreset = { zone = "UTC", at = "17:30" }\n'
    pausing = guards_of(with_guard(keys + 'action = "pause"'))[1]
    closing = guards_of(with_guard(keys + 'action = "close"'))[1]
    assert pausing == Exposure(
        name="more",
        action=Action.PAUSE,
        latch=Latch.RESET,
        reset=Reset(zone="UTC", at_minute=17 * 60 + 30),
        max_positions=3,
    )
    assert isinstance(closing, Exposure)
    assert closing.latch is Latch.MANUAL


def test_a_fixed_floor_is_measured_from_initial_and_warns_only_when_told() -> None:
    keys = 'kind = "equity_limit"\namount = { floor = 100.0 }\naction = "close"'
    silent, warning = (
        guards_of(with_guard(keys))[1],
        guards_of(with_guard(keys + "\nwarn_percent = 90.0"))[1],
    )
    assert isinstance(silent, EquityLimit)
    assert isinstance(warning, EquityLimit)
    assert silent.amount == FixedFloor(floor_minor=10_000)
    assert (silent.reference, silent.warn_percent) == (Reference.INITIAL, None)
    assert warning.warn_percent == 90.0


def test_a_drawdown_warning_takes_the_place_of_the_usual_one() -> None:
    keys = 'kind = "equity_limit"\nreference = "initial"\namount = { money = 5.5 }\n'
    guard = guards_of(with_guard(keys + 'action = "alert"\nwarn_drawdown_percent = 3.0'))[1]
    assert isinstance(guard, EquityLimit)
    assert guard.amount == Money(amount_minor=550)
    assert (guard.warn_percent, guard.warn_drawdown_percent) == (None, 3.0)


def test_money_has_the_digits_of_each_account_that_uses_the_ruleset() -> None:
    text = changed(
        ('{ percent = 5.0, of = "initial" }', "{ money = 500.0 }"),
        ('symbol = "XAUUSD"\ncalc_mode = "cfd"', 'symbol = "USDJPY"\ncalc_mode = "forex"'),
        ('base_currency = "XAU"\nprofit_currency = "USD"',
         'base_currency = "USD"\nprofit_currency = "JPY"'),
    )  # fmt: skip
    second = BOOK[BOOK.index("[[account]]") :].replace("1001", "1002")
    book = read(text + second.replace('currency = "USD"', 'currency = "JPY"'))
    amounts = [a.spec.guards[0].amount for a in book.accounts if
               isinstance(a.spec.guards[0], EquityLimit)]  # fmt: skip
    assert amounts == [Money(amount_minor=50_000), Money(amount_minor=500)]
    assert [a.balance_minor for a in book.accounts] == [1_000_000, 10_000]


def test_accounts_share_their_market_and_their_guards() -> None:
    account = BOOK[BOOK.index("[[account]]") :]
    more = "".join(account.replace("1001", str(2000 + n)) for n in range(50))
    accounts = read(BOOK + more).accounts
    assert len({id(a.spec.market) for a in accounts}) == 1
    assert len({id(a.spec.guards) for a in accounts}) == 1


def test_an_operation_is_in_order_of_time_and_signed() -> None:
    listed = """
    { at = 2014-05-02T12:00:00Z, kind = "withdrawal", money = 250.5 },
    { at = "2014-05-01T12:00:00+02:00", kind = "deposit", money = 1000 },
    { at = 1398945600000, kind = "credit", money = -5 },
    """
    text = changed(("login = 1001", f"login = 1001\noperation = [{listed}]"))
    assert read(text).accounts[0].spec.operations == (
        Operation(at_msc=1398938400000, kind=OperationKind.DEPOSIT, amount_minor=100_000),
        Operation(at_msc=1398945600000, kind=OperationKind.CREDIT, amount_minor=-500),
        Operation(at_msc=1399032000000, kind=OperationKind.WITHDRAWAL, amount_minor=-25_050),
    )


def test_a_time_without_an_offset_is_utc() -> None:
    texts = ["2014-05-01T08:00:00", '"2014-05-01T08:00:00Z"', "1398931200000"]
    found = [
        read(changed(("id = 1\n", f"id = 1\nopened_at = {text}\n"))).accounts[0].positions[0]
        for text in texts
    ]
    assert {position.opened_at_msc for position in found} == {1398931200000}


def test_a_position_may_name_an_alias_of_its_account() -> None:
    text = changed(
        ("login = 1001", 'login = 1001\naliases = { GOLD = "XAUUSD" }'),
        ('symbol = "EURUSD"\nside', 'symbol = "GOLD"\nside'),
    )
    assert read(text).accounts[0].positions[0].symbol == "XAUUSD"


def test_an_instrument_takes_every_optional_key() -> None:
    keys = """tick_size = 0.25
tick_value = 12.5
pip_size = 0.1
margin_initial = 1000
margin_currency = "EUR"
margin_hedged = 0
hedged_use_leg = true
margin_rate_buy = 2.0
margin_rate_sell = 4.0
conversion = "by_market"
volume_min = 1
volume_max = 9
volume_step = 1
sessions = { zone = "America/Chicago", spans = ["Sun 17:00 - Fri 16:00", "mon 00:00-mon 24:00"] }
"""
    text = changed(('calc_mode = "cfd"\n', f'calc_mode = "futures"\n{keys}'))
    found = read(text).instruments[1]
    assert found.calc_mode is CalcMode.FUTURES
    assert found.units_per_lot == 50.0
    assert (found.margin_hedged, found.hedged_use_leg) == (0.0, True)
    assert (found.margin_rate_buy, found.margin_rate_sell) == (2.0, 4.0)
    assert found.conversion is ConversionRule.BY_MARKET
    assert (found.volume_min, found.volume_max, found.volume_step) == (1.0, 9.0, 1.0)
    assert found.sessions.zone == "America/Chicago"
    assert found.sessions.spans == (
        SessionSpan(open_day=6, open_minute=1020, close_day=4, close_minute=960),
        SessionSpan(open_day=0, open_minute=0, close_day=1, close_minute=0),
    )


def test_every_other_kind_of_guard_is_read() -> None:
    margin = 'kind = "margin_level"\nfloor_percent = 100\nwarn_level_percent = 150\n'
    assert guards_of(with_guard(margin + 'action = "close"'))[1] == MarginLevel(
        name="more", action=Action.CLOSE, floor_percent=100.0, warn_level_percent=150.0
    )
    weekend = 'kind = "weekend_flat"\nminutes_before = 30\naction = "close"'
    assert guards_of(with_guard(weekend))[1] == WeekendFlat(
        name="more", action=Action.CLOSE, minutes_before=30
    )


def test_guards_of_the_feed_are_named_by_their_kind_unless_named() -> None:
    text = (
        BOOK
        + """
[[feed.guard]]
kind = "gap"
across_sessions = true
[[feed.guard]]
kind = "spread"
name = "wide"
symbols = ["XAUUSD"]
action = "close"
[[feed.guard]]
kind = "stale"
[[feed.guard]]
kind = "suspect"
policy = "alert"
"""
    )
    assert read(text).feed_guards == (
        Gap(name="gap", across_sessions=True),
        Spread(name="wide", symbols=("XAUUSD",), action=Action.CLOSE),
        Stale(name="stale"),
        Suspect(name="suspect", policy=OnSuspect.ALERT),
    )


# Presets


def limits(*found: AccountGuard) -> list[tuple[object, ...]]:
    """What a preset is about, guard by guard."""
    rows: list[tuple[object, ...]] = []
    for guard in found:
        assert isinstance(guard, EquityLimit)
        reset = guard.reset and (guard.reset.zone, guard.reset.at_minute)
        amount: object = guard.amount
        if isinstance(guard.amount, Percent):
            amount = (guard.amount.percent, guard.amount.of_reference)
        rows.append((guard.name, guard.reference.value, amount, guard.comparator.value, reset))
    return rows


def test_the_classic_preset_is_the_table_of_the_field() -> None:
    drawdown, lowest = preset("classic")
    assert limits(drawdown, lowest) == [
        ("max_drawdown", "equity_high_water", (20.0, True), "at_or_below", None),
        ("min_equity", "initial", FixedFloor(floor_minor=10_000), "below", None),
    ]
    assert isinstance(drawdown, EquityLimit)
    assert isinstance(lowest, EquityLimit)
    assert (drawdown.warn_percent, drawdown.warn_drawdown_percent) == (None, 15.0)
    assert (drawdown.notice_s, lowest.notice_s) == (10.0, 0.0)
    assert {drawdown.action, lowest.action} == {Action.CLOSE_AND_HALT}


PRAGUE, NEW_YORK = ("Europe/Prague", 0), ("America/New_York", 17 * 60)
FIRMS = {
    "ftmo_two_step": [
        ("daily_loss", "balance_at_reset", (5.0, False), "below", PRAGUE),
        ("max_loss", "initial", (10.0, False), "below", None),
    ],
    "ftmo_one_step": [
        ("daily_loss", "balance_at_reset", (3.0, False), "below", PRAGUE),
        ("max_loss", "end_of_day_balance_high_water", (10.0, False), "below", PRAGUE),
    ],
    "the5ers_high_stakes": [("daily_loss", "higher_at_reset", (5.0, True), "below", NEW_YORK)],
    "blue_guardian": [("daily_loss", "higher_at_reset", (4.0, False), "below", NEW_YORK)],
    "trailing_intraday": [
        ("trailing", "equity_high_water", (4.0, False), "at_or_below", None),
    ],
}


@pytest.mark.parametrize("name", FIRMS)
def test_a_firms_preset_is_the_table_of_the_field(name: str) -> None:
    assert limits(*preset(name)) == FIRMS[name]


def test_every_preset_names_when_its_source_was_read() -> None:
    assert set(PRESETS) == {"classic", *FIRMS}
    assert {found.read for found in PRESETS.values()} == {"2026-10"}


def test_the_intraday_trail_is_locked_a_hundred_above_each_accounts_initial() -> None:
    (guard,) = preset("trailing_intraday")
    assert isinstance(guard, EquityLimit)
    assert guard.lock_at == Money(amount_minor=1_010_000)
    (guard,) = preset("trailing_intraday", currency="JPY")
    assert isinstance(guard, EquityLimit)
    assert guard.lock_at == Money(amount_minor=10_100)


def test_a_rulesets_reset_takes_the_place_of_its_presets() -> None:
    guards = preset("ftmo_two_step", 'reset = { zone = "Asia/Tokyo", at = "06:00" }')
    assert [row[4] for row in limits(*guards)] == [("Asia/Tokyo", 360), None]


def test_a_rulesets_reset_serves_guards_that_need_one_and_give_none() -> None:
    text = changed(
        ('reset = { zone = "Europe/Prague", at = "00:00" }\n', ""),
        ('name = "house"\n', 'name = "house"\nreset = { zone = "UTC", at = "01:00" }\n'),
    )
    assert guards_of(text)[0].reset == Reset(zone="UTC", at_minute=60)
    own = changed(('name = "house"\n', 'name = "house"\nreset = { zone = "UTC", at = "01:00" }\n'))
    assert guards_of(own)[0].reset == Reset(zone="Europe/Prague", at_minute=0)


def test_guards_of_a_ruleset_come_after_those_of_its_preset() -> None:
    text = changed(('name = "house"\n', 'name = "house"\npreset = "classic"\n'))
    assert [g.name for g in guards_of(text)] == ["max_drawdown", "min_equity", "daily_loss"]


# News calendars


NEWS = 'kind = "news_window"\ncalendar = "news.csv"\naction = "close"\non_missing = "block"'


def load(folder: Path, text: str) -> Book:
    path = folder / "book.toml"
    path.write_text(text, encoding="utf-8")
    return load_book(path)


def news(book: Book) -> NewsWindow:
    guard = book.accounts[0].spec.guards[1]
    assert isinstance(guard, NewsWindow)
    return guard


def test_a_calendar_beside_the_book_is_read_in_order_of_time(tmp_path: Path) -> None:
    (tmp_path / "news.csv").write_text(
        "time,currency,title\n"
        "2014-05-07T14:00:00Z,USD,Testimony\n\n"
        "# a remark\n"
        '2014-05-02T14:30:00+02:00,USD,"Payrolls, and more"\n'
    )
    guard = news(load(tmp_path, with_guard(NEWS)))
    assert guard.events is not None
    assert [(e.time_msc, e.title) for e in guard.events] == [
        (1399033800000, "Payrolls, and more"),
        (1399471200000, "Testimony"),
    ]
    assert guard.covers_until_msc == 1399471200000 + 120_000


def test_a_calendar_that_cannot_be_read_is_a_warning_and_follows_the_policy(
    tmp_path: Path,
) -> None:
    book = load(tmp_path, with_guard(NEWS))
    assert news(book).events is None
    assert news(book).on_missing is OnMissingCalendar.BLOCK
    (warning,) = book.warnings
    assert "news.csv cannot be read (no such file or directory)" in warning
    assert "`more` follows on_missing = block" in warning


def test_a_calendar_with_a_row_that_is_no_event_is_refused(tmp_path: Path) -> None:
    (tmp_path / "news.csv").write_text("2014-05-02T12:30:00Z,USD,Payrolls\nsoon,USD,Talk\n")
    with pytest.raises(UserError) as caught:
        load(tmp_path, with_guard(NEWS))
    assert caught.value.message == '"soon" is not a time'
    assert caught.value.place == f"{tmp_path / 'news.csv'}:2"


def test_an_empty_calendar_has_run_out_from_the_start(tmp_path: Path) -> None:
    (tmp_path / "news.csv").write_text("")
    assert news(load(tmp_path, with_guard(NEWS))).covers_until_msc == 0
    until = with_guard(NEWS + "\ncovers_until = 2026-01-01T00:00:00Z")
    assert news(load(tmp_path, until)).covers_until_msc == 1767225600000


# Files


def test_a_book_carries_its_text_and_the_digest_of_its_bytes(tmp_path: Path) -> None:
    book = load(tmp_path, BOOK)
    assert book.text == BOOK
    assert book.sha256 == hashlib.sha256(BOOK.encode()).hexdigest()


def test_a_byte_order_mark_and_windows_line_ends_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "book.toml"
    path.write_bytes(b"\xef\xbb\xbf" + BOOK.replace("\n", "\r\n").encode())
    assert len(load_book(path).accounts) == 1
    path.write_bytes(BOOK.replace("1001", "true").replace("\n", "\r\n").encode())
    with pytest.raises(UserError) as caught:
        load_book(path)
    assert (caught.value.place, caught.value.source) == (f"{path}:30", "login = true")


def test_a_book_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        load_book(tmp_path / "no.toml")
    assert caught.value.message == "cannot read the book: no such file or directory"
    (tmp_path / "odd.toml").write_bytes(b'a = 1\nb = "\xff"\n')
    with pytest.raises(UserError) as caught:
        load_book(tmp_path / "odd.toml")
    assert caught.value.place == f"{tmp_path / 'odd.toml'}:2"


def test_a_ruleset_without_a_guard_is_worth_a_warning() -> None:
    book = read(BOOK + '[[ruleset]]\nname = "free"\n')
    assert book.warnings == ("the ruleset `free` has no guard",)


def test_the_guards_of_another_ruleset_can_be_asked_for() -> None:
    book = read(BOOK + '[[ruleset]]\nname = "other"\npreset = "classic"\n')
    assert book.guards_of("other", "EUR", 5000.0)[0].name == "max_drawdown"
    with pytest.raises(UserError, match="no ruleset `othr`"):
        book.guards_of("othr", "EUR", 5000.0)
