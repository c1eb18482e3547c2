"""The hash of a recipe's values, which keys that came later leave as it was."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

_FIRST = {
    "": "name description seed data model training evaluation registry",
    "data": "source test validation test_size kind label missing standardize",
    "model": "architecture arguments",
    "measurement": "noise examples",
    "training": "epochs batch_size learning_rate final_learning_rate warmup_epochs optimizer "
    "weight_decay ema jit_compile weights_dtype loss augment",
    "training.loss": "name epsilon temperature margin",
    "training.augment": "flip shift",
    "training.restart": "epochs learning_rate augment",
    "training.restart.augment": "flip shift",
    "training.adversary": "epsilon steps step_size",
    "training.stiefel_muon": "momentum newton_schulz_steps adam_lr_ratio",
    "evaluation": "epsilons watch",
    "registry": "dataset data_licence citation licence class_names intended_use paper limitations",
}
FIRST_KEYS: Mapping[str, frozenset[str]] = {
    table: frozenset(keys.split()) for table, keys in _FIRST.items()
}
"""The keys that each table had when it first came. They are always hashed; a key that came later is
where its value is not the default, so that no new key changes the hash of an older recipe."""

# Tables of which nothing is read unless another value asks for it: whole where it does.
_READ_WHERE: Mapping[str, Callable[[Any], bool]] = {
    "measurement": lambda recipe: recipe.measurement.noise > 0,
    "training.restart": lambda recipe: recipe.training.restart.epochs > 0,
    "training.adversary": lambda recipe: recipe.training.adversary.epsilon > 0,
    "training.stiefel_muon": lambda recipe: recipe.training.optimizer == "stiefel_muon",
}

# The weights do not depend on the one; the other says which data the texts are about.
_NEVER = ("training.devices", "registry.content_sha256")


def settings_sha256(recipe) -> str:
    """SHA-256 of a recipe's values: dataclasses in a dataclass, with the tables of `FIRST_KEYS`.

    A value counts if its key is one of its table's first ones, or if it is not the default; of a
    table that the training does not read, none does.
    """
    return hashlib.sha256(repr(_canonical(_counted(recipe, recipe))).encode()).hexdigest()


def _counted(settings, recipe, table: str = "") -> dict:
    values = {}
    for field in dataclasses.fields(settings):
        path = f"{table}.{field.name}".lstrip(".")
        value = getattr(settings, field.name)
        if path in _READ_WHERE:
            counts = _READ_WHERE[path](recipe)
        else:
            counts = field.name in FIRST_KEYS[table] or value != _default(field)
        if counts and path not in _NEVER:
            is_table = dataclasses.is_dataclass(value)
            values[field.name] = _counted(value, recipe, path) if is_table else value
    return values


def _default(field: dataclasses.Field):
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _canonical(value):
    """Nested tuples with sorted keys, so that equal recipes have equal representations."""
    if isinstance(value, dict):
        return tuple((k, _canonical(v)) for k, v in sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(_canonical(v) for v in value)
    return value
