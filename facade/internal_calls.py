"""What can be asked over the internal socket, and how each is answered from a `Desk`.

Quick calls read memory and are answered where they are read; slow ones wait for a disk, or read
so much that others must have their turn in between.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
import trio

from engine.client.wire import ANSWER_BYTES, GET_MANY, list_of, pack, pack_raw
from engine.desk import Desk
from engine.domain.commands import Command, Flatten, Halt, Refused, Respec
from engine.domain.ids import AccountKey
from engine.equity_history import LEVELS
from facade.internal_packed import Packed
from facade.internal_rules import Peer, Rules

PAGE = 500
"""Records in one answer."""
TURN_S = 0.0005
"""So long at a time a connection may keep the loop."""
_KEPT_FREE = 1024


class OfNothing(msgspec.Struct):
    """No argument."""


class OfKey(msgspec.Struct):
    """One account."""

    key: AccountKey


class OfKeys(msgspec.Struct):
    """Some accounts."""

    keys: list[AccountKey]


class OfRecords(msgspec.Struct):
    """Records of one account after a `seq`."""

    key: AccountKey
    after: int
    limit: int = PAGE


class OfCommand(msgspec.Struct):
    """A command to one account; `second`: token of the person who agrees to a release."""

    key: AccountKey
    command: Command
    second: str = ""


class OfCommands(msgspec.Struct):
    """One command to several accounts: the kill switch."""

    keys: list[AccountKey]
    command: Halt | Flatten


class OfKill(msgspec.Struct):
    """The kill switch of a program: it commands each account itself."""

    by: str
    action: Literal["halt", "flatten"]
    accounts: int
    reason: str = ""


class OfEquity(msgspec.Struct):
    """Equity of one account over time."""

    key: AccountKey
    bucket_s: int
    from_msc: int
    to_msc: int


class OfPeriod(msgspec.Struct):
    """One account, from a moment until before another."""

    key: AccountKey
    from_msc: int
    to_msc: int


class OfOutlook(msgspec.Struct):
    """Other rules for one account, to be looked at."""

    key: AccountKey
    command: Respec


class OfVerdict(msgspec.Struct):
    """One verdict, of these accounts or of all."""

    verdict_id: str
    keys: list[AccountKey] | None = None


class OfPrices(msgspec.Struct):
    """Prices of one symbol of an account's server over time."""

    key: AccountKey
    symbol: str
    from_msc: int
    to_msc: int


class Turn:
    """How long this task has kept the loop."""

    def __init__(self) -> None:
        self._until_s = trio.current_time() + TURN_S

    async def yield_if_due(self) -> None:
        """Lets everybody else run, where it was long."""
        if trio.current_time() >= self._until_s:
            await trio.sleep(0)
            self._until_s = trio.current_time() + TURN_S


# Quick


def keys(desk: Desk, _packed: Packed, number: int, _told: OfNothing) -> bytes:
    """Every account."""
    return pack(number, "ok", desk.keys())


def health(desk: Desk, _packed: Packed, number: int, _told: OfNothing) -> bytes:
    """How the engine is."""
    return pack(number, "ok", desk.health())


def snapshot(_desk: Desk, packed: Packed, number: int, told: OfKey) -> bytes:
    """One account."""
    return pack_raw(number, "ok", packed.get(told.key)[1])


QUICK: dict[str, tuple[Any, Callable[[Desk, Packed, int, Any], bytes]]] = {
    "snapshot": (OfKey, snapshot),
    "keys": (OfNothing, keys),
    "health": (OfNothing, health),
}


