"""The API over a fake desk, with real access around it; requests in process, no socket."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
from msgspec.structs import replace
from starlette.applications import Starlette

from adapters.memory.audit import MemoryAuditTrail
from engine.domain.account import AccountSpec
from engine.domain.guards import Money
from engine.domain.ids import AccountKey
from engine.errors import UserError
from facade.access import Scopes
from facade.access_gate import Gate
from facade.access_keys import AccessKeys
from facade.access_sessions import Sessions
from facade.app import make_app
from facade.approvals import Approvals
from facade.audit import AuditRecorder
from facade.call import Options, Parts
from facade.idempotency import Idempotency
from facade.metrics import Metrics
from tests.facade.access_desk import AccessDesk
from tests.facade.fake_desk import FLOOR, FakeDesk, account, key_of

BASE = "/api/v1"
RULESETS = {"house": 100_000, "tight": 50_000, "loose": 200_000}
"""Money that may be lost, by name, in minor units."""


class ApiHouse:
    """What a test asks, as whom."""

    def __init__(self, folder: Path, desk: FakeDesk, options: Options) -> None:
        self.desk = desk
        self.access = AccessDesk(folder)
        self.access.now_s = desk.time_msc / 1000
        self.trail = MemoryAuditTrail()
        self.killed: list[tuple[str, str, int, str]] = []
        self.metrics = Metrics()
        self.export_keys = AccessKeys(folder / "export", "keys export")
        limits = self.access.limits
        sessions = Sessions(self.access.keys, self.now_s, is_secure=False)
        gate = Gate(self.access.verifier, sessions, Scopes(desk.keys), limits)
        self.parts = Parts(
            gate=gate,
            sessions=sessions,
            limits=limits,
            audit=AuditRecorder(self.trail, self.now_msc),
            approvals=Approvals(self.trail, self.now_msc),
            idempotency=Idempotency(self.now_s),
            metrics=self.metrics,
            now_msc=self.now_msc,
            stopping=anyio.Event(),
            specs=self._spec,
            rulesets=lambda: tuple(RULESETS),
            on_kill=self._kill,
            export_keys=self.export_keys,
            options=options,
        )
        self.app: Starlette = make_app(desk, self.parts)

    def now_s(self) -> float:
        return self.access.now_s

    def now_msc(self) -> int:
        return int(self.access.now_s * 1000)

    async def _kill(self, *told: Any) -> None:
        self.killed.append(told)

    def _spec(self, key: AccountKey, ruleset: str) -> AccountSpec:
        if ruleset not in RULESETS:
            raise UserError(f"there is no ruleset `{ruleset}` in the book")
        floor = replace(FLOOR, amount=Money(amount_minor=RULESETS[ruleset]))
        return replace(account(key.login).spec, guards=(floor,), ruleset=ruleset)

    def token(self, role: Any = "operator", subject: str = "ann", *accounts: str) -> str:
        return self.access.token(role, subject, *(accounts or ("*",)))

    def client(self, token: str | None = None) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(transport=transport, base_url="http://desk", headers=headers)

    async def ask(
        self, method: str, path: str, *, token: str | None = None, **more: Any
    ) -> httpx.Response:
        """`path` below `/api/v1` unless it begins with a dot."""
        url = path[1:] if path.startswith(".") else BASE + path
        async with self.client(self.token() if token is None else token or None) as client:
            return await client.request(method, url, **more)

    async def get(self, path: str, **more: Any) -> Any:
        answer = await self.ask("GET", path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()


@contextmanager
def api_house(
    folder: Path, desk: FakeDesk | None = None, options: Options | None = None
) -> Iterator[ApiHouse]:
    """Accounts 1001 and 1002 on a market that has ticked once."""
    made = desk or FakeDesk()
    if desk is None:
        made.tick(1.1010)
    yield ApiHouse(folder, made, options or Options())


Changed = Callable[[FakeDesk], None]
OWN = str(key_of(1001))
