"""Programs that run in a process of their own."""

import atexit
import functools
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import keras

ROOT = Path(__file__).parent.parent
# Its children have imported what nearly every program imports first, which takes longer than all
# that most of them do then, and have computed nothing yet.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["keras", "lipzoo", "lipzoo.training", "lipzoo_cli"])
# The command line, with the arguments of the process.
COMMAND = "import sys, lipzoo_cli; sys.exit(lipzoo_cli.main())"
# What is read when a backend is imported is that of this process.
_READ_AT_IMPORT = ("JAX_ENABLE_X64", "KERAS_BACKEND", "KERAS_HOME", "PYTHONPATH")


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


def fresh(program, *arguments, cwd=ROOT, **environment):
    """Runs a program that uses lipzoo and fails where it does; returns what it printed."""
    process = Fresh(program, *arguments, cwd=cwd, **environment)
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return printed


class Fresh:
    """A process under this backend that has imported lipzoo and knows nothing of this one.

    With the names of `subprocess.Popen`.
    """

    def __init__(self, program, *arguments, cwd=ROOT, **environment):
        assert not set(environment) & set(_READ_AT_IMPORT), environment
        folder = Path(tempfile.mkdtemp(dir=_folder()))
        self._outputs = [folder / "stdout", folder / "stderr"]
        for path in self._outputs:
            path.touch()
        call = (program, [str(word) for word in arguments], str(cwd), self._outputs)
        values = {**os.environ, "KERAS_BACKEND": keras.backend.backend(), **environment}
        # One that hangs ends with the tests.
        self._process = _FORKS.Process(target=_run, args=(*call, values), daemon=True)
        self._process.start()

    @property
    def returncode(self):
        return self._process.exitcode

    def poll(self):
        return self._process.exitcode

    def wait(self, timeout=None):
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self._process.name, timeout)
        return self._process.exitcode

    def communicate(self, timeout=None):
        self.wait(timeout)
        return [path.read_text() for path in self._outputs]

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self._process.pid, number)

    def kill(self):
        self._process.kill()


@functools.cache
def _folder():
    folder = tempfile.mkdtemp(prefix="lipzoo-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _run(program, arguments, cwd, outputs, environment):
    for descriptor, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY), descriptor)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = ["-c", *arguments]
    try:
        exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
    finally:
        # multiprocessing leaves these out.
        atexit._run_exitfuncs()
