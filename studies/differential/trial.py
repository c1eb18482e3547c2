"""One model: drawn, certified, attacked; then changed, and all of it again."""

import contextlib
import traceback
from dataclasses import asdict, dataclass, field

import keras
import numpy as np

import lipzoo
from studies.differential import generator, hostile
from studies.differential.adversary import (
    Found,
    Violation,
    attack_balls,
    attack_bound,
    attack_radii,
)
from studies.differential.functions import Function, untraced


@dataclass
class Trial:
    """What became of one model.

    Attributes:
        seed: of the model.
        outcome: "accepted", "refused", "unbuildable", "violation" or "raw error".
        reason: why, for all but the first.
        features: counts of what the model is made of.
        found: how near the adversary came, see `Found`.
        traced: whether `predict` was compiled, and attacked as well.
        changed: what was changed between two certificates.
        box: of the inputs, `None` for all of them.
        local: whether radii rest on slopes within each ball.
    """

    seed: int
    outcome: str
    reason: str = ""
    features: dict = field(default_factory=dict)
    found: dict = field(default_factory=dict)
    traced: bool = False
    changed: str = ""
    box: tuple[float, float] | None = None
    local: bool = False


# What is tried: bounds and balls of any model; bounds on boxes, of models with products; radii from
# slopes within each ball, of chains.
ABOUT = ("any", "boxes", "local")


def run(seed: int, about: str = ABOUT[0]) -> Trial:
    """The trial of one seed; equal seeds give equal models, those of another kind are others."""
    random = np.random.default_rng((seed, 1))
    traced = bool(random.random() < 0.22)
    box = _box(random) if about == "boxes" else None
    trial = Trial(seed, "unbuildable", traced=traced, box=box, local=about == "local")
    found = Found()
    with contextlib.nullcontext() if traced else untraced():
        _run(trial, random, found)
    trial.found = {key: round(value, 6) for key, value in asdict(found).items()}
    return trial


def _box(random) -> tuple[float, float]:
    low = float(random.choice([-2.0, -1.0, -0.5, 0.0, 0.25]))
    return low, low + float(random.choice([0.125, 0.5, 1.0, 3.0]))


def _run(trial, random, found):
    for attempt in range(4):
        try:
            made, model, twin = _made(trial.seed, attempt, _settings(trial))
            break
        except generator.Unbuildable as error:
            trial.reason = str(error)
            if is_refusal(error.__cause__):
                trial.outcome, trial.reason = "refused", reason_of(error.__cause__)
                return
    else:
        return
    trial.reason = ""
    trial.features = dict(made.draw.features)
    _examine(trial, model, twin, random, found)
    if trial.outcome in ("accepted", "refused") and trial.traced and random.random() < 0.6:
        _changed(trial, made, model, twin, random, found)


def _settings(trial) -> dict:
    return {"products": trial.box is not None, "chain": trial.local}


def _made(seed, attempt, settings):
    made = generator.make((seed, 0, attempt), **settings)
    try:
        # Keras leaves a Sequential without inputs where a layer does not take what comes.
        model = Function(made.model)
        rows = np.zeros((2, sum(model.sizes)))
        model.eager(rows)
    except Exception as error:
        raise generator.Unbuildable(f"{type(error).__name__} when called") from error
    return made, model, _twin_of(made, seed, attempt, settings)


def _twin_of(made, seed, attempt, settings):
    """The same model in float64; `None` where there is none."""
    try:
        wide = generator.make((seed, 0, attempt), wide=True, **settings)
    except generator.Unbuildable:
        return None
    if wide.log != made.log or wide.draw.features != made.draw.features:
        return None
    ours, theirs = made.model.get_weights(), wide.model.get_weights()
    if [a.shape for a in ours] != [b.shape for b in theirs]:
        return None
    layers = wide.model._flatten_layers(include_self=False)
    if any(keras.backend.is_float_dtype(t) and t != "float64" for t in map(_computes_in, layers)):
        return None
    wide.model.set_weights(ours)
    _give_constants(made.model, wide.model)
    twin = Function(wide.model)
    twin.draw = wide.draw
    try:
        twin.eager(np.zeros((2, sum(twin.sizes))))
    except Exception:
        return None
    return twin


def _give_constants(model, wide):
    """Gives the wide model the statistics of the other one, which are rounded to its type."""
    pairs = zip(_normalizations(model), _normalizations(wide), strict=True)
    for layer, wider in pairs:
        if layer.mean is not None:
            wider.mean = keras.ops.cast(layer.mean, "float64")
            wider.variance = keras.ops.cast(layer.variance, "float64")


