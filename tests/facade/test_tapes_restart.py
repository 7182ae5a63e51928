"""Tapes of the real engine of settings: they outlive it, and a broken file keeps it not up."""

from pathlib import Path

import pytest

from engine.errors import AdapterError
from facade.settings import read_settings
from facade.wiring_floor import open_floor
from tests.engine.test_tape import tape_of
from tests.facade.command_line import BOOK


async def test_tapes_outlive_the_engine_and_a_broken_file_keeps_it_not_up(tmp_path: Path) -> None:
    (tmp_path / "book.toml").write_text(BOOK, encoding="utf-8")
    words = 'book = "book.toml"\nstate = "s"\n[link]\nhost = "127.0.0.1"\nport = 0\n'
    (tmp_path / "serve.toml").write_text(words, encoding="utf-8")
    settings = read_settings(tmp_path / "serve.toml")
    async with open_floor(settings) as floor:
        store = floor.engine.tapes.store
        assert store is not None
        await store.keep(tape_of("vrd_1"))
    async with open_floor(settings) as floor:
        assert await floor.engine.tapes.of_verdict("vrd_1") == tape_of("vrd_1")
        assert await floor.engine.tapes.of_verdict("vrd_2") is None
    (tmp_path / "s" / "tapes.db").write_bytes(b"x" * 8192)
    async with open_floor(settings) as floor:
        assert floor.engine.health().is_ready
        with pytest.raises(AdapterError):
            await floor.engine.tapes.of_verdict("vrd_1")
