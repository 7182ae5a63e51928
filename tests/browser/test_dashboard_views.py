"""The dashboard's further views in a real browser: panes, days, incidents, single closes, rules."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser

from tests.browser.desk_page import AXE, Desk, violations
from tests.browser.desk_world import account, house, live, now_msc, position
from tests.browser.fake_api import FakeApi

MINUS = "\u2212"
NOT_BLANK = """box => {
  const { width, height } = box;
  const seen = new Set();
  const pixels = box.getContext("2d").getImageData(0, 0, width, height).data;
  for (let at = 0; at < pixels.length; at += 4) {
    seen.add(pixels[at] << 16 | pixels[at + 1] << 8 | pixels[at + 2]);
    if (seen.size > 40) break;
  }
  return seen.size;
}"""

SPREAD = """box => {
  const { width, height } = box;
  const pixels = box.getContext("2d").getImageData(0, 0, width, height).data;
  const hex = getComputedStyle(document.documentElement).getPropertyValue("--ink").trim();
  const ink = [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));
  let columns = 0;
  for (let x = 0; x < width; x += 1) {
    for (let y = 0; y < height; y += 1) {
      const at = 4 * (y * width + x);
      if (pixels[at + 3] > 128 && ink.every((one, n) => Math.abs(one - pixels[at + n]) < 40)) {
        columns += 1;
        break;
      }
    }
  }
  return columns / width;
}"""
"""How much of its width has the line of the price."""


def test_whoever_opens_an_account_by_key_is_told_where_they_are(desk: Desk) -> None:
    desk.page.keyboard.press("j")
    desk.page.keyboard.press("Enter")
    desk.page.wait_for_selector("h1:focus:has-text('1007')")
    desk.page.keyboard.press("Escape")
    desk.page.wait_for_selector(f"{desk.row(1007)}:focus")


def test_the_chart_has_its_panes_and_says_what_its_marks_mean(desk: Desk) -> None:
    page = desk.page
    page.click(desk.row(1007))
    page.wait_for_selector(".legend >> text=breach")
    legend = page.locator(".legend li").all_inner_texts()
    assert legend == ["breach", "warning", "position closed", "money in or out", "terminal lost",
                      "reset", "not valued"]  # fmt: skip
    assert page.locator(".pane h3").first.inner_text() == "Used of daily_loss"
    assert all(box.evaluate(NOT_BLANK) > 8 for box in page.query_selector_all(".pane canvas"))
    page.click("text=Show as table")
    page.wait_for_selector("[aria-label='What happened'] >> text=daily_loss breached")
    page.wait_for_selector("[aria-label='Equity as a table'] >> text=Most used")
    page.click("[aria-label='What happened'] >> text=why >> nth=0")
    page.wait_for_selector(".story")


def test_the_price_that_moves_an_account_most_is_drawn_as_it_is_heard(
    desk: Desk, api: FakeApi
) -> None:
    api.has_prices = False
    held = position(601, "XAUUSD", 2.2, -4_110.0), position(604, "EURUSD", 1.0, -291.4)
    desk.page.click(desk.row(1011))
    desk.page.wait_for_selector(".legend li")
    assert desk.page.locator(".pane").count() == 2
    for step in range(40):  # the page draws once a second: it is told until it has drawn
        moved = replace(held[0], current_price=1274.0 + step / 10)
        api.put(account(1011, 95_597.45 + step, positions=(moved, held[1])))
        desk.page.wait_for_timeout(250)
        if desk.page.locator(".pane").count() == 3:
            break
    title = desk.page.locator(".pane h3").last.inner_text()
    assert title == "XAUUSD, bid, as heard since this page was opened"


def test_the_price_pane_begins_with_what_was_before_the_page(desk: Desk) -> None:
    desk.page.click(desk.row(1011))
    desk.page.wait_for_selector(".pane >> nth=2")
    title = desk.page.locator(".pane h3").last
    assert title.inner_text() == "XAUUSD, bid, of the last hour at most"
    drawn = desk.page.locator(".pane canvas").last.evaluate(SPREAD)
    assert drawn > 0.8, "the line goes over nearly all of the hour that is shown"


def test_a_range_is_chosen_and_what_cannot_be_read_says_so(desk: Desk, api: FakeApi) -> None:
    desk.page.click(desk.row(1100))
    desk.page.wait_for_selector(".stage canvas")
    desk.page.route("**/equity?*", lambda route: route.abort())
    desk.page.click(".ranges >> text=Week")
    desk.page.wait_for_selector("text=The history cannot be read")
    desk.page.unroute("**/equity?*")
    desk.page.click(".ranges >> text=15 min")
    desk.page.wait_for_selector(".stage canvas")
    assert desk.page.locator("[aria-pressed=true]", has_text="15 min").count() == 1


def test_the_days_of_a_month_are_a_calendar_and_a_list_on_a_phone(desk: Desk) -> None:
    page = desk.page
    page.click(desk.row(1007))
    today = page.locator(".month td[aria-current=date]")
    today.wait_for()
    assert "1 breach" in today.inner_text()
    result = today.locator("b").inner_text()  # the word is for those who hear it
    assert re.fullmatch(rf"result\s[+{MINUS}][0-9\u202f]+\.[0-9]{{2}}", result)
    assert page.locator("[aria-label='Next month']").is_disabled()
    name = page.locator("#t-days").inner_text()
    page.click("[aria-label='Month before']")
    page.wait_for_selector(f"#t-days:not(:has-text('{name}'))")
    page.click("[aria-label='Next month']")
    page.set_viewport_size({"width": 390, "height": 800})
    page.wait_for_selector("text=Valued days")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_statistics_stand_behind_a_fold_each_with_how_it_is_computed(desk: Desk) -> None:
    desk.page.click(desk.row(1007))
    desk.page.click("text=Statistics of closed positions")
    line = desk.page.locator(".figures tr:has-text('Profit factor')")
    line.locator("text=gains divided by losses").wait_for()
    assert line.locator("td").nth(0).inner_text() == "0.97"
    fall = desk.page.locator(".figures tr:has-text('Largest drawdown')")
    assert fall.locator("td").all_inner_texts()[:2] == ["at most \u22123\u202f212.50",
                                                         "\u2212812.40"]  # fmt: skip
    assert desk.page.locator('.figures thead th >> text="All"').count() == 1
    desk.page.click("[aria-label='Month before']")  # which may end today
    desk.page.click("[aria-label='Month before']")
    desk.page.wait_for_selector(".figures tr:has-text('Days traded') >> td >> text=0")


def test_statistics_that_cannot_be_read_say_so(desk: Desk) -> None:
    desk.page.route("**/statistics*", lambda route: route.abort())
    desk.page.click(desk.row(1007))
    desk.page.click("text=Statistics of closed positions")
    desk.page.wait_for_selector("text=They cannot be read: The server cannot be reached")


def test_one_position_is_closed_and_the_others_stay(desk: Desk, api: FakeApi) -> None:
    desk.page.click(desk.row(1011))
    desk.page.click("[data-close='601']")
    dialog = desk.page.locator("dialog")
    text = dialog.inner_text()
    assert "Close 2.20 lots of XAUUSD" in text
    assert "1 other position and every pending order stay" in text
    assert desk.page.evaluate("document.activeElement.textContent") == "Cancel"
    dialog.locator("input[name=reason]").fill("wrong size")
    dialog.locator("button[type=submit]").click()
    dialog.locator("text=Not flat yet").wait_for()
    desk.page.wait_for_selector("td >> text=closing", state="attached")
    left = api.accounts["Demo-1/1011"]
    assert left.live is not None
    api.put(replace(left, positions=left.positions[1:], live=replace(left.live, closes=())))
    dialog.locator("text=It is flat").wait_for()
    assert [(path, body) for path, body, _ in api.calls] == [
        ("/api/v1/accounts/Demo-1/1011/flatten", {"position_id": 601, "reason": "wrong size"})
    ]


def test_other_rules_are_an_admins_to_ask_for(browser: Browser, desk: Desk) -> None:
    desk.page.click(desk.row(1011))
    desk.page.wait_for_selector("[data-act=release]")
    assert desk.page.locator("[data-act=rules]").count() == 0
    api = FakeApi([account(1001), account(1002, ruleset="tight")], role="admin")
    api.start()
    admin = Desk(browser, api, "/a/Demo-1/1001")
    admin.page.click("[data-act=rules]")
    dialog = admin.page.locator("dialog")
    names = dialog.locator("select[name=ruleset] option")
    dialog.locator("option[value=tight]").wait_for(state="attached")
    assert names.evaluate_all("all => all.map(o => o.value)") == ["", "tight", "loose"]
    dialog.locator("select[name=ruleset]").select_option("tight")
    dialog.locator("text=It is surely no looser: in force at once").wait_for()
    dialog.locator("input[name=reason]").fill("new contract")
    dialog.locator("button[type=submit]").click()
    dialog.locator("text=Taken; the decision is durable").wait_for()
    assert api.calls[0][:2] == (
        "/api/v1/accounts/Demo-1/1001/ruleset", {"ruleset": "tight", "reason": "new contract"}
    )  # fmt: skip
    admin.close()
    api.stop()


def test_other_rules_are_shown_in_money_before_they_are_asked_for(browser: Browser) -> None:
    held = position(601, "XAUUSD", 2.2, -4_110.0)
    api = FakeApi([account(1001, 98_500.0, positions=(held,))], role="admin")
    api.start()
    desk = Desk(browser, api, "/a/Demo-1/1001")
    desk.page.click("[data-act=rules]")
    dialog = desk.page.locator("dialog")
    dialog.locator("option[value=loose]").wait_for(state="attached")
    dialog.locator("select[name=ruleset]").select_option("loose")
    dialog.locator("text=It may be looser: it waits for a second person").wait_for()
    lines = dialog.locator("tbody tr")
    assert lines.nth(0).locator("td").all_inner_texts() == [
        "95\u202f000.00", "92\u202f000.00", "6\u202f500.00"
    ]  # fmt: skip
    assert dialog.locator("text=overall is gone.").count() == 1
    assert dialog.locator("text=would breach at once").count() == 0
    dialog.locator("select[name=ruleset]").select_option("tight")
    dialog.locator(
        "text=daily_loss would breach at once, and 1 position would be closed"
    ).wait_for()
    desk.page.route("**/ruleset?*", lambda route: route.abort())
    dialog.locator("select[name=ruleset]").select_option("loose")
    dialog.locator("text=What it would do is not known").wait_for()
    assert dialog.locator("tbody tr").count() == 0, "the floors of another are not left standing"
    desk.close()
    api.stop()


def test_a_position_by_hand_is_adopted_from_its_discrepancy(desk: Desk, api: FakeApi) -> None:
    page = desk.page
    page.click("nav >> text=Discrepancies")
    page.click("[data-adopt='77']")
    dialog = page.locator("dialog")
    text = dialog.inner_text()
    assert "Adopt 0.30 lots of GBPUSD" in text
    assert "Nothing is traded" in text
    assert page.evaluate("document.activeElement.textContent") == "Cancel"
    send = dialog.locator("button[type=submit]")
    assert send.is_disabled()
    dialog.locator("input[name=reason]").fill("opened by hand")
    send.dblclick()
    dialog.locator("text=1 of 1 meant").wait_for()
    dialog.locator("text=Waits for the next full report").wait_for()
    held = api.accounts["Demo-1/1033"]
    assert held.live is not None
    api.put(replace(held, live=replace(held.live, discrepancies=())))
    dialog.locator("text=No discrepancy of it is open").wait_for()
    [(path, body, key)] = api.calls
    assert (path, body) == ("/api/v1/accounts/Demo-1/1033/adopt",
                            {"position_ids": [77], "reason": "opened by hand"})  # fmt: skip
    assert key


def test_an_account_offers_to_adopt_what_is_not_meant_and_nothing_else(
    desk: Desk, api: FakeApi
) -> None:
    page = desk.page
    page.click(desk.row(1011))
    page.wait_for_selector("[data-act=adopt]:disabled")
    page.click("[aria-label='Back to the list']")
    more = position(79, "XAUUSD", 0.1, -2.0, intent=None)
    held = api.accounts["Demo-1/1033"]
    api.put(replace(held, positions=(*held.positions, more)))
    page.click(desk.row(1033))
    page.wait_for_selector("[data-part=positions] >> text=XAUUSD")
    page.click("[data-act=adopt]")
    dialog = page.locator("dialog")
    assert dialog.locator("tbody .id").all_inner_texts() == ["77", "79"]
    dialog.locator("input[value='77']").uncheck()
    dialog.locator("input[name=reason]").fill("mine")
    dialog.locator("button[type=submit]").click()
    dialog.locator("text=1 of 1 meant").wait_for()
    assert api.calls[0][1] == {"position_ids": [79], "reason": "mine"}


def test_a_full_report_is_asked_for_by_a_button(desk: Desk, api: FakeApi) -> None:
    desk.page.click(desk.row(1007))
    desk.page.click("text=Ask for a full report")
    desk.page.wait_for_selector(".toast >> text=asked for a full report")
    assert api.calls[0][:2] == ("/api/v1/reconciliation/sync", {"account": "Demo-1/1007"})


def test_the_link_says_what_is_known_of_the_terminal_and_dashes_what_is_not(
    desk: Desk, api: FakeApi
) -> None:
    desk.page.click(desk.row(1007))
    facts = desk.page.locator("[data-part=link]")
    facts.locator("dd:has-text('4755')").wait_for()
    text = facts.inner_text()
    for said in ("41\u202fms", "1.8\u202fs behind the engine's", "UTC+3", "1 time, last"):
        assert said in text
    held = api.accounts["Demo-1/1007"]
    assert held.live is not None
    api.put(replace(held, live=replace(held.live, terminal=None)))
    facts.locator("text=No terminal has linked since the engine started").wait_for()
    assert "4755" not in facts.inner_text()


def test_the_views_are_reached_and_left_by_keys(desk: Desk) -> None:
    page = desk.page
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_selector("h1:has-text('Incidents')")
    assert page.evaluate("document.activeElement.textContent") == "Incidents"
    page.wait_for_selector("td >> text=flat in 0.412")
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_selector("h1:has-text('Discrepancies')")
    page.wait_for_selector("td >> text=buy 0.30 >> nth=0")
    assert page.locator("nav a[aria-current=page]").inner_text() == "Discrepancies"
    page.keyboard.press("?")
    keys = page.locator("dialog kbd").all_inner_texts()
    wanted = "/|j k ↓ ↑|Enter|Esc|x|g l|g i|g d|g a|h|f|c|t|.|?"
    assert set(keys) == set(wanted.split("|"))
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.wait_for_selector(desk.row(1007))
    assert page.evaluate("document.activeElement.id") == "filter"


def test_a_new_breach_comes_to_the_incidents_by_itself_and_opens(desk: Desk, api: FakeApi) -> None:
    page = desk.page
    page.click("nav >> text=Incidents")
    page.wait_for_selector(".wide tr:has-text('1003')")
    assert page.locator(".wide tr:has-text('1100')").count() == 0
    api.put(account(1100, 94_000.0))
    api.say({"type": "guard_breach", "seq": 12, "time_msc": now_msc(), "login": 1100,
             "server": "Demo-1", "verdict_id": "vrd_7Q", "guard": "daily_loss"})  # fmt: skip
    page.click(".wide tr:has-text('1100'):has-text('Breach') >> th a")
    page.wait_for_selector(".story")
    page.keyboard.press("Escape")
    page.wait_for_selector("tr[data-key]")


def test_a_quiet_house_says_that_its_guards_were_tested(browser: Browser) -> None:
    api = FakeApi([account(1001, live=live(equity=101_250.4))])
    api.start()
    desk = Desk(browser, api, "/?view=incidents")
    desk.page.wait_for_selector("text=No warning, no breach.")
    desk.page.wait_for_selector("text=valued on 66\u202f955 ticks")
    desk.close()
    api.stop()


def test_an_incident_has_its_timeline_the_cost_of_closing_and_files_to_hand_over(
    browser: Browser, api: FakeApi, tmp_path: Path
) -> None:
    desk = Desk(browser, api, "/v/vrd_7Q", accept_downloads=True)
    page = desk.page
    story = page.locator(".story")
    story.wait_for()
    assert "3.00 lots were closed" in story.inner_text()
    assert "flat after 0.412\u202fs" in story.inner_text()
    assert page.locator("text=flat: 2 of 2 closes settled").count() == 1
    costs = page.locator("[aria-labelledby=t-cost-of-closing] tbody tr")
    assert [line.locator("td").nth(6).inner_text() for line in costs.all()] == [
        f"{MINUS}40.00",
        "+5.00",
    ]
    assert page.locator("text=tidegate journal replay FILE --verdict vrd_7Q").count() == 1
    page.check("text=Leave out names and ids")
    page.wait_for_selector(".story:not(:has-text('1001'))")
    with page.expect_download() as begun:
        page.click("text=Download JSON")
    begun.value.save_as(tmp_path / "incident.json")
    handed = json.loads((tmp_path / "incident.json").read_text(encoding="utf-8"))
    assert "login" not in json.dumps(handed)
    assert handed["verdict"]["record"]["equity"] == 97_093.3
    assert len(handed["records"]) == 7
    with page.expect_download() as begun:
        page.click("text=Download page")
    begun.value.save_as(tmp_path / "incident.html")
    alone = browser.new_page(java_script_enabled=False)
    alone.goto((tmp_path / "incident.html").as_uri())
    assert "39.80 below the floor" in alone.locator(".story").inner_text()
    markup = (tmp_path / "incident.html").read_text(encoding="utf-8")
    assert "<script" not in markup
    assert "1001" not in alone.locator("body").inner_text()
    alone.close()
    desk.close()


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 320)])
def test_axe_finds_nothing_in_the_further_views(browser: Browser, scheme: Any, width: int) -> None:
    api = FakeApi(house(), role="admin")
    api.start()
    desk = Desk(browser, api, "/?view=incidents", color_scheme=scheme, bypass_csp=True,
                viewport={"width": width, "height": 800})  # fmt: skip
    page = desk.page
    page.add_script_tag(path=AXE)
    found: list[str] = []

    def look(at: str, *ready: str) -> None:
        for one in ready:
            page.wait_for_selector(one)
        found.extend(f"{at}: {one}" for one in violations(page))
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, at

    look("incidents", ".wide table")
    page.click("nav >> text=Discrepancies")
    look("discrepancies", "td >> text=buy 0.30 >> nth=0")
    page.click("a:has-text('Demo-1/1033') >> nth=0")
    page.click("text=Show as table")
    page.click("text=Statistics of closed positions")
    look("account", ".legend li", ".figures table", "text=Most used")
    page.click("[data-act=adopt]")
    look("adopt", "dialog tbody tr")
    page.keyboard.press("Escape")
    page.click("[data-act=rules]")
    page.wait_for_selector("dialog option[value=tight]", state="attached")
    page.select_option("select[name=ruleset]", "tight")
    look("rules", "dialog tbody tr")
    page.keyboard.press("Escape")
    page.click("nav >> text=Accounts")
    page.click(desk.row(1011))
    page.click("[data-close='601']")
    look("close", "dialog")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    look("help", "dialog kbd")
    assert not found, "\n".join(found)
    desk.context.close()
    api.stop()
