"""Terms of the chain rule that were left out, and derivatives taken at the wrong place."""

from __future__ import annotations

import numpy as np

from tests.corpus.overflow import softmax
from tests.corpus.twin import Twin, normal


def log_softmax(x):
    shifted = x - np.max(x, axis=-1, keepdims=True, initial=-np.inf)
    return shifted - np.log(np.sum(np.exp(shifted), axis=-1, keepdims=True))


def log_softmax_right(out_bar, x):
    return (out_bar - softmax(x) * out_bar.sum(axis=-1, keepdims=True),)


def log_softmax_wrong(out_bar, x):
    return (np.exp(log_softmax(x)) + out_bar,)


def recurrent(x, w_in, w_back):
    """States ``(t, h)`` of ``h = tanh(x[t] @ w_in + h @ w_back)``."""
    h = np.zeros(w_back.shape[0], dtype=x.dtype)
    states = np.zeros((len(x), len(h)), dtype=x.dtype)
    for t, entry in enumerate(x):
        h = states[t] = np.tanh(entry @ w_in + h @ w_back)
    return states


def _recurrent_back(out_bar, x, w_in, w_back, *, carry):
    states = recurrent(x, w_in, w_back)
    before = np.concatenate([np.zeros_like(states[:1]), states[:-1]])
    z_bar = np.zeros_like(states)
    carried = np.zeros(states.shape[1], dtype=states.dtype)
    for t in reversed(range(len(x))):
        z_bar[t] = (out_bar[t] + carry * carried) * (1 - states[t] ** 2)
        carried = z_bar[t] @ w_back.T
    return z_bar @ w_in.T, x.T @ z_bar, before.T @ z_bar


def recurrent_right(out_bar, x, w_in, w_back):
    return _recurrent_back(out_bar, x, w_in, w_back, carry=1)


def recurrent_wrong(out_bar, x, w_in, w_back):
    return _recurrent_back(out_bar, x, w_in, w_back, carry=0)


def relu(x):
    return np.maximum(x, 0)


def relu_right(out_bar, x):
    return (out_bar * (x > 0),)


def relu_wrong(out_bar, x):
    return (out_bar * (relu(x) >= 0),)


TWINS = (
    Twin(
        id="lsm-plus",
        source="mlpack/mlpack#2360, mlpack/mlpack#3468",
        cls="sign and a missing sum",
        bug="exp(y) + g where g - softmax * sum(g) is due",
        forward=log_softmax,
        right_backward=log_softmax_right,
        wrong_backward=log_softmax_wrong,
        arguments=lambda st: {"x": "n k"},
        bug_point=lambda: {"x": normal(54, 2, 3)},
        generic_point=lambda: {"x": normal(55, 2, 3)},
        diagnosis=("missing-term",),
    ),
    Twin(
        id="miss-bptt",
        source="qixianbiao/RNN#2",
        cls="missing term: the recurrence",
        bug="the gradient of a later state is not passed to the step before it",
        forward=recurrent,
        right_backward=recurrent_right,
        wrong_backward=recurrent_wrong,
        arguments=lambda st: {"x": "t d", "w_in": "d h", "w_back": "h h"},
        bug_point=lambda: {
            "x": normal(56, 3, 2),
            "w_in": normal(57, 2, 2),
            "w_back": normal(58, 2, 2),
        },
        generic_point=lambda: {
            "x": normal(59, 3, 2),
            "w_in": normal(60, 2, 3),
            "w_back": normal(61, 3, 3),
        },
        diagnosis=("missing-recurrence", "missing-term", "wrong-slice"),
    ),
    Twin(
        id="act-relu-ge",
        source="iamtrask/Grokking-Deep-Learning#56",
        cls="derivative taken at the output",
        bug="relu(x) >= 0 holds everywhere, so the gradient is never stopped",
        forward=relu,
        right_backward=relu_right,
        wrong_backward=relu_wrong,
        arguments=lambda st: {"x": "n d"},
        bug_point=lambda: {"x": np.array([[0.7, -1.3], [2.1, -0.2]])},
        generic_point=lambda: {"x": np.array([[0.7, -1.3], [-2.1, 0.2]])},
        diagnosis=("wrong-for-negative", "ignores-mask", "derivative-at-output"),
    ),
)
