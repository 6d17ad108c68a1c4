"""The command line: one file a command; a command parses, calls one library function, prints."""

from edgekit.cli.app import main

__all__ = ["main"]
