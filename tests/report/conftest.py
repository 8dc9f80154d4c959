"""The trained run of tests/cli, for one test against the real thing."""

from tests.cli.conftest import trained

__all__ = ["trained"]
