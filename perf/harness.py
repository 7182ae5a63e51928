"""The perf harness: every figure in one run, held against `budgets.toml`.

    make perf            or            tidegate bench [--quick] [--only replay,kernel]

Each section runs in a process of its own, so that its peak memory is its own. Figures are medians
of several repeats with their spread; a ratio is between two figures of the same run.
"""

import argparse
import json
import platform
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from perf.chart import chart_svg

HERE = Path(__file__).parent
OUT = HERE.parent / "out" / "perf"
SECTIONS = (
    "kernel", "replay", "files", "step", "internal", "http", "streams", "live", "storm", "restart",
)  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """One measured figure: the median of its repeats and their spread."""

    name: str
    unit: str
    values: tuple[float, ...]
    note: str = ""

    @property
    def middle(self) -> float:
        """The median."""
        return median(self.values)


@dataclass(frozen=True)
class Judged:
    """A figure with its budget: `at_least` or `at_most`, or neither."""

    figure: Figure
    at_least: float | None
    at_most: float | None
    aim: float | None

    @property
    def is_kept(self) -> bool:
        """Whether the median is within the budget."""
        middle = self.figure.middle
        return not (
            (self.at_least is not None and middle < self.at_least)
            or (self.at_most is not None and middle > self.at_most)
        )


def kernel_figures(_quick: bool) -> Iterator[Figure]:
    """The marking kernel against a C loop of the same work and against its plain twin."""
    found = _run("perf.bench_kernel")
    for count, row in found["accounts"].items():
        for kind in ("settling", "walking", "c"):
            if kind in row:
                spread = row[kind]
                values = (spread["min"], spread["median"], spread["max"])
                yield Figure(f"kernel_{kind}_{count}", "ns/account/tick", values, found["path"])
        if "settling_over_c" in row:
            yield Figure(f"kernel_over_c_{count}", "ratio", (row["settling_over_c"],))
            yield Figure(f"kernel_walking_over_c_{count}", "ratio", (row["walking_over_c"],))


REPLAYS = {1: (1_000_000, 5), 100: (1_000_000, 3), 1_000: (1_000_000, 3)}
BIG_REPLAYS = {10_000: (1_000_000, 2), 100_000: (1_000_000, 1)}


def replay_figures(quick: bool) -> Iterator[Figure]:
    """Whole replays from the store; the twin's pace at 1,000 accounts beside them."""
    plan = REPLAYS if quick else REPLAYS | BIG_REPLAYS
    speeds: dict[int, float] = {}
    for count, (ticks, repeats) in plan.items():
        options = ("--accounts", str(count), "--ticks", str(ticks), "--repeats", str(repeats))
        found = _run("perf.bench_replay", *options)
        speeds[count] = median(found["ticks_per_second"])
        note = f"{ticks} ticks, {found['source']}"
        pace = tuple(found["ticks_per_second"])
        yield Figure(f"replay_{count}", "ticks/s", pace, note)
        yield Figure(f"replay_{count}_peak", "MB", (found["peak_rss_mb"],))
        if count == 1_000:
            per_million = 1e6 / ticks
            for kind, name in (("GuardWarning", "warnings"), ("GuardBreach", "breaches")):
                value = found["records"].get(kind, 0) * per_million
                yield Figure(f"replay_{count}_{name}", "per million ticks", (value,))
    twin = _run("perf.bench_replay", "--twin", "--accounts", "1000", "--ticks", "200")
    pace = twin["ticks_per_second"][0]
    yield Figure("replay_1000_twin", "ticks/s", (pace,), "plain Python, every account every tick")
    yield Figure("replay_1000_over_twin", "ratio", (speeds[1_000] / pace,))


def files_figures(quick: bool) -> Iterator[Figure]:
    """Reading each format."""
    found = _run("perf.bench_files", "--repeats", "2" if quick else "5")
    for kind, row in found.items():
        yield Figure(f"read_{kind}", "rows/s", tuple(row["rows_per_second"]), f"{row['rows']} rows")


def step_figures(quick: bool) -> Iterator[Figure]:
    """One account by itself."""
    found = _run("perf.bench_step", "--repeats", "2" if quick else "5")
    for name, values in found.items():
        yield Figure(name.removesuffix("_us"), "us", tuple(values))


