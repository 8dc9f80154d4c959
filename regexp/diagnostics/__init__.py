"""Explanations after training: one question about a saved run in each file; base.py is the contract."""
