"""Upstream gradients, and gradients that are forgotten: bugs of our own making."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np
from scipy import special

from tests.corpus.overflow import softmax
from tests.corpus.twin import normal, two_ways


def fused_loss(logits, labels):
    """Cross entropy of every example."""
    return special.logsumexp(logits, axis=1) - logits[np.arange(len(labels)), labels]


def fused_loss_back(out_bar, logits, labels, *, right):
    slope = softmax(logits)
    slope[np.arange(len(labels)), labels] -= 1
    return slope * (out_bar[:, None] if right else out_bar.mean()), None


def cell(x, c):
    """A memory cell's two outputs: its new state, and what it shows of it."""
    state = special.expit(x) * c + np.tanh(x)
    return np.tanh(state), state


def cell_back(out_bar, x, c, *, right):
    shown_bar, state_bar = out_bar
    gate = special.expit(x)
    state = gate * c + np.tanh(x)
    total_bar = shown_bar * (1 - np.tanh(state) ** 2) + (state_bar if right else 0.0)
    x_bar = total_bar * (c * gate * special.expit(-x) + 1 - np.tanh(x) ** 2)
    return x_bar, total_bar * gate


def total_energy(x, k):
    """Half the spring energies of every entry, with one constant for each."""
    return 0.5 * k * x**2


def total_energy_back(out_bar, x, k, *, right):
    return (out_bar if right else np.ones_like(out_bar)) * k * x, out_bar * 0.5 * x**2


def tempered(x, temperature):
    """Softmax of ``x / temperature``."""
    return softmax(x / temperature)


def tempered_back(out_bar, x, temperature, *, right):
    y = softmax(x / temperature)
    z_bar = y * (out_bar - (out_bar * y).sum(axis=1, keepdims=True))
    if not right:
        return z_bar / temperature, np.zeros_like(temperature)
    return z_bar / temperature, np.asarray(-(z_bar * x).sum() / temperature**2)


def parametric(x, slope):
    """Leaky rectifier with a learned slope for each column."""
    return np.where(x > 0, x, slope * x)


def parametric_back(out_bar, x, slope, *, right):
    x_bar = out_bar * np.where(x > 0, 1.0, slope)
    slope_bar = (out_bar * np.minimum(x, 0)).sum(axis=0)
    return x_bar, slope_bar if right else np.zeros_like(slope)


def ridge(w, b, x, y, reg=1e-6):
    """Mean squared error of a line, and a penalty on weights and offset."""
    error = x @ w + b - y
    return 0.5 * np.mean(error**2) + 0.5 * reg * (w @ w + b * b)


def ridge_back(out_bar, w, b, x, y, reg=1e-6, *, right):
    error = (x @ w + b - y) / len(y)
    b_bar = error.sum() + (reg * b if right else 0.0)
    slopes = x.T @ error + reg * w, np.asarray(b_bar), np.outer(error, w), -error
    return tuple(out_bar * slope for slope in slopes)


def skip(x, w):
    """``x + silu(x w)``."""
    z = x @ w
    return x + z * special.expit(z)


def skip_back(out_bar, x, w, *, right):
    z = x @ w
    gate = special.expit(z)
    z_bar = out_bar * gate * (1 + z * special.expit(-z))
    return (1 if right else 2) * out_bar + z_bar @ w.T, x.T @ z_bar


def scores(x, w):
    """``x w`` for (n, d) and (d,)."""
    return x @ w


def scores_back(out_bar, x, w, *, right):
    up = out_bar if right else out_bar.squeeze()
    return np.multiply.outer(up, w), x.T @ out_bar


def axis_mean(x, axis=0):
    return x.mean(axis=axis)


def axis_mean_back(out_bar, x, axis=0, *, right):
    count = x.shape[axis if right else abs(axis) % x.ndim]
    return (np.broadcast_to(np.expand_dims(out_bar, axis) / count, x.shape).copy(),)


MODERATE = (-30.0, 30.0)


