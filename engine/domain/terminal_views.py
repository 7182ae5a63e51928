"""What is known of the terminal behind a link, beside what it holds. Never part of a decision."""

import msgspec


class TerminalView(msgspec.Struct, frozen=True, kw_only=True):
    """The terminal of an account, as it was heard since the engine started."""

    build: int
    """Of the terminal program."""
    company: str
    """The broker, as the terminal names it."""
    gmt_offset_s: int
    """Server's wall clock minus UTC, as the terminal has it."""
    handshake_ms: float | None = None
    """Of the newest link: from sending the challenge until its answer came. The nearest there is
    to a ping: the way there and back, and the terminal's own work on a proof."""
    report_ms: float | None = None
    """Of the newest full report that was asked for: from asking until all of it was here."""
    heartbeat_msc: int | None = None
    """When the newest heartbeat came."""
    clock_offset_ms: int | None = None
    """The terminal's clock less ours, of the last minutes, by the heartbeat that came quickest.
    What its way here took makes the terminal look behind, never ahead."""
    reconnects: int = 0
    """Links after the first."""
    lost_msc: int | None = None
    """When a link last ended."""
    lost_cause: str = ""
    gaps: int = 0
    """Times that frames were missing, by their numbers; each led to a full report."""
    gap_msc: int | None = None
    """When that was last seen, to the heartbeat."""
