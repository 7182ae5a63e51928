"""The book is read again while the engine runs: accounts come and go, whole or not at all."""

import pytest

from engine.domain import records
from engine.domain.ids import AccountKey
from engine.errors import UserError
from facade.access import tenants_of
from facade.api_parts import _spec_of
from facade.settings import read_settings
from tests.facade.reload_floor import SERVER, ReloadHouse, book_of, reload_house


async def kept(house: ReloadHouse, login: int) -> list[records.Record]:
    return list(await house.floor.engine.records(AccountKey(SERVER, login), 0, 1000))


async def test_an_account_that_came_is_guarded_and_the_others_do_not_notice() -> None:
    async with reload_house(1001) as house:
        epoch = house.state(1001).live.link.epoch  # type: ignore[union-attr]
        change = await house.reread(book_of([1001, 1002]))
        assert [one.spec.key.login for one in change.added] == [1002]
        assert house.logins() == [1001, 1002]
        house.link(1002)
        await house.reported(1002, 0)
        house.open(1001, 0.01)
        house.open(1002)
        await house.reported(1002, 1)
        house.quote(1.0900)
        await house.until(lambda: house.state(1002).is_halted and not house.held(1002))
        await house.until(lambda: not house.state(1002).positions)
        live = house.state(1001).live
        assert live is not None
        assert (live.link.is_linked, live.link.epoch) == (True, epoch)
        assert len(house.state(1001).positions) == 1
        found = await kept(house, 1002)
        assert isinstance(found[0], records.LinkChanged | records.AccountOpened)
        [breach] = [one for one in found if isinstance(one, records.GuardBreach)]
        assert await house.floor.engine.tapes.of_verdict(breach.verdict_id) is not None
        assert house.floor.engine.health().accounts == 2
        assert house.floor.engine.snapshot(AccountKey(SERVER, 1002)).login == 1002
        history = house.floor.engine.histories[SERVER]
        house.quote(1.0901)
        await house.until(lambda: history.buckets(AccountKey(SERVER, 1002), 1, 0, 2**52))


async def test_rules_are_given_to_who_came_where_the_book_was_read_again_and_not_elsewhere() -> (
    None
):
    async with reload_house(1001) as house:
        elsewhere = read_settings(house.settings.path)
        await house.reread(book_of([1001, 1002]))
        key = AccountKey(SERVER, 1002)
        assert _spec_of(house.settings, key, "house").key == key
        with pytest.raises(UserError, match="restart the process"):
            _spec_of(elsewhere, key, "house")


async def test_all_of_a_server_are_also_those_of_it_that_came() -> None:
    tenants = tenants_of({"north": [f"{SERVER}/*"]}, [AccountKey(SERVER, 1001)])
    assert AccountKey(SERVER, 1002) in tenants["north"]
    assert AccountKey("Demo-2", 1002) not in tenants["north"]


async def test_an_account_that_left_is_cut_off_and_what_it_was_stays_readable() -> None:
    async with reload_house(1001, 1002) as house:
        terminal = house.own.terminals[1002]
        change = await house.reread(book_of([1001]))
        assert [key.login for key in change.removed] == [1002]
        assert house.logins() == [1001]
        await house.until(lambda: terminal.ends[-1:] == ["refused"])
        assert not house.floor.gateway.is_linked(AccountKey(SERVER, 1002))
        assert house.floor.engine.snapshot(AccountKey(SERVER, 1002)).login == 1002
        assert house.floor.engine.health().is_ready
        house.open(1001)
        await house.reported(1001, 1)
        house.quote(1.0900)
        await house.until(lambda: not house.held(1001))
        with pytest.raises(UserError, match="needs a restart: Demo-1/1002: it left"):
            await house.reread(book_of([1001, 1002]))


async def test_an_account_that_holds_something_stays_and_nothing_else_is_changed() -> None:
    async with reload_house(1001, 1002) as house:
        house.open(1002, 0.01)
        await house.reported(1002, 1)
        with pytest.raises(UserError, match="1002 cannot leave the book: it has 1 open positions"):
            await house.reread(book_of([1001, 1003]))
        assert house.logins() == [1001, 1002]
        assert house.floor.gateway.is_linked(AccountKey(SERVER, 1002))


async def test_what_is_opened_while_it_leaves_keeps_it_and_its_terminal_comes_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with reload_house(1001, 1002) as house:
        part = house.floor.gateway.part

        async def opened_meanwhile(key: AccountKey) -> None:
            house.open(1002, 0.01)
            await house.reported(1002, 1)
            await part(key)

        monkeypatch.setattr(house.floor.gateway, "part", opened_meanwhile)
        with pytest.raises(UserError, match="1 open positions"):
            await house.reread(book_of([1001]))
        assert house.logins() == [1001, 1002]
        key = AccountKey(SERVER, 1002)
        await house.until(lambda: house.floor.gateway.is_linked(key))
        house.quote(0.5)
        await house.until(lambda: not house.held(1002))


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("percent = 5.0", "percent = 6.0", r"ruleset\[0\].guard\[0\].amount.percent"),
        ("digits = 5", "digits = 5\npip_size = 0.1", r"instrument\[0\].pip_size"),
        ("login = 1001\n", "login = 1001\nleverage = 50\n", r"account\[0\].leverage"),
        ("balance = 10000.0", "balance = 9000.0", r"account\[0\].balance"),
    ],
)
async def test_anything_else_needs_a_restart(was: str, now: str, said: str) -> None:
    async with reload_house(1001) as house:
        with pytest.raises(UserError, match=f"needs a restart: {said}"):
            await house.reread(book_of([1001, 1002]).replace(was, now, 1))
        assert house.logins() == [1001]


async def test_so_do_a_new_server_and_a_setting() -> None:
    async with reload_house(1001) as house:
        elsewhere = book_of([5], head="", server="Demo-2")
        with pytest.raises(UserError, match="needs a restart: Demo-2/5: its server is new"):
            await house.reread(book_of([1001]) + elsewhere)
        path = house.settings.path
        path.write_text(path.read_text().replace("heartbeat_ms = 100", "heartbeat_ms = 200"))
        with pytest.raises(UserError, match=r"needs a restart: link\.heartbeat_ms"):
            await house.reread(book_of([1001, 1002]))
        assert house.logins() == [1001]


async def test_a_book_with_a_mistake_changes_nothing_and_comments_are_none() -> None:
    async with reload_house(1001) as house:
        with pytest.raises(UserError, match="no ruleset `hose`"):
            await house.reread(
                book_of([1001, 1002]).replace('ruleset = "house"', 'ruleset = "hose"')
            )
        assert not await house.reread("# a word\n" + book_of([1001]))
        assert house.logins() == [1001]


async def test_the_resets_of_an_account_that_came_are_on_the_clock() -> None:
    async with reload_house(1001) as house:
        await house.reread(book_of([1001, 1002]))
        router = house.floor.engine._servers[SERVER].supervisor.router
        await house.until(lambda: router._scheduled[1] is house.state(1002).spec.guards)
        assert house.state(1002).spec.guards
