"""A small Hugging Face Hub on 127.0.0.1 for tests: commits, large files, tags, tokens, faults.

It answers the routes that `huggingface_hub` uses for models, keeps what is committed in memory, and
can be told to fail. Nothing of lipzoo is used here.
"""

import base64
import hashlib
import json
import re
import subprocess
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

LARGE = (".safetensors", ".png")
WRITER, READER = "hf_writerwriterwriter", "hf_readerreaderreader"


def git_hash(content):
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def file_hash(path, content):
    """The hash by which the Hub knows a file: SHA-256 for large ones, git's for others."""
    return hashlib.sha256(content).hexdigest() if path.endswith(LARGE) else git_hash(content)


@dataclass
class Repository:
    private: bool = False
    gated: bool = False
    commits: dict = field(default_factory=dict)
    history: list = field(default_factory=list)
    tags: dict = field(default_factory=dict)

    def commit(self, files):
        """Adds a commit of `files` to main and returns its id."""
        text = repr((self.history, sorted((p, file_hash(p, c)) for p, c in files.items())))
        commit = hashlib.sha1(text.encode()).hexdigest()
        self.commits[commit] = dict(files)
        self.history.append(commit)
        return commit

    @property
    def head(self):
        return self.history[-1]

    def resolve(self, revision):
        names = {"main": self.head, **self.tags}
        return names.get(revision, revision if revision in self.commits else None)


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
        connection ends), `"slow"`, `"stall"` (takes the request and does not go on), `"alter"` (one
        byte, or a whole other body, or other headers), `"corrupt"` (keeps other bytes than were
        sent).
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


