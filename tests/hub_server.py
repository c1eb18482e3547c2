"""A small Hugging Face Hub on 127.0.0.1 for tests: commits, large files, tags, tokens, faults.

It answers the routes that `huggingface_hub` uses for models (`hub_routes`), keeps what is committed
in memory (`hub_storage`), and can be told to fail. Nothing of lipzoo is used here.
"""

import hashlib
import json
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.hub_routes import Routes
from tests.hub_storage import LARGE, READER, WRITER, Repository

__all__ = ["READER", "WRITER", "Hub"]


@dataclass
class Fault:
    """What happens to requests `METHOD path` that match `pattern`, `times` times."""

    pattern: str
    kind: str
    times: int = 1
    status: int = 500
    headers: dict = field(default_factory=dict)
    body: bytes = b"no"
    seconds: float = 0.02


class Hub:
    """The server: `with Hub() as hub: ... hub.url`."""

    def __init__(self):
        self.repositories, self.objects, self.faults, self.requests = {}, {}, [], []
        self.lock = threading.RLock()
        self.server = ThreadingHTTPServer(
            ("127.0.0.1", 0), type("Bound", (Handler,), {"hub": self})
        )
        self.server.daemon_threads = True

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def add(self, repo, files, **options):
        """Puts a repository with one commit there and returns the commit's id."""
        repository = self.repositories.setdefault(repo, Repository(**options))
        return repository.commit(files)

    def fail(self, pattern, kind="status", **options):
        """Makes requests that match `pattern` go wrong.

        Kinds: `"status"` (an error page), `"drop"` (no answer), `"cut"` (half of the body, then the
        connection ends), `"hang"` (half of the body, then nothing), `"slow"`, `"stall"` (takes the
        request and does not go on), `"alter"` (one byte, or a whole other body, or other headers),
        `"corrupt"` (keeps other bytes than were sent).
        """
        self.faults.append(Fault(pattern, kind, **options))

    def fault(self, line):
        with self.lock:
            for fault in self.faults:
                if fault.times and re.search(fault.pattern, line):
                    fault.times -= 1
                    return fault
        return None

    def files(self, repo):
        """What is on main."""
        repository = self.repositories[repo]
        return repository.commits[repository.head]

    def state(self):
        """Everything that a client can see, to be compared."""
        return {
            name: (list(repository.history), dict(repository.tags))
            for name, repository in self.repositories.items()
        }

    def write_git(self, repo, folder):
        """Writes main as a git repository with pointers for large files; returns its commit."""
        folder.mkdir(parents=True)
        for path, content in self.files(repo).items():
            if path.endswith(LARGE):
                oid = hashlib.sha256(content).hexdigest()
                target = folder / ".git" / "lfs" / "objects" / oid[:2] / oid[2:4] / oid
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
                content = (
                    "version https://git-lfs.github.com/spec/v1\n"
                    f"oid sha256:{oid}\nsize {len(content)}\n"
                ).encode()
            (folder / path).write_bytes(content)
        git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@example.org"]
        for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-qm", "all"]):
            subprocess.run([*git, *command], check=True, capture_output=True)
        shown = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True)
        return shown.stdout.decode().strip()


class Handler(Routes, BaseHTTPRequestHandler):
    """Takes requests, lets faults happen and sends the answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    hub: Hub

    def log_message(self, *_):
        """Tests read `hub.requests` instead."""

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        split = urlsplit(self.path)
        self.route, self.query = unquote(split.path), parse_qs(split.query)
        line = f"{self.command} {self.route}"
        self.hub.requests.append(line)
        self.cut = self.slow = self.alter = self.corrupt = self.hang = None
        fault = self.hub.fault(line)
        if fault is not None and fault.kind == "stall":
            # Takes a part of the body and waits, as over a line that hangs.
            self.rfile.read(min(length, 100))
            time.sleep(fault.seconds)
            self.close_connection = True
            return
        if self.headers.get("Transfer-Encoding") == "chunked":
            self.body = b"".join(iter(self.read_chunk, b""))
        else:
            self.body = self.rfile.read(length)
        if fault is not None:
            if fault.kind == "status":
                self.reply(fault.status, fault.body, fault.headers)
                return
            if fault.kind == "drop":
                self.close_connection = True
                return
            setattr(self, fault.kind, fault)
        with self.hub.lock:
            answer = self.answer()
        self.reply(*answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any

    def read_chunk(self):
        size = int(self.rfile.readline(), 16)
        content = self.rfile.read(size)
        self.rfile.readline()
        return content

    def reply(self, status, body=b"", headers=None):
        headers = dict(headers or {})
        if isinstance(body, dict | list):
            body, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
        if self.alter:
            body, headers = self.altered(body, headers)
        self.send_response(status)
        headers.setdefault("Content-Length", str(len(body)))
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.hang:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            time.sleep(self.hang.seconds)
            self.close_connection = True
        elif self.cut:
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif self.slow:
            for start in range(0, len(body), 1 + len(body) // 10):
                time.sleep(self.slow.seconds)
                self.wfile.write(body[start : start + 1 + len(body) // 10])
                self.wfile.flush()
        else:
            self.wfile.write(body)

    def altered(self, body, headers):
        if self.alter.headers:
            return body, {**headers, **self.alter.headers}
        if self.alter.body != b"no":
            return self.alter.body, {**headers, "Content-Length": str(len(self.alter.body))}
        middle = len(body) // 2
        return body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :], headers
