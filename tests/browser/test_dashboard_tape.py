"""An incident tick by tick in a real browser: its chart, the polls in words, the files."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from facade.access_keys import AccessKeys
from facade.exports import check
from tests.browser.desk_page import AXE, Desk, violations
from tests.browser.desk_world import house
from tests.browser.fake_api import FakeApi
from tests.browser.fake_tape import tape

THIN = "\u202f"
PAGE = "/v/vrd_7Q"


@pytest.fixture
def told() -> Iterator[FakeApi]:
    api = FakeApi(house())
    yield api
    api.stop()


def opened(browser: Browser, api: FakeApi, **context: Any) -> Desk:
    api.start()
    desk = Desk(browser, api, PAGE, **context)
    desk.page.wait_for_selector(".story")
    return desk


def test_each_tick_is_drawn_with_the_floor_and_what_the_broker_said(
    browser: Browser, told: FakeApi
) -> None:
    desk = opened(browser, told)
    page = desk.page
    figure = page.locator("figure", has_text="Every tick around it")
    figure.locator("canvas").wait_for()
    note = figure.locator(".note").inner_text()
    assert note == (
        "Each step is a tick. Dotted: had nobody closed."
        " Rings: the broker's own equity, as its terminal told it."
    )
    colours = figure.locator("canvas").evaluate(COLOURS)
    for name in ("--ok", "--breach", "--dim"):
        assert colours[name] > 30, name
    page.click("text=Show the ticks as a table")
    rows = page.locator("[aria-labelledby=t-ticks-next-to-it] tbody tr")
    decided = rows.filter(has_text="decided")
    decided.wait_for()
    assert decided.count() == 1
    assert decided.locator("td").all_inner_texts()[-3:] == [
        f"97{THIN}093.30", f"97{THIN}093.30", f"97{THIN}133.10",
    ]  # fmt: skip
    last = rows.last.locator("td").all_inner_texts()
    assert last[-3] == f"97{THIN}058.30"
    assert last[-2] != last[-3], "what is held goes on moving"
    desk.close()


def test_what_polls_would_have_seen_is_told_in_words(browser: Browser, told: FakeApi) -> None:
    desk = opened(browser, told)
    page = desk.page
    page.wait_for_selector("h2:has-text('What a 10 / 30 / 60 s poll would have seen')")
    ten, thirty, sixty = page.locator(".polls li").all_inner_texts()
    assert ten == (
        f"A poll every 10{THIN}s: whenever it asks, it sees it: in half of the cases within"
        f" 4.870{THIN}s of the engine, in 95{THIN}% within 9.310{THIN}s, at the latest after"
        f" 9.880{THIN}s. At worst it is then at 96{THIN}614.20 USD, 479.10 lower than when the"
        " engine saw it."
    )
    assert thirty.startswith(
        f"A poll every 30{THIN}s: at 41.3{THIN}% of the moments it may ask at it sees nothing of it"
        f" in the 60{THIN}s after it; at the others it does, in half"
    )
    assert sixty == (
        f"A poll every 60{THIN}s: whenever it asks, it sees nothing of it in the 60{THIN}s after"
        " it."
    )
    desk.close()


def test_the_download_has_the_ticks_and_is_what_the_server_signed(
    browser: Browser, told: FakeApi, tmp_path: Path
) -> None:
    told.export_keys = AccessKeys(tmp_path / "export")
    kid = told.export_keys.create("2026-01-05T00:00:00+00:00").kid
    desk = opened(browser, told, accept_downloads=True)
    page = desk.page
    page.wait_for_selector(".polls")
    for is_named in (True, False):
        if not is_named:
            page.check("text=Leave out names and ids")
        with page.expect_download() as begun:
            page.click("text=Download JSON")
        begun.value.save_as(tmp_path / "incident.json")
        text = (tmp_path / "incident.json").read_bytes()
        assert check(text, told.export_keys.trusted().public).failure is None
        handed = json.loads(text)
        assert handed["tape"]["ticks"] == told.tape["ticks"]  # type: ignore[index]
        assert ("login" in handed["tape"]) is is_named
        page.wait_for_selector(f"text=Signed by the key {kid}")
    desk.close()


def test_a_download_that_no_key_signed_says_so(browser: Browser, told: FakeApi) -> None:
    desk = opened(browser, told, accept_downloads=True)
    with desk.page.expect_download():
        desk.page.click("text=Download JSON")
    desk.page.wait_for_selector("text=Not signed: the engine has no key to sign with")
    desk.page.route("**/export?*", lambda route: route.fulfill(status=503, json={"detail": "No."}))
    desk.page.click("text=Download JSON")
    desk.page.wait_for_selector("text=No.")
    desk.close()


def test_an_incident_whose_ticks_are_gone_says_so(browser: Browser, told: FakeApi) -> None:
    told.tape = None
    desk = opened(browser, told)
    desk.page.wait_for_selector("text=The ticks around it are not kept")
    assert desk.page.locator(".polls").count() == 0
    assert desk.page.locator("figure", has_text="Equity around it").count() == 1
    desk.close()


def test_a_short_tape_and_one_decided_on_later_quotes_say_so(
    browser: Browser, told: FakeApi
) -> None:
    told.tape = tape() | {"is_whole": False, "agrees": False, "broker": []}
    desk = opened(browser, told)
    note = desk.page.locator("figure", has_text="Every tick around it").locator(".note")
    note.filter(has_text="The span is shorter than it should be").wait_for()
    assert "Decided on later quotes" in note.inner_text()
    assert "Rings" not in note.inner_text()
    desk.close()


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 320)])
def test_axe_finds_nothing_in_it(browser: Browser, told: FakeApi, scheme: Any, width: int) -> None:
    desk = opened(browser, told, color_scheme=scheme, bypass_csp=True,
                  viewport={"width": width, "height": 800})  # fmt: skip
    page = desk.page
    page.wait_for_selector(".polls")
    page.click("text=Show the ticks as a table")
    page.wait_for_selector("[aria-labelledby=t-ticks-next-to-it]")
    page.add_script_tag(path=AXE)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    desk.close()


COLOURS = """box => {
  const { width, height } = box;
  const pixels = box.getContext("2d").getImageData(0, 0, width, height).data;
  const style = getComputedStyle(document.documentElement);
  const found = {};
  for (const name of ["--ok", "--breach", "--dim"]) {
    const hex = style.getPropertyValue(name).trim();
    const [r, g, b] = [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));
    found[name] = 0;
    for (let at = 0; at < pixels.length; at += 4) {
      if (pixels[at] === r && pixels[at + 1] === g && pixels[at + 2] === b
        && pixels[at + 3] > 200) found[name] += 1;
    }
  }
  return found;
}"""
