import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipzoo.zoo import Metrics, ModelConfig, read_config
from lipzoo_catalogue.certificate_claim import Claim
from lipzoo_catalogue.files import parse_json
from lipzoo_catalogue.model_config import dump_config
from lipzoo_catalogue.tasks import read_metrics
from lipzoo_catalogue.tasks.classification import results
from lipzoo_catalogue.training_record import TrainingRecord

FULL = ModelConfig(
    "GradFlowNet",
    {"input_shape": (28, 28, 1), "num_classes": 2, "nested": {"depths": (1, 2)}},
    class_names=("a", "b"),
    description="text — with “any” letters",
)


def test_a_configuration_survives_its_file(tmp_path):
    path = tmp_path / "config.json"
    path.write_bytes(dump_config(FULL))
    assert read_config(path) == FULL == read_config(tmp_path)
    assert json.loads(path.read_text())["format_version"] == 1


def test_tuples_and_lists_mean_the_same():
    other = dataclasses.replace(FULL, arguments={**FULL.arguments, "input_shape": [28, 28, 1]})
    assert other == FULL
    assert FULL.input_shape == (28, 28, 1)


OPERATOR = {"operator": {"class_name": "Tomography"}}


def test_the_task_is_stated_unless_it_is_classification_and_told_by_older_files():
    scan = ModelConfig("InvNet", OPERATOR)
    assert scan.task == "reconstruction" == scan.to_dict()["task"]
    assert FULL.task == "classification"
    assert "task" not in FULL.to_dict()
    older = {key: value for key, value in scan.to_dict().items() if key != "task"}
    assert ModelConfig.from_dict(older) == scan == ModelConfig.from_dict(scan.to_dict())
    # What has no operator among its arguments says so.
    assert ModelConfig("Another", {}, task="reconstruction").task == "reconstruction"
    assert ModelConfig("Another", {}).task == "classification"
    assert ModelConfig("Another", {"operator": None, "num_classes": 2}).task == "classification"
    with pytest.raises(ValueError, match=r"'classification' .*'arguments.num_classes'"):
        ModelConfig("Another", {**OPERATOR, "num_classes": 2})


def test_metrics_of_another_task_than_the_models_are_refused():
    expected = "metrics.json: key 'task': expected 'reconstruction', which the model's"
    with pytest.raises(ValueError, match=f"{expected}.*Received: 'classification'"):
        read_metrics(
            {"format_version": 1, "test": TEST}, "metrics.json", ModelConfig("A", OPERATOR)
        )


def test_later_changes_of_the_arguments_do_not_reach_the_configuration():
    arguments = {"input_shape": [4], "num_classes": 2}
    config = ModelConfig("GradFlowNet", arguments)
    arguments["input_shape"][0] = 9
    assert config.input_shape == (4,)


BROKEN = {
    "unknown key 'colour'": {"colour": 1},
    "unknown key 'argument'. Did you mean 'arguments'": {"argument": {}},
    "missing key 'architecture'": {"architecture": ...},
    "newer lipzoo": {"format_version": 2},
    "key 'format_version': expected an integer": {"format_version": "1"},
    "key 'architecture': expected text": {"architecture": 3},
    "key 'arguments': expected an object": {"arguments": [1]},
    "key 'arguments.width': expected integers up to 65536": {"arguments": {"width": 10**9}},
    "key 'arguments.depths.1': expected integers up to": {"arguments": {"depths": [1, 10**30]}},
    "key 'arguments.depths': expected at most 4096 items": {"arguments": {"depths": [1] * 5000}},
    "at most 8 levels": {"arguments": {"a": [[[[[[[[[[1]]]]]]]]]]}},
    "key 'arguments.input_shape': expected at most 16777216 values": {
        "arguments": {"input_shape": [60_000, 60_000, 1]}
    },
    "key 'arguments.input_shape': expected a list of positive integers": {
        "arguments": {"input_shape": [28, -1]}
    },
    "key 'arguments.num_classes': expected a positive integer": {
        "arguments": {"num_classes": True}
    },
    "key 'class_names': expected a list of texts": {"class_names": [1, 2]},
    "key 'class_names': expected 2 names": {"class_names": ["a"]},
    "key 'class_names': expected names all different. Received: ['a']": {"class_names": ["a", "a"]},
    "key 'feature_names': expected names all different. Received: ['b']": {
        "arguments": {"input_shape": [3], "num_classes": 2},
        "feature_names": ["a", "b", "b"],
    },
    "key 'task': expected 'classification' or 'reconstruction'. Received: 'segmentation'": {
        "task": "segmentation"
    },
    "key 'task': expected text. Received: 1": {"task": 1},
    "key 'task': expected 'classification' of a model with 'arguments.num_classes'": {
        "task": "reconstruction"
    },
    "key 'task': expected 'reconstruction' of a model with 'arguments.operator'": {
        "arguments": OPERATOR,
        "class_names": [],
        "task": "classification",
    },
    "missing key 'preprocessing.minimum'": {"preprocessing": {"scale": "x", "maximum": 1}},
    "key 'preprocessing.maximum': expected above the minimum": {
        "preprocessing": {"scale": "x", "minimum": 1, "maximum": 0}
    },
}


