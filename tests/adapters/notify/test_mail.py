"""Mail against a local sink over real sockets."""

from email import message_from_string
from email.header import decode_header, make_header

import pytest
import trio
from msgspec import structs

from adapters.notify.channel import Message
from adapters.notify.mail import MailChannel, MailServer, Security
from engine.alerts import Level
from engine.errors import AdapterError, UserError
from engine.secret import Secret
from tests.adapters.notify.notify_house import alert, contexts, mail_sink

PASSWORD = Secret(b"canary-password")


def channel_to(port: int, **options: object) -> MailChannel:
    given: dict[str, object] = {"security": Security.NONE, **options}
    server = MailServer("127.0.0.1", port, **given)  # type: ignore[arg-type]
    return MailChannel(server, "tidegate@desk.example", ["a@desk.example", "b@desk.example"])


async def test_an_alert_is_a_mail_whose_subject_is_the_whole_story() -> None:
    async with mail_sink() as sink:
        handle = await channel_to(sink.port).deliver(Message(alert(1, Level.PAGE), "d1"))
    (text,) = sink.mails
    mail = message_from_string(text)
    assert str(make_header(decode_header(mail["Subject"]))) == "▲ 1001 alert 1"
    assert mail["Message-ID"] == handle == "<d1@desk.example>"
    body = mail.get_payload(decode=True)
    assert isinstance(body, bytes)
    assert body.decode().splitlines() == ["▲ 1001 alert 1", "second line"]
    assert sink.commands.count("rcpt TO:<b@desk.example>") == 1
    assert mail["X-Priority"] == "1"


async def test_what_would_be_an_edit_is_a_reply() -> None:
    async with mail_sink() as sink:
        await channel_to(sink.port).deliver(Message(alert(), "d2", edits="<d1@desk.example>"))
    mail = message_from_string(sink.mails[0])
    assert mail["In-Reply-To"] == mail["References"] == "<d1@desk.example>"


async def test_a_first_line_cannot_add_a_header() -> None:
    sly = structs.replace(alert(), lines=("hello\r\nBcc: evil@evil.example",))
    async with mail_sink() as sink:
        await channel_to(sink.port).deliver(Message(sly, "d"))
    mail = message_from_string(sink.mails[0])
    assert mail["Bcc"] is None
    assert not any("evil" in command for command in sink.commands)


@pytest.mark.parametrize(
    ("verb", "answer", "retry"),
    [
        ("DATA", "451 try later", True),
        ("DATA", "554 no", False),
        ("MAIL", "451 try later", True),
        ("MAIL", "550 no", False),
        ("RCPT", "450 greylisted", True),
        ("RCPT", "550 unknown", False),
        ("EHLO", "421 busy", True),
    ],
)
async def test_a_refusal_says_whether_to_try_again(verb: str, answer: str, retry: bool) -> None:
    async with mail_sink(refuse={verb: answer, "HELO": answer}) as sink:
        with pytest.raises(AdapterError) as raised:
            await channel_to(sink.port).deliver(Message(alert(), "d"))
    assert raised.value.retry is retry
    assert answer[4:] not in str(raised.value)


async def test_a_server_that_repeats_the_password_is_not_quoted() -> None:
    async with mail_sink(refuse={"AUTH": "535 you said {line}"}) as sink:
        channel = channel_to(sink.port, user="desk", password=PASSWORD)
        with pytest.raises(AdapterError) as raised:
            await channel.deliver(Message(alert(), "d"))
    assert str(raised.value) == "mail: sign-in refused: 535"
    assert raised.value.__context__ is None


async def test_it_signs_in_under_tls() -> None:
    serving, _ = contexts()
    async with mail_sink(starttls=serving) as sink:
        channel = channel_to(sink.port, security=Security.STARTTLS, user="desk", password=PASSWORD)
        with pytest.raises(AdapterError, match="SSLCertVerificationError"):
            await channel.deliver(Message(alert(), "d"))
    assert not any(command.startswith("AUTH") for command in sink.commands)


async def test_a_server_without_tls_is_told_no_password() -> None:
    async with mail_sink() as sink:
        channel = channel_to(sink.port, security=Security.STARTTLS, user="desk", password=PASSWORD)
        with pytest.raises(AdapterError, match="no connection"):
            await channel.deliver(Message(alert(), "d"))
    assert not any(command.startswith(("AUTH", "mail")) for command in sink.commands)


async def test_a_server_that_says_nothing_holds_nobody_up() -> None:
    async with mail_sink(silent=True) as sink:
        server = MailServer("127.0.0.1", sink.port, Security.NONE)
        channel = MailChannel(server, "a@b.example", ["c@d.example"], attempt_s=0.2)
        beats = 0
        with trio.move_on_after(0.1):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(channel.deliver, Message(alert(), "d"))
                while True:
                    await trio.sleep(0.005)
                    beats += 1
        assert beats > 3, "the loop stood still"
        with pytest.raises(AdapterError, match="no connection"):
            await channel.deliver(Message(alert(), "d"))


def test_mail_in_the_clear_is_for_this_machine_only() -> None:
    server = MailServer("mail.example.com", 25, Security.NONE)
    with pytest.raises(UserError, match="in the clear"):
        MailChannel(server, "a@b.example", ["c@d.example"])


@pytest.mark.parametrize("address", ["nobody", "a@b\r\nRCPT TO:<x@y>", "a b@c"])
def test_what_is_no_address_is_refused(address: str) -> None:
    server = MailServer("127.0.0.1", 25, Security.NONE)
    with pytest.raises(UserError, match="not a mail address"):
        MailChannel(server, "a@b.example", [address])
