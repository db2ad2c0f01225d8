"""The command line, with a module for each group of commands."""

from culturepark.cli.app import main

__all__ = ["main"]
