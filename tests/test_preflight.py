"""Errors of arguments and files are told before Keras is imported."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

from lipzoo_catalogue.attack_names import ATTACK_NAMES

ROOT = Path(__file__).parents[1]
_RUN = """
import json, sys
import lipzoo_cli
heavy = ("keras", "tensorflow", "jax", "torch", "lipzoo")
for arguments in json.load(sys.stdin):
    print("#", file=sys.stderr)
    code = lipzoo_cli.main(arguments)
    print(json.dumps([code, [name for name in heavy if name in sys.modules]]))
"""
MODEL = "gradflow-digits"
CASES = {
    ("audit", "none", "--claim", "1"): "none",
    ("audit", "none.onnx", "--claim", "1"): "ONNX file",
    ("audit", "{keras}", "--claim", "1"): "broken.keras: expected a .keras file",
    ("audit", MODEL, "--claim", "0"): "--claim",
    ("audit", MODEL, "--claim", "1", "--steps", "-1"): "--steps",
    ("audit", MODEL, "--claim", "1", "--data", "{npy}"): "broken.npy: expected a .npy file",
    ("audit", MODEL, "--claim", "1", "--data", "{npz}"): "--data: expected a file",
    ("audit", MODEL, "--claim", "1", "--out", "none/a.npz"): "folder that exists",
    ("certify", MODEL, "{npz}"): "broken.npz: expected a .npz file",
    ("certify", MODEL, "{npy}"): "broken.npy: expected a .npy file",
    ("certify", MODEL, "{parquet}"): "broken.parquet: expected a .parquet file",
    ("certify", MODEL, "tfds:"): "tfds:NAME",
    ("certify", MODEL, "hf:owner"): "hf:OWNER/NAME",
    ("certify", MODEL, "hf:./none"): "no such file",
    ("certify", "invnet-ct28", "{data}"): "Expected a classifier",
    ("conformal", MODEL, "{data}", "{data}"): "which has no labels",
    ("evaluate", MODEL, "--epsilon", "-1"): "--epsilon",
    ("evaluate", MODEL, "--attack", "pgd", "--seed", "-1"): "--seed",
    ("init", "--data", "{data}", "--set", "kind"): "--set: expected KEY=VALUE",
    ("train", MODEL, "--devices", "3"): "multiple of the number of devices",
    ("train", MODEL, "--out", "{toml}"): "--out: expected a folder",
    ("promote", "{empty}"): "without config.json",
    ("verify", MODEL, "--certificate", "--model", MODEL): "goes with an exported file",
    ("verify", "{onnx}", "--model", MODEL): "lipzoo.export wrote",
    ("demo", "--examples", "0"): "at least one example",
    ("demo", "--output", "{empty}"): "expected a file",
    ("demo", "--output", "a.txt"): "expected a picture",
    ("join", "a.csv", "{parquet}"): "expected a part",
    ("certify", "gradflow-digit", "x.npy"): "gradflow-digits",
    ("certify", "./none", "x.npy"): "not a folder",
    ("certify", "hf://one/two/three", "x.npy"): "Received",
    ("certify", MODEL, "none.npy"): "none.npy: no such file",
    ("certify", MODEL, "none"): "none: no such file",
    ("certify", MODEL, "{data}", "--labels", "none.npy"): "none.npy: no such file",
    ("certify", MODEL, "tfds:mnist", "--labels", "y.npy"): "--labels",
    ("certify", MODEL, "{data}", "--examples", "0"): "--examples",
    ("certify", MODEL, "{data}", "--examples", "x"): "--examples",
    ("certify", MODEL, "{data}", "--epsilon", "much"): "much",
    ("certify", MODEL, "{data}", "--epsilon", "-1"): "--epsilon",
    ("certify", MODEL, "{data}", "--abstain-below", "nan"): "--abstain-below",
    ("certify", MODEL, "{data}", "--shard", "3/2", "--out", "a.npz"): "--shard",
    ("certify", MODEL, "{data}", "--shard", "1/2"): "--shard",
    ("certify", MODEL, "{data}", "--html", "a.png"): "--html: expected an .html file",
    ("certify", MODEL, "{data}", "--shard", "1/2", "--out", "a.npz", "--html", "a.html"): "--html",
    ("certify", MODEL, "{data}", "--out", "a.txt"): "--out",
    ("certify", MODEL, "{data}", "--out", "none/a.csv"): "folder that exists",
    ("certify", MODEL, "{data}", "--norm", "l3"): "--norm",
    ("certify", MODEL, "{data}", "--domain", "1", "-1/2"): "Received: 1 -1/2",
    ("certify", MODEL, "{data}", "--domain", "0", "1", "--standardized"): "no --standardized",
    ("certify", MODEL, "{data}", "--domain", "-.5", "1", "--method", "semidefinite"): (
        "expected no --method semidefinite beside it"
    ),
    ("certify", MODEL, "{data}", "--domain", "0", "1", "--local"): "expected no --local beside it",
    ("certify", MODEL, "{data}", "--local", "--standardized"): "--local: expected no --standard",
    ("conformal", "gradflow-digit", "{arrays}", "{data}"): "gradflow-digits",
    ("conformal", MODEL, "none.npz", "{data}"): "none.npz: no such file",
    ("conformal", MODEL, "{arrays}", "none.npz"): "none.npz: no such file",
    ("conformal", MODEL, "{arrays}", "{data}", "--alpha", "1"): "--alpha",
    ("conformal", MODEL, "{arrays}", "{data}", "--epsilon", "-1"): "--epsilon",
    ("conformal", MODEL, "{arrays}", "{data}", "--out", "a.txt"): "--out",
    ("evaluate", "none"): "none",
    ("evaluate", MODEL, "--attack", "deepfol"): "Did you mean 'deepfool'?",
    ("evaluate", MODEL, "--samples", "3"): "goes with --attack",
    ("evaluate", MODEL, "--attack", "pgd", "--samples", "0"): "--samples",
    ("evaluate", MODEL, "--attack", "pgd", "--out", "none/a.csv"): "folder that exists",
    ("evaluate", MODEL, "--epsilon", "x"): "a fraction",
    ("evaluate", MODEL, "--data", "none.npz"): "none.npz: no such file",
    ("init", "--data", "none.csv"): "none.csv: no such file",
    ("init", "--data", "{data}", "--out", "{toml}"): "is there already",
    ("init", "--data", "{data}", "--out", "none/a.toml"): "folder that exists",
    ("train", "none"): "neither a .toml file",
    ("train", "none.toml"): "no such recipe file",
    ("train", "{toml}"): "not a TOML file",
    ("train", "{recipe}"): "gone.npz: no such file",
    ("train", "{recipe}", "--data", "also-gone.npz"): "also-gone.npz: no such file",
    ("train", MODEL, "--devices", "0"): "--devices",
    ("promote", "none"): "run folder",
    ("publish", "none", "--repo", "owner/name"): "none",
    ("publish", MODEL, "--repo", "name"): "owner/name",
    ("verify", "./none"): "not a folder",
    ("verify", "none.onnx"): "none.onnx: no such file",
    ("verify", "none.tflite", "--model", MODEL): "none.tflite: no such file",
    ("verify", "{empty}"): "config.json",
    ("verify", MODEL, "--model", MODEL): "goes with an exported file",
    ("verify", "{data}"): "lipzoo.export wrote",
    ("export", MODEL, "--format", "tflite", "--out", "a"): "format must be one of",
    ("export", MODEL, "--format", "onnx", "--out", "none/a"): "existing folder",
    ("export", MODEL, "--format", "litert", "--out", "a", "--quantize", "int8"): "step function",
    ("export", "none", "--format", "saved_model", "--out", "a"): "none",
    ("demo", "--examples", "many"): "--examples",
    ("demo", "--output", "none/a.png"): "folder that exists",
    ("join", "a.txt", "b.npz"): "OUT",
    ("join", "a.csv", "b.npz"): "b.npz: no such file",
}


def test_every_error_of_an_argument_comes_before_keras(tmp_path):
    places = {
        "data": tmp_path / "data.npy",
        "arrays": tmp_path / "data.npz",
        "toml": tmp_path / "broken.toml",
        "recipe": tmp_path / "recipe.toml",
        "empty": tmp_path / "empty",
    }
    for kind in ("npy", "npz", "keras", "parquet", "onnx"):
        places[kind] = tmp_path / f"broken.{kind}"
        places[kind].write_bytes(b"broken")
    np.save(places["data"], np.zeros((2, 64), "float32"))
    np.savez(places["arrays"], x=np.zeros((2, 64), "float32"), y=np.zeros(2, "int64"))
    places["toml"].write_text("[data")
    places["recipe"].write_text('[data]\nsource = "gone.npz"\n')
    places["empty"].mkdir()
    commands = [[word.format(**places) for word in case] for case in CASES]
    done = subprocess.run(
        [sys.executable, "-c", _RUN],
        input=json.dumps(commands),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    errors = done.stderr.split("#\n")[1:]
    for case, (code, loaded), error in zip(CASES, answers, errors, strict=True):
        assert code == 2, case
        assert loaded == [], case
        assert CASES[case] in error, (case, error)
        assert "Traceback" not in error


def test_the_names_of_the_attacks_are_those_that_there_are():
    from lipzoo.evaluation.attacks import ATTACKS

    assert tuple(ATTACKS) == ATTACK_NAMES


def test_bundled_models_recipes_and_addresses_pass():
    from lipzoo_cli import build_parser
    from lipzoo_cli.preflight import check_arguments

    for line in (
        f"evaluate {MODEL} --epsilon 36/255",
        "train gradflow-digits",
        "certify hf://someone/model@v1 tfds:mnist",
        f"verify {MODEL}",
        f"certify ./weights/{MODEL} sklearn:digits",
    ):
        check_arguments(build_parser().parse_args(line.split()))
