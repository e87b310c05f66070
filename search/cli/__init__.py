"""What can be typed: one file for each command, and the options they share."""

from search.cli.app import main

__all__ = ["main"]
