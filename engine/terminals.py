"""What live accounts have for their terminals, as the link takes it."""

from collections.abc import Sequence
from typing import Protocol

from engine.clock import Clock
from engine.domain.close_actions import Command
from engine.domain.ids import AccountKey
from engine.link import Action, Handed, TerminalCommand


class LinkPort(Protocol):
    """The sending side of a link to many terminals; `adapters.mt5.gateway.Gateway` is one."""

    def send_nowait(self, key: AccountKey, *commands: TerminalCommand) -> Handed:
        """Sends them, in order, until one finds no room: what became of that one. Never waits."""

    def is_linked(self, key: AccountKey) -> bool:
        """Whether a command would go out now."""

    def quote_for(self, key: AccountKey, feed: str | None, symbols: Sequence[str] = ()) -> None:
        """See `ports.Terminals.quote_for`."""

    def lead(self, key: AccountKey) -> None:
        """See `ports.Terminals.lead`."""


class LateLink:
    """The sending side of a gateway that is made after what sends."""

    def __init__(self) -> None:
        self.gateway: LinkPort | None = None

    def send_nowait(self, key: AccountKey, *commands: TerminalCommand) -> Handed:
        """See `LinkPort.send_nowait`."""
        if self.gateway is None:
            return Handed.NOT_LINKED
        return self.gateway.send_nowait(key, *commands)

    def is_linked(self, key: AccountKey) -> bool:
        """See `LinkPort.is_linked`."""
        return self.gateway is not None and self.gateway.is_linked(key)

    def quote_for(self, key: AccountKey, feed: str | None, symbols: Sequence[str] = ()) -> None:
        """See `ports.Terminals.quote_for`; the gateway is there before the engine runs."""
        if self.gateway is not None:
            self.gateway.quote_for(key, feed, symbols)

    def lead(self, key: AccountKey) -> None:
        """See `ports.Terminals.lead`."""
        if self.gateway is not None:
            self.gateway.lead(key)


class LinkTerminals:
    """`Terminals` over a link."""

    def __init__(self, link: LinkPort, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self.unsent = 0
        """Times that commands found no link or no room; their closes find out by evidence."""

    def commands(self, key: AccountKey, commands: Sequence[Command]) -> None:
        """See `Terminals.commands`."""
        handed = self._link.send_nowait(key, *(_told(command) for command in commands))
        if handed is not Handed.HANDED:
            self.unsent += 1

    def ask_report(self, key: AccountKey) -> bool:
        """See `Terminals.ask_report`."""
        command = TerminalCommand(action=Action.REPORT)
        return self._link.send_nowait(key, command) is Handed.HANDED

    def tell_halted(self, key: AccountKey, *, is_halted: bool) -> None:
        """See `Terminals.tell_halted`. Each time is another command, so that none is a repeat."""
        action = Action.HALT if is_halted else Action.RESUME
        name = f"{action.value}-{self._clock.wall_msc()}"
        self._link.send_nowait(key, TerminalCommand(action=action, intent_id=name))

    def set_floor(self, key: AccountKey, floor: float) -> None:
        """See `Terminals.set_floor`."""
        self._link.send_nowait(key, TerminalCommand(action=Action.SET, floor=floor))

    def quote_for(self, key: AccountKey, feed: str | None, symbols: Sequence[str] = ()) -> None:
        """See `Terminals.quote_for`."""
        self._link.quote_for(key, feed, symbols)

    def lead(self, key: AccountKey) -> None:
        """See `Terminals.lead`."""
        self._link.lead(key)


def _told(command: Command) -> TerminalCommand:
    action = Action(command.action)
    cancels = action is Action.CANCEL
    return TerminalCommand(
        action=action,
        intent_id=command.command_id,
        ttl_ms=command.ttl_ms,
        position=None if cancels else command.position_id,
        position_by=command.position_by,
        order=command.position_id if cancels else None,
        symbol=command.symbol,
        volume=None if cancels or command.is_whole else command.volume_lots,
        deviation=command.deviation_points,
    )
