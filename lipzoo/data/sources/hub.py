"""Data sets of the Hugging Face Hub, downloaded at one commit."""

from pathlib import Path

from lipzoo.data.settings import DataSettings
from lipzoo.data.sources.huggingface import read_data_set
from lipzoo.data.sources.raw import DataError, RawData
from lipzoo_catalogue.hub.client import HubSettings, patiently
from lipzoo_catalogue.hub.errors import HubError, hub_errors
from lipzoo_catalogue.hub.location import DEFAULT_REVISION, HubLocation


def read_hub(name: str, settings: DataSettings) -> RawData:
    """Reads `hf:owner/name`, `hf:owner/name/configuration`, either with `@revision`.

    A branch or a tag is resolved once, to a full commit id, which is then part of the source's
    name, and so of the record of what is trained on it. `HF_ENDPOINT`, `HF_TOKEN`, `HF_HOME` and
    `HF_HUB_OFFLINE` are honoured.

    Args:
        name: what stands behind `hf:`.
        settings: the `[data]` table of a recipe.

    Raises:
        DataError: if there is no such data set, it needs code of its own, or it is malformed.
    """
    path, _, revision = name.partition("@")
    owner, _, rest = path.partition("/")
    repository, _, configuration = rest.partition("/")
    try:
        location = HubLocation(f"{owner}/{repository}", revision or None)
    except ValueError as error:
        raise DataError(
            f"hf:{name}: expected 'hf:owner/name', 'hf:owner/name@revision' or, for one of several "
            f"configurations, 'hf:owner/name/configuration': {error}"
        ) from None
    try:
        folder = _download(location)
    except HubError as error:
        raise DataError(f"hf:{name}: {error}") from None
    pinned = f"hf:{path}@{folder.name}"
    return read_data_set(folder, configuration or None, pinned, settings)


def _download(location) -> Path:
    """The folder of all files of one commit in the Hub's cache."""
    import huggingface_hub

    options = HubSettings().arguments()
    if not options["local_files_only"]:
        api = huggingface_hub.HfApi(endpoint=options["endpoint"], token=options["token"])
        with hub_errors(f"find the data set {location.repo}", options["token"]):
            found = patiently(lambda: api.dataset_info(location.repo, revision=location.revision))
            location = location.at(found.sha)
            files = [file.rfilename for file in found.siblings or ()]
        # Before anything large is downloaded.
        check_no_code(files, location.name, f"hf:{location.repo}")
    with hub_errors(f"download the data set {location.repo}", options["token"]):
        folder = patiently(
            lambda: huggingface_hub.snapshot_download(
                location.repo,
                repo_type="dataset",
                revision=location.revision or DEFAULT_REVISION,
                **options,
            )
        )
    folder = Path(folder)
    check_no_code([file.name for file in folder.iterdir()], location.name, f"hf:{location.repo}")
    return folder


def check_no_code(files: list[str], name: str, source: str) -> None:
    """Refuses a data set that a program of its own would have to load.

    Raises:
        DataError: if there is one; it is never run.
    """
    if f"{name}.py" in files:
        raise DataError(
            f"{source}: expected files of data. Received: a data set that needs its own code, "
            f"{name}.py, which is not run; many have a branch of Parquet files, "
            "@refs/convert/parquet"
        )
