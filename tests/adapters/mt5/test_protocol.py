"""The link in any pieces, and every way to be refused."""

import hmac
from hashlib import sha256

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.mt5 import frames
from adapters.mt5.engine_side import EngineEvent, EngineSide, Proved, SaidHello
from adapters.mt5.pace import Pace
from adapters.mt5.protocol import EndCode, Ended, Nonces, Refusal, Stage, proof
from adapters.mt5.tellings import (
    Beaten,
    DealTold,
    PositionTold,
    Quoted,
    Reported,
    ReportNeeded,
    ResultTold,
)
from adapters.mt5.terminal_side import Challenged, TerminalSession, Welcomed
from engine.link import PositionChange
from engine.secret import Secret
from tests.adapters.mt5.link_samples import (
    CHALLENGE,
    GMT,
    KEY,
    NOW,
    Host,
    beat,
    deal,
    hello,
    linked,
    position,
    quote,
    report,
    result,
    terminal,
)


def talk() -> tuple[list[bytes], list[bytes]]:
    """What each side says over a link, by turns: the other has answered before the next."""
    host, side = Host(), terminal()
    turns = [side.send_hello()]
    _, challenge = host.hear(turns)
    side.receive(challenge)
    turns.append(side.send_proof())
    _, welcome = host.hear(turns[-1:])
    side.receive(welcome)
    held = position(7)
    turns.append(
        side.send_report(report(held), GMT)
        + side.send_quotes([quote(), quote("GBPUSD")], GMT)
        + side.send_position(PositionChange.OPENED, position(8), GMT)
        + side.send_deals([deal(1)], GMT)
        + side.send_result(result("int_1"), GMT)
        + side.send_heartbeat(beat(held), GMT)
        + side.send_error(EndCode.LEFT, "good night")
    )
    return turns, [challenge, welcome + host.side.send_error(EndCode.MOVED, "moved", "b:443")]


TERMINAL_SAID, ENGINE_SAID = talk()


