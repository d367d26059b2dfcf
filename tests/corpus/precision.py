"""Dtypes, guards and second derivatives: bugs of our own making."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np

from tests.corpus.twin import normal, two_ways


def projected(x, w):
    return np.tanh(x @ w)


def projected_back(out_bar, x, w, *, right):
    z_bar = out_bar * (1 - np.tanh(x @ w) ** 2)
    if not right:
        z_bar = z_bar.astype(np.float32)
    return (z_bar @ w.T).astype(x.dtype), (x.T @ z_bar).astype(w.dtype)


def pooled_pairs(x, window=2):
    """Mean of windows of (n,) of whole numbers of entries."""
    whole = len(x) // window * window
    return x[:whole].reshape(-1, window).mean(axis=1)


def pooled_pairs_back(out_bar, x, window=2, *, right):
    bar = np.zeros_like(x)
    whole = len(x) // window * window
    bar[:whole] = np.repeat(out_bar / window if right else out_bar // window, window)
    return (bar,)


def half_scores(x, w):
    """Rows of (n, d) scored, in the precision of the inputs."""
    return np.tanh(x * w).sum(axis=1)


def half_scores_back(out_bar, x, w, *, right):
    z = x * w
    slope = 1 / np.cosh(z) ** 2 if right else 1 - np.tanh(z).astype(np.float16).astype(z.dtype) ** 2
    z_bar = out_bar[:, None] * slope
    return z_bar * w, (z_bar * x).sum(axis=0)


def bump(x):
    """``exp(-1 / (1 - x^2))`` inside of (-1, 1), and 0 outside: smooth everywhere."""
    inside = np.abs(x) < 1
    return np.where(inside, np.exp(-1 / np.where(inside, 1 - x**2, 1.0)), 0.0)


def bump_back(out_bar, x, *, right):
    inside = np.abs(x) < 1
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.where(inside, 1 - x**2, 1.0) if right else 1 - x**2
        return (out_bar * bump(x) * -2 * x / gap**2,)


def cubic_gradient(x):
    """Gradient of ``sum |x_i - x_j|^3 / 6``."""
    gap = x[:, None] - x[None]
    return (gap * np.abs(gap)).sum(axis=1)


def cubic_hessian(out_bar, x, *, right):
    weight = 2 * np.abs(x[:, None] - x[None])
    diagonal = weight.sum(axis=1) * out_bar
    return (diagonal - weight @ out_bar if right else diagonal,)


def radial_gradient(x):
    """Gradient of ``|x|^3 / 3``."""
    return np.sqrt(x @ x) * x


def radial_hessian(out_bar, x, *, right):
    size = np.sqrt(x @ x)
    with np.errstate(divide="ignore", invalid="ignore"):
        along = x * (x @ out_bar) / (size if size or not right else 1.0)
    return (size * out_bar + along,)


TWINS = (
    two_ways(
        "projection-float32",
        "low precision",
        projected,
        projected_back,
        bug="the gradient goes through float32",
        arguments=lambda st: {"x": "n d", "w": st.array("d k", domain=(-2.0, 2.0))},
        bug_point=lambda: {"x": normal(634, 6, 5), "w": normal(635, 5, 6)},
        generic_point=lambda: {"x": normal(636, 2, 2), "w": normal(637, 2, 2)},
        diagnosis=("low-precision",),
    ),
    two_ways(
        "pool-floor-division",
        "integers",
        pooled_pairs,
        pooled_pairs_back,
        bug="// where / is due",
        arguments=lambda st: {"x": "n", "window": hyp.integers(1, 3)},
        bug_point=lambda: {"x": normal(638, 6), "window": 2},
        generic_point=lambda: {"x": normal(639, 5), "window": 2},
        diagnosis=("integer-arithmetic",),
    ),
    two_ways(
        "scores-float16",
        "low precision",
        half_scores,
        half_scores_back,
        bug="the output is held in float16, and 1 - y**2 cancels",
        arguments=lambda st: {
            "x": st.array("n d", dtype="float32", domain=(-10.0, 10.0)),
            "w": st.array("d", dtype="float32", domain=(-2.0, 2.0)),
        },
        bug_point=lambda: {
            "x": normal(640, 2, 3, scale=3.0).astype(np.float32),
            "w": np.array([1.5, -1.2, 0.8], np.float32),
        },
        generic_point=lambda: {
            "x": normal(642, 2, 2).astype(np.float32),
            "w": normal(643, 2).astype(np.float32),
        },
        diagnosis=("low-precision", "wrong-factor"),
    ),
    two_ways(
        "bump-edge",
        "guard",
        bump,
        bump_back,
        bug="0 * inf at the edge, where the forward is guarded",
        arguments=lambda st: {"x": st.array("n", domain=(-3.0, 3.0))},
        bug_point=lambda: {"x": np.array([1.0, 0.3])},
        generic_point=lambda: {"x": np.array([0.4, 1.7])},
        diagnosis=("singular-at-zero", "wrong-slice", "ignores-mask"),
    ),
    two_ways(
        "hvp-diagonal",
        "second order",
        cubic_gradient,
        cubic_hessian,
        bug="only the diagonal of the Hessian is applied",
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": normal(660, 4)},
        generic_point=lambda: {"x": normal(661, 3)},
        diagnosis=("jacobian-diagonal", "missing-term"),
    ),
    two_ways(
        "hvp-radial-zero",
        "second order",
        radial_gradient,
        radial_hessian,
        bug="x x^T / |x| at 0",
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": np.zeros(2)},
        generic_point=lambda: {"x": normal(662, 3)},
        diagnosis=("singular-at-zero",),
        smooth_at_bug=False,
    ),
)
