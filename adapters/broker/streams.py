"""Named random streams: each purpose draws from its own, so that one more draw moves no other."""

import random
from hashlib import blake2b


class Streams:
    """The streams of one seed. Equal seed and name: equal draws, whatever else was drawn."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, random.Random] = {}

    def of(self, name: str) -> random.Random:
        """The stream of that name; it goes on where it was left."""
        stream = self._streams.get(name)
        if stream is None:
            digest = blake2b(f"{self.seed}|{name}".encode(), digest_size=8).digest()
            # Chance in a simulation; nothing secret comes from it.
            stream = random.Random(int.from_bytes(digest))  # noqa: S311
            self._streams[name] = stream
        return stream
