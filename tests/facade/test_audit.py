import logging
from pathlib import Path

import msgspec
import orjson
import pytest

from adapters.memory.audit import MemoryAuditTrail
from engine.audit import AuditEntry
from engine.errors import AdapterError
from facade import audit
from facade.access import Denied
from facade.access_gate import Asked
from facade.access_policy import API
from facade.audit import AuditRecorder
from tests.facade.access_desk import AccessDesk
from tests.facade.command_line import BOOK, Program

HALT = f"{API}/halt"


class Hand:
    def __init__(self) -> None:
        self.now_msc = 1_700_000_000_000

    def __call__(self) -> int:
        return self.now_msc


async def entries(trail: MemoryAuditTrail) -> list[AuditEntry]:
    return [one for _, one in await trail.read(0, 10_000)]


async def test_a_refused_attempt_is_written_and_its_repeats_are_counted() -> None:
    trail, hand = MemoryAuditTrail(), Hand()
    recorder = AuditRecorder(trail, hand)
    asked, denied = Asked("POST", HALT, "192.0.2.1"), Denied(403, "role", who="ann")
    for _ in range(1000):
        await recorder.denied(asked, denied)
    hand.now_msc += 10_000
    await recorder.denied(asked, denied)
    found = await entries(trail)
    assert [one.outcome for one in found] == ["403 role", "403 role, and 999 times before"]
    assert (found[0].by, found[0].asked, found[0].origin) == (
        "api:ann",
        f"POST {HALT}",
        "192.0.2.1",
    )
    assert found[0].kind == "denied"


async def test_a_flood_from_everywhere_does_not_fill_the_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(audit, "DENIED_PER_MINUTE", 50)
    monkeypatch.setattr(audit, "CALLERS_MAX", 10)
    trail, hand = MemoryAuditTrail(), Hand()
    recorder = AuditRecorder(trail, hand)
    for number in range(500):
        await recorder.denied(Asked("GET", HALT, f"a{number}"), Denied(401, "token_missing"))
    assert (len(trail.rows), recorder.unwritten) == (50, 450)
    assert len(recorder._seen) <= 10
    hand.now_msc += 60_000
    await recorder.denied(Asked("GET", HALT, "b"), Denied(401, "token_missing"))
    assert len(trail.rows) == 51


class BrokenTrail(MemoryAuditTrail):
    async def append(self, entry: AuditEntry) -> int:
        raise AdapterError("the disk", system="audit", retry=False)


async def test_a_failing_trail_stops_nobody_from_lowering_risk(tmp_path: Path) -> None:
    person = AccessDesk(tmp_path).person()
    recorder = AuditRecorder(BrokenTrail(), Hand())
    assert not await recorder.record(person, "halt all", "taken")
    await recorder.denied(Asked("GET", HALT, "b"), Denied(401, "token_missing"))
    with pytest.raises(AdapterError):
        await recorder.require(person, "release", "taken")
    assert recorder.failures == 3


