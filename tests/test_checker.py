"""The second opinion on certificates: it confirms what is true and refutes what is forged."""

import ast
import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lipzoo
import lipzoo_cli
from lipzoo_catalogue import checker
from lipzoo_catalogue.checker.architectures import ARCHITECTURES
from lipzoo_catalogue.checker.layers import ONE
from lipzoo_catalogue.checker.report import compare
from lipzoo_catalogue.checker.tensors import parse_tensors
from lipzoo_catalogue.model_source import find
from lipzoo_cli.check_certificate import check_source
from tests.checked_models import MODELS, build, checked, save, tamper
from tests.hub_client import hub, model_files
from tests.truths import dense_jacobian

__all__ = ["hub"]
SMALLER = {"mean": [0.0] * 5, "variance": [0.1] * 5}
PACKAGE = Path(checker.__file__).parent
# What a configuration cannot hold (a denoiser is a model), and what no bound depends on.
DENOISER = {"denoiser", "averaging", "contraction", "tolerance", "max_steps"}
IRRELEVANT = {"name", "tensors", "kernel_initializer"} | DENOISER
STANDARD = set(sys.stdlib_module_names)
ALLOWED = {"numpy", "threadpoolctl", "lipzoo_catalogue.checker", "lipzoo_catalogue.formatting"}


def failing(report):
    """The layers, or the whole, whose claims are not confirmed, with the verdicts."""
    found = [*report.layers, *report.total]
    return {f.what: f.verdict for f in found if f.verdict != checker.CONFIRMED}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.stem)
