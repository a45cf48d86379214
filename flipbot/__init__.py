"""The command line, and the one place that sees every room: it starts them and passes them what they need."""

from flipbot.arguments import main

__all__ = ["main"]
