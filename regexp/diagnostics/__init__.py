"""Explain saved runs: each module answers one question about a trained model; base.py lists them."""
