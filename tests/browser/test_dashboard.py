"""The dashboard in a real browser: signing in, living numbers, commands, keys, access, silence."""

from typing import Any

import pytest
from msgspec.structs import replace
from playwright.sync_api import Browser

from tests.browser.desk_page import AXE, Desk, violations
from tests.browser.desk_world import account, live, many, now_msc
from tests.browser.fake_api import TOKEN, FakeApi


def test_a_wrong_token_is_refused_in_words_and_a_right_one_opens_the_desk(
    browser: Browser, api: FakeApi
) -> None:
    page = browser.new_page()
    page.goto(api.address)
    page.fill("#token", "nonsense")
    page.click("button:has-text('Sign in')")
    page.wait_for_selector("text=The token is not one that is taken here")
    page.fill("#token", TOKEN)
    page.click("button:has-text('Sign in')")
    page.wait_for_selector("tr[data-key]")
    page.reload()
    page.wait_for_selector("tr[data-key]")  # the session's cookie is enough
    page.close()


def test_the_worst_comes_first_and_the_tabs_count_every_state(desk: Desk) -> None:
    first = desk.page.locator("tr[data-key]").first
    assert first.get_attribute("data-key") == "Demo-1/1007"
    assert "Closing" in first.inner_text()
    counts = desk.page.locator(".tab .count").all_inner_texts()
    assert counts == ["2", "1", "3", "1", "1", "15"]
    assert desk.page.title().startswith("(")


def test_no_request_leaves_the_host_and_no_policy_is_violated(desk: Desk, api: FakeApi) -> None:
    desk.page.click(desk.row(1007))
    desk.page.wait_for_selector(".stage canvas")
    assert desk.asked
    foreign = [url for url in desk.asked if not url.startswith((api.address, "data:"))]
    assert foreign == []


WATCH = """key => {
  window.seen = new Promise(done => {
    new MutationObserver(() => {
      const row = document.querySelector(`tr[data-key="${key}"]`);
      if (row?.className.includes("r-breached")) done(Date.now());
    }).observe(document.body, { subtree: true, childList: true, attributes: true });
    setTimeout(() => done(Infinity), 30000);
  });
}"""


def test_a_breach_is_seen_within_a_second_of_its_sending(desk: Desk, api: FakeApi) -> None:
    took_ms = []
    for login in (1100, 1103, 1106):  # the best of three: one may meet a busy machine
        desk.page.evaluate(WATCH, f"Demo-1/{login}")
        sent_ms = now_msc()
        api.put(account(login, 94_000.0 + login / 100))
        took_ms.append(desk.page.evaluate("window.seen") - sent_ms)
    assert min(took_ms) < 1_000, took_ms
    keys = desk.page.locator("tr[data-key]").evaluate_all("rows => rows.map(r => r.dataset.key)")
    assert keys.index("Demo-1/1100") < keys.index("Demo-1/1011")
    desk.page.wait_for_selector("#polite:has-text('1100')", state="attached")


def test_a_number_changes_in_place_without_a_row_moving_under_the_pointer(
    desk: Desk, api: FakeApi
) -> None:
    desk.page.hover(desk.row(1100))
    before = desk.page.locator(desk.row(1100)).bounding_box()
    api.put(account(1040, 95_300.0), account(1100, 99_001.5))
    desk.page.wait_for_selector(f"{desk.row(1100)} >> text=99\u202f001.50")
    assert desk.page.locator(desk.row(1100)).bounding_box() == before
    desk.page.wait_for_timeout(2_200)
    api.put(account(1100, 99_002.5))
    desk.page.click(".moved:visible")
    keys = desk.page.locator("tr[data-key]").evaluate_all("rows => rows.map(r => r.dataset.key)")
    assert keys.index("Demo-1/1040") < keys.index("Demo-1/1033")


