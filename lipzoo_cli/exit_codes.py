"""Exit codes: what a command ends with, and one line instead of a traceback."""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import NoReturn

from lipzoo_catalogue.hub.errors import HubError

EXIT_CODES = """\
exit codes:
  0  done
  1  a check failed: recomputed numbers differ from the published ones, a bound does not hold, a
     file was altered, training diverged
  2  usage or input error: unknown name or option, unusable recipe, data or folder
  3  the Hub could not be reached, does not have what was asked for, or refused
  130, 143  interrupted (Ctrl-C, SIGTERM); continue a training with --resume
"""


Command = Callable[[argparse.Namespace], None]
"""What a command is: a function of the parsed arguments."""


class CheckFailed(Exception):
    """A check that failed: exit code 1."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, raised between two steps of the main thread."""


def run_command(
    command: Command,
    arguments: argparse.Namespace,
    failures: tuple[type[Exception], ...] = (),
    mistakes: tuple[type[Exception], ...] = (),
) -> int:
    """Runs a command and returns its exit code; a user's mistake is one line, no traceback.

    Args:
        command: function of the parsed arguments.
        arguments: the parsed arguments.
        failures: further exceptions that mean 1, as `CheckFailed` does.
        mistakes: further exceptions that mean 2, as `ValueError`, `KeyError` and `OSError` do.

    Returns:
        0 done, 1 a check failed, 2 input error, 3 trouble with the Hub, 130 or 143 interrupted.
    """
    previous = None
    if threading.current_thread() is threading.main_thread():
        previous = signal.signal(signal.SIGTERM, _terminate)
    try:
        command(arguments)
        sys.stdout.flush()
        return 0
    except (CheckFailed, *failures) as error:
        return _fail(error, 1)
    except KeyboardInterrupt as stop:
        hint = getattr(arguments, "when_interrupted", "")
        print(f"\nlipzoo {arguments.command}: interrupted{hint}", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    except BrokenPipeError:
        # The reader of the pipe is gone; nor may the interpreter flush into it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except HubError as error:
        return _fail(error, 3)
    except (ValueError, KeyError, OSError, ImportError, *mistakes) as error:
        return _fail(error, 2)
    finally:
        if previous is not None:
            signal.signal(signal.SIGTERM, previous)


def _terminate(*_: object) -> NoReturn:
    raise Terminated


def _fail(error: Exception, code: int) -> int:
    # str() of a KeyError is the repr of its message.
    message = error.args[0] if isinstance(error, KeyError) and error.args else error
    print(f"lipzoo: {message}", file=sys.stderr)
    return code
