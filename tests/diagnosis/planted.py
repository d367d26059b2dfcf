"""Networks with one bug planted in them: in a layer's backward, or in the wiring between layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from models import ELU, GELU, Dense, Network, ReLU, Sigmoid, Softplus, Tanh

ACTIVATIONS = (ELU, GELU, ReLU, Sigmoid, Softplus, Tanh)
PLACES = ("backward", "slope", "bias sum", "wiring")


@dataclass(frozen=True)
class Faulty:
    """A layer whose backward is changed by ``spoil(params_bar, x_bar, residuals, y_bar)``."""

    layer: Any
    spoil: Any

    @property
    def parameter_shapes(self):
        return self.layer.parameter_shapes

    @property
    def in_width(self):
        return self.layer.in_width

    @property
    def out_width(self):
        return self.layer.out_width

    @property
    def has_kink(self):
        return self.layer.has_kink

    def forward(self, params, x):
        return self.layer.forward(params, x)

    def backward(self, params, residuals, y_bar):
        params_bar, x_bar = self.layer.backward(params, residuals, y_bar)
        return self.spoil(self.layer, dict(params_bar), x_bar, residuals, y_bar)


def doubled_weight(layer, params_bar, x_bar, residuals, y_bar):
    return params_bar | {"weight": 2 * params_bar["weight"]}, x_bar


def negative_input(layer, params_bar, x_bar, residuals, y_bar):
    return params_bar, -x_bar


def averaged_bias(layer, params_bar, x_bar, residuals, y_bar):
    return params_bar | {"bias": params_bar["bias"] / len(y_bar)}, x_bar


def first_bias(layer, params_bar, x_bar, residuals, y_bar):
    return params_bar | {"bias": y_bar[0].copy()}, x_bar


def slope_forgotten(layer, params_bar, x_bar, residuals, y_bar):
    return params_bar, y_bar.copy()


def slope_at_output(layer, params_bar, x_bar, residuals, y_bar):
    _, a = residuals
    return params_bar, y_bar * layer.slope(a, layer.value(a))


class Miswired(Network):
    """Layers that are right, and a backward pass that is not."""

    def backward(self, params, trace, y_bar):
        right = super().backward(params, trace, y_bar)
        half = len(self.layers) // 2
        # The gradient that reaches the first half of the layers is doubled on its way.
        bar, parameters, outputs = 2 * right.outputs[half - 1], [], []
        for i in reversed(range(half)):
            outputs.append(bar)
            params_bar, bar = self.layers[i].backward(params[i], trace.residuals[i], bar)
            parameters.append(params_bar)
        return type(right)(
            parameters[::-1] + right.parameters[half:],
            (*outputs[::-1], *right.outputs[half:]),
            bar,
        )


class Crossed(Network):
    """Layers that are right, whose parameter gradients are handed out under another's name."""

    def backward(self, params, trace, y_bar):
        right = super().backward(params, trace, y_bar)
        shapes = [layer.parameter_shapes for layer in self.layers]
        pairs = [(i, j) for i, a in enumerate(shapes) for j in range(i) if a and a == shapes[j]]
        parameters = list(right.parameters)
        for i, j in pairs[:1]:
            parameters[i], parameters[j] = parameters[j], parameters[i]
        return type(right)(parameters, right.outputs, right.x)


def planted(seed, place):
    """A network subject with a bug of one kind, its inputs, and the name of the guilty."""
    rng = np.random.default_rng(seed)
    layers = _layers(rng)
    guilty = "wiring"
    if place == "wiring":
        kind = Crossed if _has_twins(layers) and rng.random() < 0.5 else Miswired
        network = kind(layers)
    else:
        position = int(rng.choice(_candidates(layers, place)))
        spoilers = {
            "backward": (doubled_weight, negative_input),
            "bias sum": (averaged_bias, first_bias),
            "slope": (slope_forgotten, slope_at_output),
        }[place]
        spoil = spoilers[int(rng.integers(len(spoilers)))]
        layers[position] = Faulty(layers[position], spoil)
        network, guilty = Network(layers), f"layers[{position}]"
    subject = network.subject()
    params = network.initialise(rng, bias=lambda rng, shape: rng.standard_normal(shape))
    x = rng.standard_normal((int(rng.integers(2, 6)), layers[0].in_width))
    return subject, subject.inputs(params, x), guilty


def _layers(rng):
    """Two to eight layers, dense and activations in turn; the first is dense."""
    count, width = int(rng.integers(2, 9)), int(rng.integers(1, 6))
    layers = []
    for i in range(count):
        if i % 2:
            layers.append(ACTIVATIONS[int(rng.integers(len(ACTIVATIONS)))]())
        else:
            # Equal widths often: layers that could be mistaken for each other.
            out = width if rng.random() < 0.5 else int(rng.integers(1, 6))
            layers.append(Dense(width, out))
            width = out
    return layers


def _candidates(layers, place):
    dense = place != "slope"
    return [i for i, layer in enumerate(layers) if isinstance(layer, Dense) == dense]


def _has_twins(layers):
    shapes = [str(layer.parameter_shapes) for layer in layers if layer.parameter_shapes]
    return len(set(shapes)) < len(shapes)
