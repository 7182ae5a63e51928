"""The internal socket over real sockets: who gets in, what is answered, what is refused."""

import os
import socket
import stat
from contextlib import suppress
from dataclasses import replace
from errno import EMFILE
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from engine.client.async_client import open_client
from engine.client.wire import (
    REQUEST_BYTES,
    VERSION,
    Frames,
    WireError,
    answer_of,
    framed,
    pack,
    request_of,
)
from engine.desk import Taken
from engine.domain.commands import Adopt, Flatten, Halt, Refused, Release, Respec
from engine.domain.ids import AccountKey
from engine.errors import AdapterError, UserError
from facade.internal_connection import OUTSTANDING
from facade.internal_rules import NotAllowedError, Peer, Rules, name_of
from facade.internal_socket import CONNECTIONS
from tests.domain.accounts import unopened
from tests.facade.fake_desk import FakeDesk, key_of
from tests.facade.internal_house import LONG_S, RULES, TOKEN, house, raw, second_person

ONE, OTHER = key_of(1001), key_of(1002)
NOBODY = AccountKey("Demo-9", 1)
ME = f"shell:{name_of(os.getuid())}"


async def test_every_call_is_answered_as_the_desk_would() -> None:
    async with house() as home, open_client(home.path) as client:
        home.desk.tick(1.1)
        home.desk.verdicts["vrd_1"] = {"guard": "floor"}
        assert await client.keys() == [ONE, OTHER]
        assert await client.health() == home.desk.health()
        assert await client.snapshot(ONE) == home.desk.snapshot(ONE)
        both = [home.desk.snapshot(OTHER), home.desk.snapshot(ONE)]
        assert await client.snapshots([OTHER, NOBODY, ONE]) == both
        assert await client.records(ONE, 0) == home.desk.lives[ONE].records
        assert await client.ask_report(ONE)
        assert home.desk.asked == [ONE]
        assert await client.verdict("vrd_1") == {"guard": "floor"}
        assert await client.verdict("vrd_2") is None
        assert await client.equity(ONE, 60, 0, 1) == []
        respec = Respec(
            0, "api:ann", structs.replace(home.desk.lives[ONE].state.spec, guards=()), "less"
        )
        looked = await client.outlook(ONE, respec)
        assert looked == await home.desk.outlook(ONE, respec)
        assert (len(looked.before), looked.after, home.desk.given) == (1, (), [])
        assert await client.statistics(ONE, 0, 2**52) == await home.desk.statistics(ONE, 0, 2**52)
        with pytest.raises(AdapterError, match="buckets are of"):
            await client.equity(ONE, 61, 0, 1)


async def test_an_account_nobody_has_is_a_key_error_in_every_call() -> None:
    async with house() as home, open_client(home.path) as client:
        for ask in (
            client.snapshot(NOBODY),
            client.records(NOBODY, 0),
            client.statistics(NOBODY, 0, 1),
            client.outlook(NOBODY, Respec(0, "", unopened().spec, "")),
            client.ask_report(NOBODY),
            client.command(NOBODY, Halt(0, "", "")),
            client.command_all([ONE, NOBODY], Halt(0, "", "")),
        ):
            with pytest.raises(KeyError):
                await ask
        assert home.desk.given == []


async def test_pipelined_requests_come_back_each_with_its_id() -> None:
    async with house() as home, raw(home) as mine:
        asked = range(2, 402)
        sent = b"".join(pack(n, "snapshot", {"key": (ONE, OTHER)[n % 2]}) for n in asked)
        await mine.stream.send_all(sent)
        answers = [await mine.heard() for _ in asked]
        assert [one.number for one in answers] == list(asked)
        assert {one.outcome for one in answers} == {"ok"}


async def test_reads_overtake_a_command_that_waits_for_the_disk() -> None:
    async with house() as home, open_client(home.path) as client:
        home.desk.hold = trio.Event()
        done: list[object] = []

        async def act() -> None:
            done.append(await client.command(ONE, Halt(0, "", "")))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(act)
            assert len(await client.keys()) == 2
            await client.snapshot(ONE)
            assert not done
            home.desk.hold.set()
        assert isinstance(done[0], Taken)


