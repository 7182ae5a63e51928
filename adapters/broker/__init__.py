"""A simulated broker: its trade server, and terminals that speak the real link."""
