"""A terminal and what it might say, for the tests of the link."""

from collections.abc import Iterable

from adapters.mt5 import frames
from adapters.mt5.constants import position_digest
from adapters.mt5.engine_side import EngineEvent, EngineSide, Proved, SaidHello
from adapters.mt5.protocol import Nonces, Stage
from adapters.mt5.terminal_side import TerminalSession, TerminalSide
from engine.domain.ids import AccountKey
from engine.domain.reports import (
    AccountReport,
    CommandResult,
    DealReport,
    FullReport,
    Heartbeat,
    OrderReport,
    PositionReport,
    SpecReport,
)
from engine.secret import Secret

ACCOUNT = AccountKey("Demo-1", 1001)
KEY = Secret(bytes(range(32)))
CHALLENGE = "c" * 32
GMT = 1_700_000_000_000
OFFSET_S = 7200
NOW = 1_000_000_000
ACCOUNT_REPORT = AccountReport(balance=10_000.0, credit=0.0, equity=10_012.5, margin=100.0)


def hello(
    account: AccountKey = ACCOUNT, nonce: str = "n" * 32, version: int = frames.VERSION
) -> frames.Hello:
    return frames.Hello(
        v=version,
        login=account.login,
        server=account.server,
        session="unset",
        nonce=nonce,
        build=4755,
        company="Some Broker Ltd.",
        currency="USD",
        currency_digits=2,
        margin_mode=2,
        leverage=100,
        gmt_offset_s=OFFSET_S,
    )


def position(identifier: int, volume: float = 0.1, kind: int = 0) -> PositionReport:
    return PositionReport(
        identifier=identifier,
        ticket=identifier,
        symbol="EURUSD",
        type=kind,
        volume=volume,
        price_open=1.0950,
        comment="été 😀",
        time_msc=GMT + OFFSET_S * 1000,
    )


def deal(ticket: int) -> DealReport:
    return DealReport(
        ticket=ticket,
        order=ticket,
        position_id=7,
        symbol="EURUSD",
        type=1,
        entry=1,
        volume=0.1,
        price=1.0950,
        profit=-3.5,
        time_msc=GMT + OFFSET_S * 1000,
    )


def report(*positions: PositionReport, complete: bool = True) -> FullReport:
    return FullReport(
        account=ACCOUNT_REPORT,
        positions=positions,
        orders=(
            OrderReport(ticket=5, symbol="EURUSD", type=2, volume_current=0.2, price_open=1.08),
        ),
        specs=(
            SpecReport(
                name="EURUSD",
                digits=5,
                trade_contract_size=100_000.0,
                trade_calc_mode=0,
                currency_base="EUR",
                currency_profit="USD",
            ),
        ),
        floor=9_000.0,
        complete=complete,
    )


def beat(*positions: PositionReport) -> Heartbeat:
    return Heartbeat(
        balance=10_000.0,
        credit=0.0,
        equity=10_012.5,
        margin=100.0,
        digest=position_digest(positions),
    )


def result(intent_id: str) -> CommandResult:
    return CommandResult(intent_id=intent_id, retcode=10009, deal=3, order=4, volume=0.1, price=1.1)


def quote(symbol: str = "EURUSD", bid: float = 1.0950, ask: float = 1.0951) -> frames.QuoteRow:
    return frames.QuoteRow(symbol, GMT + OFFSET_S * 1000, bid, ask, 6)


def terminal(
    session: TerminalSession | None = None, key: Secret = KEY, nonce: str = "n" * 32
) -> TerminalSide:
    return TerminalSide(hello(nonce=nonce), key, session or TerminalSession("run-1"))


class Host:
    """An engine's side, and the answers a gateway gives to it, at once."""

    def __init__(
        self,
        keys: tuple[Secret, ...] = (KEY,),
        nonces: Nonces | None = None,
        epoch: int = 1,
        resume_from: int = 1,
    ) -> None:
        self.side = EngineSide(nonces or Nonces())
        self.now_ns = NOW
        self._keys = keys
        self._epoch = epoch
        self._resume_from = resume_from

    def hear(self, chunks: Iterable[bytes]) -> tuple[list[EngineEvent], bytes]:
        """What the chunks said, and what was answered during the handshake."""
        events: list[EngineEvent] = []
        answers = b""
        for chunk in chunks:
            for event in self.side.receive(chunk, self.now_ns):
                events.append(event)
                if isinstance(event, SaidHello) and self.side.stage is Stage.DECIDING:
                    answers += self.side.send_challenge(self._keys, CHALLENGE, self._epoch)
                elif isinstance(event, Proved) and self.side.stage is Stage.PROVED:
                    answers += self.side.send_welcome(
                        self._resume_from, 1000, ("EURUSD",), self.now_ns
                    )
        return events, answers


def linked(
    session: TerminalSession | None = None, host: Host | None = None
) -> tuple[Host, TerminalSide]:
    """Both sides of a link that stands."""
    host = host or Host()
    side = terminal(session)
    _, challenge = host.hear([side.send_hello()])
    side.receive(challenge)
    _, welcome = host.hear([side.send_proof()])
    side.receive(welcome)
    return host, side
