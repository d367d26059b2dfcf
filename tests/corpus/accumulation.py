"""Contributions to one gradient that overwrite each other where they must add."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np

from tests.corpus.twin import Twin, normal


class Value:
    """A node of a teaching-size autograd: two factors and a gradient."""

    def __init__(self, data, factors=()):
        self.data = data
        self.factors = factors
        self.grad = 0.0

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other))

    def add_to_factors(self):
        left, right = self.factors
        left.grad += self.grad * right.data
        right.grad += self.grad * left.data

    def assign_to_factors(self):
        left, right = self.factors
        left.grad = self.grad * right.data
        right.grad = self.grad * left.data


def products(x, left, right):
    """``x[left] * x[right]``, one product per edge of a graph."""
    return np.array([x[i] * x[j] for i, j in zip(left, right, strict=True)], dtype=x.dtype)


def _through_engine(push, out_bar, x, left, right):
    leaves = [Value(entry) for entry in x]
    for g, i, j in zip(out_bar, left, right, strict=True):
        out = leaves[i] * leaves[j]
        out.grad = g
        push(out)
    return np.array([leaf.grad for leaf in leaves], dtype=x.dtype), None, None


def products_right(out_bar, x, left, right):
    return _through_engine(Value.add_to_factors, out_bar, x, left, right)


def products_wrong(out_bar, x, left, right):
    return _through_engine(Value.assign_to_factors, out_bar, x, left, right)


def gather(table, index):
    return table[index]


def gather_right(out_bar, table, index):
    table_bar = np.zeros_like(table)
    np.add.at(table_bar, index, out_bar)
    return table_bar, None


def gather_wrong(out_bar, table, index):
    table_bar = np.zeros_like(table)
    table_bar[index] = out_bar
    return table_bar, None


def windows(length, window, stride):
    """Positions of every window, ``(windows, window)``."""
    count = max(0, (length - window) // stride + 1)
    return stride * np.arange(count)[:, None] + np.arange(window)[None, :]


def max_pool(x, window=2, stride=2):
    """Largest entry of each window along the last axis of ``(n, length)``."""
    return x[:, windows(x.shape[1], window, stride)].max(axis=2)


def _winners(x, window, stride):
    places = windows(x.shape[1], window, stride)
    first = x[:, places].argmax(axis=2)
    rows = np.arange(len(x))[:, None]
    return rows, places[np.arange(len(places))[None, :], first]


def max_pool_right(out_bar, x, window=2, stride=2):
    x_bar = np.zeros_like(x)
    np.add.at(x_bar, _winners(x, window, stride), out_bar)
    return (x_bar,)


def max_pool_wrong(out_bar, x, window=2, stride=2):
    x_bar = np.zeros_like(x)
    x_bar[_winners(x, window, stride)] = out_bar
    return (x_bar,)


TWINS = (
    Twin(
        id="acc-assign",
        source="karpathy/nn-zero-to-hero#52, huggingface/candle#3507, apache/mxnet#9497",
        cls="assignment where a value is used twice",
        bug="a node assigns the gradient of its factors instead of adding to it",
        forward=products,
        right_backward=products_right,
        wrong_backward=products_wrong,
        arguments=lambda st: {
            "x": "n",
            "left": st.indices("e", into="n"),
            "right": st.indices("e", into="n"),
        },
        bug_point=lambda: {
            "x": np.array([1.5, -2.0]),
            "left": np.array([0]),
            "right": np.array([0]),
        },
        generic_point=lambda: {
            "x": np.array([1.5, -2.0, 0.3]),
            "left": np.array([0, 2]),
            "right": np.array([1, 0]),
        },
        diagnosis=("assigned-not-added", "missing-term"),
    ),
    Twin(
        id="dup-gather",
        source="pytorch/pytorch#1631",
        cls="repeated index",
        bug="the last row that reads an entry overwrites the gradients of the others",
        forward=gather,
        right_backward=gather_right,
        wrong_backward=gather_wrong,
        arguments=lambda st: {"table": "v d", "index": st.indices("n", into="v")},
        bug_point=lambda: {"table": normal(5, 3, 2), "index": np.array([1, 0, 1])},
        generic_point=lambda: {"table": normal(6, 4, 2), "index": np.array([3, 0, 1])},
        diagnosis=("assigned-not-added", "missing-term"),
    ),
    Twin(
        id="pool-overlap",
        source="ahrefs/ocannl#512, jmschrei/tangermeme#95, FluxML/Flux.jl#1197",
        cls="overlapping windows",
        bug="an entry that wins several windows keeps the gradient of the last one",
        forward=max_pool,
        right_backward=max_pool_right,
        wrong_backward=max_pool_wrong,
        arguments=lambda st: {
            "x": "n l",
            "window": hyp.integers(1, 3),
            "stride": hyp.integers(1, 3),
        },
        bug_point=lambda: {"x": np.array([[0.3, 2.0, -1.0, 0.9]]), "window": 2, "stride": 1},
        generic_point=lambda: {"x": normal(7, 2, 6), "window": 3, "stride": 3},
        diagnosis=("assigned-not-added", "missing-term"),
    ),
)
