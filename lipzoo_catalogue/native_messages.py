"""Messages of compiled code, which knows nothing of logging levels."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Generator


@contextlib.contextmanager
def without_native_messages(always: bool = False) -> Generator[None]:
    """Keeps from stderr what compiled code writes there, unless an exception ends the context.

    Only the descriptor can be turned away: such code writes past Python's logging.

    Args:
        always: whether the messages are dropped even then, where the exception says it all.
    """
    sys.stderr.flush()
    with tempfile.TemporaryFile() as messages:
        saved = os.dup(2)
        os.dup2(messages.fileno(), 2)
        try:
            yield
        except BaseException:
            if not always:
                messages.seek(0)
                os.write(saved, messages.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
