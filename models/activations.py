"""Activations: layers without parameters that keep the shape.

All but softmax act entry by entry, ``a = g(z)``, so their Jacobian is diagonal and the chain rule
is ``z̄ = ā g'(z)``. Softmax mixes the entries of a row. Each works in the dtype of its input,
complex numbers included (as the analytic continuation), so that a complex step can be taken.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .layer import Parameters

Array = NDArray[Any]

_NO_PARAMETERS: Mapping[str, tuple[int, ...]] = MappingProxyType({})


class _Elementwise(ABC):
    """An activation ``a = g(z)`` of every entry by itself."""

    has_kink = False
    parameter_shapes = _NO_PARAMETERS

    @abstractmethod
    def value(self, z: Array) -> Array:
        """``g(z)``."""

    @abstractmethod
    def slope(self, z: Array, a: Array) -> Array:
        """``g'(z)``, given also ``a = g(z)``."""

    def forward(self, params: Parameters, x: Array) -> tuple[Array, tuple[Array, Array]]:  # noqa: ARG002
        a = self.value(x)
        return a, (x, a)

    def backward(
        self,
        params: Parameters,  # noqa: ARG002
        residuals: tuple[Array, Array],
        y_bar: Array,
    ) -> tuple[dict[str, Array], Array]:
        z, a = residuals
        return {}, y_bar * self.slope(z, a)


@dataclass(frozen=True)
class Identity(_Elementwise):
    """``g(z) = z``, ``g' = 1``."""

    def value(self, z: Array) -> Array:
        return z.copy()

    def slope(self, z: Array, a: Array) -> Array:  # noqa: ARG002
        return np.ones_like(z)


@dataclass(frozen=True)
class Sigmoid(_Elementwise):
    """``g(z) = 1/(1 + exp(-z))``.

    ``g' = exp(-z)/(1 + exp(-z))² = a (1 - a)``. Only exponentials of numbers below 0 are taken, so
    none overflows: sigmoid(±1e4) is 1 or 0, with slope 0.
    """

    def value(self, z: Array) -> Array:
        return _sigmoid(z)

    def slope(self, z: Array, a: Array) -> Array:  # noqa: ARG002
        slope: Array = a * (1 - a)
        return slope


@dataclass(frozen=True)
class Tanh(_Elementwise):
    """``g(z) = tanh z``, ``g' = 1 - a²``, computed as ``(1 - a)(1 + a)`` to keep digits near ±1."""

    def value(self, z: Array) -> Array:
        return np.tanh(z)

    def slope(self, z: Array, a: Array) -> Array:  # noqa: ARG002
        slope: Array = (1 - a) * (1 + a)
        return slope


@dataclass(frozen=True)
class ReLU(_Elementwise):
    """``g(z) = max(z, 0)``, ``g' = 1`` above 0 and 0 below.

    At 0 the one-sided slopes are 0 and 1; 0 is returned, the usual convention
    (Glorot, Bordes & Bengio 2011, *AISTATS*).
    """

    has_kink = True

    def value(self, z: Array) -> Array:
        return np.where(z.real <= 0, 0, z)

    def slope(self, z: Array, a: Array) -> Array:  # noqa: ARG002
        return np.where(z <= 0, 0, np.ones_like(z))


@dataclass(frozen=True)
class LeakyReLU(_Elementwise):
    """``g(z) = z`` above 0 and ``slope_below z`` below (Maas, Hannun & Ng 2013, *ICML*).

    ``g' = 1`` above 0 and ``slope_below`` below; at 0, where both are one-sided slopes, the one
    from below is returned.
    """

    slope_below: float = 0.01

    has_kink = True

    def value(self, z: Array) -> Array:
        return np.where(z.real <= 0, self.slope_below * z, z)

    def slope(self, z: Array, a: Array) -> Array:  # noqa: ARG002
        return np.where(z <= 0, self.slope_below, np.ones_like(z))


@dataclass(frozen=True)
class ELU(_Elementwise):
    """``g(z) = z`` above 0 and ``α (exp z - 1)`` below (Clevert et al. 2016, *ICLR*).

    ``g' = 1`` above 0 and ``α exp z`` below. For α = 1 both are 1 at 0, and there is no kink; else
    the slope from below is returned there.
    """

    alpha: float = 1.0

    @property
    def has_kink(self) -> bool:  # type: ignore[override]
        return self.alpha != 1

    def value(self, z: Array) -> Array:
        below = z.real <= 0
        with np.errstate(under="ignore"):
            return np.where(below, self.alpha * np.expm1(np.where(below, z, 0)), z)

    def slope(self, z: Array, a: Array) -> Array:  # noqa: ARG002
        below = z <= 0
        with np.errstate(under="ignore"):
            return np.where(below, self.alpha * np.exp(np.where(below, z, 0)), np.ones_like(z))


