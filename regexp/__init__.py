"""The laboratory for regularization: one YAML file is one question, one run is its answer."""

__version__ = "0.1.0"
