"""Names what ails a deep model, from the norms of its states and of their Jacobians."""

from dataclasses import dataclass, field

import keras
import numpy as np

from lipzoo.evaluation.jacobians import JacobianNorms, StateJacobians

# Over the whole depth. Gradients of the first and the last layers then differ by two orders of
# magnitude, more than one learning rate serves.
EXPLODING_GROWTH = 100.0
VANISHING_SENSITIVITY = 0.01

# A layer of so many steps costs as much as ten layers and has the weights of one.
STIFF_SUBSTEPS = 10
# In so little time T β a kernel of norm 1, as initialisers give it, moves differences of inputs by
# 1 % at most (‖I - J‖ <= T β ‖A‖²), where with the bound 1 a single step has h β = 2 …
STIFF_TIME = 0.01
# … and the bound is what makes the steps short if h β bound² is at least half of its limit 2.
STIFF_STEP = 1.0

# A first layer of these only chooses the input's units.
_UNITS = (keras.layers.Rescaling, keras.layers.Normalization)


@dataclass(frozen=True)
class Finding:
    """One signature that a model shows.

    Attributes:
        signature: `"exploding activations"`, `"vanishing gradients"` or `"stiff convergence"`.
        layers: names of the layers at which it shows.
        evidence: the numbers.
        advice: what to change.
    """

    signature: str
    layers: tuple[str, ...]
    evidence: str
    advice: str

    def __str__(self) -> str:
        shown = ", ".join(self.layers[:4]) + (", …" if len(self.layers) > 4 else "")
        return (
            f"{self.signature} in {_count(len(self.layers), 'layer')} ({shown})\n"
            f"  {self.evidence}\n  Advice: {self.advice}"
        )


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found.

    Attributes:
        findings: a tuple of `Finding`s.
        norms: the `JacobianNorms` that they rest on.
    """

    findings: tuple[Finding, ...]
    norms: JacobianNorms = field(repr=False)

    @property
    def healthy(self) -> bool:
        """Whether no signature showed at these inputs, which proves nothing about others."""
        return not self.findings

    def __str__(self) -> str:
        depth, examples = self.norms.forward.shape
        looked = f"{_count(depth, 'layer')} at {_count(examples, 'example')}"
        if self.healthy:
            return f"No signature of trouble in {looked}"
        return "\n".join([f"Diagnosis of {looked}", *map(str, self.findings)])


def diagnose(
    model: keras.Model,
    x,
    *,
    layers=None,
    method: str = "auto",
    iterations: int = 30,
    seed: int = 0,
    batch_size: int | None = None,
) -> Diagnosis:
    """Looks for three signatures of trouble in a deep model, at some inputs.

    For the states s_1, …, s_L of `jacobian_norms`, and medians over the examples:

    - *exploding activations*: ‖s_k‖ or ‖∂s_k/∂x‖ is more than 100 times what it is at s_1, or
      infinite, or ‖∂s_1/∂x‖ is above 100 itself. The steps are larger than the layers' bounds
      allow.
    - *vanishing gradients*: ‖∂s_L/∂s_k‖ is below 0.01 for some k, or ‖∂s_1/∂x‖ is: plain layers in
      depth, or explicit Euler steps of a system that forgets.

    (A first layer that is a Rescaling or a Normalization only chooses units and is not judged.)
    - *stiff convergence*: the bound of a gradient-flow layer (attributes `substeps`, `step_size`,
      `kernel_constraint.bound`, with h <= 2 / (β bound²)) is so large that its time takes 10 steps
      or more, or that its whole time T has T β <= 0.01, so that a kernel of norm 1 hardly acts.

    The thresholds are rules of thumb, constants of this module; no finding is a proof, nor is none.

    Args: as for `jacobian_norms`; a few inputs from the data are enough. By power iteration, norms
        are estimates from below, and vanishing gradients may be found where they only seem to be.

    Returns:
        A `Diagnosis`, readable when printed.

    Raises:
        TypeError, ValueError, NotImplementedError: as `jacobian_norms` does.

    Example: thirty layers that halve their input.

    >>> model = keras.Sequential([keras.Input((2,)), *[keras.layers.Rescaling(0.5)
    ...                                                for _ in range(30)]])
    >>> diagnosis = diagnose(model, [[1.0, 2.0]])
    >>> diagnosis.healthy, [finding.signature for finding in diagnosis.findings]
    (False, ['vanishing gradients'])
    """
    jacobians = StateJacobians(
        model,
        x,
        layers=layers,
        method=method,
        iterations=iterations,
        seed=seed,
        batch_size=batch_size,
    )
    _refuse_bad_weights(model)
    norms = jacobians.norms()
    judged = not isinstance(model.get_layer(norms.names[0]), _UNITS)
    found = (
        _exploding(norms, jacobians.state_norms(), judged),
        _vanishing(norms, judged),
        _stiff(model),
    )
    return Diagnosis(tuple(finding for finding in found if finding), norms)


def _exploding(norms, state_norms, first_is_judged):
    measures = {"a state": state_norms, "a forward Jacobian": norms.forward}
    medians = {what: np.median(values, axis=1) for what, values in measures.items()}
    exploded = {what: _exceeds(values) for what, values in medians.items()}
    if first_is_judged:
        exploded["a forward Jacobian"][0] |= medians["a forward Jacobian"][0] > EXPLODING_GROWTH
    if not any(map(np.any, exploded.values())):
        return None
    evidence = [
        f"the norm of {what} goes from {medians[what][0]:.3g} at the first of "
        f"{len(where)} layers up to {medians[what].max():.3g} "
        f"(trouble begins at a factor of {EXPLODING_GROWTH:g})"
        for what, where in exploded.items()
        if where.any()
    ]
    return Finding(
        "exploding activations",
        _named(norms.names, np.any(list(exploded.values()), axis=0)),
        "; ".join(evidence),
        "take smaller steps or a smaller bound of the kernels, or layers that keep to their bound: "
        "gradient flows do not expand, Hamiltonian layers of little time stay near 1",
    )


def _exceeds(medians):
    return ~np.isfinite(medians) | ((medians > EXPLODING_GROWTH * medians[0]) & (medians[0] > 0))


def _vanishing(norms, first_is_judged):
    medians = np.median(norms.backward, axis=1)
    vanished = medians < VANISHING_SENSITIVITY
    first = float(np.median(norms.forward[0]))
    if first_is_judged:
        vanished[0] |= first < VANISHING_SENSITIVITY
    if not vanished.any():
        return None
    kind = "" if norms.exact else ", estimated from below"
    return Finding(
        "vanishing gradients",
        _named(norms.names, vanished),
        f"the last state moves {medians[vanished].min():.3g} times as far as an earlier one{kind}, "
        f"and the first one {first:.3g} times as far as the input "
        f"(trouble begins below {VANISHING_SENSITIVITY:g})",
        "use Hamiltonian layers, whose backward norms are at least 1, or fewer layers",
    )


def _refuse_bad_weights(model):
    for variable in model.weights:
        if not np.all(np.isfinite(keras.ops.convert_to_numpy(variable))):
            raise ValueError(
                f"Expected finite weights. Received: NaN or infinity in '{variable.path}'"
            )


def _stiff(model):
    stiff = {layer.name: layer for layer in _layers(model) if _is_stiff(layer)}
    if not stiff:
        return None
    worst = max(stiff.values(), key=lambda layer: layer.kernel_constraint.bound)
    return Finding(
        "stiff convergence",
        tuple(stiff),
        f"'{worst.name}' takes {worst.substeps} steps of {worst.step_size:.3g}, which its kernel's "
        f"bound of {worst.kernel_constraint.bound:g} asks for",
        "give these layers a smaller bound, or less time if they take many steps",
    )


def _is_stiff(layer):
    bound = getattr(getattr(layer, "kernel_constraint", None), "bound", None)
    if bound is None or not hasattr(layer, "substeps") or not hasattr(layer, "step_size"):
        return False
    rate = layer.step_size * getattr(getattr(layer, "activation", None), "upper", 1.0)
    hardly_acts = rate * layer.substeps <= STIFF_TIME and rate * bound**2 >= STIFF_STEP
    return layer.substeps >= STIFF_SUBSTEPS or hardly_acts


def _layers(model):
    """The layers of a model and of the models nested in it."""
    for layer in model.layers:
        yield from _layers(layer) if isinstance(layer, keras.Model) else (layer,)


def _named(names, chosen):
    return tuple(name for name, is_chosen in zip(names, chosen, strict=True) if is_chosen)


def _count(number, noun):
    return f"{number:,} {noun}{'s' * (number != 1)}"
