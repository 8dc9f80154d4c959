"""Verdicts before training: one question about a config in each file; base.py is the contract, bench.py the tools."""
