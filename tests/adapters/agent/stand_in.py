"""Stands in for the `MetaTrader5` package: its functions, its fields in its order, its `None`.

Field orders are those of the package's documentation. It trades in memory and never fails by
itself; `failing` names the functions that answer None.
"""

from collections import namedtuple
from typing import Any

import numpy as np

Account = namedtuple(
    "Account",
    "login trade_mode leverage limit_orders margin_so_mode trade_allowed trade_expert margin_mode"
    " currency_digits fifo_close balance credit profit equity margin margin_free margin_level"
    " margin_so_call margin_so_so margin_initial margin_maintenance assets liabilities"
    " commission_blocked name server currency company",
)
Terminal = namedtuple(
    "Terminal",
    "community_account community_connection connected dlls_allowed trade_allowed tradeapi_disabled"
    " email_enabled ftp_enabled notifications_enabled mqid build maxbars codepage ping_last"
    " community_balance retransmission company name language path data_path commondata_path",
)
Position = namedtuple(
    "Position",
    "ticket time time_msc time_update time_update_msc type magic identifier reason volume"
    " price_open sl tp price_current swap profit symbol comment external_id",
)
Order = namedtuple(
    "Order",
    "ticket time_setup time_setup_msc time_done time_done_msc time_expiration type type_time"
    " type_filling state magic position_id position_by_id reason volume_initial volume_current"
    " price_open sl tp price_current price_stoplimit symbol comment external_id",
)
Deal = namedtuple(
    "Deal",
    "ticket order time time_msc type entry magic position_id reason volume price commission swap"
    " profit fee symbol comment external_id",
)
Tick = namedtuple("Tick", "time bid ask last volume time_msc flags volume_real")
Answer = namedtuple(
    "Answer",
    "retcode deal order volume price bid ask comment request_id retcode_external request",
)
Symbol = namedtuple(
    "Symbol",
    "name digits trade_contract_size trade_calc_mode currency_base currency_profit currency_margin"
    " trade_tick_size trade_tick_value volume_min volume_max volume_step filling_mode trade_mode"
    " trade_stops_level select",
)
"""Of the some hundred fields those that are read."""

TICK = np.dtype(
    [
        *(("time", "<i8"), ("bid", "<f8"), ("ask", "<f8"), ("last", "<f8"), ("volume", "<u8")),
        *(("time_msc", "<i8"), ("flags", "<u4"), ("volume_real", "<f8")),
    ]
)
"""Ticks that are copied come as an array of these."""

OFFSET_S = 7200