def test_the_checker_shares_no_code_with_what_it_checks(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        for name in names:
            parts = name.split(".")
            known = parts[0] in STANDARD or ALLOWED & {parts[0], ".".join(parts[:2])}
            assert known, f"{path} imports {name}"


def test_the_command_imports_neither_keras_nor_lipzoo():
    program = (
        "import sys, lipzoo_cli; "
        "assert lipzoo_cli.main(['verify', 'hamnet-swissroll', '--certificate']) == 0; "
        "assert not {'keras', 'tensorflow', 'lipzoo', 'safetensors'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


@pytest.mark.parametrize("name", lipzoo.models.ARCHITECTURES)
def test_the_checker_knows_the_arguments_of_every_builder(name):
    def arguments(function):
        parameters = inspect.signature(function).parameters.values()
        return {p.name: p.default for p in parameters if p.name not in IRRELEVANT}

    assert arguments(ARCHITECTURES[name]) == arguments(lipzoo.models.ARCHITECTURES[name])


@pytest.mark.parametrize("name", lipzoo.list_models())
def test_the_certificates_of_the_zoo_are_confirmed(name):
    report = check_source(find(name))
    assert report.verdict == checker.CONFIRMED, report
    claimed = json.loads(model_files(name)["certificate.json"])
    assert [finding.what for finding in report.layers] == [r["name"] for r in claimed["layers"]]
    assert len(report.total) == 2  # certificate.json and metrics.json
    assert report.total[0].derived.rounding < 1e-9


@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_is_confirmed_and_no_jacobian_exceeds_the_bound(name, tmp_path):
    model = save(tmp_path / "model", name)
    report = checked(tmp_path / "model")
    assert report.verdict == checker.CONFIRMED, report
    derived = report.total[0].derived
    # Two derivations of one formula; the checker may be sharper, where it writes an operator down.
    assert 0.9 * lipzoo.lipschitz_bound(model).value < derived.high
    assert len(report.layers) == len(lipzoo.lipschitz_bound(model).layers)
    for point in np.random.default_rng(0).normal(size=(4, *model.input_shape[1:])):
        norm = np.linalg.norm(dense_jacobian(model, point.astype("float32")), 2)
        assert 0 < norm <= derived.high * (1 + 1e-5)


def test_the_lower_bounds_are_reached(tmp_path):
    model = save(tmp_path / "model", "mlp", activation="linear", depth=1)
    report = checked(tmp_path / "model")
    kernels = [model.get_layer(name).kernel.numpy() for name in ("dense1", "head")]
    dense, head = report.layers[-2:]
    for finding, kernel in zip((dense, head), kernels, strict=True):
        assert finding.at_least == pytest.approx(np.linalg.norm(kernel, 2), rel=1e-6)
    assert dense.at_least <= dense.derived.high


def scaled(names, factor):
    def change(tensors):
        for name in names:
            tensors[name] = (tensors[name].astype("float64") * factor).astype("float32")

    return change


@pytest.mark.parametrize(
    ("model", "layer", "factor"),
    [
        ("gradflow-image", "stage1_flow2", 1.01),
        ("gradflow-image", "axial_flow1_vertical", 1.01),
        ("gradflow-image", "head", 1.01),
        ("gradflow-sequence", "dense_flow1", 1.01),
        ("gradflow-table", "dense_flow3", 1.1),
        ("gradflow-gains", "dense_flow1", 1.01),
        ("hamnet-table", "head", 1.01),
        ("invnet-scanner", "step2_flow1", 2.5),
        ("resnet-image", "stage1_block1_out", 1.01),
        ("mlp", "dense2", 1.01),
    ],
)
def test_a_scaled_weight_refutes_the_certificate(model, layer, factor, tmp_path):
    save(tmp_path / "model", model)
    tamper(tmp_path / "model", tensors=scaled([f"{layer}.kernel"], factor))
    report = checked(tmp_path / "model")
    assert report.verdict == checker.REFUTED
    assert failing(report)[layer] == checker.REFUTED
    finding = next(finding for finding in report.layers if finding.what == layer)
    assert finding.claimed < finding.at_least <= finding.derived.high
    assert lipzoo.verify(tmp_path / "model").passed is False


def test_a_flow_that_expands_does_so_at_some_state(tmp_path):
    save(tmp_path / "model", "gradflow-image")
    tamper(tmp_path / "model", tensors=scaled(["stage1_flow1.kernel"], 1.05))
    finding = next(f for f in checked(tmp_path / "model").layers if f.what == "stage1_flow1")
    model = lipzoo.load(tmp_path / "model", verify=False)
    layer = model.get_layer("stage1_flow1")
    # All units are active at the solution of Ax + b = 1, which exists for a square patch matrix.
    kernel = layer.kernel.numpy().reshape(-1, layer.kernel.shape[-1]).astype("float64")
    patch = np.linalg.solve(kernel.T, 1.0 - layer.bias.numpy())
    point = np.tile(patch.reshape(2, 2, -1), (2, 2, 1)).astype("float32")
    norm = np.linalg.norm(dense_jacobian(layer, point), 2)
    assert norm > 1.05
    assert finding.at_least == pytest.approx(norm, rel=1e-5)


@pytest.mark.parametrize(
    ("model", "change", "verdict", "layers"),
    [
        ("hamnet-table", {"time": 1.5}, checker.NOT_CONFIRMED, 2),
        ("hamnet-verlet", {"activation": "relu"}, checker.NOT_CONFIRMED, 3),
        ("hamnet-table", {"method": "verlet"}, checker.NOT_CONFIRMED, 2),
        ("resnet-table", {"activation": "silu"}, checker.REFUTED, 2),
        ("invnet-blur", {"step_size": 1.9}, checker.REFUTED, 1),
        ("invnet-scanner", {"alpha": 0.005}, checker.REFUTED, 1),
        ("gradflow-table", {"normalization": SMALLER}, checker.REFUTED, 1),
        # These leave the bound as it is: slopes in [0, 1] are slopes in [0, 1], and a longer time
        # is divided into more steps.
        ("gradflow-image", {"activation": "tanh"}, checker.CONFIRMED, 0),
        ("invnet-blur", {"time": 30.0}, checker.CONFIRMED, 0),
        ("hamnet-table", {"time": 0.5}, checker.CONFIRMED, 0),
    ],
)
def test_a_changed_configuration_is_another_network(model, change, verdict, layers, tmp_path):
    save(tmp_path / "model", model)
    tamper(tmp_path / "model", arguments=lambda arguments: arguments.update(change))
    report = checked(tmp_path / "model")
    assert report.verdict == verdict, report
    wrong = [finding for finding in report.layers if finding.verdict != checker.CONFIRMED]
    assert len(wrong) == layers
    assert ("the whole model" in failing(report)) == (verdict != checker.CONFIRMED)


@pytest.mark.parametrize("name", ["gradflow-image", "hamnet-table", "invnet-scanner", "mlp"])
def test_a_claim_that_is_a_thousandth_too_low_is_not_confirmed(name, tmp_path):
    save(tmp_path / "model", name)
    lower = 1 - 1e-3
    tamper(
        tmp_path / "model",
        certificate=lambda v: v.update(lipschitz_bound=v["lipschitz_bound"] * lower),
    )
    report = checked(tmp_path / "model")
    assert failing(report) == {"the whole model": checker.NOT_CONFIRMED}
    tamper(
        tmp_path / "model",
        certificate=lambda v: [row.update(bound=row["bound"] * lower) for row in v["layers"]],
    )
    report = checked(tmp_path / "model")
    assert report.verdict == checker.REFUTED
    assert len(failing(report)) == 1 + len(report.layers)


def test_a_layer_does_not_pass_for_a_projection_by_its_stated_type(tmp_path):
    save(tmp_path / "model", "invnet-scanner")

    def disguise(values):
        (row,) = [row for row in values["layers"] if row["name"] == "tikhonov"]
        row.update(type="Clip", bound=1.0)

    tamper(tmp_path / "model", certificate=disguise)
    assert "tikhonov" in failing(checked(tmp_path / "model"))


def test_a_layer_that_the_architecture_does_not_have_is_not_confirmed(tmp_path):
    save(tmp_path / "model", "mlp")
    row = {"name": "dense9", "type": "Dense", "bound": 1.0, "derivation": ""}
    tamper(tmp_path / "model", certificate=lambda v: v["layers"].append(row))
    report = checked(tmp_path / "model")
    assert report.verdict == checker.NOT_CONFIRMED
    assert report.strangers == ("dense9",)
    assert "dense9" in str(report)
    assert "no such layer" in str(report)


def test_what_the_checker_cannot_tell_is_not_confirmed(tmp_path):
    # The smallest singular values of the scanner are known to 1e-14, which is far too little here.
    save(tmp_path / "model", "invnet-scanner", alpha=1e-26)
    report = checked(tmp_path / "model")
    assert report.total[0].derived.rounding > 1
    assert failing(report)["tikhonov"] == checker.NOT_CONFIRMED

    def claim_much(certificate):
        certificate["layers"][0]["bound"] = certificate["lipschitz_bound"] = 1e15

    tamper(tmp_path / "model", certificate=claim_much)
    assert failing(checked(tmp_path / "model")) == {}


def _set(name, value):
    return lambda tensors: tensors.update({name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arguments": lambda v: v.update(activation="gelu")}, "does not decrease"),
        ({"arguments": lambda v: v.update(activation="step")}, "whose slopes the checker knows"),
        ({"arguments": lambda v: v.update(widht=3)}, "Did you mean 'width'"),
        ({"arguments": lambda v: v.pop("num_classes")}, "no argument 'num_classes'"),
        ({"arguments": lambda v: v.update(stem=0)}, "stem to be an integer of at least 1"),
        ({"arguments": lambda v: v.update(head="other")}, "head to be one of"),
        (
            {"arguments": lambda v: v.update(dense_depth=2)},
            "a tensor 'dense_flow2.kernel'",
        ),
        ({"arguments": lambda v: v.update(dense_depth=0)}, "2 more, dense_flow1.bias"),
        ({"tensors": lambda v: v.pop("head.bias")}, "expected a tensor 'head.bias'"),
        ({"tensors": _set("extra.kernel", np.ones(3))}, "1 more, extra.kernel"),
        ({"tensors": _set("head.bias", np.ones(4, "float32"))}, "'head.bias' of shape (3,)"),
        ({"tensors": _set("head.bias", np.full(3, np.nan))}, "NaN or infinity in 'head.bias'"),
        ({"tensors": _set("head.bias", np.ones(3, "int32"))}, "of type I32"),
        ({"arguments": lambda v: v.update(include_top=1)}, "include_top to be true or false"),
        ({"certificate": lambda v: v["layers"][0].update(bound="1")}, "at least 0 for"),
        ({"certificate": lambda v: v["layers"][0].update(bound=10**400)}, "at least 0 for"),
    ],
)
def test_what_does_not_fit_together_is_an_input_error(change, message, tmp_path, capsys):
    save(tmp_path / "model", "gradflow-image")
    tamper(tmp_path / "model", **change)
    assert lipzoo_cli.main(["verify", "--certificate", str(tmp_path / "model")]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert "Received" in printed or "argument" in printed
    assert len(printed.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"time": 1e9}, "time of at most 1000 steps of size 2"),
        ({"bounds": [1.0, 0.0]}, "bounds to be two increasing numbers"),
        ({"bounds": [0.5]}, "bounds to be two increasing numbers"),
    ],
)
def test_arguments_that_no_reconstruction_has_are_refused(change, message, tmp_path):
    save(tmp_path / "model", "invnet-blur")
    tamper(tmp_path / "model", arguments=lambda arguments: arguments.update(change))
    with pytest.raises(ValueError, match=message):
        checked(tmp_path / "model")