async def test_commands_of_one_account_keep_their_order() -> None:
    async with house() as home, raw(home) as mine:
        for number in range(2, 42):
            said = Halt(0, "", str(number))
            await mine.say(number, "command", key=ONE, command=said)
        assert {(await mine.heard()).number for _ in range(40)} == set(range(2, 42))
        assert [c.reason for _, c in home.desk.given] == [str(n) for n in range(2, 42)]  # type: ignore[union-attr]


# Who


async def test_the_socket_is_only_its_owners_and_the_file_goes_with_the_engine() -> None:
    async with house() as home:
        assert stat.S_IMODE(home.path.stat().st_mode) == 0o600
        path = home.path
    assert not path.exists()


async def test_with_listed_users_the_group_may_open_it() -> None:
    async with house(rules=Rules(users=(12345,))) as home:
        assert stat.S_IMODE(home.path.stat().st_mode) == 0o660


async def test_another_user_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rules, "of_user", lambda self, user: None)
    async with house() as home:
        with pytest.raises(AdapterError):
            async with open_client(home.path):
                pass
        assert home.served.counts.turned_away == 1


def test_only_our_user_root_and_listed_ones_are_let_in() -> None:
    rules = Rules(users=(12345,))
    own, root, listed = (rules.of_user(n) for n in (os.getuid(), 0, 12345))
    assert [one and one.is_owner for one in (own, root, listed)] == [True, True, False]
    assert rules.of_user(54321) is None


async def test_over_tcp_a_token_is_needed() -> None:
    async with house() as home:
        address = ("127.0.0.1", home.port)
        async with open_client(address, TOKEN) as client:
            assert await client.keys() == [ONE, OTHER]
        for token in ("", "wrong", TOKEN[:-1], TOKEN + "x", "ü"):
            with pytest.raises(AdapterError, match="token") as refused:
                async with open_client(address, token):
                    pass
            assert not refused.value.retry


async def test_a_wrong_token_is_refused_on_the_unix_socket_too() -> None:
    async with house() as home:
        with pytest.raises(AdapterError, match="token"):
            async with open_client(home.path, "wrong"):
                pass


async def test_nothing_is_answered_before_hello_nor_another_version() -> None:
    async with house() as home, raw(home, greets=False) as mine:
        await mine.say(1, "keys")
        assert (await mine.heard()).outcome == "denied"
        await mine.say(2, "hello", version=VERSION + 1)
        assert (await mine.heard()).outcome == "error"
        await mine.say(3, "keys")
        assert (await mine.heard()).outcome == "denied"


async def test_the_shell_cannot_say_it_is_somebody_else() -> None:
    async with house() as home, open_client(home.path) as client:
        await client.command(ONE, Halt(0, "api:ann", ""))
        await client.command_all([ONE, OTHER], Halt(0, "api:ann", ""))
        assert {command.by for _, command in home.desk.given} == {ME}


async def test_a_program_with_the_token_says_for_whom_it_asks() -> None:
    async with house() as home, open_client(home.path, TOKEN) as client:
        await client.command(ONE, Halt(0, "api:ann", ""))
        assert home.desk.given[0][1].by == "api:ann"
        for by in ("", "shell:bob"):
            with pytest.raises(AdapterError, match="for whom"):
                await client.command(ONE, Halt(0, by, ""))


async def test_a_listed_user_may_only_lower_risk() -> None:
    desk, rules = FakeDesk(), Rules(users=(12345,))
    listed = Peer("shell:eve", is_owner=False)
    said = rules.command_of(listed, ONE, Flatten(0, "", "over"), "", desk)
    assert said == Flatten(0, "shell:eve", "over")
    for command in (Adopt(0, "", 1, "mine"), Release(0, "", "shell:ann", "again")):
        with pytest.raises(NotAllowedError, match="lower risk"):
            rules.command_of(listed, ONE, command, "", desk)


