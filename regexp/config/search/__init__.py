"""The `sweep:` section of a config: its words, its parameters and their checks."""
