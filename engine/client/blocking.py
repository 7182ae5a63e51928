"""A client without Trio, for scripts and the shell: one request at a time."""

import socket
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.client.wire import VERSION, Answer, Frames, WireError, answer_of, pack
from engine.desk import Health, Taken
from engine.domain.commands import Command, Refused
from engine.domain.ids import AccountKey
from engine.domain.records import AnyRecord
from engine.domain.snapshot import Snapshot
from engine.errors import AdapterError

READ_BYTES = 65_536


class Client:
    """Connected when made; use it in a `with`."""

    def __init__(self, path: Path, timeout_s: float = 10.0) -> None:
        """`path`: of the engine's Unix socket.

        Raises:
            AdapterError: nobody listens there, or it speaks another version.
        """
        self._path = path
        self._frames = Frames()
        self._waiting: list[bytes] = []
        self._number = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(timeout_s)
        try:
            self._socket.connect(str(path))
        except OSError as error:
            self._socket.close()
            raise self._failed(f"no engine answers at {path}: {error.strerror}") from error
        try:
            self._ask("hello", version=VERSION)
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
        found: list[AccountKey] = self._ask("keys").read(list[AccountKey])
        return found

    def health(self) -> Health:
        """How the engine is."""
        health: Health = self._ask("health").read(Health)
        return health

    def snapshots(self, keys: Sequence[AccountKey]) -> list[Snapshot]:
        """The accounts as they are now; those that are not there are left out."""
        found: list[Snapshot] = self._ask("snapshots", keys=list(keys)).read(list[Snapshot])
        return found

    def records(self, key: AccountKey, after_seq: int, limit: int = 100) -> list[AnyRecord]:
        """At most so many durable records after that one."""
        answer = self._ask("records", key=key, after=after_seq, limit=limit)
        found: list[AnyRecord] = answer.read(list[AnyRecord])
        return found

    def command(self, key: AccountKey, command: Command) -> Taken | Refused:
        """What came of it, once that is durable."""
        answer = self._ask("command", refusal=False, key=key, command=command)
        if answer.outcome == "refused":
            return Refused(answer.read(str))
        taken: Taken = answer.read(Taken)
        return taken

    def _ask(self, call: str, *, refusal: bool = True, **arguments: Any) -> Answer:
        self._number += 1
        try:
            self._socket.sendall(pack(self._number, call, arguments))
            while True:
                answer = answer_of(self._frame())
                if answer.number == self._number:
                    break
        except (OSError, WireError) as error:
            raise self._failed(str(error)) from error
        if answer.outcome == "error" or (refusal and answer.outcome == "refused"):
            raise self._failed(str(answer.read(str)))
        return answer

    def _frame(self) -> bytes:
        while not self._waiting:
            chunk = self._socket.recv(READ_BYTES)
            if not chunk:
                raise WireError("the engine hung up")
            self._waiting.extend(self._frames.feed(chunk))
        return self._waiting.pop(0)

    def _failed(self, why: str) -> AdapterError:
        return AdapterError(why, system="engine", retry=True)
