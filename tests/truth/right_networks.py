"""Right networks and functions with kinks, at the points where kinks are: zeros, ties, thresholds.

Every backward here is the chain rule with one convention for each kink (the derivative of relu at
0 is 0, or 1; the first of tied entries wins, or they share). A checker that calls one wrong is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

NICE = (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, -3.0, 1.5, -1.5, 0.1, 1 / 3, 2.9)
TINY = (1e-5, -1e-5, 1e-12, 1.1754943508222875e-38, -2.2250738585072014e-308, 5e-324, 1 - 2**-53)
"""What Hypothesis likes to draw from ``floats(-3, 3)``."""


@dataclass(frozen=True)
class Case:
    """A right forward and backward at one point; ``build(name of the kind, seed)`` rebuilds it."""

    kind: str
    seed: int
    title: str
    forward: Callable[..., Any]
    backward: Callable[..., Any]
    inputs: dict[str, Any]
    kinks: str


def values(rng, shape, niceness):
    """Uniform numbers in [-3, 3], a share of them replaced by nice or tiny ones."""
    uniform = rng.uniform(-3, 3, shape)
    nice = rng.choice(NICE, shape)
    tiny = rng.choice(TINY, shape)
    pick = rng.random(shape)
    return np.where(pick < niceness, np.where(pick < niceness / 8, tiny, nice), uniform)


# Pieces with kinks: each is a value and a pull-back, for a convention given by a number.


def relu(z, convention):
    return np.maximum(z, 0), lambda up: up * np.where(z == 0, convention, z > 0)


def leaky(z, convention):
    slope = np.where(z == 0, (0.1, 1.0)[convention], np.where(z > 0, 1.0, 0.1))
    return np.where(z > 0, z, 0.1 * z), lambda up: up * slope


def absolute(z, convention):
    return np.abs(z), lambda up: up * np.where(z == 0, convention, np.sign(z))


def hard_tanh(z, convention):
    on_bound = np.abs(z) == 1
    return np.clip(z, -1, 1), lambda up: up * np.where(on_bound, convention, np.abs(z) < 1)


def max_pool(z, convention):
    """Largest of each two neighbouring features; an odd last one passes."""
    width = z.shape[1] // 2
    pairs = z[:, : 2 * width].reshape(len(z), width, 2)
    rest = z[:, 2 * width :]
    credit = _credit(pairs, convention)

    def pull(up):
        pulled = (credit * up[:, :width, None]).reshape(len(z), 2 * width)
        return np.concatenate([pulled, up[:, width:]], axis=1)

    return np.concatenate([pairs.max(axis=2), rest], axis=1), pull


def _credit(entries, convention):
    """Shares of the entries of the last axis in their maximum: all to the first, or equal ones."""
    tied = entries == entries.max(axis=-1, keepdims=True)
    if convention:
        return tied / tied.sum(axis=-1, keepdims=True)
    return np.arange(entries.shape[-1]) == entries.argmax(axis=-1)[..., None]


PIECES = {
    "relu": relu,
    "leaky": leaky,
    "abs": absolute,
    "hard-tanh": hard_tanh,
    "max-pool": max_pool,
}


def squared(error, convention):
    return error**2 / 2, lambda up: up * error


def mean_absolute(error, convention):
    return np.abs(error), lambda up: up * np.where(error == 0, convention, np.sign(error))


def huber(error, convention):
    size = np.abs(error)
    value = np.where(size <= 1, error**2 / 2, size - 0.5)
    return value, lambda up: up * np.clip(error, -1, 1)


LOSSES = {"squared": squared, "mae": mean_absolute, "huber": huber}


# Networks.


def network(rng, seed):
    """Dense layers with kinks between them, and a loss or none, at nice values."""
    niceness = rng.choice([0.0, 0.3, 0.7, 1.0])
    depth, batch = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    piece_names = [str(rng.choice(list(PIECES))) for _ in range(depth)]
    loss = str(rng.choice(["none", *LOSSES]))
    convention = int(rng.integers(2))
    inputs = {"x": values(rng, (batch, int(rng.integers(1, 5))), niceness)}
    width = inputs["x"].shape[1]
    for i, name in enumerate(piece_names):
        out = int(rng.integers(1, 5))
        inputs[f"w{i}"] = values(rng, (width, out), niceness)
        inputs[f"b{i}"] = values(rng, (out,), niceness)
        width = out - out // 2 if name == "max-pool" else out
    if loss != "none":
        inputs["target"] = values(rng, (batch, width), niceness)
    forward, backward = _network_pair(piece_names, loss, convention)
    title = " ".join([*piece_names, f"loss={loss}", f"convention={convention}"])
    return Case("network", seed, title, forward, backward, inputs, "lenient")


def _network_pair(piece_names, loss, convention):
    def run(arrays):
        h, *rest = arrays
        tape = []
        for i, name in enumerate(piece_names):
            w, b = rest[2 * i], rest[2 * i + 1]
            out, pull = PIECES[name](h @ w + b, convention)
            tape.append((h, w, pull))
            h = out
        if loss == "none":
            return h, tape, None
        each, pull = LOSSES[loss](h - rest[-1], convention)
        return np.mean(each), tape, (pull, each.size)

    def forward(*arrays):
        return run(arrays)[0]

    def backward(up, *arrays):
        _, tape, ending = run(arrays)
        gradients, last = [], []
        if ending is not None:
            pull, count = ending
            up = pull(np.broadcast_to(up / count, arrays[-1].shape))
            last = [-up]
        for h, w, pull in reversed(tape):
            z_bar = pull(up)
            gradients[:0] = [h.T @ z_bar, z_bar.sum(axis=0)]
            up = z_bar @ w.T
        return (up, *gradients, *last)

    return forward, backward


# Single functions.


def _of_one(piece):
    def make(rng, niceness, convention):
        x = values(rng, (int(rng.integers(1, 4)), int(rng.integers(1, 5))), niceness)

        def backward(up, x):
            return (piece(x, convention)[1](up),)

        return (lambda x: piece(x, convention)[0]), backward, {"x": x}

    return make


def _of_difference(loss):
    def make(rng, niceness, convention):
        shape = (int(rng.integers(1, 4)), int(rng.integers(1, 4)))
        inputs = {"a": values(rng, shape, niceness), "b": values(rng, shape, niceness)}

        def backward(up, a, b):
            slope = loss(a - b, convention)[1](np.broadcast_to(up / a.size, a.shape))
            return slope, -slope

        return (lambda a, b: np.mean(loss(a - b, convention)[0])), backward, inputs

    return make


def _largest(rng, niceness, convention):
    """Maximum over the last axis."""
    x = values(rng, (int(rng.integers(1, 4)), int(rng.integers(1, 6))), niceness)

    def backward(up, x):
        return (_credit(x, convention) * up[:, None],)

    return (lambda x: x.max(axis=1)), backward, {"x": x}


def _overlapping(rng, niceness, convention):
    """Maximum of each window of two, stride one."""
    x = values(rng, (int(rng.integers(2, 7)),), niceness)

    def backward(up, x):
        credit = _credit(np.stack([x[:-1], x[1:]], axis=1), convention) * up[:, None]
        x_bar = np.zeros_like(x)
        x_bar[:-1] += credit[:, 0]
        x_bar[1:] += credit[:, 1]
        return (x_bar,)

    return (lambda x: np.maximum(x[:-1], x[1:])), backward, {"x": x}


def _larger(rng, niceness, convention):
    """Entrywise maximum of two arrays."""
    shape = (int(rng.integers(1, 6)),)
    inputs = {"a": values(rng, shape, niceness), "b": values(rng, shape, niceness)}

    def backward(up, a, b):
        share = np.where(a == b, convention / 2, a > b)
        return up * share, up * (1 - share)

    return np.maximum, backward, inputs


def _hinge(rng, niceness, convention):
    shape = (int(rng.integers(1, 6)),)
    inputs = {
        "score": values(rng, shape, niceness),
        "label": rng.choice([-1, 1], shape),
    }

    def backward(up, score, label):
        margin = 1 - label * score
        return -up * label * np.where(margin == 0, convention, margin > 0), None

    return (lambda score, label: np.maximum(0, 1 - label * score)), backward, inputs


def _penalty(rng, niceness, convention):
    """``|w|_1`` beside a smooth term."""
    w = values(rng, (int(rng.integers(1, 8)),), niceness)

    def backward(up, w):
        return (up * (np.where(w == 0, 0, np.sign(w)) + w),)

    return (lambda w: np.abs(w).sum() + w @ w / 2), backward, {"w": w}


def _prelu(rng, niceness, convention):
    inputs = {
        "x": values(rng, (int(rng.integers(1, 6)),), niceness),
        "slope": values(rng, (), niceness),
    }

    def backward(up, x, slope):
        negative = x <= 0 if convention else x < 0
        return up * np.where(negative, slope, 1.0), np.asarray(np.sum(up * x * negative))

    return (lambda x, slope: np.where(x > 0, x, slope * x)), backward, inputs


def _composed(rng, niceness, convention):
    """``relu(w + a) - relu(b - w)``: no single coordinate shows the gradient that is claimed."""
    shape = (int(rng.integers(1, 4)),)
    inputs = {name: values(rng, shape, niceness) for name in ("w", "a", "b")}

    def backward(up, w, a, b):
        left = relu(w + a, convention)[1](up)
        right = relu(b - w, convention)[1](up)
        return left + right, left, -right

    def forward(w, a, b):
        return np.maximum(w + a, 0) - np.maximum(b - w, 0)

    return forward, backward, inputs


def _sorted(rng, niceness, convention):
    x = values(rng, (int(rng.integers(1, 6)),), niceness)

    def backward(up, x):
        x_bar = np.empty_like(x)
        x_bar[np.argsort(x, kind="stable")] = up
        return (x_bar,)

    return np.sort, backward, {"x": x}


FUNCTIONS = {
    **{name: _of_one(piece) for name, piece in PIECES.items()},
    **{name: _of_difference(loss) for name, loss in LOSSES.items()},
    "max": _largest,
    "overlapping max-pool": _overlapping,
    "maximum": _larger,
    "hinge": _hinge,
    "l1": _penalty,
    "prelu": _prelu,
    "composed": _composed,
    "sort": _sorted,
}


def function(rng, seed):
    """A single function with kinks, at nice values."""
    title = str(rng.choice(list(FUNCTIONS)))
    niceness = rng.choice([0.0, 0.3, 0.7, 1.0])
    convention = int(rng.integers(2))
    forward, backward, inputs = FUNCTIONS[title](rng, niceness, convention)
    title = f"{title} convention={convention}"
    return Case("function", seed, title, forward, backward, inputs, "strict")


KINDS = {"network": network, "function": function}


def build(kind, seed):
    """The right case of a kind (``"network"``, ``"function"``) with a seed."""
    return KINDS[kind](np.random.default_rng(seed), seed)
