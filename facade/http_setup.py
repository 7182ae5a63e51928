"""The API of a running engine, in its nursery."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import anyio
import trio

from facade.access import EVERY
from facade.access_keys import AccessKeys
from facade.access_tokens import Grant, issue, rules_of
from facade.api_parts import parts_of
from facade.app import make_app
from facade.pages import Pages
from facade.serving import HttpServer, binding_of, serve_http
from facade.settings import Settings
from facade.wiring_floor import Floor

DEMO_S = 900


async def serve_floor(
    floor: Floor,
    settings: Settings,
    *,
    task_status: trio.TaskStatus[HttpServer | None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until it is cancelled; nothing where the API is turned off.

    Raises:
        UserError, AdapterError: it cannot listen; says why.
    """
    if not settings.keys.http.enabled:
        task_status.started(None)
        return
    stopping = anyio.Event()
    parts = parts_of(settings, floor.engine, floor.trail, floor.metrics, stopping)

    async def on_kill(by: str, action: str, accounts: int, reason: str) -> None:
        floor.alerting.kill_switch(by, action, accounts, reason)

    parts = replace(parts, now_msc=floor.clock.wall_msc, on_kill=on_kill)
    app = make_app(floor.engine, parts, Pages().routes())
    binding = binding_of(settings)
    await serve_http(app, binding, stopping=stopping.set, task_status=task_status)


def demo_token(settings: Settings) -> str:
    """A token of an operator for every account, for 15 minutes; makes the key where none is."""
    keys = AccessKeys(settings.access_keys)
    if not keys.live():
        keys.create(datetime.now(UTC).isoformat(timespec="seconds"))
    grant = Grant("demo", "operator", (EVERY,), None, DEMO_S)
    return issue(keys, grant, int(time.time()), rules_of(settings)).token
