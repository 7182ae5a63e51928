"""An evaluator of replays that shares no code with the project: plain loops, the written rules.

It takes the book as `tomllib` reads it, validates nothing, values an account on every tick that can
change anything for it, and yields the events a replay must have.
"""

from collections.abc import Iterable, Iterator
from typing import Any

from tests.oracle_guards import PRESETS, OracleGuard
from tests.oracle_money import (
    Quotes,
    Table,
    Valued,
    digits_of,
    mark_minor,
    minor,
    percent,
    valuer,
    way,
)

Event = dict[str, Any]
Tick = tuple[int, int, float, float]  # UTC ms, place of the symbol, bid, ask
NEVER = 1 << 62


class OraclePosition:
    """One open position and how it is valued."""

    def __init__(self, table: Table, book: Table, account: Table, quotes: Quotes) -> None:
        self.table = table
        symbol = account.get("aliases", {}).get(table["symbol"], table["symbol"])
        instrument = next(i for i in book["instrument"] if i["symbol"] == symbol)
        self.symbol: str = symbol
        self.place = quotes.place.get(symbol, -1)
        legs = way(book["instrument"], instrument, account["currency"], quotes)
        self.needs = {self.place} | {place for place, _ in legs}
        self.value = valuer(table, instrument, legs, account["currency"], quotes)
        self.buys: bool = table["side"] == "buy"
        self.stop: float | None = table.get("stop_loss")
        self.target: float | None = table.get("take_profit")

    def reached(self, bid: float, ask: float) -> str | None:
        """Which of its levels this quote reaches, the stop first."""
        price, sign = (bid, 1.0) if self.buys else (ask, -1.0)
        if self.stop is not None and sign * price <= sign * self.stop:
            return "stop_loss"
        if self.target is not None and sign * price >= sign * self.target:
            return "take_profit"
        return None


