"""The command line: one module a group of commands."""

from culturepark.cli.app import main

__all__ = ["main"]
