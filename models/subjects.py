"""Networks as differentiable functions of named arrays, whole and layer by layer, for checkers.

Each subject has a ``name``, a ``value(inputs)`` and a ``vjp(inputs, cotangent)`` that returns one
claimed gradient per name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .layer import Layer, Loss, Parameters

if TYPE_CHECKING:
    from .network import Gradients, Network, Trace

Array = NDArray[Any]
Inputs = Mapping[str, Array]


@dataclass(frozen=True)
class LayerSubject:
    """One layer as a function of "x" and its parameters."""

    layer: Layer

    @property
    def name(self) -> str:
        return repr(self.layer)

    def value(self, inputs: Inputs) -> Array:
        return self.layer.forward(_without_x(inputs), inputs["x"])[0]

    def vjp(self, inputs: Inputs, cotangent: Array) -> dict[str, Array]:
        params = _without_x(inputs)
        _, residuals = self.layer.forward(params, inputs["x"])
        params_bar, x_bar = self.layer.backward(params, residuals, cotangent)
        return {"x": x_bar, **params_bar}


@dataclass(frozen=True)
class CostSubject:
    """The cost at fixed labels as a function of "predictions"."""

    loss: Loss
    labels: Any

    @property
    def name(self) -> str:
        return repr(self.loss)

    def value(self, inputs: Inputs) -> Any:
        return self.loss.cost(inputs["predictions"], self.labels)

    def vjp(self, inputs: Inputs, cotangent: Any) -> dict[str, Array]:
        return {"predictions": cotangent * self.loss.gradient(inputs["predictions"], self.labels)}


@dataclass(frozen=True)
class LayerCall:
    """One part of a network with the inputs and the cotangent that flow through it."""

    name: str
    subject: LayerSubject | CostSubject
    inputs: Inputs
    cotangent: Any


@dataclass(frozen=True)
class NetworkSubject:
    """A network, with or without a loss behind it, as a function of named arrays.

    The names are "x", "layers[0].weight", "layers[0].bias" and so on. With ``signals`` there is one
    more for every layer: an array added to its output, called "layers[0].z" for the weighted sums
    of a layer with parameters, "layers[1].a" for the activations of one without. The gradient by
    what is added is the gradient by that signal, so that all the gradients of backpropagation are
    claims of this one subject.

    Parameters
    ----------
    network : Network
    loss : Loss, optional
        Then the value is the cost at the labels; else it is the output of the network.
    labels : array, optional
        In the shape the loss asks for.
    signals : bool
        Whether weighted sums and activations have names too.

    >>> from models import Dense, Network, Tanh
    >>> network = Network([Dense(2, 3), Tanh()])
    >>> subject = network.subject(signals=True)
    >>> inputs = subject.inputs(network.initialise(np.random.default_rng(0)), np.ones((1, 2)))
    >>> list(inputs)
    ['x', 'layers[0].weight', 'layers[0].bias', 'layers[0].z', 'layers[1].a']
    >>> list(subject.vjp(inputs, np.ones((1, 3)))) == list(inputs)
    True
    """

    network: Network
    loss: Loss | None = None
    labels: Any = None
    signals: bool = False

    @property
    def name(self) -> str:
        return repr(self.network) if self.loss is None else f"{self.loss} of {self.network}"

    def inputs(self, params: Sequence[Parameters], x: Array) -> dict[str, Array]:
        """Arrays by the names this subject uses; nothing is added to the signals yet."""
        named = {"x": x, **_named(params)}
        if self.signals:
            _, trace = self.network.forward(params, x)
            named |= self._named_signals([np.zeros_like(output) for output in trace.outputs])
        return named

    def value(self, inputs: Inputs) -> Any:
        output, _ = self._forward(inputs)
        return output if self.loss is None else self.loss.cost(output, self.labels)

    def vjp(self, inputs: Inputs, cotangent: Any) -> dict[str, Array]:
        _, gradients = self._backpropagate(inputs, cotangent)
        claimed = {"x": gradients.x, **_named(gradients.parameters)}
        if self.signals:
            claimed |= self._named_signals(gradients.outputs)
        return claimed

    def layers(self, inputs: Inputs, cotangent: Any) -> list[LayerCall]:
        """Every layer, first to last, and the loss if there is one, as called at these inputs."""
        trace, gradients = self._backpropagate(inputs, cotangent)
        arrivals = (inputs["x"], *trace.outputs)
        calls = [
            LayerCall(f"layers[{i}]", LayerSubject(layer), {"x": arrivals[i], **own}, bar)
            for i, (layer, own, bar) in enumerate(
                zip(self.network.layers, self._params(inputs), gradients.outputs, strict=True)
            )
        ]
        if self.loss is not None:
            cost = CostSubject(self.loss, self.labels)
            calls.append(LayerCall("loss", cost, {"predictions": arrivals[-1]}, cotangent))
        return calls

    def _forward(self, inputs: Inputs) -> tuple[Array, Trace]:
        shifts = {i: inputs[name] for i, name in enumerate(self._signal_names()) if name in inputs}
        return self.network.forward(self._params(inputs), inputs["x"], shifts)

    def _backpropagate(self, inputs: Inputs, cotangent: Any) -> tuple[Trace, Gradients]:
        output, trace = self._forward(inputs)
        y_bar = cotangent
        if self.loss is not None:
            y_bar = cotangent * self.loss.gradient(output, self.labels)
        return trace, self.network.backward(self._params(inputs), trace, y_bar)

    def _params(self, inputs: Inputs) -> list[dict[str, Array]]:
        return [
            {name: inputs[f"layers[{i}].{name}"] for name in layer.parameter_shapes}
            for i, layer in enumerate(self.network.layers)
        ]

    def _signal_names(self) -> list[str]:
        return [
            f"layers[{i}].{'z' if layer.parameter_shapes else 'a'}"
            for i, layer in enumerate(self.network.layers)
        ]

    def _named_signals(self, signals: Sequence[Array]) -> dict[str, Array]:
        return dict(zip(self._signal_names(), signals, strict=True))


def _named(params: Sequence[Parameters]) -> dict[str, Array]:
    """A list of parameters as one flat mapping, "layers[0].weight" and so on."""
    return {
        f"layers[{i}].{name}": array for i, own in enumerate(params) for name, array in own.items()
    }


def _without_x(inputs: Inputs) -> dict[str, Array]:
    return {name: array for name, array in inputs.items() if name != "x"}
