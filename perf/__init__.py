"""The perf harness: what is promised of speed and memory, measured."""
