"""The dashboard on the real API: real access, streams and decisions; only the market is ours."""

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
from playwright.sync_api import sync_playwright

from engine.domain.commands import Halt
from facade.app import make_app
from facade.pages import Pages
from tests.browser.desk_page import ARGUMENTS, PATIENCE_MS
from tests.facade.api_house import ApiHouse, api_house
from tests.facade.http_floor import served


class Running:
    """The API on a socket, in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._started = threading.Event()
        self._stop = trio.Event()
        self.house: ApiHouse
        self.address = ""
        self._thread = threading.Thread(target=trio.run, args=(self._run,), daemon=True)

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(60)

    def stop(self) -> None:
        self.do(self._stop.set)
        self._thread.join(60)

    def do(self, what: Callable[[], None]) -> None:
        """Does something where the desk lives."""
        trio.from_thread.run_sync(what, trio_token=self._token)

    async def _run(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        with api_house(self._folder) as house:
            self.house = house
            app = make_app(house.desk, house.parts, Pages().routes())
            async with served(app, stopping=house.parts.stopping.set) as at:
                self.address = "http://{}:{}".format(*at.address)
                self._started.set()
                await self._stop.wait()
                at.stop()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    made = Running(tmp_path)
    made.start()
    yield made
    made.stop()


def test_an_account_of_the_real_api_breaches_before_ones_eyes_and_is_halted(
    running: Running,
) -> None:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("no chromium on this machine: the dashboard was not opened in a browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(ARGUMENTS))
        page = browser.new_page()
        page.set_default_timeout(PATIENCE_MS)
        trouble: list[str] = []
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.goto(running.address + "/a/Demo-1/1001")
        page.fill("#token", running.house.token("operator", "ann"))
        page.click("button:has-text('Sign in')")
        page.wait_for_selector(".sentence:has-text('Known: floor')")
        page.click("[data-act=halt]")
        page.fill("input[name=reason]", "lunch")
        page.click("dialog button[type=submit]")
        page.wait_for_selector("dialog >> text=1 of 1 halted")
        page.click("dialog >> text=Leave")
        running.do(lambda: running.house.desk.tick(1.0899))
        page.wait_for_selector(".state:has-text('Breached')")
        page.wait_for_selector(".e-guard_breach")
        page.click("[aria-label='Back to the list']")
        page.wait_for_selector("tr[data-key='Demo-1/1002'].r-breached")
        page.keyboard.press("g")
        page.keyboard.press("i")
        page.click(".wide tr:has-text('Demo-1/1002'):has-text('Breach') >> th a")
        page.wait_for_selector("text=There is no such page")  # this desk keeps no verdicts
        browser.close()
    assert trouble == []
    halts = [command for _, command in running.house.desk.given if isinstance(command, Halt)]
    assert [(halt.reason, "ann" in halt.by) for halt in halts] == [("lunch", True)]
