"""The trade server: accounts, quotes, requests on their way, nights, stop-outs. Pure.

It has no clock and no tasks: whoever runs it says what time it is. Equal seeds and equal calls
give equal tickets, fills, delays and faults.
"""

import heapq
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count

import msgspec

from adapters.broker import swaps
from adapters.broker.account import BrokerAccount
from adapters.broker.desk import Desk
from adapters.broker.faults import Fault, Faults
from adapters.broker.holdings import AccountEvent, Terms, Tickets
from adapters.broker.market import ServerMarket, Symbol
from adapters.broker.requests import Answer, Kind, Request
from adapters.broker.stop_out import is_below, stop_out
from adapters.broker.streams import Streams
from adapters.mt5.constants import DealReason, DealType
from engine.domain.quotes import Quote, defect

MARGIN_AGE_MSC = 1000
SECOND_MSC = 1000
IN_FLIGHT = 10039
TOO_MANY = 10024


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How well this server trades."""

    latency_ms: tuple[int, int] = (20, 80)
    """From a request to its execution: drawn evenly between the two."""
    slippage_points: float = 0.0
    """Standard deviation of a fill from the quote."""
    stop_out_every_ms: int = 0
    """Quotes within so long of an account's last check do not check it again; trades always do.
    A check costs some 15 us for a few positions: with many accounts it is most of a tick."""
    fault_rates: dict[Fault, float] = {}
    """Chance of each fault at each occasion for it, beside those that are asked for."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A request was answered."""

    request_id: int
    answer: Answer


ServerEvent = AccountEvent | Answered
Listener = Callable[[ServerEvent], None]


class _Travelling(msgspec.Struct, order=True):
    """A request on its way to be executed."""

    due_msc: int
    request_id: int
    login: int
    request: Request
    refused: int | None
    answers: bool
    forced: int | None = None


