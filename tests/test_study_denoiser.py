"""The study of denoisers: tables from its file, and a training of two steps from photographs."""

import json

import numpy as np
from PIL import Image

from lipzoo import zoo
from studies import denoiser_table, denoiser_training


def test_tables_hold_what_was_measured():
    results = json.loads(denoiser_table.RESULTS.read_text(encoding="utf-8"))
    rows = denoiser_table.denoiser_table().splitlines()
    ours = next(row for row in rows if "`Denoiser`" in row)
    cells = [float(cell) for cell in ours.split("|")[2:-1]]
    models = sorted(results.values(), key=lambda model: model["sigma"])
    expected = [m[folder]["denoiser"]["psnr"] for folder in ("BSD68", "Set12") for m in models]
    np.testing.assert_allclose(cells, expected, atol=0.005)
    for model in models:
        stability = model["stability"]
        assert stability["lipschitz_bound"] <= 1.0
        assert stability["worst_movement"] <= stability["certified_movement"]
        assert model["BSD68"]["denoiser"]["psnr"] > model["BSD68"]["total variation"]["psnr"]


def test_training_leaves_a_folder_for_each_noise(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "images" / "Train400"
    folder.mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 16, 16), dtype="uint8")
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{i}.png")
    arguments = {"input_shape": [8, 8, 1], "width": 4, "depth": 1}
    small = {"WIDTH": 4, "DEPTH": 1, "PATCH": 8, "VALIDATION": 1, "ARGUMENTS": arguments}
    for name, value in {**small, "RUNS": ((25, 2, 0.03), (5, 2, 0.02))}.items():
        monkeypatch.setattr(denoiser_training, name, value)
    runs = tmp_path / "runs"
    denoiser_training.main(["--images", str(tmp_path / "images"), "--out", str(runs)])
    assert {path.name for path in runs.iterdir()} == {"denoiser-bsd-25", "denoiser-bsd-5"}
    assert capsys.readouterr().out.count("dB on validation images") == 2
    model = zoo.load((runs / "denoiser-bsd-5").absolute(), input_shape=(10, 12, 1))
    assert model.output_shape == (None, 10, 12, 1)
