"""One forward difference from a known value: what a single forward can tell."""

from __future__ import annotations

import math

import numpy as np

from gradcheck.oracles.ray import Ray
from gradcheck.result import Estimate, Local

ORACLE = "forward difference"


def forward_slope(ray: Ray) -> Estimate:
    """The quotient from the point, where its value is known, to one beside it: one forward.

    The step is the root of the outputs' relative rounding, where truncation and rounding of a
    function of unit scale balance. As of `quick_slope`, ``error`` covers rounding only; it is
    infinite where the value at the point is not known, or the quotient not finite. The ray's
    direction is spent.

    Examples
    --------
    >>> ray = Ray(lambda a: np.sin(a["x"]), {"x": np.zeros(1)}, {"x": np.ones(1)},
    ...           {"out": np.ones(1)}, {"out": np.zeros(1)}, 2.0**-52)
    >>> abs(forward_slope(ray).value - 1.0) < 1e-7
    True
    """
    rounding = ray.rounding_at_centre
    if rounding is None:
        return Estimate(math.nan, math.inf, ORACLE, Local.NON_FINITE)
    step = math.sqrt(max(_eps(y.dtype) for y in ray.centre.values()))
    value = ray.difference(ray.last_outputs(step), ray.centre) / step
    if not math.isfinite(value):
        return Estimate(math.nan, math.inf, ORACLE, Local.NON_FINITE)
    return Estimate(value, 2.0 * rounding / step, ORACLE, noise=rounding)


def _eps(dtype: np.dtype) -> float:
    return float(np.finfo(dtype).eps) if dtype.kind in "fc" else 2.0**-52
