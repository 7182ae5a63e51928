"""Talking to a running engine over its internal socket: for Trio, asyncio, and neither."""
