"""The outside world, one folder a system: files, databases, terminals."""
