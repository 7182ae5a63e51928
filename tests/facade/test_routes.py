"""How loud a channel is, from the words of the settings."""

import pytest

from engine.alerts import Alert, Level
from engine.domain.ids import AccountKey
from facade.settings_keys import QuietHoursKeys, TelegramKeys
from facade.wiring import route_of

NIGHT_MSC = 1_714_604_400_000
"""2024-05-01T23:00:00Z: one in the morning in Prague."""


def alert(level: Level, kind: str) -> Alert:
    return Alert(
        level=level,
        kind=kind,
        account=AccountKey("Demo-1", 1),
        lines=("a line",),
        time_msc=NIGHT_MSC,
        dedupe_key="a",
        thread="a",
    )


@pytest.mark.parametrize(
    ("level", "kind", "loudness"),
    [
        (Level.PAGE, "not_flat", "on"),
        (Level.NOTIFY, "halted", "silent"),
        (Level.NOTIFY, "warning", "off"),
        (Level.LOG, "anything", "silent"),
    ],
)
def test_a_route_is_as_loud_as_its_table_says(level: Level, kind: str, loudness: str) -> None:
    keys = TelegramKeys(
        token_file="t",
        chat=1,
        levels={"log": "on"},
        kinds={"warning": "off"},
        quiet_hours=QuietHoursKeys(zone="Europe/Prague", from_="22:00", to="07:00"),
    )
    found = route_of("telegram", keys).loudness(alert(level, kind), {}, NIGHT_MSC)
    assert found.value == loudness


def test_a_table_without_a_word_about_it_leaves_the_usual() -> None:
    route = route_of("telegram", TelegramKeys(token_file="t", chat=1))
    assert route.loudness(alert(Level.NOTIFY, "warning"), {}, NIGHT_MSC).value == "on"
    assert route.loudness(alert(Level.LOG, "warning"), {}, NIGHT_MSC).value == "off"
