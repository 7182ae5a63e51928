"""Alerts and metrics of a real engine over a real link: what records make of a breach."""

from typing import Any

import trio

from adapters.notify import templates
from engine.alerting import Alerting
from facade.metrics import Metrics
from tests.engine.alert_desk import Told
from tests.live.live_house import live_house, spec_of

LOGIN = 1001
WORDS: Any = templates


async def test_a_breach_is_told_and_then_edited_to_flat_and_counted() -> None:
    told, metrics = Told(), Metrics()
    async with live_house([spec_of(LOGIN)]) as house, trio.open_nursery() as nursery:
        alerting = Alerting(house.engine, told, WORDS, house.own.clock)
        await nursery.start(alerting.run)
        await nursery.start(metrics.run, house.engine)
        house.open(LOGIN)
        await house.valued(LOGIN, 1)
        house.quote("EURUSD", 1.0880, 1.0881)
        await house.until(lambda: "flat" in told.kinds)
        breach = next(alert for alert in told.alerts if alert.kind == "breach")
        flat = next(alert for alert in told.alerts if alert.kind == "flat")
        assert breach.lines[1] == "closing 1 position, 1.00 lots"
        assert flat.thread == breach.thread
        assert flat.lines[1].startswith("flat in")
        assert "realised \u2212" in flat.lines[1], "it lost money, and the sum of deals says so"
        assert "halted" in told.kinds
        assert "cannot_act" not in told.kinds
        assert (alerting.failed, alerting.missed, alerting.dropped) == (0, 0, 0)
        counted = metrics.registry.get_sample_value
        await house.until(lambda: counted("guard_breaches_total", {"guard": "trailing"}) == 1.0)
        closed = {"reason": "guard:trailing"}
        await house.until(lambda: counted("positions_autoclosed_total", closed) == 1.0)
        text = (await metrics.scrape(house.engine)).decode()
        assert 'accounts{quality="known"}' in text
        nursery.cancel_scope.cancel()
