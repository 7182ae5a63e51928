"""What a terminal says of its account, in frames, by a clock that may be made wrong."""

import secrets
from collections.abc import Sequence

from msgspec.structs import replace

from adapters.broker.faults import Fault
from adapters.broker.holdings import DealMade, PositionMoved
from adapters.broker.server import TradeServer
from adapters.mt5 import frames
from adapters.mt5.constants import BID_AND_ASK, position_digest
from adapters.mt5.intents import IntentTable
from adapters.mt5.terminal_side import TerminalSide
from engine.clock import Clock
from engine.domain.quotes import Quote
from engine.domain.reports import (
    AccountReport,
    CommandResult,
    FullReport,
    Heartbeat,
    SpecReport,
)

Telling = DealMade | PositionMoved | CommandResult


class Speech:
    """Frames of one terminal. The side numbers them, so each is to be sent, in order."""

    def __init__(self, server: TradeServer, login: int, clock: Clock, intents: IntentTable) -> None:
        self._server = server
        self._login = login
        self._clock = clock
        self._intents = intents
        self._step_msc = 0
        self._offset_error_s = 0
        self._told_offset_s = 0
        self._told_specs: tuple[SpecReport, ...] = ()

    def hello(self, company: str, build: int) -> frames.Hello:
        """Who the terminal is."""
        account = self._server.accounts[self._login]
        self._told_offset_s = self._offset_s()
        return frames.Hello(
            v=frames.VERSION,
            login=self._login,
            server=account.terms.key.server,
            session="-",  # the session's own is put in by the side
            # Never used before, also after a restart with the same seed.
            nonce=secrets.token_hex(16),
            build=build,
            company=company,
            currency=account.terms.currency,
            currency_digits=account.digits,
            margin_mode=0 if account.is_netting else 2,
            leverage=account.terms.leverage,
            gmt_offset_s=self._told_offset_s,
        )

    def tellings(self, side: TerminalSide, tellings: Sequence[Telling]) -> bytes:
        """Deals, positions and results, as they come."""
        gmt_msc, said = self.gmt_msc(), b""
        for telling in tellings:
            match telling:
                case DealMade(deal=deal):
                    said += side.send_deals([deal], gmt_msc)
                case PositionMoved(change=change, position=position):
                    said += side.send_position(change, position, gmt_msc)
                case CommandResult():
                    said += side.send_result(telling, gmt_msc)
        return said

    def report(self, side: TerminalSide, *, unasked: bool = False) -> bytes:
        """Everything."""
        self.plant_clock_faults()
        account = self._server.accounts[self._login]
        failed = self.strikes(Fault.FAILED_REPORT) is not None
        report = FullReport(
            account=self._account_report(),
            positions=() if failed else account.position_reports(),
            orders=() if failed else account.order_reports(),
            specs=self._specs(),
            recent_intents=self._intents.recent(),
            floor=self._intents.floor or None,
            complete=not failed,
        )
        self._told_specs = report.specs
        offset_s = self._offset_s_if_changed()
        return side.send_report(report, self.gmt_msc(), offset_s, unasked=unasked)

    def has_new_terms(self) -> bool:
        """Whether a symbol's terms are not those last reported: only a report can tell them."""
        return self._specs() != self._told_specs

    def _specs(self) -> tuple[SpecReport, ...]:
        return tuple(symbol.spec_report() for symbol in self._server.market.symbols.values())

    def heartbeat(self, side: TerminalSide) -> bytes:
        """The server's arithmetic now."""
        account = self._account_report()
        positions = self._server.accounts[self._login].position_reports()
        beat = Heartbeat(
            balance=account.balance,
            credit=account.credit,
            equity=account.equity,
            margin=account.margin,
            digest=position_digest(positions),
        )
        return side.send_heartbeat(beat, self.gmt_msc(), self._offset_s_if_changed())

    def _account_report(self) -> AccountReport:
        report = self._server.accounts[self._login].account_report()
        times = self.strikes(Fault.ABSURD_EQUITY)
        return report if times is None else replace(report, equity=report.balance * times)

    def row(self, symbol: str, quote: Quote) -> frames.QuoteRow:
        """A tick, at the server's time."""
        server_msc = self._server.market.server_msc(quote.time_msc)
        return frames.QuoteRow(symbol, server_msc, quote.bid, quote.ask, BID_AND_ASK)

    def gmt_msc(self) -> int:
        """UTC as this terminal believes it."""
        return self._clock.wall_msc() + self._step_msc

    def _offset_s(self) -> int:
        return self._server.market.gmt_offset_s + self._offset_error_s

    def _offset_s_if_changed(self) -> int | None:
        offset_s, before = self._offset_s(), self._told_offset_s
        self._told_offset_s = offset_s
        return offset_s if offset_s != before else None

    def plant_clock_faults(self) -> None:
        """Lets the faults of clocks strike, for good."""
        self._step_msc += self.strikes(Fault.CLOCK_STEP) or 0
        self._offset_error_s += self.strikes(Fault.WRONG_CLOCK) or 0

    def strikes(self, fault: Fault) -> int | None:
        """The amount of a fault that strikes now."""
        planted = self._server.faults.take(self._login, fault)
        return planted.amount if planted is not None else None