@pytest.mark.parametrize("layers", [None, "abc", 7, {}, ["dense1"], [None], [7]])
def test_layers_in_another_form_are_an_input_error(layers):
    with pytest.raises(ValueError, match=r"list of objects\. Received: "):
        compare("model", "MLP", {}, ONE, {"layers": layers, "lipschitz_bound": 1.0}, {})


def test_a_header_nested_without_end_is_an_input_error():
    header = b'{"a":' + b"[" * 200_000
    content = len(header).to_bytes(8, "little") + header
    with pytest.raises(ValueError, match="expected a safetensors file"):
        parse_tensors(content, "model.safetensors")


def test_an_unknown_architecture_is_named(tmp_path, capsys):
    save(tmp_path / "model", "mlp")
    config = tmp_path / "model" / "config.json"
    config.write_text(config.read_text().replace('"MLP"', '"Transformer"'))
    tamper(tmp_path / "model")
    assert lipzoo_cli.main(["verify", "--certificate", str(tmp_path / "model")]) == 2
    assert "Received: architecture='Transformer'" in capsys.readouterr().err


def test_exit_codes_and_json(tmp_path, capsys):
    folder = tmp_path / "model"
    save(folder, "gradflow-image")
    command = ["verify", "--certificate", str(folder)]
    assert lipzoo_cli.main([*command, "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["verdict"] == "confirmed"
    assert values["total"][0]["claimed"] <= values["total"][0]["derived"] * (1 + 1e-9)
    assert lipzoo_cli.main(command) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("model: confirmed; ")
    tamper(folder, tensors=scaled(["head.kernel"], 1.01))
    assert lipzoo_cli.main(command) == 1
    printed = capsys.readouterr()
    assert "refuted" in printed.out
    assert printed.err == f"lipzoo: {folder}: the certificate is refuted\n"
    (folder / "config.json").write_text((folder / "config.json").read_text() + " ")
    assert lipzoo_cli.main(command) == 1
    assert "truncated or altered" in capsys.readouterr().err
    (folder / "certificate.json").unlink()
    assert lipzoo_cli.main(command) == 2
    assert "expected certificate.json" in capsys.readouterr().err
    assert lipzoo_cli.main(["verify", "--certificate", "gradflow-fmnst"]) == 2
    assert "Did you mean" in capsys.readouterr().err


def test_a_model_on_the_hub_is_checked(hub, capsys):
    hub.add("someone/digits", model_files("gradflow-digits"))
    assert lipzoo_cli.main(["verify", "--certificate", "hf://someone/digits"]) == 0
    assert "digits: confirmed" in capsys.readouterr().out


def test_the_body_of_a_model_has_a_certificate_of_its_own(tmp_path):
    for name in ("gradflow-image", "hamnet-axial", "mlp", "resnet-image"):
        model, config = build(name, include_top=False)
        lipzoo.zoo.save_model(tmp_path / name, model, config)
        report = checked(tmp_path / name)
        assert report.verdict == checker.CONFIRMED
        assert "head" not in {finding.what for finding in report.layers}
