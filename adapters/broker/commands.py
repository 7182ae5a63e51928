"""What a terminal does when the engine commands it: each intent once, ever.

An intent is in the table before its request leaves for the server, and a repeat is answered from
the table. The answers below zero are this terminal's own, as the EA has them: nothing was sent.
"""

from collections.abc import Callable

from adapters.broker.requests import DONE, Answer, Kind, Request
from adapters.broker.server import TradeServer
from adapters.mt5 import frames
from adapters.mt5.constants import DealReason, fillings_allowed
from adapters.mt5.intents import IntentTable
from engine.domain.positions import Side
from engine.domain.reports import CommandResult, IntentReport
from engine.link import Action

OUTGROWN = -1
EXPIRED = -2
MALFORMED = -3
TIMEOUT = 10012
CLOSED_ALREADY = 10036


class Commands:
    """Takes commands, keeps the table, and tells results."""

    def __init__(
        self,
        server: TradeServer,
        login: int,
        intents: IntentTable,
        tell: Callable[[CommandResult], None],
        submitted: Callable[[int], None],
    ) -> None:
        """`submitted` hears the number of each request that left: it may never be answered."""
        self._server = server
        self._login = login
        self._intents = intents
        self._tell = tell
        self._submitted = submitted
        self._in_flight: dict[int, IntentReport] = {}

    def refuse_outgrown(self, command: frames.Command) -> None:
        """A command of a lower epoch: not done."""
        self._answer(command, OUTGROWN, "a higher epoch was seen here")

    def do(self, command: frames.Command, utc_msc: int, age_ms: float) -> None:
        """Does a command, or answers a repeat. `age_ms`: since it arrived here."""
        row = self._intents.find(command.intent_id)
        if row is not None:
            if all(flying.intent_id != row.intent_id for flying in self._in_flight.values()):
                self._tell(_result_of(row, "from the table"))
            return
        fault = _fault_of(command)
        if fault is not None:
            self._answer(command, MALFORMED, fault)
        elif age_ms > command.ttl_ms > 0:
            self._answer(command, EXPIRED, "waited longer here than it was to live")
        else:
            self._begin(command, utc_msc)

    def heard(self, request_id: int, answer: Answer) -> None:
        """The server answered. After the time-out nobody waits for that any more."""
        row = self._in_flight.pop(request_id, None)
        if row is not None:
            self._settle(row, answer)

    def time_out(self, request_id: int) -> None:
        """No answer came in time: it may have happened, or may still."""
        row = self._in_flight.pop(request_id, None)
        if row is not None:
            self._settle(row, Answer(retcode=TIMEOUT, comment="no answer in time"))

    def _begin(self, command: frames.Command, utc_msc: int) -> None:
        row = IntentReport(intent_id=command.intent_id, epoch=command.epoch, retcode=0)
        self._intents.note(row)
        if command.action in (Action.HALT, Action.RESUME):
            self._intents.note_halt(command.action is Action.HALT)
            self._settle(row, Answer(retcode=DONE))
            return
        request = self._request_of(command)
        if request is None:
            self._settle(row, Answer(retcode=CLOSED_ALREADY, comment="no such position"))
            return
        request_id = self._server.submit(self._login, request, utc_msc)
        self._in_flight[request_id] = row
        self._submitted(request_id)

    def _request_of(self, command: frames.Command) -> Request | None:
        """None where the position to close is not there."""
        comment = f"tg:{command.intent_id}"[:31]
        if command.action is Action.CANCEL:
            return Request(kind=Kind.CANCEL, order=command.order or 0, is_expert=True)
        account = self._server.accounts[self._login]
        held = account.positions.get(command.position or 0)
        if held is None:
            return None
        if command.action is Action.CLOSE_BY:
            return Request(
                kind=Kind.CLOSE_BY,
                position=held.position.position_id,
                position_by=command.position_by or 0,
                comment=comment,
                is_expert=True,
                reason=DealReason.EXPERT,
            )
        return closing(self._server, self._login, held.position.position_id, command, comment)

    def _settle(self, row: IntentReport, answer: Answer) -> None:
        settled = IntentReport(
            intent_id=row.intent_id,
            epoch=row.epoch,
            retcode=answer.retcode,
            deal=answer.deal,
            order=answer.order,
            volume=answer.volume,
            price=answer.price,
        )
        self._intents.note(settled)
        self._tell(_result_of(settled, answer.comment))

    def _answer(self, command: frames.Command, retcode: int, why: str) -> None:
        if command.intent_id:
            self._tell(CommandResult(intent_id=command.intent_id, retcode=retcode, comment=why))


def closing(
    server: TradeServer,
    login: int,
    position_id: int,
    command: frames.Command | None = None,
    comment: str = "",
) -> Request:
    """The request that closes a position at the market; all of it unless the command says less."""
    account = server.accounts[login]
    position = account.positions[position_id].position
    symbol = account.market.symbols[position.symbol]
    quote = account.market.quotes.get(position.symbol)
    at = 0.0 if quote is None else quote.bid if position.side is Side.BUY else quote.ask
    lots = command.volume if command is not None else None
    return Request(
        kind=Kind.DEAL,
        symbol=position.symbol,
        side=position.side.opposite,
        lots=position.volume_lots if lots is None else lots,
        position=position_id,
        price=at,
        deviation=command.deviation if command is not None else None,
        filling=None if symbol.is_instant else fillings_allowed(symbol.filling_mode)[0],
        comment=comment,
        is_expert=True,
        reason=DealReason.EXPERT,
    )


def _fault_of(command: frames.Command) -> str | None:
    """What is wrong with a command as it stands."""
    if not command.intent_id:
        return "no intent is named"
    if command.action in (Action.CLOSE, Action.CLOSE_BY) and not command.position:
        return "no position is named"
    if command.action is Action.CLOSE_BY and not command.position_by:
        return "no opposite position is named"
    if command.action is Action.CANCEL and not command.order:
        return "no order is named"
    if command.volume is not None and not command.volume > 0.0:
        return "nothing to close"
    return None


def _result_of(row: IntentReport, comment: str) -> CommandResult:
    return CommandResult(
        intent_id=row.intent_id,
        retcode=row.retcode,
        deal=row.deal,
        order=row.order,
        volume=row.volume,
        price=row.price,
        comment=comment,
    )
