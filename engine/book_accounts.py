"""Accounts and positions of a book, as the domain has them."""

from collections.abc import Mapping, Sequence

import msgspec

from engine import config
from engine.book_money import money_minor, money_text
from engine.book_rulesets import Ruleset
from engine.domain.account import AccountSpec, MarginMode, Operation, OperationKind
from engine.domain.equity_limits import share_of
from engine.domain.guards import AccountGuard, EquityLimit, FixedFloor, MarginLevel, Percent
from engine.domain.ids import AccountKey
from engine.domain.instruments import CalcMode, Instrument
from engine.domain.positions import Position
from engine.domain.valuation import Market, market_of
from engine.errors import UserError
from engine.replay_times import moment_msc
from engine.toml_document import Spot, one_of


class BookAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account of a book: what it is, and what it holds at the start."""

    spec: AccountSpec
    balance_minor: int
    credit_minor: int = 0
    positions: tuple[Position, ...] = ()
    aliases: Mapping[str, str] = {}
    """The broker's symbol to the book's."""
    match_pips: float | None = None
    """How far an entry may lie from its intent; None: the usual of reconciliation."""


class AccountMaker:
    """Makes a book's accounts one by one; what they share is made once."""

    def __init__(self, instruments: Sequence[Instrument], rulesets: Mapping[str, Ruleset]) -> None:
        self._instruments = instruments
        self._by_symbol = {i.symbol: i for i in instruments}
        self._rulesets = rulesets
        self._markets: dict[str, Market] = {}
        self._keys: set[AccountKey] = set()

    def account(self, keys: config.AccountKeys, spot: Spot) -> BookAccount:
        """One account.

        Raises:
            UserError: something in it is wrong, or it is there already.
        """
        key = AccountKey(keys.server, keys.login)
        if key in self._keys:
            raise (spot / "login").refusal(
                f"the account {key} is given twice", "an account is named by server and login"
            )
        self._keys.add(key)
        if keys.ruleset not in self._rulesets:
            raise (spot / "ruleset").refusal(
                f"there is no ruleset `{keys.ruleset}`", one_of(keys.ruleset, self._rulesets)
            )
        currency = keys.currency
        initial = keys.balance if keys.initial is None else keys.initial
        initial_spot = spot / ("balance" if keys.initial is None else "initial")
        initial_minor = money_minor(initial, currency, initial_spot)
        if initial_minor <= 0:
            raise initial_spot.refusal(
                f"the initial balance is {initial:g}, and must be > 0",
                "give `initial`, what percentages are of, where the balance is not it",
            )
        ruleset = self._rulesets[keys.ruleset]
        guards = ruleset.guards(currency, initial)
        _check_floors(ruleset, guards, initial_minor, currency, spot)
        if currency not in self._markets:
            self._markets[currency] = market_of(self._instruments, currency)
        market = self._markets[currency]
        for name, target in keys.aliases.items():
            if target not in self._by_symbol:
                raise (spot / "aliases" / name).refusal(
                    f"unknown symbol `{target}`", one_of(target, self._by_symbol)
                )
        positions = self._positions(keys, market, spot / "position")
        if any(isinstance(guard, MarginLevel) for guard in guards):
            self._check_margin(positions, spot / "position")
        return BookAccount(
            spec=AccountSpec(
                key=key,
                market=market,
                initial_minor=initial_minor,
                guards=guards,
                ruleset=keys.ruleset,
                leverage=keys.leverage,
                margin_mode=keys.margin_mode,
                mode=keys.mode,
                operations=_operations(keys, spot / "operation"),
                minimum_hold_s=ruleset.minimum_hold_s,
            ),
            balance_minor=money_minor(keys.balance, currency, spot / "balance"),
            credit_minor=money_minor(keys.credit, currency, spot / "credit"),
            positions=positions,
            aliases=keys.aliases,
            match_pips=keys.match_pips,
        )

    def _positions(
        self, keys: config.AccountKeys, market: Market, spot: Spot
    ) -> tuple[Position, ...]:
        seen: set[int] = set()
        held: set[str] = set()
        made = []
        for number, position in enumerate(keys.position):
            place = spot / number
            if position.id in seen:
                raise (place / "id").refusal(
                    f"the position {position.id} is given twice in this account"
                )
            seen.add(position.id)
            symbol = keys.aliases.get(position.symbol, position.symbol)
            if symbol not in market.priced:
                raise self._unpriced(symbol, market, place / "symbol")
            if symbol in held and keys.margin_mode is MarginMode.NETTING:
                raise (place / "symbol").refusal(
                    f"a netting account holds {symbol} twice",
                    'join the positions, or write margin_mode = "hedging"',
                )
            held.add(symbol)
            made.append(_position(position, symbol, keys.currency, place))
        return tuple(made)

    def _unpriced(self, symbol: str, market: Market, spot: Spot) -> UserError:
        """Why a symbol cannot be held: it is unknown, or nothing converts its profit."""
        if symbol not in self._by_symbol:
            return spot.refusal(f"unknown symbol `{symbol}`", one_of(symbol, self._by_symbol))
        profit, deposit = self._by_symbol[symbol].profit_currency, market.deposit
        through = ""
        if "USD" not in (profit, deposit):
            through = f", or two pairs that join {profit} and {deposit} with USD"
        return spot.refusal(
            f"nothing in the book turns {profit}, the profit of {symbol}, into {deposit}",
            f"add an [[instrument]] of calc_mode forex that joins them: "
            f"{profit}{deposit} or {deposit}{profit}{through}",
        )

    def _check_margin(self, positions: Sequence[Position], spot: Spot) -> None:
        for number, position in enumerate(positions):
            instrument = self._by_symbol[position.symbol]
            ticks = (instrument.tick_size, instrument.tick_value)
            if instrument.calc_mode is CalcMode.CFD_INDEX and None in ticks:
                raise (spot / number / "symbol").refusal(
                    f"the margin of {position.symbol} needs its tick_size and tick_value, "
                    f"and a guard of this account looks at the margin level",
                    "give both on the instrument",
                )


