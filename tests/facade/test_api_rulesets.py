"""Rule sets of the book in words, and what one would make of an account before it is asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.domain.commands import Respec
from facade.queries_rulesets import hash_of
from tests.facade.api_house import ApiHouse, api_house
from tests.facade.fake_desk import FLOOR, key_of

ONE = "/accounts/Demo-1/1001"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[ApiHouse]:
    with api_house(tmp_path) as made:
        yield made


async def test_an_admin_sees_every_rule_set_of_the_book_in_words(house: ApiHouse) -> None:
    found = (await house.get("/rulesets", token=house.token("admin")))["rulesets"]
    assert [(one["name"], one["accounts"]) for one in found] == [
        ("house", 2),
        ("tight", 0),
        ("loose", 0),
    ]
    [floor] = found[1]["guards"]
    assert (floor["name"], floor["kind"], floor["action"]) == (
        "floor",
        "equity_limit",
        "close_and_halt",
    )
    assert "500.00 USD" in floor["words"]
    assert found[0]["currency"] == "USD"


async def test_others_see_the_rule_sets_of_their_accounts_alone(house: ApiHouse) -> None:
    for role in ("viewer", "service", "operator"):
        found = await house.get("/rulesets", token=house.token(role, "val", "Demo-1/1002"))
        assert [(one["name"], one["accounts"]) for one in found["rulesets"]] == [("house", 1)]


async def test_the_hash_is_that_of_a_verdict_on_such_an_account(house: ApiHouse) -> None:
    """A verdict has the guards as they were kept: plain values, and over a socket once more."""
    found = (await house.get("/rulesets", token=house.token("admin")))["rulesets"]
    kept = msgspec.to_builtins((FLOOR,))
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(kept))
    assert found[0]["ruleset_hash"] == hash_of(kept) == hash_of(again)
    assert len({one["ruleset_hash"] for one in found}) == 3


async def test_other_rules_are_shown_in_money_before_they_are_asked_for(house: ApiHouse) -> None:
    house.desk.tick(1.0935)  # 650 below
    admin = house.token("admin")

    async def seen(name: str) -> Any:
        return await house.get(f"{ONE}/ruleset?ruleset={name}", token=admin)

    loose = await seen("loose")
    [floor] = loose["guards"]
    assert (loose["in_force"], loose["is_tighter"], loose["equity"]) == ("house", False, 9_350.0)
    assert (floor["before"]["floor"], floor["after"]["floor"]) == (9_000.0, 8_000.0)
    assert (floor["before"]["room"], floor["after"]["room"]) == (350.0, 1_350.0)
    assert (floor["before"]["used_percent"], floor["breaches"]) == (65.0, False)
    tight = await seen("tight")
    [floor] = tight["guards"]
    assert (tight["is_tighter"], floor["breaches"], floor["after"]["room"]) == (True, True, -150.0)
    assert house.desk.given == [], "nothing was asked of the account"
    assert house.desk.snapshot(key_of(1001)).ruleset == "house"


async def test_what_was_shown_is_what_comes(house: ApiHouse) -> None:
    admin = house.token("admin")
    [shown] = (await house.get(f"{ONE}/ruleset?ruleset=tight", token=admin))["guards"]
    body = {"ruleset": "tight", "reason": "review"}
    await house.ask("PUT", f"{ONE}/ruleset", json=body, token=admin)
    assert isinstance(house.desk.given[-1][1], Respec)
    house.desk.tick(1.1010)
    [now] = (await house.get(ONE))["guards"]
    assert (now["floor"], now["distance"]) == (shown["after"]["floor"], shown["after"]["room"])


async def test_a_rule_set_that_the_book_has_not_is_refused_by_name(house: ApiHouse) -> None:
    path = f"{ONE}/ruleset?ruleset=nonsense"
    refused = await house.ask("GET", path, token=house.token("admin"))
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "ruleset"
    assert "nonsense" in refused.text
