"""`lipzoo export`: a model in a format that runs without Keras."""

import argparse
from pathlib import Path

from lipzoo.exporting.export import export as export_model
from lipzoo_catalogue.exported.target import check_target
from lipzoo_catalogue.formatting import format_size
from lipzoo_cli.arguments import print_json
from lipzoo_cli.named_model import named_model


def export(arguments: argparse.Namespace) -> None:
    """`lipzoo export MODEL --format F --out PATH [--quantize int8] [--json]`."""
    path = Path(arguments.out).expanduser()
    check_target(path, arguments.format, arguments.quantize)
    model = named_model(arguments.model, arguments, "float32")
    certificate = export_model(model, path, arguments.format, arguments.quantize)
    if arguments.json:
        values = {"path": str(path), "format": arguments.format, **certificate.to_dict()}
        print_json(values)
        return
    found = certificate.agreement
    parts = [path] if path.is_file() else [part for part in path.rglob("*") if part.is_file()]
    size = format_size(sum(part.stat().st_size for part in parts))
    print(certificate)
    print(
        f"written: {path} ({arguments.format}, {size}); its outputs in {found['runtime']} differ "
        f"from the model's by {found['largest_difference']:.2g} at most, at {found['examples']} "
        "inputs"
    )
