"""The API in its own process: over a mirror, under asyncio as most ASGI servers run it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import httpx
import pytest
import trio

from engine.errors import UserError
from engine.secret import Secret
from facade.access_keys import AccessKeys
from facade.access_tokens import Grant, issue
from facade.api_parts import now_msc
from facade.internal_rules import Rules
from facade.internal_socket import InternalSocket
from facade.settings import Settings, read_settings
from facade.standalone import VARIABLE, Standalone, settings_of_environment
from tests.facade.command_line import BOOK
from tests.facade.fake_desk import FakeDesk, key_of
from tests.facade.internal_house import LONG_S, TOKEN

LOGINS = (1, 2, 3, 4)
"""Of the book of `command_line`."""


@contextmanager
def settled(token_file: str = "token") -> Iterator[Settings]:
    """Settings, their book and a token, in a folder with a short name."""
    with TemporaryDirectory(prefix="tg") as text:
        folder = Path(text)
        (folder / "book.toml").write_text(BOOK, encoding="utf-8")
        named = f'[internal]\ntoken_file = "{token_file}"\n' if token_file else ""
        (folder / "serve.toml").write_text(f'book = "book.toml"\nstate = "s"\n{named}')
        (folder / "token").touch(mode=0o600)
        (folder / "token").write_text(TOKEN)
        settings = read_settings(folder / "serve.toml")
        settings.make_state()
        yield settings


def token_of(settings: Settings) -> str:
    """Of an admin of every account."""
    keys = AccessKeys(settings.access_keys)
    keys.create("2026-01-01T00:00:00+00:00")
    return issue(keys, Grant("ann", "admin", ("*",), None, 900), now_msc() // 1000).token


class Lifespan:
    """A server's side of the lifespan events."""

    def __init__(self, app: Standalone) -> None:
        self.app = app
        self.said: list[Any] = []
        self._started = anyio.Event()
        self._stop = anyio.Event()
        self._received = 0

    async def receive(self) -> dict[str, str]:
        self._received += 1
        if self._received == 1:
            return {"type": "lifespan.startup"}
        await self._stop.wait()
        return {"type": "lifespan.shutdown"}

    async def send(self, message: Any) -> None:
        self.said.append(message)
        self._started.set()

    async def __call__(self, work: Callable[[], Any]) -> None:
        """Starts the application, does this, and ends it."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.app, {"type": "lifespan"}, self.receive, self.send)
            with anyio.fail_after(LONG_S):
                await self._started.wait()
            if self.said[0]["type"] == "lifespan.startup.complete":
                await work()
            self._stop.set()


async def test_it_answers_from_the_mirror_and_commands_for_its_callers() -> None:
    desk = FakeDesk(LOGINS)
    desk.tick(1.105)
    with settled() as settings:
        token = token_of(settings)
        answers: dict[str, httpx.Response] = {}

        async def serve_and_ask() -> list[Any]:
            app = Standalone(lambda: settings)
            server = Lifespan(app)

            async def ask() -> None:
                transport = httpx.ASGITransport(app)
                headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "one-and-only-1"}
                async with httpx.AsyncClient(
                    transport=transport, base_url="http://desk", headers=headers
                ) as client:
                    base = "/api/v1/accounts"
                    answers["ready"] = await client.get("/readyz")
                    answers["all"] = await client.get(base)
                    answers["one"] = await client.get(f"{base}/Demo-1/3")
                    answers["none"] = await client.get(f"{base}/Demo-1/9")
                    answers["events"] = await client.get(f"{base}/Demo-1/3/events")
                    answers["metrics"] = await client.get("/metrics")
                    answers["halt"] = await client.post(
                        f"{base}/Demo-1/3/halt", json={"reason": "news"}
                    )
                    del client.headers["Idempotency-Key"]
                    answers["kill"] = await client.post(
                        "/api/v1/flatten?scope=all", json={"reason": "storm"}
                    )

            await server(ask)
            return server.said

        killed: list[Any] = []
        rules = Rules(Secret(TOKEN.encode()), on_kill=lambda *told: killed.append(told))
        async with trio.open_nursery() as nursery:
            await nursery.start(InternalSocket(desk, settings.socket, rules).serve)
            with trio.fail_after(2 * LONG_S):
                said = await trio.to_thread.run_sync(
                    lambda: anyio.run(serve_and_ask, backend="asyncio")
                )
            nursery.cancel_scope.cancel()
    statuses = {name: answer.status_code for name, answer in answers.items()}
    assert statuses["none"] == 404
    assert {statuses[name] for name in ("ready", "all", "one", "events", "metrics")} == {200}
    assert 'accounts{quality="known"} 4.0' in answers["metrics"].text
    assert answers["one"].json()["equity"] == 10_500.0
    assert statuses["halt"] in (200, 202), answers["halt"].text
    assert [(key, c.by) for key, c in desk.given][:1] == [(key_of(3), "api:ann")]
    assert answers["kill"].json()["accounts"] == len(LOGINS)
    assert killed == [("api:ann", "flatten", len(LOGINS), "storm")], "told once, in the engine"
    assert [one["type"] for one in said] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


async def test_without_a_token_for_programs_it_does_not_start() -> None:
    with settled("") as settings:
        server = Lifespan(Standalone(lambda: settings))
        await server(lambda: None)
    assert server.said[0]["type"] == "lifespan.startup.failed"
    assert "internal.token_file" in server.said[0]["message"]


def test_the_environment_must_name_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(UserError, match=VARIABLE):
        settings_of_environment()
    with settled() as settings:
        monkeypatch.setenv(VARIABLE, str(settings.path))
        assert settings_of_environment().socket == settings.socket
