"""Environments of the other libraries, outside the project's own."""

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

CACHE = Path.home() / ".cache" / "lipzoo-peers"
COMPLETE = "complete.json"


@dataclasses.dataclass(frozen=True)
class Peer:
    """Another library: what to install, and what to import to see that it is there."""

    name: str
    requirements: tuple[str, ...]
    module: str
    paper: str


PEERS = (
    Peer("deel-lip", ("deel-lip==1.5.0", "tensorflow==2.15.1"), "deel.lip", "arXiv:2006.06520"),
    Peer(
        "orthogonium",
        ("orthogonium==0.0.4", "torch==2.13.0"),
        "orthogonium.layers",
        "arXiv:2501.07930",
    ),
)


class PeerError(RuntimeError):
    """A library that cannot be installed or run; the message says what its process said."""


def prepare(peer: Peer, folder: Path, python: str) -> Path:
    """Returns the interpreter of a library's environment, which is made where there is none.

    An environment that was finished with the same requirements is used again; any other at its
    place is replaced.

    Args:
        peer: the library.
        folder: where the environments lie.
        python: the interpreter to make it with.

    Raises:
        PeerError: if the environment cannot be made, installed into or imported from.
    """
    home = folder / peer.name
    interpreter, complete = home / "bin" / "python", home / COMPLETE
    wanted = {"requirements": list(peer.requirements), "python": python}
    if complete.exists() and json.loads(complete.read_text(encoding="utf-8")) == wanted:
        print(f"{peer.name}: environment in {home}", flush=True)
        return interpreter
    print(f"{peer.name}: making an environment in {home}", flush=True)
    shutil.rmtree(home, ignore_errors=True)
    run(peer.name, [python, "-m", "venv", str(home)])
    print(f"{peer.name}: installing {', '.join(peer.requirements)}", flush=True)
    run(peer.name, [str(interpreter), "-m", "pip", "install", "--quiet", *peer.requirements])
    run(peer.name, [str(interpreter), "-c", f"import {peer.module}"])
    complete.write_text(json.dumps(wanted), encoding="utf-8")
    return interpreter


def run(name: str, command: list[str], **options) -> None:
    """Runs a library's command; `options` go to `subprocess.run`.

    Raises:
        PeerError: with the last lines of its output, if it fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, **options)
    except OSError as error:
        raise PeerError(f"{name}: {command[0]} cannot be run: {error}") from None
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-5:])
        shown = " ".join(command)
        raise PeerError(f"{name}: `{shown}` ended with status {done.returncode}:\n{last}")