def internal_figures(quick: bool) -> Iterator[Figure]:
    """The internal socket against a bare echo of the same bytes."""
    found = _run("perf.bench_internal", "--repeats", "2" if quick else "5")
    for market, row in found.items():
        note = f"{row['bytes']} bytes, market {market}"
        turns, name = row["turns"], "internal" if market == "quiet" else f"internal_{market}"
        pace = tuple(turn["socket"]["per_second"] for turn in turns)
        yield Figure(f"{name}_snapshots", "per second", pace, note)
        for share in ("p50", "p99"):
            late = tuple(turn["socket"][f"{share}_ms"] for turn in turns)
            yield Figure(f"{name}_{share}", "ms", late, note)
            late = tuple(turn["offered"][f"{share}_ms"] for turn in turns)
            yield Figure(f"{name}_offered_{share}", "ms", late, f"20,000/s offered, {note}")
        for share, note_of in (
            ("server", "from when a request was with the kernel"),
            ("client", "until then from when it was due: the client's own"),
        ):
            late = tuple(turn["offered"][f"{share}_p99_ms"] for turn in turns)
            yield Figure(f"{name}_offered_{share}_p99", "ms", late, note_of)
        waited = tuple(turn["offered"]["waited"] for turn in turns)
        yield Figure(f"{name}_offered_waited", "of the time", waited, "for a processor, both ends")
        if market == "quiet":
            echo = tuple(turn["echo"]["per_second"] for turn in turns)
            yield Figure("internal_echo", "per second", echo, "a bare echo of as many bytes")
            yield Figure(
                "internal_over_echo",
                "ratio",
                tuple(ours / bare for ours, bare in zip(pace, echo, strict=True)),
            )
            for kind in ("echo", "echo_offered"):
                late = tuple(turn[kind]["p99_ms"] for turn in turns)
                yield Figure(f"internal_{kind}_p99", "ms", late, "what the machine gave")
            for share in ("p50", "p99"):
                late = tuple(turn["events"][f"{share}_ms"] for turn in turns)
                yield Figure(f"internal_event_{share}", "ms", late, "published to read")


def http_figures(quick: bool) -> Iterator[Figure]:
    """The API against the design it replaces, against bare FastAPI, and its weight on guards."""
    found = _run("perf.bench_http", *(("--repeats", "2") if quick else ()))
    for route in found["asgi"][0]:
        name = "http_" + route.strip("/").replace("/", "_")
        turns = [turn[route] for turn in found["asgi"]]
        for kind in ("quiet", "moving", "hit", "miss"):
            yield Figure(f"{name}_{kind}", "us", tuple(turn[kind] for turn in turns))
        for kind in ("quiet", "moving"):
            ratios = tuple(turn[kind] / turn["hit"] for turn in turns)
            yield Figure(f"{name}_{kind}_over_hit", "ratio", ratios)
        loads = [turn[route] for turn in found["sockets"]]
        for server in ("ours", "fastapi", "nursery"):
            pace = tuple(load[server]["per_second"] for load in loads)
            yield Figure(f"{name}_{server}", "requests/s", pace)
            late = tuple(load[server]["p99_ms"] for load in loads)
            yield Figure(f"{name}_{server}_p99", "ms", late)
            ran = tuple(load[server]["run_us"] for load in loads)
            yield Figure(f"{name}_{server}_run", "us", ran, "of the server's thread, a request")
        ratios = tuple(load["ours"]["per_second"] / load["fastapi"]["per_second"] for load in loads)
        yield Figure(f"{name}_over_fastapi", "ratio", ratios)
    for load in ("idle", "apart", "admitted", "full"):
        late = tuple(turn[load]["p99_ms"] for turn in found["guards"])
        yield Figure(f"http_guard_{load}_p99", "ms", late)
        if load != "idle":
            idle = tuple(turn["idle"]["p99_ms"] for turn in found["guards"])
            ratios = tuple(a / b for a, b in zip(late, idle, strict=True))
            yield Figure(f"http_guard_{load}_over_idle", "ratio", ratios)


