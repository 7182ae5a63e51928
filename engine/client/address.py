"""Where an engine is reached, and what came of asking it."""

from pathlib import Path
from typing import Any

from engine.client.wire import Answer
from engine.desk import Taken
from engine.domain.commands import Refused
from engine.errors import AdapterError

Address = Path | tuple[str, int]
"""Of the Unix socket, or host and port of TCP (which needs the token)."""


def named(address: Address) -> str:
    """As a person reads it."""
    return str(address) if isinstance(address, Path) else f"{address[0]}:{address[1]}"


def nobody(address: Address, error: OSError) -> AdapterError:
    """What it means that there is no connection."""
    why = error.strerror or str(error)
    return failed(f"no engine answers at {named(address)}: {why}")


def failed(why: str, *, retry: bool = True) -> AdapterError:
    """The engine is gone, or does not do what was asked."""
    return AdapterError(why, system="engine", retry=retry)


def value_of(answer: Answer, shape: Any) -> Any:
    """What was asked for.

    Raises:
        KeyError: there is no such account.
        AdapterError: it was not answered; `retry` is false: asking again is of no use.
    """
    if answer.outcome == "ok":
        return answer.read(shape)
    why = str(answer.read(str))
    if answer.outcome == "missing":
        raise KeyError(why)
    raise failed(why, retry=False)


def done_of(answer: Answer) -> Taken | Refused:
    """What came of a command.

    Raises:
        KeyError, AdapterError: as `value_of`.
    """
    if answer.outcome == "refused":
        return Refused(answer.read(str))
    taken: Taken = value_of(answer, Taken)
    return taken


def each_done(answer: Answer) -> list[Taken | Refused]:
    """What came of one command to several accounts, in their order.

    Raises:
        KeyError, AdapterError: as `value_of`; then it was given to none.
    """
    told: list[tuple[str | None, Taken | None]] = value_of(
        answer, list[tuple[str | None, Taken | None]]
    )
    return [Refused(why or "") if taken is None else taken for why, taken in told]
