"""What a person may ask of the bot, and what only a code does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from random import Random

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from adapters.notify import chat_replies
from adapters.notify.chat import Chat, Reply
from adapters.notify.chat_commands import (
    Acknowledge,
    Act,
    Action,
    Asked,
    Confirm,
    Help,
    Look,
    Mute,
    NotUnderstood,
    Status,
    Topic,
    accounts_named,
    parse,
)
from adapters.notify.codes import Codes
from adapters.notify.outbox import AlertOutbox
from adapters.notify.routes import Route
from engine.clock import VirtualClock
from engine.domain.commands import Flatten, Halt, Refused
from engine.domain.ids import AccountKey
from engine.domain.snapshot import Quality
from tests.adapters.notify.chat_house import Desk, desk_of, guard, snapshot
from tests.adapters.notify.notify_house import KEY, NOW_MSC, Mailbox, alert, breach_record

USER, OTHER = 11, 22


class Talk:
    """A chat with codes 000001, 000002 ...; everything is said now unless a test says else."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.box = desk, Mailbox()
        clock = VirtualClock(NOW_MSC)
        self.outbox = AlertOutbox([(Route("r"), self.box)], clock, Random(1))
        numbers = count(1)
        self.chat = Chat(desk, self.outbox, clock, lambda: f"{next(numbers):06d}")

    async def say(self, text: str, user_id: int = USER, ago_s: int = 0) -> Reply:
        return await self.chat.answer(user_id, text, NOW_MSC // 1000 - ago_s)


@asynccontextmanager
async def talk(desk: Desk) -> AsyncIterator[Talk]:
    held = Talk(desk)
    async with trio.open_nursery() as nursery:
        await nursery.start(held.outbox.run)
        yield held
        nursery.cancel_scope.cancel()


# Parsing


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("/status", Status()),
        (" /STATUS@tidegate_bot ", Status()),
        ("/account 1001", Look(Topic.ACCOUNT, "1001")),
        ("/why", Look(Topic.WHY, None)),
        ("/guards Demo Server/1001", Look(Topic.GUARDS, "Demo Server/1001")),
        ("/mute 1001 30m", Mute("1001", 30)),
        ("/mute Demo Server/1001 2h", Mute("Demo Server/1001", 120)),
        ("/ack", Acknowledge()),
        ("/halt 1001", Act(Action.HALT, "1001")),
        ("/halt all", Act(Action.HALT, None, everything=True)),
        ("/flatten ALL", Act(Action.FLATTEN, None, everything=True)),
        ("/flatten", Act(Action.FLATTEN, None)),
        ("012345", Confirm("012345")),
        ("/help", Help()),
        ("/start", Help()),
    ],
)
def test_a_command_is_understood(text: str, asked: Asked) -> None:
    assert parse(text) == asked


@pytest.mark.parametrize(
    "text",
    [
        "/release 1001", "/RELEASE@bot all", "/ruleset 1001 loose", "/adopt 7", "/resume 1001",
        "/mute 1001", "/mute 1001 25h", "/mute 1001 0m", "/mute 30m", "/status 1001", "hello",
        "flatten all", "12345", "1234567", "", "/", "x" * 101, "/halt" + " " * 200 + "all",
        "٠١٢٣٤٥", "/buy 1",
    ],
)  # fmt: skip
def test_what_is_not_a_command_is_not_one(text: str) -> None:
    assert isinstance(parse(text), NotUnderstood)


@given(st.text(max_size=120))
def test_no_text_breaks_the_parser_or_lowers_risk_by_accident(text: str) -> None:
    asked = parse(text)
    if isinstance(asked, Act):
        assert text.strip().lower().startswith(("/halt", "/flatten"))


def test_a_login_may_mean_several_accounts() -> None:
    keys = [AccountKey("A", 1), AccountKey("B", 1), AccountKey("A", 2)]
    assert accounts_named("1", keys) == keys[:2]
    assert accounts_named("b/1", keys) == [keys[1]]
    for text in ("3", "C/1", "x", "", "-1", "1" * 30, "²"):
        assert accounts_named(text, keys) == []


# Codes


def test_a_code_works_once_for_one_user_for_a_minute() -> None:
    codes = Codes[str](lambda: "123456")
    codes.issue(USER, "a", 0.0)
    assert codes.redeem(OTHER, "123456", 1.0) is None
    assert codes.redeem(USER, "123456", 59.9) == "a"
    assert codes.redeem(USER, "123456", 59.9) is None
    codes.issue(USER, "b", 100.0)
    assert codes.redeem(USER, "123456", 160.0) is None


