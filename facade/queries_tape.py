"""A breach tick by tick, and the prices of each second: what a live engine kept of its quotes."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from engine.tape import PricePoint
from engine.tape_cut import VerdictTape
from facade.api_structs import Quality
from facade.api_structs_calls import Moment, NoQuery
from facade.api_structs_mirror import mirror
from facade.call import Call, answer
from facade.problems import not_found, unprocessable
from facade.queries_verdict import verdict_id_of

TAPE = mirror(VerdictTape)
PRICE = mirror(PricePoint)


class PricesQuery(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Of which symbol, from when until before when."""

    symbol: Annotated[str, Meta(min_length=1, max_length=64)]
    """As the book has it."""
    from_msc: Moment = 0
    to_msc: Moment = 2**52


class PricesPage(msgspec.Struct, frozen=True, kw_only=True):
    """The last bid and ask of each second with a tick, oldest first; of the last hour at most."""

    server: str
    login: int
    symbol: str
    prices: tuple[PRICE.struct, ...]  # type: ignore[name-defined]
    quality: Quality
    age_ms: int | None
    """Both of the account."""


async def tape(call: Call) -> Response:
    """The ticks of a breach; 404 where none are kept, or it is of an account of somebody else."""
    call.query(NoQuery)
    found = await call.desk.tapes.of_verdict(verdict_id_of(call))
    if found is None or call.scope.one(found.server, str(found.login)) is None:
        raise not_found()
    return answer(TAPE.of(found))


async def prices(call: Call) -> Response:
    """Prices of one symbol of the account's server."""
    key = call.key()
    query = call.query(PricesQuery)
    found = await call.desk.tapes.prices(key, query.symbol, query.from_msc, query.to_msc)
    if found is None:
        raise unprocessable("symbol", "not a symbol of this server")
    one = call.desk.snapshot(key)
    return answer(
        PricesPage(
            server=key.server,
            login=key.login,
            symbol=query.symbol,
            prices=tuple(map(PRICE.of, found)),
            quality=one.quality.value,
            age_ms=one.age_ms,
        )
    )
