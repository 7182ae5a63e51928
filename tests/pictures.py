"""Makes the pictures of the README from the demo's own report: `make pictures`.

Needs Chromium; run `make demo` first.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
REPORT = ROOT / "out" / "demo" / "report.html"
IMAGES = ROOT / "docs" / "images"
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
ACCOUNT = "#account-1"
"""Breached by the news jump: the twelve lines of the demo name it first among the trailing ones."""


def main() -> int:
    """Writes breach and overview pictures in both schemes."""
    program = shutil.which("chromium")
    if program is None or not REPORT.exists():
        print("needs chromium, and out/demo/report.html from `make demo`", file=sys.stderr)
        return 2
    IMAGES.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 1180, "height": 760}, color_scheme=scheme)
            page.goto(REPORT.as_uri())
            page.wait_for_selector("html[data-ready]")
            page.screenshot(path=IMAGES / f"report-{scheme}.png")
            verdict = page.locator(f"{ACCOUNT} .verdict").first
            verdict.scroll_into_view_if_needed()
            page.wait_for_timeout(500)
            verdict.screenshot(path=IMAGES / f"breach-{scheme}.png")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