class OracleAccount:
    """One account through a stream: money in minor units, marks as doubles."""

    def __init__(self, table: Table, book: Table, quotes: Quotes, out: list[Event]) -> None:
        self.table, self.quotes, self.out = table, quotes, out
        self.digits = digits_of(table["currency"])
        self.scale = 10.0**self.digits
        self.balance = minor(table["balance"], self.digits)
        self.initial = minor(({"initial": table["balance"]} | table)["initial"], self.digits)
        self.credit = minor(table.get("credit", 0.0), self.digits)
        self.high_water = self.initial / self.scale
        self.high_water_minor = self.initial
        self.positions = [OraclePosition(p, book, table, quotes) for p in table.get("position", [])]
        ruleset = next(r for r in book["ruleset"] if r["name"] == table["ruleset"])
        tables = PRESETS.get(ruleset.get("preset", ""), []) + ruleset.get("guard", [])
        self.guards = [OracleGuard(t, self) for t in tables]
        self.operations = sorted(table.get("operation", []), key=_at)
        self.observes = table.get("mode") == "observe"
        self.known, self.valued = False, False
        self.hot = True  # must be looked at on the next tick, whatever ticks
        self.needs: set[int] = set()
        self.swap = 0
        self._list()
        self.seq = 0
        self.ticks_before = 0
        self.drawdown = self.drawdown_percent = 0.0
        self.drawdown_msc: int | None = None
        self.time_msc = 0
        self.tick: Table | None = None

    def _list(self) -> None:
        self.needs = set().union(*(p.needs for p in self.positions))
        self.swap = sum(minor(p.table.get("swap", 0.0), self.digits) for p in self.positions)

    def emit(self, kind: str, **fields: Any) -> None:
        self.seq += 1
        event = {"seq": self.seq, "type": kind, "time_msc": self.time_msc}
        event |= {"login": self.table["login"], "server": self.table["server"]} | fields
        if self.tick is not None:
            event["tick"] = self.tick
        self.out.append(event)

    def money(self, amount: int) -> float:
        return amount / self.scale

    def open(self, time_msc: int) -> None:
        """Say that it is there, at the stream's first tick."""
        self.time_msc = time_msc
        for guard in self.guards:
            guard.schedule(time_msc)
        self.emit(
            "account_opened",
            balance=self.money(self.balance),
            equity=None,
            initial=self.money(self.initial),
            currency=self.table["currency"],
        )

    def due_msc(self) -> int:
        """When the clock is next needed: an operation or a reset."""
        times = [g.next_msc for g in self.guards if g.next_msc is not None]
        times += [_at(o) for o in self.operations[:1]]
        return min(times, default=NEVER)

    def advance(self, time_msc: int) -> None:
        """All that falls due before the tick of this moment, on the quotes before it."""
        self.tick = None
        while (due := self.due_msc()) <= time_msc:
            self.time_msc, self.hot = due, True
            if self.operations and _at(self.operations[0]) <= due:
                self._operate(self.operations.pop(0))
                continue
            guards = [g for g in self.guards if g.next_msc == due]
            if self.known:
                self._reset(guards)
            for guard in guards:
                guard.schedule(due)

    def _operate(self, operation: Table) -> None:
        money = minor(operation["money"], self.digits)
        if operation["kind"] == "credit":
            self.credit += money
        else:
            money = -money if operation["kind"] == "withdrawal" else money
            self.balance += money
        self.high_water += money / self.scale
        self.high_water_minor = mark_minor(self.high_water, self.digits)
        for guard in self.guards:
            if operation["kind"] != "credit" or guard.measured == "equity":
                guard.own += money
            guard.day_high += money / self.scale

    def _reset(self, guards: list[OracleGuard]) -> None:
        equity, mark = self.value()
        for guard in self.guards:
            guard.raise_high_water()
        for guard in guards:
            guard.reset(equity, mark)
            if guard.latched and guard.latch == "reset":
                guard.latched = False
                if guard.action in ("close_and_halt", "pause"):
                    self.emit("account_released", by="reset", cause=guard.name)
            reference = guard.refer()
            self.emit(
                "day_reset",
                guard=guard.name,
                reference=self.money(reference),
                floor=self.money(guard.floor),
                local_time=guard.local_time(),
            )
        self._test(equity)

    def value(self) -> Valued:
        """Equity that decides, in minor units, and the unrounded mark, in money."""
        exact = self.balance + self.credit + self.swap
        mark = exact / self.scale
        for position in self.positions:
            profit, unrounded = position.value()
            exact += profit
            mark += unrounded
        return exact, mark

    def step(self, index: int, time_msc: int, place: int) -> None:
        """One tick, its quote already among the quotes."""
        bids, asks = self.quotes.bid, self.quotes.ask
        if not self.known:
            if not all(place >= 0 and bids[place] > 0 for place in self.needs):
                return
            self.known, self.ticks_before = True, index
        bid, ask = bids[place], asks[place]
        self.tick = {
            "index": index,
            "symbol": self.quotes.symbols[place],
            "bid": bid,
            "ask": ask,
        }
        self.time_msc, self.hot = time_msc, False
        for position in list(self.positions):
            if position.place == place and (reason := position.reached(bid, ask)):
                self._close(position, reason)
        self._look()

    def _look(self) -> None:
        """Value it on the quotes of now, then test its guards."""
        time_msc = self.time_msc
        equity, mark = self.value()
        if mark > self.high_water:
            self.high_water = mark
            self.high_water_minor = mark_minor(mark, self.digits)
        if self.high_water - mark > self.drawdown + 1e-13 * self.high_water:  # the first of equals
            self.drawdown, self.drawdown_msc = self.high_water - mark, time_msc
            self.drawdown_percent = 100.0 * self.drawdown / self.high_water
        for guard in self.guards:
            guard.raise_high_water()
            if not self.valued:
                guard.value_first(equity, mark)
            elif mark > guard.day_high:
                guard.day_high = mark
        self.valued = True
        self._test(equity)

    def _test(self, equity: int) -> None:
        for guard in self.guards:
            found = guard.test(equity)
            if found is None:
                continue
            fields: Table = {
                "guard": guard.name,
                "equity": self.money(equity),
                "floor": self.money(guard.floor),
                "reference": self.money(guard.refer()),
            }
            if found == "warning":
                self.emit("guard_warning", **fields, used_percent=guard.used_percent(equity))
                continue
            knobs = {"measured": guard.measured, "comparator": guard.comparator}
            self.emit("guard_breach", **fields, **knobs, action=guard.action)
            if guard.action in ("close_and_halt", "pause"):
                self.emit("account_halted", cause=guard.name)
            if guard.action in ("close", "close_and_halt"):
                deadline = self.time_msc + guard.notice_msc
                guard.closes_at = min(deadline, guard.closes_at or deadline)
        self._close_what_is_due()

    def _close_what_is_due(self) -> None:
        waiting = [g for g in self.guards if g.closes_at is not None]
        due = [g for g in waiting if (g.closes_at or 0) <= self.time_msc]
        if due and not self.observes:
            for position in list(self.positions):
                self._close(position, f"guard:{due[0].name}")
        for guard in due:
            guard.closes_at = None
        self.hot = self.hot or bool(waiting)

    def _close(self, position: OraclePosition, reason: str) -> None:
        profit, _ = position.value()
        self.positions.remove(position)
        self._list()
        self.hot = True
        self.balance += profit + minor(position.table.get("swap", 0.0), self.digits)
        side = self.quotes.bid if position.buys else self.quotes.ask
        kept = ("side", "volume_lots", "open_price")
        self.emit(
            "position_closed",
            position_id=position.table["id"],
            symbol=position.symbol,
            **{key: position.table[key] for key in kept},
            close_price=side[position.place],
            profit=self.money(profit),
            reason=reason,
        )

    def end(self, time_msc: int, ticks: int) -> None:
        """Say how it stands after the last tick."""
        self.time_msc, self.tick = time_msc, None
        self.emit(
            "account_closed",
            balance=self.money(self.balance),
            equity=self.money(self.value()[0]) if self.known else None,
            equity_high_water=self.money(self.high_water_minor),
            max_drawdown=self.money(mark_minor(self.drawdown, self.digits)),
            max_drawdown_percent=percent(self.drawdown_percent),
            max_drawdown_time_msc=self.drawdown_msc,
            ticks=ticks - self.ticks_before if self.known else 0,
        )


def evaluate(book: Table, symbols: list[str], ticks: Iterable[Tick]) -> Iterator[Event]:
    """The events of a replay of this book on these ticks, `tick.symbol` a place in `symbols`."""
    out: list[Event] = []
    quotes = Quotes(symbols)
    accounts = [OracleAccount(table, book, quotes, out) for table in book["account"]]
    due, index, time_msc = -1, 0, 0
    for time_msc, place, bid, ask in ticks:
        if index == 0:
            for account in accounts:
                account.open(time_msc)
        if time_msc >= due:
            for account in accounts:
                account.advance(time_msc)
            due = min(account.due_msc() for account in accounts)
        quotes.bid[place], quotes.ask[place] = bid, ask
        for account in accounts:
            if account.hot or place in account.needs:
                account.step(index, time_msc, place)
        if out:
            yield from out
            out.clear()
        index += 1
    for account in accounts:
        account.end(time_msc, index)
    yield from out


def _at(operation: Table) -> int:
    """When an operation is booked; the oracle reads UTC milliseconds only."""
    return int(operation["at"])
