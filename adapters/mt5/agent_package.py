"""The `MetaTrader5` package as the agent uses it: every call, its fields, and its `None`.

The package is Windows-only, blocks, and is not safe to call from two threads: one poll thread owns
every call in this file. It answers `None` when a query failed, and an empty tuple when there is
nothing; here the first is `None` again and never taken for the second.
Source of names: the MetaTrader 5 Python library's documentation.
"""

import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any, NamedTuple

from adapters.mt5 import frames
from adapters.mt5.constants import BID_AND_ASK, OrderType, fillings_allowed
from engine.domain.reports import (
    AccountReport,
    DealReport,
    OrderReport,
    PositionReport,
    SpecReport,
)
from engine.errors import AdapterError, UserError

_DEAL, _CLOSE_BY, _REMOVE = 1, 10, 8
"""TRADE_ACTION."""
_TIME_GTC = 0
HISTORY_AHEAD = timedelta(days=1)
"""History is asked for up to here: the server's clock may be ahead of this machine's."""


def load_package() -> Any:
    """The package.

    Raises:
        UserError: it is not there; says what to install where.
    """
    try:
        return import_module("MetaTrader5")
    except ImportError as error:
        where = "" if sys.platform == "win32" else f" (this is {sys.platform})"
        raise UserError(
            f"the MetaTrader5 package is not installed{where}",
            help="on Windows, beside the terminal: pip install MetaTrader5",
        ) from error


class Facts(NamedTuple):
    """Who the terminal is."""

    login: int
    server: str
    company: str
    currency: str
    currency_digits: int
    margin_mode: int
    leverage: int
    build: int


