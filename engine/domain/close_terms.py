"""How long and how often a close is tried; from the settings, one for every close of an account."""

import msgspec


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How long and how often; milliseconds, points."""

    hold_ms: int = 45_000
    """Longer than any request of ours can live, in the link, the terminal or the broker."""
    reply_ms: int = 2_000
    late_ms: int = 5_000
    escalate_ms: int = 30_000
    ask_ms: int = 1_000
    back_off_ms: int = 500
    back_off_cap_ms: int = 30_000
    probe_ms: int = 60_000
    """Between tries where trading is off and nobody knows until when."""
    ttl_ms: int = 5_000
    requotes: int = 5
    deviation_points: int = 20
    deviation_cap_points: int = 160


DEFAULT_TERMS = Terms()
