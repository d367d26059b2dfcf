"""Right code that is hard to check: scales, edges, kinks, noise, solvers, long and large arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.integrate
import scipy.optimize
from scipy import special
from scipy.interpolate import CubicSpline

from tests.corpus.twin import Array, normal

Point = tuple[Array, ...]


@dataclass(frozen=True)
class Hard:
    """A right function, and points where somebody could accuse it.

    Attributes
    ----------
    id : str
    why : str
        What makes it hard.
    forward, backward : callable
        As in `tests.corpus.twin.Twin`.
    points : callable
        Inputs, fresh on every call, the first one generic: there it must be CORRECT.
    decidable : bool
        Whether it must; what is drowned in its own rounding has no such point.
    analytic : bool
        Whether complex numbers pass the forward, and only they measure its slopes: too steep.
    """

    id: str
    why: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    points: Callable[[], tuple[Point, ...]]
    decidable: bool = True
    analytic: bool = False


def elementwise(
    id: str,
    why: str,
    forward: Callable[..., Any],
    slope: Callable[..., Any],
    *points: list[float],
    **rest: bool,
) -> Hard:
    """A function of each entry, its derivative, and points given as lists of numbers."""
    return Hard(
        id,
        why,
        forward,
        lambda out_bar, x: (out_bar * slope(x),),
        of_one(*points),
        **rest,
    )


def of_one(*points: Any) -> Callable[[], tuple[Point, ...]]:
    """Points of a function of one array."""
    return lambda: tuple((np.array(point),) for point in points)


NEAR_ONE = 1 - 2.0**-52

ELEMENTWISE = (
    elementwise(
        "log-tiny", "the domain ends nearby",
        np.log, lambda x: 1 / x,
        [0.3, 2.0], [1e-300, 1e-8], [1e-200, 1e200],
    ),
    elementwise(
        "sqrt-tiny", "the slope is infinite nearby",
        np.sqrt, lambda x: 1 / (2 * np.sqrt(x)),
        [0.3, 2.0], [1e-20, 1e-8], [1e-12, 3.0],
    ),
    elementwise(
        "arccos-edge", "the slope is infinite one last place away",
        np.arccos, lambda x: -1 / np.sqrt((1 - x) * (1 + x)),
        [0.3, -0.9], [1 - 1e-12, -1 + 1e-9], [NEAR_ONE, 0.1],
    ),
    elementwise(
        "logit-edge", "1 - p has few digits left",
        lambda p: np.log(p) - np.log1p(-p), lambda p: 1 / (p * (1 - p)),
        [0.3, 0.9], [1e-14, 1 - 1e-12],
    ),
    elementwise(
        "entropy-edge", "the slope is zero at 1/e, and infinite at 0",
        lambda x: special.xlogy(x, x), lambda x: np.log(x) + 1,
        [0.3, 0.9], [1e-300, 0.37], [np.exp(-1), 1e-16],
    ),
    elementwise(
        "sigmoid-saturated", "the output is 1, and the slope 1e-16",
        special.expit, lambda x: special.expit(x) * special.expit(-x),
        [2.0, 0.2], [40.0, 0.2], [-40.0, 800, -800], [36.7, 37.0],
    ),
    elementwise(
        "erfc-tail", "values of 1e-296 beside 1",
        special.erfc, lambda x: -2 / np.sqrt(np.pi) * np.exp(-(x**2)),
        [0.3, 2.0], [20.0, 26.0], [-6.0, 5.0],
    ),
    elementwise(
        "gaussian-far", "the slope vanishes",
        lambda x: np.exp(-(x**2)), lambda x: -2 * x * np.exp(-(x**2)),
        [0.3, 2.0], [20.0, 0.0], [26.6, 30.0],
    ),
    elementwise(
        "lgamma-minimum", "the slope is zero at 1.46, and values of 1e11 stand beside 20",
        special.gammaln, special.digamma,
        [0.3, 2.5], [1e-8, 1e10], [1.4616321449683622, 1e5],
    ),
    elementwise(
        "scale-tiny", "values near the smallest that are normal",
        lambda x: 1e-300 * np.sin(x), lambda x: 1e-300 * np.cos(x),
        [0.3, 2.0], [0.0, 1.57],
    ),
    elementwise(
        "scale-huge", "values near the largest that are finite",
        lambda x: 1e300 * np.tanh(x), lambda x: 1e300 * (1 - np.tanh(x) ** 2),
        [0.3, 2.0], [0.0, 3.0],
    ),
    elementwise(
        "subnormal", "the smallest number there is, beside 1e100",
        lambda x: x**3, lambda x: 3 * x**2,
        [0.3, 2.0], [5e-324, 0.3], [1e-310, 2.0], [1e-105, 1e100],
    ),
    elementwise(
        "one-minus-cos", "the difference cancels",
        lambda x: 1 - np.cos(x), np.sin,
        [0.3, 2.0], [1e-6, 1e-4], [1e-9],
    ),
    elementwise(
        "offset", "1e8 is added",
        lambda x: 1e8 + np.sin(x), np.cos,
        [0.3, 2.0], [1.5707963, 0.1], decidable=False,
    ),
    elementwise(
        "washed-out", "1e10 is added and taken away",
        lambda x: (1e10 + x) - 1e10, np.ones_like,
        [0.3, 2.0], [0.0, 1e-3], decidable=False,
    ),
    elementwise(
        "float32-inside", "the forward rounds to float32",
        lambda x: np.tanh(x.astype(np.float32)).astype(np.float64), lambda x: 1 - np.tanh(x) ** 2,
        [0.3, 2.0], [0.0, 1e-3], decidable=False,
    ),
    elementwise(
        "fast-sine", "a thousand periods between two ordinary numbers",
        lambda x: np.sin(1e4 * x), lambda x: 1e4 * np.cos(1e4 * x),
        [0.3, 2.0], [0.0, 1.0], analytic=True,
    ),
    elementwise(
        "accumulating-sine", "periods that get shorter and shorter",
        lambda x: x * np.sin(1 / x), lambda x: np.sin(1 / x) - np.cos(1 / x) / x,
        [0.3, 2.0], [1e-3, 0.01],
    ),
    elementwise(
        "power-4/3", "the second derivative is infinite at 0",
        lambda x: np.cbrt(x) ** 4, lambda x: 4 / 3 * np.cbrt(x),
        [0.3, -0.9], [0.0, 1.0], [1e-15, -1e-9],
    ),
    elementwise(
        "signed-square", "the second derivative jumps at 0",
        lambda x: x * np.abs(x), lambda x: 2 * np.abs(x),
        [0.3, -0.9], [0.0, 1.0], [1e-200, -1e-9],
    ),
    elementwise(
        "smoothstep", "the second derivative jumps at both ends",
        lambda x: np.clip(x, 0, 1) ** 2 * (3 - 2 * np.clip(x, 0, 1)),
        lambda x: 6 * np.clip(x, 0, 1) * (1 - np.clip(x, 0, 1)),
        [0.3, 0.9, -1.0], [0.0, 1.0], [1e-12, 1 - 1e-12],
    ),
    elementwise(
        "huber-joint", "parabola and line meet",
        lambda x: np.where(np.abs(x) <= 1, x**2 / 2, np.abs(x) - 0.5), lambda x: np.clip(x, -1, 1),
        [0.3, -1.4], [1.0, -1.0], [1 + 1e-10, 0.2],
    ),
    elementwise(
        "angle-wrapped", "the angle jumps, the function does not",
        lambda x: np.sin(3 * (np.mod(x + np.pi, 2 * np.pi) - np.pi)), lambda x: 3 * np.cos(3 * x),
        [0.3, 2.9], [np.pi, -np.pi, 0.0], [np.pi - 1e-9, 100.0],
    ),
    elementwise(
        "sawtooth", "a jump at every whole number",
        lambda x: x - np.floor(x), np.ones_like,
        [0.3, 7.9], [1 + 1e-8, 0.5], [1.0, 0.0],
    ),
    elementwise(
        "rounded", "integer-valued: flat, and jumps",
        lambda x: np.round(4 * x) / 4, np.zeros_like,
        [0.3, 1.7, -2.2], [0.125, 0.3], [0.0, 0.25],
    ),
    elementwise(
        "jump-nearby", "a jump 1e-9 away",
        lambda x: np.where(x > 1e-9, x + 1, x), np.ones_like,
        [0.3, -7.9], [1e-8, 0.5], [0.0, 1.0],
    ),
    elementwise(
        "abs-by-convention", "the slope at 0 is a convention",
        np.abs, lambda x: np.where(x >= 0, 1.0, -1.0),
        [0.3, -7.9], [0.0, 0.0],
    ),
)  # fmt: skip


KNOTS, VALUES = np.array([-2.0, -1, 0, 0.5, 3]), np.array([1.0, -1, 2, 2, 0])


def table(x):
    return np.interp(x, KNOTS, VALUES)


def table_back(out_bar, x):
    slopes = np.concatenate([[0], np.diff(VALUES) / np.diff(KNOTS), [0]])
    return (out_bar * slopes[np.searchsorted(KNOTS, x, side="right")],)


def spline(x):
    return CubicSpline(KNOTS, VALUES, bc_type="natural")(x)


def spline_back(out_bar, x):
    return (out_bar * CubicSpline(KNOTS, VALUES, bc_type="natural")(x, 1),)


def median_back(out_bar, x):
    order, n = np.argsort(x, kind="stable"), len(x)
    x_bar = np.zeros_like(x)
    middle = {(n - 1) // 2, n // 2}
    for place in middle:
        x_bar[order[place]] += out_bar / len(middle)
    return (x_bar,)


def two_largest(x):
    return np.sort(x)[-2:].sum()


def two_largest_back(out_bar, x):
    x_bar = np.zeros_like(x)
    x_bar[np.argsort(-x, kind="stable")[:2]] = out_bar
    return (x_bar,)


def largest_size(x):
    return np.abs(x).max()


def largest_size_back(out_bar, x):
    place = np.abs(x).argmax()
    return (out_bar * np.sign(x[place]) * (np.arange(len(x)) == place),)


def spectral_norm(a):
    return np.linalg.norm(a, 2)


def spectral_norm_back(out_bar, a):
    u, _, vt = np.linalg.svd(a)
    return (out_bar * np.outer(u[:, 0], vt[0]),)


def largest_eigenvalue(a):
    return np.linalg.eigvalsh((a + a.T) / 2)[-1]


def largest_eigenvalue_back(out_bar, a):
    vector = np.linalg.eigh((a + a.T) / 2)[1][:, -1]
    return (out_bar * np.outer(vector, vector),)


def nuclear_norm(a):
    return np.linalg.svd(a, compute_uv=False).sum()


def nuclear_norm_back(out_bar, a):
    u, sizes, vt = np.linalg.svd(a, full_matrices=False)
    return (out_bar * (u * (sizes > 1e-13)) @ vt,)


def chamfer(x, y):
    """Squared distance to the nearest point of the other set, both ways."""
    d = np.sum((x[:, None] - y[None]) ** 2, axis=2)
    return d.min(axis=1).sum() + d.min(axis=0).sum()


def chamfer_back(out_bar, x, y):
    d = np.sum((x[:, None] - y[None]) ** 2, axis=2)
    pairs = [(i, d[i].argmin()) for i in range(len(x))]
    pairs += [(d[:, j].argmin(), j) for j in range(len(y))]
    x_bar, y_bar = np.zeros_like(x), np.zeros_like(y)
    for i, j in pairs:
        pull = 2 * out_bar * (x[i] - y[j])
        x_bar[i] += pull
        y_bar[j] -= pull
    return x_bar, y_bar


def routed(x, gate):
    """Each row goes to the expert its gate likes best: a sine, a square or a line."""
    expert = (x @ gate).argmax(axis=1)[:, None]
    return np.choose(expert, [np.sin(x), x**2, 3 * x])


def routed_back(out_bar, x, gate):
    expert = (x @ gate).argmax(axis=1)[:, None]
    return out_bar * np.choose(expert, [np.cos(x), 2 * x, 3.0]), np.zeros_like(gate)


KINKS = (
    Hard(
        "table-knots", "a kink at every knot", table, table_back,
        of_one([0.1, -1.3, 2.2], [0.0, -1, 0.5, 3, -2], [-1 + 1e-13, 3 + 1e-9]),
    ),
    Hard(
        "spline-knots", "the third derivative jumps at every knot", spline, spline_back,
        of_one([0.1, 2.2], KNOTS[1:-1]),
    ),
    Hard(
        "median-ties", "which of the tied is in the middle is a convention", np.median, median_back,
        of_one([3.0, 1, 2, 5], [1.0, 1, 1], [2.0, 1, 2, 2, 0], [0.0, 0, 0, 0]),
    ),
    Hard(
        "two-largest", "ties at the border", two_largest, two_largest_back,
        of_one([3.0, 1, 2, 5], [1.0, 1, 1], [0.0, 0, -1, 0, 0]),
    ),
    Hard(
        "largest-size", "tied with other signs, and 0", largest_size, largest_size_back,
        of_one([3.0, -4, 2], [1.0, -1, 1], [0.0, 0, 0]),
    ),
    Hard(
        "spectral-norm", "singular values coincide", spectral_norm, spectral_norm_back,
        of_one(normal(2000, 3, 2), np.eye(3), np.diag([2.0, 2, 1]), np.zeros((2, 2))),
    ),
    Hard(
        "largest-eigenvalue", "eigenvalues coincide", largest_eigenvalue, largest_eigenvalue_back,
        of_one(normal(2001, 3, 3), np.eye(3), np.zeros((2, 2))),
    ),
    Hard(
        "nuclear-norm", "singular values are zero", nuclear_norm, nuclear_norm_back,
        of_one(normal(2002, 3, 2), [[1.0, 0], [0, 0]], np.zeros((2, 2))),
    ),
    Hard(
        "chamfer", "two are nearest", chamfer, chamfer_back,
        lambda: (
            (normal(2003, 4, 2), normal(2004, 3, 2)),
            (np.array([[0.0, 0], [1, 0]]), np.array([[0.5, 0], [0.5, 1]])),
            (np.zeros((2, 2)), np.zeros((3, 2))),
        ),
    ),
    Hard(
        "routed", "the function jumps where the gate is undecided", routed, routed_back,
        lambda: (
            (normal(2005, 4, 3), normal(2006, 3, 3)),
            (np.zeros((2, 2)), normal(2007, 2, 3)),
            (normal(2008, 3, 2), np.zeros((2, 3))),
        ),
    ),
    Hard(
        "relu-100,000", "100,000 entries, a third of them zero",
        lambda x: np.maximum(x, 0), lambda out_bar, x: (out_bar * (x > 0),),
        of_one(normal(2009, 1000), np.round(normal(2010, 100_000))),
    ),
    Hard(
        "max-10,000", "10,000 entries, all tied",
        lambda x: x.max(), lambda out_bar, x: (out_bar * (np.arange(len(x)) == x.argmax()),),
        of_one(normal(2011, 1000), np.zeros(10_000)),
    ),
)  # fmt: skip


def variance(x):
    """In one pass: the mean of the squares less the square of the mean."""
    return np.mean(x**2) - np.mean(x) ** 2


def variance_back(out_bar, x):
    return (out_bar * 2 * (x - x.mean()) / len(x),)


def inverse_back(out_bar, a):
    inverse = np.linalg.inv(a).T
    return (-inverse @ out_bar @ inverse,)


def newton_root(a):
    """Four steps of Newton's method for a square root: not there yet."""
    x = np.ones_like(a)
    for _ in range(4):
        x = (x + a / x) / 2
    return x


