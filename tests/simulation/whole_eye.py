"""An independent eye on every account: the broker's books, own arithmetic, own high-water marks.

It takes nothing of the engine but its records, and whether it says that it sees. What a quote or a
deal on its way may make is bounded, not guessed: an equity here is a range, over whatever the
account held and whatever was quoted in the last `ON_THE_WAY_MS`; but what it holds by a fill is not
valued on a quote from before the price of that fill. A breach must lie within what such a range
allows, and where the whole range is past the floor there must be one.
"""

from collections import deque
from dataclasses import dataclass, field

from adapters.broker.account import BrokerAccount
from adapters.broker.holdings import AccountEvent, DealMade
from adapters.broker.server import Answered
from engine.domain import records
from engine.domain.positions import Position, Side
from engine.domain.records import Record
from engine.domain.reports import DealReport

_BUY, _OUT_BY = 0, 3
ON_THE_WAY_MS = 80
"""Two writes of up to 20 ms, the second behind the first, and a few appends to the journal."""
LATE_MS = 1_500
"""So long an equity may be past a floor, in sight, before the breach is kept."""
NOTED_MS = 1_500
"""A high is kept within a second; one younger than this may be lost in a crash."""
SLACK_MINOR = 100.0
"""A dollar: profits in yen are turned at mid here."""
KEPT_MS = 60_000
TRAILING, DAILY = "trailing", "daily"
_SIZES = {"EURUSD": 100_000.0, "GBPUSD": 100_000.0, "XAUUSD": 100.0, "USDJPY": 100_000.0}

Prices = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Holding:
    """What an account was from some time on."""

    since_msc: int
    balance_minor: int
    paid_minor: int
    """Net deposits so far: equities below are told without them."""
    positions: tuple[Position, ...]

    def equity(self, prices: Prices) -> float:
        """Minor units, net of deposits."""
        return self.balance_minor - self.paid_minor + sum(map(_worth(prices), self.positions))


def _worth(prices: Prices) -> "_Worth":
    return _Worth(prices)


@dataclass(frozen=True)
class _Worth:
    prices: Prices

    def __call__(self, position: Position) -> float:
        bid, ask = self.prices[position.symbol]
        gained = (
            bid - position.open_price if position.side is Side.BUY else (position.open_price - ask)
        )
        money = gained * position.volume_lots * _SIZES[position.symbol]
        if position.symbol == "USDJPY":
            money /= (bid + ask) / 2.0
        return money * 100.0 + position.swap_minor