def test_an_account_is_flattened_by_its_dialog_and_the_dialog_shows_how_far_it_is(
    desk: Desk, api: FakeApi
) -> None:
    desk.page.click(desk.row(1011))
    desk.page.click("[data-act=flatten]")
    dialog = desk.page.locator("dialog")
    text = dialog.inner_text()
    assert "Flatten 2 positions (3.20 lots)" in text
    assert "This cannot be undone" in text
    assert "Pending orders: 2 will be cancelled" in text
    assert desk.page.evaluate("document.activeElement.textContent") == "Cancel"
    send = dialog.locator("button[type=submit]")
    assert send.is_disabled()
    dialog.locator("input[name=reason]").fill("client asked")
    send.dblclick()
    dialog.locator("text=0 of 2 flat").wait_for()
    held = api.accounts["Demo-1/1011"]
    assert held.live is not None
    api.put(replace(held, positions=(), live=replace(held.live, closes=(), orders=())))
    dialog.locator("text=2 of 2 flat").wait_for()
    assert [(path, body) for path, body, _ in api.calls] == [
        ("/api/v1/accounts/Demo-1/1011/flatten", {"reason": "client asked"})
    ]
    assert api.calls[0][2]


def test_stopping_everything_wants_the_words_typed(desk: Desk, api: FakeApi) -> None:
    desk.page.click("text=Stop everything…")
    dialog = desk.page.locator("dialog")
    dialog.locator("input[name=reason]").fill("news")
    dialog.locator("input[value=flatten]").check()
    dialog.locator("input[name=typed]").fill("HALT ALL")
    assert dialog.locator("button[type=submit]").is_disabled()
    dialog.locator("input[name=typed]").fill("FLATTEN ALL")
    dialog.locator("button[type=submit]").click()
    dialog.locator("text=Taken; the decision is durable").wait_for()
    assert api.calls[0][0] == "/api/v1/flatten"


def test_a_release_says_what_comes_of_it_and_waits_for_a_second_person(
    desk: Desk, api: FakeApi
) -> None:
    desk.page.click(desk.row(1003))
    desk.page.click("[data-act=release]")
    dialog = desk.page.locator("dialog")
    assert "It will breach again at once" in dialog.inner_text()
    dialog.locator("input[name=reason]").fill("trader called")
    dialog.locator("button[type=submit]").click()
    dialog.locator("text=Waits for a second person").wait_for()
    assert api.calls[0][1] == {"cause": "daily_loss", "reason": "trader called"}


def test_a_halt_of_a_selection_wants_its_count(desk: Desk, api: FakeApi) -> None:
    boxes = desk.page.locator("td.c-pick input")
    boxes.nth(3).click()
    boxes.nth(5).click(modifiers=["Shift"])
    desk.page.click(".bulk >> text=Halt 3…")
    dialog = desk.page.locator("dialog")
    dialog.locator("input[name=reason]").fill("weekend")
    dialog.locator("input[name=typed]").fill("3")
    dialog.locator("button[type=submit]").click()
    dialog.locator("text=3 of 3 halted").wait_for()
    assert len({key for _, _, key in api.calls}) == 3


def test_the_page_says_that_it_is_blind_and_finds_back_when_the_server_returns(
    desk: Desk, api: FakeApi
) -> None:
    api.stop()
    desk.page.wait_for_selector("#alarm:has-text('Numbers below are from')")
    assert desk.page.locator("#alarm").inner_text().count("try") == 1
    api.accounts["Demo-1/1012"] = account(1012, 93_111.0)
    api.start()
    desk.page.wait_for_selector(f"{desk.row(1012)} >> text=93\u202f111.00")
    desk.page.wait_for_selector("#alarm", state="hidden")


def test_the_desk_is_walked_by_keys_alone(desk: Desk) -> None:
    page = desk.page
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement.dataset.key") == "Demo-1/1003"
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('1003')")
    page.keyboard.press("f")
    page.wait_for_selector("dialog >> text=Flatten 1003")
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    page.keyboard.press("Escape")
    page.wait_for_selector(desk.row(1007))
    page.keyboard.press("/")
    page.keyboard.type("server:Demo-2 used>10")
    assert page.locator(".chips .chip").all_inner_texts() == ["server:Demo-2", "used>10"]
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    page.locator("dialog input[type=checkbox]").uncheck()
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    page.keyboard.press("h")
    assert page.locator("dialog").count() == 0


def test_a_filter_that_leaves_nothing_says_which_word_took_everything(desk: Desk) -> None:
    desk.page.fill("#filter", "server:Demo-1 used>500")
    desk.page.wait_for_selector("text=“used>500” removed the last of 23")
    assert "q=server:Demo-1" in desk.page.url
    desk.page.fill("#filter", "colour:red")
    desk.page.wait_for_selector(".chip.bad")