def newton_root_back(out_bar, a):
    x, slope = np.ones_like(a), np.zeros_like(a)
    for _ in range(4):
        slope = (slope + 1 / x - a * slope / x**2) / 2
        x = (x + a / x) / 2
    return (out_bar * slope,)


def bracketed_root(a):
    """The root of ``x^3 + a x = 1`` within 1e-13."""
    return np.array([scipy.optimize.brentq(_cubic, -10, 10, args=(v,), xtol=1e-13) for v in a])


def _cubic(x, a):
    return x**3 + a * x - 1


def bracketed_root_back(out_bar, a):
    x = bracketed_root(a)
    return (-out_bar * x / (3 * x**2 + a),)


def integral(a):
    """Of a Gaussian over 0..1, by adaptive quadrature."""
    return np.array([scipy.integrate.quad(_bell, 0, 1, args=(v, 0))[0] for v in a])


def _bell(t, a, power):
    return (-t * t) ** power * np.exp(-a * t * t)


def integral_back(out_bar, a):
    slopes = [scipy.integrate.quad(_bell, 0, 1, args=(v, 1))[0] for v in a]
    return (out_bar * np.array(slopes),)


def relaxed(k):
    """``y' = k1 - k0 y`` from 1 over a unit of time, with adaptive steps."""
    solution = scipy.integrate.solve_ivp(
        lambda t, y: k[1] - k[0] * y, (0, 1), [1.0], rtol=1e-9, atol=1e-12
    )
    return solution.y[:, -1]


