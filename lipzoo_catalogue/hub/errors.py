"""What went wrong with the Hub, said once: what it may be, and what to do."""

import contextlib
import re
from collections.abc import Generator, Iterator
from typing import cast

_SHOWN = 200
_TOKEN = re.compile(r"hf_[A-Za-z0-9]{6,}")
_ADVICE_ON_TOKENS = (
    "set HF_TOKEN or pass token=... (a token of an account that may see it: Settings, Access "
    "Tokens on the Hub)"
)


class HubError(OSError):
    """The Hub could not be reached, did not have what was asked for, or refused it."""


@contextlib.contextmanager
def hub_errors(action: str, token: str | bool | None = None) -> Generator[None]:
    """Within this context, errors of `huggingface_hub` become a `HubError` of one sentence or two.

    No message contains an access token, whatever the server sent.

    Args:
        action: what was being done, such as `"download config.json of hf://owner/repo"`.
        token: the token that was passed on, which is then taken out of messages.

    Raises:
        HubError: for each error of the Hub, of the network, or of what the server sent.

    >>> with hub_errors("download it", token="secret"):
    ...     raise ConnectionError("the server said: secret")
    Traceback (most recent call last):
    ...
    lipzoo_catalogue.hub.errors.HubError: Cannot download it: the server said: ***. Check ...
    """
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    # The errors of whatever HTTP library the client is built on share this base.
    http_error = cast(type[Exception], HfHubHTTPError.__bases__[0])
    # What a server that is no Hub answers is not even looked up without an error.
    nonsense = (ValueError, KeyError, TypeError, AttributeError, AssertionError)
    try:
        yield
    except HubError:
        raise
    except (http_error, OSError, OfflineModeIsEnabled, RuntimeError, *nonsense) as error:
        raise HubError(without_tokens(f"Cannot {action}: {_explained(error)}", token)) from None


def without_tokens(text: str, token: str | bool | None = None) -> str:
    """Returns `text` with every access token replaced by `***`.

    >>> without_tokens("Bearer hf_abcdefgh12345 and mine", token="mine")
    'Bearer *** and ***'
    """
    from huggingface_hub import get_token

    for secret in (token, get_token()):
        if isinstance(secret, str) and secret:
            text = text.replace(secret, "***")
    return _TOKEN.sub("***", text)


def status_of(error: BaseException) -> int | None:
    """Returns the HTTP status that an error or one of its causes bears, or `None`."""
    for cause in _causes(error):
        response = getattr(cause, "response", None)
        if response is not None:
            return response.status_code
    return None


def _explained(error: BaseException) -> str:
    from huggingface_hub import errors

    for cause in _causes(error):
        for kind, text in (
            (errors.GatedRepoError, "the repository is gated. Ask for access on its page, then "),
            (
                errors.RepositoryNotFoundError,
                "the repository does not exist, or it is private and the token may not see it. "
                "Check the name; for a private one ",
            ),
        ):
            if isinstance(cause, kind):
                return text + _ADVICE_ON_TOKENS
        if isinstance(cause, errors.RevisionNotFoundError):
            return "the repository has no such revision (a full commit id, a tag or a branch)"
        if isinstance(cause, errors.LocalEntryNotFoundError) and cause.__cause__ is None:
            return (
                "it is not in the cache, and the network is not to be used (local_files_only, "
                "HF_HUB_OFFLINE). Download it first: lipzoo download"
            )
        if isinstance(cause, errors.EntryNotFoundError) and status_of(cause) == 404:
            return "the repository has no such file at that revision; is it a model of lipzoo?"
        if isinstance(cause, errors.OfflineModeIsEnabled):
            return "the network is not to be used (HF_HUB_OFFLINE is set)"
    status = status_of(error)
    if status is not None:
        return _explained_status(status, error)
    last = list(_causes(error))[-1]
    text = str(last).strip().splitlines()
    reason = text[0][:_SHOWN].rstrip(".") if text else type(last).__name__
    return f"{reason}. Check the network, HF_ENDPOINT and the space on the disk, and try again"


def _explained_status(status: int, error: BaseException) -> str:
    said = next((m for c in _causes(error) if (m := getattr(c, "server_message", None))), None)
    said = f" ({' '.join(said.split())[:_SHOWN]})" if said else ""
    if status == 401:
        return f"the Hub does not accept the token{said}; {_ADVICE_ON_TOKENS}"
    if status == 403:
        return f"the token has no permission for this{said}; it needs the right to write there"
    if status == 409:
        return f"it exists already, or is being changed by someone else{said}; try again"
    if status == 412:
        return f"the repository was changed by someone else meanwhile{said}; try again"
    if status == 429:
        return f"the Hub asks for fewer requests{said}; try again in some minutes"
    if status >= 500:
        return f"the Hub has an internal trouble, status {status}{said}; try again later"
    return f"the Hub refused it, status {status}{said}"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, then what it was raised from."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
