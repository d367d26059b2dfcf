"""Initial parameters, drawn from a generator that is passed in."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Shape = tuple[int, ...]
Initialiser = Callable[[np.random.Generator, Shape], Array]


def zeros(rng: np.random.Generator, shape: Shape) -> Array:  # noqa: ARG001
    """All zero: right for biases, and useless for weights, whose units would stay equal."""
    return np.zeros(shape)


def glorot_uniform(rng: np.random.Generator, shape: Shape) -> Array:
    """Variance ``2/(fan_in + fan_out)``: keeps the size of signals and gradients of tanh layers.

    Glorot & Bengio 2010, *AISTATS*, eq. 16.

    >>> bool(abs(glorot_uniform(np.random.default_rng(0), (3, 3))).max() <= 1.0)
    True
    """
    return _uniform(rng, shape, 2 / (_fan_in(shape) + _fan_out(shape)))


def glorot_normal(rng: np.random.Generator, shape: Shape) -> Array:
    """As `glorot_uniform`, normally distributed."""
    return _normal(rng, shape, 2 / (_fan_in(shape) + _fan_out(shape)))


def he_uniform(rng: np.random.Generator, shape: Shape) -> Array:
    """Variance ``2/fan_in``: a ReLU lets half of its inputs through.

    He, Zhang, Ren & Sun 2015, *ICCV*, eq. 10.
    """
    return _uniform(rng, shape, 2 / _fan_in(shape))


def he_normal(rng: np.random.Generator, shape: Shape) -> Array:
    """As `he_uniform`, normally distributed."""
    return _normal(rng, shape, 2 / _fan_in(shape))


def lecun_uniform(rng: np.random.Generator, shape: Shape) -> Array:
    """Variance ``1/fan_in``: weighted sums of standardised inputs are standardised.

    LeCun, Bottou, Orr & Müller 1998, *Efficient BackProp*, eq. 16.
    """
    return _uniform(rng, shape, 1 / _fan_in(shape))


def lecun_normal(rng: np.random.Generator, shape: Shape) -> Array:
    """As `lecun_uniform`, normally distributed."""
    return _normal(rng, shape, 1 / _fan_in(shape))


def _uniform(rng: np.random.Generator, shape: Shape, variance: float) -> Array:
    # uniform on ±b has variance b²/3
    bound = math.sqrt(3 * variance)
    return rng.uniform(-bound, bound, shape)


def _normal(rng: np.random.Generator, shape: Shape, variance: float) -> Array:
    return rng.normal(0.0, math.sqrt(variance), shape)


def _fan_in(shape: Shape) -> int:
    """Inputs per unit: the first axis of a weight (in, out)."""
    return shape[0]


def _fan_out(shape: Shape) -> int:
    """Units per input: the last axis."""
    return shape[-1]
