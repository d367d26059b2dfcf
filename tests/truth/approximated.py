"""Functions that are computed by less than their formula: solvers, tables, few bits, few digits.

Where a method stops early, the slope is that of the steps it takes, unless it says otherwise: then
what is left is an error of the values, and the slope is that of what they stand for.
"""

from __future__ import annotations

import mpmath
import numpy as np
from mpmath import mpf
from scipy.interpolate import CubicSpline

from tests.truth.known import (
    Known,
    between,
    decades,
    elementwise,
    joint,
    scrambled,
    vectors,
)


def babylonian_counts(x):
    """Square roots by Newton's method until they move by less than 1e-4, and the steps taken."""
    t, counts = np.where(x > 0, 1.0, np.nan), np.zeros(x.shape, int)
    moving = np.ones(x.shape, bool)
    while moving.any():
        new = np.where(moving, (t + x / t) / 2, t)
        counts += moving
        moving &= np.abs(new - t) > 1e-4 * np.abs(new)
        t = new
    return t, counts


def babylonian_slope(x):
    t, slope = mpf(1), mpf(0)
    for _ in range(int(babylonian_counts(np.array([float(x)]))[1][0])):
        t, slope = (t + x / t) / 2, (slope + 1 / t - x * slope / t**2) / 2
    return slope


def series_counts(x):
    """The exponential by its series until a term is below 1e-8 of the sum, and the terms added."""
    total, term = np.ones_like(x), np.ones_like(x)
    counts, moving = np.zeros(x.shape, int), np.ones(x.shape, bool)
    while moving.any():
        counts += moving
        term = np.where(moving, term * x / np.maximum(counts, 1), 0.0)
        total = total + term
        moving &= np.abs(term) > 1e-8 * np.abs(total)
    return total, counts


def series_slope(x):
    count = int(series_counts(np.array([float(x)]))[1][0])
    return mpmath.fsum(x**k / mpmath.factorial(k) for k in range(count))


def logistic_growth(x):
    """Fifty Euler steps of ``y' = x y (1 - y)`` from 0.1."""
    y = np.full_like(x, 0.1)
    for _ in range(50):
        y = y + 0.1 * x * y * (1 - y)
    return y


def logistic_growth_slope(x):
    y, slope, h = mpf(0.1), mpf(0), mpf(0.1)
    for _ in range(50):
        y, slope = (
            y + h * x * y * (1 - y),
            slope + h * (y * (1 - y) + x * slope * (1 - 2 * y)),
        )
    return slope


def pieces_needed(x):
    """Trapezoids until doubling their number moves the area below ``exp(-t*t)`` by 1e-6."""
    count, area = 2, trapezoids(x, 1)
    while count < 2**12:
        finer = trapezoids(x, count)
        if abs(finer - area) < 1e-6:
            return finer, count
        count, area = 2 * count, finer
    return np.nan, count


def trapezoids(x, count):
    values = np.exp(-((np.arange(count + 1) * (x / count)) ** 2))
    return (values.sum() - (values[0] + values[-1]) / 2) * (x / count)


def quadrature(x):
    return np.array([pieces_needed(t)[0] for t in x])


def quadrature_slope(x):
    count = pieces_needed(float(x))[1]
    weights = [mpf(1) / 2, *[mpf(1)] * (count - 1), mpf(1) / 2]
    places = [mpf(k) / count for k in range(count + 1)]
    waves = [w * mpmath.exp(-((p * x) ** 2)) for w, p in zip(weights, places, strict=True)]
    bends = [-2 * p * p * x * wave for p, wave in zip(places, waves, strict=True)]
    return (mpmath.fsum(waves) + x * mpmath.fsum(bends)) / count


GOLDEN = (np.sqrt(5) - 1) / 2


def searched_for(x):
    """Where ``t**2 + t**4 - x t`` is least, by golden sections until the bracket is 1e-4."""
    low, high = np.full_like(x, -2.0), np.full_like(x, 2.0)
    while np.max(high - low) > 1e-4:
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        lower = left**2 + left**4 - x * left < right**2 + right**4 - x * right
        low, high = np.where(lower, low, left), np.where(lower, right, high)
    return (low + high) / 2


def searched(x):
    t = searched_for(x)
    return t**2 + t**4 - x * t


def searched_slope(x):
    return -mpf(searched_for(np.array([float(x)]))[0])


def power_iterated(x):
    """The largest eigenvalue of ``[[2, x], [x, 1]]`` by eight power iterations."""
    p, q = np.ones_like(x), np.zeros_like(x)
    for _ in range(8):
        p, q = 2 * p + x * q, x * p + q
        length = np.sqrt(p * p + q * q)
        p, q = p / length, q / length
    return 2 * p * p + 2 * x * p * q + q * q


def power_iterated_slope(x):
    p, q, dp, dq = mpf(1), mpf(0), mpf(0), mpf(0)
    for _ in range(8):
        p, q, dp, dq = 2 * p + x * q, x * p + q, 2 * dp + q + x * dq, p + x * dp + dq
        length = mpmath.sqrt(p * p + q * q)
        slope = (p * dp + q * dq) / length
        dp, dq = (dp - p * slope / length) / length, (dq - q * slope / length) / length
        p, q = p / length, q / length
    return 4 * p * dp + 2 * p * q + 2 * x * (dp * q + p * dq) + 2 * q * dq


# Tables.

GRID = np.linspace(-4.0, 4.0, 97)
SINES = np.sin(GRID)
SPLINE = CubicSpline(GRID, SINES)


def table_slope(x):
    i = int(np.searchsorted(GRID, float(x), side="right")) - 1
    return (mpf(SINES[i + 1]) - mpf(SINES[i])) / (mpf(GRID[i + 1]) - mpf(GRID[i]))


