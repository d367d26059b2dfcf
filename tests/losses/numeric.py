"""Derivatives by the plainest means, so that these tests lean on nothing they might be testing."""

import numpy as np


def central_differences(function, x, step=1e-6):
    """Gradient of a scalar function, one entry at a time; good to about 1e-9 for values near 1."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x)
        shift[index] = step
        gradient[index] = (function(x + shift) - function(x - shift)) / (2 * step)
    return gradient


def complex_step(function, x):
    """Gradient of a scalar function that survives complex input; good to rounding."""
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        shift = np.zeros_like(x, dtype=complex)
        shift[index] = 1e-30j
        gradient[index] = function(x + shift).imag / 1e-30
    return gradient
