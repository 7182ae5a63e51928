"""Equity histories in memory, for a program that is to leave nothing behind."""

from typing import TypeVar

import trio

from engine.equity_history import BALANCE_CHANGES, LEVELS, RUNS
from engine.equity_kept import KeptBalance, KeptEquity, KeptRow, Watched

Of = TypeVar("Of")


class MemoryEquityStore:
    """`EquityStore` in dictionaries."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[tuple[int, int], KeptRow]] = {}
        self._balances: dict[str, dict[tuple[int, int], KeptBalance]] = {}
        self._runs: dict[str, dict[int, Watched]] = {}

    async def load(self, server: str) -> KeptEquity:
        """See `EquityStore.load`."""
        await trio.lowlevel.checkpoint()
        return KeptEquity(
            list(self._rows.get(server, {}).values()),
            list(self._balances.get(server, {}).values()),
            list(self._runs.get(server, {}).values()),
        )

    async def keep(self, server: str, kept: KeptEquity) -> None:
        """See `EquityStore.keep`."""
        await trio.lowlevel.checkpoint()
        rows = self._rows.get(server, {})
        rows |= {(row.bucket_s, row.start_msc): row for row in kept.rows}
        self._rows[server] = {}
        for bucket_s, most in LEVELS.items():
            of_level = {name: row for name, row in rows.items() if name[0] == bucket_s}
            self._rows[server] |= _newest(of_level, most)
        balances = self._balances.get(server, {})
        balances |= {(one.login, one.time_msc): one for one in kept.balances}
        self._balances[server] = {}
        for login in dict.fromkeys(login for login, _ in balances):
            of_login = {name: one for name, one in balances.items() if name[0] == login}
            self._balances[server] |= _newest(of_login, BALANCE_CHANGES)
        runs = self._runs.get(server, {}) | {run.began_msc: run for run in kept.runs}
        self._runs[server] = {began: runs[began] for began in sorted(runs)[-RUNS:]}


def _newest(of: dict[tuple[int, int], Of], most: int) -> dict[tuple[int, int], Of]:
    return {name: of[name] for name in sorted(of)[-most:]}
