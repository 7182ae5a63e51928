"""The dashboard's files as they are served."""

import re

import httpx
import pytest
import trio
from starlette.applications import Starlette

from facade.access_policy import policy_of
from facade.pages import Pages

PAGES = Pages()


class Client:
    """Asks the routes as a server would."""

    def get(self, path: str, headers: dict[str, str] | None = None) -> httpx.Response:
        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(app=Starlette(routes=[*PAGES.routes()]))
            async with httpx.AsyncClient(transport=transport, base_url="http://desk") as session:
                return await session.get(path, headers=headers)

        return trio.run(asked)


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.mark.parametrize("path", ["/", "/a/Demo-1/1001", "/v/vrd_7Q"])
def test_the_page_is_the_same_at_its_addresses_and_asked_for_anew(
    client: Client, path: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-cache"
    assert "BUILD" not in answer.text
    again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


def test_what_has_the_name_of_its_content_is_kept_for_good(client: Client) -> None:
    for path in re.findall(r'(?:href|src)="(/static/[^"]+)"', client.get("/").text):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "immutable" in answer.headers["cache-control"]
    other = client.get("/static/000000000000/main.js")
    assert other.headers["cache-control"] == "no-cache"


def test_every_module_that_is_imported_is_served(client: Client) -> None:
    for name, asset in PAGES.assets.items():
        if not name.endswith(".js") or "/" in name:
            continue
        for imported in re.findall(r'from "\./([^"]+)"', asset.body.decode()):
            assert imported in PAGES.assets, f"{name} imports {imported}"


def test_the_policy_allows_nothing_inline_and_nothing_foreign(client: Client) -> None:
    policy = client.get("/").headers["content-security-policy"]
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    markup = client.get("/").text
    assert not re.search(r"<script>|<style|\sstyle=|\son\w+=", markup)


def test_no_path_of_the_disk_is_made_of_what_is_asked_for(client: Client) -> None:
    for path in ["../pages.py", "..%2fpages.py", "index.html", "", "vendor/%2e%2e/main.js", "%00"]:
        answer = client.get(f"/static/{PAGES.build}/{path}")
        assert answer.status_code == 404, path
        assert "nosniff" in answer.headers["x-content-type-options"]


def test_the_licence_goes_with_what_is_vendored(client: Client) -> None:
    assert "MIT" in client.get(f"/static/{PAGES.build}/vendor/LICENSE").text


def test_every_address_of_the_page_has_its_policy() -> None:
    missing = []
    for route in PAGES.routes():
        try:
            assert policy_of("GET", route.path).is_public
        except KeyError:
            missing.append(route.path)
    assert missing == []
