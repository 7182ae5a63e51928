"""The compiled scanner against its plain twin: on every line both say the same."""

from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.tick_files import histdata, lean, mt5_tsv, truefx
from adapters.tick_files.fields import BAD, GOOD, UNSURE, number_at
from adapters.tick_files.layout import ASK, BID, LABEL, STAMP_SPACED, TIME_MSC, Layout
from adapters.tick_files.plain import Malformed, parse_line
from adapters.tick_files.scan import scan

TSV = mt5_tsv.layout_of(b"2022.11.10\t15:00:00.017\t1.1\t1.2\t\t\t6\n")
LAYOUTS = {
    "tsv": TSV,
    "commas": mt5_tsv.layout_of(b"2022.11.10,15:00:00.017,1.1,1.2\n"),
    "histdata": histdata.LAYOUT,
    "truefx": Layout((LABEL, STAMP_SPACED, BID, ASK), ord(","), label=b"EUR/USD"),
    "lean": Layout((TIME_MSC, BID, ASK), ord(","), base_msc=1000, time_limit_msc=86_400_000),
}
GOOD_LINES = {
    "tsv": b"2022.11.10\t15:00:00.017\t1.08654\t1.08659\t\t\t6",
    "commas": b"2022.11.10,15:00:00.017,1.08654,1.08659",
    "histdata": b"20130101 170014123,1.319600,1.319800,0",
    "truefx": b"EUR/USD,20130101 22:00:00.295,1.31961,1.3198",
    "lean": b"86399999.9672,1291.677,1292.033",
}

prices = st.one_of(
    st.decimals(0, 100_000, places=5).map(str),
    st.floats(0, 1e6, allow_nan=False).map(repr),
    st.sampled_from(
        ["", "0", "-1.5", ".5", "7.", ".", "-", "1e3", "1E-2", "1e", "1e999", "+1", "nan", "inf"]
    ),
    st.sampled_from(["1,5", "1.2.3", " 1.5", "1" * 25, "0.00000000000000000000000001"]),
)
clocks = st.one_of(
    st.times().map(lambda t: t.strftime("%H:%M:%S.%f")),
    st.sampled_from(["15:00:00", "15:00:00.", "24:00:00", "15:60:00", "15:00:60", "5:00:00.1"]),
)
days = st.one_of(
    st.dates().map(lambda d: d.strftime("%Y.%m.%d").rjust(10, "0")),
    st.sampled_from(["2024.02.29", "2023.02.29", "2022-11-10", "2022/11-10", "2022.13.01", ""]),
    st.sampled_from(["1970.01.01", "1969.12.31", "2099.12.31", "2100.01.01", "2022.00.10"]),
)


@st.composite
def lines(draw: st.DrawFn) -> tuple[str, bytes]:
    """A line of some format, most of it plausible, now and then with bytes changed."""
    name = draw(st.sampled_from(sorted(LAYOUTS)))
    day, clock, bid, ask = draw(days), draw(clocks), draw(prices), draw(prices)
    packed = day.replace(".", "")
    text = {
        "tsv": f"{day}\t{clock}\t{bid}\t{ask}\t{draw(prices)}\t\t6",
        "commas": f"{day},{clock},{bid},{ask}",
        "histdata": f"{packed} {clock.replace(':', '').replace('.', '')[:9]},{bid},{ask},0",
        "truefx": f"EUR/USD,{packed} {clock},{bid},{ask}",
        "lean": f"{draw(st.floats(0, 9e7).map(repr))},{bid},{ask}",
    }[name]
    line = bytearray(draw(st.sampled_from([text.encode(), GOOD_LINES[name]])))
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        at = draw(st.integers(0, max(len(line) - 1, 0)))
        line[at : at + draw(st.integers(0, 1))] = draw(st.sampled_from(b"0:.,\t -/eE9")).to_bytes()
    return name, bytes(line) + draw(st.sampled_from([b"", b"\n", b"\r\n"]))


