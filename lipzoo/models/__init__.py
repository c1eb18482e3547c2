"""Builders: functions from plain arguments to a `keras.Model`."""

from lipzoo.models.baselines import MLP, ResNet
from lipzoo.models.gradflownet import GradFlowNet
from lipzoo.models.hamnet import HamNet
from lipzoo.models.invnet import InvNet, UnrolledNet

ARCHITECTURES = {
    "GradFlowNet": GradFlowNet,
    "HamNet": HamNet,
    "InvNet": InvNet,
    "MLP": MLP,
    "ResNet": ResNet,
    "UnrolledNet": UnrolledNet,
}
"""Builders by the name under which a model's configuration refers to them."""

KEEP_THEIR_BOUND = frozenset({"GradFlowNet", "InvNet"})
"""Those whose Lipschitz bound training cannot raise."""

__all__ = [
    "ARCHITECTURES",
    "KEEP_THEIR_BOUND",
    "MLP",
    "GradFlowNet",
    "HamNet",
    "InvNet",
    "ResNet",
    "UnrolledNet",
]
