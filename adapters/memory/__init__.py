"""Adapters that live in memory: real implementations of the ports, for tests and small runs."""
