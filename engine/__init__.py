"""The engine: one account at a time in `domain`, all of them at once in `marking`."""