class TradeServer:
    """See the top. Accounts are named by login; a server has one name."""

    def __init__(
        self,
        symbols: Iterable[Symbol],
        settings: ServerSettings | None = None,
        seed: int = 1,
        gmt_offset_s: int = 7200,
    ) -> None:
        self.settings = settings or ServerSettings()
        self.streams = Streams(seed)
        self.market = ServerMarket(symbols, gmt_offset_s)
        self.faults = Faults(self.streams, self.settings.fault_rates)
        self.accounts: dict[int, BrokerAccount] = {}
        self.on_queued: Callable[[], None] = lambda: None
        """Called when a request is on its way: `next_due_msc` may be earlier than before."""
        self.on_quote: Callable[[str, Quote], None] = lambda _symbol, _quote: None
        self._desk = Desk(self.market, self.streams, self.settings.slippage_points)
        self.tickets = Tickets()
        self._request_ids = count(1)
        self._queue: list[_Travelling] = []
        self._busy: dict[int, int] = {}
        self._asked_msc: dict[int, deque[int]] = {}
        self._listeners: dict[int, list[Listener]] = {}
        self._touched: dict[str, dict[int, None]] = {}
        self._unindexed: set[int] = set()
        self._margins: dict[int, tuple[int, int, int]] = {}
        self._checked: dict[int, tuple[int, int]] = {}
        self.day: int | None = None
        """Of the server's clock, since 1970-01-01: the one that runs."""

    # Accounts

    def open_account(self, terms: Terms, deposit: float, utc_msc: int) -> BrokerAccount:
        """A new account with its first deposit booked as a deal."""
        login = terms.key.login
        assert login not in self.accounts, f"login {login} is taken"
        account = BrokerAccount(terms, self.market.group(terms.markup_points), self.tickets)
        self.accounts[login] = account
        self._listeners[login] = []
        account.tell = lambda event: self._tell(login, event)
        account.changed = lambda: self._unindexed.add(login)
        if deposit:
            account.move_money(DealType.BALANCE, deposit, utc_msc, "deposit")
        return account

    def listen(self, login: int, listener: Listener) -> Callable[[], None]:
        """Lets the listener hear what happens to the account, at once; the answer ends that."""
        self._listeners[login].append(listener)
        return lambda: self._listeners[login].remove(listener)

    def change_terms(self, terms: Terms) -> None:
        """New terms for an account: autotrading off, other limits, another group."""
        account = self.accounts[terms.key.login]
        account.terms, account.market = terms, self.market.group(terms.markup_points)

    def move_money(
        self, login: int, kind: DealType, amount: float, utc_msc: int, comment: str = ""
    ) -> int:
        """A deposit, withdrawal, credit or charge, signed; the deal's ticket."""
        ticket = self.accounts[login].move_money(kind, amount, utc_msc, comment)
        self._check_margin(login, utc_msc)
        return ticket

    def change_symbol(self, symbol: Symbol) -> None:
        """New terms of a symbol."""
        self.market.change(symbol)
        self._unindexed.update(self.accounts)
        self._margins.clear()

    # Time and prices

    def quote(self, symbol: str, bid: float, ask: float, utc_msc: int) -> None:
        """A tick: requests due before it, nights that ended, then what it sets off."""
        self.advance(utc_msc)
        quote = Quote(bid, ask, utc_msc)
        self.market.put(symbol, quote)
        self.on_quote(symbol, quote)
        self._index()
        stale_msc = utc_msc - self.settings.stop_out_every_ms
        is_live = defect(bid, ask) is None and self.market.is_open(symbol, utc_msc)
        for login in list(self._touched.get(symbol, ())):
            account = self.accounts[login]
            if is_live:
                self._desk.react(account, symbol, utc_msc)
            checked = self._checked.get(login)
            if checked is None or checked[0] != account.version or checked[1] <= stale_msc:
                self._check_margin(login, utc_msc)

    def advance(self, utc_msc: int) -> None:
        """Executes what is due by then, in order; ends the days of the server gone by."""
        while self._queue and self._queue[0].due_msc <= utc_msc:
            self._execute(heapq.heappop(self._queue))
        day = self.market.server_msc(utc_msc) // swaps.DAY_MSC
        if self.day is not None and day > self.day:
            nights = sum(swaps.nights(ended) for ended in range(self.day, day))
            for account in self.accounts.values() if nights else ():
                swaps.charge(account, nights, utc_msc)
        self.day = max(day, self.day or day)

    def next_due_msc(self) -> int | None:
        """When the next request is to be executed; None where none is on its way."""
        return self._queue[0].due_msc if self._queue else None

    # Requests

    def submit(self, login: int, request: Request, utc_msc: int) -> int:
        """Sends a request to the server; its number. The answer comes to the listeners later.

        Where a fault loses the request or its reply, no answer ever comes.
        """
        request_id = next(self._request_ids)
        faults = self.faults
        if faults.take(login, Fault.LOST_REQUEST) is not None:
            return request_id
        low, high = self.settings.latency_ms
        delay = self.streams.of(f"latency:{login}").randint(low, high)
        late = faults.take(login, Fault.LATE_EXECUTION)
        travelling = _Travelling(
            due_msc=utc_msc + delay + (late.amount if late is not None else 0),
            request_id=request_id,
            login=login,
            request=request,
            refused=self._refused_at_the_door(login, request, utc_msc),
            answers=faults.take(login, Fault.LOST_REPLY) is None,
        )
        if (planted := faults.take(login, Fault.RETCODE)) is not None:
            travelling.refused = planted.amount
        elif (planted := faults.take(login, Fault.RETCODE_DONE)) is not None:
            travelling.forced = planted.amount
        if travelling.refused is None:
            for position in _positions_of(request):
                self._busy[position] = self._busy.get(position, 0) + 1
        heapq.heappush(self._queue, travelling)
        self.on_queued()
        return request_id

    def execute_now(self, login: int, request: Request, utc_msc: int) -> Answer:
        """Does the request at once, without delay and faults: somebody at another terminal."""
        self.advance(utc_msc)
        answer = self._desk.execute(self.accounts[login], request, utc_msc)
        self._check_margin(login, utc_msc)
        return answer

    def _refused_at_the_door(self, login: int, request: Request, utc_msc: int) -> int | None:
        """Too many requests in a second; a close of the position is on its way already."""
        limit = self.accounts[login].terms.requests_a_second
        asked = self._asked_msc.setdefault(login, deque())
        while asked and asked[0] <= utc_msc - SECOND_MSC:
            asked.popleft()
        asked.append(utc_msc)
        if limit and len(asked) > limit:
            return TOO_MANY
        return IN_FLIGHT if any(p in self._busy for p in _positions_of(request)) else None

    def _execute(self, travelling: _Travelling) -> None:
        login, request = travelling.login, travelling.request
        if travelling.refused is not None:
            answer = Answer(retcode=travelling.refused)
        else:
            for position in _positions_of(request):
                self._busy[position] -= 1
                if not self._busy[position]:
                    del self._busy[position]
            account = self.accounts[login]
            answer = self._desk.execute(account, request, travelling.due_msc)
        if travelling.forced is not None:
            answer = Answer(retcode=travelling.forced)
        if travelling.answers:
            self._tell(login, Answered(travelling.request_id, answer))
        self._check_margin(login, travelling.due_msc)

    # Inside

    def _tell(self, login: int, event: ServerEvent) -> None:
        for listener in list(self._listeners[login]):
            listener(event)

    def _index(self) -> None:
        """Which accounts a symbol's quote moves: only of those whose book has changed."""
        for login in sorted(self._unindexed):
            for touched in self._touched.values():
                touched.pop(login, None)
            for symbol in sorted(self.accounts[login].symbols()):
                self._touched.setdefault(symbol, {})[login] = None
        self._unindexed.clear()

    def _check_margin(self, login: int, utc_msc: int) -> None:
        """Stops the account out where it must be.

        Margin hangs on open prices, and little on today's: it is computed anew when the book has
        changed, and once a second for the conversions in it.
        """
        account = self.accounts[login]
        if not (account.positions or account.orders):
            return
        version, computed_msc, margin = self._margins.get(login, (-1, 0, 0))
        if version != account.version or utc_msc - computed_msc >= MARGIN_AGE_MSC:
            margin = account.shown_margin_minor()
            self._margins[login] = (account.version, utc_msc, margin)
        self._checked[login] = (account.version, utc_msc)
        if is_below(account, margin):
            stop_out(
                account,
                lambda held: self._desk.close(account, held, utc_msc, DealReason.SO, "so"),
                utc_msc,
            )


def _positions_of(request: Request) -> tuple[int, ...]:
    """The positions a request would close."""
    if request.kind is Kind.CLOSE_BY:
        return (request.position, request.position_by)
    return (request.position,) if request.kind is Kind.DEAL and request.position else ()
