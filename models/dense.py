"""The dense layer: every output is a weighted sum of all inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layer import Parameters

Array = NDArray[Any]


@dataclass(frozen=True)
class Dense:
    """Weighted sums ``z = x W + b`` with ``W (in_width, out_width)`` and ``b (out_width,)``.

    For one example ``zⱼ = Σᵢ xᵢ Wᵢⱼ + bⱼ``. With the gradient z̄ by the weighted sums, the chain
    rule gives (Rumelhart, Hinton & Williams 1986, *Nature* 323, 533-536; in matrices: Nielsen 2015,
    *Neural Networks and Deep Learning*, ch. 2)

    - ``x̄ᵢ = Σⱼ z̄ⱼ Wᵢⱼ``, in matrices ``x̄ = z̄ Wᵀ``;
    - ``W̄ᵢⱼ = Σ xᵢ z̄ⱼ``, summed over all examples as they share W: ``W̄ = xᵀ z̄``;
    - ``b̄ⱼ = Σ z̄ⱼ``, summed over all examples as they share b.

    The sums run over every leading axis. The mean over the data set, if there is one, is already in
    z̄: it belongs to the cost.

    >>> layer = Dense(2, 1)
    >>> params = {"weight": np.array([[1.0], [2.0]]), "bias": np.array([0.5])}
    >>> z, residuals = layer.forward(params, np.array([[3.0, 4.0], [0.0, 1.0]]))
    >>> z
    array([[11.5], [ 2.5]])
    >>> by_params, by_x = layer.backward(params, residuals, np.ones((2, 1)))
    >>> by_params["weight"], by_params["bias"], by_x
    (array([[3.], [5.]]), array([2.]), array([[1., 2.], [1., 2.]]))
    """

    in_width: int
    out_width: int

    has_kink = False

    def __post_init__(self) -> None:
        for name, width in (("in_width", self.in_width), ("out_width", self.out_width)):
            if width < 1:
                raise ValueError(f"{name}: got {width}, expected a whole number of at least 1")

    @property
    def parameter_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"weight": (self.in_width, self.out_width), "bias": (self.out_width,)}

    def forward(self, params: Parameters, x: Array) -> tuple[Array, Array]:
        self._require_shapes(params, x)
        return x @ params["weight"] + params["bias"], x

    def backward(
        self, params: Parameters, residuals: Array, y_bar: Array
    ) -> tuple[dict[str, Array], Array]:
        x = residuals.reshape(-1, self.in_width)  # (examples, in_width)
        z_bar = y_bar.reshape(-1, self.out_width)  # (examples, out_width)
        weight_bar = x.T @ z_bar  # (in_width, out_width)
        bias_bar = z_bar.sum(axis=0)  # (out_width,)
        x_bar = y_bar @ params["weight"].T  # (..., in_width)
        return {"weight": weight_bar, "bias": bias_bar}, x_bar

    def _require_shapes(self, params: Parameters, x: Array) -> None:
        if np.ndim(x) < 1 or np.shape(x)[-1] != self.in_width:
            raise ValueError(
                f"{self}: got an input of shape {np.shape(x)}, expected (..., {self.in_width})"
            )
        got = {name: np.shape(array) for name, array in params.items()}
        if got != self.parameter_shapes:
            raise ValueError(f"{self}: got parameters {got}, expected {self.parameter_shapes}")
