"""What a recipe trains: how its data become batches, what is compiled, what is measured."""

from lipzoo.data.dataset import Dataset
from lipzoo.training.recipe import Recipe
from lipzoo.training.tasks.classification import ClassificationTask
from lipzoo.training.tasks.reconstruction import ReconstructionTask
from lipzoo_catalogue.task_names import RECONSTRUCTION

__all__ = ["ClassificationTask", "ReconstructionTask", "task_of"]


def task_of(recipe: Recipe, dataset: Dataset) -> ClassificationTask | ReconstructionTask:
    """Returns the task of a recipe on its data."""
    kind = ReconstructionTask if recipe.task == RECONSTRUCTION else ClassificationTask
    return kind(recipe, dataset)
