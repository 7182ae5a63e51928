"""The dashboard as a test opens it: signed in, with all it complained of and asked for."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.browser.fake_api import TOKEN, FakeApi

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
)
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
PATIENCE_MS = 30_000


class Desk:
    """A signed-in page, with all it complained of and asked for."""

    def __init__(self, browser: Browser, api: FakeApi, path: str = "/", **context: Any) -> None:
        context.setdefault("viewport", {"width": 1280, "height": 800})
        self.context = browser.new_context(**context)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.trouble: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(api.address + path)
        self.page.fill("#token", TOKEN)
        self.page.click("button:has-text('Sign in')")
        self.page.wait_for_selector("html[data-ready]")

    def _hear(self, message: ConsoleMessage) -> None:
        # A refused request is said on the console by the browser itself; the tests cause those.
        if "Failed to load resource" not in message.text:
            self.trouble.append(message.text)

    def row(self, login: int) -> str:
        return f'tr[data-key="Demo-1/{login}"]'

    def close(self) -> None:
        assert self.trouble == []
        self.context.close()


def violations(page: Page) -> list[str]:
    found: list[str] = page.evaluate(
        """async () => (await axe.run()).violations.flatMap(one => one.nodes.map(
          node => `${one.id}: ${node.target} ${node.failureSummary}`))"""
    )
    return found