class StandIn:
    """One terminal, one account; EURUSD is watched, GBPUSD is not."""

    COPY_TICKS_ALL = -1

    def __init__(self, now_s: float, login: int = 1001, server: str = "Demo-1") -> None:
        self.now_s = now_s
        self.failing: set[str] = set()
        self.sent: list[dict[str, Any]] = []
        self.answers: list[int] = []
        """Retcodes to answer with before it does anything."""
        self.bid = 1.1
        self.is_connected = True
        self.offset_s = OFFSET_S
        self.symbols = {name: _symbol(name) for name in ("EURUSD", "GBPUSD")}
        self.ticks: list[Tick] = []
        """Those that came, of every symbol, where a test tells them one by one."""
        self.copies = 0
        """How often ticks were copied."""
        self.login = login
        self._server = server
        self._positions: dict[int, Position] = {}
        self._deals: list[Deal] = []
        self._ticket = 0
        self.balance = 10_000.0

    def server_msc(self) -> int:
        return int((self.now_s + self.offset_s) * 1000)

    def came(self, msc: int, bid: float) -> None:
        """A tick so long after the server's last whole second."""
        whole_msc = self.server_msc() // 1000 * 1000 + msc
        self.ticks.append(Tick(whole_msc // 1000, bid, bid + 0.0001, 0.0, 0, whole_msc, 6, 0.0))

    def open(self, lots: float = 1.0, kind: int = 0, symbol: str = "EURUSD") -> int:
        self._ticket += 1
        number, msc = self._ticket, self.server_msc()
        self._positions[number] = Position(
            number, msc // 1000, msc, msc // 1000, msc, kind, 0, number, 0, lots, self.bid, 0.0,
            0.0, self.bid, 0.0, 0.0, symbol, "", "",
        )  # fmt: skip
        self._deal(number, number, kind, 0, lots, 0.0)
        return number

    def _deal(
        self, order: int, position: int, kind: int, entry: int, lots: float, profit: float
    ) -> int:
        self._ticket += 1
        msc = self.server_msc()
        values = (
            *(self._ticket, order, msc // 1000, msc, kind, entry, 0, position, 3, lots),
            *(self.bid, 0.0, 0.0, profit, 0.0, "EURUSD", "", ""),
        )
        self._deals.append(Deal._make(values))
        return self._ticket

    # The package's functions

    def initialize(self, *_: Any, **__: Any) -> bool:
        return "initialize" not in self.failing

    def shutdown(self) -> None:
        return

    def last_error(self) -> tuple[int, str]:
        return (-10004, "No IPC connection")

    def account_info(self) -> Account | None:
        if "account_info" in self.failing:
            return None
        return Account(
            self.login, 0, 100, 200, 0, 1, 1, 2, 2, 0, self.balance, 0.0, 0.0,
            self.balance, 0.0, self.balance, 0.0, 50.0, 30.0, 0.0, 0.0, 0.0, 0.0, 0.0, "N",
            self._server, "USD", "Stand-in Ltd.",
        )  # fmt: skip

    def terminal_info(self) -> Terminal:
        return Terminal._make([0, 0, int(self.is_connected), *[0] * 7, 4755, *[0] * 11])

    def positions_get(self) -> tuple[Position, ...] | None:
        if "is_flat" in self.failing:
            return ()  # as a terminal that has not heard its server yet
        return None if "positions_get" in self.failing else tuple(self._positions.values())

    def orders_get(self) -> tuple[Order, ...] | None:
        return None if "orders_get" in self.failing else ()

    def history_deals_get(self, since: Any, _until: Any) -> tuple[Deal, ...] | None:
        if "history_deals_get" in self.failing:
            return None
        return tuple(deal for deal in self._deals if deal.time_msc >= since.timestamp() * 1000)

    def symbol_info(self, name: str) -> Symbol | None:
        return self.symbols.get(name)

    def symbols_get(self) -> tuple[Symbol, ...] | None:
        return None if "symbols_get" in self.failing else tuple(self.symbols.values())

    def symbol_select(self, name: str, _on: bool) -> bool:
        return name in self.symbols

    def symbol_info_tick(self, name: str) -> Tick | None:
        if name not in self.symbols or "symbol_info_tick" in self.failing:
            return None
        if self.ticks:
            return self.ticks[-1]
        if name != "EURUSD":
            return None
        msc = self.server_msc()
        return Tick(msc // 1000, self.bid, self.bid + 0.0001, 0.0, 0, msc, 6, 0.0)

    def copy_ticks_from(
        self, name: str, date_from: int, count: int, flags: int
    ) -> "np.ndarray[Any, np.dtype[np.void]] | None":
        assert flags == self.COPY_TICKS_ALL
        self.copies += 1
        if "copy_ticks_from" in self.failing:
            return None
        found = [tick for tick in self.ticks if tick.time_msc >= date_from * 1000]
        return np.array([tuple(tick) for tick in found[:count]], TICK)

    def order_send(self, request: dict[str, Any]) -> Answer | None:
        self.sent.append(request)
        if "order_send" in self.failing:
            return None
        if self.answers:
            return self._answer(self.answers.pop(0), request)
        position = self._positions.get(request.get("position", 0))
        if request["action"] == 1 and position is not None:
            lots = min(request["volume"], position.volume)
            left = round(position.volume - lots, 8)
            if left:
                self._positions[position.ticket] = position._replace(volume=left)
            else:
                del self._positions[position.ticket]
            self._ticket += 1
            order = self._ticket
            deal = self._deal(order, position.identifier, request["type"], 1, lots, 0.0)
            return self._answer(10009, request, deal, order, lots)
        return self._answer(10036, request)

    def _answer(
        self, retcode: int, request: Any, deal: int = 0, order: int = 0, lots: float = 0.0
    ) -> Answer:
        return Answer(retcode, deal, order, lots, self.bid, self.bid, self.bid, "", 1, 0, request)


def _symbol(name: str) -> Symbol:
    return Symbol(
        name, 5, 100_000.0, 0, name[:3], name[3:], name[:3], 1e-5, 1.0, 0.01, 100.0, 0.01, 3, 4, 0,
        int(name == "EURUSD"),
    )  # fmt: skip
