"""The oracle over days of a live account: told by deals and positions, not by a book alone.

It decides by the written rules alone when a limit warns, breaches and resets, and when everything
has to be closed; it knows nothing of how closes are made. Each message is valued at once, on the
quotes of that moment.
"""

from collections.abc import Sequence
from typing import Any

from tests.days.day_books import Row
from tests.days.day_broker import DUST, OURS, Closing, Said
from tests.oracle import NEVER, OracleAccount, OraclePosition
from tests.oracle_money import Quotes, Table, minor

Event = dict[str, Any]


class DayAccount(OracleAccount):
    """One live account: `said` is what its terminal tells, in order."""

    def __init__(self, table: Table, book: Table, quotes: Quotes, said: Sequence[Said]) -> None:
        super().__init__(table, book, quotes, [])
        self.book = book
        self.positions = [self._position(p.table) for p in self.positions]
        self.said = said
        self.heard = 0
        self.doomed: dict[int, str] = {}
        """Positions a guard wants closed, and which guard."""

    def _position(self, table: Table) -> OraclePosition:
        """One without stop and target: the broker says when those are reached."""
        position = OraclePosition(table, self.book, self.table, self.quotes)
        position.stop = position.target = None
        return position

    def begin(self, time_msc: int) -> None:
        """The first report: watched from here, and valued at once."""
        self.open(time_msc)
        self.known = True
        self._look()

    def hear(self, ticks: int) -> None:
        """All that was said after so many ticks and before the next."""
        while self.heard < len(self.said) and self.said[self.heard].ticks <= ticks:
            said = self.said[self.heard]
            self.heard += 1
            self.advance(said.time_msc)
            self.time_msc, self.tick = said.time_msc, None
            self._take(said)
            self._look()

    def _take(self, said: Said) -> None:
        for closing in said.closed:
            self._gone(closing)
        if said.opened is not None:
            self._has(said.opened)
        if said.operation:
            amount = abs(said.amount_minor) if said.operation != "credit" else said.amount_minor
            self._operate({"kind": said.operation, "money": amount / self.scale})
        else:
            self.balance += said.amount_minor

    def _has(self, table: Table) -> None:
        """A position that is new, or from here on is what this says."""
        now = self._position(table)
        same = [n for n, p in enumerate(self.positions) if p.table["id"] == table["id"]]
        for place in same:
            self.positions[place] = now
        if not same:
            self.positions.append(now)
        self._list()

    def _gone(self, closing: Closing) -> None:
        position = next(p for p in self.positions if p.table["id"] == closing.position_id)
        place = self.positions.index(position)
        left = round(position.table["volume_lots"] - closing.lots, 8)
        swap = minor(position.table.get("swap", 0.0), self.digits) - closing.swap_minor
        rest = position.table | {"volume_lots": left, "swap": swap / self.scale}
        self.positions[place : place + 1] = [] if left <= DUST else [self._position(rest)]
        self._list()
        self.balance += closing.profit_minor + closing.swap_minor
        ours = closing.reason == OURS
        kept = ("side", "open_price")
        self.emit(
            "position_closed",
            position_id=closing.position_id,
            symbol=position.symbol,
            **{key: position.table[key] for key in kept},
            volume_lots=closing.lots,
            close_price=closing.price,
            profit=self.money(closing.profit_minor),
            reason=self.doomed.get(closing.position_id, "none") if ours else closing.reason,
        )
        if left <= DUST:
            self.doomed.pop(closing.position_id, None)

    def _close_what_is_due(self) -> None:
        waiting = [g for g in self.guards if g.closes_at is not None]
        due = [g for g in waiting if (g.closes_at or 0) <= self.time_msc]
        fresh = [p.table["id"] for p in self.positions if p.table["id"] not in self.doomed]
        if due and fresh and not self.observes:
            reason = f"guard:{due[0].name}"
            self.emit("close_wanted", reason=reason)
            self.doomed |= dict.fromkeys(fresh, reason)
        for guard in due:
            guard.closes_at = None
        self.hot = self.hot or bool(waiting)


def evaluate(
    book: Table, symbols: list[str], rows: Sequence[Row], said: Sequence[Sequence[Said]]
) -> list[DayAccount]:
    """The accounts after these ticks and messages; `out` of each is what should be published.

    The first report comes when every symbol has had a quote.
    """
    quotes = Quotes(symbols)
    accounts = [
        DayAccount(table, book, quotes, told)
        for table, told in zip(book["account"], said, strict=True)
    ]
    due, opening = NEVER, len(symbols)
    for index, (time_msc, place, bid, ask) in enumerate(rows):
        if time_msc >= due:
            for account in accounts:
                account.advance(time_msc)
            due = min(account.due_msc() for account in accounts)
        quotes.bid[place], quotes.ask[place] = bid, ask
        ticks = index + 1
        if ticks < opening:
            continue
        for account in accounts:
            if ticks == opening:
                account.begin(time_msc)
            elif account.hot or place in account.needs:
                account.step(index, time_msc, place)
            account.hear(ticks)
        due = min(account.due_msc() for account in accounts) if ticks == opening else due
    for account in accounts:
        account.end(rows[-1][0], len(rows))
    return accounts