async def test_other_rules_are_never_asked_for_by_the_shell() -> None:
    async with house() as home, open_client(home.path) as client:
        spec = home.desk.lives[ONE].state.spec
        with pytest.raises(AdapterError, match="API"):
            await client.command(ONE, Respec(0, "", spec, "looser"))
        assert home.desk.given == []


async def test_a_breach_is_released_by_two_and_both_are_named() -> None:
    rules = Rules(second_person=second_person)
    async with house(rules=rules) as home, open_client(home.path) as client:
        home.desk.tick(1.1)
        home.desk.tick(1.08)
        release = Release(0, "", "floor", "agreed")
        for token, said in (
            ("", "by two"),
            ("viewer:bob", "no operator"),
            (f"operator:{name_of(os.getuid())}", "another one"),
            (f"operator:{name_of(os.getuid()).upper()}", "another one"),
        ):
            with pytest.raises(AdapterError, match=said):
                await client.command(ONE, release, token)
        assert home.desk.given == []
        assert isinstance(await client.command(ONE, release, "operator:bob"), Taken)
        assert home.desk.given[0][1].by == f"{ME}+bob"


async def test_a_halt_of_a_person_is_released_by_one_with_a_reason() -> None:
    async with house() as home, open_client(home.path) as client:
        await client.command(ONE, Halt(0, "", ""))
        with pytest.raises(AdapterError, match="reason"):
            await client.command(ONE, Release(0, "", ME, " "))
        assert isinstance(await client.command(ONE, Release(0, "", ME, "calm")), Taken)
        refused = await client.command(ONE, Release(0, "", ME, "calm"))
        assert isinstance(refused, Refused)


# Limits and damage


async def test_a_frame_that_is_too_large_ends_the_connection() -> None:
    async with house() as home, raw(home) as mine:
        await mine.stream.send_all((REQUEST_BYTES + 1).to_bytes(4, "big"))
        assert await mine.is_closed()
        await home.until_gone()
        assert home.served.counts.broken == 1


async def test_what_is_no_request_is_answered_or_ends_the_connection_and_harms_nobody() -> None:
    async with house() as home, open_client(home.path) as steady:
        async with raw(home) as mine:
            await mine.say(2, "fly")
            await mine.say(3, "snapshot", key="Demo-1/1001")
            await mine.say(4, "records", key=ONE, after="x")
            await mine.say(5, "command", key=ONE, command={"type": "explode"})
            await mine.say(6, "snapshots", keys=[ONE] * 1001)
            heard = [await mine.heard() for _ in range(5)]
            assert {one.outcome for one in heard} == {"error"}
            await mine.stream.send_all(framed(b"\xc1"))
            assert await mine.is_closed()
        assert await steady.keys() == [ONE, OTHER]


