"""Trains with Ray Train: `python examples/ray_train.py recipe.toml runs/two`."""

import os
import socket
import sys
from pathlib import Path

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig, get_context
from ray.train.collective import broadcast_from_rank_zero
from ray.train.v2.jax import JaxTrainer


def work(settings: dict) -> None:
    """What each worker does: it joins the others, and goes on where the run folder stands."""
    context = get_context()
    with socket.socket() as free:
        free.bind(("", 0))
        own = f"{ray.util.get_node_ip_address()}:{free.getsockname()[1]}"
    os.environ["KERAS_DISTRIBUTION_JOB_ADDRESSES"] = broadcast_from_rank_zero(own)
    os.environ["KERAS_DISTRIBUTION_NUM_PROCESSES"] = str(context.get_world_size())
    os.environ["KERAS_DISTRIBUTION_PROCESS_ID"] = str(context.get_world_rank())

    from lipzoo.training import train
    from lipzoo.training.processes import join_job

    join_job()
    devices = context.get_world_size()
    train(settings["recipe"], settings["folder"], resume=True, devices=devices)


def start(recipe: str, folder: str, workers: int = 2, work=work) -> None:
    """Trains on one device a worker; when one dies, Ray starts all of them again.

    The run folder, on a file system that all workers see, has the checkpoint of the last whole
    epoch, which is where they go on.
    """
    ray.init(runtime_env={"env_vars": {"KERAS_BACKEND": "jax"}}, include_dashboard=False)
    settings = {"recipe": Path(recipe).read_text(), "folder": str(Path(folder).resolve())}
    JaxTrainer(
        work,
        train_loop_config=settings,
        scaling_config=ScalingConfig(num_workers=workers, resources_per_worker={"CPU": 1}),
        run_config=RunConfig(failure_config=FailureConfig(max_failures=3)),
    ).fit()
    ray.shutdown()


if __name__ == "__main__":
    start(*sys.argv[1:])
