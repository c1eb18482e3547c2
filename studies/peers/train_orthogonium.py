"""orthogonium (arXiv 2501.07930) on PyTorch, for the comparison.

Adaptive orthogonal convolutions and orthogonal linear layers with their default settings (circular
padding); inference with plain kernels, as its documentation advises.
"""

import math
from importlib.metadata import version

import torch
from orthogonium.layers.conv.AOC import AdaptiveOrthoConv2d
from orthogonium.layers.custom_activations import MaxMin
from orthogonium.layers.linear import OrthoLinear
from torch import nn
from torch.nn.utils import parametrize

from studies.peers.exchange import answer
from studies.peers.shape import KERNEL_SIZE, NETWORKS, OFFSET, TEMPERATURE, with_sizes


class Network:
    """A network of orthogonium; see `studies.peers.exchange.Network`."""

    def __init__(self, name, seed):
        torch.manual_seed(seed)
        layers, last = [], len(NETWORKS[name]) - 1
        for place, (kind, units, *_, channels) in enumerate(with_sizes(name)):
            if kind == "space_to_depth":
                layers.append(nn.PixelUnshuffle(units))
                continue
            if kind == "convolution":
                layers.append(AdaptiveOrthoConv2d(channels, units, KERNEL_SIZE))
            else:
                # Of what is flat already it changes nothing.
                layers += [nn.Flatten(), OrthoLinear(channels, units)]
            layers += [] if place == last else [MaxMin()]
        self.model = nn.Sequential(*layers)
        self.parameters = sum(parameter.numel() for parameter in self.model.parameters())
        self.optimizer = torch.optim.Adam(self.model.parameters())

    def step(self, images, labels, rate):
        self.optimizer.param_groups[0]["lr"] = rate
        labels = torch.from_numpy(labels).long()
        logits = self.model(_channels_first(images))
        offset = math.sqrt(2) * OFFSET * nn.functional.one_hot(labels, logits.shape[-1])
        loss = nn.functional.cross_entropy((logits - offset) / TEMPERATURE, labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        loss.item()

    def freeze(self):
        self.model.eval()
        for layer in self.model:
            if parametrize.is_parametrized(layer):
                parametrize.remove_parametrizations(layer, "weight")

    def logits(self, images):
        with torch.inference_mode():
            return self.model(_channels_first(images)).numpy()

    def kernels(self):
        weighted = [layer for layer in self.model if hasattr(layer, "weight")]
        weights = [layer.weight.detach().numpy() for layer in weighted]
        return [w.T if w.ndim == 2 else w.transpose(2, 3, 1, 0) for w in weights]

    def facts(self, images, labels):
        return {
            "software": {"orthogonium": version("orthogonium"), "torch": torch.__version__},
            "parameters": self.parameters,
            "padding": "circular",
            "claimed_bound": 1.0,
        }


def _channels_first(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


if __name__ == "__main__":
    answer(Network)
