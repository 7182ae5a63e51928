"""The page of a replay: what it says, what it may never say, and how large it is."""

import re
import time
from base64 import b64encode
from hashlib import sha256

import pytest

from facade.report.packing import unpack
from facade.report.page import ACCOUNT_BYTES, PAGE_BYTES
from facade.report.reading import CHARTS_JSON, REPORT_JSON
from tests.facade.report.pages import (
    INSTRUMENTS,
    START_MSC,
    MadeStream,
    account,
    falling,
    gold,
    page_of,
    replayed,
)

EVIL = "<script>alert(1)</script>"


def within_budget(html: str, accounts: int) -> bool:
    return len(html.encode()) <= PAGE_BYTES + ACCOUNT_BYTES * accounts


def test_the_headline_counts_what_became_of_the_accounts() -> None:
    accounts = account(1) + account(2, lots=0.1) + account(3, lots=0.0)
    accounts += account(4, symbol="USDJPY", opened=100.0)
    page = page_of(replayed(accounts, gold(falling(1294.0))))
    assert "Replay: 1 of 4 accounts breached; 0 warned; 1 unknown" in page.text
    assert page.embedded(REPORT_JSON)["headline"].startswith("Replay: 1 of 4 accounts breached")


def test_a_breach_is_told_with_its_tick_its_floor_and_what_came_before() -> None:
    page = page_of(replayed(account(1001), gold(falling(1294.0))))
    # 9 500 is 5.00 below the entry: the bid of 1294.90 is the first below it, 51 ticks in.
    assert "tick 51 of XAUUSD (1294.90 / 1295.20) took equity to 9\u202f490.00 USD" in page.text
    assert "10.00 below the floor of 9\u202f500.00" in page.text
    assert "1 position, 1.00 lots, was closed, profit \u2212510.00 USD" in page.text
    assert "13\u00a0s from warning to breach" in page.text
    assert "13 ticks between" in page.text
    assert "a zero-latency broker: every close filled at the deciding tick's own bid or ask" in (
        page.text
    )


def test_without_a_breach_the_page_says_how_near_it_came() -> None:
    page = page_of(replayed(account(1001), gold(falling(1298.0))))
    assert "Replay: 0 of 1 account breached" in page.text
    assert "No guard was breached" in page.text
    assert (
        "Never warned. The least room was 300.00 USD (60.0\u00a0% of the amount left)" in page.text
    )
    assert page.count("div", class_="verdict") == 0
    assert page.embedded(CHARTS_JSON)["ticks"] == []


def test_an_account_never_valued_shows_dashes_and_no_chart() -> None:
    accounts = account(1001, symbol="USDJPY", opened=100.0)
    page = page_of(replayed(accounts, gold(falling(1299.0))))
    assert "Never valued: no tick of USDJPY in these files" in page.text
    assert "No account could be valued" in page.text
    assert page.embedded(CHARTS_JSON) == {"equity": [], "ticks": []}
    assert page.count("figure") == 0
    assert not re.search(r"(?<!\d)0\.00", page.text)
    (row,) = re.findall(r"<tbody><tr><th[^>]*>.*?</tr>", page.html)[:1]
    assert row.count("—") == 8


def test_one_tick_is_enough_for_a_page() -> None:
    page = page_of(replayed(account(1001), gold([1300.0])))
    (chart,) = page.embedded(CHARTS_JSON)["equity"]
    assert chart["to"] > chart["from"] == START_MSC
    assert unpack(chart["last"]) == [1_000_000] * chart["bins"]
    assert within_budget(page.html, 1)


def test_one_tick_that_breaches_at_once_has_its_pane() -> None:
    page = page_of(replayed(account(1001), gold([1290.0])))
    (pane,) = page.embedded(CHARTS_JSON)["ticks"]
    assert unpack(pane["values"]) == [900_000]
    assert unpack(pane["times"]) == [0]
    assert pane["view"][0] < pane["view"][1]
    assert "No warning came before it" in page.text


def test_an_account_that_holds_nothing_is_a_flat_line() -> None:
    page = page_of(replayed(account(1001, lots=0.0), gold(falling(1290.0))))
    (chart,) = page.embedded(CHARTS_JSON)["equity"]
    assert set(unpack(chart["last"])) == {1_000_000}
    assert set(unpack(chart["low"])) == set(unpack(chart["high"])) == {0}
    assert "It held no position" in page.text


