"""A browser, an API over a made-up house, and the desk opened on it."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.desk_page import ARGUMENTS, Desk
from tests.browser.desk_world import house
from tests.browser.fake_api import FakeApi


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; where there is none the tests are skipped and say so."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine: the page was not opened in a browser")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        yield started
        started.close()


@pytest.fixture
def api() -> Iterator[FakeApi]:
    made = FakeApi(house())
    made.start()
    yield made
    made.stop()


@pytest.fixture
def desk(browser: Browser, api: FakeApi) -> Iterator[Desk]:
    made = Desk(browser, api)
    made.page.wait_for_selector("tr[data-key]")
    yield made
    made.close()
