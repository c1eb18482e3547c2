"""Keras layers with a proven Lipschitz bound."""

from lipzoo.layers.canonical import CanonicalLift, CanonicalSpaceToDepth
from lipzoo.layers.channel_scale import ChannelScale
from lipzoo.layers.channels import Lift, Project
from lipzoo.layers.convex_sum import ConvexSum
from lipzoo.layers.gradient_flow_conv import GradientFlowConv1D, GradientFlowConv2D
from lipzoo.layers.gradient_flow_dense import GradientFlowDense
from lipzoo.layers.group_sort import GroupSort
from lipzoo.layers.hamiltonian_conv import HamiltonianConv1D, HamiltonianConv2D
from lipzoo.layers.hamiltonian_dense import HamiltonianDense
from lipzoo.layers.pooling import ScaledAveragePooling1D, ScaledAveragePooling2D
from lipzoo.layers.space_depth import DepthToSpace, SpaceToDepth
from lipzoo.layers.spectral_conv import SpectralConv1D, SpectralConv2D
from lipzoo.layers.spectral_dense import SpectralDense
from lipzoo.layers.unit_norm_dense import UnitNormDense

__all__ = [
    "CanonicalLift",
    "CanonicalSpaceToDepth",
    "ChannelScale",
    "ConvexSum",
    "DepthToSpace",
    "GradientFlowConv1D",
    "GradientFlowConv2D",
    "GradientFlowDense",
    "GroupSort",
    "HamiltonianConv1D",
    "HamiltonianConv2D",
    "HamiltonianDense",
    "Lift",
    "Project",
    "ScaledAveragePooling1D",
    "ScaledAveragePooling2D",
    "SpaceToDepth",
    "SpectralConv1D",
    "SpectralConv2D",
    "SpectralDense",
    "UnitNormDense",
]
