"""A broker's netting account: a symbol is held once, and every trade adds to it, takes from it, or
turns it round.

What MT5 does there (MQL5 Reference, Position Properties, ENUM_DEAL_ENTRY): more of one side moves
the open price to the average by volume; a larger trade against it is one deal, in and out at once,
and what is over is open the other way under the same identifier.
"""

from tests.days.day_broker import DUST, IN, INOUT, Broker, Closing, Said, Told
from tests.oracle_money import Table, minor


class NettingBroker(Broker):
    """As `Broker`, of a netting account."""

    def open(self, table: Table, ticks: int, time_msc: int) -> list[Told]:
        """Somebody trades: the position of the symbol is opened, grows, shrinks, goes or turns."""
        number = self.holder(table["symbol"])
        if number is None:
            return super().open(table, ticks, time_msc)
        held = self.held[number].table
        if held["side"] == table["side"]:
            return self._add(number, table, ticks, time_msc)
        over = round(table["volume_lots"] - held["volume_lots"], 8)
        if over <= DUST:
            return self.close(number, table["volume_lots"], ticks, time_msc, "external")
        return self._turn(number, table | {"volume_lots": over}, ticks, time_msc)

    def holder(self, symbol: str) -> int | None:
        """The position of a symbol."""
        return next((n for n, p in self.held.items() if p.symbol == symbol), None)

    def close(
        self, number: int, lots: float, ticks: int, time_msc: int, why: str, order: int = 0
    ) -> list[Told]:
        """As `Broker.close`; now and then what is left is told before the deal that left it."""
        return self._any_order(super().close(number, lots, ticks, time_msc, why, order))

    def _add(self, number: int, table: Table, ticks: int, time_msc: int) -> list[Told]:
        """More of it, at the average price; stops are those of the newest order that gave any."""
        held, cost = self.held[number].table, self._cost()
        lots, price = table["volume_lots"], table["open_price"]
        total = round(held["volume_lots"] + lots, 8)
        turnover = held["volume_lots"] * held["open_price"] + lots * price
        grown = held | {key: table[key] for key in ("stop_loss", "take_profit") if key in table}
        grown |= {"volume_lots": total, "open_price": turnover / total}
        deal = self._trade(number, table, IN, time_msc, commission=cost / self.scale)
        self.balance += cost
        self._hold(number, grown, time_msc)
        steps = [Said(ticks, time_msc, cost), Said(ticks, time_msc, opened=grown)]
        told: list[Told] = [deal, self.record(number)]
        if self.random.random() < 0.3:
            steps.reverse()
            told.reverse()
        self.said += steps
        return told

    def _turn(self, number: int, table: Table, ticks: int, time_msc: int) -> list[Told]:
        """All of it is closed, and what is over is open the other way, by one deal at one price."""
        whole = self.held[number].table["volume_lots"]
        cost, price = self._cost(), table["open_price"]
        profit = self._whole(number, whole)
        swap = minor(self.held[number].table.get("swap", 0.0), self.digits)
        closing = Closing(number, whole, profit, swap, "external", price)
        total = round(whole + table["volume_lots"], 8)
        deal = self._trade(
            number,
            table | {"volume_lots": total},
            INOUT,
            time_msc,
            profit=profit / self.scale,
            swap=swap / self.scale,
            commission=cost / self.scale,
        )
        self.balance += profit + swap + cost
        turned = {"id": number} | table
        del self.held[number]
        self._hold(number, turned, time_msc)
        self.said.append(Said(ticks, time_msc, cost, opened=turned, closed=(closing,)))
        return self._any_order([deal, self.record(number)])

    def _any_order(self, told: list[Told]) -> list[Told]:
        return told[::-1] if self.random.random() < 0.3 else told