def relaxed_back(out_bar, k):
    rest = np.exp(-k[0])
    slopes = [-rest + k[1] * ((k[0] + 1) * rest - 1) / k[0] ** 2, (1 - rest) / k[0]]
    return (out_bar[0] * np.array(slopes),)


def chaotic(x):
    """25 steps of the logistic map: slopes of 1e7."""
    for _ in range(25):
        x = 3.9 * x * (1 - x)
    return x


def chaotic_back(out_bar, x):
    slope = np.ones_like(x)
    for _ in range(25):
        slope, x = slope * 3.9 * (1 - 2 * x), 3.9 * x * (1 - x)
    return (out_bar * slope,)


def long_recurrence(x, a):
    h = np.zeros(())
    for value in x:
        h = np.tanh(0.99 * a * h + value)
    return h


def long_recurrence_back(out_bar, x, a):
    states = [0.0]
    for value in x:
        states.append(np.tanh(0.99 * a * states[-1] + value))
    x_bar, a_bar, carried = np.zeros_like(x), 0.0, float(out_bar)
    for t in reversed(range(len(x))):
        x_bar[t] = carried * (1 - states[t + 1] ** 2)
        a_bar += x_bar[t] * 0.99 * states[t]
        carried = x_bar[t] * 0.99 * a
    return x_bar, np.asarray(a_bar)


