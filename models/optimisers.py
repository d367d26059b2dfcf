"""Optimisers: pure updates of parameters, with whatever they remember passed in and out.

Each has ``start(params) -> state`` and ``update(params, gradients, state) -> (params, state)``,
where parameters and gradients are lists with one dict of arrays per layer. Nothing is changed in
place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layer import Parameters

Array = NDArray[Any]
Tree = list[dict[str, Array]]


@dataclass(frozen=True)
class GradientDescent:
    """``θ ← θ - rate · g`` (Cauchy 1847).

    >>> descent = GradientDescent(rate=0.5)
    >>> params = [{"weight": np.array([3.0])}]
    >>> descent.update(params, [{"weight": np.array([2.0])}], descent.start(params))[0]
    [{'weight': array([2.])}]
    """

    rate: float = 0.1

    def __post_init__(self) -> None:
        _require_positive("rate", self.rate)

    def start(self, params: Sequence[Parameters]) -> None:  # noqa: ARG002
        """There is nothing to remember."""
        return

    def update(
        self,
        params: Sequence[Parameters],
        gradients: Sequence[Parameters],
        state: None,
    ) -> tuple[Tree, None]:
        return _combine(lambda theta, g: theta - self.rate * g, params, gradients), state


@dataclass(frozen=True)
class Momentum:
    """``v ← decay · v + g``, ``θ ← θ - rate · v`` (Polyak 1964; Sutskever et al. 2013, *ICML*).

    The state is the velocity v, zero at the start.
    """

    rate: float = 0.1
    decay: float = 0.9

    def __post_init__(self) -> None:
        _require_positive("rate", self.rate)
        _require_fraction("decay", self.decay)

    def start(self, params: Sequence[Parameters]) -> Tree:
        return _combine(np.zeros_like, params)

    def update(
        self, params: Sequence[Parameters], gradients: Sequence[Parameters], state: Tree
    ) -> tuple[Tree, Tree]:
        velocity = _combine(lambda v, g: self.decay * v + g, state, gradients)
        return _combine(lambda theta, v: theta - self.rate * v, params, velocity), velocity


@dataclass(frozen=True)
class AdamState:
    """Running means of the gradient and of its square, and how many updates made them."""

    mean: Tree
    square: Tree
    steps: int


@dataclass(frozen=True)
class Adam:
    """Steps of about ``rate`` per parameter, whatever the size of its gradient.

    ``m ← β₁ m + (1 - β₁) g``, ``s ← β₂ s + (1 - β₂) g²``, and with both divided by ``1 - βᵗ`` to
    undo their start at zero, ``θ ← θ - rate · m / (√s + ε)`` (Kingma & Ba 2015, *ICLR*, alg. 1).
    """

    rate: float = 0.001
    beta_mean: float = 0.9
    beta_square: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        _require_positive("rate", self.rate)
        _require_positive("epsilon", self.epsilon)
        _require_fraction("beta_mean", self.beta_mean)
        _require_fraction("beta_square", self.beta_square)

    def start(self, params: Sequence[Parameters]) -> AdamState:
        return AdamState(_combine(np.zeros_like, params), _combine(np.zeros_like, params), 0)

    def update(
        self, params: Sequence[Parameters], gradients: Sequence[Parameters], state: AdamState
    ) -> tuple[Tree, AdamState]:
        mean = _combine(_running_mean(self.beta_mean), state.mean, gradients)
        squares = _combine(np.square, gradients)
        square = _combine(_running_mean(self.beta_square), state.square, squares)
        steps = state.steps + 1
        mean_bias = 1 - self.beta_mean**steps
        square_bias = 1 - self.beta_square**steps

        def step(theta: Array, m: Array, s: Array) -> Array:
            size: Array = self.rate * (m / mean_bias) / (np.sqrt(s / square_bias) + self.epsilon)
            return theta - size

        return _combine(step, params, mean, square), AdamState(mean, square, steps)


def _running_mean(beta: float) -> Callable[[Array, Array], Any]:
    return lambda mean, new: beta * mean + (1 - beta) * new


def _combine(function: Callable[..., Any], *trees: Sequence[Parameters]) -> Tree:
    """The function applied to corresponding arrays of trees of one structure."""
    return [
        {name: function(*(own[name] for own in layer)) for name in layer[0]}
        for layer in zip(*trees, strict=True)
    ]


def _require_positive(name: str, value: float) -> None:
    if not (0 < value < float("inf")):
        raise ValueError(f"{name}: got {value}, expected a positive finite number")


def _require_fraction(name: str, value: float) -> None:
    if not (0 <= value < 1):
        raise ValueError(f"{name}: got {value}, expected a number in [0, 1)")
