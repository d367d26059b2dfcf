"""Networks: layers one after the other, and backpropagation through them.

Training in six steps (Rumelhart, Hinton & Williams 1986; Nielsen 2015, ch. 2):

1. `Network.forward` stores every weighted sum z and activation a;
2. the loss compares the last of them with the labels;
3. the loss gives the gradient of the cost by the output;
4. `Network.backward` carries it from output to input, through the gradients by every activation and
   weighted sum, and leaves the gradients by weights and biases on the way;
5. an optimiser updates the parameters;
6. this is repeated until the cost no longer falls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .initialisers import Initialiser, glorot_uniform, zeros
from .layer import Layer, Loss, Parameters
from .subjects import NetworkSubject

Array = NDArray[Any]


_NO_SHIFTS: Mapping[int, Array] = MappingProxyType({})


@dataclass(frozen=True)
class Trace:
    """What the forward pass stored: the output and the residuals of every layer, in order."""

    outputs: tuple[Array, ...]
    residuals: tuple[Any, ...]


@dataclass(frozen=True)
class Gradients:
    """Gradients of one scalar by everything in the network.

    Attributes
    ----------
    parameters : list of dict of str to array
        One dict per layer, as the parameters.
    outputs : tuple of array
        By the output of each layer: of a dense layer its weighted sums z, of any other its
        activations a.
    x : array
        By the input of the network.
    """

    parameters: list[dict[str, Array]]
    outputs: tuple[Array, ...]
    x: Array

    @property
    def weighted_sums(self) -> dict[int, Array]:
        """Gradients by the outputs of the layers with parameters, by position."""
        return {i: bar for i, bar in enumerate(self.outputs) if self.parameters[i]}

    @property
    def activations(self) -> dict[int, Array]:
        """Gradients by the outputs of the layers without parameters, by position."""
        return {i: bar for i, bar in enumerate(self.outputs) if not self.parameters[i]}


@dataclass(frozen=True)
class Network:
    """Layers in a row: structure only, the parameters are a list with one dict per layer.

    Parameters
    ----------
    layers : sequence of Layer

    Raises
    ------
    ValueError
        If there is no layer, or a dense layer does not fit the width of the one before.

    Examples
    --------
    >>> from models import Dense, Network, Tanh
    >>> network = Network([Dense(2, 3), Tanh(), Dense(3, 1)])
    >>> params = network.initialise(np.random.default_rng(0))
    >>> network.predict(params, np.ones((4, 2))).shape
    (4, 1)
    >>> eval(repr(network)) == network
    True
    """

    layers: Sequence[Layer]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise ValueError("layers: got none, expected at least one layer")
        _require_fitting_widths(self.layers)

    def initialise(
        self,
        rng: np.random.Generator,
        weight: Initialiser = glorot_uniform,
        bias: Initialiser = zeros,
    ) -> list[dict[str, Array]]:
        """Fresh parameters: ``weight`` makes those with two axes or more, ``bias`` the others."""
        return [
            {
                name: (weight if len(shape) > 1 else bias)(rng, shape)
                for name, shape in layer.parameter_shapes.items()
            }
            for layer in self.layers
        ]

    def forward(
        self, params: Sequence[Parameters], x: Array, shifts: Mapping[int, Array] = _NO_SHIFTS
    ) -> tuple[Array, Trace]:
        """Output, and the trace of everything on the way: step 1.

        An array in ``shifts`` is added to the output of the layer at its position. The derivative
        by such a shift is the derivative by that weighted sum or activation, which is how those
        are verified: they cannot be perturbed from outside.
        """
        self._require_parameters(params)
        x = np.asarray(x)
        outputs, residuals = [], []
        for i, (layer, own) in enumerate(zip(self.layers, params, strict=True)):
            x, residual = layer.forward(own, x)
            x = x + shifts[i] if i in shifts else x
            outputs.append(x)
            residuals.append(residual)
        return x, Trace(tuple(outputs), tuple(residuals))

    def predict(self, params: Sequence[Parameters], x: Array) -> Array:
        """Output only."""
        return self.forward(params, x)[0]

    def backward(self, params: Sequence[Parameters], trace: Trace, y_bar: Array) -> Gradients:
        """Gradients by everything, given the gradient ``y_bar`` by the output: step 4.

        Layer l turns the gradient by its output into the gradients by its parameters and by its
        input, which is the output of layer l - 1: the chain rule, read from the end.
        """
        bar = np.array(y_bar)  # a copy: it is handed out as the gradient by the last output
        parameters, outputs = [], []
        for i in reversed(range(len(self.layers))):
            outputs.append(bar)
            params_bar, bar = self.layers[i].backward(params[i], trace.residuals[i], bar)
            parameters.append(params_bar)
        return Gradients(parameters[::-1], tuple(outputs[::-1]), bar)

    def value_and_gradients(
        self, params: Sequence[Parameters], x: Array, labels: Any, loss: Loss
    ) -> tuple[Any, Gradients]:
        """Cost of the predictions and its gradients by everything: steps 1 to 4.

        Parameters
        ----------
        params : sequence of mapping
            One mapping per layer, from `initialise` or an optimiser.
        x : array, shape (..., width)
            One example per row.
        labels : array
            In the shape the loss asks for.
        loss : object with ``cost`` and ``gradient``
            Both taking predictions and labels.
        """
        predictions, trace = self.forward(params, x)
        y_bar = loss.gradient(predictions, labels)
        return loss.cost(predictions, labels), self.backward(params, trace, y_bar)

    def subject(
        self, loss: Loss | None = None, labels: Any = None, *, signals: bool = False
    ) -> NetworkSubject:
        """This network as a differentiable function of named arrays: see `NetworkSubject`."""
        return NetworkSubject(self, loss, labels, signals)

    def _require_parameters(self, params: Sequence[Parameters]) -> None:
        if len(params) != len(self.layers):
            raise ValueError(
                f"params: got {len(params)} entries, expected {len(self.layers)}: one mapping per "
                "layer, an empty one for a layer without parameters"
            )


def _require_fitting_widths(layers: Sequence[Layer]) -> None:
    width = None
    for layer in layers:
        expected = getattr(layer, "in_width", width)
        if width is not None and expected != width:
            raise ValueError(
                f"layers: got {layer} after a width of {width}, expected in_width={width}"
            )
        width = getattr(layer, "out_width", expected)
