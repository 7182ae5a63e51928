"""All that `step` and `obey` take."""

from engine.domain.commands import Command
from engine.domain.events import MarketEvent
from engine.domain.link_events import LinkEvent

Event = MarketEvent | LinkEvent
Input = Event | Command