def pieces(text: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({cut % (len(text) + 1) for cut in cuts} | {len(text)})
    return [text[a:b] for a, b in zip([0, *ends], ends, strict=False) if a < b]


def heard_whole() -> list[EngineEvent]:
    return Host().hear(TERMINAL_SAID)[0]


def test_a_whole_talk_is_heard_in_order() -> None:
    kinds = [type(event) for event in heard_whole()]
    told = [Reported, Quoted, PositionTold, DealTold, ResultTold, ReportNeeded, Beaten]
    assert kinds == [SaidHello, Proved, *told, Ended]


def test_one_byte_at_a_time_says_the_same() -> None:
    one_by_one = [bytes([byte]) for turn in TERMINAL_SAID for byte in turn]
    assert Host().hear(one_by_one)[0] == heard_whole()


def test_every_split_in_two_says_the_same() -> None:
    whole = heard_whole()
    for turn in range(len(TERMINAL_SAID)):
        text = TERMINAL_SAID[turn]
        for cut in range(1, len(text), 1 if turn < 2 else 7):
            chunks = [*TERMINAL_SAID[:turn], text[:cut], text[cut:], *TERMINAL_SAID[turn + 1 :]]
            assert Host().hear(chunks)[0] == whole


@settings(max_examples=100)
@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_any_split_says_the_same(cuts: list[int]) -> None:
    chunks = [piece for turn in TERMINAL_SAID for piece in pieces(turn, cuts)]
    assert Host().hear(chunks)[0] == heard_whole()


@settings(max_examples=100)
@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_the_terminal_hears_the_same_in_any_split(cuts: list[int]) -> None:
    side = terminal()
    side.send_hello()
    events = [e for piece in pieces(ENGINE_SAID[0], cuts) for e in side.receive(piece)]
    side.send_proof()
    events += [e for piece in pieces(ENGINE_SAID[1], cuts) for e in side.receive(piece)]
    assert events == [
        Challenged(1),
        Welcomed(1, 1000, ("EURUSD",)),
        Ended("moved", "b:443"),
    ]
    assert side.stage is Stage.CLOSED


@settings(max_examples=200)
@given(st.binary(max_size=300), st.lists(st.integers(0, 10**6), max_size=10))
def test_noise_is_refused_the_same_way_however_it_is_cut(noise: bytes, cuts: list[int]) -> None:
    def outcome(chunks: list[bytes]) -> tuple[list[EngineEvent], Stage]:
        side = EngineSide(Nonces())
        events = [event for chunk in chunks for event in side.receive(chunk, NOW)]
        return events, side.stage

    assert outcome(pieces(noise, cuts)) == outcome([noise])


def test_the_proof_is_over_everything_that_was_said() -> None:
    said = f"1|1001|Demo-1|unset|{'n' * 32}|{CHALLENGE}|9"
    by_hand = hmac.new(bytes(range(32)), said.encode(), sha256).hexdigest()
    assert proof(KEY, hello(), CHALLENGE, 9) == by_hand


# Refusals


def the_refusal(events: list[EngineEvent]) -> Refusal:
    (found,) = [event for event in events if isinstance(event, Refusal)]
    assert events[-1] is found
    return found


def refused_after(*said: bytes, host: Host | None = None) -> Refusal:
    """Why these are refused; then an `e` is all that may follow, and nothing is heard."""
    host = host or Host()
    found = the_refusal(host.hear(said)[0])
    assert host.side.stage is Stage.REFUSING
    assert host.side.receive(TERMINAL_SAID[0], NOW) == []
    error = msgspec.json.decode(host.side.send_error(found.code, found.message))
    assert error["t"] == "e"
    assert error["code"] == found.code.value
    assert host.side.send_error(found.code, found.message) == b""
    return found


def test_a_wrong_key_and_an_unknown_account_are_told_the_same_and_counted_apart() -> None:
    wrong = refused_after(*TERMINAL_SAID[:2], host=Host(keys=(Secret(b"x" * 32),)))
    unknown = refused_after(*TERMINAL_SAID[:2], host=Host(keys=()))
    assert (wrong.code, wrong.message) == (unknown.code, unknown.message)
    assert (wrong.cause, unknown.cause) == ("wrong_key", "unknown_login")


def test_the_key_nobody_has_opens_nothing() -> None:
    host = Host(keys=())
    side = terminal(key=Secret(b"nobody's"))
    side.receive(host.hear([side.send_hello()])[1])
    assert refused_after(side.send_proof(), host=host).cause == "unknown_login"


def test_any_of_several_keys_proves() -> None:
    events, _ = Host(keys=(Secret(b"x" * 32), KEY)).hear(TERMINAL_SAID[:2])
    proved = events[-1]
    assert isinstance(proved, Proved)
    assert proved.key == KEY


def test_a_proof_for_another_epoch_is_wrong() -> None:
    assert refused_after(*TERMINAL_SAID[:2], host=Host(epoch=2)).cause == "wrong_key"


def test_a_nonce_that_served_is_refused() -> None:
    nonces = Nonces()
    assert isinstance(Host(nonces=nonces).hear(TERMINAL_SAID[:2])[0][-1], Proved)
    assert refused_after(TERMINAL_SAID[0], host=Host(nonces=nonces)).code is EndCode.REPLAYED


def test_of_two_at_once_with_one_nonce_the_second_is_refused() -> None:
    nonces = Nonces()
    first, second = Host(nonces=nonces), Host(nonces=nonces)
    first.hear(TERMINAL_SAID[:1])
    second.hear(TERMINAL_SAID[:1])
    first.hear(TERMINAL_SAID[1:2])
    assert refused_after(TERMINAL_SAID[1], host=second).code is EndCode.REPLAYED


def test_a_nonce_that_failed_to_prove_may_come_again() -> None:
    nonces = Nonces()
    refused_after(*TERMINAL_SAID[:2], host=Host(keys=(), nonces=nonces))
    assert isinstance(Host(nonces=nonces).hear(TERMINAL_SAID[:2])[0][-1], Proved)


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([frames.encode(hello(version=2))], EndCode.VERSION),
        ([TERMINAL_SAID[1]], EndCode.OUT_OF_TURN),
        ([TERMINAL_SAID[0] * 2], EndCode.OUT_OF_TURN),
        ([*TERMINAL_SAID[:2], TERMINAL_SAID[0]], EndCode.OUT_OF_TURN),
        ([TERMINAL_SAID[0], TERMINAL_SAID[2]], EndCode.OUT_OF_TURN),
        ([b"\n"], EndCode.BAD_FRAME),
        ([b"GET / HTTP/1.1\r\n"], EndCode.BAD_FRAME),
        ([b"x" * 4096], EndCode.TOO_MUCH),
        ([b"x" * 5000 + b"\n"], EndCode.TOO_MUCH),
        ([TERMINAL_SAID[0], b"x" * 4000], EndCode.TOO_MUCH),
        ([*TERMINAL_SAID[:2], b" " * 65_536], EndCode.TOO_LONG),
        ([*TERMINAL_SAID[:2], b" " * 65_536 + b"\n"], EndCode.TOO_LONG),
        ([*TERMINAL_SAID[:2], b" " * 65_535 + b"\n"], EndCode.BAD_FRAME),
        ([*TERMINAL_SAID[:2], b'{"t":"b","n":1,"gmt_msc":"1"}\n'], EndCode.BAD_FRAME),
    ],
)
def test_a_broken_rule_is_refused_by_its_name(said: list[bytes], code: EndCode) -> None:
    assert refused_after(*said).code is code
    one_by_one = [bytes([byte]) for chunk in said for byte in chunk]
    if said != [TERMINAL_SAID[0] * 2]:
        assert refused_after(*one_by_one).code is code


