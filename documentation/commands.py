"""The reference of the command line, from its parser."""

import argparse

from lipzoo_cli.exit_codes import EXIT_CODES
from lipzoo_cli.parser import USAGES, build_parser, command_parsers


def command_page() -> str:
    """One section a command: what it does, how it is called, its arguments, an example."""
    parser = build_parser()
    commands = command_parsers()
    parts = ["# Command line", parser.description or "", "```text", EXIT_CODES.rstrip(), "```"]
    for name, usage in USAGES.items():
        parts += [f"## lipzoo {name}", "", usage.summary, ""]
        command = commands[name]
        command.formatter_class = _wide
        parts += ["```text", command.format_usage().removeprefix("usage: ").rstrip(), "```", ""]
        parts += [_row(action) for action in command._actions if action.dest != "help"]
        parts += ["", "```", usage.example, "```", ""]
    return "\n".join(parts) + "\n"


def _wide(prog):
    return argparse.HelpFormatter(prog, width=88)


def _row(action) -> str:
    value = "" if action.nargs == 0 else _value(action)
    names = ", ".join(f"`{name}{' ' + value if value else ''}`" for name in action.option_strings)
    said = (action.help or "").replace("%%", "%").replace("|", "\\|")
    return f"* {names or f'`{value}`'}: {said}"


def _value(action) -> str:
    if action.metavar:
        return action.metavar if isinstance(action.metavar, str) else " ".join(action.metavar)
    if action.choices:
        return "{" + ",".join(map(str, action.choices)) + "}"
    return action.dest.upper() if action.option_strings else action.dest
