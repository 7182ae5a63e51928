"""The real engine of settings, stopped and started again: its equity history is still there."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trio

from adapters.notify.outbox import AlertOutbox
from engine import equity_kept
from engine.alerts import Alert, Level
from engine.desk import Desk
from engine.marking.ticks import TickBatch
from facade.health import readiness
from facade.settings import read_settings
from facade.wiring_floor import Floor, open_floor
from tests.facade.command_line import BOOK


async def tick(floor: Floor, bid: float) -> None:
    """A quote of now, marked."""
    engine = floor.engine
    [feed] = engine.feeds
    intake = engine.intake(feed)
    assert intake is not None
    at = np.array([floor.clock.wall_msc()], np.int64)
    price = np.array([bid])
    symbols = tuple(intake.symbols)
    router = engine._servers[feed].supervisor.router
    await router.on_quotes(TickBatch(symbols, 0, at, np.zeros(1, np.int32), price, price))


async def test_a_restart_of_the_engine_keeps_its_equity_and_a_broken_file_is_told_and_retried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "book.toml").write_text(BOOK, encoding="utf-8")
    words = 'book = "book.toml"\nstate = "s"\n[link]\nhost = "127.0.0.1"\nport = 0\n'
    (tmp_path / "serve.toml").write_text(words, encoding="utf-8")
    settings = read_settings(tmp_path / "serve.toml")

    async with open_floor(settings) as floor:
        await tick(floor, 1.1)
        [history] = floor.engine.histories.values()
        began = history.fresh()
        assert began is not None
    async with open_floor(settings) as floor:
        [history] = floor.engine.histories.values()
        desk: Desk = floor.engine
        assert history._runs[0].began_msc == began.runs[0].began_msc
        found = await desk.statistics(desk.keys()[0], 0, 2**52)
        assert not found.is_exact
        assert found.is_complete
    monkeypatch.setattr(equity_kept, "KEEP_S", 0.02)
    monkeypatch.setattr(equity_kept, "SOUND_KEEPS", 2)
    kept = (tmp_path / "s" / "equity.db").read_bytes()
    (tmp_path / "s" / "equity.db").write_bytes(b"x" * 8192)
    told: list[Alert] = []
    monkeypatch.setattr(AlertOutbox, "notify", taking(told))
    async with open_floor(settings) as floor:
        await tick(floor, 1.1)
        health = floor.engine.health()
        assert health.is_ready, "guarding goes on"
        shown = readiness(health)
        assert (shown.status, shown.http_status, shown.equity) == ("degraded", 200, "not kept")
        assert health.equity_failure is not None
        assert health.equity_failure not in repr(shown), "everybody may read that"
        assert b"equity_history_kept 0.0" in await floor.metrics.scrape(floor.engine)
        with trio.fail_after(30):
            while not told:
                await trio.sleep(0.01)
        assert [(one.kind, one.level) for one in told] == [("equity_not_kept", Level.NOTIFY)]
        (tmp_path / "s" / "equity.db").write_bytes(kept)
        with trio.fail_after(30):
            while len(told) < 2:
                await trio.sleep(0.01)
        assert told[1].kind == "equity_kept_again"
        assert told[1].thread == told[0].thread, "it edits what was told"
        assert readiness(floor.engine.health()).status == "ready"
        assert b"equity_history_kept 1.0" in await floor.metrics.scrape(floor.engine)
        [history] = floor.engine.histories.values()
        assert history._runs[0].began_msc == began.runs[0].began_msc, "and has what was before"


def taking(told: list[Alert]) -> Any:
    async def notify(outbox: AlertOutbox, alert: Alert) -> None:
        told.append(alert)

    return notify
