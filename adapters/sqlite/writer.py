"""The one thread that touches the database: takes what is waiting, commits it together, answers.

The rules of this file:

- An append is answered after its commit returned, never before.
- The first error other than a full disk ends the journal: everything waiting and everything after
  is answered with JournalError. If the disk may be at fault the marker is left beside the file.
- A full disk refuses the commit at hand, wholly, and the next one is tried as usual.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from time import perf_counter_ns
from typing import Any

import apsw
import trio

from adapters.sqlite.marker import fsync_folder, leave_marker, owned, refuse_marked
from adapters.sqlite.schema import connect
from adapters.sqlite.store import Addition, Store
from engine.errors import AdapterError, JournalError, JournalFullError

ROWS_PER_COMMIT = 4096
_NEWEST_SHARE = 0.2
"""Of the last commit, in what they take about."""
Work = Callable[[], None]
_HARMLESS = (apsw.BusyError, apsw.LockedError, apsw.ConstraintError)
"""Errors after which the journal stops, and that say nothing against the disk."""


class Waiting:
    """One caller, waiting for an answer in the Trio thread."""

    def __init__(self, work: list[Addition] | Callable[[Store], Any] | None) -> None:
        """`work`: an account's additions, a question to the store, or None to stop."""
        self.work = work
        self.done: threading.Lock | None = None
        """Released by the writer as soon as it is done, for a caller that stands still for it."""
        self.answered = trio.Event()
        self.result: Any = None
        self.error: Exception | None = None