class Handler(BaseHTTPRequestHandler):
    """Answers the routes for models."""

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
        self.cut = self.slow = self.alter = self.corrupt = None
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
        if self.cut:
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

    def error(self, status, code, message=""):
        return status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message}

    def answer(self):
        """Returns (status, body, headers)."""
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token and token not in (WRITER, READER):
            message = f"Invalid credentials in Authorization header: {token}"
            return 401, {"error": message}, {"X-Error-Message": message}
        writes = self.command in ("POST", "PUT", "DELETE") and self.route != "/api/validate-yaml"
        if writes and token != WRITER and not self.route.startswith("/objects/"):
            status = 403 if token else 401
            return status, {"error": "no"}, {"X-Error-Message": "You need write access"}
        for pattern, method in ROUTES:
            match = re.fullmatch(pattern, f"{self.command} {self.route}")
            if match:
                return getattr(self, method)(token, **match.groupdict())
        return 404, {"error": f"no route {self.route}"}, {}

    def find(self, repo, token):
        repository = self.hub.repositories.get(repo)
        if repository is None or (repository.private and not token):
            return None, self.error(
                401 if not token else 404, "RepoNotFound", "Repository not found"
            )
        if repository.gated and token != WRITER:
            return None, self.error(403, "GatedRepo", "Access to this model is restricted")
        return repository, None

    def create(self, token):
        values = json.loads(self.body)
        repo = f"{values.get('organization') or 'someone'}/{values['name']}"
        url = {"url": f"{self.hub.url}/{repo}"}
        if repo in self.hub.repositories:
            return 409, {"error": "You already created this model repo", **url}, {}
        private = values.get("visibility") == "private" or values.get("private", False)
        self.hub.repositories[repo] = Repository(private=bool(private))
        self.hub.repositories[repo].commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        return 200, url, {}

    def delete(self, token):
        values = json.loads(self.body)
        del self.hub.repositories[f"{values.get('organization') or 'someone'}/{values['name']}"]
        return 200, {}, {}

    def validate(self, token):
        return 200, {"errors": [], "warnings": []}, {}

    def whoami(self, token):
        if not token:
            return 401, {"error": "no"}, {}
        return 200, {"type": "user", "name": "someone", "orgs": []}, {}

    def preupload(self, token, repo, revision):
        repository, refused = self.find(repo, token)
        if refused:
            return refused
        present = repository.commits[repository.head]
        return (
            200,
            {
                "files": [
                    {
                        "path": (path := file["path"]),
                        "uploadMode": "lfs" if path.endswith(LARGE) else "regular",
                        "shouldIgnore": False,
                        "oid": file_hash(path, present[path]) if path in present else None,
                    }
                    for file in json.loads(self.body)["files"]
                ]
            },
            {},
        )

    def batch(self, token, repo):
        objects = []
        for item in json.loads(self.body)["objects"]:
            if item["oid"] not in self.hub.objects:
                href = f"{self.hub.url}/objects/{item['oid']}"
                verify = f"{self.hub.url}/verify/{item['oid']}"
                item["actions"] = {"upload": {"href": href}, "verify": {"href": verify}}
            objects.append(item)
        return 200, {"transfer": "basic", "objects": objects}, {}

    def put_object(self, token, oid):
        if hashlib.sha256(self.body).hexdigest() != oid:
            return 400, {"error": "the content has another SHA-256"}, {}
        self.hub.objects[oid] = self.body
        return 200, b"", {}

    def verify_object(self, token, oid):
        return (200, {}, {}) if oid in self.hub.objects else (404, {"error": "no object"}, {})

    def commit(self, token, repo, revision):
        repository, refused = self.find(repo, token)
        if refused:
            return refused
        files = dict(repository.commits[repository.head])
        for line in self.body.decode().splitlines():
            item = json.loads(line)
            key, value = item["key"], item["value"]
            if key == "header":
                if value.get("parentCommit") not in (None, repository.head):
                    return 412, {"error": "A commit has happened since"}, {}
            elif key == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif key == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    return 400, {"error": "the large file was not uploaded"}, {}
                files[value["path"]] = self.hub.objects[value["oid"]]
            elif key == "deletedFile":
                del files[value["path"]]
        if self.corrupt:
            files["config.json"] = files["config.json"].replace(b"1", b"2")
        commit = repository.commit(files)
        url = f"{self.hub.url}/{repo}/commit/{commit}"
        return 200, {"success": True, "commitOid": commit, "commitUrl": url}, {}

    def tag(self, token, repo, revision):
        repository, refused = self.find(repo, token)
        if refused:
            return refused
        tag, commit = json.loads(self.body)["tag"], repository.resolve(revision)
        if tag in repository.tags:
            return 409, {"error": "Tag reference exists already"}, {}
        if commit is None:
            return self.error(404, "RevisionNotFound")
        repository.tags[tag] = commit
        return 200, {}, {}

    def refs(self, token, repo):
        repository, refused = self.find(repo, token)
        if refused:
            return refused
        tags = [
            {"name": name, "ref": f"refs/tags/{name}", "targetCommit": commit}
            for name, commit in repository.tags.items()
        ]
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.head}
        return 200, {"branches": [main], "tags": tags, "converts": []}, {}

    def info(self, token, repo, revision="main"):
        repository, refused = self.find(repo, token)
        if refused:
            return refused
        commit = repository.resolve(revision or "main")
        if commit is None:
            return self.error(404, "RevisionNotFound")
        siblings = []
        for path, content in repository.commits[commit].items():
            siblings.append({"rfilename": path})
            if "blobs" in self.query:
                siblings[-1] |= {"size": len(content), "blobId": git_hash(content)}
                if path.endswith(LARGE):
                    sha = hashlib.sha256(content).hexdigest()
                    lfs = {"sha256": sha, "size": len(content), "pointerSize": 130}
                    siblings[-1]["lfs"] = lfs
        values = {"_id": "1", "id": repo, "modelId": repo, "sha": commit, "siblings": siblings}
        return 200, {**values, "private": repository.private, "tags": [], "downloads": 0}, {}

    def tree(self, token, repo, revision):
        repository, refused = self.find(repo, token)
        if refused:
            return refused
        commit = repository.resolve(revision)
        if commit is None:
            return self.error(404, "RevisionNotFound")
        entries = []
        for path, content in repository.commits[commit].items():
            entry = {"type": "file", "path": path, "size": len(content), "oid": git_hash(content)}
            if path.endswith(LARGE):
                sha = hashlib.sha256(content).hexdigest()
                entry["lfs"] = {"oid": sha, "size": len(content), "pointerSize": 130}
            entries.append(entry)
        return 200, entries, {}

    def resolve(self, token, repo, revision, path):
        repository, refused = self.find(repo, token)
        if refused:
            return refused
        commit = repository.resolve(revision)
        if commit is None:
            return self.error(404, "RevisionNotFound", "Invalid rev id")
        headers = {"X-Repo-Commit": commit}
        if path not in repository.commits[commit]:
            status, body, others = self.error(404, "EntryNotFound", "Entry not found")
            return status, body, {**others, **headers}
        content = repository.commits[commit][path]
        headers |= {"ETag": f'"{file_hash(path, content)}"', "Accept-Ranges": "bytes"}
        requested = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if not requested:
            return 200, content, headers
        start = int(requested[1])
        headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        return 206, content[start:], headers


_REPO = r"(?P<repo>[\w.-]+/[\w.-]+)"
ROUTES = (
    (r"POST /api/repos/create", "create"),
    (r"DELETE /api/repos/delete", "delete"),
    (r"POST /api/validate-yaml", "validate"),
    (r"GET /api/whoami-v2", "whoami"),
    (rf"POST /api/models/{_REPO}/preupload/(?P<revision>.+)", "preupload"),
    (rf"POST /{_REPO}\.git/info/lfs/objects/batch", "batch"),
    (r"PUT /objects/(?P<oid>\w+)", "put_object"),
    (r"POST /verify/(?P<oid>\w+)", "verify_object"),
    (rf"POST /api/models/{_REPO}/commit/(?P<revision>.+)", "commit"),
    (rf"POST /api/models/{_REPO}/tag/(?P<revision>.+)", "tag"),
    (rf"GET /api/models/{_REPO}/refs", "refs"),
    (rf"GET /api/models/{_REPO}/tree/(?P<revision>[^/]+)/?", "tree"),
    (rf"GET /api/models/{_REPO}/revision/(?P<revision>.+)", "info"),
    (rf"GET /api/models/{_REPO}", "info"),
    (rf"(HEAD|GET) /{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
)
