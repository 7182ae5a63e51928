"""The report in a real browser: it draws, sorts, zooms, prints and fits, and asks nobody."""

from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from facade.report.packing import pack
from facade.report.page import render
from tests.facade.report.pages import START_MSC, MadeStream, account, falling, replayed

CHARTS = 5
"""Three accounts were valued, and two of them breached."""
NOT_BLANK = """figure => {
  const canvas = figure.querySelector("canvas");
  const bytes = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let i = 0; i < bytes.length; i += 4)
    seen.add(bytes[i] << 16 | bytes[i + 1] << 8 | bytes[i + 2]);
  return seen.size;
}"""
INK = """figure => {
  const canvas = figure.querySelector("canvas");
  const bytes = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let total = 0, count = 0;
  for (let i = 0; i < bytes.length; i += 4)
    if (bytes[i + 3] > 200) { total += bytes[i] + bytes[i + 1] + bytes[i + 2]; count++; }
  return total / count / 3;
}"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of four accounts: breached, kept, never valued, and breached."""
    accounts = account(1001) + account(1002, lots=0.5) + account(1003, symbol="USDJPY")
    accounts += account(1004, balance=9_000.0, lots=2.0)
    rows = [
        (START_MSC + n * 250, 0, bid, round(bid + 0.3, 2))
        for n, bid in enumerate(falling(1291.0, 2_000) + [1292.0, 1293.0] * 2_000)
    ]
    result = replayed(accounts, MadeStream(("XAUUSD",), rows), compare_poll=["10s", "30s"])
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(render(result), encoding="utf-8")
    return path.as_uri()


class Opened:
    """A page with all it complained of and asked for."""

    def __init__(self, browser: Browser, address: str, **context: Any) -> None:
        self.context = browser.new_context(**context)
        self.page: Page = self.context.new_page()
        self.trouble: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto(address)
        self.page.wait_for_selector("html[data-ready]")

    def _hear(self, message: ConsoleMessage) -> None:
        if "willReadFrequently" not in message.text:  # said of the tests' own look at a canvas
            self.trouble.append(message.text)

    def draw_all(self) -> list[Any]:
        """Scrolls every chart into view, and gives their figures."""
        figures = self.page.query_selector_all("figure[data-chart]")
        for figure in figures:
            figure.scroll_into_view_if_needed()
            figure.wait_for_selector("canvas")
        self.page.wait_for_timeout(50)
        return figures


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_draws_in_both_schemes_and_asks_nobody(
    browser: Browser, report: str, scheme: str
) -> None:
    opened = Opened(browser, report, color_scheme=scheme)
    figures = opened.draw_all()
    assert len(figures) == CHARTS
    assert all(figure.evaluate(NOT_BLANK) > 8 for figure in figures)
    ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(15, 20, 26)" if scheme == "dark" else "rgb(244, 246, 248)")
    assert opened.trouble == []
    assert [url for url in opened.asked if url != report and not url.startswith("data:")] == []
    opened.context.close()


def test_charts_take_the_colours_of_a_scheme_that_changes(browser: Browser, report: str) -> None:
    opened = Opened(browser, report, color_scheme="light")
    figure = opened.draw_all()[0]
    before = figure.evaluate(INK)
    opened.page.emulate_media(color_scheme="dark")
    opened.page.wait_for_timeout(100)
    assert figure.evaluate(INK) < before - 20  # the halos of labels are as dark as the panel
    opened.context.close()


def test_charts_are_drawn_only_when_they_come_into_view(browser: Browser, report: str) -> None:
    opened = Opened(browser, report, viewport={"width": 1000, "height": 500})
    assert len(opened.page.query_selector_all("canvas")) < CHARTS
    opened.draw_all()
    assert len(opened.page.query_selector_all("canvas")) == CHARTS
    opened.context.close()


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_the_body_never_scrolls_sideways(browser: Browser, report: str, width: int) -> None:
    opened = Opened(browser, report, viewport={"width": width, "height": 700})
    opened.draw_all()
    for twin in opened.page.query_selector_all("details > summary"):
        twin.click()
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    unreachable = opened.page.evaluate(
        "[...document.querySelectorAll('.scroll')]"
        ".filter(box => box.scrollWidth > box.clientWidth && box.tabIndex !== 0).length"
    )
    assert unreachable == 0
    opened.context.close()


def test_a_column_sorts_by_its_numbers_with_unknown_last(browser: Browser, report: str) -> None:
    opened = Opened(browser, report)
    head = opened.page.locator("#accounts th", has_text="Max drawdown")

    def logins() -> list[str]:
        return opened.page.locator("#accounts tbody tr > th a").all_inner_texts()

    head.locator("button").focus()
    opened.page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    ascending = logins()
    opened.page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert ascending[-1] == logins()[-1] == "1003"
    assert ascending[:-1] == logins()[:-1][::-1]
    assert sorted(ascending) == ["1001", "1002", "1003", "1004"]
    opened.context.close()


def test_a_chart_is_read_and_zoomed_by_keyboard(browser: Browser, report: str) -> None:
    opened = Opened(browser, report)
    figure = opened.draw_all()[0]
    plot = figure.query_selector(".plot")
    resting = figure.query_selector(".readout").inner_text()
    plot.focus()
    opened.page.keyboard.press("ArrowLeft")
    first = figure.query_selector(".readout").inner_text()
    assert "equity" in first
    assert "floor" not in resting
    opened.page.keyboard.press("PageUp")
    assert figure.query_selector(".readout").inner_text() != first
    whole = figure.evaluate(NOT_BLANK)
    opened.page.keyboard.press("+")
    opened.page.keyboard.press("Escape")
    opened.page.wait_for_timeout(50)
    assert abs(figure.evaluate(NOT_BLANK) - whole) < 40
    assert opened.trouble == []
    opened.context.close()


def test_a_table_stands_beside_every_chart(browser: Browser, report: str) -> None:
    opened = Opened(browser, report)
    for figure in opened.draw_all():
        figure.query_selector("summary").click()
        table = figure.wait_for_selector("details table")
        assert table.query_selector("caption").inner_text()
        rows = table.query_selector_all("tbody tr")
        assert len(rows) >= 12
        assert all(cell.inner_text() for cell in rows[0].query_selector_all("td"))
    opened.context.close()


def test_printing_draws_everything_in_the_colours_of_paper(browser: Browser, report: str) -> None:
    opened = Opened(browser, report, color_scheme="dark", viewport={"width": 1000, "height": 400})
    opened.page.emulate_media(media="print", color_scheme="dark")
    opened.page.wait_for_timeout(300)
    assert len(opened.page.query_selector_all("canvas")) == CHARTS
    ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    widths = opened.page.evaluate(
        "[...document.querySelectorAll('.uplot')].map(plot => plot.getBoundingClientRect().width)"
    )
    assert max(widths) <= 660
    assert opened.page.pdf(format="A4").startswith(b"%PDF")
    assert opened.trouble == []
    opened.context.close()


def test_numbers_are_unpacked_as_they_were_packed(browser: Browser, report: str) -> None:
    opened = Opened(browser, report)
    values = [0, 1, -1, 63, 64, -65, 2**31, -(2**31), 2**51, -(2**51), 0]
    assert opened.page.evaluate("text => Tide.unpack(text)", pack(values)) == values
    shown = opened.page.evaluate(
        "[[-1234567.5, 2], [-0.001, 2], [1e6, 0], [null, 2]].map(asked => Tide.money(...asked))"
    )
    assert shown == ["\u22121\u202f234\u202f567.50", "0.00", "1\u202f000\u202f000", "—"]
    opened.context.close()
