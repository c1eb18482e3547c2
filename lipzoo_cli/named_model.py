"""The model that a user names: in the zoo, in a folder, on the Hub."""

import argparse

import keras

from lipzoo.zoo.loading import load_from
from lipzoo_catalogue.model_source import find
from lipzoo_cli.arguments import model_of, settings_of


def named_model(name: str, arguments: argparse.Namespace, dtype: str) -> keras.Model:
    """Loads a model; errors say which one it was.

    Args:
        name: as the user typed it.
        arguments: of the command, with the options about the Hub.
        dtype: arithmetic of the network.

    Raises:
        ValueError, OSError, HubError: see `lipzoo.load`.
    """
    source = find(model_of(name), revision=arguments.revision, settings=settings_of(arguments))
    with source.named_in_errors():
        return load_from(source, dtype=dtype)