@pytest.mark.parametrize("message", BROKEN)
def test_a_broken_configuration_is_refused_with_file_and_key(tmp_path, message):
    values = {**FULL.to_dict(), **BROKEN[message]}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({k: v for k, v in values.items() if v is not ...}))
    with pytest.raises(ValueError, match=r"config\.json") as caught:
        read_config(path)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected a JSON object"),
        (b"<!doctype html>", "<!doctype html>"),
        (b"[1, 2]", "expected a JSON object"),
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "Infinity"),
        (b"\xff\xfe", "utf-8"),
        (b"[" * 100_000, "expected a JSON object"),
    ],
)
def test_what_is_no_strict_json_object_is_refused(content, message):
    with pytest.raises(ValueError, match=r"name\.json: expected a JSON object") as caught:
        parse_json(content, "name.json")
    assert message in str(caught.value)


@given(st.binary(max_size=200))
def test_no_content_makes_the_parser_fail_in_another_way(content):
    try:
        values = parse_json(content, "file")
    except ValueError as error:
        values, message = None, str(error)
    assert isinstance(values, dict) or message.startswith("file: expected a JSON object")


TEST = {"examples": 100, "clean": 0.9, "certified": {"0.5": 0.7, "36/255": 0.85}}
BROKEN_METRICS = {
    "key 'test': expected test results": {"test": None},
    "missing key 'test.clean'": {"test": {"examples": 1, "certified": {}}},
    "key 'test.clean': expected a fraction": {"test": {**TEST, "clean": 90.0}},
    "at most the accuracy at clean": {"test": {**TEST, "certified": {"0.1": 0.95}}},
    "at most the accuracy at 0.1": {"test": {**TEST, "certified": {"0.25": 0.8, "0.1": 0.7}}},
    "expected radii such as": {"test": {**TEST, "certified": {"-0.5": 0.1}}},
    "key 'test.examples': expected a positive integer": {"test": {**TEST, "examples": 0}},
    "newer lipzoo": {"test": TEST, "format_version": 9},
    "key 'test_float64': expected test results": {"test": TEST, "test_float64": None},
    "key 'test_float64.clean': expected a fraction": {
        "test": TEST,
        "test_float64": {**TEST, "clean": 90.0},
    },
    "key 'test_float64.examples': expected 100": {
        "test": TEST,
        "test_float64": {**TEST, "examples": 99},
    },
}


ONE_CLASS = {"examples": 40, "clean": 0.9, "certified": {"0.5": 0.7}}
RATES = {
    "positive": "sick",
    "sensitivity": ONE_CLASS,
    "specificity": {**ONE_CLASS, "examples": 60},
}
BROKEN_METRICS |= {
    "missing key 'test.sensitivity'": {"test": {**TEST, **RATES, "sensitivity": ...}},
    "missing key 'test.specificity'": {"test": {**TEST, **RATES, "specificity": ...}},
    "missing key 'test.positive'": {"test": {**TEST, **RATES, "positive": ...}},
    "key 'test.positive': expected the name of a class": {
        "test": {**TEST, **RATES, "positive": ""}
    },
    "the 100 examples of 'test' in two classes. Received: '40 + 90'": {
        "test": {**TEST, **RATES, "specificity": {**ONE_CLASS, "examples": 90}}
    },
    "key 'test_float64.positive': expected 'sick', as in 'test'. Received: 'well'": {
        "test": {**TEST, **RATES},
        "test_float64": {**TEST, **RATES, "positive": "well"},
    },
    "key 'test.attacked.0.25': expected at least the certified accuracy, 0.7": {
        "test": {**TEST, "attacked": {"0.25": 0.6}}
    },
}


