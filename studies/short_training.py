"""The optimizer of studies that train for a few epochs only."""

import keras


def compile_short(model, recipe, steps: int) -> None:
    """Compiles a reconstruction with Adam, the recipe's rate falling as a cosine over `steps`."""
    rate = keras.optimizers.schedules.CosineDecay(recipe.training.learning_rate, steps, alpha=0.01)
    model.compile(keras.optimizers.Adam(rate), "mse", jit_compile=False)
