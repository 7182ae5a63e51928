"""Alerts by mail: smtplib in a thread of its own, TLS unless the server is this machine."""

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from enum import Enum

import trio

from adapters.notify.channel import Message
from engine.errors import AdapterError, UserError
from engine.secret import Secret

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_SYSTEM = "mail"


class Security(Enum):
    """How the connection is kept from others."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"
    """To this machine only."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and by whom."""

    host: str
    port: int
    security: Security
    user: str | None = None
    password: Secret | None = None
    tls: ssl.SSLContext | None = None
    """Whom to trust; None: the machine's authorities."""


class MailChannel:
    """A `Channel`: one mail an alert; what would be an edit is a reply to it."""

    gathers = 200

    def __init__(
        self,
        server: MailServer,
        sender: str,
        recipients: Sequence[str],
        *,
        attempt_s: float = 10.0,
    ) -> None:
        """Connects to nothing yet.

        Raises:
            UserError: an address cannot be one, or a password would go in the clear.
        """
        if server.security is Security.NONE and server.host not in _LOOPBACK:
            raise UserError(
                f"mail to {server.host} would go in the clear", help="security: tls or starttls"
            )
        for address in (sender, *recipients):
            if "@" not in address or not address.isprintable() or " " in address:
                raise UserError(f"{address!r} is not a mail address")
        if not recipients:
            raise UserError("alerts by mail have no recipient")
        self.attempt_s = attempt_s
        self._server = server
        self._sender = sender
        self._recipients = tuple(recipients)
        self._one = trio.CapacityLimiter(2)

    async def deliver(self, message: Message) -> str | None:
        """See `Channel.deliver`. Returns the Message-ID.

        A try that takes too long is left to its thread, which ends soon after by itself; the mail
        may then come twice, under one Message-ID.
        """
        mail = self.mail_of(message)
        trouble = await trio.to_thread.run_sync(
            self._hand_in, mail, abandon_on_cancel=True, limiter=self._one
        )
        if trouble is not None:
            why, retry = trouble
            raise AdapterError(why, system=_SYSTEM, retry=retry)
        return str(mail["Message-ID"])

    async def aclose(self) -> None:
        """Nothing is kept open between mails."""

    def mail_of(self, message: Message) -> EmailMessage:
        """The mail: the first line is the subject."""
        mail = EmailMessage(policy=SMTP)
        first = " ".join(message.alert.lines[0].split())
        mail["Subject"] = first[:200]
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._recipients)
        mail["Message-ID"] = f"<{message.delivery}@{self._sender.rpartition('@')[2]}>"
        if message.edits is not None:
            mail["In-Reply-To"] = mail["References"] = message.edits
        mail["Auto-Submitted"] = "auto-generated"
        if message.alert.level.value == "page":
            mail["X-Priority"] = "1"
        # Not every relay takes eight bits.
        mail.set_content(message.text, cte="quoted-printable")
        return mail

    def _hand_in(self, mail: EmailMessage) -> tuple[str, bool] | None:
        """None, or why it failed and whether to try again. In the thread.

        What a server writes is not quoted: it may repeat what it was told, a password included.
        """
        try:
            with self._connected() as smtp:
                smtp.send_message(mail, self._sender, self._recipients)
        except smtplib.SMTPRecipientsRefused as error:
            codes = sorted({code for code, _ in error.recipients.values()})
            return f"recipients refused: {codes}", any(code < 500 for code in codes)
        except smtplib.SMTPAuthenticationError as error:
            return f"sign-in refused: {error.smtp_code}", True
        except (smtplib.SMTPDataError, smtplib.SMTPSenderRefused) as error:
            return f"mail refused: {error.smtp_code}", error.smtp_code < 500
        except (smtplib.SMTPException, OSError, ValueError) as error:
            return f"no connection ({type(error).__name__})", True
        return None

    def _connected(self) -> smtplib.SMTP:
        server, limit_s = self._server, self.attempt_s
        tls = server.tls
        if tls is None and server.security is not Security.NONE:
            tls = ssl.create_default_context()
        if server.security is Security.TLS:
            smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=limit_s, context=tls
            )
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=limit_s)
        try:
            if server.security is Security.STARTTLS:
                smtp.starttls(context=tls)
            if server.user is not None and server.password is not None:
                smtp.login(server.user, server.password.reveal().decode())
        except BaseException:
            smtp.close()
            raise
        return smtp