def streams_figures(quick: bool) -> Iterator[Figure]:
    """A thousand readers of the event stream, and their weight on guards."""
    found = _run("perf.bench_streams", "--repeats", "1" if quick else "3")
    turns, note = found["turns"], f"{found['readers']} readers, four frames a second each"
    yield Figure("streams_frames", "per second", _each(turns, "frames_per_second"), note)
    for name, story in (
        ("age_p50", "from the snapshot to the reader"),
        ("age_p99", "from the snapshot to the reader"),
        ("apart_p99", "first to last reader of a frame"),
    ):
        yield Figure(f"streams_{name}", "ms", _each(turns, f"{name}_ms"), story)
    yield Figure("streams_reader", "KiB", _each(turns, "reader_kib"), "of the API's process")
    yield Figure("streams_core", "of a core", _each(turns, "core"), "the API's process")
    for load in ("idle", "loaded"):
        late = tuple(turn[load]["p99_ms"] for turn in turns)
        yield Figure(f"streams_guard_{load}_p99", "ms", late)
    ratios = tuple(turn["loaded"]["p99_ms"] / turn["idle"]["p99_ms"] for turn in turns)
    yield Figure("streams_guard_over_idle", "ratio", ratios)


def _each(turns: list[dict[str, float]], name: str) -> tuple[float, ...]:
    return tuple(turn[name] for turn in turns)


BAD_ACTORS = {"": (), **{how: ("--bad", how) for how in ("raising", "looping", "busy")}}


def live_figures(quick: bool) -> Iterator[Figure]:
    """Quote frame in to close frame out, with the disk and without it, and beside a bad actor."""
    breaches = ("--breaches", "200" if quick else "600")
    for journal, name in (("sqlite", "live_durable"), ("memory", "live_no_disk")):
        options = (*breaches, "--journal", journal)
        turns = [_run("perf.bench_live", *options) for _ in range(1 if quick else 3)]
        found = turns[0]
        note = f"1,000 accounts, {len(found['first_ms'])} breaches, {found['source']}"
        for percent, label in ((50, "p50"), (90, "p90"), (99, "p99"), (100, "max")):
            late = tuple(percentile(turn["first_ms"], percent) for turn in turns)
            yield Figure(f"{name}_{label}", "ms", late, note)
        for percent, label in ((50, "p50"), (99, "p99")):
            late = tuple(percentile(turn["read_ms"], percent) for turn in turns)
            yield Figure(f"{name}_read_{label}", "ms", late, "until the other process read it")
        if journal == "sqlite":
            for part in ("heartbeats", "quotes", "live"):
                yield Figure(f"live_{part}_load", "of a core", (found[f"{part}_core"],))
            for percent in (50, 99):
                value = percentile(found["fsync_ms"], percent)
                yield Figure(f"live_disk_p{percent}", "ms", (value,), "one fsync, nothing else")
    few = ("--accounts", "500", "--breaches", "480")
    beside = {how: _run("perf.bench_live", *few, *bad) for how, bad in BAD_ACTORS.items()}
    worst = {how: percentile(found["first_ms"], 99) for how, found in beside.items()}
    yield Figure("live_500_p99", "ms", (worst[""],))
    for how in ("raising", "looping", "busy"):
        yield Figure(f"live_500_{how}_actor_p99", "ms", (worst[how],), "one of 500 accounts")
        yield Figure(f"live_500_{how}_actor_max", "ms", (max(beside[how]["first_ms"]),))
        yield Figure(f"live_{how}_actor_over_good", "ratio", (worst[how] / worst[""],))


def storm_figures(quick: bool) -> Iterator[Figure]:
    """One tick that breaches 1,000 accounts: until the last of 5,000 close frames is read."""
    first, last = [], []
    for _ in range(1 if quick else 3):
        found = _run("perf.bench_live", "--storm")["storm"]
        first.append(min(found["first_ms"]) / 1000.0)
        last.append(max(found["last_ms"]) / 1000.0)
    yield Figure("storm_first_close", "s", tuple(first))
    yield Figure("storm_last_close", "s", tuple(last), "1,000 accounts, 5,000 closes")


