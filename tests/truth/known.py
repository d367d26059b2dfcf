"""A function with a slope that is known exactly, and the points that such functions are tried at.

The truth is computed with forty digits from the float inputs as they are; what the float function
loses to rounding, quantisation or noise is for the estimate to know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import mpmath
import numpy as np
from mpmath import mpf

DIGITS = 40


@dataclass(frozen=True)
class Known:
    """A function from ``(n,)`` to an array, with its exact directional derivative.

    ``slope(x, v, u)`` is the derivative of ``<u, value(x)>`` along ``v``; ``points(rng)`` draws x.
    """

    name: str
    value: Callable
    slope: Callable
    points: Callable


def elementwise(name, value, derivative, points):
    """A function of one variable, applied to every entry."""

    def slope(x, v, u):
        terms = (mpf(u[i]) * derivative(mpf(x[i])) * mpf(v[i]) for i in range(len(x)))
        return mpmath.fsum(terms)

    return Known(name, value, slope, points)


def joint(name, value, gradient, points):
    """A real function of several variables; ``gradient`` maps and returns lists of mpf."""

    def slope(x, v, u):
        return mpf(u[()]) * mpmath.fdot(gradient([mpf(t) for t in x]), [mpf(t) for t in v])

    return Known(name, value, slope, points)


# Points.


def size(rng):
    return int(rng.choice([1, 1, 1, 2, 3]))


def between(low, high):
    return lambda rng: rng.uniform(low, high, size(rng))


def decades(low, high, *, signed=False):
    """Log-uniform between powers of ten."""

    def points(rng):
        n = size(rng)
        signs = rng.choice([-1.0, 1.0], n) if signed else 1.0
        return signs * 10.0 ** rng.uniform(low, high, n)

    return points


def vectors(n, scale=1.0):
    return lambda rng: scale * rng.standard_normal(n)


def scales(*exponents):
    """One entry per given power of ten, of that size."""
    return lambda rng: rng.uniform(0.5, 2, len(exponents)) * 10.0 ** np.array(exponents, float)


def off(centre, points):
    """Points beside ``centre``."""
    return lambda rng: centre + points(rng)


# Noise.


def scrambled(x):
    """Numbers in [-1, 1) that look random and depend on every bit of ``x`` (SplitMix64)."""
    z = np.ascontiguousarray(x, dtype=np.float64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(float) * 2.0**-52 - 1
