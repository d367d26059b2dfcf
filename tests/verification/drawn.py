"""Whole networks with a loss, labels and numbers, drawn by Hypothesis; the repr rebuilds them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from losses import LOSSES
from losses.loss import Loss
from models import CATALOGUE, Network, NetworkSubject
from tests.losses.loss_data import labels_for

ACTIVATIONS = [name for name, entry in CATALOGUE.items() if entry.preserves_width]
LAST = {
    ("probabilities", "binary"): "sigmoid",
    ("probabilities", "one_hot"): "softmax",
    ("probabilities", "classes"): "softmax",
}
"""What makes probabilities of weighted sums; a loss on anything else takes them as they are."""


@dataclass(frozen=True)
class Drawn:
    """A network in front of a loss, and a seed for all its numbers.

    ``zeros`` is the share of parameters and inputs that are exactly 0, where kinks are.
    """

    network: Network
    loss: Loss
    batch: int
    seed: int
    zeros: float = 0.0

    @cached_property
    def subject(self) -> NetworkSubject:
        """The cost at drawn labels as a function of input, parameters and signals."""
        shape = (self.batch, self._width_out())
        return self.network.subject(self.loss, self._labels(shape), signals=True)

    @cached_property
    def inputs(self):
        """The point, by name; signals are moved by nothing."""
        rng = np.random.default_rng(self.seed)
        params = self.network.initialise(rng, weight=self._numbers, bias=self._numbers)
        x = self._numbers(rng, (self.batch, self.network.layers[0].in_width))
        return self.subject.inputs(params, x)

    @property
    def kinks(self):
        """How to judge a claim at a kink: strictly where the network has none."""
        parts = [*self.network.layers, self.loss]
        return "lenient" if any(part.has_kink for part in parts) else "strict"

    @property
    def room(self):
        """How far the predictions are from where the loss becomes infinite."""
        if self.loss.predictions != "probabilities":
            return math.inf
        p = self.subject.layers(self.inputs, 1.0)[-1].inputs["predictions"]
        return min(p.min(), (1 - p).min()) if self.loss.labels == "binary" else p.min()

    def _numbers(self, rng, shape):
        numbers = rng.normal(size=shape)
        return np.where(rng.random(shape) < self.zeros, 0.0, numbers)

    def _labels(self, shape):
        return labels_for(self.loss, np.random.default_rng(self.seed + 1), shape)

    def _width_out(self):
        return next(
            layer.out_width for layer in reversed(self.network.layers) if layer.parameter_shapes
        )


@st.composite
def networks_with_losses(draw, *, stacked=True, zeros=(0.0,)):
    """Up to three dense layers with activations behind each, and any loss.

    ``stacked`` puts up to two activations behind a dense layer: then the second may sit exactly at
    its kink, where a ReLU before it gives 0.
    """
    loss = LOSSES[draw(st.sampled_from([*LOSSES]))]
    widths = draw(st.lists(st.integers(1, 4), min_size=2, max_size=4))
    layers = []
    for in_width, out_width in pairwise(widths):
        layers.append(CATALOGUE["dense"].build(in_width, out_width))
        behind = draw(st.lists(st.sampled_from(ACTIVATIONS), max_size=2 if stacked else 1))
        layers += [CATALOGUE[name].build(out_width, out_width) for name in behind]
    last = LAST.get((loss.predictions, loss.labels))
    if last:
        layers.append(CATALOGUE[last].build(widths[-1], widths[-1]))
    batch, seed = draw(st.integers(1, 4)), draw(st.integers(0, 2**16))
    return Drawn(Network(layers), loss, batch, seed, draw(st.sampled_from(zeros)))
