"""Builders: functions from plain arguments to a `keras.Model`."""

from lipzoo.models.gradflownet import GradFlowNet

ARCHITECTURES = {"GradFlowNet": GradFlowNet}
"""Builders by the name under which a model's configuration refers to them."""

__all__ = ["ARCHITECTURES", "GradFlowNet"]
