"""The `lipzoo` command: arguments, exit codes and printing; what it does is in `lipzoo`."""

from lipzoo_cli.main import main
from lipzoo_cli.parser import build_parser

__all__ = ["build_parser", "main"]
