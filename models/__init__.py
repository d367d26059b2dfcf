"""Networks with hand-derived backpropagation, in NumPy.

A layer is a pure pair ``forward(params, x) -> (y, residuals)`` and
``backward(params, residuals, y_bar) -> (params_bar, x_bar)``; a `Network` is layers in a row. Its
parameters are kept apart, as a list with one dict of arrays per layer, and the ``repr`` of a layer
or network rebuilds it, given ``from models import *``.

``CATALOGUE[name]`` is one kind of layer, for whoever draws networks:

- ``.build(in_width, out_width) -> layer``, where both widths must be equal if
- ``.preserves_width: bool``, which is true of every activation;
- ``.has_kink: bool``, whether the one-sided slopes differ somewhere.

A layer has ``forward`` and ``backward`` as above, ``parameter_shapes`` (a mapping of parameter
names to shapes, empty for an activation) and ``has_kink``. It maps arrays of shape
``(..., in_width)`` to ``(..., out_width)``. Another project's catalogue needs nothing else.

Training is a loop that its owner writes:

>>> import numpy as np
>>> from losses import MeanSquaredError
>>> rng = np.random.default_rng(0)
>>> network, optimiser = Network([Dense(1, 8), Tanh(), Dense(8, 1)]), Adam(rate=0.05)
>>> x = np.linspace(-1, 1, 20).reshape(-1, 1)
>>> params = network.initialise(rng)
>>> state = optimiser.start(params)
>>> for epoch in range(300):
...     cost, gradients = network.value_and_gradients(params, x, x**2, MeanSquaredError())
...     params, state = optimiser.update(params, gradients.parameters, state)
>>> bool(cost < 1e-3)
True
"""

from __future__ import annotations

from .activations import (
    ELU,
    GELU,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Softmax,
    Softplus,
    Tanh,
)
from .catalogue import CATALOGUE, Entry
from .dense import Dense
from .initialisers import (
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    zeros,
)
from .layer import Layer
from .network import Gradients, Network, Trace
from .optimisers import Adam, AdamState, GradientDescent, Momentum
from .subjects import CostSubject, LayerCall, LayerSubject, NetworkSubject

__all__ = [
    "CATALOGUE",
    "ELU",
    "GELU",
    "Adam",
    "AdamState",
    "CostSubject",
    "Dense",
    "Entry",
    "GradientDescent",
    "Gradients",
    "Identity",
    "Layer",
    "LayerCall",
    "LayerSubject",
    "LeakyReLU",
    "Momentum",
    "Network",
    "NetworkSubject",
    "ReLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "Trace",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "lecun_normal",
    "lecun_uniform",
    "zeros",
]