def _normalizations(model):
    layers = model._flatten_layers(include_self=False)
    return [layer for layer in layers if isinstance(layer, keras.layers.Normalization)]


def _computes_in(layer):
    # Inputs and models have a policy and compute nothing by themselves.
    idle = isinstance(layer, keras.layers.InputLayer | keras.Model)
    return "float64" if idle else layer.compute_dtype or "float64"


def _examine(trial, model, twin, random, found):
    """Certifies and attacks; sets the outcome."""
    predict = trial.traced or random.random() < 0.3
    try:
        bound = _bound(trial, model.model)
        trial.outcome = "accepted"
        if twin is None:
            trial.outcome, trial.reason = "refused", "no twin in float64"
            return
        rows, values, jacobians = attack_bound(twin, bound, random, found)
        if not np.isfinite(values).all():
            return
        if len(model.model.outputs) == 1:
            classifies = len(model.model.outputs[0].shape) == 2
            # Compiling is most of the time that a model takes: one of the two.
            any_model = trial.box is None and not trial.local
            if any_model and not (trial.traced and classifies and random.random() < 0.6):
                _allowing(attack_balls, model, rows, jacobians, random, found, predict)
                classifies = classifies and not trial.traced
            if classifies:
                settings: dict = {"method": bound.method, "domain": trial.box}
                settings["local"] = trial.local
                if random.random() < 0.25:
                    settings["reference"] = twin.model
                _allowing(attack_radii, model, twin, rows, random, found, predict, settings)
    except Violation as violation:
        trial.outcome, trial.reason = "violation", str(violation)
    except Exception as error:
        if is_refusal(error):
            trial.outcome, trial.reason = "refused", reason_of(error)
        elif _runs(model):
            last = traceback.extract_tb(error.__traceback__)[-3:]
            where = ", ".join(f"{frame.filename.split('/')[-1]}:{frame.lineno}" for frame in last)
            trial.outcome = "raw error"
            trial.reason = f"{type(error).__name__}: {error} ({where})"[:600]
        else:
            trial.outcome, trial.reason = "unbuildable", f"{type(error).__name__} when run"


def _bound(trial, model):
    """On the box, or by ellipsoids for every second model, where it has fixed sizes."""
    if trial.box is not None:
        return lipzoo.lipschitz_bound(model, domain=trial.box)
    if trial.seed % 2:
        try:
            return lipzoo.lipschitz_bound(model, "semidefinite")
        except ValueError as error:
            if "fixed sizes" not in str(error):
                raise
    return lipzoo.lipschitz_bound(model)


def _allowing(attack, *arguments):
    """An attack on a statement that may be refused where the bound is not."""
    try:
        attack(*arguments)
    except Exception as error:
        if not is_refusal(error):
            raise


def _changed(trial, made, model, twin, random, found):
    seed = int(random.integers(2**31))
    try:
        draws = [made.draw] + ([twin.draw] if twin else [])
        for draw, function in zip(draws, [model, twin], strict=False):
            draw.random = np.random.default_rng(seed)
            trial.changed = hostile.mutate(draw, function.model)
        again = Function(model.model)
        again.eager(np.zeros((2, sum(again.sizes))))
        twin_again = None
        if twin is not None:
            twin_again = Function(twin.model)
            twin_again.eager(np.zeros((2, sum(twin_again.sizes))))
    except Exception as error:
        trial.changed += f" ({type(error).__name__}: not examined)"
        return
    trial.features = dict(made.draw.features)
    before = trial.outcome, trial.reason
    _examine(trial, again, twin_again, random, found)
    if trial.outcome in ("refused", "unbuildable"):
        trial.outcome, trial.reason = before


def is_refusal(error) -> bool:
    """Whether an error is one of lipzoo's, which says what was expected and what came."""
    if isinstance(error, lipzoo.UncertifiedLayerError):
        return True
    if not isinstance(error, ValueError | TypeError) or error.__traceback__ is None:
        return False
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return "/lipzoo/" in frame.filename and frame.line.startswith("raise")


def reason_of(error) -> str:
    """A short text that is equal for equal reasons."""
    if isinstance(error, lipzoo.UncertifiedLayerError):
        text = str(error).split("has no proven Lipschitz bound. ")[-1]
        return f"{error.layer_class.__name__}: {text.split('. ')[0][:70]}"
    return f"{type(error).__name__}: {str(error)[:60]}"


def _runs(model) -> bool:
    """Whether Keras itself runs the model."""
    try:
        rows = np.zeros((2, sum(model.sizes)))
        model.eager(rows)
        model.model.make_predict_function(force=True)
        model.predicted(rows)
    except Exception:
        return False
    return True
