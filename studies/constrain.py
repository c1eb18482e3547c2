"""`python -m studies.constrain`: an ordinary network before and after `lipzoo.constrain`.

A small residual network with batch normalisation is trained on Fashion-MNIST as usual, constrained,
and fine-tuned for a time; a GradFlowNet is trained for the same time. Certified accuracies are
those of the validation split. Writes studies/constrain.json.
"""

import argparse
import math
import time
from pathlib import Path

import keras
from keras import layers

import lipzoo
from lipzoo.training import load_data, read_recipe
from lipzoo.training.run_folder import write_json
from lipzoo.training.tasks.classification import certified_table
from studies.machine import machine
from studies.small_classifiers import HERE, RECIPE

RADII = {"0.1": 0.1, "0.25": 0.25, "0.5": 0.5}
GRADFLOW = {
    "width": 16,
    "patch_depths": (4,),
    "axial_depth": 2,
    "axial_units": 64,
    "features": 128,
    "dense_depth": 2,
}
RATE, BATCH = 4e-3, 256


class Timed(keras.callbacks.Callback):
    """Ends training after a processor time, in which the learning rate falls as a cosine."""

    def __init__(self, seconds: float):
        super().__init__()
        self._seconds = seconds
        self.steps = 0

    def on_train_batch_end(self, batch, logs=None):
        # The first step is compiled, which is no training.
        if self.steps == 0:
            self._start = time.process_time()
        self.steps += 1
        share = (time.process_time() - self._start) / self._seconds
        self.model.optimizer.learning_rate = RATE * 0.5 * (1 + math.cos(math.pi * min(share, 1)))
        if share >= 1:
            self.model.stop_training = True


def residual_network(shape, classes: int) -> keras.Model:
    """Two residual blocks of 16 and 32 channels, as textbooks have them."""
    inputs = keras.Input(shape)
    x = layers.ReLU()(_normalised(inputs, 16, 2))
    for filters, strides in ((16, 1), (32, 2)):
        short = x if strides == 1 else _normalised(x, filters, strides)
        y = layers.ReLU()(_normalised(x, filters, strides))
        x = layers.ReLU()(layers.Add()([short, _normalised(y, filters, 1)]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(classes, "softmax")(x), name="resnet")


def _normalised(x, filters, strides):
    x = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False)(x)
    # The averages of a short training lag behind by as many steps.
    return layers.BatchNormalization(momentum=0.9)(x)


def trained(model, x, y, loss, seconds: float) -> int:
    """Trains a model for a processor time; returns the number of steps."""
    timed = Timed(seconds)
    model.compile(keras.optimizers.Adam(RATE), loss, jit_compile=False)
    # More epochs than there is time for: the callback ends it, within an epoch.
    while not model.stop_training or timed.steps == 0:
        model.fit(x, y, batch_size=BATCH, epochs=10_000, callbacks=[timed], verbose=0)
    return timed.steps


def measured(model, x, y) -> dict:
    """Bound, clean and certified accuracy; `model` ends in logits."""
    bound = lipzoo.lipschitz_bound(model).value
    return {"bound": bound, **certified_table(model, x, y, RADII)}


def with_logits(model) -> keras.Model:
    """The same network without its softmax."""
    copy = keras.models.clone_model(model)
    copy.layers[-1].activation = keras.activations.linear
    copy.set_weights(model.get_weights())
    return copy


def study(dataset, ordinary: float, fine: float, loss) -> dict:
    """The networks by what was done to them; times are processor seconds."""
    x, y = dataset.inputs(dataset.train), dataset.train.y
    held_out = dataset.inputs(dataset.validation), dataset.validation.y
    keras.utils.set_random_seed(0)
    original = residual_network(dataset.input_shape, dataset.num_classes)
    steps = {"original": trained(original, x, y, "sparse_categorical_crossentropy", ordinary)}
    networks = {"original": measured(with_logits(original), *held_out)}
    for method in ("scale", "orthogonal"):
        model = lipzoo.constrain(original, method=method, verbose=0)
        networks[f"constrained, {method}"] = measured(model, *held_out)
    steps["fine-tuned"] = trained(model, x, y, loss, fine)
    networks["fine-tuned"] = measured(model, *held_out)
    model = lipzoo.GradFlowNet(dataset.input_shape, dataset.num_classes, **GRADFLOW)
    steps["GradFlowNet"] = trained(model, x, y, loss, fine)
    networks["GradFlowNet"] = measured(model, *held_out)
    return {
        "networks": networks,
        "steps": steps,
        "seconds": {"original": ordinary, "fine-tuned": fine, "GradFlowNet": fine},
        "batch_size": BATCH,
        "machine": machine(),
    }


def main(arguments=None):
    """Writes the results and prints them."""
    parser = argparse.ArgumentParser(prog="python -m studies.constrain", description=__doc__)
    parser.add_argument("--ordinary", type=float, default=60.0, help="seconds of the original")
    parser.add_argument("--fine", type=float, default=120.0, help="seconds of fine-tuning")
    parser.add_argument("--output", type=Path, default=HERE, help="folder to write into")
    options = parser.parse_args(arguments)
    recipe = read_recipe(RECIPE)
    loss = lipzoo.OffsetCrossEntropy(recipe.training.loss.epsilon, recipe.training.loss.temperature)
    found = study(load_data(recipe.data), options.ordinary, options.fine, loss)
    write_json(options.output / "constrain.json", found)
    for name, values in found["networks"].items():
        print(f"{name:<24} {values}")


if __name__ == "__main__":
    main()
