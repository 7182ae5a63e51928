"""Pictures of the dashboard: taken each time, kept in docs/images with TIDEGATE_PICTURES set."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from tests.browser.desk_page import ARGUMENTS
from tests.browser.desk_world import house
from tests.browser.fake_api import TOKEN, FakeApi

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SHOTS: list[tuple[str, str, str, dict[str, int]]] = [
    ("desk-dark", "dark", "/", {"width": 1280, "height": 760}),
    ("desk-light", "light", "/", {"width": 1280, "height": 760}),
    ("desk-account-dark", "dark", "/a/Demo-1/1007", {"width": 1680, "height": 950}),
    ("desk-account-light", "light", "/a/Demo-1/1011", {"width": 1680, "height": 950}),
    ("desk-incident-light", "light", "/v/vrd_7Q", {"width": 1280, "height": 1000}),
    ("desk-incidents-dark", "dark", "/?view=incidents", {"width": 1280, "height": 560}),
    ("desk-days-dark", "dark", "/a/Demo-1/1007#t-days", {"width": 1280, "height": 760}),
    ("desk-link-light", "light", "/a/Demo-1/1007#t-link", {"width": 1280, "height": 400}),
    ("desk-phone-incident", "dark", "/v/vrd_7Q", {"width": 390, "height": 800}),
    ("desk-phone", "dark", "/", {"width": 390, "height": 800}),
    ("desk-phone-account", "light", "/a/Demo-1/1007", {"width": 390, "height": 800}),
]


READY = [
    ("/a/", ".legend li"),
    ("/v/", ".story"),
    ("/?", ".wide table"),
    ("/", "tr[data-key]:visible"),
]
"""What stands on a page that is whole."""


def test_every_picture_shows_a_whole_page(tmp_path: Path) -> None:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine: no picture was taken")
    kept = IMAGES if os.environ.get("TIDEGATE_PICTURES") else tmp_path
    api = FakeApi(house())
    api.start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        for name, scheme, path, size in SHOTS:
            more: dict[str, Any] = {"color_scheme": scheme, "viewport": size}
            page = browser.new_page(**more)
            page.goto(api.address + path)
            page.fill("#token", TOKEN)
            page.click("button:has-text('Sign in')")
            page.wait_for_selector(next(one for start, one in READY if path.startswith(start)))
            if "#" in path:
                page.locator(path[path.index("#") :]).evaluate(
                    "node => { node.scrollIntoView(); node.closest('article').scrollTop -= 24; }"
                )
            page.mouse.move(0, 0)
            page.wait_for_selector(".pulse:has-text('live')")
            page.screenshot(path=kept / f"{name}.png")
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
            assert page.locator("#alarm").is_hidden(), name
            page.close()
        browser.close()
    api.stop()
    assert all((kept / f"{name}.png").stat().st_size > 20_000 for name, *_ in SHOTS)


DIALOGS = [
    ("desk-rules-dark", "dark", {"width": 1280, "height": 700}),
    ("desk-phone-rules", "light", {"width": 390, "height": 800}),
]


def test_the_dialog_of_other_rules_is_whole_on_a_screen_and_on_a_phone(tmp_path: Path) -> None:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine: no picture was taken")
    kept = IMAGES if os.environ.get("TIDEGATE_PICTURES") else tmp_path
    api = FakeApi(house(), role="admin")
    api.start()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        for name, scheme, size in DIALOGS:
            more: dict[str, Any] = {"color_scheme": scheme, "viewport": size}
            page = browser.new_page(**more)
            page.goto(f"{api.address}/a/Demo-1/1011")
            page.fill("#token", TOKEN)
            page.click("button:has-text('Sign in')")
            page.wait_for_selector(".legend li")
            page.click("[data-act=rules]")
            page.wait_for_selector("dialog option[value=tight]", state="attached")
            page.select_option("select[name=ruleset]", "tight")
            page.wait_for_selector("dialog tbody tr")
            page.screenshot(path=kept / f"{name}.png")
            wide = "box => box.scrollWidth - box.clientWidth"
            assert page.locator("dialog .scroll").evaluate(wide) <= 0, "no column is cut off"
            assert page.locator("dialog").evaluate(wide) <= 0, name
            page.close()
        browser.close()
    api.stop()
    assert all((kept / f"{name}.png").stat().st_size > 20_000 for name, *_ in DIALOGS)
