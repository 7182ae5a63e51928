"""Valuing every account of a feed on every tick, in columns."""
