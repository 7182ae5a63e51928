"""What `tidegate ticks inspect` prints of a file."""

from collections.abc import Iterator
from typing import Any

from facade.report.numbers import count, duration, instant

GAPS_SHOWN = 10


def lines_of(found: Any) -> Iterator[str]:
    """The lines of one inspection (`adapters.tick_files.inspect.Inspection`)."""
    yield f"{found.path}: {found.format}, {found.symbol}, {found.digits} decimals"
    if found.synthetic:
        yield f"  synthetic: {found.synthetic}"
    yield f"  rows        {count(found.rows)}, {count(found.invalid_rows)} invalid"
    for cause, number in found.invalid_by_cause.items():
        yield f"    {cause.replace('_', ' ')}: {count(number)}"
    for defect in found.defects:
        yield f"    {defect}"
    if not found.replayable:
        yield "  more than half the rows are bad: a replay refuses this file"
    if found.first_msc is not None:
        yield f"  span        {instant(found.first_msc)} to {instant(found.last_msc)}"
    if found.spread is not None:
        spread = found.spread
        yield (
            f"  spread      {spread.min_points:g} to {spread.max_points:g} points, "
            f"median {spread.median_points:g}, 99 % within {spread.p99_points:g}"
        )
    yield (
        f"  same time   {count(found.equal_times)} rows share the millisecond of the one before, "
        f"{count(found.repeated)} its prices too; {count(found.most_in_a_second)} at most in 1 s"
    )
    yield f"  gaps        {count(found.gap_count)}"
    longest = sorted(found.gaps, key=lambda gap: -gap.seconds)[:GAPS_SHOWN]
    for gap in sorted(longest, key=lambda gap: int(gap.from_msc)):
        closed = ", market closed" if gap.closed else ""
        length = duration(gap.seconds * 1000)
        yield f"    {instant(gap.from_msc)} to {instant(gap.to_msc)} ({length}{closed})"
    if found.gap_count > len(longest):
        yield f"    and {count(found.gap_count - len(longest))} shorter ones"
    for sign in found.suspected_zone:
        yield f"  time zone   {sign.evidence}; {sign.advice}"
