"""Who the gateway does not let in, or puts out: one `e`, counted by cause, and never a secret."""

import logging
import socket

import pytest
import trio

from adapters.mt5.protocol import EndCode
from engine.domain.ids import AccountKey
from engine.errors import UserError
from engine.link import Action, Handed, TerminalCommand
from engine.secret import Secret
from tests.adapters.mt5.link_house import House, Keys, Line, house
from tests.adapters.mt5.link_samples import ACCOUNT, GMT, KEY, beat, deal

CANARY = b"canary-4f1d9c-canary-4f1d9c-cana"


async def refusal_code(line: Line) -> str:
    """What a whole handshake comes to."""
    await line.say(line.side.send_hello())
    said = await line.hear()
    if line.side.stage.value == "proving":
        await line.say(line.side.send_proof())
        return await line.end_code()
    return str(said[-1].code)  # type: ignore[union-attr]


async def until_refused(open_house: House, cause: str, times: int = 1) -> None:
    with trio.fail_after(5):
        while open_house.refused().get(cause, 0) < times:
            await trio.sleep(0.005)


async def test_unknown_accounts_and_wrong_keys_hear_the_same_and_nothing_is_written() -> None:
    stranger = AccountKey("Demo-1", 9999)
    async with house() as open_house:
        async with open_house.line(key=Secret(CANARY)) as line:
            assert await refusal_code(line) == "refused"
        async with open_house.line(stranger) as line:
            assert await refusal_code(line) == "refused"
        assert open_house.refused() == {"wrong_key": 1, "unknown_login": 1}
        recent = open_house.gateway.statistics().recent_refusals
        assert [(found.cause, found.account) for found in recent] == [
            ("wrong_key", ACCOUNT),
            ("unknown_login", stranger),
        ]
        assert open_house.sink.calls == []
        assert await open_house.epochs.read(ACCOUNT) == 0


async def test_a_refused_client_that_says_goodbye_properly_leaves_the_gateway_standing() -> None:
    """After the closing of TLS the stream has no transport left; the gateway must not need one."""
    async with house() as open_house:
        async with open_house.line() as line:
            await line.say(b"not a frame\n")
            assert await line.end_code()
            await line.stream.unwrap()
        await until_refused(open_house, next(iter(open_house.refused())))
        async with open_house.line() as line:
            await line.shake_hands()


async def test_a_replayed_nonce_is_refused() -> None:
    async with house() as open_house:
        async with open_house.line(nonce="x" * 32) as line:
            await line.shake_hands()
        async with open_house.line(nonce="x" * 32) as line:
            assert await refusal_code(line) == "replayed_nonce"
        assert open_house.refused() == {"replayed_nonce": 1}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"not json\n", "bad_frame"),
        (b'{"t":"h","v":"1"}\n', "bad_frame"),
        (b"x" * 5000, "too_much"),
        (b"x" * 500_000, "too_much"),
        (b'{"t":"k","n":1}\n', "bad_frame"),
    ],
)
async def test_a_stranger_who_breaks_a_rule_hears_one_e(said: bytes, code: str) -> None:
    async with house() as open_house, open_house.line() as line:
        line.side.send_hello()
        await line.say(said)
        assert await line.end_code() == code
        assert await line.hear() == []
        assert open_house.refused() == {code: 1}
        assert open_house.sink.calls == []


async def test_a_fault_in_the_same_bytes_as_a_hello_is_told() -> None:
    async with house() as open_house, open_house.line() as line:
        await line.say(line.side.send_hello() + b"not json\n")
        assert await line.end_code() == "bad_frame"
        assert open_house.refused() == {"bad_frame": 1}


async def test_a_linked_terminal_that_breaks_a_rule_is_told_and_unlinked() -> None:
    async with house() as open_house, open_house.linked() as line:
        await line.say(line.side.send_deals([deal(1)], GMT), b" " * 500_000)
        assert await line.end_code() == "too_long"
        assert await open_house.sink.until("unlinked") == [(ACCOUNT, "too_long")]
        assert open_house.sink.of("deal") == [(ACCOUNT, 1)]
        assert open_house.refused() == {"too_long": 1}


async def test_no_proof_in_time_is_refused() -> None:
    async with house(hello_s=0.1) as open_house, open_house.line() as line:
        line.side.send_hello()
        assert await line.end_code() == "too_slow"
        assert open_house.refused() == {"too_slow": 1}


async def test_who_does_not_even_speak_tls_is_put_out_in_time() -> None:
    async with house(hello_s=0.1) as open_house, open_house.knock() as stream:
        with trio.fail_after(2):
            assert await stream.receive_some() == b""
        assert open_house.refused() == {"too_slow": 1}
        async with open_house.knock() as other:
            await other.send_all(b"GET / HTTP/1.0\r\n\r\n")
            await until_refused(open_house, "tls")


async def test_keys_that_cannot_be_read_send_terminals_away_for_now() -> None:
    class Unreadable(Keys):
        def keys_of(self, account: AccountKey) -> tuple[Secret, ...]:
            raise UserError("others may read it")

    async with house() as open_house, open_house.line() as line:
        open_house.gateway._keys = Unreadable()
        assert await refusal_code(line) == "retry"
        assert open_house.refused() == {"keys_unreadable": 1}


async def test_an_epoch_taken_meanwhile_sends_the_terminal_away_for_now() -> None:
    async with house() as open_house, open_house.line() as line:
        await line.say(line.side.send_hello())
        await line.hear()
        assert await open_house.epochs.raise_to(ACCOUNT, 1)
        await line.say(line.side.send_proof())
        assert await line.end_code() == "retry"
        assert open_house.refused() == {"epoch_taken": 1}
        assert open_house.sink.calls == []


