"""The OpenAPI document is valid, and what the API does is what it says."""

import json
import string
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from facade.access_policy import ROUTES
from tests.facade.api_house import ApiHouse, api_house


@pytest.fixture
def house(tmp_path: Path) -> ApiHouse:
    with api_house(tmp_path) as found:
        return found


async def document(house: ApiHouse) -> Any:
    answer = await house.ask("GET", "./openapi.json", token="")
    assert answer.status_code == 200
    return json.loads(answer.content)


async def test_the_document_is_a_valid_one(house: ApiHouse) -> None:
    validate(await document(house))


async def test_every_route_of_the_api_is_in_it(house: ApiHouse) -> None:
    told = await document(house)
    named = {
        (method.upper(), path) for path, methods in told["paths"].items() for method in methods
    }
    pages = {"/", "/docs", "/openapi.json", "/static/{path}", "/a/{server}/{login}", "/v/{id}"}
    wanted = {(m, path) for m, path in ROUTES if path not in pages and path != "/api/v1/ws"}
    assert named == wanted


async def test_the_page_of_it_needs_no_other_server(house: ApiHouse) -> None:
    page = (await house.ask("GET", "./docs", token="")).text
    assert "https://" not in page
    assert "<script" not in page
    assert "/api/v1/positions/open" in page


async def test_every_answer_fits_its_schema_whatever_is_asked(house: ApiHouse) -> None:
    """Schemathesis in process: made-up requests of every operation, none may contradict it."""
    import schemathesis

    told = await document(house)
    del told["paths"]["/api/v1/stream"]  # without an end
    del told["paths"]["/api/v1/session"]["delete"]  # ends the session that it is asked by
    made = schemathesis.openapi.from_dict(told)
    asked = 0
    for result in made.get_all_operations():
        operation: Any = result
        operation = operation.ok()
        for case in cases_of(operation):
            await check(house, operation, case)
            asked += 1
    assert asked > 100


def cases_of(operation: Any) -> list[Any]:
    """A few made-up requests, the same ones at each run."""
    from hypothesis import HealthCheck, Phase, given, settings

    cases: list[Any] = []

    def collect(case: Any) -> None:
        cases.append(case)

    how = settings(
        max_examples=8,
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    how(given(case=operation.as_strategy())(collect))()
    return cases


async def check(house: ApiHouse, operation: Any, case: Any) -> None:
    """One request, and its answer against the document."""
    sent = case.as_transport_kwargs(base_url="http://desk")
    role = {"intents": "service"}.get(operation.path.rpartition("/")[2], "admin")
    headers = {
        name: value
        for name, value in dict(sent.get("headers") or {}).items()
        if all(letter in string.printable and letter not in "\r\n" for letter in str(value))
    }
    headers["Authorization"] = f"Bearer {house.token(role)}"
    house.access.now_s += 60  # so that no allowance is spent
    async with house.client() as client:
        answer = await client.request(
            sent["method"],
            sent["url"],
            params=sent.get("params"),
            headers=headers,
            json=sent.get("json"),
        )
    assert answer.status_code < 500, (operation.path, answer.text)
    assert str(answer.status_code) in operation.definition.raw["responses"], operation.path
    operation.validate_response(answer)
