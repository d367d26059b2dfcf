"""Likelihoods and special functions as they are written by hand: bugs of our own making."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np
from scipy import special

from tests.corpus.twin import normal, two_ways


def binomial(p, hits, misses):
    """Negative log likelihood of hits and misses; certain outcomes cost nothing."""
    return -np.sum(special.xlogy(hits, p) + special.xlog1py(misses, -p))


def binomial_back(out_bar, p, hits, misses, *, right):
    with np.errstate(divide="ignore", invalid="ignore"):
        won, lost = hits / p, misses / (1 - p)
    if right:
        won, lost = np.where(hits == 0, 0.0, won), np.where(misses == 0, 0.0, lost)
    return -out_bar * (won - lost), None, None


def poisson(rate, count, log_input=True):
    """Poisson negative log likelihood, of rates or of their logarithms."""
    if log_input:
        return np.sum(np.exp(rate) - count * rate)
    return np.sum(np.abs(rate) - special.xlogy(count, np.abs(rate)))


def poisson_back(out_bar, rate, count, log_input=True, *, right):
    if log_input or not right:
        return out_bar * (np.exp(rate) - count), None
    return out_bar * np.sign(rate) * (1 - count / np.abs(rate)), None


def negative_binomial(mean, size, count):
    """Negative log likelihood, up to a constant, with mean and dispersion."""
    together = mean + size
    return np.sum(
        special.gammaln(size) - special.gammaln(count + size)
        - size * np.log(size / together) - special.xlogy(count, mean / together)
    )  # fmt: skip


def negative_binomial_back(out_bar, mean, size, count, *, right):
    together = mean + size
    mean_bar = size / together - count / mean + count / together
    gamma = special.digamma(size) - special.digamma(count + size)
    size_bar = -np.log(size / together) - mean / together + count / together
    return out_bar * mean_bar, out_bar * (size_bar + (gamma if right else 0.0)), None


def gaussian_nll(mean, variance, y, floor=0.1):
    """Half the log variance and the squared error over it, the variance being at least a floor."""
    kept = np.maximum(variance, floor)
    return 0.5 * np.sum(np.log(kept) + (y - mean) ** 2 / kept)


def gaussian_nll_back(out_bar, mean, variance, y, floor=0.1, *, right):
    kept = np.maximum(variance, floor)
    error = y - mean
    slope = 0.5 * (1 / kept - error**2 / kept**2)
    if right:
        slope = slope * (variance > floor)
    return -out_bar * error / kept, out_bar * slope, out_bar * error / kept


def log_cosh(x):
    """``sum log cosh x``."""
    size = np.abs(x)
    return np.sum(size + np.log1p(np.exp(-2 * size)) - np.log(2))


def log_cosh_back(out_bar, x, *, right):
    with np.errstate(over="ignore", invalid="ignore"):
        slope = np.tanh(x) if right else np.sinh(x) / np.cosh(x)
    return (out_bar * slope,)


def log_sigmoid(x):
    return -np.logaddexp(0, -x)


def log_sigmoid_back(out_bar, x, *, right):
    return (out_bar * (special.expit(-x) if right else 1 - special.expit(x)),)


def entropy(p):
    """``-sum p log p``, with 0 log 0 = 0, of squares: smooth where an entry is zero."""
    return -np.sum(special.xlogy(p**4, p**2))


def entropy_back(out_bar, p, *, right):
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = 4 * special.xlogy(p**3, p**2) if right else 4 * p**3 * np.log(p**2)
    return (-out_bar * (slope + 2 * p**3),)


def log_normal_cdf(x):
    return special.log_ndtr(x)


def log_normal_cdf_back(out_bar, x, *, right):
    density = -(x**2) / 2 - np.log(2 * np.pi) / 2
    with np.errstate(all="ignore"):
        tail = np.exp(density - special.log_ndtr(x)) if right else (
            np.exp(density) / special.ndtr(x)
        )  # fmt: skip
    return (out_bar * tail,)


def relative_growth(x):
    """``(exp(x) - 1) / x``, and 1 at 0."""
    return np.where(x == 0, 1.0, np.expm1(x) / np.where(x == 0, 1.0, x))


def relative_growth_back(out_bar, x, *, right):
    small = np.abs(x) < (0.1 if right else 1e-300)
    safe = np.where(small, 1.0, x)
    far = (np.exp(safe) - np.expm1(safe) / safe) / safe
    # sum of k x^(k-1) / (k+1)!
    near = np.polyval(
        [k / special.factorial(k + 1) for k in range(12, 0, -1)], np.where(small, x, 0.0)
    )
    return (out_bar * np.where(small, near, far),)


def beta_log(a, b):
    return special.betaln(a, b)


def beta_log_back(out_bar, a, b, *, right):
    both = special.digamma(a + b)
    second = special.digamma(b) - both if right else special.digamma(b) + both
    return out_bar * (special.digamma(a) - both), out_bar * second


def power(base, exponent=2):
    return np.power(base, float(exponent))


def power_back(out_bar, base, exponent=2, *, right):
    if right:
        slope = exponent * np.power(base, float(exponent - 1)) if exponent else np.zeros_like(base)
        return (out_bar * slope,)
    safe = np.where(base == 0, 1.0, base)
    return (out_bar * exponent * np.power(base, float(exponent)) / safe,)


def angle(y, x):
    return np.arctan2(y, x)


def angle_back(out_bar, y, x, *, right):
    square = x**2 + y**2
    return out_bar * x / square, out_bar * (-y if right else y) / square


TWINS = (
    two_ways(
        "binomial-certain",
        "exact zero",
        binomial,
        binomial_back,
        bug="0 hits / probability 0",
        arguments=lambda st: {
            "p": st.array("n", domain=(0.0, 1.0)),
            "hits": st.array("n", dtype="int64", domain=(0, 4)),
            "misses": st.array("n", dtype="int64", domain=(0, 4)),
        },
        bug_point=lambda: {
            "p": np.array([0.0, 0.3]),
            "hits": np.array([0, 2]),
            "misses": np.array([3, 1]),
        },
        generic_point=lambda: {
            "p": np.array([0.2, 0.3]),
            "hits": np.array([0, 2]),
            "misses": np.array([3, 1]),
        },
        diagnosis=("singular-at-zero",),
    ),
    two_ways(
        "poisson-log",
        "option",
        poisson,
        poisson_back,
        bug="log_input=False is ignored in the backward",
        arguments=lambda st: {
            "rate": st.array("n", domain=(0.1, 20.0)),
            "count": st.array("n", dtype="int64", domain=(0, 9)),
            "log_input": hyp.booleans(),
        },
        bug_point=lambda: {
            "rate": np.array([0.5, 1.7, 2.2]),
            "count": np.array([1, 0, 4]),
            "log_input": False,
        },
        generic_point=lambda: {
            "rate": np.array([0.6, 1.5]),
            "count": np.array([1, 3]),
            "log_input": True,
        },
        diagnosis=("wrong-for-option", "missing-term", "wrong-factor"),
    ),
    two_ways(
        "negbinomial-digamma",
        "missing term",
        negative_binomial,
        negative_binomial_back,
        bug="the gamma functions are treated as constants of the dispersion",
        arguments=lambda st: {
            "mean": st.array("n", domain=(0.1, 20.0)),
            "size": st.array("n", domain=(0.1, 20.0)),
            "count": st.array("n", dtype="int64", domain=(0, 9)),
        },
        bug_point=lambda: {
            "mean": np.array([0.5, 1.7, 2.2]),
            "size": np.array([1.5, 0.7, 3.2]),
            "count": np.array([1, 2, 4]),
        },
        generic_point=lambda: {
            "mean": np.array([0.6, 1.5]),
            "size": np.array([1.6, 0.5]),
            "count": np.array([1, 3]),
        },
        diagnosis=("missing-term",),
    ),
    two_ways(
        "variance-floor",
        "guard",
        gaussian_nll,
        gaussian_nll_back,
        bug="a variance below the floor gets a gradient",
        arguments=lambda st: {
            "mean": "n",
            "variance": st.positive("n"),
            "y": "n",
            "floor": hyp.sampled_from([0.1, 1.0]),
        },
        bug_point=lambda: {
            "mean": normal(410, 3),
            "variance": np.array([0.01, 0.5, 2.0]),
            "y": normal(411, 3),
            "floor": 0.1,
        },
        generic_point=lambda: {
            "mean": normal(412, 3),
            "variance": np.array([0.3, 1.5, 2.0]),
            "y": normal(413, 3),
            "floor": 1.0,
        },
        diagnosis=("ignores-mask", "wrong-for-small"),
    ),
    two_ways(
        "logcosh-overflow",
        "overflow",
        log_cosh,
        log_cosh_back,
        bug="sinh / cosh, where both overflow",
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": np.array([0.5, 800.0])},
        generic_point=lambda: {"x": np.array([0.7, -1.2])},
        diagnosis=("overflow",),
    ),
    two_ways(
        "logsigmoid-cancels",
        "cancellation",
        log_sigmoid,
        log_sigmoid_back,
        bug="1 - sigmoid(x) is 0 where the tail is tiny",
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": np.array([38.0, 40.0])},
        generic_point=lambda: {"x": np.array([0.7, -1.2])},
        diagnosis=("wrong-for-large", "missing-gradient", "wrong-for-positive", "low-precision"),
    ),
    two_ways(
        "entropy-zero",
        "exact zero",
        entropy,
        entropy_back,
        bug="p**3 log p at p = 0",
        arguments=lambda st: {"p": st.array("n", domain=(-5.0, 5.0))},
        bug_point=lambda: {"p": np.array([0.0, 0.4, -1.3])},
        generic_point=lambda: {"p": np.array([0.3, 0.7])},
        diagnosis=("singular-at-zero",),
    ),
    two_ways(
        "logcdf-tail",
        "overflow",
        log_normal_cdf,
        log_normal_cdf_back,
        bug="density / cdf, where both underflow",
        arguments=lambda st: {"x": st.array("n", domain=(-1e3, 1e3))},
        bug_point=lambda: {"x": np.array([-60.0, 0.4])},
        generic_point=lambda: {"x": np.array([0.3, -0.7])},
        diagnosis=("overflow", "wrong-for-negative", "wrong-for-large", "singular-at-zero"),
    ),
    two_ways(
        "expm1-quotient",
        "cancellation",
        relative_growth,
        relative_growth_back,
        bug="the quotient's derivative cancels for small arguments",
        arguments=lambda st: {"x": st.array("n", domain=(-50.0, 50.0))},
        bug_point=lambda: {"x": np.array([1e-13, 0.7])},
        generic_point=lambda: {"x": np.array([0.3, -0.7])},
        diagnosis=("wrong-for-small", "low-precision"),
    ),
    two_ways(
        "betaln-second",
        "sign",
        beta_log,
        beta_log_back,
        bug="plus digamma(a + b) for the second argument",
        arguments=lambda st: {
            "a": st.array("n", domain=(0.1, 30.0)),
            "b": st.array("n", domain=(0.1, 30.0)),
        },
        bug_point=lambda: {"a": np.array([0.7, 2.0]), "b": np.array([1.4, 5.0])},
        generic_point=lambda: {"a": np.array([0.3, 0.7]), "b": np.array([2.0, 1.1])},
        diagnosis=("missing-term", "wrong-factor"),
    ),
    two_ways(
        "power-guarded",
        "exact zero",
        power,
        power_back,
        bug="a guard makes the derivative 0 at base 0, where it is 1 for exponent 1",
        arguments=lambda st: {"base": "n", "exponent": hyp.integers(0, 4)},
        bug_point=lambda: {"base": np.array([0.0, 1.5]), "exponent": 1},
        generic_point=lambda: {"base": np.array([0.3, 1.5]), "exponent": 3},
        diagnosis=("wrong-at-zero",),
    ),
    two_ways(
        "arctan2-sign",
        "sign",
        angle,
        angle_back,
        bug="plus for the second argument",
        arguments=lambda st: {"y": "n", "x": st.positive("n")},
        bug_point=lambda: {"y": normal(424, 3), "x": np.array([0.4, 1.3, 2.5])},
        generic_point=lambda: {"y": normal(425, 2), "x": np.array([0.4, 1.3])},
        diagnosis=("sign-flipped",),
    ),
)
