"""SIGHUP: the settings and the book are read again, and accounts come and go; whole or not at all.

Nothing is done before everything that can be refused was looked at. An account that goes loses its
link first, so that nothing comes while it is seen that it has nothing left; where it has, it stays,
and its terminal links again.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack

import structlog
import trio

from engine.audit import AuditEntry
from engine.domain.ids import AccountKey
from engine.errors import AdapterError, JournalError, OutsideError, UserError
from engine.live_engine import LiveAccount
from engine.recovery import recover
from facade import systemd
from facade.rereading import Change, change_of, needs_restart
from facade.settings import Settings, read_settings
from facade.wiring_floor import Floor, live_account

log = structlog.get_logger("tidegate.serve")

BY = "signal:SIGHUP"
ASKED = "read the book again"
REST_S = 5.0
"""How long an account that goes has for what its terminal said last."""


async def reread_at(wishes: AsyncIterator[int], floor: Floor, settings: Settings) -> None:
    """Reads again at each wish; what goes wrong is logged and audited, and nothing has changed."""
    async for _ in wishes:
        try:
            change = await reread(floor, settings)
        except (UserError, OutsideError) as error:
            said = error.render() if isinstance(error, UserError) else str(error)
            log.error("not reloaded", cause=said)
            await _note(floor, f"refused: {error}")
        except Exception as error:  # a fault of ours: accounts stay guarded as they are
            log.exception("not reloaded")
            await _note(floor, f"failed: {type(error).__name__}")
        else:
            names = _words(change)
            accounts = len(floor.engine.keys())
            log.info("reloaded", accounts=accounts, **names)
            systemd.notify(f"STATUS=guarding {accounts} accounts")
            await _note(floor, f"done: {names}")


async def reread(floor: Floor, settings: Settings) -> Change:
    """Reads the settings and the book again, and does what they change.

    Raises:
        UserError: they cannot be read, or something else than accounts differs, or an account
            that went still has something.
        OutsideError: the past of an account cannot be read, or the wish cannot be audited.
    """
    now = await trio.to_thread.run_sync(read_settings, settings.path)
    change = await trio.to_thread.run_sync(change_of, settings, now)
    place = str(now.book.path)
    for key in change.removed:
        if why := floor.engine.roster.holds_up(key):
            raise UserError(f"{key} cannot leave the book: {why}", place=place)
    added = await _pasts(floor, now, change)
    if not change:
        return change
    await floor.trail.append(_entry(floor, f"accepted: {_words(change)}"))
    await _dismiss(floor, change.removed, place)
    # From here on nothing can be refused any more.
    settings.book = now.book
    await floor.engine.roster.admit(added)
    for account in added:
        floor.ring.admit(account.key)
    for feed in {account.key.server for account in added}:
        floor.gateway.want_symbols(feed, floor.engine.symbols_of(feed))
    return change


async def _pasts(floor: Floor, now: Settings, change: Change) -> Sequence[LiveAccount]:
    """The accounts that came, each with what its journal has of it."""
    found = []
    for account in change.added:
        key = account.spec.key
        if key.server not in floor.engine.feeds:
            raise needs_restart(f"{key}: its server is new", str(now.book.path))
        if floor.engine.roster.was_here(key):
            raise needs_restart(f"{key}: it left since the start", str(now.book.path))
        try:
            past = await recover(key, floor.journal)
        except JournalError as error:
            raise OutsideError(f"the past of {key} cannot be read: {error}") from error
        found.append(live_account(now, account, past))
    return found


async def _dismiss(floor: Floor, keys: Sequence[AccountKey], place: str) -> None:
    """Guards these no more, or raises and guards them all as before."""
    roster = floor.engine.roster
    with ExitStack() as undo:
        for key in keys:
            undo.callback(floor.gateway.let_back, key)
            await floor.gateway.part(key)
        for key in keys:
            await roster.rest(key, REST_S)
        if why := roster.dismiss(keys):
            raise UserError(f"cannot leave the book: {why}", place=place)
        undo.pop_all()  # also one whose key was read before this is not let in
        for key in keys:
            floor.ring.forget(key)


async def _note(floor: Floor, outcome: str) -> None:
    try:
        await floor.trail.append(_entry(floor, outcome))
    except AdapterError as error:
        log.error("not in the audit trail", asked=ASKED, cause=str(error))


def _entry(floor: Floor, outcome: str) -> AuditEntry:
    return AuditEntry(
        time_msc=floor.clock.wall_msc(), by=BY, asked=ASKED, outcome=outcome, kind="command"
    )


def _words(change: Change) -> dict[str, str]:
    return {
        "added": " ".join(str(account.spec.key) for account in change.added) or "none",
        "removed": " ".join(map(str, change.removed)) or "none",
    }
