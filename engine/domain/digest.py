"""A fingerprint of an account's state: equal states, equal digests, under any hash seed."""

from hashlib import blake2b

import msgspec

from engine.domain.account import AccountState

_encoder = msgspec.msgpack.Encoder(order="deterministic")


def state_digest(state: AccountState) -> str:
    """32 hex digits over everything in the state, its specification included."""
    return blake2b(_encoder.encode(state), digest_size=16).hexdigest()
