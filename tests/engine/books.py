"""A small book that is in order, for tests to break."""

BOOK = """\
[[instrument]]
symbol = "EURUSD"
calc_mode = "forex"
digits = 5
contract_size = 100000.0
base_currency = "EUR"
profit_currency = "USD"

[[instrument]]
symbol = "XAUUSD"
calc_mode = "cfd"
digits = 3
contract_size = 100.0
base_currency = "XAU"
profit_currency = "USD"

[[ruleset]]
name = "house"
[[ruleset.guard]]
name = "daily_loss"
kind = "equity_limit"
reference = "balance_at_reset"
amount = { percent = 5.0, of = "initial" }
comparator = "below"
reset = { zone = "Europe/Prague", at = "00:00" }
warn_percent = 75.0
action = "close_and_halt"

[[account]]
login = 1001
server = "Demo-1"
currency = "USD"
balance = 10000.0
ruleset = "house"
[[account.position]]
id = 1
symbol = "EURUSD"
side = "buy"
volume_lots = 0.017
open_price = 1.38650
"""


def changed(*changes: tuple[str, str]) -> str:
    """The book with each first piece of text replaced, once; it must be there."""
    text = BOOK
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after, 1)
    return text


def with_guard(keys: str, account: str = "") -> str:
    """The book with one more guard in its ruleset, and keys more on its account."""
    text = changed(("[[account]]\n", f'[[ruleset.guard]]\nname = "more"\n{keys}\n\n[[account]]\n'))
    return text.replace("login = 1001\n", f"login = 1001\n{account}\n", 1)