def test_an_account_closed_early_keeps_the_whole_range() -> None:
    page = page_of(replayed(account(1001), gold(falling(1290.0, 20) + [1300.0] * 500)))
    (chart,) = page.embedded(CHARTS_JSON)["equity"]
    assert chart["to"] - chart["from"] == 525 * 1000
    last = unpack(chart["last"])
    assert chart["first"] + len(last) == chart["bins"] == 1200
    assert len(set(last[chart["bins"] // 2 :])) == 1


def test_yen_have_no_decimals() -> None:
    accounts = account(1001, currency="JPY", balance=1_000_000, symbol="USDJPY", opened=100.0)
    bids = [100.0, 99.9, 99.4, 99.3]
    rows = [(START_MSC + n * 1000, 0, bid, bid + 0.01) for n, bid in enumerate(bids)]
    page = page_of(replayed(accounts, MadeStream(("USDJPY",), rows)))
    assert (
        "took equity to 940\u202f000 JPY, 10\u202f000 below the floor of 950\u202f000" in page.text
    )
    (chart,) = page.embedded(CHARTS_JSON)["equity"]
    assert chart["digits"] == 0
    assert unpack(chart["last"])[-1] == 940_000


@pytest.mark.parametrize("balance", [1e12, 9e13])
def test_huge_equity_keeps_its_shape(balance: float) -> None:
    page = page_of(replayed(account(1001, balance=balance, lots=100.0), gold(falling(1250.0))))
    (chart,) = page.embedded(CHARTS_JSON)["equity"]
    ends = [unpack(chart["last"])[place] * chart["unit"] / 100 for place in (0, -1)]
    assert ends == pytest.approx([balance, balance - 500_000.0], abs=chart["unit"])


def test_negative_equity_is_shown_as_such() -> None:
    page = page_of(replayed(account(1001, lots=30.0), gold([1300.0, 1300.0, 1290.0, 1290.0])))
    assert "took equity to \u221220\u202f000.00 USD" in page.text
    (chart,) = page.embedded(CHARTS_JSON)["equity"]
    assert unpack(chart["last"])[-1] == -2_000_000


def test_text_of_the_book_never_becomes_markup() -> None:
    instruments = INSTRUMENTS.replace('name = "daily_loss"', f"name = '{EVIL}'")
    instruments = instruments.replace("XAUUSD", "XAU</script><b>")
    rows = [(START_MSC + n, 0, bid, bid + 0.3) for n, bid in enumerate(falling(1290.0))]
    stream = MadeStream(("XAU</script><b>",), rows)
    accounts = account(1001, symbol="XAU</script><b>", more="comment = '</script><img src=x>'")
    html = page_of(replayed(accounts, stream, instruments=instruments)).html
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "XAU</script>" not in html
    assert html.count("<script") == html.count("</script>") == 3
    assert html.count("alert(1)") > 3  # it is there, as text


def test_only_scripts_and_styles_of_ours_may_run() -> None:
    html = page_of(replayed(account(1001), gold([1300.0, 1299.0]))).html
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)
    policy = policy.replace("&#x27;", "'")
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    (style,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    for text in (script, style):
        assert f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" in policy
    assert not re.search(r"<[^>]* (style|on[a-z]+)=", html)


def test_the_page_loads_nothing_from_anywhere() -> None:
    html = page_of(replayed(account(1001), gold(falling(1290.0)))).html
    assert not re.search(r"""(src|href|action)=["'](?!#|data:)""", html)
    assert not re.search(r"url\(|@import|<link(?! rel=\"icon\" href=\"data:,\")", html)
    addresses = set(re.findall(r"https?://[^\s\"'<>)]+", html))
    assert addresses == {"https://github.com/leeoniya/uPlot"}  # in the licence comment, not loaded


def test_synthetic_ticks_are_said_to_be_so_at_the_top() -> None:
    made = page_of(replayed(account(1001), gold([1300.0, 1299.0], name="synthetic.ticks")))
    assert made.text.index("Synthetic ticks.") < made.text.rindex("Replay: 0 of 1")
    assert made.embedded(REPORT_JSON)["provenance"]["tick_files"][0]["synthetic"] is True
    real = page_of(replayed(account(1001), gold([1300.0, 1299.0])))
    assert "Synthetic" not in real.text


def test_bad_rows_are_counted_and_the_first_is_named() -> None:
    page = page_of(replayed(account(1001), gold([1300.0, 1299.0], invalid=3)))
    assert "3 invalid rows, never valued" in page.text
    assert "XAUUSD.ticks.csv: 3 crossed; the first at row 17: ask 1.1 below bid 1.2." in page.text
    assert "/somewhere" not in page.html


def test_pollers_stand_beside_the_breach() -> None:
    stream = gold(falling(1280.0, 100))
    page = page_of(replayed(account(1001), stream, compare_poll=["10s", "30s"]))
    (pane,) = page.embedded(CHARTS_JSON)["ticks"]
    assert [poll[0] for poll in pane["polls"]] == ["10\u00a0s poll", "30\u00a0s poll"]
    assert all(late >= 0 and equity < 9_500.0 for _, late, equity in pane["polls"])
    assert "What a poller of each period would have seen" in page.text
    assert len(page.embedded(REPORT_JSON)["summary"]["compare_poll"]) == 2


def test_a_breach_without_a_floor_has_a_card_and_no_pane() -> None:
    instruments = INSTRUMENTS.replace(
        'name = "daily"\n',
        'name = "daily"\n[[ruleset.guard]]\nname = "stops"\nkind = "stop_loss_required"\n'
        'grace_s = 5.0\naction = "close"\n',
        1,
    )
    page = page_of(replayed(account(1001), gold([1300.0] * 10), instruments=instruments))
    assert "Breached stops" in page.text
    assert "This guard has no floor to draw equity against" in page.text
    assert page.embedded(CHARTS_JSON)["ticks"] == []
    assert "Every position needs a stop loss within 5 s." in page.text


def test_an_account_that_is_only_watched_says_so() -> None:
    accounts = account(1001).replace("balance =", 'mode = "observe"\nbalance =', 1)
    page = page_of(replayed(accounts, gold(falling(1290.0))))
    assert "The account is only watched: nothing was closed." in page.text
    assert " Observe" in page.text or ">Observe<" in page.html


def test_a_breach_found_at_a_reset_says_so() -> None:
    instruments = INSTRUMENTS.replace("close_and_halt", "pause")  # released by the reset
    rows = [
        (START_MSC + after_msc, 0, bid, bid + 0.3)
        for after_msc, bid in ((0, 1300.0), (1_000, 1290.0), (2 * 86_400_000, 1290.0))
    ]
    page = page_of(replayed(account(1001), MadeStream(("XAUUSD",), rows), instruments=instruments))
    assert (
        "At 2014-05-01 22:00:00.000Z, at the reset, found equity to be 9\u202f000.00" in page.text
    )
    assert page.text.count("It was found at the reset, without a tick of its own.") == 2
    assert page.text.count("No tick came near it") == 2
    assert "The account was halted; positions stay." in page.text
    assert len(page.embedded(CHARTS_JSON)["ticks"]) == 1
    assert "through lows and highs only" not in page.text


def test_every_table_has_a_caption_and_every_chart_words_and_a_table() -> None:
    page = page_of(replayed(account(1001) + account(1002, lots=0.2), gold(falling(1290.0))))
    assert page.count("table") == page.count("caption") > 6
    charts = page.count("figure")
    assert charts == page.count("div", role="img") == page.count("details", class_="twin") == 3
    assert all(have.get("aria-label") for _, have in page.elements if have.get("role") == "img")
    ids = [have["id"] for _, have in page.elements if "id" in have]
    assert len(ids) == len(set(ids))


def test_hundreds_of_accounts_keep_to_the_budget_and_the_time() -> None:
    accounts = "".join(
        account(1000 + number, lots=0.05 * (1 + number % 40), balance=10_000.0 + number)
        for number in range(300)
    )
    result = replayed(accounts, gold(falling(1290.0, 400), every_msc=61_000))
    began = time.perf_counter()
    page = page_of(result)
    assert time.perf_counter() - began < 10.0
    assert within_budget(page.html, 300)
    assert page.count("section", class_="account") == 50
    assert len(page.embedded(CHARTS_JSON)["equity"]) == 50
    assert "The 50 at the top have a section with a chart below." in page.text
    assert len(page.embedded(REPORT_JSON)["summary"]["accounts"]) == 300


@pytest.mark.parametrize("accounts", [1, 12, 50])
def test_a_lively_replay_keeps_to_the_budget(accounts: int) -> None:
    text = "".join(account(1000 + n, lots=1.1 + 0.01 * n) for n in range(accounts))
    # Up and down through the warning line all the time, and down through the floor.
    prices = [1300.0 + (n * 7919 % 641) / 100 - 6.2 * (n > 2_450) for n in range(2_500)]
    result = replayed(text, gold([round(p, 2) for p in prices], every_msc=7))
    page = page_of(result)
    assert len(page.embedded(CHARTS_JSON)["ticks"]) >= min(accounts, 20)
    assert within_budget(page.html, accounts)
    assert len(page.embedded(CHARTS_JSON)["equity"]) == accounts
    machine = page.embedded(REPORT_JSON)
    assert len(machine["events"]) + machine["events_left_out"] == len(result.records)
