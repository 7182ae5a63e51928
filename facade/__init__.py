"""How people and programs meet the engine: the command line, the report, the wiring."""
