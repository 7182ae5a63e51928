"""Seeded random books, as TOML, and random walks, as MT5 tick files, for the oracle."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

INSTRUMENTS: dict[str, tuple[float, dict[str, Any]]] = {
    "EURUSD": (1.25, {"calc_mode": "forex", "digits": 5, "contract_size": 100000.0}),
    "EURUSD.m": (1.25, {"calc_mode": "forex_no_leverage", "digits": 5, "contract_size": 1000.0}),
    "GBPUSD": (1.5, {"calc_mode": "forex", "digits": 5, "contract_size": 100000.0}),
    "USDJPY": (150.0, {"calc_mode": "forex", "digits": 3, "contract_size": 100000.0}),
    "EURJPY": (187.5, {"calc_mode": "forex", "digits": 3, "contract_size": 100000.0}),
    "XAUUSD": (1300.0, {"calc_mode": "cfd", "digits": 2, "contract_size": 100.0}),
    "XAUUSD.m": (1300.0, {"calc_mode": "cfd_leverage", "digits": 3, "contract_size": 100.0}),
    "NKYJPY": (20000.0, {"calc_mode": "cfd_index", "digits": 0, "contract_size": 100.0}),
    "SAPEUR": (120.0, {"calc_mode": "stock", "digits": 2, "contract_size": 1000.0}),
    "FUTUSD": (
        3000.0,
        {
            "calc_mode": "futures",
            "digits": 2,
            "contract_size": 50.0,
            "tick_size": 0.25,
            "tick_value": 12.5,
        },
    ),
}
NOTIONAL_USD = {"JPY": 1 / 150.0, "EUR": 1.25, "USD": 1.0, "GBP": 1.5}
CURRENCIES = ("USD", "USD", "EUR", "GBP", "JPY")
REFERENCES = (
    "initial",
    "balance_at_reset",
    "equity_at_reset",
    "higher_at_reset",
    "day_high_equity",
    "equity_high_water",
    "balance_high_water",
    "end_of_day_balance_high_water",
)
PRESETS = (
    "classic",
    "ftmo_two_step",
    "ftmo_one_step",
    "the5ers_high_stakes",
    "blue_guardian",
    "trailing_intraday",
)
RESETS = (
    '{ zone = "Europe/Prague", at = "00:00" }',
    '{ zone = "America/New_York", at = "17:00" }',
    '{ zone = "Asia/Tokyo", at = "09:30" }',
    '{ zone = "Europe/Berlin", at = "02:30" }',  # twice, or never, on the days the clocks change
)
STARTS = ("2014-05-01T06:00", "2026-03-27T15:00", "2026-10-24T03:00", "2026-10-30T20:00")


class World:
    """One seed: its book and its tick files in a folder."""

    def __init__(self, seed: int, folder: Path, tick_count: int = 500) -> None:
        self.rng = random.Random(seed)
        self.symbols = sorted({*self.rng.sample(list(INSTRUMENTS), 4), "EURUSD", "GBPUSD"})
        self.symbols = sorted({*self.symbols, "USDJPY"})
        self.rng.shuffle(self.symbols)
        self.start = datetime.fromisoformat(self.rng.choice(STARTS)).replace(tzinfo=UTC)
        self.ticks: dict[str, list[Path]] = {}
        self.last_msc = self._walk(folder, tick_count)
        self.text = self._toml()
        self.book = folder / "book.toml"
        self._keep()

    def _keep(self) -> None:
        """Writes the book beside its ticks."""
        self.book.write_text(self.text)

    def _walk(self, folder: Path, tick_count: int) -> int:
        """Writes the files; prices jump at times, spreads open, hours pass, times repeat."""
        rng, now = self.rng, self.start
        prices = {symbol: INSTRUMENTS[symbol][0] for symbol in self.symbols}
        rows: dict[str, list[str]] = {
            symbol: ["<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>"]
            for symbol in self.symbols
        }
        step = rng.choice((0.0004, 0.001, 0.002))
        for number in range(tick_count):
            wait = rng.choices((0, rng.randrange(3000), rng.randrange(40_000_000)), (3, 12, 1))[0]
            now += timedelta(milliseconds=wait)
            few = self.symbols[: 1 + number // 4]  # the last symbols come late
            symbol = rng.choice(few)
            digits = INSTRUMENTS[symbol][1]["digits"]
            jump = rng.choices((1.0, 12.0), (60, 1))[0]
            prices[symbol] *= 1.0 + rng.gauss(0.0, step * jump)
            half = prices[symbol] * rng.choices((0.0, 0.00005, 0.002), (1, 8, 1))[0]
            bid, ask = round(prices[symbol] - half, digits), round(prices[symbol] + half, digits)
            stamp = now.strftime("%Y.%m.%d\t%H:%M:%S.") + f"{now.microsecond // 1000:03d}"
            rows[symbol].append(f"{stamp}\t{bid:.{digits}f}\t{ask:.{digits}f}\t\t\t6")
        for symbol, lines in rows.items():
            self.ticks[symbol] = [folder / f"{symbol}.tsv"]
            if len(lines) > 1:
                self.ticks[symbol][0].write_text("\n".join(lines) + "\n")
            else:
                del self.ticks[symbol]
        return int(now.timestamp() * 1000)

    def _toml(self) -> str:
        parts = [self._instrument(symbol) for symbol in self.symbols]
        rulesets = [f"r{number}" for number in range(5)]
        parts += [self._ruleset(name) for name in rulesets]
        parts += [self._account(1001 + number, rulesets) for number in range(7)]
        return "\n".join(parts)

    def _instrument(self, symbol: str) -> str:
        keys = {"symbol": symbol, **INSTRUMENTS[symbol][1]}
        keys |= {"base_currency": symbol[:3], "profit_currency": symbol[3:6]}
        if self.rng.random() < 0.4:
            keys["conversion"] = self.rng.choice(("by_deal", "by_market"))
        return "[[instrument]]\n" + _lines(keys)

    def _ruleset(self, name: str) -> str:
        rng = self.rng
        text = f'[[ruleset]]\nname = "{name}"\n'
        if rng.random() < 0.3:
            text += f'preset = "{rng.choice(PRESETS)}"\n'
        return text + "".join(self._guard(f"g{n}") for n in range(rng.randrange(1, 4)))

    def _guard(self, name: str) -> str:
        rng = self.rng
        action = rng.choice(("alert", "close", "close_and_halt", "close_and_halt", "pause"))
        keys: dict[str, Any] = {"name": name, "kind": "equity_limit", "action": action}
        kind = rng.choice(("initial", "initial", "reference", "money", "floor"))
        percent = rng.choice((0.7, 1.3, 3.0, 5.25, 9.0))
        if kind == "floor":
            keys["amount"] = Bare(f"{{ floor = {rng.choice((9000, 9500, 9890))}.0 }}")
            keys["reference"] = "initial"
        elif kind == "money":
            keys["amount"] = Bare(f"{{ money = {rng.choice((77, 300, 555))}.0 }}")
        else:
            keys["amount"] = Bare(f'{{ percent = {percent}, of = "{kind}" }}')
        keys.setdefault("reference", rng.choice(REFERENCES))
        latches = ["reset"] if action == "pause" else ["manual", "never", "reset", "reset"]
        keys |= self._maybe("latch", latches, 0.6) | self._maybe("notice_s", (0, 2.5, 40), 0.4)
        keys |= self._maybe("measured", ("equity", "balance"), 0.4)
        keys |= self._maybe("comparator", ("below", "at_or_below"), 0.6)
        keys |= self._maybe("warn_percent", (20.0, 50.0, 75.5, 100.0), 0.3)
        if "warn_percent" not in keys:
            keys |= self._maybe("warn_drawdown_percent", (0.5, 2.0, 3.5), 0.3)
        locks = [f"{{ money = {m}.0 }}" for m in (9800, 10010, 10100)]
        locks += [f'{{ percent = {p}, of = "initial" }}' for p in (98.5, 100.0, 101.0)]
        if kind != "floor":
            keys |= self._maybe("lock_at", [Bare(lock) for lock in locks], 0.25)
        if rng.random() < 0.8 or _needs_reset(keys):
            keys["reset"] = Bare(rng.choice(RESETS))
        return "[[ruleset.guard]]\n" + _lines(keys)

    def _maybe(self, key: str, values: Any, chance: float) -> dict[str, Any]:
        return {key: self.rng.choice(values)} if self.rng.random() < chance else {}

    def _account(self, login: int, rulesets: list[str]) -> str:
        rng = self.rng
        currency = rng.choice(CURRENCIES)
        cents = 0.0 if currency == "JPY" else 0.37
        balance = 10000.0 + rng.choice((0.0, cents, 250.0))
        keys: dict[str, Any] = {"login": login, "server": "Demo-1", "currency": currency}
        keys |= {"balance": balance, "ruleset": rng.choice(rulesets)}
        keys |= self._maybe("initial", (10000.0, 10000.0 + cents, 9900.0), 0.4)
        keys |= self._maybe("credit", (100.0, 50.0 + cents), 0.3)
        keys |= self._maybe("mode", ("observe", "enforce"), 0.2)
        text = "[[account]]\n" + _lines(keys)
        for number in range(rng.choice((0, 1, 1, 2, 3, 4))):
            text += self._position(login * 10 + number, currency)
        for _ in range(rng.choice((0, 0, 1, 2))):
            text += self._operation()
        return text

    def _position(self, number: int, currency: str) -> str:
        rng, symbol = self.rng, self.rng.choice(self.symbols)
        price, spec = INSTRUMENTS[symbol]
        unit = notional(symbol, currency)
        lots = round(rng.uniform(0.5, 5.0) * 10000.0 / unit, rng.choice((2, 3, 5))) or 0.001
        keys: dict[str, Any] = {"id": number, "symbol": symbol, "volume_lots": lots}
        keys["side"] = rng.choice(("buy", "sell"))
        keys["open_price"] = round(price * rng.uniform(0.995, 1.005), spec["digits"])
        stop, target = rng.uniform(0.97, 0.999), rng.uniform(1.001, 1.03)
        if keys["side"] == "sell":
            stop, target = target, stop
        keys |= self._maybe("stop_loss", [round(price * stop, spec["digits"])], 0.3)
        keys |= self._maybe("take_profit", [round(price * target, spec["digits"])], 0.3)
        keys |= self._maybe("swap", (-3.0, 7.0, -41.0), 0.3)
        return "[[account.position]]\n" + _lines(keys)

    def _operation(self) -> str:
        rng, first = self.rng, int(self.start.timestamp() * 1000)
        keys: dict[str, Any] = {"at": rng.randrange(first + 1, self.last_msc)}
        keys |= {"kind": rng.choice(("deposit", "withdrawal", "credit"))}
        keys["money"] = rng.choice((50.0, 400.0, 1000.0))
        return "[[account.operation]]\n" + _lines(keys)


def notional(symbol: str, currency: str) -> float:
    """About what one lot is worth in a deposit currency, at the symbol's first price."""
    price, spec = INSTRUMENTS[symbol]
    size = spec["contract_size"]
    if spec["calc_mode"] == "futures":
        size = spec["tick_value"] / spec["tick_size"]
    return float(price * size * NOTIONAL_USD[symbol[3:6]] / NOTIONAL_USD[currency])


class Bare(str):
    """TOML that is written as it stands."""


def _needs_reset(keys: dict[str, Any]) -> bool:
    taken = keys["reference"].endswith("_at_reset") or keys["reference"].startswith(("end", "day"))
    return taken or keys.get("latch") == "reset" or keys["action"] == "pause"


def _lines(keys: dict[str, Any]) -> str:
    def text(value: Any) -> str:
        plain = isinstance(value, Bare) or not isinstance(value, str)
        return str(value) if plain else f'"{value}"'

    return "".join(f"{key} = {text(value)}\n" for key, value in keys.items())