def _position(keys: config.PositionKeys, symbol: str, currency: str, spot: Spot) -> Position:
    opened = keys.opened_at
    return Position(
        position_id=keys.id,
        symbol=symbol,
        side=keys.side,
        volume_lots=keys.volume_lots,
        open_price=keys.open_price,
        swap_minor=money_minor(keys.swap, currency, spot / "swap") if keys.swap else 0,
        stop_loss=keys.stop_loss,
        take_profit=keys.take_profit,
        magic=keys.magic,
        comment=keys.comment,
        opened_at_msc=None if opened is None else moment_msc(opened, "opened_at"),
    )


def _operations(keys: config.AccountKeys, spot: Spot) -> tuple[Operation, ...]:
    made = []
    for number, operation in enumerate(keys.operation):
        place = spot / number / "money"
        amount = money_minor(operation.money, keys.currency, place)
        if amount <= 0 and (operation.kind is not OperationKind.CREDIT or amount == 0):
            raise place.refusal(
                f"the money of a {operation.kind.value} is {operation.money:g}, and must be > 0"
                if amount
                else f"a {operation.kind.value} of nothing",
                "a withdrawal is written as a positive sum; a credit may be taken back: below 0",
            )
        if operation.kind is OperationKind.WITHDRAWAL:
            amount = -amount
        at_msc = moment_msc(operation.at, "at")
        made.append(Operation(at_msc=at_msc, kind=operation.kind, amount_minor=amount))
    return tuple(sorted(made, key=lambda done: done.at_msc))


def _check_floors(
    ruleset: Ruleset,
    guards: Sequence[AccountGuard],
    initial_minor: int,
    currency: str,
    spot: Spot,
) -> None:
    """Limits that this account's initial balance makes pointless."""
    for number, guard in enumerate(guards):
        if not isinstance(guard, EquityLimit):
            continue
        amount = guard.amount
        if isinstance(amount, FixedFloor) and amount.floor_minor >= initial_minor:
            raise (spot / "ruleset").refusal(
                f"the guard `{guard.name}` of `{ruleset.name}` has its floor at "
                f"{money_text(amount.floor_minor, currency)}, not below the initial "
                f"{money_text(initial_minor, currency)}",
                f"lower the floor at {ruleset.place_of(number)}, or use another ruleset",
            )
        if (
            isinstance(amount, Percent)
            and not amount.of_reference
            and share_of(amount.percent, initial_minor) == 0
        ):
            raise (spot / "ruleset").refusal(
                f"the amount of the guard `{guard.name}` of `{ruleset.name}` is nothing: "
                f"{amount.percent:g} % of {money_text(initial_minor, currency)}"
            )
