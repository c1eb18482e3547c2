"""The architectures, each written down a second time: what it computes and what that is bounded by.

A function takes the weights and the arguments of `config.json` and walks through the layers.
"""

from lipzoo_catalogue.checker.architectures.baselines import mlp, resnet
from lipzoo_catalogue.checker.architectures.denoiser import denoiser
from lipzoo_catalogue.checker.architectures.gradflownet import gradflownet
from lipzoo_catalogue.checker.architectures.hamnet import hamnet
from lipzoo_catalogue.checker.architectures.invnet import invnet, unrollednet

ARCHITECTURES = {
    "Denoiser": denoiser,
    "GradFlowNet": gradflownet,
    "HamNet": hamnet,
    "InvNet": invnet,
    "MLP": mlp,
    "ResNet": resnet,
    "UnrolledNet": unrollednet,
}

__all__ = ["ARCHITECTURES"]