def test_a_wrong_guess_ends_a_code() -> None:
    codes = Codes[str](lambda: "123456")
    codes.issue(USER, "a", 0.0)
    assert codes.redeem(USER, "123457", 1.0) is None
    assert codes.redeem(USER, "123456", 1.0) is None


def test_a_new_code_ends_the_one_before() -> None:
    drawn = iter(["000001", "000002"])
    codes = Codes[str](lambda: next(drawn))
    codes.issue(USER, "a", 0.0)
    codes.issue(USER, "b", 0.0)
    assert codes.redeem(USER, "000001", 1.0) is None


def test_codes_have_six_digits_and_differ() -> None:
    codes = Codes[str]()
    drawn = {codes.issue(USER, "a", 0.0) for _ in range(50)}
    assert all(len(code) == 6 and code.isdigit() for code in drawn)
    assert len(drawn) > 40


# Acting


async def test_a_flatten_is_done_after_its_code_and_only_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with talk(desk_of(1001, 1002)) as held:
        offered = await held.say("/flatten 1001")
        assert offered.text.splitlines() == [
            "FLATTEN 1001",
            "3 positions, 4.20 lots",
            "floating \u22122\u202f906.70 USD",
            "Send 000001 within 60 s",
        ]
        assert held.desk.commands == []
        assert (await held.say("000001")).text == "flatten: 1 of 1 taken"
        await held.say("000001")
    by = f"telegram:{USER}"
    assert held.desk.commands == [(AccountKey("Demo-1", 1001), Flatten(NOW_MSC, by, "from chat"))]


