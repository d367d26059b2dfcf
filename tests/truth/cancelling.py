"""Functions that subtract nearly equal numbers, as people write them who do not think of it."""

from __future__ import annotations

import math

import mpmath
import numpy as np
from mpmath import mpf

from tests.truth.known import between, decades, elementwise, joint, off, vectors


def alternating(x):
    """The exponential of ``-x`` by its series: terms of any size that add up to nothing."""
    total, term = np.ones_like(x), np.ones_like(x)
    for k in range(1, 120):
        term = term * -x / k
        total = total + term
    return total


def spread(x):
    """The variance by the formula that cancels."""
    return np.mean(x**2) - np.mean(x) ** 2


def spread_gradient(x):
    mean = mpmath.fsum(x) / len(x)
    return [2 * (t - mean) / len(x) for t in x]


def smaller_root(x):
    """The smaller root of ``t**2 - x t + 1`` by the school formula."""
    return (x - np.sqrt(x**2 - 4)) / 2


def needle(x):
    """Heron's formula."""
    half = np.sum(x) / 2
    return np.sqrt(half * (half - x[0]) * (half - x[1]) * (half - x[2]))


def needle_gradient(x):
    a, b, c = (t * t for t in x)
    area = mpmath.sqrt(2 * (a * b + b * c + c * a) - a * a - b * b - c * c) / 4
    opposite = (b + c - a, c + a - b, a + b - c)
    return [t * rest / (8 * area) for t, rest in zip(x, opposite, strict=True)]


def needles(rng):
    """Two long sides, and a third that is little longer than their difference."""
    long = rng.uniform(1, 2)
    thin = 10.0 ** rng.uniform(-6, -1)
    return np.array([long, long + thin, 1.5 * thin + 10.0 ** rng.uniform(-5, 0)])


def determinant(x):
    return np.linalg.det(x.reshape(3, 3))


def determinant_gradient(x):
    a = mpmath.matrix(3, 3)
    for i in range(9):
        a[i // 3, i % 3] = x[i]
    return [_cofactor(a, i // 3, i % 3) for i in range(9)]


def _cofactor(a, i, j):
    (p, q), (r, s) = ([k for k in range(3) if k != skipped] for skipped in (i, j))
    return (-1) ** (i + j) * (a[p, r] * a[q, s] - a[p, s] * a[q, r])


def nearly_singular(rng):
    rows = rng.standard_normal((3, 3))
    rows[2] = rows[0] + rows[1] + 10.0 ** rng.uniform(-8, -2) * rng.standard_normal(3)
    return rows.reshape(-1)


def correlation_gradient(x):
    a, b = x[:3], x[3:]
    aa, bb, ab = mpmath.fdot(a, a), mpmath.fdot(b, b), mpmath.fdot(a, b)
    length = mpmath.sqrt(aa * bb)
    return [
        *((ab / aa * s - t) / length for s, t in zip(a, b, strict=True)),
        *((ab / bb * t - s) / length for s, t in zip(a, b, strict=True)),
    ]


CANCELLING = (
    elementwise(
        "(exp x - 1) / x",
        lambda x: (np.exp(x) - 1) / x,
        lambda x: (x * mpmath.exp(x) - mpmath.exp(x) + 1) / x**2,
        decades(-9, 0, signed=True),
    ),
    elementwise("1 - cos x", lambda x: 1 - np.cos(x), mpmath.sin, decades(-8, 0, signed=True)),
    elementwise(
        "(x - sin x) / x^3",
        lambda x: (x - np.sin(x)) / x**3,
        lambda x: ((1 - mpmath.cos(x)) * x - 3 * (x - mpmath.sin(x))) / x**4,
        decades(-4, 0, signed=True),
    ),
    elementwise(
        "(exp x - exp -x) / 2x",
        lambda x: (np.exp(x) - np.exp(-x)) / (2 * x),
        lambda x: (x * mpmath.cosh(x) - mpmath.sinh(x)) / x**2,
        decades(-5, 1),
    ),
    elementwise(
        "sqrt(x + 1) - sqrt x",
        lambda x: np.sqrt(x + 1) - np.sqrt(x),
        lambda x: 1 / (2 * mpmath.sqrt(x + 1)) - 1 / (2 * mpmath.sqrt(x)),
        decades(0, 12),
    ),
    elementwise(
        "log(1 + x)", lambda x: np.log(1 + x), lambda x: 1 / (1 + x), decades(-12, -1, signed=True)
    ),
    elementwise(
        "log(1 + exp -x)",
        lambda x: np.log(1 + np.exp(-x)),
        lambda x: -1 / (1 + mpmath.exp(x)),
        between(-30, 36),
    ),
    elementwise(
        "1 - tanh x", lambda x: 1 - np.tanh(x), lambda x: -(mpmath.sech(x) ** 2), between(0, 18)
    ),
    elementwise(
        "(x + 1e8)^2 - x^2 - 1e16",
        lambda x: (x + 1e8) ** 2 - x**2 - 1e16,
        lambda x: mpf(2) * 10**8,
        between(-3, 3),
    ),
    elementwise(
        "exp by an alternating series", alternating, lambda x: -mpmath.exp(-x), between(1, 25)
    ),
    elementwise(
        "smaller root of a parabola",
        smaller_root,
        lambda x: (1 - x / mpmath.sqrt(x**2 - 4)) / 2,
        decades(0.5, 7),
    ),
    elementwise(
        "1/x - 1/(x + 1)",
        lambda x: 1 / x - 1 / (x + 1),
        lambda x: 1 / (x + 1) ** 2 - 1 / x**2,
        decades(0, 8),
    ),
    elementwise(
        "tan x - sin x",
        lambda x: np.tan(x) - np.sin(x),
        lambda x: 1 + mpmath.tan(x) ** 2 - mpmath.cos(x),
        decades(-6, 0, signed=True),
    ),
    elementwise(
        "sin(x + 1e-6) - sin x",
        lambda x: 1e6 * (np.sin(x + 1e-6) - np.sin(x)),
        lambda x: 10**6 * (mpmath.cos(x + mpf(1e-6)) - mpmath.cos(x)),
        between(-3, 3),
    ),
    elementwise(
        "gamma(x + 1) / gamma(x) - x + sin x",
        lambda x: np.array([math.gamma(t + 1) / math.gamma(t) - t for t in x]) + np.sin(x),
        mpmath.cos,
        between(1, 40),
    ),
    joint("variance beside 1e4", spread, spread_gradient, off(1e4, vectors(5))),
    joint("variance beside 1e7", spread, spread_gradient, off(1e7, vectors(5))),
    joint("area of a needle", needle, needle_gradient, needles),
    joint("determinant near zero", determinant, determinant_gradient, nearly_singular),
    joint(
        "correlation near one",
        lambda x: 1 - (x[:3] @ x[3:]) / np.sqrt((x[:3] @ x[:3]) * (x[3:] @ x[3:])),
        correlation_gradient,
        lambda rng: (
            np.tile(rng.standard_normal(3), 2)
            + 10.0 ** rng.uniform(-5, -1) * rng.standard_normal(6)
        ),
    ),
)
