"""The command line: parse, call one function, print.

Only this folder and ``plugin`` know their user; nothing imports them.
"""

from slideconcord.cli.app import main

__all__ = ["main"]
