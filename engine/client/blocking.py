"""A client without Trio, for scripts and the shell."""

import socket
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.client.address import Address, done_of, each_done, failed, nobody, value_of
from engine.client.wire import (
    ANSWER_BYTES,
    GET_MANY,
    VERSION,
    Answer,
    Frames,
    WireError,
    answer_of,
    pack,
)
from engine.desk import Health, Taken
from engine.domain.commands import Command, Flatten, Halt, Refused
from engine.domain.ids import AccountKey
from engine.domain.records import AnyRecord
from engine.domain.snapshot import Snapshot

READ_BYTES = 65_536
PIPELINED = 64
"""Requests sent ahead of their answers."""


class Client:
    """Connected when made; use it in a `with`, from one thread."""

    def __init__(self, address: Address, timeout_s: float = 10.0, token: str = "") -> None:
        """`address`: of the engine's Unix socket, or (host, port) and the token.

        Raises:
            AdapterError: nobody listens there, it speaks another version, or is not let in.
        """
        self._frames = Frames(ANSWER_BYTES)
        self._waiting: deque[Answer] = deque()
        self._pushed: deque[Answer] = deque()
        self._number = 0
        family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(address) if isinstance(address, Path) else address)
        except OSError as error:
            self._socket.close()
            raise nobody(address, error) from error
        try:
            self._value("hello", dict[str, Any], version=VERSION, token=token)
        except BaseException:
            self._socket.close()
            raise

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._socket.close()

    def keys(self) -> list[AccountKey]:
        """Every account."""
        found: list[AccountKey] = self._value("keys", list[AccountKey])
        return found

    def health(self) -> Health:
        """How the engine is."""
        health: Health = self._value("health", Health)
        return health

    def snapshot(self, key: AccountKey) -> Snapshot:
        """The account as it is now.

        Raises:
            KeyError: there is no such account.
        """
        snapshot: Snapshot = self._value("snapshot", Snapshot, key=key)
        return snapshot

    def snapshots(self, keys: Sequence[AccountKey]) -> list[Snapshot]:
        """The accounts as they are now; those that are not there are left out."""
        found: list[Snapshot] = []
        for start in range(0, len(keys), GET_MANY):
            some = list(keys[start : start + GET_MANY])
            found += self._value("snapshots", list[Snapshot], keys=some)
        return found

    def each_snapshot(self, keys: Sequence[AccountKey]) -> Iterator[Snapshot]:
        """One after another by requests sent ahead; finish it before you ask anything else.

        Raises:
            KeyError: there is no such account.
        """
        asked: list[int] = []
        left = iter(keys)
        done = False
        while True:
            sending = b""
            while not done and len(asked) < PIPELINED:
                key = next(left, None)
                if key is None:
                    done = True
                    break
                self._number += 1
                asked.append(self._number)
                sending += pack(self._number, "snapshot", {"key": key})
            if sending:
                self._send(sending)
            if not asked:
                return
            for number in asked[: max(1, len(asked) // 2)]:
                yield value_of(self._answer(number), Snapshot)
                asked.pop(0)

    def records(self, key: AccountKey, after_seq: int, limit: int = 100) -> list[AnyRecord]:
        """At most so many durable records after that one.

        Raises:
            KeyError: there is no such account.
        """
        found: list[AnyRecord] = self._value(
            "records", list[AnyRecord], key=key, after=after_seq, limit=limit
        )
        return found

    def command(self, key: AccountKey, command: Command, second: str = "") -> Taken | Refused:
        """What came of it, once that is durable.

        Args:
            second: token of the person who agrees; a release of a breach needs it.

        Raises:
            KeyError: there is no such account.
            AdapterError: this client may not; or the engine went, and whether it was done is
                not known: look at the records.
        """
        return done_of(self._ask("command", key=key, command=command, second=second))

    def command_all(
        self, keys: Sequence[AccountKey], command: Halt | Flatten
    ) -> list[Taken | Refused]:
        """What came of one command to all of these, in their order."""
        return each_done(self._ask("commands", keys=list(keys), command=command))

    def ask_report(self, key: AccountKey) -> bool:
        """Asks the account's terminal for a full report; False: it is not linked."""
        asked: bool = self._value("report", bool, key=key)
        return asked

    def verdict(self, verdict_id: str) -> Mapping[str, Any] | None:
        """What decided; None: there is no such verdict."""
        found: Mapping[str, Any] | None = self._value(
            "verdict", dict[str, Any] | None, verdict_id=verdict_id
        )
        return found

    def events(self, after: Mapping[AccountKey, int] | None = None) -> Iterator[AnyRecord]:
        """Durable records for ever, of `after` first those after that `seq`; nothing is lost.

        The time-out of the client is how long it waits for the next one.

        Raises:
            AdapterError: the engine went, or nothing came in time.
        """
        listed = [(key, seq) for key, seq in (after or {}).items()]
        self._value("subscribe_events", list[tuple[AccountKey, int]], after=listed)
        while True:
            answer = self._pushed.popleft() if self._pushed else self._next()
            if answer.outcome == "event":
                yield answer.read(AnyRecord)

    def _value(self, call: str, shape: Any, **arguments: Any) -> Any:
        return value_of(self._ask(call, **arguments), shape)

    def _ask(self, call: str, **arguments: Any) -> Answer:
        self._number += 1
        self._send(pack(self._number, call, arguments))
        return self._answer(self._number)

    def _send(self, sending: bytes) -> None:
        try:
            self._socket.sendall(sending)
        except OSError as error:
            raise failed(str(error)) from error

    def _answer(self, number: int) -> Answer:
        while True:
            answer = self._next()
            if answer.number == number:
                return answer
            if not answer.number:
                self._pushed.append(answer)

    def _next(self) -> Answer:
        try:
            while not self._waiting:
                chunk = self._socket.recv(READ_BYTES)
                if not chunk:
                    raise failed("the engine hung up")
                self._waiting.extend(map(answer_of, self._frames.feed(chunk)))
        except TimeoutError as error:
            raise failed("it does not answer") from error
        except (OSError, WireError) as error:
            raise failed(str(error)) from error
        return self._waiting.popleft()
