"""A restart: from the start of the process until every account guards again.

The journal is made first: 1,000 accounts, 1,000,000 rows of records and entries in a valid chain,
a kept state of each account, and after it entries that are stepped again, each compared with its
digest. The rows before a kept state are nobody's to read at a start, so they are copies. Terminals
are left out: how soon they link is theirs.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import trio
from msgspec.structs import replace

from adapters.sqlite.chain import Head
from adapters.sqlite.journal import open_journal
from adapters.sqlite.schema import connect
from adapters.sqlite.store import Addition, Store
from engine.clock import SteadyClock, SystemClock
from engine.domain.account import AccountSpec, AccountState
from engine.domain.asking import blank
from engine.domain.beliefs import Terms
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.digest import state_digest
from engine.domain.inputs import Event
from engine.domain.journaled import encode_entry, must_be_kept, published
from engine.domain.link_events import DealCame, Founded, Linked, MarksNoted, ReportCame
from engine.domain.quotes import Quote
from engine.domain.records import Encoding, Record
from engine.domain.reports import AccountReport, DealReport, FullReport
from engine.domain.step import step
from engine.kept import Entry
from engine.live_engine import LiveAccount, LiveEngine
from engine.marking.warming import warm_up
from engine.recovery import kept_state_of, recover
from engine.terminals import LateLink, LinkTerminals
from perf.live_world import INITIAL, SPREAD, STAIRS_PRICE, World, make_world, specs

NOW_MSC = 1_795_000_000_000
DEAL_EVERY = 8
"""Of the entries after the beginning, so many to one that has a record."""
AT_ONCE = 40
"""Accounts whose rows go into one commit."""


class History:
    """One account's life, stepped for real, as its journal would have it."""

    def __init__(self, world: World, spec: AccountSpec, number: int, count: int) -> None:
        self.records: list[Record] = []
        self.entries: list[Entry] = []
        self.state: AccountState = blank(spec.key)
        self._now_msc = NOW_MSC
        self._deals = 0
        bids = (*(row[0] for row in world.bids), STAIRS_PRICE)
        self._quotes = {
            symbol: Quote(bid, bid + SPREAD, NOW_MSC)
            for symbol, bid in zip(world.symbols, bids, strict=True)
        }
        founded = Founded(
            time_msc=NOW_MSC, spec=spec, terms=TERMS, close_terms=CLOSE_TERMS, expects=False
        )
        self.take(founded)
        self.take(
            Linked(
                time_msc=NOW_MSC,
                epoch=1,
                session="run",
                currency="USD",
                is_hedging=True,
                leverage=100,
            )
        )
        report = FullReport(
            account=AccountReport(balance=INITIAL, credit=0.0, equity=INITIAL, margin=0.0),
            positions=tuple(world.positions(number, count)),
            specs=world.specs(),
            complete=True,
        )
        self.take(
            ReportCame(
                time_msc=NOW_MSC,
                report=report,
                asked_msc=NOW_MSC,
                gmt_offset_s=0,
                quotes=self._quotes,
            )
        )

    def live_on(self, entries: int) -> None:
        """So many entries more: marks that rose, and now and then money that came."""
        wanted = len(self.entries) + entries
        while len(self.entries) < wanted:
            self._now_msc += 1000
            if len(self.entries) % DEAL_EVERY == 0:
                self.take(self._deposit())
            else:
                marks = self.state.marks
                risen = tuple(value + 1.0 for value in marks.trackers)
                self.state = replace(self.state, marks=replace(marks, trackers=risen))
                self.take(MarksNoted(time_msc=self._now_msc))

    def take(self, event: Event) -> None:
        """Steps, and keeps what a live actor would."""
        before = self.state
        done = step(before, event)
        if must_be_kept(before, event, done):
            self.records.extend(published(done.effects))
            body = encode_entry(before, event)
            entry = Entry(len(self.entries) + 1, body, state_digest(done.state))
            self.entries.append(entry)
        self.state = done.state

    def _deposit(self) -> DealCame:
        self._deals += 1
        deal = DealReport(
            ticket=self._deals,
            order=0,
            position_id=0,
            symbol="",
            type=2,
            entry=0,
            volume=0.0,
            price=0.0,
            profit=1.0,
            time_msc=self._now_msc,
        )
        return DealCame(
            time_msc=self._now_msc, deal=deal, deal_msc=self._now_msc, quotes=self._quotes
        )


TERMS = Terms(digits=2)
CLOSE_TERMS = CloseTerms()