class WriterThread:
    """Owns the database from `start` on; `put` and the answers are for the Trio thread."""

    def __init__(
        self,
        path: Path,
        *,
        checkpoint_pages: int,
        vfs: str | None,
        on_commit: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """Opens nothing yet. `on_commit` hears in this thread how long each commit took."""
        self._path = path
        self._checkpoint_pages = checkpoint_pages
        self._vfs = vfs
        self._on_commit = on_commit
        self._queue: SimpleQueue[Waiting] = SimpleQueue()
        self._token = trio.lowlevel.current_trio_token()
        self._opening = Waiting(None)
        self._in_hand: list[Waiting] = []
        self.failure: str | None = None
        """Why the journal ended; None while it works."""
        self.commit_s = 0.0
        """What the last commits took, about."""

    async def start(self) -> None:
        """Returns once the journal is open.

        Raises:
            UserError: it is marked, in use, no journal, or of a newer version.
            AdapterError: the disk.
        """
        threading.Thread(target=self._run, name=f"journal {self._path.name}", daemon=True).start()
        await self._opening.answered.wait()
        if self._opening.error is not None:
            raise self._opening.error

    def put(self, waiting: Waiting) -> None:
        """Queues it; its event is set when it is done."""
        self._queue.put(waiting)

    def _run(self) -> None:
        last, opened = self._opening, False
        try:
            with owned(self._path):
                store = self._open()
                opened = True
                self._answer([self._opening])
                last = self._serve(store)
        except Exception as error:  # noqa: BLE001  told to whoever waits
            if opened:
                last = self._refuse_all(error)
            else:
                self._opening.error = error
        self._answer([last])  # only now: whoever opens the journal next finds it free

    def _serve(self, store: Store) -> Waiting:
        """Answers until the word to stop, which is returned; the store is closed then."""
        stopping = None
        while stopping is None:
            appends, questions, stopping = self._taken()
            last = [] if stopping is None else [stopping]
            self._in_hand = [*last, *appends, *questions]
            self._commit(store, appends)
            for question in questions:
                self._ask(store, question)
            self._guarded(store.checkpoint_if_due)
            self._in_hand = last
        self._guarded(lambda: store.close(sound=True))
        if self.failure is not None:
            with suppress(apsw.Error):
                store.close(sound=False)
        return stopping

    def _refuse_all(self, error: Exception) -> Waiting:
        """After a fault of this file's own: nobody may be left waiting for ever."""
        self.failure = f"the journal {self._path} failed: {type(error).__name__}: {error}"
        waiting = self._in_hand.pop() if self._in_hand else self._queue.get()
        while waiting.work is not None:
            waiting.error = JournalError(self.failure)
            self._answer([waiting])
            waiting = self._in_hand.pop() if self._in_hand else self._queue.get()
        return waiting

    def _open(self) -> Store:
        refuse_marked(self._path)
        try:
            store = Store(connect(self._path, self._vfs), self._checkpoint_pages)
            fsync_folder(self._path)
        except (apsw.Error, OSError) as error:
            cause = f"cannot open {self._path}: {error}"
            if isinstance(error, apsw.Error) and _against_the_disk(error):
                cause += f"; {leave_marker(self._path, str(error))}"
            raise AdapterError(cause, system="journal", retry=False) from error
        return store

    def _taken(self) -> tuple[list[Waiting], list[Waiting], Waiting | None]:
        """What is waiting, at least one: appends for one commit, questions, and the word to stop.

        A question may be answered after an append that was put later: it sees that one too.
        """
        appends: list[Waiting] = []
        questions: list[Waiting] = []
        rows = 0
        waiting = self._queue.get()
        with suppress(Empty):
            while True:
                if waiting.work is None:
                    return appends, questions, waiting
                if isinstance(waiting.work, list):
                    appends.append(waiting)
                    rows += sum(1 + len(addition.bodies) for addition in waiting.work)
                else:
                    questions.append(waiting)
                if rows >= ROWS_PER_COMMIT:
                    break
                waiting = self._queue.get_nowait()
        return appends, questions, None

    def _commit(self, store: Store, appends: Sequence[Waiting]) -> None:
        if not appends:
            return
        groups = [one.work for one in appends if isinstance(one.work, list)]
        additions = [addition for group in groups for addition in group]
        refused: list[str | None] = [None] * len(additions)

        def add() -> None:
            refused[:] = store.append(additions)

        began_ns = perf_counter_ns()
        error = self._guarded(add)
        took_s = (perf_counter_ns() - began_ns) / 1e9
        self.commit_s += (took_s - self.commit_s) * _NEWEST_SHARE
        if error is None:
            self._on_commit(took_s)
        refusals = iter(refused)
        for waiting, group in zip(appends, groups, strict=True):
            first = next(filter(None, [next(refusals) for _ in group]), None)
            waiting.error = JournalError(first) if first else error
        self._answer(appends)

    def _ask(self, store: Store, question: Waiting) -> None:
        def ask() -> None:
            assert callable(question.work)
            question.result = question.work(store)

        question.error = self._guarded(ask)
        self._answer([question])

    def _guarded(self, work: Work) -> JournalError | None:
        """Does it unless the journal has ended; what went wrong, with its consequences drawn."""
        if self.failure is not None:
            return JournalError(self.failure)
        try:
            work()
        except JournalError as error:  # the caller's fault; the store is as it was
            return error
        except apsw.FullError:
            return JournalFullError(
                f"no space for the journal {self._path}: nothing of this was kept"
            )
        except Exception as error:  # noqa: BLE001  whatever it is, nothing is acknowledged after it
            self.failure = f"the journal {self._path} failed: {type(error).__name__}: {error}"
            if isinstance(error, apsw.Error) and _against_the_disk(error):
                self.failure += f"; {leave_marker(self._path, f'{type(error).__name__}: {error}')}"
            return JournalError(self.failure)
        return None

    def _answer(self, done: Sequence[Waiting]) -> None:
        """Wakes the callers, all by one message to the Trio thread."""

        def wake() -> None:
            for waiting in done:
                waiting.answered.set()

        for waiting in done:
            if waiting.done is not None:
                waiting.done.release()
        with suppress(trio.RunFinishedError):
            self._token.run_sync_soon(wake)


def _against_the_disk(error: apsw.Error) -> bool:
    return not isinstance(error, (*_HARMLESS, apsw.FullError))
