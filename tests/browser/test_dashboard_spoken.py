"""What Chromium hands to a screen reader: names, roles, values and their order.

It is the accessibility tree, not a listener: how a reader speaks it was not heard.
"""

from typing import Any, NamedTuple

from msgspec.structs import replace
from playwright.sync_api import Browser, Page

from tests.browser.desk_page import Desk
from tests.browser.desk_world import account, live, position
from tests.browser.fake_api import FakeApi

NAMED = {
    "article", "button", "checkbox", "columnheader", "combobox", "dialog", "heading",
    "link", "meter", "navigation", "radio", "region", "rowheader", "searchbox", "table", "textbox",
}  # fmt: skip
"""Roles that say nothing to anybody without a name."""


class Spoken(NamedTuple):
    """One node of the tree."""

    role: str
    name: str
    description: str
    value: Any
    states: dict[str, Any]


def tree(page: Page, under: str = "RootWebArea") -> list[Spoken]:
    """All that is not ignored, in order, from the first node of that role down."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    by_id = {node["nodeId"]: node for node in nodes}
    found: list[Spoken] = []

    def walk(node: Any, *, is_in: bool) -> None:
        role = node.get("role", {}).get("value", "")
        is_here = is_in or role == under
        if is_here and not node.get("ignored"):
            states = {one["name"]: one["value"].get("value") for one in node.get("properties", ())}
            texts = [node.get(key, {}).get("value", "") for key in ("name", "description")]
            value = node.get("value", {}).get("value")
            found.append(Spoken(role, texts[0], texts[1], value, states))
        for child in node.get("childIds", ()):
            if child in by_id:
                walk(by_id[child], is_in=is_here)

    walk(nodes[0], is_in=under == "RootWebArea")
    return found


def names(nodes: list[Spoken], *roles: str) -> list[str]:
    return [one.name for one in nodes if one.role in roles]


def nameless(nodes: list[Spoken]) -> list[str]:
    return [one.role for one in nodes if one.role in NAMED and not one.name.strip()]


def test_the_list_reads_in_order_and_its_meters_have_values(desk: Desk) -> None:
    nodes = tree(desk.page)
    assert nameless(nodes) == []
    assert names(nodes, "link")[:3] == ["To the accounts", "Tidegate, to the list", "Accounts"]
    places = [one.role for one in nodes if one.role in ("banner", "navigation", "main", "table")]
    assert places == ["banner", "navigation", "main", "table"]
    heads = names(nodes, "columnheader")
    assert heads[:3] == ["State", "Login", "Server"]
    assert {"% used", "Disc, discrepancies"} <= set(heads)
    assert not [name for name in heads if set(name) & set("▸▾↑↓")], "arrows are for the eye"
    meters = {one.name: one.value for one in nodes if one.role == "meter"}
    assert round(meters["1011: daily_loss used"], 1) == 88.1
    assert "1021: daily_loss used: unknown" in names(nodes, "image", "img")
    assert not [name for name in meters if name.startswith("1021")], "nothing is heard as zero"
    used = desk.page.locator(f"{desk.row(1007)} td.c-used")
    assert used.aria_snapshot() == '- cell "103 %":\n  - \'meter "1007: daily_loss used"\''


def test_a_number_that_is_not_known_is_heard(desk: Desk) -> None:
    cells = desk.page.locator(f"{desk.row(1021)} td")
    assert cells.nth(5).aria_snapshot() == '- cell "no value":\n  - img "no value": —'


def test_a_row_that_has_the_focus_is_a_sentence(desk: Desk) -> None:
    page = desk.page
    page.keyboard.press("j")
    page.keyboard.press("j")
    said = page.locator("tr:focus").get_attribute("aria-label") or ""
    assert said.startswith("1003 on Demo-1. Breached: daily_loss breached; 690.00 USD below the")
    page.keyboard.press("j")
    assert page.locator("tr[aria-label]").count() == 1
    [row] = [one for one in tree(page) if one.role == "row" and one.states.get("focused")]
    assert row.name.startswith("1021 on Demo-1. Unknown: XAGUSD has no quote yet")


def test_an_account_reads_from_its_sentence_to_its_link(desk: Desk) -> None:
    page = desk.page
    page.click(desk.row(1007))
    page.wait_for_selector(".legend li")
    nodes = tree(page, "article")
    assert nameless(nodes) == []
    assert nodes[0].name == "Account 1007 on Demo-1"
    # Panes of the chart, of the third level, come as what they are of is read.
    headings = [one.name for one in nodes if one.role == "heading" and one.states["level"] < 3]
    month = next(one for one in headings if one.startswith("Days of "))
    assert headings == [
        "Account 1007 Demo-1", "Closes in flight 2", "Guards", "Equity and floors", "Positions 3",
        "Pending orders", "Discrepancies", "Events", month, "Link",
    ]  # fmt: skip
    said = names(nodes, "StaticText")
    assert said.index("Closing 1 of 3") < said.index("Equity") < said.index("Build")
    [guard] = [one for one in nodes if one.role == "button" and one.name == "daily_loss"]
    assert guard.states["expanded"] is False
    page.click("[data-guard=daily_loss]")
    page.wait_for_selector("[data-guard=daily_loss][aria-expanded=true]:focus")
    today = page.locator("td[aria-current=date]").aria_snapshot()
    assert "1 breach result" in today
    assert ", lowest" in today


def test_a_dialog_says_what_it_is_about_before_its_buttons(desk: Desk) -> None:
    page = desk.page
    page.click(desk.row(1011))
    for act, verb, told in (
        ("halt", "Halt", "No new positions. 2 open positions stay."),
        ("flatten", "Flatten 2 positions (3.20 lots)", "This cannot be undone."),
    ):
        page.click(f"[data-act={act}]")
        nodes = tree(page, "dialog")
        assert nameless(nodes) == []
        assert nodes[0].name.endswith(" 1011")
        assert told in nodes[0].description, "the focus is on Cancel: it is read all the same"
        buttons = [one for one in nodes if one.role == "button"]
        assert [one.name for one in buttons] == ["Cancel", verb]
        assert buttons[0].states.get("focused") is True
        assert bool(buttons[1].states.get("disabled")) is (act == "flatten")
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")
    page.click("text=Stop everything…")
    nodes = tree(page, "dialog")
    assert names(nodes, "textbox") == ["Reason", "Type HALT ALL to go on"]
    checked = {one.name: one.states.get("checked") for one in nodes if one.role == "radio"}
    assert list(checked.values()) == ["true", "false"]


def test_rules_and_adoption_read_as_tables_with_names(browser: Browser) -> None:
    held = account(1001, 98_500.0, live=live(equity=98_500.0))
    by_hand = replace(held, positions=(position(601, "XAUUSD", 2.2, -4_110.0, intent=None),))
    api = FakeApi([by_hand], role="admin")
    api.start()
    desk = Desk(browser, api, "/a/Demo-1/1001")
    desk.page.click("[data-act=rules]")
    desk.page.wait_for_selector("dialog option[value=tight]", state="attached")
    desk.page.select_option("select[name=ruleset]", "tight")
    desk.page.wait_for_selector("dialog tbody tr")
    nodes = tree(desk.page, "dialog")
    assert nameless(nodes) == []
    assert names(nodes, "table", "combobox") == ["Rule set of the book", "Now and then"]
    assert names(nodes, "rowheader") == ["daily_loss", "overall"]
    desk.page.keyboard.press("Escape")
    desk.page.click("[data-act=adopt]")
    nodes = tree(desk.page, "dialog")
    assert nameless(nodes) == []
    assert names(nodes, "table") == ["What is adopted"]
    assert "Nothing is traded" in nodes[0].description
    desk.close()
    api.stop()


def test_a_breach_is_put_into_the_live_regions(browser: Browser, api: FakeApi) -> None:
    desk = Desk(browser, api, "/a/Demo-1/1100")
    desk.page.wait_for_selector("[data-fill=sentence]:has-text('Known')")
    regions = [one for one in tree(desk.page) if one.role in ("status", "alert")]
    assert [one.states.get("live") for one in regions] == ["polite", "assertive"]
    api.put(account(1100, 94_000.0, live=live(equity=94_000.0)))
    desk.page.wait_for_selector("#assertive:has-text('1100 breached daily_loss')", state="attached")
    desk.page.wait_for_selector("#polite:has-text('1100')", state="attached")
    spoken = tree(desk.page)
    [loud] = [place for place, one in enumerate(spoken) if one.role == "alert"]
    assert spoken[loud + 1].name == "1100 breached daily_loss"
    desk.close()
