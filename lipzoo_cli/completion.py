"""`lipzoo --install-completion`: the shell completes commands, options, models and recipes.

What there is to complete is written into the script when it is installed, so that no Python starts
while somebody types; after an update it is installed again.
"""

import argparse
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from lipzoo_catalogue.registry import list_models
from lipzoo_cli.bundled_recipes import bundled_recipes
from lipzoo_cli.parser import USAGES, command_parsers

SHELLS = ("bash", "zsh", "fish")


def install_completion(shell: str, environment: Mapping[str, str] = os.environ) -> str:
    """Writes the script of a shell where the shell looks for it, and says so.

    Args:
        shell: `"bash"`, `"zsh"`, `"fish"`, or `"auto"` for that of the environment's `SHELL`.
        environment: variables of the environment.

    Returns:
        What was written, and what remains to be done.

    Raises:
        ValueError: for another shell.
        OSError: if the script cannot be written.
    """
    if shell == "auto":
        shell = Path(environment.get("SHELL", "")).name
    if shell not in SHELLS:
        raise ValueError(
            f"--install-completion: expected one of {', '.join(SHELLS)}. Received: {shell!r}"
        )
    home = Path(environment.get("HOME", "~")).expanduser()
    data = Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config")
    path = {
        "bash": data / "bash-completion" / "completions" / "lipzoo",
        "zsh": data / "lipzoo" / "completion.zsh",
        "fish": config / "fish" / "completions" / "lipzoo.fish",
    }[shell]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(completion_script(shell), encoding="utf-8")
    last = {
        "bash": "New shells know it, where the package bash-completion is installed; elsewhere put "
        f"`source {path}` into ~/.bashrc.",
        "zsh": f"Put `source {path}` into ~/.zshrc.",
        "fish": "New shells know it.",
    }[shell]
    return f"{path} is written. {last}"


def completion_script(shell: str) -> str:
    """The script for a shell, see `SHELLS`."""
    if shell == "fish":
        return "\n".join(_fish()) + "\n"
    script = "\n".join(_bash()) + "\n"
    if shell == "zsh":
        return f"autoload -U +X compinit && compinit\n{_BASHCOMPINIT}{script}"
    return script


_BASHCOMPINIT = "autoload -U +X bashcompinit && bashcompinit\n"
_BEFORE = """\
_lipzoo() {
  local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="COMMANDS"
  else
    case "${COMP_WORDS[1]} $before" in"""
_BETWEEN = """\
      *)
        case "${COMP_WORDS[1]} $word" in"""
_AFTER = """\
        esac ;;
    esac
  fi
  COMPREPLY=( $(compgen -W "$words" -- "$word") )
}
complete -o bashdefault -o default -F _lipzoo lipzoo"""


def _bash() -> Iterator[str]:
    """What finds no word completes as the name of a file."""
    commands = _commands()
    yield _BEFORE.replace("COMMANDS", " ".join([*commands, "--help", "--version"]))
    for name, command in commands.items():
        for action in command.options:
            if action.choices:
                options = "|".join(f'"{name} {option}"' for option in action.option_strings)
                yield f'      {options}) words="{" ".join(map(str, action.choices))}" ;;'
    yield _BETWEEN
    for name, command in commands.items():
        options = " ".join(o for action in command.options for o in action.option_strings)
        yield f'          "{name} -"*) words="{options}" ;;'
        if command.names:
            yield f'          "{name} "*) words="{" ".join(command.names)}" ;;'
    yield _AFTER


def _fish() -> Iterator[str]:
    for name, command in _commands().items():
        yield f"complete -c lipzoo -n __fish_use_subcommand -a {name} -d {_quoted(command.summary)}"
        seen = f"complete -c lipzoo -n '__fish_seen_subcommand_from {name}'"
        if command.names:
            yield f"{seen} -a {_quoted(' '.join(command.names))}"
        for action in command.options:
            long = next(o for o in action.option_strings if o.startswith("--"))
            said = (action.help or "").replace("%%", "%").partition(";")[0]
            values = (
                f" -r -a {_quoted(' '.join(map(str, action.choices)))}" if action.choices else ""
            )
            yield f"{seen} -l {long[2:]}{values} -d {_quoted(said)}"


class _Command(NamedTuple):
    """What there is to complete of a command."""

    summary: str
    options: list[argparse.Action]
    names: list[str]


def _commands() -> dict[str, _Command]:
    """All commands by name; models and recipes are known by name where they are asked for."""
    known = {"model": list_models(), "recipe": [*bundled_recipes()]}
    found: dict[str, _Command] = {}
    for name, command in command_parsers().items():
        actions = command._actions  # pyright: ignore[reportPrivateUsage]
        positional = [action.dest for action in actions if not action.option_strings]
        found[name] = _Command(
            USAGES[name].summary,
            [action for action in actions if action.option_strings],
            [known_name for dest in positional[:1] for known_name in known.get(dest, [])],
        )
    return found


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
