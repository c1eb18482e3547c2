"""Checking everything about a model that can be checked without its data."""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lipzoo.bounds import lipschitz_bound
from lipzoo.float64 import computes_in_float64
from lipzoo.zoo.loading import CLAIM_TOLERANCE, load_tensors
from lipzoo.zoo.probing import compare
from lipzoo.zoo.weights import parse_weights
from lipzoo_catalogue.card_text import CardText
from lipzoo_catalogue.certificate_claim import check_belonging
from lipzoo_catalogue.files import (
    CARD,
    CERTIFICATE,
    CONFIG,
    METRICS,
    MODEL_FILES,
    WEIGHTS,
    record_of,
)
from lipzoo_catalogue.formatting import format_size, format_up
from lipzoo_catalogue.hub.client import HubSettings
from lipzoo_catalogue.model_config import ModelConfig
from lipzoo_catalogue.model_source import Source, find
from lipzoo_catalogue.tasks import read_metrics


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Args:
        what: the file or the statement.
        passed: whether it holds.
        detail: what was found.
    """

    what: str
    passed: bool
    detail: str

    def __str__(self):
        return f"{'ok    ' if self.passed else 'FAILED'}  {self.what:<18} {self.detail}"


@dataclass(frozen=True)
class Verification:
    """What `verify` found; printed, one line for each check.

    Args:
        name: the model.
        where: its folder, or its address on the Hub.
        checks: every check, in the order in which they were made.
    """

    name: str
    where: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """The checks as JSON values."""
        return {**dataclasses.asdict(self), "passed": self.passed}

    def __str__(self):
        end = "verified" if self.passed else "NOT verified"
        return "\n".join([*map(str, self.checks), f"{self.name} ({self.where}): {end}"])


def verify(
    name: str | Path,
    *,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    token: str | bool | None = None,
    report: Callable[[Check], None] | None = None,
) -> Verification:
    """Checks the files of a model and derives its bound again.

    Every file is read once and hashed before it is parsed: against the registry for a model of the
    zoo, against the certificate and the hashes of the Hub elsewhere. The configuration is read and
    the model built from it, the weights are parsed and put in, the bound is derived from them and
    must not exceed the claimed one, in total and for each layer, the outputs at the inputs that the
    certificate stores must agree up to the proven rounding error, and the test results must be
    well-formed. A check that fails does not end the others, unless they depend on it.

    Args:
        name: as in `lipzoo.load`.
        revision: as in `lipzoo.load`; this and the following concern models on the Hub.
        cache_dir: as in `lipzoo.load`.
        local_files_only: as in `lipzoo.load`.
        token: as in `lipzoo.load`.
        report: called with each `Check` when it is made.

    Returns:
        A `Verification`.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the name is unknown.
        HubError: if it cannot be downloaded.

    Example:

    >>> import lipzoo
    >>> lipzoo.verify("hamnet-swissroll").passed
    True
    """
    settings = HubSettings(cache_dir, local_files_only, token)
    source = find(name, revision=revision, settings=settings, want="everything")
    verifier = _Verifier(source, report or (lambda check: None))
    verifier.run()
    where = str(source.location or source.folder)
    return Verification(source.name, where, tuple(verifier.checks))


class _Verifier:
    """Makes the checks one after another."""

    def __init__(self, source: Source, report):
        self.source, self.report = source, report
        self.checks, self.contents = [], {}

    def run(self):
        for file in self.files():
            self.check(file, lambda file=file: self.hashed(file))
        config = self.check("configuration", self.configured, needs=(CONFIG,))
        tensors = self.check("weights", self.parsed, needs=(WEIGHTS,))
        claim = self.check("certificate", self.claimed, needs=(CERTIFICATE,))
        if config and tensors:
            model = self.check("network", lambda: self.built(tensors))
            if model is not None and claim:
                bound = self.check("bound", lambda: self.bounded(model, claim))
                self.check("outputs", lambda: self.compared(model, tensors, claim, bound))
        if METRICS in self.contents:
            self.check("test results", lambda: self.measured(claim, config))
        if CARD in self.contents:
            self.check("card", self.described)

    def files(self) -> Iterable[str]:
        needed = (CONFIG, WEIGHTS, CERTIFICATE)
        return [file for file in MODEL_FILES if file in needed or self.source.has(file)]

    def check(self, what, function, needs=()):
        """Makes a check; returns what it found, or `None` if it failed or could not be made."""
        if any(file not in self.contents for file in needs):
            return None
        try:
            found, detail = function()
            check = Check(what, True, detail)
        except (ValueError, OSError) as error:
            found, check = None, Check(what, False, str(error))
        self.checks.append(check)
        self.report(check)
        return found

    def hashed(self, file):
        content = self.source.read(file)
        if file in self.source.records:
            by = "as the registry states"
        elif file != CERTIFICATE and self.source.record_of(file) is not None:
            by = "as the certificate states"
        elif self.source.location is not None:
            by = "as the Hub states"
        else:
            by = "which nothing states"
        self.contents[file] = content
        sha256 = record_of(content).sha256
        return content, f"{format_size(len(content))}, SHA-256 {sha256[:16]}…, {by}"

    def json(self, file):
        return self.source.parse_json(file, self.contents[file])

    def configured(self):
        config = ModelConfig.from_dict(self.json(CONFIG), self.source.path(CONFIG))
        return config, f"{config.architecture}, every value within its limits"

    def parsed(self):
        tensors = parse_weights(self.contents[WEIGHTS], self.source.path(WEIGHTS))
        parameters = sum(tensor.size for tensor in tensors.values())
        entry = self.source.entry
        if self.source.records and entry is not None and parameters != entry.parameters:
            raise ValueError(
                f"expected {entry.parameters} parameters, as the registry states. "
                f"Received: {parameters}"
            )
        return tensors, f"{len(tensors)} tensors, {parameters:,} finite numbers"

    def claimed(self):
        claim = self.source.claim
        if claim is None:
            raise FileNotFoundError(f"{self.source.folder}: expected {CERTIFICATE}")
        return claim, f"claims a bound of {format_up(claim.lipschitz_bound)}, for these files"

    def built(self, tensors):
        model = load_tensors(self.source, tensors)
        return model, f"built from the configuration; all {len(tensors)} tensors fit"

    def bounded(self, model, claim):
        bound = lipschitz_bound(model)
        rows = {row.get("name"): row.get("bound") for row in claim.layers}
        derived = {"the whole model": bound.value}
        claimed = {"the whole model": claim.lipschitz_bound, **rows}
        # A later version may have further rows; what is claimed of a layer is compared.
        derived |= {row.name: row.bound.value for row in bound.layers if row.name in rows}
        for name, value in derived.items():
            stated = claimed[name]
            if not isinstance(stated, int | float) or not value <= stated * (1 + CLAIM_TOLERANCE):
                raise ValueError(
                    f"expected a bound of at most {stated!r} for {name}, as the certificate "
                    f"claims. Received: {value!r}, derived from the weights"
                )
        detail = f"{format_up(bound.value)}, derived again from the weights; not above the claim"
        return bound, detail + (f", nor in any of {len(derived) - 1} layers" if rows else "")

    def compared(self, model, tensors, claim, bound):
        config, probes = model.lipzoo_config, claim.probes
        if probes is None:
            return claim, "none are stored to compare with: saved by an earlier version"
        built = {model.compute_dtype: (model, bound)}
        if computes_in_float64():
            reference = load_tensors(self.source, tensors, dtype="float64")
            built[reference.compute_dtype] = (reference, None)
        found = []
        for dtype, (network, known) in built.items():
            apart = compare(network, config, probes, known)
            if apart is None:
                found.append(f"{dtype}: its rounding has no finite bound, so nothing is compared")
                continue
            distance, most = apart
            if not distance <= most:
                raise ValueError(
                    f"expected the outputs that the certificate stores for {len(probes.outputs)} "
                    f"inputs, up to {most:.3g} of rounding in {dtype}. Received: outputs "
                    f"{distance:.3g} away; what was built is another function"
                )
            found.append(f"{dtype}: {distance:.1e} apart, at most {most:.1e} by rounding")
        return claim, f"at {len(probes.outputs)} inputs as stored; {'; '.join(found)}"

    def measured(self, claim, config):
        path = self.source.path(METRICS)
        values = self.json(METRICS)
        metrics = read_metrics(values, path, config)
        if WEIGHTS in self.contents:
            check_belonging(values, record_of(self.contents[WEIGHTS]), path)
        stated = values.get("lipschitz_bound")
        if claim and stated is not None and stated != claim.lipschitz_bound:
            relative = abs(stated / claim.lipschitz_bound - 1) if claim.lipschitz_bound else 1
            if relative > CLAIM_TOLERANCE:
                raise ValueError(
                    f"{path}: key 'lipschitz_bound': expected {claim.lipschitz_bound!r}, as the "
                    f"certificate claims. Received: {stated!r}"
                )
        return metrics, f"{metrics.task}, {metrics.examples:,} test examples, consistent"

    def described(self):
        text = self.contents[CARD].decode()
        return CardText.from_toml(text, self.source.path(CARD)), "well-formed"
