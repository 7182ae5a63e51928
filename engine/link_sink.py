"""What terminals say, on its way into the accounts: the receiving side of the link.

Nothing is judged here: each saying becomes an event in its account's inbox, and whoever said it is
signed for once what it led to is durable. A full inbox holds the link back.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from engine.clock import Clock
from engine.domain.feeds import QuotedBy
from engine.domain.ids import AccountKey
from engine.domain.link_events import (
    EDITION,
    DealCame,
    HeartbeatCame,
    Linked,
    LinkEvent,
    LinkLost,
    PositionCame,
    ReportCame,
    ResultCame,
    WentSilent,
)
from engine.domain.reports import (
    CommandResult,
    DealReport,
    FullReport,
    Heartbeat,
    PositionReport,
)
from engine.intake import Intake
from engine.link import LinkQuote, PositionChange, Receipt, Sent, TerminalFacts
from engine.meters import Meter
from engine.rush import Rush
from engine.tapes import Tapes
from engine.terminal_gauges import TerminalGauges

_HEDGING = 2
"""ACCOUNT_MARGIN_MODE_RETAIL_HEDGING."""
AHEAD_MS = 60_000
"""So far a server's clock may be ahead of ours."""


class Accounts(Protocol):
    """Where the events of accounts go."""

    rush: Rush
    tapes: Tapes
    """Where the broker's own equity is taken down."""

    async def note(self, key: AccountKey, event: LinkEvent, receipt: Receipt | None = None) -> None:
        """Waits while the account has no room."""

    def note_soon(self, key: AccountKey, event: LinkEvent) -> None:
        """Never waits: an event for which there is no room goes in as soon as there is."""

    def quoted(self) -> None:
        """Quotes have come: what waited for them goes in."""

    def intake(self, feed: str) -> Intake | None:
        """Where the quotes of a feed go; None: no account is on it."""

    def quoted_by(self, key: AccountKey) -> QuotedBy:
        """Whose terminal quotes what the account is valued on."""


class LiveSink:
    """`LinkSink` of a running engine."""

    def __init__(
        self,
        accounts: Accounts,
        clock: Clock,
        meter: Meter,
        on_led: Callable[[str, AccountKey | None], None],
    ) -> None:
        """`on_led`: hears which terminal quotes a feed from now."""
        self._accounts = accounts
        self._clock = clock
        self._meter = meter
        self._on_led = on_led
        self.compared_ms: dict[AccountKey, float] = {}
        """How long each account's last full report took, from its arrival until it was compared
        and what it led to was durable."""
        self.gauges = TerminalGauges(clock)
        self._offsets_s: dict[str, int] = {}

    async def let_closes_pass(self) -> None:
        """See `LinkSink.let_closes_pass`."""
        if self._accounts.rush:
            await self._accounts.rush.wait()

    async def linked(self, facts: TerminalFacts) -> None:
        """See `LinkSink.linked`."""
        self._meter.count("mt5_connect", label="resumed" if facts.resumed else "new")
        self.gauges.linked(facts)
        event = Linked(
            time_msc=0,
            epoch=facts.epoch,
            session=facts.session,
            currency=facts.currency,
            is_hedging=facts.margin_mode == _HEDGING,
            leverage=facts.leverage,
        )
        await self._accounts.note(facts.key, event)

    async def reported(
        self, key: AccountKey, report: FullReport, sent: Sent, receipt: Receipt
    ) -> None:
        """See `LinkSink.reported`."""
        self._meter.count("mt5_position_sync")
        self.gauges.reported(key, sent)
        age_ms = (self._clock.monotonic_ns() - sent.asked_ns) // 1_000_000
        event = ReportCame(
            time_msc=0,
            report=report,
            asked_msc=self._clock.wall_msc() - age_ms,
            gmt_offset_s=sent.gmt_offset_s,
            quotes={},
        )

        def compared() -> None:
            now_ns = self._clock.monotonic_ns()
            self._meter.observe("reconciliation_latency", (now_ns - sent.asked_ns) / 1e9)
            if report.complete:
                self.compared_ms[key] = round((now_ns - sent.received_ns) / 1e6, 3)
            receipt.sign()

        await self._accounts.note(key, event, Receipt(compared))

    async def position_changed(
        self,
        key: AccountKey,
        change: PositionChange,
        position: PositionReport,
        sent: Sent,
        receipt: Receipt,
    ) -> None:
        """See `LinkSink.position_changed`."""
        event = PositionCame(
            time_msc=0,
            position=position,
            is_closed=change is PositionChange.CLOSED,
            gmt_offset_s=sent.gmt_offset_s,
            quotes={},
        )
        await self._accounts.note(key, event, receipt)

    async def deal(self, key: AccountKey, deal: DealReport, sent: Sent, receipt: Receipt) -> None:
        """See `LinkSink.deal`."""
        event = DealCame(
            time_msc=0,
            deal=deal,
            deal_msc=self._utc_msc(deal.time_msc, sent),
            quotes={},
            edition=EDITION,
        )
        await self._accounts.note(key, event, receipt)

    def _utc_msc(self, server_msc: int, sent: Sent) -> int:
        """The time of a deal; 0 (not known) where it lies in the future: that clock is wrong."""
        utc_msc = sent.utc_msc(server_msc)
        return utc_msc if utc_msc <= self._clock.wall_msc() + AHEAD_MS else 0

    async def result(
        self, key: AccountKey, result: CommandResult, sent: Sent, receipt: Receipt
    ) -> None:
        """See `LinkSink.result`."""
        del sent
        await self._accounts.note(key, ResultCame(time_msc=0, result=result), receipt)

    async def heartbeat(self, key: AccountKey, heartbeat: Heartbeat, sent: Sent) -> None:
        """See `LinkSink.heartbeat`."""
        self.gauges.beat(key, sent)
        self._accounts.tapes.beat(key, heartbeat.equity)
        by = self._accounts.quoted_by(key)
        event = HeartbeatCame(time_msc=0, heartbeat=heartbeat, quotes={}, quoted_by=by)
        await self._accounts.note(key, event)

    async def quotes(self, feed: str, quotes: Sequence[LinkQuote], sent: Sent) -> None:
        """See `LinkSink.quotes`. The engine's own clock stamps them."""
        intake = self._accounts.intake(feed)
        if intake is not None:
            if self._offsets_s.get(feed) != sent.gmt_offset_s:
                # Summer time, or a mended clock: what looks like an hour ago is no older.
                self._offsets_s[feed] = sent.gmt_offset_s
                intake.start_over()
            self._meter.count("ticks", len(quotes), feed)
            await intake.take(quotes)
            self._accounts.quoted()

    def went_stale(self, key: AccountKey, silence_s: float) -> None:
        """See `LinkSink.went_stale`."""
        del silence_s
        self._accounts.note_soon(key, WentSilent(time_msc=0))

    def led(self, feed: str, leader: AccountKey | None) -> None:
        """See `LinkSink.led`."""
        intake = self._accounts.intake(feed)
        if intake is not None:
            intake.start_over()
        self._on_led(feed, leader)

    def unlinked(self, key: AccountKey, cause: str) -> None:
        """See `LinkSink.unlinked`."""
        self._meter.count("mt5_reconnects", label=cause)
        self.gauges.lost(key, cause)
        self._accounts.note_soon(key, LinkLost(time_msc=0, cause=cause))