def whole_product_back(out_bar, x):
    return (out_bar * np.array([np.prod(np.delete(x, i)) for i in range(len(x))]),)


def hashed_noise(x):
    """Noise that looks random, and is the same for the same numbers."""
    seed = int.from_bytes(x.tobytes()[:8], "little") % 2**32
    return np.sin(x).sum() + 1e-9 * np.random.default_rng(seed).standard_normal()


GRID = np.linspace(-1, 1, 100_000)


def on_a_grid(c):
    return np.polyval(c, GRID)


def on_a_grid_back(out_bar, c):
    return (np.array([out_bar @ GRID**power for power in reversed(range(len(c)))]),)


def float_layer(x, w):
    return np.tanh(x @ w)


def float_layer_back(out_bar, x, w):
    z_bar = out_bar * (1 - np.tanh(x @ w) ** 2)
    return z_bar @ w.T, x.T @ z_bar


PROGRAMS = (
    Hard(
        "variance-one-pass", "two squares of 1e12 cancel", variance, variance_back,
        of_one([0.3, 2.0, 1], 1e6 + np.array([0.3, 2.0, 1, -1]), 1e4 + np.array([0.1, 0.2])),
    ),
    Hard(
        "inverse-near-singular", "a condition of 1e8", np.linalg.inv, inverse_back,
        of_one(normal(2020, 3, 3) + 3 * np.eye(3), [[1.0, 1], [1, 1 + 1e-6]], np.diag([1.0, 1e-8])),
    ),
    Hard(
        "logdet-near-singular", "a condition of 1e9",
        lambda a: np.linalg.slogdet(a)[1], lambda out_bar, a: (out_bar * np.linalg.inv(a).T,),
        of_one(normal(2021, 3, 3) + 3 * np.eye(3), np.diag([1.0, 1e-9]), [[1.0, 1], [1, 1 + 1e-7]]),
    ),
    Hard(
        "newton-stopped-early", "the iteration's own derivative", newton_root, newton_root_back,
        of_one([2.0, 30.0], [1.0, 1e-4]),
    ),
    Hard(
        "bracketed-root", "solved to a tolerance", bracketed_root, bracketed_root_back,
        of_one([2.0, 3.0], [0.0, 1e-3]),
    ),
    Hard(
        "quadrature", "solved to a tolerance", integral, integral_back,
        of_one([2.0, 3.0], [0.0, 50.0]),
    ),
    Hard(
        "adaptive-steps", "the steps depend on the parameters", relaxed, relaxed_back,
        of_one([2.0, 3.0], [0.5, 1.0]),
    ),
    Hard(
        "chaos", "slopes of 1e7, and kinks in what is measured", chaotic, chaotic_back,
        of_one([0.3, 0.71], [0.123]), analytic=True,
    ),
    Hard(
        "recurrence-1000", "a thousand steps", long_recurrence, long_recurrence_back,
        lambda: (
            (0.01 * normal(2022, 1000), np.array(0.9)),
            (np.zeros(500), np.array(1.0)),
        ),
    ),
    Hard(
        "product-of-60", "a zero among them, and 1e300", np.prod, whole_product_back,
        of_one(
            np.linspace(0.2, 3, 60), np.r_[0.0, np.linspace(1, 2, 59)], np.full(60, 1e5)
        ),
    ),
    Hard(
        "noise-by-hash", "noise of 1e-9 on every value",
        hashed_noise, lambda out_bar, x: (out_bar * np.cos(x),),
        of_one([0.3, 2.0], [1.2, -0.4, 0.9]), decidable=False,
    ),
    Hard(
        "grid-100,000", "100,000 outputs of four numbers", on_a_grid, on_a_grid_back,
        of_one(normal(2023, 4), np.zeros(3)),
    ),
    Hard(
        "float32-layer", "float32, and saturated", float_layer, float_layer_back,
        lambda: (
            (normal(2024, 4, 3).astype(np.float32), normal(2025, 3, 5).astype(np.float32)),
            (np.zeros((2, 3), np.float32), 30 * normal(2026, 3, 2).astype(np.float32)),
        ),
    ),
    Hard(
        "constant", "nothing moves",
        lambda x: np.full(3, 2.5), lambda out_bar, x: (np.zeros_like(x),), of_one([1.0, 2.0]),
    ),
    Hard(
        "unused-input", "an input that is not read",
        lambda x, y: np.sin(x),
        lambda out_bar, x, y: (out_bar * np.cos(x), np.zeros_like(y)),
        lambda: ((np.array([1.0, 2.0]), np.array([3.0])),),
    ),
)  # fmt: skip

HARD = (*ELEMENTWISE, *KINKS, *PROGRAMS)
