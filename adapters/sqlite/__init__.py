"""The durable journal: SQLite, one connection in one writer thread."""
