"""Builders: functions from plain arguments to a `keras.Model`."""

from lipzoo.models.baselines import MLP, ResNet
from lipzoo.models.gradflownet import GradFlowNet
from lipzoo.models.hamnet import HamNet

ARCHITECTURES = {"GradFlowNet": GradFlowNet, "HamNet": HamNet, "MLP": MLP, "ResNet": ResNet}
"""Builders by the name under which a model's configuration refers to them."""

KEEP_THEIR_BOUND = frozenset({"GradFlowNet"})
"""Those whose Lipschitz bound training cannot raise, so that certified accuracy can be watched."""

__all__ = ["ARCHITECTURES", "KEEP_THEIR_BOUND", "MLP", "GradFlowNet", "HamNet", "ResNet"]
