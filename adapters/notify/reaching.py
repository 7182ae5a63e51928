"""Can channels be reached: connects and asks who is there, and sends nobody anything."""

import smtplib
import socket
import ssl
from collections.abc import Collection

import trio

from adapters.notify.destinations import destination
from adapters.notify.mail import MailServer, Security
from adapters.notify.telegram import TelegramBot
from engine.errors import AdapterError

_LIMIT_S = 5.0


def reach_telegram(bot: TelegramBot) -> str:
    """Asks the Bot API about the bot. Runs a loop of its own.

    Raises:
        AdapterError: it did not answer, or does not know the token.
    """

    async def ask() -> None:
        try:
            await bot.call("getMe", {}, limit_s=_LIMIT_S)
        finally:
            await bot.aclose()

    trio.run(ask)
    return "the Bot API knows the bot; the chat was not tried"


def reach_webhook(
    url: str, hosts: Collection[str], loopback_hosts: Collection[str], tls: ssl.SSLContext | None
) -> str:
    """Connects to the host, with its certificate checked; posts nothing.

    Raises:
        UserError: the URL is not allowed.
        AdapterError: nobody is there.
    """
    place = destination(url, hosts, loopback_hosts)
    try:
        with socket.create_connection((place.host, place.port), _LIMIT_S) as raw:
            if place.scheme == "https":
                context = tls or ssl.create_default_context()
                context.wrap_socket(raw, server_hostname=place.host).close()
    except OSError as error:
        why = f"no connection ({type(error).__name__})"
        raise AdapterError(why, system=f"webhook {place.host}", retry=True) from error
    return f"{place.host}:{place.port} is there; nothing was posted"


def reach_mail(server: MailServer) -> str:
    """Greets the relay; neither signs in nor hands anything in.

    Raises:
        AdapterError: nobody is there, or it does not speak as the settings say.
    """
    context = server.tls or ssl.create_default_context()
    try:
        if server.security is Security.TLS:
            relay: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=_LIMIT_S, context=context
            )
        else:
            relay = smtplib.SMTP(server.host, server.port, timeout=_LIMIT_S)
        with relay:
            if server.security is Security.STARTTLS:
                relay.starttls(context=context)
            relay.noop()
    except (smtplib.SMTPException, OSError) as error:
        why = f"no connection ({type(error).__name__})"
        raise AdapterError(why, system=f"mail {server.host}", retry=True) from error
    return f"{server.host}:{server.port} is there; signing in was not tried"
