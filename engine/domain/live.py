"""What an account with a live link has besides its state: the link, beliefs, closes under way."""

import msgspec
from msgspec import UNSET, UnsetType

from engine.domain.beliefs import Book, Terms
from engine.domain.close_orders import CloseOrder, State
from engine.domain.close_pacing import Pace
from engine.domain.close_terms import Terms as CloseTerms
from engine.domain.feeds import FeedDoubt, FeedUse
from engine.domain.positions import Position
from engine.domain.reports import AccountReport, OrderReport, PositionReport


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """How the account is reached."""

    is_linked: bool = False
    is_reported: bool = False
    """A complete full report came over this link. Before it nothing is sent."""
    is_silent: bool = False
    epoch: int = 0
    session: str = ""
    changed_msc: int = 0
    """When one of the three last changed."""
    refusal: str = ""
    """Why what the terminal says of its account cannot be this account; empty: it can."""


class Gone(msgspec.Struct, frozen=True):
    """A position the terminal no longer has, and whose closing deal has not come."""

    position: Position
    since_msc: int


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """A live account's own."""

    terms: Terms
    close_terms: CloseTerms = CloseTerms()
    link: Link = Link()
    book: Book = Book()
    """Beliefs, discrepancies, ledger."""
    closes: tuple[CloseOrder, ...] = ()
    """In the order they are to go; those settled stay a while, to see that it lasts."""
    pace: Pace = Pace()
    holdings: tuple[PositionReport, ...] = ()
    """As the terminal tells them, without what the market moves."""
    orders: tuple[OrderReport, ...] = ()
    """Pending ones."""
    broker: AccountReport | None = None
    """The broker's own arithmetic, as last told."""
    broker_msc: int = 0
    is_failed: bool = False
    """The last full report failed: what is held is unknown until one does not."""
    settling: tuple[int, ...] = ()
    """Positions that are gone and whose deal has not come; negative: orders of which one deal of a
    close-by has come and the other has not. No valuation is right meanwhile."""
    gone: tuple[Gone, ...] | UnsetType = UNSET
    """Of late, so that a deal that comes after its position went still says what it closed. UNSET:
    there were none, and so digests are as they were."""
    deals: tuple[tuple[int, int], ...] = ()
    """(UTC ms, minor units that moved the balance) of late, oldest first."""
    missed_since_msc: int = 0
    """From when on resets found nobody who could value the account; 0: none is missed."""
    reset_msc: int = 0
    """The last reset instant that was taken; 0: none yet."""
    estimated_msc: int = 0
    """From when on the high-water mark may be too low: ticks went by unseen. 0: it is exact."""
    halted_ids: tuple[int, ...] = ()
    """Positions that were there when the halt began."""
    halted_magics: tuple[int, ...] = ()
    flatten_reason: str = ""
    """A flatten was decided while positions could not be known: the next report repeats it."""
    own_orders: tuple[int, ...] = ()
    """Orders that our own commands made, of late."""
    beats_below: int = 0
    """Reports and heartbeats in a row in which the broker's own equity breaks a guard."""
    floor_sent: float | None = None
    """The fail-safe floor the terminal was last given over this link."""
    sightings: int = 0
    """Reports and heartbeats so far."""
    expects: bool = False
    """Some strategy has said what it means to hold: what nobody means is a discrepancy."""
    feed: FeedUse | UnsetType = UNSET
    """Which quotes it is to be valued on. UNSET: its server's, and nothing else was ever tried; so
    digests are as they were, here as below."""
    feed_doubt: FeedDoubt | UnsetType = UNSET
    """What speaks against them of late; UNSET: nothing."""

    @property
    def is_current(self) -> bool:
        """Whether what is held is known as of now."""
        link = self.link
        return link.is_linked and link.is_reported and not link.is_silent and not self.is_failed

    def holding(self, position_id: int) -> PositionReport | None:
        """The position as the terminal tells it."""
        return next((one for one in self.holdings if one.identifier == position_id), None)

    @property
    def open_closes(self) -> tuple[CloseOrder, ...]:
        """Those not settled yet."""
        return tuple(one for one in self.closes if one.state is not State.SETTLED)
