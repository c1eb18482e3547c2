"""Repositories of the small Hub of the tests: commits, tags, and the hashes of files."""

import hashlib
from dataclasses import dataclass, field

LARGE = (".safetensors", ".png", ".parquet")
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
