"""Rulesets of the field as data: the text of each is what a user would write, and may copy.

Firms change their rules. Each preset names when its source was read; what a firm's page says now
decides. A ruleset's own `reset` takes the place of every reset below.
"""

import msgspec


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """One preset; `guards` is TOML, in the order the guards are tested."""

    name: str
    read: str
    """Year and month in which the rules were read."""
    remark: str
    guards: str


_CLASSIC = """\
[[guard]]
name = "max_drawdown"
kind = "equity_limit"
reference = "equity_high_water"
amount = { percent = 20.0, of = "reference" }
comparator = "at_or_below"
warn_drawdown_percent = 15.0
action = "close_and_halt"
notice_s = 10.0

[[guard]]
name = "min_equity"
kind = "equity_limit"
reference = "initial"
amount = { floor = 100.0 }
comparator = "below"
action = "close_and_halt"
"""

_FTMO_TWO_STEP = """\
[[guard]]
name = "daily_loss"
kind = "equity_limit"
reference = "balance_at_reset"
amount = { percent = 5.0, of = "initial" }
comparator = "below"
reset = { zone = "Europe/Prague", at = "00:00" }
action = "close_and_halt"

[[guard]]
name = "max_loss"
kind = "equity_limit"
reference = "initial"
amount = { percent = 10.0, of = "initial" }
comparator = "below"
action = "close_and_halt"
"""

_FTMO_ONE_STEP = """\
[[guard]]
name = "daily_loss"
kind = "equity_limit"
reference = "balance_at_reset"
amount = { percent = 3.0, of = "initial" }
comparator = "below"
reset = { zone = "Europe/Prague", at = "00:00" }
action = "close_and_halt"

[[guard]]
name = "max_loss"
kind = "equity_limit"
reference = "end_of_day_balance_high_water"
amount = { percent = 10.0, of = "initial" }
comparator = "below"
reset = { zone = "Europe/Prague", at = "00:00" }
action = "close_and_halt"
"""

_THE5ERS_HIGH_STAKES = """\
[[guard]]
name = "daily_loss"
kind = "equity_limit"
reference = "higher_at_reset"
amount = { percent = 5.0, of = "reference" }
comparator = "below"
reset = { zone = "America/New_York", at = "17:00" }
action = "close_and_halt"
"""

_BLUE_GUARDIAN = """\
[[guard]]
name = "daily_loss"
kind = "equity_limit"
reference = "higher_at_reset"
amount = { percent = 4.0, of = "initial" }
comparator = "below"
reset = { zone = "America/New_York", at = "17:00" }
action = "close_and_halt"
"""

_TRAILING_INTRADAY = """\
[[guard]]
name = "trailing"
kind = "equity_limit"
reference = "equity_high_water"
amount = { percent = 4.0, of = "initial" }
comparator = "at_or_below"
lock_at = { above_initial = 100.0 }
action = "close_and_halt"
"""

_SERVER_MIDNIGHT = (
    "Daily only: read the firm's page before adding an overall limit. Its day ends at server "
    "midnight; a server on UTC+2/+3 with US dates has that at 17:00 New York all year, which is "
    "what stands here. Give the ruleset a `reset` where the server keeps other hours."
)

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset(
            name="classic",
            read="2026-10",
            remark="20 % below the highest equity after a notice of 10 s; and never below 100.",
            guards=_CLASSIC,
        ),
        Preset(
            name="ftmo_two_step",
            read="2026-10",
            remark="Daily loss of 5 % from the balance at midnight in Prague, 10 % overall.",
            guards=_FTMO_TWO_STEP,
        ),
        Preset(
            name="ftmo_one_step",
            read="2026-10",
            remark="Daily loss of 3 %; overall 10 % below the highest end-of-day balance.",
            guards=_FTMO_ONE_STEP,
        ),
        Preset(
            name="the5ers_high_stakes",
            read="2026-10",
            remark=_SERVER_MIDNIGHT,
            guards=_THE5ERS_HIGH_STAKES,
        ),
        Preset(
            name="blue_guardian",
            read="2026-10",
            remark="Daily only: read the firm's page before adding an overall limit.",
            guards=_BLUE_GUARDIAN,
        ),
        Preset(
            name="trailing_intraday",
            read="2026-10",
            remark="4 % of initial below the highest equity, until the floor is at initial + 100.",
            guards=_TRAILING_INTRADAY,
        ),
    )
}
