"""``scipy.optimize.check_grad`` as an independent witness, and the error it is entitled to."""

from __future__ import annotations

import numpy as np
from scipy.optimize import check_grad

STEP = float(np.sqrt(np.finfo(float).eps))
"""The absolute step of ``scipy.optimize.check_grad``."""

SAFETY = 8.0
"""The curvature is itself measured, and is not the same everywhere within one step."""


def scipy_error(func, grad, x):
    """What ``scipy.optimize.check_grad`` finds, over what a forward difference may be off by.

    A forward difference of step h is off by ``h |f''| / 2`` for its truncation and by
    ``2 eps |f| / h`` for the rounding of the two values. A right gradient gives at most 1.
    """
    x = np.asarray(x, float)
    curvature = np.array([_curvature(grad, x, i) for i in range(x.size)])
    rounding = 2 * np.finfo(float).eps * max(abs(float(func(x))), 1.0) / STEP
    allowed = np.linalg.norm(STEP * np.abs(curvature) / 2 + rounding)
    return check_grad(func, grad, x) / (SAFETY * allowed)


def _curvature(grad, x, i):
    """Second derivative along coordinate ``i``, from the claimed gradient on both sides."""
    step = np.zeros_like(x)
    step[i] = 1e-4 * max(abs(x[i]), 1e-3)
    return (grad(x + step)[i] - grad(x - step)[i]) / (2 * step[i])
