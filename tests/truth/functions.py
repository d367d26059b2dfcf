"""Functions with derivatives known exactly, which make life hard for difference quotients."""

from __future__ import annotations

import mpmath
import numpy as np
from mpmath import mpf
from scipy import special

from tests.truth.approximated import APPROXIMATED
from tests.truth.bending import BENDING
from tests.truth.cancelling import CANCELLING
from tests.truth.known import between, decades, elementwise, joint, scales, scrambled, size, vectors

# Functions that need more than a line.


def bisected(x):
    """The root of ``t + t**3 = x``, bisected until the bracket is below 1e-6."""
    low, high = np.full_like(x, -4.0), np.full_like(x, 4.0)
    while np.max(high - low) > 1e-6:
        middle = (low + high) / 2
        below = middle + middle**3 < x
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def bisected_slope(x):
    root = mpmath.findroot(lambda t: t + t**3 - x, (mpf(-4), mpf(4)), solver="anderson")
    return 1 / (1 + 3 * root**2)


def contraction_counts(x):
    """Iterations that ``t <- cos(t) / 2 + x`` needs until it moves by less than 1e-6."""
    t, counts = np.zeros_like(x), np.zeros(x.shape, int)
    moving = np.ones(x.shape, bool)
    while moving.any():
        new = np.where(moving, np.cos(t) / 2 + x, t)
        counts += moving
        moving &= np.abs(new - t) > 1e-6
        t = new
    return t, counts


def contracted(x):
    return contraction_counts(x)[0]


def contracted_slope(x):
    """The derivative of the iterations that are carried out, not of their limit."""
    count = int(contraction_counts(np.array([float(x)]))[1][0])
    t, slope = mpf(0), mpf(0)
    for _ in range(count):
        t, slope = mpmath.cos(t) / 2 + x, 1 - mpmath.sin(t) / 2 * slope
    return slope


def sqrt_slope(x):
    return 1 / (2 * mpmath.sqrt(x))


def noisy_solver(x):
    """A square root with an error of 1e-6 that jumps about, as from an iteration stopped early."""
    return np.sqrt(x) * (1 + 1e-6 * scrambled(x))


def logsumexp_gradient(x):
    top = max(x)
    weights = [mpmath.exp(t - top) for t in x]
    return [w / mpmath.fsum(weights) for w in weights]