@settings(deadline=None, max_examples=150)
@given(
    frames=st.lists(st.binary(max_size=300), max_size=8),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=30),
)
def test_frames_come_out_as_they_went_in_however_they_are_cut(
    frames: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(map(framed, frames))
    taken, found, place = Frames(300), [], 0
    while place < len(stream):
        for cut in cuts:
            found += list(taken.feed(stream[place : place + cut]))
            place += cut
    assert found == frames


@settings(deadline=None, max_examples=150)
@given(noise=st.binary(min_size=4, max_size=200))
def test_noise_is_frames_or_a_wire_error_and_nothing_else(noise: bytes) -> None:
    with suppress(WireError):
        for frame in Frames(64).feed(noise):
            for read in (request_of, answer_of):
                with suppress(WireError):
                    read(frame)


async def test_noise_over_the_socket_never_stops_the_engine_from_answering() -> None:
    noise = Random(7)
    async with house() as home:
        for _ in range(40):
            async with raw(home, greets=noise.random() < 0.5) as mine:
                await mine.stream.send_all(noise.randbytes(noise.randrange(1, 400)))
        await home.until_gone()
        async with open_client(home.path) as client:
            assert await client.keys() == [ONE, OTHER]


async def test_there_are_only_so_many_connections_and_they_come_back() -> None:
    async with house() as home:
        streams = [await trio.open_unix_socket(str(home.path)) for _ in range(CONNECTIONS)]
        with trio.fail_after(LONG_S):
            while home.served.counts.connections < CONNECTIONS:
                await trio.sleep(0.005)
        with pytest.raises(AdapterError):
            async with open_client(home.path):
                pass
        for stream in streams:
            await stream.aclose()
        await home.until_gone()
        async with open_client(home.path) as client:
            assert await client.keys()


async def test_so_many_commands_under_way_then_requests_wait() -> None:
    async with house() as home, raw(home) as mine:
        home.desk.hold = trio.Event()
        for number in range(2, OUTSTANDING + 12):
            await mine.say(number, "records", key=ONE, after=0)
        await mine.say(9999, "keys")
        with trio.move_on_after(0.2) as waited:
            await mine.heard()
        assert waited.cancelled_caught
        home.desk.hold.set()
        heard = [await mine.heard() for _ in range(OUTSTANDING + 11)]
        assert {one.outcome for one in heard} == {"ok"}
        assert 9999 in {one.number for one in heard}


async def test_a_fault_of_ours_ends_that_connection_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with house() as home, open_client(home.path) as steady, raw(home) as mine:

        def broken() -> None:
            raise AssertionError("a broken invariant")

        monkeypatch.setattr(home.desk, "health", broken)
        await mine.say(2, "health")
        assert await mine.is_closed()
        assert await steady.keys() == [ONE, OTHER]


async def test_an_accept_that_fails_is_tried_again_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    plain, failures = trio.SocketListener.accept, [EMFILE, EMFILE]

    async def failing(self: trio.SocketListener) -> trio.SocketStream:
        if failures:
            raise OSError(failures.pop(), "Too many open files")
        return await plain(self)

    async with house(rules=Rules()) as home, open_client(home.path) as steady:
        monkeypatch.setattr(trio.SocketListener, "accept", failing)
        async with open_client(home.path), open_client(home.path) as late:
            assert await late.keys() == await steady.keys()
        assert failures == []
        assert home.served.counts.turned_away == 2


# The path


async def test_a_socket_left_by_a_killed_engine_is_taken_over_and_a_live_one_is_not() -> None:
    with TemporaryDirectory(prefix="tg") as folder:
        path = Path(folder) / "s"
        left = socket.socket(socket.AF_UNIX)
        left.bind(str(path))
        left.close()
        async with house(path=path) as home, open_client(home.path) as client:
            assert await client.keys()
            with pytest.raises(BaseExceptionGroup) as refused:
                async with house(path=path):
                    pass
            assert refused.group_contains(UserError, match="another engine")


async def test_a_file_in_the_way_is_left_as_it_is() -> None:
    with TemporaryDirectory(prefix="tg") as folder:
        path = Path(folder) / "s"
        path.write_text("precious")
        with pytest.raises(BaseExceptionGroup) as refused:
            async with house(path=path):
                pass
        assert refused.group_contains(UserError, match="no socket")
        assert path.read_text() == "precious"


def test_the_rules_of_tests_have_a_token() -> None:
    assert RULES.token is not None


async def test_a_command_to_every_account_is_told_to_people_and_one_to_some_is_not() -> None:
    told: list[Any] = []
    rules = replace(RULES, on_kill=lambda *said: told.append(said))
    async with house(rules=rules) as home, open_client(home.path) as client:
        await client.command_all([ONE], Halt(0, "", "news"))
        assert told == []
        await client.command_all([ONE, OTHER], Halt(0, "", "storm"))
        assert told == [(ME, "halt", 2, "storm")]
        with pytest.raises(AdapterError, match="only a program"):
            await client.tell_kill_switch("api:bob", "halt", 2, "")
        async with open_client(home.path, TOKEN) as program:
            await program.tell_kill_switch("api:bob", "flatten", 7, "drill")
        assert told[1:] == [("api:bob", "flatten", 7, "drill")]
