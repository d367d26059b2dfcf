"""Functions that bend within a step: power laws, waves, near kinks, steep steps, domain edges."""

from __future__ import annotations

import mpmath
import numpy as np
from mpmath import mpf
from scipy import special

from tests.truth.known import between, decades, elementwise, joint, off, scales, size, vectors


def power(p):
    """``|x| ** p`` near zero."""
    return elementwise(
        f"|x|^{p}",
        lambda x: np.abs(x) ** p,
        lambda x: mpf(p) * abs(x) ** (mpf(p) - 1) * mpmath.sign(x),
        decades(-9, 1, signed=True),
    )


def rugged(x):
    """Eleven waves, each half as high and seven times as short as the one before."""
    return sum(0.5**k * np.cos(7.0**k * x) for k in range(11))


def rugged_slope(x):
    return mpmath.fsum(-((mpf(7) / 2) ** k) * mpmath.sin(mpf(7) ** k * x) for k in range(11))


def sawtooth(x):
    """Kinks a ten-thousandth apart."""
    place = 1e4 * x - np.floor(1e4 * x)
    return x + np.abs(place - 0.5) / 1e4


def sawtooth_slope(x):
    y = 10**4 * x
    return 1 + mpmath.sign(y - mpmath.floor(y) - mpf(1) / 2)


def huber(x):
    return np.where(np.abs(x) < 1, x**2 / 2, np.abs(x) - 0.5)


def quantile_slope(p):
    return 1 / mpmath.npdf(mpmath.sqrt(2) * mpmath.erfinv(2 * p - 1))


def soft_maximum(x):
    top = np.max(x)
    return top + np.log(np.sum(np.exp(1e5 * (x - top)))) / 1e5


def soft_maximum_gradient(x):
    weights = [mpmath.exp(10**5 * (t - max(x))) for t in x]
    return [w / mpmath.fsum(weights) for w in weights]


def near_ties(rng):
    return rng.uniform(-1, 1) + 10.0 ** rng.uniform(-7, -3) * rng.standard_normal(3)


def small_length_gradient(x):
    length = mpmath.sqrt(mpmath.fsum(t * t for t in x) + mpf(1e-16))
    return [t / length for t in x]


def root_of_small(x):
    return np.sqrt(x @ x + 1e-16)


def cross_entropy(x):
    return special.logsumexp(x) - x[0]


def cross_entropy_gradient(x):
    top = max(x)
    weights = [mpmath.exp(t - top) for t in x]
    total = mpmath.fsum(weights)
    return [w / total - (i == 0) for i, w in enumerate(weights)]