def write_journal(path: Path, world: World, options: argparse.Namespace) -> int:
    """Makes the journal; how many rows it has."""
    store = Store(connect(path, None), 20_000)
    count, each = options.accounts, options.rows // options.accounts
    additions: list[Addition] = []
    rows = 0
    kept = []
    for number, spec in enumerate(specs(world, count)):
        history = History(world, spec, number, count)
        if options.states:
            for addition in _copied(history, each - options.tail):
                additions.append(addition)
                rows += len(addition.bodies) + (addition.entry is not None)
            kept.append((spec.key, kept_state_of(history.state, len(history.entries))))
            tail = options.tail
        else:
            tail = each
        records, entries = len(history.records), len(history.entries)
        history.live_on(tail)
        if not options.states:
            records = entries = 0
        first = history.records[records].seq if len(history.records) > records else 0
        bodies = [Encoding.line(record)[:-1] for record in history.records[records:]]
        additions.append(Addition(spec.key, first, bodies))
        additions.extend(Addition(spec.key, 0, [], entry) for entry in history.entries[entries:])
        rows += len(bodies) + len(history.entries) - entries
        if number % AT_ONCE == AT_ONCE - 1 or number == count - 1:
            refused = [why for why in store.append(additions) if why is not None]
            assert not refused, refused[0]
            additions.clear()
            store.checkpoint_if_due()
    for key, state in kept:
        store.keep_state(key, state)
    head: Head = store.head
    assert head.number == rows, "rows counted otherwise than kept"
    store.close(sound=True)
    return rows


def _copied(history: History, rows: int) -> Iterator[Addition]:
    """The account's beginning, then copies of its last record and entry: half of each.

    The history goes on as if it had made them.
    """
    key = history.state.spec.key
    history.live_on(DEAL_EVERY)  # the last entry is of the commonest and smallest kind
    bodies = [Encoding.line(record)[:-1] for record in history.records]
    yield Addition(key, history.records[0].seq, bodies)
    for entry in history.entries:
        yield Addition(key, 0, [], entry)
    record, last = history.records[-1], history.entries[-1]
    copies = (rows - len(history.records) - len(history.entries)) // 2
    first = record.seq + 1
    yield Addition(
        key,
        first,
        [Encoding.line(replace(record, seq=first + k))[:-1] for k in range(copies)],
    )
    for k in range(copies):
        copied = last._replace(number=last.number + 1 + k)
        history.entries.append(copied)
        yield Addition(key, 0, [], copied)
    history.state = replace(history.state, seq=record.seq + copies)


async def start(path: Path, accounts: int) -> None:
    """Opens the journal and guards; prints when, on the machine's monotonic clock, and is gone."""
    times = {"imported": time.perf_counter()}
    warm_up()
    times["compiled"] = time.perf_counter()
    world = make_world(10)
    book = specs(world, accounts)
    times["book"] = time.perf_counter()
    clock = SteadyClock(SystemClock())
    async with open_journal(path) as journal:
        times["opened"] = time.perf_counter()
        live = [
            LiveAccount(
                spec=spec,
                terms=TERMS,
                close_terms=CLOSE_TERMS,
                expects=False,
                recovery=await recover(spec.key, journal),
            )
            for spec in book
        ]
        times["recovered"] = time.perf_counter()
        terminals = LinkTerminals(LateLink(), clock)
        engine = LiveEngine(live, world.instruments(), (), journal, journal, terminals, clock)
        async with trio.open_nursery() as nursery:
            await nursery.start(engine.run)
            times["guarding"] = time.perf_counter()
            held = sum(len(engine.snapshot(spec.key).positions) for spec in book)
            replayed = sum(account.recovery.replayed for account in live)
            print(json.dumps({"times": times, "replayed": replayed, "positions": held}))
            sys.stdout.flush()
            os._exit(0)  # as if killed: an orderly end keeps states, and the next start has no work


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Makes a journal, starts on it some times; seconds from the process's start."""
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        path = Path(name) / "journal.db"
        rows = write_journal(path, make_world(10), options)
        size_mb = path.stat().st_size / 2**20
        command = [sys.executable, "-m", "perf.bench_restart", "--start", str(path)]
        command += ["--accounts", str(options.accounts)]
        totals, parts = [], []
        for _ in range(options.repeats):
            began = time.perf_counter()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(done.stderr)
            told = json.loads(done.stdout)
            times = told["times"]
            totals.append(times["guarding"] - began)
            ends = [began, *times.values()]
            spent = [after - before for before, after in pairwise(ends)]
            parts.append(dict(zip(times, spent, strict=True)))
    return {
        "accounts": options.accounts,
        "rows": rows,
        "size_mb": size_mb,
        "replayed": told["replayed"],
        "positions": told["positions"],
        "seconds": totals,
        "parts": parts,
    }


def main() -> None:
    """Prints one measurement as JSON."""
    parser = argparse.ArgumentParser(prog="perf.bench_restart")
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--tail", type=int, default=60, help="entries after each kept state")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--no-states", dest="states", action="store_false", help="every entry is stepped again"
    )
    parser.add_argument("--folder", help="where the journal lies; default: the temporary folder")
    parser.add_argument("--start", help="starts on this journal, and says when it guards")
    options = parser.parse_args()
    if options.start:
        trio.run(start, Path(options.start), options.accounts)
        return
    print(json.dumps(measure(options)))


if __name__ == "__main__":
    main()
