"""Training recipes: from one TOML file to a run folder with weights, certificate and figures."""

from lipzoo.data.dataset import DataError, Dataset, load_data
from lipzoo.training.model import TrainingError
from lipzoo.training.recipe import Recipe, RecipeError, parse_recipe, read_recipe
from lipzoo.training.run import DivergedError, train
from lipzoo.training.tasks import task_of

__all__ = [
    "DataError",
    "Dataset",
    "DivergedError",
    "Recipe",
    "RecipeError",
    "TrainingError",
    "load_data",
    "parse_recipe",
    "read_recipe",
    "task_of",
    "train",
]
