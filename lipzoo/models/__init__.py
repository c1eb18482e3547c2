"""Builders: functions from plain arguments to a `keras.Model`."""

from lipzoo.models.baselines import MLP, ResNet
from lipzoo.models.denoiser import Denoiser
from lipzoo.models.gradflownet import GradFlowNet
from lipzoo.models.hamnet import HamNet
from lipzoo.models.invnet import InvNet, UnrolledNet

ARCHITECTURES = {
    "Denoiser": Denoiser,
    "GradFlowNet": GradFlowNet,
    "HamNet": HamNet,
    "InvNet": InvNet,
    "MLP": MLP,
    "ResNet": ResNet,
    "UnrolledNet": UnrolledNet,
}
"""Builders by the name under which a model's configuration refers to them."""

KEEP_THEIR_BOUND = frozenset({"Denoiser", "GradFlowNet", "InvNet"})
"""Those whose Lipschitz bound training cannot raise."""

SERVE_EVERY_SIZE = frozenset({"Denoiser"})
"""Those with an `input_shape` that their weights do not depend on."""

__all__ = [
    "ARCHITECTURES",
    "KEEP_THEIR_BOUND",
    "MLP",
    "SERVE_EVERY_SIZE",
    "Denoiser",
    "GradFlowNet",
    "HamNet",
    "InvNet",
    "ResNet",
    "UnrolledNet",
]
