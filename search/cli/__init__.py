"""What can be typed: one file for each command, and the options they share."""

from search.cli.start import main

__all__ = ["main"]
