"""``scipy.optimize.check_grad`` as a second opinion, and how far off it is entitled to be.

With a step h along coordinate i, a forward difference of a computed function is off by

    (f(x + h eᵢ) - f(x))/h - ∂ᵢf = h/2 · ∂ᵢᵢf(ξ) + (δ₁ - δ₀)/h,

ξ within the step and δ the rounding of the two values (Nocedal & Wright 2006, *Numerical
Optimization*, eq. 8.5). The curvature is read off a second difference of the function itself, with
a step of eps^¼, which is best for those. The rounding follows from backward stability: what is
computed is the exact value at arguments a few roundings away (Higham 2002, *Accuracy and Stability
of Numerical Algorithms*, section 1.5), so ``|δ| <= k eps (|f| + Σ |xᵢ ∂ᵢf|)``, with k the number of
roundings on the way of one number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from scipy.optimize import check_grad

from gradcheck.trees import Array, ravel, unravel

EPS = float(np.finfo(float).eps)

STEP = EPS**0.5
"""The absolute step of ``scipy.optimize.check_grad``."""

CURVATURE_STEP = EPS**0.25

VARIATION = 2.0
"""The curvature somewhere within the step, over that at its start."""


def allowed_error(func: Callable[[Array], Any], x: Array, gradient: Array) -> float:
    """Bound on the norm that ``scipy.optimize.check_grad`` returns for a right gradient."""
    value = float(func(x))
    roundings = x.size + 16  # every sum runs over fewer terms than there are arguments
    rounding = roundings * EPS * (abs(value) + np.abs(x * gradient).sum())
    curvature = np.array([_curvature(func, x, i, value) for i in range(x.size)])
    curvature += 4 * rounding / CURVATURE_STEP**2
    return float(np.linalg.norm(VARIATION * STEP / 2 * curvature + 2 * rounding / STEP))


def _curvature(func: Callable[[Array], Any], x: Array, i: int, value: float) -> float:
    step = np.zeros_like(x)
    step[i] = CURVATURE_STEP
    return abs(float(func(x + step)) - 2 * value + float(func(x - step))) / CURVATURE_STEP**2


def error_over_bound(subject: Any, inputs: Mapping[str, Array], cotangent: Any) -> float:
    """What ``scipy.optimize.check_grad`` finds over all named inputs, in units of its bound."""

    def func(vector: Array) -> Any:
        return np.sum(subject.value(unravel(vector, inputs)) * cotangent)

    def grad(vector: Array) -> Array:
        claimed = subject.vjp(unravel(vector, inputs), cotangent)
        return ravel({name: claimed[name] for name in inputs})

    x = ravel(inputs)
    error = float(check_grad(func, grad, x))
    return error / allowed_error(func, x, grad(x)) if error > 0 else 0.0
