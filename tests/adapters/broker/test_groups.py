"""Accounts of one server in groups with different prices."""

from typing import Any

from adapters.broker.market import Symbol
from adapters.broker.requests import Kind, Request
from adapters.broker.server import TradeServer
from engine.domain.ids import AccountKey
from engine.domain.positions import Side
from tests.adapters.broker.server_world import NOON_MSC, PRICES, symbol, terms

PLAIN, DEAR = 1001, 1002
"""20 points of five digits are two pips."""


def two_groups(**more: Symbol) -> TradeServer:
    server = TradeServer([more.get(name, symbol(name)) for name in PRICES])
    for login, points in ((PLAIN, 0.0), (DEAR, 20.0)):
        key = AccountKey("Demo-1", login)
        server.open_account(terms(key=key, markup_points=points), 10_000.0, NOON_MSC)
    for name, (bid, ask) in PRICES.items():
        server.quote(name, bid, ask, NOON_MSC)
    return server


def bought(server: TradeServer, login: int, **more: Any) -> float:
    """Buys a lot of EURUSD; at which price."""
    request = Request(kind=Kind.DEAL, symbol="EURUSD", side=Side.BUY, lots=1.0, **more)
    answer = server.execute_now(login, request, NOON_MSC)
    assert answer.is_done
    return answer.price


def test_it_fills_and_values_at_its_own_prices() -> None:
    server = two_groups()
    assert (bought(server, PLAIN), bought(server, DEAR)) == (1.1001, 1.1003)
    server.quote("EURUSD", 1.1050, 1.1051, NOON_MSC + 1000)
    equity = {login: one.equity_minor() for login, one in server.accounts.items()}
    assert equity == {PLAIN: 1_000_000 + 49_000, DEAR: 1_000_000 + 45_000}
    assert server.accounts[DEAR].market.quotes["USDJPY"][:2] == (149.98, 150.03)


def test_its_stop_is_reached_where_that_of_another_group_is_not() -> None:
    server = two_groups()
    for login in (PLAIN, DEAR):
        bought(server, login, stop_loss=1.0980)
    server.quote("EURUSD", 1.0981, 1.0982, NOON_MSC + 1000)
    assert [len(server.accounts[login].positions) for login in (PLAIN, DEAR)] == [1, 0]
    assert server.accounts[DEAR].deals[-1].price == 1.0979


def test_an_account_can_be_put_into_another_group() -> None:
    server = two_groups()
    key = AccountKey("Demo-1", PLAIN)
    server.change_terms(terms(key=key, markup_points=50.0))
    assert server.accounts[PLAIN].market.quotes["EURUSD"][:2] == (1.0995, 1.1006)
    server.change_terms(terms(key=key))
    assert server.accounts[PLAIN].market.quotes["EURUSD"][:2] == PRICES["EURUSD"]