def fine_table(x):
    """A table of a million sines, read between its places."""
    place = np.floor(x * FINE)
    share = x * FINE - place
    return np.sin(place / FINE) * (1 - share) + np.sin((place + 1) / FINE) * share


FINE = 2.0**17


def fine_table_slope(x):
    place = mpmath.floor(x * FINE)
    return (mpmath.sin((place + 1) / FINE) - mpmath.sin(place / FINE)) * FINE


def spline_slope(x):
    i = int(np.searchsorted(GRID, float(x), side="right")) - 1
    t = x - mpf(GRID[i])
    a, b, c, _ = (mpf(number) for number in SPLINE.c[:, i])
    return 3 * a * t * t + 2 * b * t + c


# Few bits.


def cut(x, bits):
    """Numbers of which all but so many leading bits are cut off."""
    keep = np.uint64(2**64 - 2 ** (52 - bits))
    return (np.ascontiguousarray(x).view(np.uint64) & keep).view(np.float64)


def single(x):
    return x.astype(np.float32)


WEIGHTS = np.random.default_rng(20).standard_normal((8, 50))


def single_layer(x):
    return np.tanh(single(WEIGHTS) @ single(x)).astype(np.float64)


def layer_slope(x, v, u):
    total = mpf(0)
    for row, weight in zip(WEIGHTS.astype(np.float32), u, strict=True):
        exact = [mpf(float(w)) for w in row]
        sums = (mpmath.fdot(exact, [mpf(t) for t in y]) for y in (x, v))
        inner, along = sums
        total += mpf(weight) * mpmath.sech(inner) ** 2 * along
    return total


def running_single_mean(x):
    """Numbers added up one by one, in float32."""
    total = np.float32(0)
    for t in single(x):
        total = np.float32(total + t)
    return np.asarray(np.float64(total) / x.size)


def sampled_mean(x):
    """The mean of 20 noisy readings; the noise is the same whenever the input is."""
    readings = [np.exp(-x) * (1 + 1e-4 * scrambled(x + k)) for k in range(20)]
    return np.mean(readings, axis=0)


APPROXIMATED = (
    elementwise(
        "Newton stopped at 1e-4",
        lambda x: babylonian_counts(x)[0],
        babylonian_slope,
        decades(-3, 3),
    ),
    elementwise(
        "series stopped at 1e-8", lambda x: series_counts(x)[0], series_slope, between(0, 5)
    ),
    elementwise("fifty Euler steps", logistic_growth, logistic_growth_slope, between(-1, 4)),
    elementwise("trapezoids until 1e-6", quadrature, quadrature_slope, between(0.2, 3)),
    elementwise("golden sections until 1e-4", searched, searched_slope, between(-4, 4)),
    elementwise("eight power iterations", power_iterated, power_iterated_slope, between(-3, 3)),
    elementwise(
        "table of 97", lambda x: np.interp(x, GRID, SINES), table_slope, between(-3.9, 3.9)
    ),
    elementwise("table of a million", fine_table, fine_table_slope, between(-3, 3)),
    elementwise("spline through 97", SPLINE, spline_slope, between(-3.9, 3.9)),
    elementwise(
        "16 bits behind the point",
        lambda x: np.round(np.sin(x) * 2**16) / 2**16,
        mpmath.cos,
        between(-3, 3),
    ),
    elementwise(
        "rounded to 4 decimals", lambda x: np.round(np.exp(x), 4), mpmath.exp, between(-3, 3)
    ),
    elementwise(
        "rounded to 12 decimals", lambda x: np.round(np.exp(x), 12), mpmath.exp, between(-3, 3)
    ),
    elementwise(
        "rounded to 6 digits",
        lambda x: np.array([float(f"{t:.5e}") for t in np.exp(x)]),
        mpmath.exp,
        between(-8, 8),
    ),
    elementwise("cut to 20 bits", lambda x: cut(np.exp(x), 20), mpmath.exp, between(-3, 3)),
    elementwise("cut to 40 bits", lambda x: cut(np.sin(x), 40), mpmath.cos, between(-3, 3)),
    elementwise(
        "input rounded to 5 decimals", lambda x: np.sin(np.round(x, 5)), mpmath.cos, between(-3, 3)
    ),
    elementwise(
        "float32 softplus",
        lambda x: np.log1p(np.exp(single(x))).astype(np.float64),
        lambda x: 1 / (1 + mpmath.exp(-x)),
        between(-9, 9),
    ),
    elementwise(
        "float32 inside, 1e4 taken off",
        lambda x: ((single(x) + np.float32(1e4)) - np.float32(1e4)).astype(np.float64),
        lambda x: mpf(1),
        between(-3, 3),
    ),
    elementwise(
        "float32 inside, beside a sine",
        lambda x: np.sin(x) + 1e-3 * np.cos(single(x)).astype(np.float64),
        lambda x: mpmath.cos(x) - mpf(1e-3) * mpmath.sin(x),
        between(-3, 3),
    ),
    elementwise(
        "noise of 1e-4",
        lambda x: np.exp(-x) * (1 + 1e-4 * scrambled(x)),
        lambda x: -mpmath.exp(-x),
        between(-3, 3),
    ),
    elementwise(
        "noise that depends on a few bits",
        lambda x: np.sin(x) + 1e-7 * scrambled(np.floor(x * 2**20)),
        mpmath.cos,
        between(-3, 3),
    ),
    elementwise("mean of noisy readings", sampled_mean, lambda x: -mpmath.exp(-x), between(-3, 3)),
    Known("float32 layer", single_layer, layer_slope, vectors(50)),
    joint(
        "float32 running mean",
        running_single_mean,
        lambda x: [1 / mpf(len(x))] * len(x),
        vectors(40),
    ),
)
