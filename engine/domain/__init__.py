"""What one account is and does: pure functions on immutable values, no clock and no I/O."""
