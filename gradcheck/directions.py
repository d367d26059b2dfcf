"""Directions and cotangents: Gaussian, and scaled to the coordinates they move."""

from __future__ import annotations

import numpy as np

from gradcheck.trees import Array

SMALLEST_SHARE = 2.0**-7
"""A coordinate moves with at least this share of the typical size of its array: zeros must move,
and a stray 1e-8 among ones must not be drowned in the rounding of the function."""

AS_GOOD_AS_ZERO = 1e-200
"""An array of nothing but smaller numbers is taken for zeros: such numbers come from a search for
special values, not from a unit of measurement, and steps of their size would underflow."""

OFF_GRID = 0.87431
"""Coordinate steps are no round numbers: a function's last bits should show its own grain."""


def coordinate_scales(x: Array) -> Array:
    """Power of two near the size of each entry; 0 for entries that are infinite.

    >>> coordinate_scales(np.array([5.0, 0.0, -0.3])).tolist()
    [4.0, 0.015625, 0.25]
    """
    size = np.abs(x).astype(np.float64)
    finite = np.isfinite(size)
    if not finite.all():
        size = np.where(finite, size, 0.0)
    largest = float(size.max(initial=0.0))
    if largest < AS_GOOD_AS_ZERO:
        return np.where(finite, 1.0, 0.0)
    relative = size / largest
    typical = largest * float(np.sqrt(np.mean(relative * relative)))
    floored = np.maximum(size, SMALLEST_SHARE * typical)
    _, exponent = np.frexp(floored)
    scales = np.ldexp(1.0, exponent - 1)
    return scales if finite.all() else np.where(finite, scales, 0.0)


def gaussian(generator: np.random.Generator, like: Array) -> Array:
    """Standard normal numbers in the shape of ``like``, complex where it is complex."""
    drawn: Array = generator.standard_normal(like.shape)
    if like.dtype.kind == "c":
        drawn = drawn + 1j * generator.standard_normal(like.shape)
    return drawn


def direction(generator: np.random.Generator, x: Array) -> Array:
    """A Gaussian direction, scaled per coordinate."""
    return gaussian(generator, x) * coordinate_scales(x)


def along(x: Array, flat: int, size: float, part: str = "real") -> Array:
    """A direction that moves one entry of ``x`` only, by a length near ``size``."""
    moved = np.zeros(x.shape, dtype=np.complex128 if x.dtype.kind == "c" else np.float64)
    moved.reshape(-1)[flat] = size * OFF_GRID * (1j if part == "imag" else 1.0)
    return moved
