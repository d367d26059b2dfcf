"""``scipy.optimize.check_grad`` as an independent witness of functions that nobody here wrote."""

from __future__ import annotations

import numpy as np
from scipy.optimize import check_grad

from tests.verification.forward_difference import allowed_error


def scipy_error(func, grad, x):
    """What ``scipy.optimize.check_grad`` finds, over the bound that a forward difference keeps."""
    x = np.asarray(x, float)
    return check_grad(func, grad, x) / allowed_error(func, x, grad(x))
