"""Options, flags, masks and overloads that the backward treats as if they had their default."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np
from scipy import special

from tests.corpus.twin import Twin, normal


def where_scalar(condition, x, other=0.0):
    """``x`` where the condition holds, a number elsewhere."""
    return np.where(condition, x, other)


def where_scalar_right(out_bar, condition, x, other=0.0):
    return None, out_bar * condition


def where_scalar_wrong(out_bar, condition, x, other=0.0):
    return None, out_bar * ~condition


def scan(x, n_steps=3):
    """The states ``h = tanh(h / 2 + x[t])`` of the first ``n_steps`` entries of a sequence."""
    states = []
    h = np.zeros(x.shape[1:], dtype=x.dtype)
    for entry in x[:n_steps]:
        h = np.tanh(h / 2 + entry)
        states.append(h)
    return np.array(states).reshape(-1, *x.shape[1:])


def _scan_back(out_bar, x, n_steps):
    states = scan(x, n_steps)
    gradients = np.zeros_like(states)
    carried = np.zeros(x.shape[1:], dtype=x.dtype)
    for t in reversed(range(len(states))):
        gradients[t] = (out_bar[t] + carried) * (1 - states[t] ** 2)
        carried = gradients[t] / 2
    return gradients


def scan_right(out_bar, x, n_steps=3):
    x_bar = np.zeros_like(x)
    x_bar[:n_steps] = _scan_back(out_bar, x, n_steps)
    return (x_bar,)


def scan_wrong(out_bar, x, n_steps=3):
    x_bar = np.zeros_like(x)
    used = min(n_steps, len(x))
    x_bar[len(x) - used :] = _scan_back(out_bar, x, n_steps)
    return (x_bar,)


def objective(parameters, transformed=True):
    """A quadratic of the parameters, or of their exponentials before they are transformed."""
    values = parameters if transformed else np.exp(parameters)
    return np.sum(values * values) / 2 - np.sum(values)


def objective_right(out_bar, parameters, transformed=True):
    if transformed:
        return (out_bar * (parameters - 1),)
    values = np.exp(parameters)
    return (out_bar * (values - 1) * values,)


def objective_wrong(out_bar, parameters, transformed=True):
    values = parameters if transformed else np.exp(parameters)
    return (out_bar * (values - 1),)


def gamma_terms(alpha, counts):
    """Sum of ``log Gamma(alpha + counts)``; ``alpha`` is one number or one per count."""
    return np.sum(special.gammaln(alpha + counts))


def gamma_terms_right(out_bar, alpha, counts):
    each = out_bar * special.digamma(alpha + counts)
    return np.asarray(each.sum() if alpha.ndim == 0 else each), None


def gamma_terms_wrong(out_bar, alpha, counts):
    each = out_bar * special.digamma(np.atleast_1d(alpha) + counts[: alpha.size])
    return each.sum().reshape(()) if alpha.ndim == 0 else each, None


def dropout_mask(shape, p, seed):
    """True where a unit is kept: with probability 1 - p."""
    return np.random.default_rng(seed).random(shape) >= p


def dropout(x, p=0.5, seed=0):
    return x * dropout_mask(x.shape, p, seed) / (1 - p)


def dropout_right(out_bar, x, p=0.5, seed=0):
    return (out_bar * dropout_mask(x.shape, p, seed) / (1 - p),)


def dropout_wrong(out_bar, x, p=0.5, seed=0):
    return (out_bar / (1 - p),)


TWINS = (
    Twin(
        id="cfg-where",
        source="apache/mxnet#17893",
        cls="inverted mask on one overload",
        bug="where(condition, array, number) sends the gradient to the entries not taken",
        forward=where_scalar,
        right_backward=where_scalar_right,
        wrong_backward=where_scalar_wrong,
        arguments=lambda st: {
            "condition": st.mask("n"),
            "x": "n",
            "other": hyp.sampled_from([0.0, 1.0, -2.5]),
        },
        bug_point=lambda: {
            "condition": np.array([True, False, True]),
            "x": np.array([0.4, -1.1, 2.0]),
            "other": 1.0,
        },
        generic_point=lambda: {
            "condition": np.array([True, False, False]),
            "x": np.array([0.4, -1.1, 2.0]),
            "other": 1.0,
        },
        diagnosis=("inverted-mask", "ignores-mask"),
    ),
    Twin(
        id="cfg-scan",
        source="Theano/Theano#166",
        cls="misaligned reversal",
        bug="a sequence longer than the scan is not clipped before it is reversed",
        forward=scan,
        right_backward=scan_right,
        wrong_backward=scan_wrong,
        arguments=lambda st: {"x": "t d", "n_steps": hyp.integers(1, 5)},
        bug_point=lambda: {"x": normal(8, 4, 2), "n_steps": 2},
        generic_point=lambda: {"x": normal(9, 4, 2), "n_steps": 3},
        diagnosis=("misaligned", "wrong-slice"),
    ),
    Twin(
        id="cfg-flag",
        source="statsmodels/statsmodels#10148",
        cls="option ignored in the backward",
        bug="with transformed=False the factor exp of the chain rule is missing",
        forward=objective,
        right_backward=objective_right,
        wrong_backward=objective_wrong,
        arguments=lambda st: {"parameters": "k", "transformed": hyp.booleans()},
        bug_point=lambda: {"parameters": np.array([0.5, -1.2, 0.8]), "transformed": False},
        generic_point=lambda: {"parameters": np.array([0.6, -1.1, 0.7]), "transformed": False},
        diagnosis=("wrong-for-option", "wrong-factor"),
    ),
    Twin(
        id="cfg-vecscalar",
        source="stan-dev/math#1662",
        cls="one scalar beside a vector",
        bug="the loop runs over the length of alpha: one alpha and many counts use the first count",
        forward=gamma_terms,
        right_backward=gamma_terms_right,
        wrong_backward=gamma_terms_wrong,
        arguments=lambda st: {
            "alpha": st.positive(""),
            "counts": st.array("n", dtype=np.int64, domain=(0, 20)),
        },
        bug_point=lambda: {"alpha": np.array(1.5), "counts": np.array([2, 0, 5])},
        generic_point=lambda: {"alpha": np.array([1.5, 0.7]), "counts": np.array([2, 4])},
        diagnosis=("broadcast-not-summed", "missing-term", "wrong-slice"),
    ),
    Twin(
        id="dropout-mask",
        source="ddbourgin/numpy-ml#94",
        cls="mask not applied again",
        bug="the gradient is divided by 1 - p and not masked",
        forward=dropout,
        right_backward=dropout_right,
        wrong_backward=dropout_wrong,
        arguments=lambda st: {
            "x": "n d",
            "p": hyp.sampled_from([0.0, 0.25, 0.5]),
            "seed": hyp.integers(0, 2**16),
        },
        bug_point=lambda: {"x": normal(10, 3, 4), "p": 0.5, "seed": 0},
        generic_point=lambda: {"x": normal(11, 3, 4), "p": 0.25, "seed": 1},
        diagnosis=("ignores-mask",),
    ),
)