def scanned(
    line: bytes, layout: Layout, carried: tuple[float, float]
) -> tuple[int, int, int, float, float, tuple[float, ...]]:
    """Rows read, status, time, bid, ask and what is carried on, of one line by the scanner."""
    times, malformed = np.zeros(1, np.int64), np.zeros(1, np.uint8)
    bid, ask, begins, state = np.zeros(1), np.zeros(1), np.zeros(1, np.int64), np.array(carried)
    row, _, status = scan(
        np.frombuffer(line, np.uint8), 0, 0, np.array(layout.roles), layout.separator,
        layout.decimal, np.frombuffer(bytearray(layout.label), np.uint8), layout.base_msc,
        layout.time_limit_msc, state, layout.carries, times, bid, ask, malformed, begins,
    )  # fmt: skip
    if status == GOOD and row and malformed[0]:
        status = BAD
    return row, status, int(times[0]), float(bid[0]), float(ask[0]), tuple(state.tolist())


@given(lines(), st.sampled_from([(nan, nan), (1.25, 1.5), (nan, 1.5)]))
@example(("tsv", GOOD_LINES["tsv"] + b"\n"), (nan, nan))
@settings(deadline=None, max_examples=600)
def test_the_scanner_and_its_plain_twin_agree_on_every_line(
    given_line: tuple[str, bytes], carried: tuple[float, float]
) -> None:
    name, line = given_line
    layout = LAYOUTS[name]
    carried = carried if layout.carries else (nan, nan)
    row, status, *numbers, state = scanned(line, layout, carried)
    if not line.strip():
        assert row == 0
        return
    if status == UNSURE:
        return  # the twin reads this one
    assert row == 1
    try:
        expected = list(parse_line(line, layout, carried))
    except Malformed:
        assert status == BAD
        assert all(a == b or (isnan(a) and isnan(b)) for a, b in zip(state, carried, strict=True))
    else:
        assert (status, numbers) == (GOOD, expected)
        assert state == tuple(expected[1:]) or not layout.carries


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_good_line_of_each_format_is_read_without_the_twin(name: str) -> None:
    row, status, *numbers, _ = scanned(GOOD_LINES[name], LAYOUTS[name], (nan, nan))
    assert (row, status) == (1, GOOD)
    assert numbers == list(parse_line(GOOD_LINES[name], LAYOUTS[name]))


def test_the_twin_would_notice_a_scanner_that_reads_another_layout() -> None:
    swapped = replace(TSV, roles=tuple({BID: ASK, ASK: BID}.get(r, r) for r in TSV.roles))
    _, _, *numbers, _ = scanned(GOOD_LINES["tsv"], swapped, (nan, nan))
    assert numbers != list(parse_line(GOOD_LINES["tsv"], TSV))


def number(text: bytes) -> tuple[float, int]:
    """What the scanner makes of the text."""
    value, status = number_at(np.frombuffer(text, np.uint8), 0, len(text), ord("."))
    return value, int(status)


@given(st.integers(0, 10**18 - 1), st.integers(0, 22))
@settings(deadline=None, max_examples=2000)
def test_a_number_is_rounded_as_python_rounds_it(mantissa: int, places: int) -> None:
    digits = str(mantissa).rjust(places + 1, "0")
    text = (digits[: len(digits) - places] + "." + digits[len(digits) - places :]).encode()
    value, status = number(text)
    assert status == UNSURE or (value, status) == (float(text), GOOD)


@given(st.floats(1e-4, 1e7))
@settings(deadline=None, max_examples=1000)
def test_a_number_python_printed_in_full_is_read_back_to_the_bit(price: float) -> None:
    text = repr(price).encode()
    value, status = number(text)
    if b"e" in text:
        assert status == UNSURE
    else:
        assert status == UNSURE or value == price


def test_almost_no_price_needs_the_plain_twin() -> None:
    generator = np.random.default_rng(5)
    texts = [repr(float(price)).encode() for price in generator.uniform(0.5, 5000.0, 2000)]
    assert sum(number(text)[1] == UNSURE for text in texts) < 10
    assert number(b"9007199254740993")[1] == UNSURE  # halfway between two doubles


def test_lean_reads_fractions_of_a_millisecond_of_any_length() -> None:
    assert lean.LINE.fullmatch(b"62.26620000000001,1291.619,1292.007")
    _, status, msc, *_ = scanned(
        b"62.26620000000001,1291.619,1292.007", LAYOUTS["lean"], (nan, nan)
    )
    assert (status, msc) == (GOOD, 1062)


def test_truefx_wants_the_pair_of_its_first_row() -> None:
    line = GOOD_LINES["truefx"].replace(b"EUR", b"GBP")
    assert scanned(line, LAYOUTS["truefx"], (nan, nan))[1] == BAD
    assert truefx.LINE.fullmatch(line)