BENDING = (
    # Power laws: no step is short enough, or long enough.
    power(0.7),
    power(1.1),
    power(1.9),
    power(2.5),
    elementwise("x log x", lambda x: x * np.log(x), lambda x: mpmath.log(x) + 1, decades(-12, 2)),
    elementwise("x^x", lambda x: x**x, lambda x: x**x * (mpmath.log(x) + 1), decades(-9, 0.5)),
    elementwise(
        "1 / (1 + x^1.5)",
        lambda x: 1 / (1 + x**1.5),
        lambda x: -mpf(3) / 2 * mpmath.sqrt(x) / (1 + x * mpmath.sqrt(x)) ** 2,
        decades(-8, 8),
    ),
    elementwise(
        "heavy tail",
        lambda x: (1 + x**2 / 3) ** -2.0,
        lambda x: -4 * x / 3 * (1 + x**2 / 3) ** -3,
        decades(-1, 6, signed=True),
    ),
    elementwise(
        "1 + |x - 1|^1.3",
        lambda x: 1 + np.abs(x - 1) ** 1.3,
        lambda x: mpf(1.3) * abs(x - 1) ** (mpf(1.3) - 1) * mpmath.sign(x - 1),
        off(1.0, decades(-9, 0, signed=True)),
    ),
    # Waves.
    elementwise("eleven waves", rugged, rugged_slope, between(-3, 3)),
    elementwise(
        "sin exp 8x",
        lambda x: np.sin(np.exp(8 * x)),
        lambda x: 8 * mpmath.exp(8 * x) * mpmath.cos(mpmath.exp(8 * x)),
        between(0, 2),
    ),
    elementwise(
        "x^2 + 1e-9 sin(1e9 x)",
        lambda x: x**2 + 1e-9 * np.sin(1e9 * x),
        lambda x: 2 * x + mpf(1e-9) * 10**9 * mpmath.cos(10**9 * x),
        between(-3, 3),
    ),
    elementwise(
        "three waves",
        lambda x: np.sin(x) + 0.1 * np.sin(100 * x) + 0.01 * np.sin(1e4 * x),
        lambda x: (
            mpmath.cos(x)
            + mpf(0.1) * 100 * mpmath.cos(100 * x)
            + mpf(0.01) * 10**4 * mpmath.cos(10**4 * x)
        ),
        between(-3, 3),
    ),
    elementwise(
        "Bessel J0 of 1000x",
        lambda x: special.j0(1000 * x),
        lambda x: -1000 * mpmath.besselj(1, 1000 * x),
        between(-3, 3),
    ),
    elementwise(
        "x^2 sin 1/x",
        lambda x: x**2 * np.sin(1 / x),
        lambda x: 2 * x * mpmath.sin(1 / x) - mpmath.cos(1 / x),
        decades(-5, 1, signed=True),
    ),
    elementwise("sawtooth", sawtooth, sawtooth_slope, between(-3, 3)),
    # Near kinks.
    elementwise(
        "sqrt(x^2 + 1e-12)",
        lambda x: np.sqrt(x**2 + 1e-12),
        lambda x: x / mpmath.sqrt(x**2 + mpf(1e-12)),
        decades(-9, 1, signed=True),
    ),
    elementwise(
        "steep softplus",
        lambda x: np.logaddexp(0, 1e4 * x) / 1e4,
        lambda x: 1 / (1 + mpmath.exp(-(10**4) * x)),
        decades(-8, -1, signed=True),
    ),
    elementwise(
        "Huber near its corner",
        huber,
        lambda x: x if abs(x) < 1 else mpmath.sign(x),
        off(1.0, decades(-9, -1, signed=True)),
    ),
    elementwise(
        "relu squared",
        lambda x: np.maximum(x, 0) ** 2,
        lambda x: 2 * max(x, mpf(0)),
        decades(-9, 0, signed=True),
    ),
    elementwise(
        "clipped near its end",
        lambda x: np.clip(x, -3, 3) ** 2,
        lambda x: 2 * x if abs(x) < 3 else mpf(0),
        off(3.0, decades(-9, 0, signed=True)),
    ),
    joint("soft maximum of near ties", soft_maximum, soft_maximum_gradient, near_ties),
    joint(
        "maximum of near ties",
        np.max,
        lambda x: [mpf(t == max(x)) for t in x],
        near_ties,
    ),
    joint("length of a short vector", root_of_small, small_length_gradient, vectors(3, 1e-8)),
    # Steep steps.
    elementwise(
        "sigmoid 1e6 (x - 1)",
        lambda x: special.expit(1e6 * (x - 1)),
        lambda x: mpf(10) ** 6 / (2 + 2 * mpmath.cosh(10**6 * (x - 1))),
        off(1.0, decades(-9, -4, signed=True)),
    ),
    elementwise(
        "x + tanh 1000x",
        lambda x: x + np.tanh(1000 * x),
        lambda x: 1 + 1000 * mpmath.sech(1000 * x) ** 2,
        decades(-6, 1, signed=True),
    ),
    elementwise(
        "erf 1e4 x",
        lambda x: special.erf(1e4 * x),
        lambda x: 2 * 10**4 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-((10**4 * x) ** 2)),
        decades(-8, -3.2, signed=True),
    ),
    joint(
        "Fermi function beside 5",
        lambda x: x[0] ** 2 + 1 / (1 + np.exp((x[1] - 1) / 1e-3)),
        lambda x: [2 * x[0], -1000 / (2 + 2 * mpmath.cosh((x[1] - 1) / mpf(1e-3)))],
        lambda rng: np.array([5.0, 1.0 + rng.normal(0, 3e-3)]),
    ),
    # Edges of domains.
    elementwise(
        "arccosh near 1",
        np.arccosh,
        lambda x: 1 / mpmath.sqrt(x**2 - 1),
        off(1.0, decades(-10, 0)),
    ),
    elementwise(
        "log(1 - x) near 1",
        lambda x: np.log(1 - x),
        lambda x: -1 / (1 - x),
        lambda rng: 1 - decades(-10, 0)(rng),
    ),
    elementwise(
        "sqrt(1 - x^2) near 1",
        lambda x: np.sqrt(1 - x**2),
        lambda x: -x / mpmath.sqrt(1 - x**2),
        lambda rng: 1 - decades(-10, 0)(rng),
    ),
    elementwise(
        "arctanh near 1",
        np.arctanh,
        lambda x: 1 / (1 - x**2),
        lambda rng: 1 - decades(-10, -0.1)(rng),
    ),
    elementwise(
        "logit",
        special.logit,
        lambda x: 1 / (x * (1 - x)),
        lambda rng: special.expit(rng.uniform(-25, 25, size(rng))),
    ),
    elementwise(
        "log log near 1",
        lambda x: np.log(np.log(x)),
        lambda x: 1 / (x * mpmath.log(x)),
        off(1.0, decades(-9, 2)),
    ),
    elementwise("normal quantile", special.ndtri, quantile_slope, decades(-12, -0.01)),
    elementwise(
        "(1 - x)^0.9 near 1",
        lambda x: (1 - x) ** 0.9,
        lambda x: -mpf(0.9) * (1 - x) ** (mpf(0.9) - 1),
        lambda rng: 1 - decades(-9, 0)(rng),
    ),
    joint("cross-entropy of large logits", cross_entropy, cross_entropy_gradient, vectors(5, 20.0)),
    joint(
        "sum of powers of three scales",
        lambda x: np.sum(np.abs(x) ** 1.5),
        lambda x: [mpf(3) / 2 * mpmath.sqrt(abs(t)) * mpmath.sign(t) for t in x],
        scales(-8, -3, 2),
    ),
)
