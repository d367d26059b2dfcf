"""Caches, buffers and layouts as they are written by hand: bugs of our own making."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np
from scipy import special

from tests.corpus.overflow import softmax
from tests.corpus.twin import Twin, normal, two_ways


def gated_linear(x, w, gate):
    """``x w`` times the sigmoid of a gate for each column."""
    return (x @ w) * special.expit(gate)


def gated_linear_right(out_bar, x, w, gate):
    open_bar = out_bar * special.expit(gate)
    slope = special.expit(gate) * special.expit(-gate)
    return open_bar @ w.T, x.T @ open_bar, (out_bar * (x @ w)).sum(axis=0) * slope


class KeptWeight:
    """The transposed weight is kept from the first backward, while its shape stays."""

    def __init__(self):
        self.transposed = None

    def backward(self, out_bar, x, w, gate):
        if self.transposed is None or self.transposed.shape != w.T.shape:
            self.transposed = w.T.copy()
        _, w_bar, gate_bar = gated_linear_right(out_bar, x, w, gate)
        return (out_bar * special.expit(gate)) @ self.transposed, w_bar, gate_bar


def kept_weight():
    return gated_linear, KeptWeight().backward


def keeps_the_first(pair, point):
    _, backward = pair
    x, w, gate = point.values()
    out_bar = np.ones((len(x), w.shape[1]))
    backward(out_bar, x, w, gate)
    again = backward(out_bar, x, w + 1, gate)[0]
    return not np.allclose(again, gated_linear_right(out_bar, x, w + 1, gate)[0])


def softmax_rows(x):
    return softmax(x)


def softmax_rows_right(out_bar, x):
    y = softmax(x)
    return (y * (out_bar - (out_bar * y).sum(axis=1, keepdims=True)),)


class LastOutput:
    """The backward takes the output of the last forward, whatever that was called with."""

    def __init__(self):
        self.y = None

    def forward(self, x):
        y = softmax(x)
        if self.y is None or self.y.shape != y.shape:
            self.y = y.copy()
        else:
            self.y += y  # a buffer that is added to
        return y

    def backward(self, out_bar, x):
        y = softmax(x) if self.y is None or self.y.shape != x.shape else self.y
        return (y * (out_bar - (out_bar * y).sum(axis=1, keepdims=True)),)


def last_output():
    kept = LastOutput()
    return kept.forward, kept.backward


def shows_after_two_forwards(pair, point):
    forward, backward = pair
    (x,) = point.values()
    out_bar = np.arange(1.0, 1 + x.size).reshape(x.shape)
    forward(x)
    forward(x + np.arange(x.shape[1]))
    forward(x)
    return not np.allclose(backward(out_bar, x)[0], softmax_rows_right(out_bar, x)[0])


def leaky(x, slope=0.1):
    return np.where(x > 0, x, slope * x)


def leaky_back(out_bar, x, slope=0.1, *, right):
    x_bar = out_bar.copy() if right else out_bar
    x_bar[x < 0] *= slope
    return (x_bar,)


def writes_its_cotangent(pair, point):
    out_bar = np.ones(3)
    pair[1](out_bar, point["x"])
    return not np.array_equal(out_bar, np.ones(3))


def centred(x, weight):
    """Columns of (n, d) less their mean, times weights."""
    return (x - x.mean(axis=0)) * weight


def centred_back(out_bar, x, weight, *, right):
    if right:
        x = x - x.mean(axis=0)
    else:
        x -= x.mean(axis=0)
    hat_bar = out_bar * weight
    return hat_bar - hat_bar.mean(axis=0), (out_bar * x).sum(axis=0)


def writes_its_input(pair, point):
    x = point["x"].copy()
    pair[1](np.ones_like(x), x, point["weight"])
    return not np.array_equal(x, point["x"])


def flattened(x, w):
    """Images (n, h, w) flattened, then a dot product with (h, w)."""
    return x.reshape(len(x), -1) @ w.ravel()


def flattened_back(out_bar, x, w, *, right):
    rows = np.array(x).reshape(len(x), -1) if right else x.reshape((len(x), -1), order="A")
    return out_bar[:, None, None] * w, (out_bar @ rows).reshape(w.shape)


def shows_on_fortran_order(pair, point):
    out_bar = np.arange(1.0, 1 + len(point["x"]))
    fortran = np.asfortranarray(point["x"])
    views, copies = pair[1](out_bar, fortran, point["w"]), pair[1](out_bar, **point)
    return not np.array_equal(views[1], copies[1])


def swapped_axes(x):
    """Axes of (n, m) exchanged, and everything doubled."""
    return 2 * x.T


def swapped_axes_back(out_bar, x, *, right):
    flat = np.ravel(out_bar, order="C" if right else "K")
    return (2 * flat.reshape(out_bar.shape).T,)


def shows_on_a_transposed_cotangent(pair, point):
    out_bar = np.arange(1.0, 1 + point["x"].size).reshape(point["x"].shape).T
    view, copy = pair[1](out_bar, point["x"]), pair[1](out_bar.copy(), point["x"])
    return not np.array_equal(view[0], copy[0])


def dropped(x, keep=0.5):
    """Entries kept by a fixed pattern, and scaled up."""
    return x * (np.random.default_rng(0).random(x.shape) < keep) / keep


def dropped_right(out_bar, x, keep=0.5):
    return (out_bar * (np.random.default_rng(0).random(x.shape) < keep) / keep,)


def redrawn():
    generator = np.random.default_rng(1)

    def backward(out_bar, x, keep=0.5):
        return (out_bar * (generator.random(x.shape) < keep) / keep,)

    return dropped, backward


def differs_between_calls(pair, point):
    out_bar = np.ones_like(point["x"])
    claims = [pair[1](out_bar, point["x"])[0] for _ in range(8)]
    return any(not np.array_equal(claims[0], other) for other in claims)


def held(id, cls, forward, right, pair, **rest):
    """A twin whose wrong half has a state of its own."""
    return Twin(id, "", cls, forward=forward, right_backward=right, wrong_backward=right,
                wrong_pair=pair, **rest)  # fmt: skip


MODERATE = (-30.0, 30.0)


TWINS = (
    held(
        "weight-kept",
        "stale cache",
        gated_linear,
        gated_linear_right,
        kept_weight,
        bug="the transposed weight is that of the first call",
        arguments=lambda st: {"x": "n d", "w": "d k", "gate": "k"},
        bug_point=lambda: {"x": normal(600, 2, 3), "w": normal(601, 3, 2), "gate": normal(602, 2)},
        generic_point=lambda: {
            "x": normal(603, 2, 2),
            "w": normal(604, 2, 3),
            "gate": normal(605, 3),
        },
        diagnosis=("stale-cache",),
        symptom=keeps_the_first,
    ),
    held(
        "output-accumulated",
        "stale cache",
        softmax_rows,
        softmax_rows_right,
        last_output,
        bug="outputs are added to a buffer, and the backward reads that",
        arguments=lambda st: {"x": st.array("n k", domain=MODERATE)},
        bug_point=lambda: {"x": normal(606, 2, 3)},
        generic_point=lambda: {"x": normal(607, 2, 2)},
        diagnosis=("stale-cache", "accumulated-twice", "non-deterministic"),
        symptom=shows_after_two_forwards,
    ),
    two_ways(
        "leaky-in-place",
        "mutation",
        leaky,
        leaky_back,
        bug="the upstream gradient is multiplied in place",
        arguments=lambda st: {"x": "n", "slope": hyp.sampled_from([0.1, 0.3])},
        bug_point=lambda: {"x": np.array([0.3, -0.7, -1.2]), "slope": 0.3},
        generic_point=lambda: {"x": np.array([0.4, -0.8]), "slope": 0.1},
        diagnosis=("mutates-input", "shares-memory"),
        symptom=writes_its_cotangent,
    ),
    two_ways(
        "centred-in-place",
        "mutation",
        centred,
        centred_back,
        bug="the input is centred in place",
        arguments=lambda st: {"x": "n d", "weight": "d"},
        bug_point=lambda: {"x": normal(608, 3, 2), "weight": normal(609, 2)},
        generic_point=lambda: {"x": normal(610, 2, 2), "weight": normal(611, 2)},
        diagnosis=("mutates-input",),
        symptom=writes_its_input,
    ),
    two_ways(
        "flatten-order",
        "layout",
        flattened,
        flattened_back,
        bug="the input is flattened in the order of its memory",
        arguments=lambda st: {"x": "n h w", "w": "h w"},
        bug_point=lambda: {"x": normal(614, 2, 3, 2), "w": normal(615, 3, 2)},
        generic_point=lambda: {"x": normal(616, 2, 2, 2), "w": normal(617, 2, 2)},
        diagnosis=("layout-dependent",),
        symptom=shows_on_fortran_order,
    ),
    two_ways(
        "transpose-raveled",
        "layout",
        swapped_axes,
        swapped_axes_back,
        bug="the upstream gradient is read in the order of its memory",
        arguments=lambda st: {"x": "n m"},
        bug_point=lambda: {"x": normal(618, 3, 2)},
        generic_point=lambda: {"x": normal(619, 2, 3)},
        diagnosis=("layout-dependent",),
        symptom=shows_on_a_transposed_cotangent,
    ),
    held(
        "dropout-redrawn",
        "nondeterminism",
        dropped,
        dropped_right,
        redrawn,
        bug="the backward draws a mask of its own",
        arguments=lambda st: {"x": "n d", "keep": hyp.sampled_from([0.5, 0.8])},
        bug_point=lambda: {"x": normal(620, 3, 4), "keep": 0.5},
        generic_point=lambda: {"x": normal(621, 2, 2), "keep": 0.8},
        diagnosis=("non-deterministic",),
        symptom=differs_between_calls,
    ),
)
