"""Backwards that leave the range, or the precision, that the forward stays in."""

from __future__ import annotations

import numpy as np

from tests.corpus.twin import Twin, normal


def logsumexp(x):
    """Over the last axis; ``-inf`` marks a masked entry."""
    top = np.max(x, axis=-1, keepdims=True, initial=-np.inf)
    shift = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return (shift + np.log(np.sum(np.exp(x - shift), axis=-1, keepdims=True)))[..., 0]


def softmax(x):
    """Over the last axis; zero in a row that is masked entirely."""
    top = np.max(x, axis=-1, keepdims=True, initial=-np.inf)
    weights = np.exp(x - np.where(np.isfinite(top), top, 0.0))
    mass = weights.sum(axis=-1, keepdims=True)
    return weights / np.where(mass == 0, 1.0, mass)


def logsumexp_right(out_bar, x):
    return (np.asarray(out_bar)[..., None] * softmax(x),)


def logsumexp_wrong(out_bar, x):
    with np.errstate(invalid="ignore"):
        return (np.asarray(out_bar)[..., None] * np.exp(x - logsumexp(x)[..., None]),)


def clipped_exponential(x):
    """exp(x) up to 0, the line 1 + x beyond."""
    return np.where(x <= 0, np.exp(np.minimum(x, 0.0)), 1 + x)


def clipped_exponential_right(out_bar, x):
    return (out_bar * np.where(x <= 0, np.exp(np.minimum(x, 0.0)), 1.0),)


def clipped_exponential_wrong(out_bar, x):
    low = x <= 0
    with np.errstate(over="ignore", invalid="ignore"):
        return (out_bar * low * np.exp(x) + out_bar * ~low,)


def logistic_log_density(y, mu, s):
    z = (y - mu) / s
    return -np.abs(z) - np.log(s) - 2 * np.log1p(np.exp(-np.abs(z)))


def logistic_log_density_right(out_bar, y, mu, s):
    z = (y - mu) / s
    slope = np.tanh(z / 2) / s
    return -out_bar * slope, out_bar * slope, out_bar * (z * slope - 1 / s)


def logistic_log_density_wrong(out_bar, y, mu, s):
    y_bar, _, s_bar = logistic_log_density_right(out_bar, y, mu, s)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        at_mu, at_y = np.exp(mu / s), np.exp(y / s)
        return y_bar, out_bar * (1 / s - 2 * at_mu / (s * (at_mu + at_y))), s_bar


def maximum(x):
    return np.max(x)


def maximum_right(out_bar, x):
    tied = x == np.max(x)
    return (np.asarray(out_bar * (tied / np.count_nonzero(tied)), dtype=x.dtype),)


def maximum_wrong(out_bar, x):
    tied = (x == np.max(x)).astype(x.dtype)
    with np.errstate(over="ignore"):
        count = tied.sum(dtype=np.float32).astype(x.dtype)
    return (np.asarray(out_bar * (tied / count), dtype=x.dtype),)


def ldexp(x, e):
    return np.ldexp(x, e)


def ldexp_right(out_bar, x, e):
    return out_bar * np.ldexp(1.0, e), None


def ldexp_wrong(out_bar, x, e):
    return out_bar * np.trunc(np.ldexp(1.0, e)), None


TWINS = (
    Twin(
        id="val-lse-inf",
        source="pytorch/pytorch#31829, jax-ml/jax#6811, tensorflow/tensorflow#11756",
        cls="-inf - -inf",
        bug="exp(x - logsumexp(x)) in a row that is masked entirely",
        forward=logsumexp,
        right_backward=logsumexp_right,
        wrong_backward=logsumexp_wrong,
        arguments=lambda st: {"x": st.array("n d", include=(-np.inf,))},
        bug_point=lambda: {"x": np.array([[-np.inf, -np.inf], [1.0, -np.inf], [0.5, 2.0]])},
        generic_point=lambda: {"x": normal(3, 3, 4)},
        diagnosis=("singular-at-infinity",),
        smooth_at_bug=False,
    ),
    Twin(
        id="ovf-lse-big",
        source="stan-dev/math#1679",
        cls="cancellation at large magnitude",
        bug="exp(x - logsumexp(x)): the partial derivatives of tied entries at 1e50 sum to 2",
        forward=logsumexp,
        right_backward=logsumexp_right,
        wrong_backward=logsumexp_wrong,
        arguments=lambda st: {"x": "n d"},
        bug_point=lambda: {"x": np.array([[1e50, 1e50], [1e50, 3e50]])},
        generic_point=lambda: {"x": normal(4, 3, 4)},
        diagnosis=("wrong-for-large", "wrong-at-ties"),
        smooth_at_bug=False,
    ),
    Twin(
        id="val-where-exp",
        source="pytorch/pytorch#68425",
        cls="the branch that was not taken",
        bug="0 * exp(x) of the other branch, where exp overflows",
        forward=clipped_exponential,
        right_backward=clipped_exponential_right,
        wrong_backward=clipped_exponential_wrong,
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": np.array([-1.0, 1000.0])},
        generic_point=lambda: {"x": np.array([-0.8, 0.6, 2.5])},
        diagnosis=("overflow",),
    ),
    Twin(
        id="ovf-logistic",
        source="stan-dev/math#3398",
        cls="exp overflows",
        bug="exp(mu / s) and exp(y / s) apart, where only their ratio is wanted",
        forward=logistic_log_density,
        right_backward=logistic_log_density_right,
        wrong_backward=logistic_log_density_wrong,
        arguments=lambda st: {
            "y": "n",
            "mu": "n",
            "s": st.positive("n"),
        },
        bug_point=lambda: {
            "y": np.array([711.0, 0.3]),
            "mu": np.array([710.0, 0.1]),
            "s": np.array([1.0, 0.8]),
        },
        generic_point=lambda: {
            "y": np.array([1.3, -0.4]),
            "mu": np.array([0.2, 0.9]),
            "s": np.array([0.7, 1.6]),
        },
        diagnosis=("overflow",),
    ),
    Twin(
        id="val-maxfp16",
        source="tinygrad/tinygrad#12296",
        cls="counting in a small dtype",
        bug="the number of ties is held in float16 and overflows: g / inf = 0",
        forward=maximum,
        right_backward=maximum_right,
        wrong_backward=maximum_wrong,
        arguments=lambda st: {"x": st.array("n", dtype=np.float16), "axes": {"n": (1, 100_000)}},
        bug_point=lambda: {"x": np.zeros(70_000, dtype=np.float16)},
        generic_point=lambda: {"x": np.array([0.5, -1.25, 2.0], dtype=np.float16)},
        diagnosis=("wrong-at-ties", "missing-gradient"),
        smooth_at_bug=False,
    ),
    Twin(
        id="val-ldexp",
        source="pytorch/pytorch#187460, pytorch/pytorch#196680",
        cls="integer arithmetic in the backward",
        bug="2**e in integers, which is 0 for every negative exponent",
        forward=ldexp,
        right_backward=ldexp_right,
        wrong_backward=ldexp_wrong,
        arguments=lambda st: {"x": "n", "e": st.array("n", dtype=np.int64, domain=(-8, 8))},
        bug_point=lambda: {"x": np.array([1.5, -0.7]), "e": np.array([-2, 3])},
        generic_point=lambda: {"x": np.array([1.5, -0.7]), "e": np.array([-1, 3])},
        diagnosis=("integer-arithmetic", "wrong-for-option"),
    ),
)
