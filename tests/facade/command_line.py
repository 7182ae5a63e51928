"""Running the program inside the test, and files for it to work on."""

from pathlib import Path
from typing import NamedTuple

import pytest

from facade.__main__ import main

INSTRUMENT = """\
[[instrument]]
symbol = "{}"
calc_mode = "cfd"
digits = 2
contract_size = 100.0
base_currency = "XAU"
profit_currency = "USD"
"""
BOOK = (
    INSTRUMENT.format("XAUUSD")
    + INSTRUMENT.format("GOLD")
    + """
[[ruleset]]
name = "house"
[[ruleset.guard]]
name = "floor"
kind = "equity_limit"
reference = "initial"
amount = { money = 1000.0 }
action = "close_and_halt"
"""
)
ACCOUNT = """
[[account]]
login = {login}
server = "Demo-1"
currency = "USD"
balance = 10000.0
ruleset = "house"
[[account.position]]
id = {login}
symbol = "{symbol}"
side = "buy"
volume_lots = 1.0
open_price = {price}
"""
BREACHED, WARNED, KNOWN, UNKNOWN = 1, 2, 3, 4
BOOK += ACCOUNT.format(login=BREACHED, symbol="XAUUSD", price="2000.0")
BOOK += ACCOUNT.format(login=WARNED, symbol="XAUUSD", price="1999.0")
BOOK += ACCOUNT.format(login=KNOWN, symbol="XAUUSD", price="1995.0")
BOOK += ACCOUNT.format(login=UNKNOWN, symbol="GOLD", price="2000.0")

HEAD = "<DATE>\t<TIME>\t<BID>\t<ASK>\t<LAST>\t<VOLUME>\t<FLAGS>\n"
PRICES = ((0, 2000.0), (5, 1995.0), (9, 1989.5), (20, 1998.0), (30, 1989.99))
TICKS = HEAD + "".join(
    f"2024.03.05\t10:00:{second:02d}.{second:03d}\t{bid:.2f}\t{bid + 0.3:.2f}\t\t\t6\n"
    for second, bid in PRICES
)
"""Gold falls by 10.50 after nine seconds: 1 breaches, 2 warns, 3 does neither, 4 has no tick."""


class Said(NamedTuple):
    """What a command came to."""

    code: int
    out: str
    err: str


class Program:
    """Runs commands as the console script does."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *words: str | Path) -> Said:
        self._capsys.readouterr()
        code = main([str(word) for word in words])
        out, err = self._capsys.readouterr()
        assert "Traceback" not in err
        return Said(code, out, err)


def sample(folder: Path) -> tuple[str, ...]:
    """Writes book and ticks into the folder; the options that name them."""
    (folder / "book.toml").write_text(BOOK, encoding="utf-8")
    (folder / "gold.tsv").write_text(TICKS, encoding="utf-8")
    return ("--book", str(folder / "book.toml"), "--ticks", f"XAUUSD={folder / 'gold.tsv'}")
