"""The independent second opinion: the forward difference behind `scipy.optimize.check_grad`."""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import approx_fprime

from gradcheck.oracles.ray import Ray
from gradcheck.result import Estimate, Local

ORACLE = "scipy"

EPSILON = float(np.sqrt(np.finfo(np.float64).eps))
"""SciPy's own default step."""


def scipy_slope(ray: Ray) -> Estimate:
    """Forward difference of the ray at 0 by SciPy: two forwards.

    The error is the difference's own rounding, ``2 noise / step``; its truncation is not known,
    so this value is evidence and never a verdict.

    Examples
    --------
    >>> ray = Ray(lambda a: a["x"] ** 2, {"x": np.full(1, 3.0)}, {"x": np.ones(1)},
    ...           {"out": np.ones(1)})
    >>> abs(scipy_slope(ray).value - 6.0) < 1e-6
    True
    """
    value = float(approx_fprime(np.zeros(1), lambda t: ray.offset(float(t[0])), EPSILON)[0])
    error = 2.0 * ray.rounding() / EPSILON
    local = Local.SMOOTH if math.isfinite(value) else Local.NON_FINITE
    return Estimate(value, error, ORACLE, local)