BROKEN_RECORDS = {
    "key 'seed': expected an integer. Received: True": {"seed": True},
    "key 'data': expected an object. Received: []": {"data": []},
    "key 'data.notes': expected a list of texts. Received: 'none'": {"data": {"notes": "none"}},
    "key 'data.train': expected an integer. Received: 0.5": {"data": {"train": 0.5}},
    "key 'seconds.training': expected a number. Received: '1'": {"seconds": {"training": "1"}},
    "key 'versions.keras': expected text. Received: 3": {"versions": {"keras": 3}},
}


@pytest.mark.parametrize("message", BROKEN_RECORDS)
def test_a_broken_record_of_a_training_is_refused(message):
    with pytest.raises(ValueError, match=r"metrics\.json: ") as caught:
        TrainingRecord.from_dict(BROKEN_RECORDS[message], "metrics.json")
    assert message in str(caught.value)


def test_a_record_without_a_value_has_its_default():
    values = {"seed": None, "seconds": {"training": 2, "evaluation": None}}
    assert TrainingRecord.from_dict(values) == TrainingRecord(seconds={"training": 2})


def test_metrics_are_read_by_increasing_radius():
    metrics = Metrics.from_dict({"format_version": 1, "test": TEST, "seed": 0})
    assert metrics.certified == (("36/255", 36 / 255, 0.85), ("0.5", 0.5, 0.7))
    assert metrics.float64 is None


def test_metrics_in_float64_are_read_beside_those_in_float32():
    better = {**TEST, "certified": {"0.5": 0.75}}
    metrics = Metrics.from_dict({"format_version": 1, "test": TEST, "test_float64": better})
    assert metrics.certified[1] == ("0.5", 0.5, 0.7)
    assert metrics.float64.certified == (("0.5", 0.5, 0.75),)


def test_metrics_of_a_positive_class_are_read():
    metrics = Metrics.from_dict({"format_version": 1, "test": {**TEST, **RATES}})
    assert metrics.positive == "sick"
    assert [metrics.rates[key].examples for key in ("sensitivity", "specificity")] == [40, 60]
    assert "among the 40 examples of the class 'sick' alone" in results(metrics)


@pytest.mark.parametrize("message", BROKEN_METRICS)
def test_impossible_metrics_are_refused(message):
    values = {"format_version": 1, **BROKEN_METRICS[message]}
    if isinstance(values["test"], dict):
        values["test"] = {k: v for k, v in values["test"].items() if v is not ...}
    with pytest.raises(ValueError, match=r"metrics\.json: ") as caught:
        Metrics.from_dict(values, "metrics.json")
    assert message in str(caught.value)


RECORD = {"sha256": "0" * 64, "bytes": 5}
CLAIM = {
    "format_version": 1,
    "lipschitz_bound": 1.0,
    "norm": "l2",
    "files": {"config.json": RECORD, "model.safetensors": RECORD},
}
BROKEN_CLAIMS = {
    "key 'lipschitz_bound': expected a finite non-negative number": {"lipschitz_bound": "1"},
    "key 'lipschitz_bound': expected a finite non-negative": {"lipschitz_bound": 10**400},
    "key 'norm': expected 'l2'": {"norm": "linf"},
    "missing key 'files.model.safetensors'": {"files": {"config.json": RECORD}},
    "unknown key 'files.../../x'": {"files": {**CLAIM["files"], "../../x": RECORD}},
    "key 'files.config.json.sha256': expected 64 hexadecimal digits": {
        "files": {**CLAIM["files"], "config.json": {**RECORD, "sha256": "0" * 63 + "g"}}
    },
}


def test_a_claim_survives_its_file():
    claim = Claim.from_dict(CLAIM)
    assert Claim.from_dict(claim.to_dict()) == claim


@pytest.mark.parametrize("message", BROKEN_CLAIMS)
def test_a_broken_certificate_is_refused(message):
    with pytest.raises(ValueError, match=r"certificate\.json: ") as caught:
        Claim.from_dict({**CLAIM, **BROKEN_CLAIMS[message]}, "certificate.json")
    assert message in str(caught.value)
