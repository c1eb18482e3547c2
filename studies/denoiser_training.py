"""`python -m studies.denoiser_training --images DIR --out RUNS` trains three denoisers.

One after another for noise of 25, 15 and 5 of 255, each from the one before; `DIR/Train400` has the
photographs, the last 20 of which are for choices. Each ends as a folder of a model in RUNS, after
some ten minutes in all. For TensorFlow.
"""

import argparse
import math
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from lipzoo import optimizers, zoo
from studies.frame_flow import build, rescaled, to_denoiser
from studies.grey_images import VALIDATION, noisy, psnr, read_images

# Noise, number of steps, largest step.
RUNS = ((25, 4_500, 0.03), (15, 2_500, 0.025), (5, 2_500, 0.025))
WIDTH, DEPTH, BATCH, PATCH, WARMUP = 8, 8, 4, 64, 50
ARGUMENTS = {"input_shape": [32, 32, 1], "width": WIDTH, "depth": DEPTH}


def name_of(sigma: int) -> str:
    """The folder of the denoiser for some noise."""
    return f"denoiser-bsd-{sigma}"


def config(sigma: int) -> zoo.ModelConfig:
    """What is known of a denoiser, for its folder."""
    return zoo.ModelConfig(
        "Denoiser",
        ARGUMENTS,
        preprocessing={
            "scale": "pixels of images in [0, 1], with noise",
            "minimum": None,
            "maximum": None,
        },
        description=f"Grey photographs with noise of {sigma} of 255 denoised, 1-Lipschitz at every "
        "size",
        dataset="Berkeley segmentation photographs: Train400 (180x180, grey), tested on BSD68",
        data_licence="photographs of third parties, research use",
        citation="Martin et al. 2001; Train400 and BSD68 as in arXiv 1608.03981",
        licence="Apache-2.0",
        paper="arXiv 2510.22299",
        task="reconstruction",
    )


def batch(images: np.ndarray, random: np.random.Generator, sigma: float) -> tuple:
    """Noisy patches and patches, turned and mirrored at random."""
    patches = np.empty((BATCH, PATCH, PATCH, 1), "float32")
    for i in range(BATCH):
        image = images[random.integers(len(images))]
        row, column = (random.integers(size - PATCH + 1) for size in image.shape[:2])
        turn = random.integers(8)
        patch = np.rot90(image[row : row + PATCH, column : column + PATCH], turn % 4)
        patches[i] = patch[:, ::-1] if turn > 3 else patch
    noise = random.standard_normal(patches.shape, dtype="float32")
    return patches + np.float32(sigma / 255) * noise, patches


def train(model: keras.Model, images: np.ndarray, sigma: int, steps: int, step: float) -> None:
    """Trains for some steps, whose length goes to zero as a cosine does."""
    optimizer = optimizers.StiefelMuon(step, adam_lr_ratio=0.5)
    optimizer.build(model.trainable_variables)

    @tf.function
    def advance(x, y):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(x, training=True) - y))
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    random, shown = np.random.default_rng(sigma), keras.utils.Progbar(steps)
    for done in range(steps):
        cosine = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * done / steps))
        optimizer.learning_rate = step * min(1, (done + 1) / WARMUP) * cosine
        loss = advance(*batch(images, random, sigma))
        shown.update(done + 1, [("loss", float(loss))])


def main(arguments=None):
    """Trains, saves and prints the mean PSNR of the validation images."""
    parser = argparse.ArgumentParser(prog="python -m studies.denoiser_training")
    parser.add_argument("--images", type=Path, required=True, help="folder with Train400")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args(arguments)
    images = np.stack(read_images(options.images / "Train400"))
    keras.utils.set_random_seed(0)
    model, before = build(WIDTH, DEPTH), None
    for sigma, steps, step in RUNS:
        if before is not None:
            rescaled(model, sigma / before)
        train(model, images[:-VALIDATION], sigma, steps, step)
        before, name = sigma, name_of(sigma)
        zoo.save_model(options.out / name, to_denoiser(model, ARGUMENTS), config(sigma))
        larger = zoo.load((options.out / name).absolute(), input_shape=images.shape[1:])
        found = [
            psnr(larger.predict_on_batch(noisy(image, sigma, i)[None])[0], image)
            for i, image in enumerate(images[-VALIDATION:])
        ]
        print(f"{name}: {np.mean(found):.2f} dB on validation images", flush=True)


if __name__ == "__main__":
    main()