@dataclass
class Eye:
    """On one account."""

    account: BrokerAccount
    trailing_percent: float
    daily_minor: int
    prices: deque[tuple[int, Prices]]
    """Of all symbols after each quote, newest last; shared by all eyes of a group."""
    others: deque[tuple[int, Prices]] | None = None
    """Those of another group, which it may be valued on until that is found."""
    holdings: list[Holding] = field(default_factory=list)
    series: deque[tuple[int, float, float]] = field(default_factory=deque)
    """(UTC ms, lowest, highest) equity it may have been taken for."""
    high_sure: float = 0.0
    high_may: float = 0.0
    day: tuple[float, float] = (0.0, 0.0)
    """The balance of the day's start, as a range, net of deposits."""
    midnight: tuple[float, float] | None = None
    latched: set[str] = field(default_factory=set)
    clear_msc: int | None = None
    """In sight since."""
    blind_msc: int = 0
    """Out of sight since, while it is."""
    wrong: list[str] = field(default_factory=list)
    breaches: int = 0
    clear_looks: int = 0
    is_open: bool = False
    doomed: set[int] = field(default_factory=set)
    """Positions that a breach found: each has to go."""
    _paid_minor: int = 0
    _ended_minor: float = 0.0
    _looked_msc: int = 0
    _young: deque[tuple[int, float]] = field(default_factory=deque)
    _fills: list[tuple[int, DealReport]] = field(default_factory=list)
    _half_closed: int = 0
    """An order that closes one position by another, while one of the two is done."""
    _past: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.account.terms.key)

    # What happens

    def opened(self, now_msc: int) -> None:
        """Begins: the account has its first deposit and nothing else."""
        start = float(self.account.balance_minor)
        self.high_sure = self.high_may = start
        self.day = (start, start)
        self.blind_msc = now_msc
        self._hold(now_msc)

    def told(self, event: AccountEvent | Answered, now_msc: int) -> None:
        """Something at the broker: between a deal and its position the account is neither."""
        if isinstance(event, Answered):
            return
        if isinstance(event, DealMade):
            if event.deal.position_id:
                self._take_deal(event.deal, now_msc)
                return
            self._paid_minor += round(event.deal.profit * 100)
        if self._half_closed:
            return
        self._hold(now_msc)
        if self._young and self._young[-1][0] == now_msc:
            # Filled on the quote of this very moment: what stood between the two had no length,
            # and where clocks are wrong the engine is told the fill first.
            filled = self.holdings[-1].equity(self.prices[-1][1])
            self._young[-1] = now_msc, min(self._young[-1][1], filled)
        self._fills = [(at, d) for at, d in self._fills if at >= self._from_msc(now_msc)]
        self._take(now_msc, self._on_older(self.holdings[-1], now_msc))

    def quoted(self, now_msc: int, *, sees: bool) -> None:
        """After a tick. `sees`: the engine knows the account, and looks at fresh prices."""
        if sees and self.clear_msc is None:
            self.clear_msc = now_msc
        elif not sees and self.clear_msc is not None:
            self.clear_msc, self.blind_msc = None, self._looked_msc
        self._looked_msc = now_msc
        if self.clear_msc is None:
            self._young.clear()
            self._past.clear()
        self._prune(now_msc)
        prices = self.prices[-1][1]
        self._take(now_msc, [one.equity(prices) for one in self.holdings])
        if self.others is not None and self.clear_msc is None:
            prices = self.others[-1][1]
            self._take(now_msc, [one.equity(prices) for one in self.holdings])
        if not self._is_tight(now_msc):
            for one in self.holdings:
                self._take(now_msc, self._on_older(one, now_msc))
        if self.clear_msc is not None:
            self.clear_looks += 1
            self._young.append((now_msc, self.series[-1][1]))
            while self._young and self._young[0][0] < now_msc - NOTED_MS:
                at_msc, low = self._young.popleft()
                if at_msc >= self.clear_msc + ON_THE_WAY_MS:
                    self.high_sure = max(self.high_sure, low)
            self._look_for_missed(now_msc)

    def day_ended(self, now_msc: int) -> None:
        """Midnight of the zone: the balance of this moment is the next day's reference.

        A deal on its way then may be missing in the record of the reset, and is made up for. One
        made after it is never in it.
        """
        balances = [float(one.balance_minor - one.paid_minor) for one in self.holdings]
        self.midnight = (min(balances), max(balances))
        self._ended_minor = balances[-1]

    def kept(self, record: Record, *, wrong_clock: bool) -> None:
        """A record of the engine became durable."""
        match record:
            case records.AccountOpened():
                self.is_open = True
            case records.GuardBreach(guard=guard) if guard in (TRAILING, DAILY):
                self.breaches += 1
                self.doomed.update(p.position_id for p in self.account.held())
                self._judge(record)
                if guard in self.latched:
                    self.wrong.append(f"{self.name}: a latched {guard} breach told again")
                self.latched.add(guard)
            case records.AccountReleased(cause=cause):
                self.latched.discard(cause)
            case records.DayReset(guard=guard) if guard == DAILY:
                self.latched.discard(DAILY)
                self._past.pop(DAILY, None)
                self._start_day(record, wrong_clock=wrong_clock)

    # What that means

    def _start_day(self, record: records.DayReset, *, wrong_clock: bool) -> None:
        assert record.reference is not None, "a limit has a reference"
        told = round(record.reference * 100)
        if self.midnight is None:
            self.wrong.append(f"{self.name}: a day ended at {record.local_time}")
            self.midnight = (told - self._paid_minor,) * 2
        low, high = self.midnight
        paid = [one.paid_minor for one in self.holdings]
        fits = any(low + p - 0.5 <= told <= high + p + 0.5 for p in paid)
        if wrong_clock and record.estimated is True:
            # Put together from deals whose times are in doubt, and mended as late ones come.
            low, high = sorted((float(told - self._paid_minor), self._ended_minor))
        elif not fits:
            self.wrong.append(
                f"{self.name}: day reference {told}, the broker's balance {low} and {paid}"
            )
        self.day = (low, high) if wrong_clock else (self._ended_minor, self._ended_minor)

    def _floors(self, guard: str) -> tuple[float, float]:
        """The lowest and the highest the floor may be, net of deposits."""
        if guard == DAILY:
            return self.day[0] - self.daily_minor, self.day[1] - self.daily_minor
        kept = 1.0 - self.trailing_percent / 100.0
        found = [
            kept * (high + one.paid_minor) - one.paid_minor
            for high in (self.high_sure, self.high_may)
            for one in self.holdings
        ]
        return min(found), max(found)

    def _judge(self, record: records.GuardBreach) -> None:
        """Whether the broker's books allow this breach."""
        first_msc = self._from_msc(record.time_msc - LATE_MS)
        near = [(low, high) for at, low, high in self.series if at >= first_msc]
        paid = [one.paid_minor for one in self.holdings]
        lowest, highest = min(low for low, _ in near), max(high for _, high in near)
        floor_low, floor_high = self._floors(record.guard)
        equity, floor = record.equity * 100, record.floor * 100
        said = f"{self.name}: {record.guard} breach at {record.equity} of {record.floor}"
        if lowest > floor_high + SLACK_MINOR:
            self.wrong.append(f"{said}: the broker had {lowest:.0f}, floors to {floor_high:.0f}")
        if not any(lowest - SLACK_MINOR <= equity - p <= highest + SLACK_MINOR for p in paid):
            self.wrong.append(f"{said}: the broker had {lowest:.0f} to {highest:.0f}, {paid}")
        if not any(floor_low - SLACK_MINOR <= floor - p <= floor_high + SLACK_MINOR for p in paid):
            self.wrong.append(f"{said}: floors {floor_low:.0f} to {floor_high:.0f}, {paid}")

    def _look_for_missed(self, now_msc: int) -> None:
        highest = self.series[-1][2]
        for guard in (TRAILING, DAILY):
            floor_low = self._floors(guard)[0]
            if guard in self.latched or highest >= floor_low - SLACK_MINOR:
                self._past.pop(guard, None)
                continue
            since_msc = self._past.setdefault(guard, now_msc)
            if now_msc - since_msc > LATE_MS:
                self.wrong.append(
                    f"{self.name}: {guard} missed: {highest:.0f} below {floor_low:.0f}"
                )
                self.latched.add(guard)

    # Inside

    def _hold(self, now_msc: int) -> None:
        account = self.account
        self.holdings.append(
            Holding(now_msc, account.balance_minor, self._paid_minor, tuple(account.held()))
        )

    def _take_deal(self, deal: DealReport, now_msc: int) -> None:
        if deal.entry == _OUT_BY:
            self._half_closed = 0 if self._half_closed == deal.order else deal.order
        else:
            self._fills.append((now_msc, deal))

    def _on_older(self, holding: Holding, now_msc: int) -> list[float]:
        """What it may be valued at on prices that something newer is on its way after."""
        first_msc, stood = self._from_msc(now_msc), []
        is_loose = self.others is not None and not self._is_tight(now_msc)
        for course in (self.prices, self.others) if is_loose else (self.prices,):
            for at_msc, prices in reversed(course or ()):
                stood.append((at_msc, prices))
                if at_msc < first_msc:
                    break
        if self._is_tight(now_msc):
            return [holding.equity(p) for at_msc, p in stood if self._may_stand(at_msc, p)]
        # A new leader tells the last tick of one symbol after the other: of any two times.
        worths = [[_worth(p)(one) for _, p in stood] for one in holding.positions]
        money = holding.balance_minor - holding.paid_minor
        return [money + sum(map(min, worths)), money + sum(map(max, worths))] if stood else []

    def _may_stand(self, at_msc: int, prices: Prices) -> bool:
        """Whether what is held now may be valued on these older prices.

        Not where something of it was filled since, more than a spread away from them.
        """
        for filled_msc, deal in self._fills:
            bid, ask = prices[deal.symbol]
            price = ask if deal.type == _BUY else bid
            if at_msc < filled_msc and abs(deal.price - price) > (ask - bid) * 1.000001:
                return False
        return True

    def _from_msc(self, now_msc: int) -> int:
        """From when on something may still be on its way."""
        if self._is_tight(now_msc):
            return now_msc - ON_THE_WAY_MS
        return min(self.blind_msc, now_msc) - ON_THE_WAY_MS

    def _is_tight(self, now_msc: int) -> bool:
        """In sight for a while. A feed out of sight may be too far behind to be waited for."""
        return self.clear_msc is not None and now_msc - self.clear_msc >= LATE_MS

    def _prune(self, now_msc: int) -> None:
        first_msc = self._from_msc(now_msc)
        while len(self.holdings) > 1 and self.holdings[1].since_msc < first_msc:
            del self.holdings[0]
        while self.series and self.series[0][0] < min(first_msc, now_msc - KEPT_MS):
            self.series.popleft()

    def _take(self, now_msc: int, equities: list[float]) -> None:
        if equities:
            low, high = min(equities), max(equities)
            self.series.append((now_msc, low, high))
            self.high_may = max(self.high_may, high)
