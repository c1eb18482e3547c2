"""Programs that run in a process of their own, under a backend of their own."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def python(backend, program, *arguments, **environment):
    """Runs a program under a backend, as a user would, and returns what it did."""
    settings = {key: value for key, value in os.environ.items() if key != "JAX_ENABLE_X64"}
    settings |= {"KERAS_BACKEND": backend, **environment}
    return subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        cwd=ROOT,
        env=settings,
        capture_output=True,
        text=True,
    )
