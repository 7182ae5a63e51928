"""What `tidegate demo` guards: made-up accounts at a simulated broker, on synthetic ticks.

Three files are written into one folder: the book, the settings, and the broker's own file. All of
them are ordinary: `tidegate serve` and `python -m adapters.broker` run them too.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

SERVER = "Demo-1"
FIRST_LOGIN = 1001
SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "XAUUSD")
CUT_LOGIN, HAND_LOGIN, MONEY_LOGIN = 1003, 1005, 1007
CUT_S, HAND_S, MONEY_S = 12.0, 18.0, 24.0
"""Seconds from the start: a terminal is cut, a trade is made by hand, money comes."""

_INSTRUMENTS = """
[[instrument]]
symbol = "EURUSD"
calc_mode = "forex"
digits = 5
contract_size = 100000.0
base_currency = "EUR"
profit_currency = "USD"

[[instrument]]
symbol = "GBPUSD"
calc_mode = "forex"
digits = 5
contract_size = 100000.0
base_currency = "GBP"
profit_currency = "USD"

[[instrument]]
symbol = "USDJPY"
calc_mode = "forex"
digits = 3
contract_size = 100000.0
base_currency = "USD"
profit_currency = "JPY"

[[instrument]]
symbol = "XAUUSD"
calc_mode = "cfd_leverage"
digits = 2
contract_size = 100.0
base_currency = "XAU"
profit_currency = "USD"
"""

_RULES = """
[[ruleset]]
name = "tight"
[[ruleset.guard]]
name = "trailing"
kind = "equity_limit"
reference = "equity_high_water"
amount = { percent = 0.6, of = "reference" }
action = "close_and_halt"

[[ruleset]]
name = "notice"
[[ruleset.guard]]
name = "daily_loss"
kind = "equity_limit"
reference = "balance_at_reset"
amount = { percent = 0.5, of = "initial" }
reset = { zone = "Europe/Prague", at = "00:00" }
action = "close_and_halt"
notice_s = 4

[[ruleset]]
name = "two_step"
preset = "ftmo_two_step"

[[ruleset]]
name = "classic"
preset = "classic"
"""

_RULESETS = ("tight", "notice", "two_step", "classic")
_CURRENCIES = ("USD", "EUR", "GBP", "USD")


@dataclass(frozen=True)
class World:
    """Where everything of the demo is."""

    folder: Path
    settings: Path
    broker: Path
    log: Path
    """What the broker's process says."""
    accounts: int


def make_world(
    folder: Path,
    accounts: int,
    port: int,
    seed: int,
    speed: float,
    synthesize: Callable[..., Any],
    *,
    http_port: int = 8080,
) -> World:
    """Writes the files. What an earlier demo left stays: journal, keys, the broker's accounts."""
    folder.mkdir(parents=True, exist_ok=True)
    ticks = folder / "ticks"
    if not ticks.exists():
        ticks.mkdir()
        synthesize(ticks, seed=seed, days=1, symbols=SYMBOLS)
    world = World(
        folder, folder / "serve.toml", folder / "broker.toml", folder / "broker.log", accounts
    )
    (folder / "book.toml").write_text(_book(accounts), encoding="utf-8")
    world.settings.write_text(_settings(port, http_port), encoding="utf-8")
    world.broker.write_text(_broker(accounts, port, seed, speed), encoding="utf-8")
    return world


def _book(accounts: int) -> str:
    rows = []
    for number in range(accounts):
        netting = number % 6 == 5
        rows.append(
            f"""
[[account]]
login = {FIRST_LOGIN + number}
server = "{SERVER}"
currency = "{_CURRENCIES[number % 4]}"
initial = 100000.0
balance = 100000.0
margin_mode = "{"netting" if netting else "hedging"}"
ruleset = "{_RULESETS[number % 4]}"
mode = "{"observe" if number % 12 == 11 else "enforce"}"
"""
        )
    return (
        "# Made by `tidegate demo`: nothing here is real.\n" + _INSTRUMENTS + _RULES + "".join(rows)
    )


def _settings(port: int, http_port: int) -> str:
    return f"""# Made by `tidegate demo`: nothing here is real.
book = "book.toml"
state = "state"

[link]
host = "127.0.0.1"
port = {port}
heartbeat_ms = 500

[http]
port = {http_port}

[reconcile]
expects_intents = true

[log]
format = "text"
level = "warning"
"""


def _broker(accounts: int, port: int, seed: int, speed: float) -> str:
    random = Random(seed)  # noqa: S311  a made-up world
    text = f"""# Made by `tidegate demo`: a simulated broker, nothing here is real.
server = "{SERVER}"
seed = {seed}
speed = {speed:g}
repeat = true
state = "broker"
slippage_points = 0.5

[engine]
port = {port}
authority = "state/certificates/ca.pem"
keys = "state/terminals"
server_hostname = "localhost"
{_INSTRUMENTS}"""
    for symbol in SYMBOLS:
        text += f"""
[[ticks]]
symbol = "{symbol}"
files = ["ticks/{symbol}.synthetic.ticks"]
"""
    for number in range(accounts):
        netting = number % 6 == 5
        text += f"""
[[account]]
login = {FIRST_LOGIN + number}
currency = "{_CURRENCIES[number % 4]}"
deposit = 100000.0
margin_mode = "{"netting" if netting else "hedging"}"
"""
        symbols = random.sample(SYMBOLS, 1 + number % 3)
        for symbol in symbols:
            side = random.choice(("buy", "sell"))
            lots = random.choice((1.0, 2.0, 3.0, 4.0))
            text += _position("account.position", symbol, side, lots)
            if not netting and number % 4 == 1:
                other = "sell" if side == "buy" else "buy"
                text += _position("account.position", symbol, other, lots / 2)
    text += f"""
[[fault]]
at_s = {CUT_S}
login = {CUT_LOGIN}
fault = "cut"
amount = 6000

[[trade]]
at_s = {HAND_S}
login = {HAND_LOGIN}
symbol = "XAUUSD"
side = "buy"
lots = 0.5
comment = "by hand"

[[money]]
at_s = {MONEY_S}
login = {MONEY_LOGIN}
kind = "deposit"
amount = 5000.0
"""
    return text


def _position(table: str, symbol: str, side: str, lots: float) -> str:
    return f"""
[[{table}]]
symbol = "{symbol}"
side = "{side}"
lots = {lots:g}
"""