def restart_figures(quick: bool) -> Iterator[Figure]:
    """From the start of the process until all guard, terminals not waited for."""
    found = _run("perf.bench_restart", "--repeats", "1" if quick else "3")
    note = f"{found['rows']} rows, {found['size_mb']:.0f} MB, {found['replayed']} stepped again"
    yield Figure("restart", "s", tuple(found["seconds"]), note)
    recovered = tuple(part["recovered"] for part in found["parts"])
    yield Figure("restart_recovery", "s", recovered, "of that, reading and stepping again")
    options = ("--no-states", "--accounts", "40", "--rows", "40000", "--repeats", "1")
    bare = _run("perf.bench_restart", *options)
    each_us = bare["parts"][0]["recovered"] / bare["replayed"] * 1e6
    yield Figure("restart_entry", "us", (each_us,), "one entry read, stepped again and compared")


def percentile(values: list[float], percent: int) -> float:
    """The smallest value that so many percent of them do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _run(module: str, *options: str) -> Any:
    """What a section's own process printed."""
    command = [sys.executable, "-m", module, *options]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{module} failed:\n{done.stderr}")
    return json.loads(done.stdout)


def judge(figures: list[Figure], budgets: dict[str, dict[str, float]]) -> list[Judged]:
    """Every figure with its budget. A budget whose figure was not measured is not kept either."""
    return [
        Judged(
            figure,
            budgets.get(figure.name, {}).get("at_least"),
            budgets.get(figure.name, {}).get("at_most"),
            budgets.get(figure.name, {}).get("aim"),
        )
        for figure in figures
    ]


def table(judged: list[Judged]) -> str:
    """The figures for a person: median, spread, budget, and whether it is kept."""
    rows = [("figure", "median", "min .. max", "unit", "budget", "aim", "")]
    for one in judged:
        budget = ""
        if one.at_least is not None:
            budget = f">= {number(one.at_least)}"
        if one.at_most is not None:
            budget = f"<= {number(one.at_most)}"
        spread = f"{number(min(one.figure.values))} .. {number(max(one.figure.values))}"
        said = "" if not budget else "ok" if one.is_kept else "OVER"
        aim = "" if one.aim is None else number(one.aim)
        rows.append(
            (one.figure.name, number(one.figure.middle), spread, one.figure.unit, budget, aim, said)
        )
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def number(value: float) -> str:
    """Four significant digits, with thousands grouped."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
        "processor": platform.machine(),
    }


def main(arguments: list[str] | None = None) -> int:
    """Measures, prints and writes; 1 when a budget is not kept."""
    parser = argparse.ArgumentParser(prog="tidegate bench")
    parser.add_argument("--quick", action="store_true", help="fewer repeats, no big books")
    parser.add_argument("--only", default=",".join(SECTIONS), help="sections, by comma")
    parser.add_argument("--json", action="store_true", help="print JSON, not a table")
    options = parser.parse_args(arguments)
    chosen = options.only.split(",")
    unknown = set(chosen) - set(SECTIONS)
    if unknown:
        parser.error(f"no section {sorted(unknown)}; there are {', '.join(SECTIONS)}")
    measured_by = (
        kernel_figures,
        replay_figures,
        files_figures,
        step_figures,
        internal_figures,
        http_figures,
        streams_figures,
        live_figures,
        storm_figures,
        restart_figures,
    )
    measures = dict(zip(SECTIONS, measured_by, strict=True))
    figures: list[Figure] = []
    for section in chosen:
        print(f"measuring {section} ...", file=sys.stderr)
        figures.extend(measures[section](options.quick))
    budgets = tomllib.loads((HERE / "budgets.toml").read_text())
    judged = judge(figures, budgets)
    rows = [
        {
            "name": one.figure.name,
            "unit": one.figure.unit,
            "median": one.figure.middle,
            "min": min(one.figure.values),
            "max": max(one.figure.values),
            "note": one.figure.note,
            "at_least": one.at_least,
            "at_most": one.at_most,
            "aim": one.aim,
            "kept": one.is_kept,
        }
        for one in judged
    ]
    report = {"machine": machine(), "figures": rows}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "figures.json").write_text(json.dumps(report, indent=2) + "\n")
    (OUT / "figures.svg").write_text(chart_svg(rows))
    print(json.dumps(report, indent=2) if options.json else table(judged))
    print(f"figures: {OUT / 'figures.json'}   chart: {OUT / 'figures.svg'}", file=sys.stderr)
    return 0 if all(one.is_kept for one in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
