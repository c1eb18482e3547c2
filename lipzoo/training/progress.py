"""Callbacks of a training run: what is shown, recorded and saved at each epoch."""

import math
import sys
import time
from pathlib import Path

import keras

from lipzoo.training.run_folder import save_checkpoint


class Progress(keras.callbacks.Callback):
    """A progress bar on a terminal, one line per epoch elsewhere; layers' shares are left out."""

    def __init__(self, steps: int):
        super().__init__()
        self.steps = steps

    def on_epoch_begin(self, epoch, logs=None):
        print(f"epoch {epoch + 1}/{self.params['epochs']}", flush=True)
        self.bar = keras.utils.Progbar(
            self.steps,
            verbose=1 if sys.stdout.isatty() else 2,
            stateful_metrics=[metric.name for metric in self.model.metrics],
            unit_name="step",
        )

    def on_train_batch_end(self, batch, logs=None):
        if batch + 1 < self.steps:
            self.bar.update(batch + 1, self._shown(logs), finalize=False)

    def on_epoch_end(self, epoch, logs=None):
        self.bar.update(self.steps, self._shown(logs), finalize=True)
        sys.stdout.flush()

    @staticmethod
    def _shown(logs):
        return [(k, float(v)) for k, v in (logs or {}).items() if not k.startswith("lipschitz/")]


class DivergenceCheck(keras.callbacks.Callback):
    """Ends a run whose loss is no number any more, before such weights reach a checkpoint.

    Raises:
        FloatingPointError: at the end of the first epoch with such a loss.
    """

    def on_epoch_end(self, epoch, logs=None):
        loss = float((logs or {}).get("loss", math.nan))
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} after epoch {epoch + 1}; a smaller learning_rate may help"
            )


class Recorder(keras.callbacks.Callback):
    """Keeps the history and writes a checkpoint after every epoch.

    Args:
        path: path of the checkpoint; `None` for a process that writes none.
        history: rows of earlier epochs, extended in place.
        identity: JSON values that say which run the checkpoint belongs to.
    """

    def __init__(self, path: Path | None, history: list[dict], identity: dict):
        super().__init__()
        self.path = path
        self.history = history
        self.identity = identity

    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        values = {key: float(value) for key, value in (logs or {}).items()}
        row = {"epoch": epoch + 1, "seconds": time.perf_counter() - self.started, **values}
        row["learning_rate"] = float(self.model.optimizer.learning_rate)
        self.history.append(row)
        if self.path is None:
            return
        state = {**self.identity, "epochs_done": epoch + 1, "history": self.history}
        save_checkpoint(self.path, self.model, state)
