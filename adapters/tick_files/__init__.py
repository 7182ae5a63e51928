"""Tick files: one format a file, one sniffing front."""
