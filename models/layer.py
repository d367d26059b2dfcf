"""What networks are made of: a layer is a pure pair of functions of explicit parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]
Parameters = Mapping[str, Array]
"""Parameters of one layer, by name; empty for an activation."""


class Layer(Protocol):
    """A differentiable map of ``(..., in_width)`` to ``(..., out_width)``.

    Nothing is remembered between the calls: what the backward needs of the forward travels in the
    residuals. All leading axes are batch axes. The ``repr`` of a layer rebuilds it.

    Attributes
    ----------
    has_kink : bool
        Whether the one-sided slopes differ somewhere.
    parameter_shapes : mapping of str to tuple of int
        Name and shape of every parameter; empty for an activation.
    """

    @property
    def has_kink(self) -> bool: ...

    @property
    def parameter_shapes(self) -> Mapping[str, tuple[int, ...]]: ...

    def forward(self, params: Parameters, x: Array) -> tuple[Array, Any]:
        """Output, and the residuals that `backward` needs."""

    def backward(
        self, params: Parameters, residuals: Any, y_bar: Array
    ) -> tuple[dict[str, Array], Array]:
        """Gradients by the parameters and by the input, given the gradient by the output."""


class Loss(Protocol):
    """What a network asks of a loss; every loss of ``losses`` has it."""

    def cost(self, predictions: Array, labels: Any) -> Any: ...

    def gradient(self, predictions: Array, labels: Any) -> Array: ...
