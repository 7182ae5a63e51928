"""The OpenAPI document is valid, and what the API does is what it says."""

import json
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from facade import limits
from facade.access_policy import ROUTES
from facade.limits import Limits
from tests.facade import access_desk
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


def test_nothing_that_is_asked_contradicts_the_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Schemathesis in process, with all the checks it has: valid requests are taken and made-up
    ones refused, by the statuses, types and schemas of the document, and none without a token."""
    import schemathesis
    from schemathesis import engine
    from schemathesis.engine import events

    monkeypatch.setattr(access_desk, "Limits", UNLIMITED)
    monkeypatch.setattr(limits, "KILLS_PER_MINUTE", 10**6)
    monkeypatch.setattr(limits, "PROBES_PER_MINUTE", 10**6)
    with api_house(tmp_path) as house:
        made: Any = schemathesis.openapi.from_asgi("/openapi.json", house.app)
        made = made.exclude(path="/api/v1/stream")  # without an end
        made.auth()(signing(house))
        made.config.seed = 1
        modes = schemathesis.GenerationMode
        made.config.generation.update(
            max_examples=5,
            database="none",
            modes=[modes.POSITIVE, modes.NEGATIVE],
        )
        ran: Counter[str] = Counter()
        phases: set[str] = set()
        failed: dict[tuple[str, ...], str] = {}
        for event in engine.from_schema(made).execute():
            assert not isinstance(event, events.FatalError | events.NonFatalError), event
            if isinstance(event, events.PhaseFinished) and event.status.name == "SUCCESS":
                phases.add(event.phase.name.name)
            if not isinstance(event, events.ScenarioFinished):
                continue
            for check in (one for some in event.recorder.checks.values() for one in some):
                ran[check.name] += 1
                if check.failure_info is not None:
                    place = (check.name, str(event.recorder.label))
                    failed[place] = str(check.failure_info.failure)
    assert failed == {}
    assert ran.keys() == set(schemathesis.checks.CHECKS.get_all_names())
    assert min(ran.values()) > 500
    assert {"COVERAGE", "FUZZING"} <= phases


UNLIMITED = partial(Limits, requests_per_minute=10**6, unauthenticated_per_minute=10**6)


def signing(house: ApiHouse) -> type:
    """What signs a request as somebody who may."""

    class Signed:
        def get(self, case: Any, context: Any) -> str:
            del context
            role = "service" if case.operation.path.endswith("/intents") else "admin"
            return house.token(role)

        def set(self, case: Any, data: str, context: Any) -> None:
            del context
            case.headers = {**(case.headers or {}), "Authorization": f"Bearer {data}"}

    return Signed


async def test_a_method_that_is_not_there_is_told_which_are(house: ApiHouse) -> None:
    answer = await house.ask("PATCH", "/approvals")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