@dataclass(frozen=True)
class Softplus(_Elementwise):
    """``g(z) = log(1 + exp z)``, ``g' = exp z/(1 + exp z) = sigmoid(z)``.

    Computed as ``max(z, 0) + log1p(exp(-|z|))``, which never overflows and keeps small values
    (Dugas et al. 2001, *NIPS* 13).
    """

    def value(self, z: Array) -> Array:
        softplus: Array = np.where(z.real <= 0, 0, z) + np.log1p(_exp_of_minus_magnitude(z))
        return softplus

    def slope(self, z: Array, a: Array) -> Array:  # noqa: ARG002
        return _sigmoid(z)


_GELU_SCALE = math.sqrt(8 / math.pi)
"""Twice the √(2/π) of the formula: (1 + tanh u)/2 is sigmoid(2u)."""

_GELU_CUBIC = 0.044715
"""Coefficient of z³ in Hendrycks and Gimpel's approximation."""

_GELU_FLAT = 60.0
"""Beyond this z the sigmoid is 0 or 1 in any precision up to 80 bits, and z³ could overflow."""


@dataclass(frozen=True)
class GELU(_Elementwise):
    """The tanh form of the Gaussian error linear unit (Hendrycks & Gimpel 2016, arXiv:1606.08415).

    ``g(z) = z/2 (1 + tanh(√(2/π)(z + 0.044715 z³)))``; the form with the error function, from which
    it differs by less than 5e-4, is not in NumPy. As ``(1 + tanh u)/2 = sigmoid(2u)`` it is
    ``g(z) = z s`` with ``s = sigmoid(w)`` and ``w = √(8/π)(z + 0.044715 z³)``. Product and chain
    rule give ``g' = s + z s (1 - s) w'`` with ``w' = √(8/π)(1 + 3 · 0.044715 z²)``, and
    ``1 - s = sigmoid(-w)``.
    """

    def value(self, z: Array) -> Array:
        value: Array = z * _sigmoid(_gelu_argument(z))
        return value

    def slope(self, z: Array, a: Array) -> Array:  # noqa: ARG002
        w = _gelu_argument(z)
        s = _sigmoid(w)
        near = _clip(z, _GELU_FLAT)
        w_slope = _GELU_SCALE * (1 + 3 * _GELU_CUBIC * near * near)
        slope: Array = s + near * s * _sigmoid(-w) * w_slope
        return slope


@dataclass(frozen=True)
class Softmax:
    """``pₖ = exp zₖ / Σⱼ exp zⱼ`` along the last axis.

    ``dpₖ/dzⱼ = pₖ ([j = k] - pⱼ)``, so ``z̄ⱼ = Σₖ p̄ₖ dpₖ/dzⱼ = pⱼ (p̄ⱼ - Σₖ p̄ₖ pₖ)``
    (Bishop 2006, *Pattern Recognition and Machine Learning*, eq. 4.106). The largest logit of a
    row is subtracted first, which changes nothing but prevents overflow.
    """

    has_kink = False
    parameter_shapes = _NO_PARAMETERS

    def forward(self, params: Parameters, x: Array) -> tuple[Array, Array]:  # noqa: ARG002
        largest = np.take_along_axis(x, np.argmax(x.real, axis=-1, keepdims=True), axis=-1)
        with np.errstate(under="ignore"):
            exponentials = np.exp(x - largest)
            p = exponentials / exponentials.sum(axis=-1, keepdims=True)
        return p, p

    def backward(
        self,
        params: Parameters,  # noqa: ARG002
        residuals: Array,
        y_bar: Array,
    ) -> tuple[dict[str, Array], Array]:
        p = residuals
        mean = (y_bar * p).sum(axis=-1, keepdims=True)  # (..., 1): p̄ averaged with weights p
        return {}, p * (y_bar - mean)


def _sigmoid(z: Array) -> Array:
    small = _exp_of_minus_magnitude(z)
    probability: Array = np.where(z.real >= 0, 1, small) / (1 + small)
    return probability


def _exp_of_minus_magnitude(z: Array) -> Array:
    """``exp(-|z|)``, with the sign chosen by the real part; 0 where that is the nearest number."""
    with np.errstate(under="ignore"):
        return np.exp(np.where(z.real >= 0, -z, z))


def _gelu_argument(z: Array) -> Array:
    near = _clip(z, _GELU_FLAT)
    argument: Array = _GELU_SCALE * (near + _GELU_CUBIC * near * near * near)
    return argument


def _clip(z: Array, limit: float) -> Array:
    """z held within ±limit, by its real part."""
    return np.where(z.real > limit, limit, np.where(z.real < -limit, -limit, z))
