"""Accounts of a world whose broker gives them other prices than its server's others."""

from collections import deque
from collections.abc import Mapping

from adapters.broker.server import TradeServer
from engine.domain.ids import AccountKey
from engine.live_engine import LiveEngine
from tests.simulation.whole_eye import Prices

PRICES_KEPT = 400
MARKUP_POINTS = 40.0
"""Four pips: 40 USD a lot of EURUSD on each side."""
FOUND_MS = 40_000
"""So long a difference of theirs may be seen before they have a feed of their own: heartbeats in a
row for ten seconds, twice as long as a symbol was quiet, and a report."""

Course = deque[tuple[int, Prices]]


class Groups:
    """Each such account by itself."""

    def __init__(self, points: Mapping[AccountKey, float]) -> None:
        """`points`: by how many each one's bid is lower and its ask higher."""
        self.points = dict(points)
        self._courses = {key: Course(maxlen=PRICES_KEPT) for key in points}

    def course(self, key: AccountKey, shared: Course) -> Course:
        """Prices of the account over time; `shared`: of those without a group."""
        return self._courses.get(key, shared)

    def others(self, key: AccountKey, shared: Course) -> Course | None:
        """What the account may be valued on before that is found: those of another kind."""
        if key in self._courses:
            return shared
        return next(iter(self._courses.values()), None)

    def quoted(self, server: TradeServer, now_msc: int) -> None:
        """A tick, at the prices of each."""
        for key, course in self._courses.items():
            quotes = server.accounts[key.login].market.quotes
            course.append((now_msc, {s: (q.bid, q.ask) for s, q in quotes.items()}))

    def is_found(self, engine: LiveEngine, key: AccountKey) -> bool:
        """Whether the engine values it on its own prices: others too, unless such a one leads."""
        feed = engine._by_key[key]
        return feed.account == key or (
            key not in self._courses and feed.leader not in self._courses
        )