def test_ten_thousand_accounts_are_a_few_dozen_rows(browser: Browser) -> None:
    api = FakeApi(many(10_000))
    api.start()
    desk = Desk(browser, api)
    desk.page.wait_for_selector("table[aria-rowcount='10001'] tr[data-key]")
    assert desk.page.locator("tr[data-key]").count() < 60
    desk.page.evaluate("document.querySelector('.port').scrollTop = 160000")
    desk.page.wait_for_selector("tr[aria-rowindex='5001']")
    assert desk.page.locator("tr[data-key]").count() < 60
    took_ms = desk.page.evaluate(
        """async () => {
          const port = document.querySelector(".port"), took = [];
          for (let at = 0; at < 20; at++) {
            const from = performance.now();
            port.scrollTop = at * 15000;
            port.dispatchEvent(new Event("scroll"));
            await new Promise(requestAnimationFrame);
            took.push(performance.now() - from);
          }
          return took.sort((a, b) => a - b)[10];
        }"""
    )
    assert took_ms < 500, took_ms
    desk.close()
    api.stop()


def test_the_incident_reads_as_a_statement_and_can_be_handed_over(desk: Desk, api: FakeApi) -> None:
    desk.page.click(desk.row(1007))
    desk.page.click(".e-guard_breach >> text=why")
    story = desk.page.locator(".story")
    story.wait_for()
    assert "took equity of 1001 to 97\u202f093.30 USD, 39.80 below the floor" in story.inner_text()
    desk.page.check("text=Leave out names and ids")
    desk.page.wait_for_selector(".story:not(:has-text('1001'))")
    assert "1001" not in desk.page.locator(".incident").inner_text()
    desk.page.goto(api.address + "/v/vrd_none")
    desk.page.wait_for_selector("text=There is no such page")


def test_an_empty_desk_says_what_to_do_and_a_starting_one_says_so(browser: Browser) -> None:
    api = FakeApi([])
    api.not_ready = "Replaying the journal, 61 % done."
    api.start()
    desk = Desk(browser, api)
    desk.page.wait_for_selector("#alarm:has-text('61 % done')")
    api.not_ready = ""
    desk.page.wait_for_selector("text=No terminal has connected yet")
    desk.close()
    api.stop()


def test_a_viewer_is_offered_no_command(browser: Browser) -> None:
    api = FakeApi([account(1001)], role="viewer")
    api.start()
    desk = Desk(browser, api, "/a/Demo-1/1001")
    desk.page.wait_for_selector(".sentence:has-text('Known')")
    assert desk.page.locator("button.danger, [data-act]").count() == 0
    desk.page.keyboard.press("f")
    assert desk.page.locator("dialog").count() == 0
    desk.close()
    api.stop()


def test_a_breach_of_the_account_in_view_interrupts_a_screen_reader(
    browser: Browser, api: FakeApi
) -> None:
    desk = Desk(browser, api, "/a/Demo-1/1100")
    desk.page.wait_for_selector("[data-fill=sentence]:has-text('Known')")
    api.put(account(1100, 94_000.0, live=live(equity=94_000.0)))
    desk.page.wait_for_selector("#assertive:has-text('1100 breached daily_loss')", state="attached")
    desk.close()


@pytest.mark.parametrize("scheme", ["dark", "light"])
@pytest.mark.parametrize("width", [1280, 320])
def test_axe_finds_nothing(browser: Browser, api: FakeApi, scheme: Any, width: int) -> None:
    desk = Desk(browser, api, color_scheme=scheme, viewport={"width": width, "height": 800},
                bypass_csp=True)  # fmt: skip
    page = desk.page
    page.wait_for_selector("tr[data-key]")
    page.add_script_tag(path=AXE)
    found = violations(page)
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0
    page.click(desk.row(1007))
    page.wait_for_selector(".stage canvas")
    found += violations(page)
    page.click("[data-act=flatten]")
    found += violations(page)
    page.keyboard.press("Escape")
    page.click(".e-guard_breach >> text=why")
    page.wait_for_selector(".story")
    found += violations(page)
    assert not found, "\n".join(found)
    desk.context.close()
