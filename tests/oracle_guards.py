"""Guards for the oracle, from the written rules alone: references, floors, warnings, resets."""

from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from tests.oracle_money import Table, mark_minor, minor, percent

PRAGUE = {"zone": "Europe/Prague", "at": "00:00"}
NEW_YORK = {"zone": "America/New_York", "at": "17:00"}


def _limit(name: str, reference: str, amount: Table, **more: Any) -> Table:
    return {
        "name": name,
        "reference": reference,
        "amount": amount,
        "action": "close_and_halt",
    } | more


def of_initial(percent: float) -> Table:
    """An amount that is a share of the initial balance."""
    return {"percent": percent, "of": "initial"}


PRESETS: dict[str, list[Table]] = {
    "classic": [
        _limit(
            "max_drawdown",
            "equity_high_water",
            {"percent": 20.0, "of": "reference"},
            comparator="at_or_below",
            warn_drawdown_percent=15.0,
            notice_s=10.0,
        ),
        _limit("min_equity", "initial", {"floor": 100.0}),
    ],
    "ftmo_two_step": [
        _limit("daily_loss", "balance_at_reset", of_initial(5.0), reset=PRAGUE),
        _limit("max_loss", "initial", of_initial(10.0)),
    ],
    "ftmo_one_step": [
        _limit("daily_loss", "balance_at_reset", of_initial(3.0), reset=PRAGUE),
        _limit("max_loss", "end_of_day_balance_high_water", of_initial(10.0), reset=PRAGUE),
    ],
    "the5ers_high_stakes": [
        _limit("daily_loss", "higher_at_reset", {"percent": 5.0, "of": "reference"}, reset=NEW_YORK)
    ],
    "blue_guardian": [_limit("daily_loss", "higher_at_reset", of_initial(4.0), reset=NEW_YORK)],
    "trailing_intraday": [
        _limit(
            "trailing",
            "equity_high_water",
            of_initial(4.0),
            comparator="at_or_below",
            lock_at={"above_initial": 100.0},
        )
    ],
}

TAKEN_AT_RESET = {"balance_at_reset", "equity_at_reset", "higher_at_reset"}
OWN = TAKEN_AT_RESET | {"balance_high_water", "end_of_day_balance_high_water"}


class Watched(Protocol):
    """What a guard reads of its account; money in minor units, marks unrounded."""

    digits: int
    initial: int
    balance: int
    high_water_minor: int


