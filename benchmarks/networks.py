"""Dense networks with a hand-written backward: the subjects of tables 1, 3 and 7."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmarks.problems import Problem


def relu(z):
    return np.maximum(z, 0), (z > 0).astype(z.dtype)


def tanh(z):
    y = np.tanh(z)
    return y, 1 - y**2


ACTIVATIONS = {"relu": relu, "tanh": tanh}
SMALL = {"x": (3, 3), "w1": (3, 4), "b1": (4,), "w2": (4, 2), "b2": (2,)}
"""Shapes of a network with 26 parameters, 35 inputs in all, and a batch of three."""


def pair(activation, *, is_loss=True):
    """Two layers; the output, or the sum of its squares.

    The output broadcasts over leading axes of all inputs.
    """

    def forward(x, w1, b1, w2, b2):
        y = activation(x @ w1 + b1[..., None, :])[0] @ w2 + b2[..., None, :]
        return np.sum(y**2) if is_loss else y

    def backward(y_bar, x, w1, b1, w2, b2):
        hidden, slope = activation(x @ w1 + b1)
        if is_loss:
            y_bar = 2 * y_bar * (hidden @ w2 + b2)
        z_bar = (y_bar @ w2.T) * slope
        return z_bar @ w1.T, x.T @ z_bar, z_bar.sum(axis=0), hidden.T @ y_bar, y_bar.sum(axis=0)

    return forward, backward


def drawn_by_hypothesis(count):
    """Inputs of small networks as `floats(-3, 3)` draws them; the same ones in every run.

    In a process of its own: Hypothesis draws constants of the modules that happen to be loaded.
    """
    command = [sys.executable, "-m", "benchmarks.networks", str(count)]
    root = Path(__file__).resolve().parent.parent
    return pickle.loads(
        subprocess.run(command, cwd=root, stdout=subprocess.PIPE, check=True).stdout
    )


def _drawn(count):
    points = []
    arrays = {
        name: hnp.arrays(float, shape, elements=st.floats(-3, 3)) for name, shape in SMALL.items()
    }

    @settings(
        max_examples=count, database=None, deadline=None, derandomize=True,
        phases=[Phase.generate], suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.fixed_dictionaries(arrays))
    def collect(point):
        points.append({name: point[name] for name in SMALL})

    collect()
    return points


def normal_points(count):
    """Inputs of small networks from a normal distribution."""
    rng = np.random.default_rng(0)
    return [
        {name: rng.standard_normal(shape) for name, shape in SMALL.items()} for _ in range(count)
    ]


def small_networks(activation, points, kinks="strict"):
    """One problem per point."""
    functions = pair(ACTIVATIONS[activation])
    return [Problem(f"{activation} network", *functions, point, kinks) for point in points]


def dense_network(parameters, batch, seed=0):
    """A tanh network with about as many parameters, and its output as the output."""
    width = max(2, round((parameters / 2) ** 0.5))
    rng = np.random.default_rng(seed)
    inputs = {
        "x": rng.standard_normal((batch, width)),
        "w1": rng.standard_normal((width, width)) / width**0.5,
        "b1": rng.standard_normal(width),
        "w2": rng.standard_normal((width, width)) / width**0.5,
        "b2": rng.standard_normal(width),
    }
    return Problem("dense network", *pair(tanh, is_loss=False), inputs)


def as_one_vector(problem):
    """The same network as a function of one vector of all its inputs: one named input."""
    shapes = {name: array.shape for name, array in problem.inputs.items()}
    theta = np.concatenate([array.ravel() for array in problem.inputs.values()])

    def split(theta):
        arrays, start = [], 0
        for shape in shapes.values():
            size = int(np.prod(shape))
            arrays.append(theta[start : start + size].reshape(shape))
            start += size
        return arrays

    def forward(theta):
        return problem.forward(*split(theta))

    def backward(y_bar, theta):
        gradients = problem.backward(y_bar, *split(theta))
        return (np.concatenate([g.ravel() for g in gradients]),)

    return Problem(problem.name, forward, backward, {"theta": theta}, problem.kinks)


if __name__ == "__main__":
    pickle.dump(_drawn(int(sys.argv[1])), sys.stdout.buffer)
