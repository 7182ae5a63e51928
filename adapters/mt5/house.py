"""What a connection asks of the gateway it belongs to."""

from typing import TYPE_CHECKING, Protocol

from adapters.mt5.door import GatewaySettings
from engine.clock import Clock
from engine.ports import LinkSink
from engine.secret import Secret

if TYPE_CHECKING:
    from adapters.mt5.connection import Connection


class House(Protocol):
    """The gateway, as its connections know it."""

    settings: GatewaySettings
    sink: LinkSink
    clock: Clock

    async def offer(self, connection: "Connection") -> tuple[tuple[Secret, ...], str, int]:
        """The keys to prove, a challenge and an epoch, for its hello. UserError: not now."""

    async def admit(self, connection: "Connection") -> bool:
        """Takes it in the place of an older one. False: its epoch was taken meanwhile."""

    def resume_from(self, connection: "Connection") -> int:
        """Where its session's numbers go on."""

    def join(self, connection: "Connection") -> tuple[str, ...]:
        """Lets it lead where nobody does; what it is to quote: nothing where another leads."""

    def leads(self, connection: "Connection") -> str | None:
        """The feed its quotes are for; None where another leads."""

    async def let_urgent_pass(self, connection: "Connection") -> None:
        """Before what it said is taken: closes on their way out and quotes go first."""

    def heard(self, connection: "Connection") -> None:
        """It was stale and is not."""

    def went_stale(self, connection: "Connection") -> None:
        """It has been silent."""

    def signed(self, connection: "Connection") -> None:
        """More of its frames are safe."""

    def parted(self, connection: "Connection", cause: str) -> None:
        """Its link has ended."""

    def refuse(self, connection: "Connection", cause: str) -> None:
        """To be counted."""