class OracleGuard:
    """One equity limit of one account."""

    def __init__(self, table: Table, account: Watched) -> None:
        self.table, self.account = table, account
        self.name: str = table["name"]
        self.action: str = table["action"]
        self.amount: Table = table["amount"]
        fixed = "floor" in self.amount
        self.reference: str = "initial" if fixed else table["reference"]
        self.measured: str = table.get("measured", "equity")
        self.comparator: str = table.get("comparator", "below")
        self.reach = 0 if self.comparator == "at_or_below" else -1
        self.latch: str = table.get("latch", "reset" if self.action == "pause" else "manual")
        self.notice_msc = int(table.get("notice_s", 0) * 1000)
        self.drawdown = _exact(table.get("warn_drawdown_percent"))
        self.warn = _exact(table.get("warn_percent"))
        if self.warn is None and self.drawdown is None and not fixed:
            self.warn = Fraction(75)
        self.own = account.initial if "high_water" in self.reference else account.balance
        self.day_high = 0.0
        self.latched, self.armed = False, True
        self.closes_at: int | None = None
        self._for: int | None = None
        self.floor = self.warn_line = self.rearm_line = 0
        self.next_msc: int | None = None

    def schedule(self, after_msc: int) -> None:
        """Find the first reset strictly after a moment."""
        if "reset" not in self.table:
            return
        zone = ZoneInfo(self.table["reset"]["zone"])
        at = time.fromisoformat(self.table["reset"]["at"])
        day = datetime.fromtimestamp(after_msc / 1000, UTC).astimezone(zone).date()
        day -= timedelta(days=2)
        while True:
            instant = datetime.combine(day, at, zone).astimezone(UTC)
            self.next_msc = int(instant.timestamp()) * 1000
            if self.next_msc > after_msc:
                return
            day += timedelta(days=1)

    def local_time(self) -> str:
        """The reset that is next, on its own wall clock."""
        assert self.next_msc is not None
        instant = datetime.fromtimestamp(self.next_msc / 1000, UTC)
        return instant.astimezone(ZoneInfo(self.table["reset"]["zone"])).isoformat()

    def value_first(self, equity: int, mark: float) -> None:
        """Take what only the first valuation can tell."""
        self.day_high = mark
        if self.reference == "equity_at_reset":
            self.own = equity
        elif self.reference == "higher_at_reset":
            self.own = max(self.account.balance, equity)

    def raise_high_water(self) -> None:
        """Keep the highest balance seen when guards are tested."""
        if self.reference == "balance_high_water":
            self.own = max(self.own, self.account.balance)

    def reset(self, equity: int, mark: float) -> None:
        """Take the reference anew."""
        balance = self.account.balance
        self.day_high = mark
        if self.reference == "balance_at_reset":
            self.own = balance
        elif self.reference == "equity_at_reset":
            self.own = equity
        elif self.reference == "higher_at_reset":
            self.own = max(balance, equity)
        elif self.reference == "end_of_day_balance_high_water":
            self.own = max(self.own, balance)

    def refer(self) -> int:
        """The reference in minor units; the floor and the lines follow it."""
        account = self.account
        if self.reference in OWN:
            reference = self.own
        elif self.reference == "initial":
            reference = account.initial
        elif self.reference == "equity_high_water":
            reference = account.high_water_minor
        else:
            assert self.reference == "day_high_equity"
            reference = mark_minor(self.day_high, account.digits)
        if reference != self._for:
            self._for = reference
            self._draw(reference)
        return reference

    def _draw(self, reference: int) -> None:
        account, amount = self.account, self.amount
        if "floor" in amount:
            self.floor = minor(amount["floor"], account.digits)
        elif "money" in amount:
            self.floor = reference - minor(amount["money"], account.digits)
        else:
            of = account.initial if amount.get("of", "initial") == "initial" else reference
            self.floor = reference - minor(of * amount["percent"] / 100.0, 0)
        lock = self.table.get("lock_at")
        if lock is not None:
            if "money" in lock:
                highest = minor(lock["money"], account.digits)
            elif "above_initial" in lock:
                highest = account.initial + minor(lock["above_initial"], account.digits)
            else:
                highest = minor(account.initial * lock["percent"] / 100.0, 0)
            self.floor = min(self.floor, highest)
        used = reference - self.floor
        if self.drawdown is not None:
            line = reference * (1 - self.drawdown / 100)
        elif self.warn is not None:
            line = reference - used * self.warn / 100
        else:
            return
        self.warn_line = line.numerator // line.denominator
        line += Fraction(used, 10)
        self.rearm_line = line.numerator // line.denominator

    def test(self, equity: int) -> str | None:
        """`breach`, `warning` or nothing; the state follows."""
        self.refer()
        measured = equity if self.measured == "equity" else self.account.balance
        warns = self.warn is not None or self.drawdown is not None
        if warns and not self.armed and measured > self.rearm_line:
            self.armed = True
        if self.latched:
            return None
        if measured <= self.floor + self.reach:
            self.latched = True
            return "breach"
        if warns and self.armed and measured <= self.warn_line:
            self.armed = False
            return "warning"
        return None

    def used_percent(self, equity: int) -> float:
        """How much of the amount is used, in percent."""
        reference = self.refer()
        measured = equity if self.measured == "equity" else self.account.balance
        return percent(100.0 * (reference - measured) / (reference - self.floor))


def _exact(percent: float | None) -> Fraction | None:
    return None if percent is None else Fraction(str(percent))
