"""Every series that a scrape can show, asked of a scrape of everything there is."""

from functools import cache

import trio
from msgspec.structs import replace

from engine.desk import FeedHealth
from facade.metrics import COUNTERS, HISTOGRAMS, Metrics
from tests.engine.alert_desk import AlertDesk, closing, live


def full_desk() -> AlertDesk:
    """One account with a close under way, one feed."""
    desk = AlertDesk()
    desk.now = replace(desk.now, live=live(closing(1)), room_percent=50.0)
    desk.feeds = (
        FeedHealth(name="Demo-1", leader=None, ticks=9, quote_age_ms=1500, rejected={"crossed": 2}),
    )
    desk.refused = {"bad key": 3}
    return desk


def touched() -> Metrics:
    """Metrics that have counted and measured everything once."""
    metrics = Metrics()
    for name, (label, _) in COUNTERS.items():
        metrics.count(name, label="x" if label else "")
    for name in HISTOGRAMS:
        metrics.observe(name, 0.01)
    metrics.observe("inbox_depth", 7)
    metrics.request("/x", 200, 0.01)
    return metrics


@cache
def exposed() -> frozenset[str]:
    """The names of all series."""

    async def scraped() -> bytes:
        return await touched().scrape(full_desk(), per_account=True)

    text = trio.run(scraped).decode()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return frozenset(line.split("{")[0].split(" ")[0] for line in lines)