def test_frames_for_another_login_are_refused() -> None:
    host, _ = linked()
    frame = frames.Deal(n=1, gmt_msc=GMT, login=1002, deal=deal(1))
    assert refused_after(frames.encode(frame), host=host).code is EndCode.WRONG_LOGIN


def test_a_record_that_cannot_be_is_a_bad_frame() -> None:
    host, side = linked()
    bad = msgspec.structs.replace(position(7), type=5)
    said = side.send_position(PositionChange.OPENED, bad, GMT)
    assert refused_after(said, host=host).code is EndCode.BAD_FRAME


def test_more_frames_a_second_than_allowed_are_refused() -> None:
    host, side = linked()
    host.side._bucket = type(host.side._bucket)(Pace(per_s=10.0, burst=5))
    five = b"".join(side.send_heartbeat(beat(), GMT) for _ in range(5))
    assert not any(isinstance(event, Refusal) for event in host.hear([five])[0])
    host.now_ns += 100_000_000
    assert host.hear([side.send_heartbeat(beat(), GMT)])[0]
    assert refused_after(side.send_heartbeat(beat(), GMT), host=host).code is EndCode.TOO_FAST


def test_a_hang_up_ends_the_link_once() -> None:
    host, _ = linked()
    assert host.side.receive_end() == [Ended("hung_up")]
    assert host.side.receive_end() == []


def test_a_terminal_refuses_an_epoch_it_has_outgrown() -> None:
    side = terminal(TerminalSession("run-1", epoch_seen=5))
    _, challenge = Host(epoch=5).hear([side.send_hello()])
    (refusal,) = side.receive(challenge)
    assert isinstance(refusal, Refusal)
    assert refusal.code is EndCode.EPOCH


def test_no_refusal_shows_the_key_the_proof_or_what_was_sent() -> None:
    canary = Secret(b"canary-canary-canary-canary-cana")
    side = terminal(key=canary)
    host = Host()
    side.receive(host.hear([side.send_hello()])[1])
    given = side.send_proof()
    refusal = refused_after(given, host=host)
    shown = f"{refusal} {host.side.__dict__} {side.__dict__} {canary}"
    assert "canary" not in shown
    assert canary.reveal().hex() not in shown
    assert msgspec.json.decode(given)["hmac"] not in shown
