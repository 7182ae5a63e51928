"""Trying whether a channel is there: connects, and hands nothing in."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from adapters.notify.mail import MailServer, Security
from adapters.notify.reaching import reach_mail, reach_webhook
from engine.errors import AdapterError, UserError


@contextmanager
def server(talk: Callable[[socket.socket, list[bytes]], None]) -> Iterator[tuple[int, list[bytes]]]:
    """One connection on a port of this machine; what came in."""
    heard: list[bytes] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        client, _ = listener.accept()
        with client:
            client.settimeout(20)
            talk(client, heard)

    thread = Thread(target=run, daemon=True)
    thread.start()
    with listener:
        yield int(listener.getsockname()[1]), heard
        thread.join(20)


def listen_only(client: socket.socket, heard: list[bytes]) -> None:
    while chunk := client.recv(1024):
        heard.append(chunk)


def relay(client: socket.socket, heard: list[bytes]) -> None:
    client.sendall(b"220 here\r\n")
    while line := client.recv(1024):
        heard.append(line)
        client.sendall(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 fine\r\n")
        if line.upper().startswith(b"QUIT"):
            return


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_webhooks_host_is_found_and_hears_nothing() -> None:
    with server(listen_only) as (port, heard):
        said = reach_webhook(f"http://127.0.0.1:{port}/hook", [], ["127.0.0.1"], None)
    assert "nothing was posted" in said
    assert heard == []


def test_a_webhook_that_is_not_there_or_not_allowed_is_said() -> None:
    with pytest.raises(AdapterError, match="no connection"):
        reach_webhook(f"http://127.0.0.1:{closed_port()}/hook", [], ["127.0.0.1"], None)
    with pytest.raises(UserError, match="not allowed"):
        reach_webhook("https://hooks.example.com/x", ["other.example.com"], [], None)


def test_a_relay_is_greeted_and_gets_no_mail() -> None:
    with server(relay) as (port, heard):
        said = reach_mail(MailServer("127.0.0.1", port, Security.NONE))
    assert "signing in was not tried" in said
    words = b"".join(heard).upper()
    assert b"NOOP" in words
    assert b"MAIL FROM" not in words


def test_a_relay_that_is_not_there_is_said() -> None:
    with pytest.raises(AdapterError, match="no connection"):
        reach_mail(MailServer("127.0.0.1", closed_port(), Security.NONE))