class Package:
    """Calls into the package. One thread's."""

    def __init__(self, mt5: Any, now: Callable[[], datetime]) -> None:
        """`mt5`: the module; `now`: UTC."""
        self._mt5 = mt5
        self._now = now
        self._facts: Facts | None = None

    def open(self, terminal_path: str | None) -> Facts:
        """Attaches to the terminal.

        Raises:
            AdapterError: it does not answer, or no account is logged in.
        """
        arguments = () if terminal_path is None else (terminal_path,)
        if not self._mt5.initialize(*arguments):
            raise self._failed("the terminal does not answer")
        account, terminal = self._mt5.account_info(), self._mt5.terminal_info()
        if account is None or terminal is None:
            raise self._failed("the terminal is not logged in to an account")
        self._facts = Facts(
            account.login,
            account.server,
            account.company,
            account.currency,
            account.currency_digits,
            account.margin_mode,
            account.leverage,
            terminal.build,
        )
        return self._facts

    def is_connected(self) -> bool:
        """Whether the terminal is at the broker's server, in the account it was opened for.

        Raises:
            AdapterError: somebody has logged it in to another account.
        """
        terminal = self._mt5.terminal_info()
        if terminal is None or not terminal.connected:
            return False
        account = self._mt5.account_info()
        if account is None:
            return False
        facts = self._facts
        if facts is not None and (account.login, account.server) != (facts.login, facts.server):
            raise AdapterError(
                f"the terminal went from {facts.login} to another account",
                system="MetaTrader5",
                retry=True,
            )
        return True

    def close(self) -> None:
        """Lets the terminal go."""
        self._mt5.shutdown()

    def account(self) -> AccountReport | None:
        """The broker's arithmetic; None: the query failed."""
        found = self._mt5.account_info()
        if found is None:
            return None
        return AccountReport(
            balance=found.balance,
            credit=found.credit,
            equity=found.equity,
            margin=found.margin,
            profit=found.profit,
            margin_level=found.margin_level or None,
            trade_allowed=bool(found.trade_allowed and found.trade_expert),
        )

    def positions(self) -> tuple[PositionReport, ...] | None:
        """Everything open; None: the query failed, which is not the same as nothing."""
        found = self._mt5.positions_get()
        if found is None:
            return None
        return tuple(
            PositionReport(
                identifier=one.identifier,
                ticket=one.ticket,
                symbol=one.symbol,
                type=one.type,
                volume=one.volume,
                price_open=one.price_open,
                sl=one.sl,
                tp=one.tp,
                swap=one.swap,
                profit=one.profit,
                magic=one.magic,
                comment=one.comment,
                reason=one.reason,
                time_msc=one.time_msc,
                time_update_msc=one.time_update_msc,
            )
            for one in found
        )

    def orders(self) -> tuple[OrderReport, ...] | None:
        """Everything that rests; None: the query failed."""
        found = self._mt5.orders_get()
        if found is None:
            return None
        return tuple(
            OrderReport(
                ticket=one.ticket,
                symbol=one.symbol,
                type=one.type,
                volume_current=one.volume_current,
                price_open=one.price_open,
                volume_initial=one.volume_initial,
                sl=one.sl,
                tp=one.tp,
                state=one.state,
                magic=one.magic,
                comment=one.comment,
                position_id=one.position_id,
                time_setup_msc=one.time_setup_msc,
            )
            for one in found
        )

    def deals(self, since_msc: int) -> tuple[DealReport, ...] | None:
        """Deals from that server time on, oldest first; None: the query failed."""
        since = datetime.fromtimestamp(since_msc / 1000.0, UTC)
        found = self._mt5.history_deals_get(since, self._now() + HISTORY_AHEAD)
        if found is None:
            return None
        made = [
            DealReport(
                ticket=one.ticket,
                order=one.order,
                position_id=one.position_id,
                symbol=one.symbol,
                type=one.type,
                entry=one.entry,
                volume=one.volume,
                price=one.price,
                profit=one.profit,
                swap=one.swap,
                commission=one.commission,
                fee=one.fee,
                magic=one.magic,
                comment=one.comment,
                reason=one.reason,
                time_msc=one.time_msc,
            )
            for one in found
        ]
        return tuple(sorted(made, key=lambda deal: deal.ticket))

    def specs(self, symbols: Iterable[str]) -> tuple[SpecReport, ...] | None:
        """What is known of these symbols; None: one of the queries failed."""
        made = []
        for symbol in symbols:
            one = self._mt5.symbol_info(symbol)
            if one is None:
                return None
            made.append(
                SpecReport(
                    name=one.name,
                    digits=one.digits,
                    trade_contract_size=one.trade_contract_size,
                    trade_calc_mode=one.trade_calc_mode,
                    currency_base=one.currency_base,
                    currency_profit=one.currency_profit,
                    currency_margin=one.currency_margin,
                    trade_tick_size=one.trade_tick_size,
                    trade_tick_value=one.trade_tick_value,
                    volume_min=one.volume_min,
                    volume_max=one.volume_max,
                    volume_step=one.volume_step,
                    filling_mode=one.filling_mode,
                    trade_mode=one.trade_mode,
                    trade_stops_level=one.trade_stops_level,
                )
            )
        return tuple(made)

    def watched(self) -> tuple[str, ...] | None:
        """The symbols in Market Watch; None: the query failed. Slow: once in a while only."""
        found = self._mt5.symbols_get()
        return None if found is None else tuple(one.name for one in found if one.select)

    def select(self, symbols: Iterable[str]) -> tuple[str, ...]:
        """Has the terminal watch these; those it does not know are given back."""
        watch = self._mt5.symbol_select
        return tuple(symbol for symbol in symbols if not watch(symbol, True))  # noqa: FBT003

    def tick(self, symbol: str) -> frames.QuoteRow | None:
        """The newest tick; None where there is none, or the query failed."""
        one = self._mt5.symbol_info_tick(symbol)
        if one is None or not one.time_msc:
            return None
        return frames.QuoteRow(symbol, one.time_msc, one.bid, one.ask, BID_AND_ASK)

    def ticks(self, symbol: str, since_msc: int, most: int) -> list[frames.QuoteRow] | None:
        """Ticks of that server time and later, oldest first; None: the query failed.

        `most` counts from the whole second before on: the package is asked by the second. It may
        wait for the terminal, which fetches what it does not have.
        """
        mt5 = self._mt5
        found = mt5.copy_ticks_from(symbol, since_msc // 1000, most, mt5.COPY_TICKS_ALL)
        if found is None:
            return None
        return [
            frames.QuoteRow(
                symbol, int(one["time_msc"]), float(one["bid"]), float(one["ask"]), BID_AND_ASK
            )
            for one in found[found["time_msc"] >= since_msc]
        ]

    def close_position(
        self,
        position: PositionReport,
        volume: float | None,
        deviation: int | None,
        magic: int,
        comment: str,
    ) -> Any:
        """Sends a close at the market by the opposite side, the position named; the answer or None.

        Filling modes are tried in the order the symbol allows them, while the server says that one
        is wrong: such an answer means that nothing was done.
        """
        info, tick = self._mt5.symbol_info(position.symbol), self.tick(position.symbol)
        buys = position.type == OrderType.SELL
        price = 0.0 if tick is None else tick.ask if buys else tick.bid
        answer = None
        for filling in fillings_allowed(0 if info is None else info.filling_mode):
            answer = self._mt5.order_send(
                {
                    "action": _DEAL,
                    "position": position.ticket,
                    "symbol": position.symbol,
                    "volume": _at_most(volume, position.volume),
                    "type": int(OrderType.BUY if buys else OrderType.SELL),
                    "price": price,
                    "deviation": 20 if deviation is None else deviation,
                    "magic": magic,
                    "comment": comment,
                    "type_time": _TIME_GTC,
                    "type_filling": int(filling),
                }
            )
            if answer is None or answer.retcode != _BAD_FILLING:
                return answer
        return answer

    def close_by(self, position: PositionReport, other: PositionReport, comment: str) -> Any:
        """Closes two opposite positions by each other; the answer or None."""
        return self._mt5.order_send(
            {
                "action": _CLOSE_BY,
                "position": position.ticket,
                "position_by": other.ticket,
                "comment": comment,
            }
        )

    def cancel(self, ticket: int, comment: str) -> Any:
        """Removes a pending order; the answer or None."""
        return self._mt5.order_send({"action": _REMOVE, "order": ticket, "comment": comment})

    def _failed(self, what: str) -> AdapterError:
        code, words = self._mt5.last_error()
        return AdapterError(f"{what} ({code} {words})", system="MetaTrader5", retry=True)


_BAD_FILLING = 10030


def _at_most(volume: float | None, held: float) -> float:
    """Never more than is held: what is over would open the other way."""
    return held if volume is None else min(volume, held)


def changed(
    before: Sequence[PositionReport], now: Sequence[PositionReport]
) -> tuple[list[PositionReport], list[PositionReport], list[PositionReport]]:
    """(opened, changed, closed) between two polls, by identifier."""
    old = {one.identifier: one for one in before}
    new = {one.identifier: one for one in now}
    opened = [one for number, one in new.items() if number not in old]
    closed = [one for number, one in old.items() if number not in new]
    moved = [
        one
        for number, one in new.items()
        if number in old and _lasting(one) != _lasting(old[number])
    ]
    return opened, moved, closed


def _lasting(one: PositionReport) -> tuple[Any, ...]:
    """What is not the market's: the profit moves with every tick."""
    return (one.ticket, one.type, one.volume, one.price_open, one.sl, one.tp, one.swap)