def rosenbrock(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_gradient(x):
    gradient = [mpf(0)] * len(x)
    for i in range(len(x) - 1):
        rise = x[i + 1] - x[i] ** 2
        gradient[i] += -400 * x[i] * rise - 2 * (1 - x[i])
        gradient[i + 1] += 200 * rise
    return gradient


def wilkinson(x):
    """``(x - 1)(x - 2) ... (x - 7)``, expanded: coefficients that cancel."""
    return np.polyval(np.poly(np.arange(1.0, 8.0)), x)


def wilkinson_slope(x):
    return mpmath.fsum(mpmath.fprod(x - j for j in range(1, 8) if j != i) for i in range(1, 8))


def hypot_gradient(x):
    length = mpmath.sqrt(mpmath.fsum(t * t for t in x))
    return [t / length for t in x]


def product_gradient(x):
    return [mpmath.fprod(x[:i] + x[i + 1 :]) for i in range(len(x))]


def softplus_tail(x):
    return 1 / (1 + mpmath.exp(-x))


def step_up(x):
    """Zero slope almost everywhere, jumps a quarter apart."""
    return np.floor(4 * x)


COMMON = (
    # Waves: long steps alias.
    elementwise("sin", np.sin, mpmath.cos, between(-3, 3)),
    elementwise(
        "sin 1000x",
        lambda x: np.sin(1000 * x),
        lambda x: 1000 * mpmath.cos(1000 * x),
        between(-3, 3),
    ),
    elementwise(
        "sin 1e6 x",
        lambda x: np.sin(1e6 * x),
        lambda x: 10**6 * mpmath.cos(10**6 * x),
        between(-3, 3),
    ),
    elementwise(
        "x + sin(1000x) / 1000",
        lambda x: x + np.sin(1000 * x) / 1000,
        lambda x: 1 + mpmath.cos(1000 * x),
        between(-3, 3),
    ),
    elementwise(
        "x^2 + 1e-6 sin(1e5 x)",
        lambda x: x**2 + 1e-6 * np.sin(1e5 * x),
        lambda x: 2 * x + mpf(1e-6) * mpf(1e5) * mpmath.cos(mpf(1e5) * x),
        between(-3, 3),
    ),
    elementwise(
        "sin 1/x",
        lambda x: np.sin(1 / x),
        lambda x: -mpmath.cos(1 / x) / x**2,
        decades(-3, 1, signed=True),
    ),
    elementwise(
        "x sin 1/x",
        lambda x: x * np.sin(1 / x),
        lambda x: mpmath.sin(1 / x) - mpmath.cos(1 / x) / x,
        decades(-3, 1, signed=True),
    ),
    elementwise(
        "sin x^2",
        lambda x: np.sin(x**2),
        lambda x: 2 * x * mpmath.cos(x**2),
        between(-30, 30),
    ),
    # Growth and decay.
    elementwise(
        "exp 50x", lambda x: np.exp(50 * x), lambda x: 50 * mpmath.exp(50 * x), between(-2, 2)
    ),
    elementwise("exp", np.exp, mpmath.exp, between(-30, 30)),
    elementwise("expm1 near 0", np.expm1, mpmath.exp, decades(-12, -3, signed=True)),
    elementwise(
        "exp(-x^2) far out",
        lambda x: np.exp(-(x**2)),
        lambda x: -2 * x * mpmath.exp(-(x**2)),
        between(-20, 20),
    ),
    elementwise("x^20", lambda x: x**20, lambda x: 20 * x**19, between(-3, 3)),
    elementwise("x^3 tiny", lambda x: x**3, lambda x: 3 * x**2, decades(-12, -3, signed=True)),
    elementwise("1/x", lambda x: 1 / x, lambda x: -1 / x**2, decades(-8, 8, signed=True)),
    elementwise("2^x", np.exp2, lambda x: mpmath.log(2) * mpf(2) ** x, between(-40, 40)),
    # Edges of a domain, poles and infinite slopes nearby.
    elementwise("log at 1e-9", np.log, lambda x: 1 / x, decades(-10, -8)),
    elementwise("log", np.log, lambda x: 1 / x, decades(-3, 3)),
    elementwise("log near 1", np.log, lambda x: 1 / x, lambda rng: 1 + decades(-12, -3)(rng)),
    elementwise("log1p at 1e-12", np.log1p, lambda x: 1 / (1 + x), decades(-13, -11)),
    elementwise("sqrt at 1e-12", np.sqrt, sqrt_slope, decades(-13, -11)),
    elementwise("sqrt", np.sqrt, sqrt_slope, decades(-4, 6)),
    elementwise("cbrt near 0", np.cbrt, lambda x: 1 / (3 * mpmath.cbrt(x) ** 2), decades(-9, 0)),
    elementwise(
        "tan near its pole",
        np.tan,
        lambda x: 1 + mpmath.tan(x) ** 2,
        lambda rng: np.pi / 2 - decades(-6, -1)(rng),
    ),
    elementwise(
        "arcsin near 1",
        np.arcsin,
        lambda x: 1 / mpmath.sqrt(1 - x**2),
        lambda rng: 1 - decades(-9, -1)(rng),
    ),
    elementwise(
        "|x|^1.5",
        lambda x: np.abs(x) ** 1.5,
        lambda x: mpf(3) / 2 * mpmath.sqrt(abs(x)) * mpmath.sign(x),
        decades(-9, 1, signed=True),
    ),
    elementwise("|x|", np.abs, mpmath.sign, decades(-9, 1, signed=True)),
    elementwise(
        "relu(x - 1) near 1",
        lambda x: np.maximum(x - 1, 0),
        lambda x: mpf(x > 1),
        lambda rng: 1 + decades(-9, 0, signed=True)(rng),
    ),
    elementwise(
        "max(x, x^2) near 1",
        lambda x: np.maximum(x, x**2),
        lambda x: 2 * x if x > 1 else mpf(1),
        lambda rng: 1 + decades(-6, -1, signed=True)(rng),
    ),
    # Saturation.
    elementwise("tanh", np.tanh, lambda x: mpmath.sech(x) ** 2, between(-3, 3)),
    elementwise("tanh saturated", np.tanh, lambda x: mpmath.sech(x) ** 2, between(-22, 22)),
    elementwise(
        "sigmoid saturated",
        special.expit,
        lambda x: softplus_tail(x) * softplus_tail(-x),
        between(-45, 45),
    ),
    elementwise("softplus", lambda x: np.logaddexp(0, x), softplus_tail, between(-40, 40)),
    elementwise("arctan far out", np.arctan, lambda x: 1 / (1 + x**2), decades(0, 8, signed=True)),
    elementwise(
        "erf",
        special.erf,
        lambda x: 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-(x**2)),
        between(-6, 6),
    ),
    elementwise(
        "erfc far out",
        special.erfc,
        lambda x: -2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-(x**2)),
        between(0, 20),
    ),
    # Special functions.
    elementwise(
        "gamma", special.gamma, lambda x: mpmath.gamma(x) * mpmath.digamma(x), between(0.05, 20)
    ),
    elementwise("log gamma", special.gammaln, mpmath.digamma, decades(-3, 6)),
    elementwise("digamma", special.digamma, lambda x: mpmath.psi(1, x), between(0.05, 20)),
    elementwise("Bessel J0", special.j0, lambda x: -mpmath.besselj(1, x), between(-30, 30)),
    elementwise(
        "Bessel J3", lambda x: special.jv(3, x), lambda x: mpmath.besselj(3, x, 1), between(-9, 9)
    ),
    elementwise("Bessel Y0", special.y0, lambda x: -mpmath.bessely(1, x), between(0.1, 30)),
    elementwise("Bessel I0", special.i0, lambda x: mpmath.besseli(1, x), between(-20, 20)),
    # Offsets, cancellation and quantised values.
    elementwise("1e10 + sin", lambda x: 1e10 + np.sin(x), mpmath.cos, between(-3, 3)),
    elementwise("1e8 + x^2", lambda x: 1e8 + x**2, lambda x: 2 * x, between(-3, 3)),
    elementwise("(1e10 + x) - 1e10", lambda x: (1e10 + x) - 1e10, lambda x: mpf(1), between(-3, 3)),
    elementwise(
        "(1e10 + sin x) - 1e10", lambda x: (1e10 + np.sin(x)) - 1e10, mpmath.cos, between(-3, 3)
    ),
    elementwise("(1e6 + x^2) - 1e6", lambda x: (1e6 + x**2) - 1e6, lambda x: 2 * x, between(-3, 3)),
    elementwise(
        "(1 - cos x) / x^2",
        lambda x: (1 - np.cos(x)) / x**2,
        lambda x: (x * mpmath.sin(x) - 2 * (1 - mpmath.cos(x))) / x**3,
        decades(-5, 0),
    ),
    elementwise("expanded polynomial", wilkinson, wilkinson_slope, between(0, 8)),
    elementwise(
        "(x - 1)^6 expanded",
        lambda x: x**6 - 6 * x**5 + 15 * x**4 - 20 * x**3 + 15 * x**2 - 6 * x + 1,
        lambda x: 6 * (x - 1) ** 5,
        between(0.9, 1.1),
    ),
    elementwise(
        "float32 inside",
        lambda x: np.sin(x.astype(np.float32)).astype(np.float64),
        mpmath.cos,
        between(-3, 3),
    ),
    elementwise(
        "float32 result",
        lambda x: np.exp(x).astype(np.float32),
        mpmath.exp,
        between(-3, 3),
    ),
    elementwise(
        "float16 inside",
        lambda x: (x.astype(np.float16) ** 2).astype(np.float64),
        lambda x: 2 * x,
        between(-3, 3),
    ),
    elementwise(
        "noise of 1e-9",
        lambda x: np.exp(x) * (1 + 1e-9 * scrambled(x)),
        mpmath.exp,
        between(-3, 3),
    ),
    elementwise(
        "noise of 1e-13",
        lambda x: np.exp(x) * (1 + 1e-13 * scrambled(x)),
        mpmath.exp,
        between(-3, 3),
    ),
    elementwise("solver with errors of 1e-6", noisy_solver, sqrt_slope, between(0.1, 9)),
    elementwise("bisection stopped at 1e-6", bisected, bisected_slope, between(-3, 3)),
    elementwise("iteration stopped at 1e-6", contracted, contracted_slope, between(-3, 3)),
    elementwise(
        "rounded to 9 decimals", lambda x: np.round(np.sin(x), 9), mpmath.cos, between(-3, 3)
    ),
    elementwise("staircase", step_up, lambda x: mpf(0), between(-3, 3)),
    elementwise(
        "ramp on a staircase", lambda x: x**2 + step_up(x), lambda x: 2 * x, between(-3, 3)
    ),
    elementwise("constant", lambda x: np.full_like(x, 3.7), lambda x: mpf(0), between(-3, 3)),
    # Structure far below the size of the input: long steps jump over it.
    elementwise(
        "tanh 1e9 x at 0",
        lambda x: np.tanh(1e9 * x),
        lambda x: mpf(10) ** 9 * mpmath.sech(mpf(10) ** 9 * x) ** 2,
        lambda rng: np.zeros(size(rng)),
    ),
    joint(
        "steep tanh beside 30",
        lambda x: x[0] + np.tanh(3e5 * x[1]),
        lambda x: [mpf(1), 300_000 * mpmath.sech(300_000 * x[1]) ** 2],
        lambda rng: np.array([30.0, rng.choice([0.0, 1e-7, 3e-6])]),
    ),
    joint(
        "steep tanh far out beside 30",
        lambda x: x[0] + np.tanh(3e5 * x[1]),
        lambda x: [mpf(1), 300_000 * mpmath.sech(300_000 * x[1]) ** 2],
        lambda rng: np.array([30.0, rng.uniform(1e-5, 1e-4)]),
    ),
    elementwise(
        "bump at 1e10",
        lambda x: np.exp(-((x - 1e10) ** 2) / 2),
        lambda x: (mpf(10) ** 10 - x) * mpmath.exp(-((x - mpf(10) ** 10) ** 2) / 2),
        lambda rng: 1e10 + vectors(1)(rng),
    ),
    elementwise(
        "log gamma of 1 + 1e-20",
        lambda x: special.gammaln(1 + x),
        lambda x: mpmath.digamma(1 + x),
        decades(-21, -19),
    ),
    elementwise(
        "sinc at 1e15",
        lambda x: np.sin(x) / x,
        lambda x: (mpmath.cos(x) - mpmath.sin(x) / x) / x,
        decades(14, 17),
    ),
    joint(
        "log of a small difference",
        lambda x: np.log(np.abs(x[0] * x[3] - x[1] * x[2])),
        lambda x: [t / (x[0] * x[3] - x[1] * x[2]) for t in (x[3], -x[2], -x[1], x[0])],
        lambda rng: rng.uniform(0.5, 2, 4) * np.array([1e11, 30.0, 600.0, 1.0]),
    ),
    # Scales.
    elementwise(
        "1e-12 sin",
        lambda x: 1e-12 * np.sin(x),
        lambda x: mpf(1e-12) * mpmath.cos(x),
        between(-3, 3),
    ),
    elementwise(
        "1e12 sin",
        lambda x: 1e12 * np.sin(x),
        lambda x: mpf(1e12) * mpmath.cos(x),
        between(-3, 3),
    ),
    elementwise("sin of 1e-8", np.sin, mpmath.cos, decades(-9, -7, signed=True)),
    elementwise("cos of 1e-8", np.cos, lambda x: -mpmath.sin(x), decades(-9, -7, signed=True)),
    elementwise("sin at 1e8", np.sin, mpmath.cos, lambda rng: 1e8 + between(-3, 3)(rng)),
    elementwise("x^2 at 1e150", lambda x: x**2, lambda x: 2 * x, decades(140, 150)),
    elementwise("x^2 at 1e-150", lambda x: x**2, lambda x: 2 * x, decades(-150, -140)),
    # Several variables.
    joint("hypot 1e8 1e-8", lambda x: np.hypot(x[0], x[1]), hypot_gradient, scales(8, -8)),
    joint("norm of mixed scales", lambda x: np.sqrt(x @ x), hypot_gradient, scales(-3, 0, 3)),
    joint(
        "sum beside 1e8",
        lambda x: x[0] + np.sum(np.sin(x[1:])),
        lambda x: [mpf(1), *(mpmath.cos(t) for t in x[1:])],
        scales(8, 0, 0),
    ),
    joint(
        "log1p of 1e-12 beside 1e8",
        lambda x: np.log1p(x[0]) + x[1],
        lambda x: [1 / (1 + x[0]), mpf(1)],
        scales(-12, 8),
    ),
    joint("logsumexp", special.logsumexp, logsumexp_gradient, vectors(4, 3.0)),
    joint("logsumexp far apart", special.logsumexp, logsumexp_gradient, vectors(4, 300.0)),
    joint("rosenbrock", rosenbrock, rosenbrock_gradient, vectors(4)),
    joint("product of scales", lambda x: np.prod(x), product_gradient, scales(-6, 0, 4)),
    joint(
        "exp of a sum",
        lambda x: np.exp(x.sum()),
        lambda x: [mpmath.exp(mpmath.fsum(x))] * len(x),
        vectors(8),
    ),
    joint(
        "difference of squares",
        lambda x: x[0] ** 2 - x[1] ** 2,
        lambda x: [2 * x[0], -2 * x[1]],
        lambda rng: 1e4 + rng.standard_normal(2),
    ),
    joint(
        "sum of 300 sines",
        lambda x: np.sum(np.sin(x)),
        lambda x: [mpmath.cos(t) for t in x],
        vectors(300),
    ),
)

FUNCTIONS = (*COMMON, *CANCELLING, *APPROXIMATED, *BENDING)
