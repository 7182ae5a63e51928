"""MetaTrader 5: the link to its terminals, from the wire to the engine's own records."""
