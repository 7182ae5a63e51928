"""The file a simulated broker runs from: its keys, read, and the server made of them."""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from adapters.broker.faults import Fault
from adapters.broker.holdings import Terms
from adapters.broker.market import Symbol
from adapters.broker.server import ServerSettings, TradeServer
from adapters.broker.state import Books, put_back
from adapters.mt5.constants import DealType
from engine.book_instruments import instruments_of
from engine.config import Above0, Count, Currency, From0, InstrumentKeys, Keys, Name
from engine.domain.account import MarginMode
from engine.domain.ids import AccountKey
from engine.domain.positions import Side
from engine.errors import UserError
from engine.toml_document import Document, Spot

Login = Annotated[int, Meta(ge=1)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Milliseconds = Annotated[int, Meta(ge=0)]
MONEY = {
    "deposit": DealType.BALANCE,
    "credit": DealType.CREDIT,
    "charge": DealType.CHARGE,
    "correction": DealType.CORRECTION,
    "bonus": DealType.BONUS,
}


class EngineKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """Where the terminals link to. Paths are relative to the file."""

    noun: ClassVar[str] = "the engine"
    host: Name = "127.0.0.1"
    port: Port
    authority: Name
    """What signed the engine's certificate, as `ca.pem`."""
    server_hostname: Name | None = None
    keys: Name
    """The directory of terminal keys."""


class TradingKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """How the server trades a symbol, beyond what the instrument says."""

    noun: ClassVar[str] = "a symbol's trading"
    symbol: Name
    trade_mode: Annotated[int, Meta(ge=0, le=4)] = 4
    filling_mode: Annotated[int, Meta(ge=0, le=7)] = 3
    stops_level: Annotated[int, Meta(ge=0)] = 0
    freeze_level: Annotated[int, Meta(ge=0)] = 0
    is_instant: bool = False
    depth_lots: From0 = 0.0
    limit_lots: From0 = 0.0
    swap_long_points: float = 0.0
    swap_short_points: float = 0.0
    commission_per_lot: float = 0.0


class TicksKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """Tick files of a symbol."""

    noun: ClassVar[str] = "the ticks"
    symbol: Name
    files: Annotated[list[Name], Meta(min_length=1)]


class PositionKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """Opened as soon as its symbol has a quote."""

    noun: ClassVar[str] = "a position"
    symbol: Name
    side: Side
    lots: Above0
    stop_loss: From0 = 0.0
    take_profit: From0 = 0.0
    magic: int = 0
    comment: Annotated[str, Meta(max_length=31)] = ""


class AccountKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """An account, with a terminal of its own."""

    noun: ClassVar[str] = "an account"
    login: Login
    currency: Currency = "USD"
    deposit: Above0
    leverage: Count = 100
    margin_mode: MarginMode = MarginMode.HEDGING
    stop_out_percent: From0 = 50.0
    markup_points: From0 = 0.0
    """Its group sees, and trades at, prices so much worse on either side."""
    position: list[PositionKeys] = msgspec.field(default_factory=list)


class FaultKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """A fault asked for, so many seconds after the start."""

    noun: ClassVar[str] = "a fault"
    at_s: From0
    login: Login
    fault: Fault
    amount: int = 0
    times: Count = 1


class TradeKeys(PositionKeys, forbid_unknown_fields=True, kw_only=True):
    """A trade by hand: on a hedging account a new position, on a netting one whatever it makes."""

    noun: ClassVar[str] = "a trade"
    at_s: From0
    login: Login


class MoneyKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """Money moved by the broker; a withdrawal is a negative deposit."""

    noun: ClassVar[str] = "money"
    at_s: From0
    login: Login
    kind: Literal["deposit", "credit", "charge", "correction", "bonus"] = "deposit"
    amount: float
    comment: str = ""


class ScriptKeys(Keys, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    noun: ClassVar[str] = "the broker's file"
    server: Name
    seed: int = 1
    gmt_offset_s: Annotated[int, Meta(ge=-86_400, le=86_400)] = 7200
    latency_ms: tuple[Milliseconds, Milliseconds] = (20, 80)
    slippage_points: From0 = 0.0
    stop_out_every_ms: Milliseconds = 0
    speed: Above0 = 1.0
    """How fast ticks are played."""
    stamps: Literal["now", "ticks"] = "now"
    """Times of quotes and trades: the present, or those of the ticks."""
    repeat: bool = False
    """Plays the ticks again when they are over; only with `stamps = "now"`."""
    state: Name | None = None
    """A directory for the accounts and the terminals' intent tables between runs; without it each
    run begins anew, with ticket numbers that were used before."""
    engine: EngineKeys
    instrument: list[InstrumentKeys]
    trading: list[TradingKeys] = msgspec.field(default_factory=list)
    ticks: Annotated[list[TicksKeys], Meta(min_length=1)]
    account: Annotated[list[AccountKeys], Meta(min_length=1)]
    fault: list[FaultKeys] = msgspec.field(default_factory=list)
    trade: list[TradeKeys] = msgspec.field(default_factory=list)
    money: list[MoneyKeys] = msgspec.field(default_factory=list)


def read_script(path: Path) -> tuple[ScriptKeys, tuple[Symbol, ...]]:
    """The file's keys, and its symbols as they are traded.

    Raises:
        UserError: it cannot be read, or says something that cannot be; names the place.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError("cannot read the broker's file", place=str(path)) from error
    document = Document(str(path), text)
    keys = document.read(ScriptKeys)
    instruments = instruments_of(keys.instrument, Spot(document, ("instrument",)))
    _check(keys, document, {instrument.symbol for instrument in instruments})
    traded = {trading.symbol: trading for trading in keys.trading}
    symbols = []
    for instrument in instruments:
        trading = traded.get(instrument.symbol)
        more = msgspec.structs.asdict(trading) if trading is not None else {}
        more.pop("symbol", None)
        symbols.append(Symbol(instrument=instrument, **more))
    return keys, tuple(symbols)


def server_of(
    keys: ScriptKeys, symbols: tuple[Symbol, ...], utc_msc: int, books: Books | None = None
) -> TradeServer:
    """The server with its accounts, as an earlier run left them where it did.

    Positions of the file wait for quotes.
    """
    settings = ServerSettings(
        latency_ms=keys.latency_ms,
        slippage_points=keys.slippage_points,
        stop_out_every_ms=keys.stop_out_every_ms,
    )
    server = TradeServer(symbols, settings, keys.seed, keys.gmt_offset_s)
    if books is not None:
        server.tickets.last_order, server.tickets.last_deal = books.last_order, books.last_deal
        server.day = books.day
    for account in keys.account:
        book = books.of(account.login) if books is not None else None
        terms = Terms(
            key=AccountKey(keys.server, account.login),
            currency=account.currency,
            leverage=account.leverage,
            margin_mode=account.margin_mode,
            stop_out_percent=account.stop_out_percent,
            markup_points=account.markup_points,
        )
        opened = server.open_account(terms, account.deposit if book is None else 0.0, utc_msc)
        if book is not None:
            put_back(opened, book)
    return server


def _check(keys: ScriptKeys, document: Document, symbols: set[str]) -> None:
    """What one table says of another."""
    logins = [account.login for account in keys.account]
    for number, login in enumerate(logins):
        if login in logins[:number]:
            spot = Spot(document, ("account", number, "login"))
            raise spot.refusal(f"the login {login} is given twice")
    for table in ("trading", "ticks", "trade"):
        for number, row in enumerate(getattr(keys, table)):
            _known(document, (table, number, "symbol"), row.symbol, symbols)
    for number, account in enumerate(keys.account):
        for place, position in enumerate(account.position):
            path = ("account", number, "position", place, "symbol")
            _known(document, path, position.symbol, symbols)
    for table in ("fault", "trade", "money"):
        for number, row in enumerate(getattr(keys, table)):
            if row.login not in logins:
                spot = Spot(document, (table, number, "login"))
                raise spot.refusal(f"no account has the login {row.login}")
    if keys.latency_ms[0] > keys.latency_ms[1]:
        raise Spot(document, ("latency_ms",)).refusal("the shortest comes first")
    if keys.repeat and keys.stamps == "ticks":
        spot = Spot(document, ("repeat",))
        raise spot.refusal("ticks with their own times cannot be repeated", 'stamps = "now"')


def _known(document: Document, path: tuple[str | int, ...], symbol: str, symbols: set[str]) -> None:
    if symbol not in symbols:
        help_text = "add an [[instrument]] for it"
        raise Spot(document, path).refusal(f"the symbol `{symbol}` is not known", help_text)
