"""What the small Hub of the tests answers, route by route."""

import base64
import hashlib
import json
import re

from tests.hub_storage import LARGE, READER, WRITER, Repository, file_hash, git_hash


class Routes:
    """Answers of a Hub: each method returns status, body and headers.

    A request handler that inherits this has `hub`, `command`, `route`, `query`, `headers`, `body`
    and `corrupt`.
    """

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
# The Hub keeps data sets beside models; here both are repositories of one kind.
_API = rf"/api/(?:models|datasets)/{_REPO}"
ROUTES = (
    (r"POST /api/repos/create", "create"),
    (r"DELETE /api/repos/delete", "delete"),
    (r"POST /api/validate-yaml", "validate"),
    (r"GET /api/whoami-v2", "whoami"),
    (rf"POST {_API}/preupload/(?P<revision>.+)", "preupload"),
    (rf"POST /{_REPO}\.git/info/lfs/objects/batch", "batch"),
    (r"PUT /objects/(?P<oid>\w+)", "put_object"),
    (r"POST /verify/(?P<oid>\w+)", "verify_object"),
    (rf"POST {_API}/commit/(?P<revision>.+)", "commit"),
    (rf"POST {_API}/tag/(?P<revision>.+)", "tag"),
    (rf"GET {_API}/refs", "refs"),
    (rf"GET {_API}/tree/(?P<revision>[^/]+)/?", "tree"),
    (rf"GET {_API}/revision/(?P<revision>.+)", "info"),
    (rf"GET {_API}", "info"),
    (rf"(HEAD|GET) /(?:datasets/)?{_REPO}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", "resolve"),
)
