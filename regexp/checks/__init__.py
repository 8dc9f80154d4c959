"""Checks of a config before training: each file asks one question. base.py holds the contract, bench.py the tools."""
