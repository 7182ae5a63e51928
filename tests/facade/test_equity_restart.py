"""The real engine of settings, stopped and started again: its equity history is still there."""

from pathlib import Path

import numpy as np

from engine.desk import Desk
from engine.marking.ticks import TickBatch
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


async def test_a_restart_of_the_engine_keeps_its_equity_and_a_broken_file_keeps_it_not_up(
    tmp_path: Path,
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
    (tmp_path / "s" / "equity.db").write_bytes(b"x" * 8192)
    async with open_floor(settings) as floor:
        await tick(floor, 1.1)
        assert floor.engine.health().is_ready
