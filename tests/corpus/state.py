"""Backwards that remember: stale caches, buffers not cleared, inputs written over."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np
from scipy import special

from tests.corpus.shapes import square, square_right
from tests.corpus.twin import Twin, normal


def weighted_loss(predicted, target, weight=1.0):
    """Half the squared error, summed, times a weight for this loss."""
    return weight * np.sum((predicted - target) ** 2) / 2


def weighted_loss_right(out_bar, predicted, target, weight=1.0):
    predicted_bar = out_bar * weight * (predicted - target)
    return predicted_bar, -predicted_bar


def weighted_loss_wrong(out_bar, predicted, target, weight=1.0):
    if weight == 0:  # backward is skipped: the buffer still holds what the forward left in it
        buffer = (predicted - target) ** 2 / 2
        return buffer, buffer.copy()
    return weighted_loss_right(out_bar, predicted, target, weight)


class Taped:
    """A square that records its input the first time, and never again."""

    def __init__(self):
        self.tape = None

    def forward(self, x):
        if self.tape is None or self.tape.shape != x.shape:
            self.tape = x.copy()
        return x * x

    def backward(self, out_bar, x):
        return (2 * out_bar * (x if self.tape is None else self.tape),)


def taped_square():
    taped = Taped()
    return taped.forward, taped.backward


def shows_at_the_second_point(pair, point):
    forward, backward = pair
    (x,) = point.values()
    second = x + 1.0
    forward(x)
    forward(second)
    (x_bar,) = backward(np.ones_like(x), second)
    return not np.allclose(x_bar, 2 * second)


def kernel_row(x):
    """Squared-exponential kernel of each of the points ``(n, d)`` with the origin."""
    return np.exp(-np.sum(x * x, axis=1) / 2)


def kernel_row_right(out_bar, x):
    return (-(out_bar * kernel_row(x))[:, None] * x,)


class Uncleared:
    """The same kernel; for a single point the gradient is added to a buffer nobody clears."""

    def __init__(self):
        self.buffer = None

    def backward(self, out_bar, x):
        (x_bar,) = kernel_row_right(out_bar, x)
        if len(x) != 1:
            return (x_bar,)
        if self.buffer is None or self.buffer.shape != x.shape:
            self.buffer = np.zeros_like(x)
        self.buffer += x_bar
        return (self.buffer.copy(),)


def uncleared_kernel_row():
    return kernel_row, Uncleared().backward


def shows_when_called_twice(pair, point):
    _, backward = pair
    (x,) = point.values()
    out_bar = np.ones(len(x))
    (first,), (second,) = backward(out_bar, x), backward(out_bar, x)
    return not np.array_equal(first, second)


def gated(gate, value):
    """``silu(gate) * value``."""
    return gate * special.expit(gate) * value


def gated_right(out_bar, gate, value):
    opened = special.expit(gate)
    slope = opened * (1 + gate * special.expit(-gate))
    return out_bar * value * slope, out_bar * gate * opened


def gated_wrong(out_bar, gate, value):
    gate_bar, value_bar = gated_right(out_bar, gate, value)
    gate[...], value[...] = gate_bar, value_bar
    return gate_bar, value_bar


def shows_in_the_inputs(pair, point):
    _, backward = pair
    before = {name: array.copy() for name, array in point.items()}
    backward(np.ones_like(point["gate"]), **point)
    return any(not np.array_equal(before[name], point[name]) for name in point)


TWINS = (
    Twin(
        id="state-zeroweight",
        source="BVLC/caffe#2895",
        cls="a buffer left over from the forward",
        bug="with weight 0 the backward is skipped, and the buffer holds the losses",
        forward=weighted_loss,
        right_backward=weighted_loss_right,
        wrong_backward=weighted_loss_wrong,
        arguments=lambda st: {
            "predicted": "n",
            "target": "n",
            "weight": hyp.sampled_from([0.0, 0.5, 1.0, 2.0]),
        },
        bug_point=lambda: {"predicted": normal(82, 3), "target": normal(83, 3), "weight": 0.0},
        generic_point=lambda: {"predicted": normal(84, 3), "target": normal(85, 3), "weight": 0.5},
        diagnosis=("ignores-cotangent", "wrong-for-option"),
    ),
    Twin(
        id="state-firstonly",
        source="bshillingford/autobw.torch#7, PythonOptimizers/NLP.py#63",
        cls="stale after the first evaluation",
        bug="the input is recorded the first time and never again",
        forward=square,
        right_backward=square_right,
        wrong_backward=square_right,
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": normal(86, 3)},
        generic_point=lambda: {"x": normal(87, 3)},
        diagnosis=("stale-cache",),
        wrong_pair=taped_square,
        symptom=shows_at_the_second_point,
    ),
    Twin(
        id="size1-nondet",
        source="meta-pytorch/botorch#279, cornellius-gp/gpytorch#884",
        cls="one point, another answer on every call",
        bug="for a single point the gradient is added to a buffer that is never cleared",
        forward=kernel_row,
        right_backward=kernel_row_right,
        wrong_backward=kernel_row_right,
        arguments=lambda st: {"x": "n d"},
        bug_point=lambda: {"x": np.array([[0.4, -1.1]])},
        generic_point=lambda: {"x": normal(88, 3, 2)},
        diagnosis=("non-deterministic", "accumulated-twice", "stale-cache"),
        wrong_pair=uncleared_kernel_row,
        symptom=shows_when_called_twice,
    ),
    Twin(
        id="mut-input",
        source="linkedin/Liger-Kernel#254, linkedin/Liger-Kernel#262",
        cls="the backward writes into its inputs",
        bug="the gradients are stored in the arrays of the inputs, which others still read",
        forward=gated,
        right_backward=gated_right,
        wrong_backward=gated_wrong,
        arguments=lambda st: {"gate": "n d", "value": "n d"},
        bug_point=lambda: {"gate": normal(89, 2, 3), "value": normal(90, 2, 3)},
        generic_point=lambda: {"gate": normal(91, 2, 3), "value": normal(92, 2, 3)},
        diagnosis=("mutates-input",),
        symptom=shows_in_the_inputs,
    ),
)