# Caps


async def test_idle_connections_beyond_the_cap_are_refused_and_a_place_comes_free() -> None:
    async with house(unproved=20, hello_s=5.0) as open_house, trio.open_nursery() as nursery:
        streams = [await trio.open_tcp_stream("127.0.0.1", open_house.port) for _ in range(200)]
        await until_refused(open_house, "too_many_unproved", 180)
        assert open_house.gateway.statistics().connections == 20
        for stream in streams:
            nursery.start_soon(trio.aclose_forcefully, stream)
        await until_refused(open_house, "tls", 20)
        async with open_house.linked():
            assert open_house.gateway.statistics().links == 1


@pytest.mark.parametrize(
    ("limits", "cause"),
    [
        ({"connections": 2}, "too_many_connections"),
        ({"per_address": 2}, "too_many_of_address"),
    ],
)
async def test_links_count_for_the_caps_of_all_and_of_one_address(
    limits: dict[str, int], cause: str
) -> None:
    async with house(**limits) as open_house, open_house.linked(), open_house.knock():
        async with open_house.knock() as third:
            with trio.fail_after(2):
                assert await third.receive_some() == b""
        await until_refused(open_house, cause)
        assert open_house.gateway.statistics().links == 1


async def test_every_place_is_given_back() -> None:
    async with house() as open_house:
        for number in range(3):
            async with open_house.linked():
                pass
            async with open_house.line(key=Secret(CANARY)) as line:
                await refusal_code(line)
            async with open_house.line() as line:
                await line.say(line.side.send_hello())
                await line.hear()
                await line.say(line.side.send_proof() + b"not json\n")
                await line.end_code()
            await open_house.sink.until("unlinked", number + 1)
        with trio.fail_after(3):
            while open_house.gateway.statistics().connections:
                await trio.sleep(0.01)
        assert open_house.gateway.statistics().unproved == 0


# A terminal that does not read


def big_command() -> TerminalCommand:
    symbols = tuple(f"{number:064}" for number in range(200))
    return TerminalCommand(action=Action.SET, symbols=symbols)


async def test_a_terminal_that_does_not_read_is_closed_at_the_write_deadline() -> None:
    async with house(write_s=0.2, linger_s=0.1) as open_house, open_house.linked() as line:
        line.stream.transport_stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        command = big_command()
        while open_house.gateway.send_nowait(ACCOUNT, command) is Handed.HANDED:
            await trio.lowlevel.checkpoint()
        assert open_house.gateway.send_nowait(ACCOUNT, command) is Handed.NO_ROOM
        with trio.fail_after(3):
            while await open_house.gateway.send(ACCOUNT, command) is Handed.HANDED:
                pass
        assert await open_house.sink.until("unlinked") == [(ACCOUNT, "write_deadline")]
        assert open_house.refused() == {"write_deadline": 1}


async def test_one_that_does_not_read_holds_nobody_up_when_its_link_ends() -> None:
    async with house(write_s=60.0, linger_s=0.1) as open_house, open_house.linked():
        while open_house.gateway.send_nowait(ACCOUNT, big_command()) is Handed.HANDED:
            await trio.lowlevel.checkpoint()
        open_house.gateway.move(ACCOUNT, "node-b.example:443")
        with trio.fail_after(3):
            while open_house.gateway.statistics().connections:
                await trio.sleep(0.01)
        assert open_house.sink.of("unlinked") == [(ACCOUNT, "moved")]


async def test_a_terminal_that_reads_late_loses_no_command() -> None:
    async with house(outgoing_bytes=30_000) as open_house, open_house.linked() as line:
        async with trio.open_nursery() as nursery:
            handed: list[Handed] = []

            async def send() -> None:
                while len(handed) < 300:
                    handed.append(await open_house.gateway.send(ACCOUNT, big_command()))

            nursery.start_soon(send)
            await trio.sleep(0.1)
            assert len(handed) < 300
            heard = 0
            while heard < 300:
                heard += len(await line.hear())
        assert set(handed) == {Handed.HANDED}


# Secrets


async def test_no_secret_reaches_a_log_a_count_or_an_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    canary = Secret(CANARY)
    shown: list[str] = []
    async with house() as open_house:
        open_house.keys[ACCOUNT] = (KEY, canary)
        async with open_house.line(key=canary) as line:
            await line.shake_hands()
            await line.say(b'{"t":"b","n":"' + CANARY + b'"}\n')
            shown.append(repr(await line.hear()))
        async with open_house.line() as line:
            line.side.send_hello()
            await line.say(CANARY + b"\n")
            shown.append(repr(await line.hear()))
        async with open_house.line(key=Secret(CANARY[::-1])) as line:
            shown.append(await refusal_code(line))
        async with open_house.linked() as line:
            await line.say(line.side.send_error(EndCode.LEFT, CANARY.decode()))
            await open_house.sink.until("unlinked", 2)
        async with open_house.linked() as line:
            await line.say(line.side.send_heartbeat(beat(), GMT))
            await open_house.sink.until("heartbeat")
        shown += [repr(open_house.gateway.statistics()), repr(open_house.sink.calls), caplog.text]
    assert "terminal refused" in caplog.text
    for secret in (CANARY.decode(), CANARY.hex(), CANARY[::-1].decode(), KEY.reveal().hex()):
        assert not any(secret in text for text in shown)