async def test_canary_secrets_are_in_no_repr_no_problem_and_no_entry(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    desk, trail = AccessDesk(tmp_path), MemoryAuditTrail()
    recorder = AuditRecorder(trail, Hand())
    made = desk.issued()
    opened = desk.sessions.open(desk.verifier.verify(made.token))
    private = orjson.loads((desk.keys.directory / f"{desk.kid}.key").read_bytes())["private"]
    sealing = (desk.keys.directory / "session.secret").read_text()
    cookie = opened.cookies[0].partition(";")[0]
    value = cookie.partition("=")[2]
    signature = made.token.rpartition(".")[2]
    canaries = [made.token, signature, opened.csrf, value, private, sealing]
    shown = [repr(one) for one in (made, opened, desk.keys.trusted(), desk.keys.live(), desk.gate)]
    bad = made.token[:-2] + ("AA" if made.token[-2:] != "AA" else "BB")
    attempts = [
        Asked("POST", HALT, "192.0.2.1", f"Bearer {bad}", cookie, opened.csrf),
        Asked("POST", HALT, "192.0.2.1", f"Bearer  {made.token}"),
        Asked("POST", HALT, "192.0.2.1", f"Basic {made.token}"),
        Asked("POST", HALT, "192.0.2.1", None, f"{cookie}x"),
        Asked("POST", HALT, "192.0.2.1", None, cookie, opened.csrf[:-1], "https://x", "cross-site"),
        Asked("GET", f"{API}/audit", "192.0.2.1", f"Bearer {made.token}"),
    ]
    for asked in attempts:
        with pytest.raises(Denied) as caught:
            desk.gate.admit(asked)
        await recorder.denied(asked, caught.value)
        error: BaseException | None = caught.value
        while error is not None:
            shown += [repr(error), str(error), repr(vars(error))]
            error = error.__cause__ or error.__context__
    admitted = desk.gate.admit(Asked("POST", HALT, "192.0.2.1", f"Bearer {made.token}"))
    await recorder.record(admitted.who, "halt all", "taken")
    shown += [repr(admitted), *(repr(row) for row in trail.rows), caplog.text, *capfd.readouterr()]
    text = "\n".join(shown)
    assert len(trail.rows) > 4
    assert [canary for canary in canaries if canary in text] == []
    assert msgspec.json.decode(trail.rows[-1].body)["by"] == "api:ann"


# The commands


@pytest.fixture
def program(capsys: pytest.CaptureFixture[str]) -> Program:
    return Program(capsys)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "book.toml").write_text(BOOK, encoding="utf-8")
    path = tmp_path / "tidegate.toml"
    path.write_text('book = "book.toml"\n', encoding="utf-8")
    return path


def test_the_first_token_is_made_by_two_commands(program: Program, config: Path) -> None:
    words = ("--config", config, "--sub", "ann", "--role", "admin")
    first = program("token", *words, "--all")
    assert (first.code, first.out) == (2, "")
    assert "tidegate keys access add" in first.err
    kid = program("keys", "access", "add", "--config", config).out.strip()
    made = program("token", *words, "--accounts", "Demo-1/1,Demo-1/2")
    assert made.code == 0
    assert len(made.out.strip().split(".")) == 3
    as_json = orjson.loads(program("token", *words, "--all", "--json").out)
    assert set(as_json) == {"token", "jti", "expires_s"}
    listed = program("keys", "access", "list", "--config", config).out
    assert listed.startswith(kid)
    denied = program("keys", "access", "deny", as_json["jti"], "--config", config)
    assert denied.code == 0
    published = program("keys", "access", "publish", kid, "--config", config).out.strip()
    assert Path(published).is_file()
    assert program("keys", "access", "retire", kid, "--config", config).code == 0
    assert orjson.loads(program("keys", "access", "list", "--config", config, "--json").out) == []


def test_wrong_words_are_refused(program: Program, config: Path) -> None:
    program("keys", "access", "add", "--config", config)
    who = ("token", "--config", config, "--sub", "ann", "--role")
    for words in (
        (*who, "root", "--all"),
        (*who, "viewer"),
        (*who, "viewer", "--all", "--accounts", "Demo-1/1"),
        (*who, "viewer", "--all", "--tenant", "north"),
        (*who, "viewer", "--all", "--minutes", "16"),
        (*who, "viewer", "--accounts", "nonsense"),
        ("keys", "access", "deny", "a token with spaces", "--config", config),
        ("keys", "access", "retire", "nobody", "--config", config),
    ):
        said = program(*words)
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith("error: ")
    assert program(*who, "service", "--all", "--minutes", "43200").code == 0


async def test_a_trail_is_verified_by_a_command(program: Program, tmp_path: Path) -> None:
    from facade.wiring import audit_tools

    path = tmp_path / "audit.db"
    async with audit_tools().open(path) as trail:
        for number in range(3):
            entry = AuditEntry(time_msc=number, by="api:ann", asked="halt", outcome="taken")
            await trail.append(entry)
        head = await trail.head()
    said = program("audit", "verify", path, "--head", str(head))
    assert (said.code, said.out) == (0, f"{path}: whole: 3 entries; head {head}\n")
    other = f"{4}:{head.hash.hex()}"
    assert program("audit", "verify", path, "--head", other, "--json").code == 1
    assert "NOT whole" in program("audit", "verify", path, "--head", other).out
    assert program("audit", "verify", path, "--head", "x").code == 2
