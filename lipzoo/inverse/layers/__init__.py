"""Layers that know the measurement."""

from lipzoo.inverse.layers.data_step import DataStep
from lipzoo.inverse.layers.monotone_step import MonotoneDataStep
from lipzoo.inverse.layers.plug_and_play import PlugAndPlay
from lipzoo.inverse.layers.sensitivity_lift import SensitivityLift
from lipzoo.inverse.layers.tikhonov import Tikhonov

__all__ = ["DataStep", "MonotoneDataStep", "PlugAndPlay", "SensitivityLift", "Tikhonov"]