class SlowCalls:
    """The others, for one client."""

    def __init__(self, desk: Desk, packed: Packed, rules: Rules, peer: Callable[[], Peer]) -> None:
        self._desk = desk
        self._packed = packed
        self._rules = rules
        self._peer = peer
        self.shapes: dict[str, tuple[Any, Callable[[int, Any], Any]]] = {
            "snapshots": (OfKeys, self._snapshots),
            "records": (OfRecords, self._records),
            "command": (OfCommand, self._command),
            "commands": (OfCommands, self._commands),
            "kill_switch": (OfKill, self._kill_switch),
            "report": (OfKey, self._report),
            "verdict": (OfVerdict, self._verdict),
            "equity": (OfEquity, self._equity),
            "statistics": (OfPeriod, self._statistics),
            "outlook": (OfOutlook, self._outlook),
            "tape": (OfVerdict, self._tape),
            "prices": (OfPrices, self._prices),
        }

    async def _snapshots(self, number: int, told: OfKeys) -> bytes:
        if len(told.keys) > GET_MANY:
            return pack(number, "error", f"at most {GET_MANY} accounts at once")
        bodies: list[bytes] = []
        room = ANSWER_BYTES - _KEPT_FREE
        turn = Turn()
        for key in told.keys:
            try:
                _, packed = self._packed.get(key)
            except KeyError:
                continue
            room -= len(packed)
            if room < 0:
                return pack(number, "error", "too much for one answer: ask for fewer at once")
            bodies.append(packed)
            await turn.yield_if_due()
        return pack_raw(number, "ok", list_of(bodies))

    async def _records(self, number: int, told: OfRecords) -> bytes:
        self._desk.version(told.key)  # KeyError where there is no such account
        limit = max(1, min(told.limit, PAGE))
        return pack(number, "ok", await self._desk.records(told.key, told.after, limit))

    async def _command(self, number: int, told: OfCommand) -> bytes:
        command = self._rules.command_of(
            self._peer(), told.key, told.command, told.second, self._desk
        )
        done = await self._desk.command(told.key, command)
        if isinstance(done, Refused):
            return pack(number, "refused", done.reason)
        return pack(number, "ok", done)

    async def _commands(self, number: int, told: OfCommands) -> bytes:
        """All at the same time, so that one commit may make many of them durable."""
        done: list[Any] = [None] * len(told.keys)
        peer = self._peer()
        for key in told.keys:
            self._desk.version(key)

        async def one(place: int, key: AccountKey) -> None:
            command = self._rules.command_of(peer, key, told.command, "", self._desk)
            came = await self._desk.command(key, command)
            refused = came.reason if isinstance(came, Refused) else None
            done[place] = (refused, None if refused is not None else came)

        # Checked before any is given, so that a client is refused for all or for none.
        for key in told.keys[:1]:
            self._rules.command_of(peer, key, told.command, "", self._desk)
        if set(told.keys) >= set(self._desk.keys()):
            said = self._rules.command_of(peer, told.keys[0], told.command, "", self._desk)
            action = "halt" if isinstance(told.command, Halt) else "flatten"
            self._rules.on_kill(said.by, action, len(told.keys), told.command.reason)
        async with trio.open_nursery() as nursery:
            for place, key in enumerate(told.keys):
                nursery.start_soon(one, place, key)
        return pack(number, "ok", done)

    async def _kill_switch(self, number: int, told: OfKill) -> bytes:
        await trio.lowlevel.checkpoint()
        if not self._peer().is_program:
            return pack(number, "denied", "only a program says of itself that it stops everything")
        self._rules.on_kill(told.by, told.action, told.accounts, told.reason)
        return pack(number, "ok", None)

    async def _report(self, number: int, told: OfKey) -> bytes:
        self._desk.version(told.key)
        return pack(number, "ok", await self._desk.ask_report(told.key))

    async def _equity(self, number: int, told: OfEquity) -> bytes:
        if told.bucket_s not in LEVELS:
            return pack(number, "error", f"buckets are of {', '.join(map(str, LEVELS))} s")
        asked = (told.key, told.bucket_s, told.from_msc, told.to_msc)
        return pack(number, "ok", await self._desk.equity(*asked))

    async def _statistics(self, number: int, told: OfPeriod) -> bytes:
        asked = (told.key, told.from_msc, told.to_msc)
        return pack(number, "ok", await self._desk.statistics(*asked))

    async def _outlook(self, number: int, told: OfOutlook) -> bytes:
        return pack(number, "ok", await self._desk.outlook(told.key, told.command))

    async def _tape(self, number: int, told: OfVerdict) -> bytes:
        return pack(number, "ok", await self._desk.tapes.of_verdict(told.verdict_id))

    async def _prices(self, number: int, told: OfPrices) -> bytes:
        asked = (told.key, told.symbol, told.from_msc, told.to_msc)
        return pack(number, "ok", await self._desk.tapes.prices(*asked))

    async def _verdict(self, number: int, told: OfVerdict) -> bytes:
        return pack(number, "ok", await self._desk.verdict(told.verdict_id, told.keys))


def lane_of(told: Any) -> Sequence[object]:
    """Calls with the same are carried out one after another."""
    key = getattr(told, "key", None)
    return ("every",) if key is None else tuple(key)
