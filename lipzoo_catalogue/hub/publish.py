"""Putting the files of a model on the Hub: one commit and a tag, or nothing."""

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lipzoo_catalogue.cards import is_untouched
from lipzoo_catalogue.files import MODEL_FILES, sha256_of
from lipzoo_catalogue.hub.client import endpoint
from lipzoo_catalogue.hub.download import git_hash
from lipzoo_catalogue.hub.errors import HubError, hub_errors, status_of
from lipzoo_catalogue.hub.location import HubLocation

if TYPE_CHECKING:
    from huggingface_hub import HfApi

README = "README.md"
_TAG = re.compile(r"[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Publication:
    """What was published.

    Args:
        repo: `owner/name`.
        revision: full commit id.
        tag: tag of the commit.
        url: address of the repository.
        card_kept: whether the README there was left as it is, since a person had edited it.
    """

    repo: str
    revision: str
    tag: str
    url: str
    card_kept: bool

    def __str__(self) -> str:
        return f"hf://{self.repo}@{self.revision} ({self.tag})"


@dataclass(frozen=True)
class _Remote:
    """The repository as it is before anything is sent."""

    head: str
    files: frozenset[str]
    tags: Mapping[str, str]
    is_new: bool


def publish_files(
    contents: Mapping[str, bytes],
    card: str,
    repo: str,
    *,
    message: str,
    token: str | bool | None = None,
    private: bool = False,
    replace_card: bool = False,
    tag: str | None = None,
) -> Publication:
    """Uploads files and card in one commit and tags it.

    The commit is made on top of the one that was there when it began and is refused if someone
    else was faster. What fails before the commit leaves the repository as it was; one that this
    call created is removed again. Files of a model that the new one does not have are deleted in
    the same commit. Afterwards the Hub's hashes are compared with those of what was sent.

    Args:
        contents: content by file name.
        card: the README.
        repo: `owner/name`; created if it does not exist.
        message: of the commit.
        token: access token; `None` for that of `HF_TOKEN` or of `hf auth login`.
        private: whether a repository that is created is private.
        replace_card: whether to replace a README that is not as lipzoo wrote it.
        tag: tag of the commit. Default: the next free one of v1, v2, ...

    Returns:
        A `Publication`.

    Raises:
        ValueError: if the repository's name or the tag cannot be one.
        HubError: if the Hub cannot be reached, refuses, or has the tag already.
    """
    from huggingface_hub import HfApi

    HubLocation(repo)
    if tag is not None and not _TAG.fullmatch(tag):
        raise ValueError(f"Expected a tag such as 'v1'. Received: tag={tag!r}")
    api = HfApi(endpoint=endpoint(), token=token)
    with hub_errors(f"open the repository {repo}", token):
        remote = _open(api, repo, private)
    committed = False
    try:
        if tag in remote.tags:
            raise HubError(f"Cannot publish to {repo}: it has a tag {tag!r} already")
        with hub_errors(f"publish to {repo}", token):
            keep = not replace_card and not _may_replace_card(api, repo, remote)
            sent = dict(contents) if keep else {**contents, README: card.encode()}
            revision = _commit(api, repo, remote, sent, message)
        committed = True
    finally:
        if remote.is_new and not committed:
            _remove(api, repo, remote)
    with hub_errors(f"check what was published at {repo}", token):
        _check(api, repo, revision, sent)
    with hub_errors(
        f"tag {revision} of {repo}, which is published but for its tag (publish it again)", token
    ):
        tag = _tag(api, repo, remote, revision, tag)
    return Publication(repo, revision, tag, f"{api.endpoint}/{repo}", keep)


def _open(api: "HfApi", repo: str, private: bool) -> _Remote:
    """Creates the repository unless it is there, and looks at it."""
    is_new = False
    try:
        api.create_repo(repo, private=private or None)
        is_new = True
    except Exception as error:
        # It exists, or the token may write here but not create.
        if status_of(error) not in (403, 409):
            raise
        try:
            api.model_info(repo)
        except Exception:
            raise error from None
    try:
        info = api.model_info(repo)
        tags = {ref.name: ref.target_commit for ref in api.list_repo_refs(repo).tags}
    except BaseException:
        if is_new:
            with contextlib.suppress(Exception):
                api.delete_repo(repo)
        raise
    files = frozenset(sibling.rfilename for sibling in info.siblings or ())
    return _Remote(info.sha or "", files, tags, is_new)


def _may_replace_card(api: "HfApi", repo: str, remote: _Remote) -> bool:
    """Whether the README there is none, or as lipzoo wrote it."""
    if README not in remote.files:
        return True
    url = f"{api.endpoint}/{repo}/resolve/{remote.head}/{README}"
    return is_untouched(_get_text(api, url))


def _get_text(api: "HfApi", url: str) -> str:
    from huggingface_hub.utils import (
        build_hf_headers,  # pyright: ignore[reportUnknownVariableType]
        get_session,
        hf_raise_for_status,
    )

    # Its annotations leave the kinds of a dictionary open, which are none of these.
    headers = build_hf_headers(token=api.token)
    response = get_session().get(url, headers=headers)
    hf_raise_for_status(response)
    return response.text


def _commit(
    api: "HfApi", repo: str, remote: _Remote, sent: Mapping[str, bytes], message: str
) -> str:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    operations = [CommitOperationAdd(file, content) for file, content in sent.items()]
    stale = [file for file in MODEL_FILES if file in remote.files and file not in sent]
    operations += [CommitOperationDelete(file) for file in stale]
    return api.create_commit(
        repo, operations, commit_message=message, parent_commit=remote.head
    ).oid


def _check(api: "HfApi", repo: str, revision: str, sent: Mapping[str, bytes]) -> None:
    """Compares the hashes that the Hub states with those of what was sent."""
    info = api.model_info(repo, revision=revision, files_metadata=True)
    found = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    for file, content in sent.items():
        there = found.get(file)
        if there is None:
            raise HubError(f"{repo} at {revision}: {file} was sent and is not there")
        if there.lfs is not None:
            expected, received = sha256_of(content), there.lfs.sha256
        else:
            expected, received = git_hash(content), there.blob_id
        if received != expected:
            raise HubError(
                f"{repo} at {revision}: {file} is not what was sent; the commit has no tag. "
                f"Expected the hash {expected}. Received: {received}"
            )


def _tag(api: "HfApi", repo: str, remote: _Remote, revision: str, tag: str | None) -> str:
    """Tags the commit, unless it has a tag already; returns the tag."""
    present = [name for name, commit in remote.tags.items() if commit == revision]
    if tag is None and present:
        return present[-1]
    if tag is None:
        numbers = [int(name[1:]) for name in remote.tags if re.fullmatch(r"v\d{1,9}", name)]
        tag = f"v{max(numbers, default=0) + 1}"
    api.create_tag(repo, tag=tag, revision=revision)
    return tag


def _remove(api: "HfApi", repo: str, remote: _Remote) -> None:
    """Removes a repository that was just created, unless someone put something there."""
    # What went wrong before is what the user has to know; an empty repository harms nobody.
    with contextlib.suppress(Exception):
        if api.model_info(repo).sha == remote.head:
            api.delete_repo(repo)