TWINS = (
    two_ways(
        "fused-mean-cotangent",
        "upstream",
        fused_loss,
        fused_loss_back,
        bug="every example gets the mean of the upstream gradients",
        arguments=lambda st: {"logits": "n k", "labels": st.labels("n", classes="k")},
        bug_point=lambda: {"logits": normal(622, 3, 3), "labels": np.array([0, 2, 1])},
        generic_point=lambda: {"logits": normal(623, 2, 2), "labels": np.array([1, 1])},
        diagnosis=("one-cotangent-for-all", "ignores-cotangent"),
    ),
    two_ways(
        "cell-state-ignored",
        "upstream",
        cell,
        cell_back,
        bug="the gradient of the second output is not used",
        arguments=lambda st: {"x": st.array("n", domain=MODERATE), "c": "n"},
        bug_point=lambda: {"x": normal(624, 3), "c": normal(625, 3)},
        generic_point=lambda: {"x": normal(626, 2), "c": normal(627, 2)},
        diagnosis=("ignores-cotangent", "missing-term"),
    ),
    two_ways(
        "energy-unit-cotangent",
        "upstream",
        total_energy,
        total_energy_back,
        bug="one gradient of two is that of a plain sum",
        arguments=lambda st: {"x": "n", "k": st.positive("n")},
        bug_point=lambda: {"x": normal(628, 3), "k": np.array([0.5, 1.2, 2.0])},
        generic_point=lambda: {"x": normal(629, 2), "k": np.array([0.7, 1.1])},
        diagnosis=("ignores-cotangent",),
    ),
    two_ways(
        "temperature-zero",
        "missing gradient",
        tempered,
        tempered_back,
        bug="the temperature gets a gradient of zero",
        arguments=lambda st: {
            "x": st.array("n k", domain=MODERATE),
            "temperature": st.array("", domain=(0.5, 5.0)),
        },
        bug_point=lambda: {"x": normal(630, 2, 3), "temperature": np.array(1.4)},
        generic_point=lambda: {"x": normal(631, 2, 2), "temperature": np.array(0.7)},
        diagnosis=("missing-gradient",),
    ),
    two_ways(
        "prelu-slope",
        "missing gradient",
        parametric,
        parametric_back,
        bug="the learned slope gets a gradient of zero",
        arguments=lambda st: {"x": "n d", "slope": "d"},
        bug_point=lambda: {"x": normal(632, 3, 2), "slope": np.array([0.2, 0.4])},
        generic_point=lambda: {"x": normal(633, 2, 2), "slope": np.array([0.1, 0.3])},
        diagnosis=("missing-gradient",),
    ),
    two_ways(
        "ridge-offset",
        "negligible number",
        ridge,
        ridge_back,
        bug="the offset is penalised, and its gradient lacks that",
        arguments=lambda st: {
            "w": "d",
            "b": "",
            "x": "n d",
            "y": "n",
            "reg": hyp.sampled_from([1e-6, 1e-3, 1.0]),
        },
        bug_point=lambda: {
            "w": normal(644, 2),
            "b": np.array(0.7),
            "x": normal(645, 3, 2),
            "y": normal(646, 3),
            "reg": 1e-3,
        },
        generic_point=lambda: {
            "w": normal(647, 2),
            "b": np.array(0.4),
            "x": normal(648, 2, 2),
            "y": normal(649, 2),
            "reg": 1.0,
        },
        diagnosis=("missing-term",),
    ),
    two_ways(
        "skip-counted-twice",
        "accumulation",
        skip,
        skip_back,
        bug="the skip connection's gradient is added twice",
        arguments=lambda st: {
            "x": st.array("n d", domain=(-8.0, 8.0)),
            "w": st.array("d d", domain=(-2.0, 2.0)),
        },
        bug_point=lambda: {"x": normal(650, 2, 3), "w": normal(651, 3, 3)},
        generic_point=lambda: {"x": normal(652, 2, 2), "w": normal(653, 2, 2)},
        diagnosis=("missing-term", "accumulated-twice"),
    ),
    two_ways(
        "scores-squeezed",
        "shape regime",
        scores,
        scores_back,
        bug="a batch of one is squeezed",
        arguments=lambda st: {"x": "n d", "w": "d"},
        bug_point=lambda: {"x": normal(654, 1, 3), "w": normal(655, 3)},
        generic_point=lambda: {"x": normal(656, 2, 2), "w": normal(657, 2)},
        diagnosis=("wrong-shape",),
    ),
    two_ways(
        "mean-negative-axis",
        "option",
        axis_mean,
        axis_mean_back,
        bug="a negative axis is taken for its absolute value",
        arguments=lambda st: {"x": "n m k", "axis": hyp.integers(-3, 2)},
        bug_point=lambda: {"x": normal(658, 2, 3, 5), "axis": -1},
        generic_point=lambda: {"x": normal(659, 2, 3, 4), "axis": 1},
        diagnosis=("constant-factor", "wrong-for-option"),
    ),
)
