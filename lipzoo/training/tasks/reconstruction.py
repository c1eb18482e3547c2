"""Reconstructions: images are measured with noise, and found again."""

from pathlib import Path

import keras
import numpy as np

from lipzoo.data.dataset import Dataset, scale
from lipzoo.inverse import operators
from lipzoo.metrics import PeakSignalToNoiseRatio
from lipzoo.training.batches import Batches
from lipzoo.training.model import TrainingError, compile_with
from lipzoo.training.recipe import Recipe
from lipzoo.training.tasks.comparison import compare
from lipzoo.training.training_curves import write_reconstruction_curves
from lipzoo_catalogue.task_names import RECONSTRUCTION


class MeasuredBatches(Batches):
    """Batches of measurements with fresh noise, and the images they are of.

    The noise of a batch is drawn from `(seed, epoch, step)`, like everything else in it.

    Args:
        measure: function from images and a generator to measurements.
        *arguments: those of `Batches`.
    """

    def __init__(self, measure, *arguments):
        self.measure = measure
        super().__init__(*arguments)

    def whole(self, step: int) -> tuple:
        images, _ = super().whole(step)
        # A stream of its own, beside that of the augmentation.
        generator = np.random.default_rng((self.seed, self.epoch, step, 1))
        return self.measure(images, generator), images


class ReconstructionTask:
    """A reconstruction of the data's images from measurements `y = Ax + noise`.

    Args:
        recipe: a recipe with a [measurement] table and an operator among its model's arguments.
        dataset: its data; labels are not used.

    Raises:
        TrainingError: if the operator is missing, malformed, or does not fit the images.
    """

    name = RECONSTRUCTION

    def __init__(self, recipe: Recipe, dataset: Dataset):
        self.recipe, self.dataset = recipe, dataset
        try:
            self.operator = operators.get(recipe.model.arguments.get("operator"))
        except (TypeError, ValueError) as error:
            raise TrainingError(f"[model.arguments] {error}") from None
        if self.operator.input_shape != dataset.input_shape:
            raise TrainingError(
                f"[model.arguments] operator: expected one of images of shape "
                f"{dataset.input_shape}, as the data have them. Received: {self.operator!r}"
            )
        self.standard_deviation = recipe.measurement.noise * self._root_mean_square()

    def arguments(self) -> dict:
        """All arguments of the builder."""
        return dict(self.recipe.model.arguments)

    def batches(self) -> MeasuredBatches:
        """The training batches."""
        training = self.recipe.training
        return MeasuredBatches(
            self.measure,
            self.dataset.train,
            self.dataset.divisor,
            training.batch_size,
            self.recipe.seed,
            training.augment,
        )

    def measure(self, images, generator, noise: float = 1.0) -> np.ndarray:
        """Returns `Ax + noise`, float32.

        Args:
            images: batch of images.
            generator: `np.random.Generator` of the noise.
            noise: factor on the recipe's noise.
        """
        exact = keras.ops.convert_to_numpy(self.operator.apply(images))
        normal = generator.standard_normal(exact.shape, dtype="float32")
        return exact + np.float32(noise * self.standard_deviation) * normal

    def measured(self, name: str, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """Measurements and images of a split, with noise that depends on its name alone.

        Args:
            name: `"train"`, `"validation"` or `"test"`.
            noise: factor on the recipe's noise.
        """
        images = self.dataset.inputs(getattr(self.dataset, name))
        stream = ("train", "validation", "test").index(name)
        return self.measure(images, np.random.default_rng((0, stream)), noise), images

    def test(self) -> tuple[np.ndarray, np.ndarray]:
        """Measurements and images of the test split, as many as the recipe reports on."""
        limit = self.recipe.measurement.examples
        y, x = self.measured("test")
        return y[:limit], x[:limit]

    def class_weight(self) -> None:
        """None: there are no classes."""

    def validation_data(self) -> tuple[np.ndarray, np.ndarray]:
        """Measurements and images on which choices are made."""
        return self.measured("validation")

    def compile(self, model: keras.Model, steps: int) -> None:
        """Compiles a model for epochs of so many steps."""
        compile_with(
            model,
            self.recipe.training,
            steps,
            "mean_squared_error",
            [PeakSignalToNoiseRatio(name="psnr")],
        )

    def tables(self, folder: Path, model: keras.Model) -> dict:
        """The comparison with the classical methods, by its keys in `metrics.json`."""
        return {"task": self.name, "test": compare(self, model)}

    def write_curves(self, path: Path, history: list[dict], tables: dict) -> None:
        """Draws the run.

        Raises:
            ImportError: if matplotlib is not installed.
        """
        write_reconstruction_curves(path, self.recipe.name, history, tables["test"])

    @property
    def preprocessing(self) -> dict:
        """The units of the model's input."""
        return {
            "scale": f"measurements {type(self.operator).__name__}(image) of images in [0, 1]",
            "minimum": None,
            "maximum": None,
        }

    @property
    def class_names(self) -> tuple[str, ...]:
        """None: there are no classes."""
        return ()

    def _root_mean_square(self):
        images, total, count = self.dataset.train.x, 0.0, 0
        for start in range(0, len(images), 4096):
            part = scale(images[start : start + 4096], self.dataset.divisor)
            exact = keras.ops.convert_to_numpy(self.operator.apply(part))
            total += float(np.square(exact, dtype="float64").sum())
            count += exact.size
        return float(np.sqrt(total / count))