async def test_a_code_is_its_users_alone_and_ends_after_a_minute(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with talk(desk_of(1001)) as held:
        await held.say("/halt 1001")
        assert "Nothing was done" in (await held.say("000001", OTHER)).text
        await trio.sleep(61)
        assert "Nothing was done" in (await held.say("000001", ago_s=-61)).text
    assert held.desk.commands == []


async def test_halt_all_reaches_every_account_there_is_then_and_pages(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with talk(desk_of(1001, 1002)) as held:
        offered = (await held.say("/halt all")).text
        assert offered.splitlines()[:2] == ["HALT ALL", "2 accounts"]
        assert "Positions stay open." in offered
        later = AccountKey("Demo-1", 1003)
        held.desk.accounts[later] = snapshot(later)
        held.desk.refusals[KEY] = Refused("already halted")
        held.desk.refusals[AccountKey("Demo-1", 1002)] = RuntimeError("canary")
        reply = (await held.say("000001")).text
        assert await held.outbox.drain(5)
    assert {key for key, _ in held.desk.commands} == {KEY, later}
    assert all(isinstance(command, Halt) for _, command in held.desk.commands)
    assert reply.splitlines()[0] == "halt: 1 of 3 taken"
    assert "already halted" in reply
    assert "canary" not in reply
    assert held.box.texts == [f"■ KILL SWITCH: 1 account HALTED by telegram:{USER}"]


async def test_an_old_request_does_not_act_and_may_still_read(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with talk(desk_of(1001)) as held:
        for text in ("/flatten 1001", "/mute 1001 5m", "/ack", "000001"):
            assert "nothing was done" in (await held.say(text, ago_s=61)).text
        assert "Known 1" in (await held.say("/status", ago_s=61)).text
        assert "000001" in (await held.say("/flatten 1001")).text


async def test_without_a_login_there_are_buttons(autojump_clock: trio.testing.MockClock) -> None:
    async with talk(desk_of(1001, 1002)) as held:
        reply = await held.say("/flatten")
    assert reply == Reply("Which account?", ("/flatten 1001", "/flatten 1002"))


async def test_a_login_of_two_servers_is_asked_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    desk = desk_of(1001)
    twin = AccountKey("Live-2", 1001)
    desk.accounts[twin] = snapshot(twin)
    async with talk(desk) as held:
        reply = await held.say("/halt 1001")
        assert reply.buttons == ("/halt Demo-1/1001", "/halt Live-2/1001")
        assert "no account 7" in (await held.say("/halt 7")).text
        assert "000001" in (await held.say("/halt live-2/1001")).text


async def test_every_request_is_audited_without_codes_or_free_text(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with talk(desk_of(1001)) as held:
        for text in ("/status", "my canary words", "/flatten 1001", "000001", "999999"):
            await held.say(text)
    told = [(entry.by, entry.asked, entry.outcome) for entry in held.desk.entries]
    by = f"telegram:{USER}"
    assert told == [
        (by, "status", "told"),
        (by, "notunderstood", "not understood"),
        (by, "flatten 1001", "code sent"),
        (by, "flatten Demo-1/1001", "confirmed"),
        (by, "confirm", "flatten Demo-1/1001: 1 of 1 taken"),
        (by, "confirm", "code refused"),
    ]


async def test_a_failing_audit_stops_nobody_from_lowering_risk(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with talk(desk_of(1001)) as held:
        held.desk.audit_fails = True
        await held.say("/flatten 1001")
        reply = await held.say("000001")
    assert reply.text.splitlines() == ["flatten: 1 of 1 taken", "(not in the audit log)"]
    assert len(held.desk.commands) == 1
    assert "canary" not in caplog.text


async def test_muting_and_acknowledging(autojump_clock: trio.testing.MockClock) -> None:
    async with talk(desk_of(1001)) as held:
        reply = await held.say("/mute 1001 30m")
        await held.outbox.notify(alert())
        assert await held.outbox.drain(5)
        assert (await held.say("/ack")).text == "0 pages acknowledged"
    assert reply.text == "1001 muted 30 min; pages still\n come"
    assert held.box.taken == []


# Reading


async def test_the_last_verdict_is_told(autojump_clock: trio.testing.MockClock) -> None:
    async with talk(desk_of(1001)) as held:
        assert (await held.say("/why 1001")).text == "no verdict yet"
        held.desk.verdicts[KEY] = breach_record()
        text = (await held.say("/why 1001")).text
    assert text.startswith("✕ 1001 BREACH daily_loss:")
    assert "vrd_7q" in text


def test_the_status_counts_six_states_and_shows_the_nearest() -> None:
    shots = [
        snapshot(AccountKey("D", 1), guards=(guard(breached=True),), halts=("daily_loss",)),
        snapshot(AccountKey("D", 2), quality=Quality.UNKNOWN, room_percent=None),
        snapshot(AccountKey("D", 3), guards=(guard(warned=True),), room_percent=3.0),
        snapshot(AccountKey("D", 4), quality=Quality.STALE),
        snapshot(AccountKey("D", 5), halts=("a.kim",)),
        *(snapshot(AccountKey("D", login), room_percent=50.0) for login in range(6, 12)),
    ]
    lines = chat_replies.status(shots).splitlines()
    assert lines[:7] == [
        "✕ Breached 1", "? Unknown 1", "▲ Warning 1", "◌ Stale 1", "■ Halted 1", "● Known 6",
        "Nearest:",
    ]  # fmt: skip
    assert lines[7:9] == ["3 daily_loss", " 597.45 USD, 3 %"]
    assert len(lines) == 7 + 2 * 5


def test_an_account_and_its_guards_are_told() -> None:
    shot = snapshot(KEY, equity=None, quality=Quality.UNKNOWN, reason="no quote", halts=("x",))
    assert chat_replies.account(shot).splitlines()[:4] == [
        "? Unknown Demo-1/1001", "no quote", "equity — USD", "balance 100\u202f000.00",
    ]  # fmt: skip
    assert "halted by x" in chat_replies.account(shot)
    assert chat_replies.guards(snapshot(KEY)).splitlines() == [
        "Demo-1/1001", "● daily_loss", " floor 95\u202f000.00", " 597.45 left, 88 % used",
    ]  # fmt: skip


@given(
    login=st.integers(1, 10**18),
    server=st.text("abc- 1", min_size=1, max_size=60),
    money=st.one_of(st.none(), st.floats(-1e12, 1e12)),
    name=st.text("xyz_ ", min_size=1, max_size=60),
)
def test_no_answer_is_wider_than_a_phone(
    login: int, server: str, money: float | None, name: str
) -> None:
    key = AccountKey(server, login)
    shot = snapshot(
        key, equity=money, balance=money or 0.0, profit=money, room=money, nearest_guard=name,
        guards=(guard(name),), halts=(name,),
    )  # fmt: skip
    answers = [
        chat_replies.status([shot]),
        chat_replies.account(shot),
        chat_replies.guards(shot),
        chat_replies.to_confirm("flatten", str(login), [shot], "123456"),
        chat_replies.which(name, [key]),
    ]
    for answer in answers:
        assert max(map(len, answer.splitlines())) <= chat_replies.COLUMNS
