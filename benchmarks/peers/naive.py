"""The loop that students write: two values per entry, a fixed step, one relative error."""

from __future__ import annotations

import numpy as np

from benchmarks.peers import Peer

STEP = 1e-5
LARGEST_ERROR = 1e-5
"""Step, floor and relative error as courses teach them."""


def numeric_gradient(function, x, cotangent):
    gradient = np.zeros_like(x)
    for index in np.ndindex(x.shape):
        old = x[index]
        x[index] = old + STEP
        above = function(x)
        x[index] = old - STEP
        below = function(x)
        x[index] = old
        gradient[index] = np.sum((above - below) * cotangent) / (2 * STEP)
    return gradient


def relative_error(a, b):
    if not np.size(a):
        return 0.0
    return np.max(np.abs(a - b) / np.maximum(1e-8, np.abs(a) + np.abs(b)))


def loop(problem):
    form = problem.smooth_form()
    arrays = form.arrays
    if any(array.dtype.kind == "c" for array in arrays):
        raise TypeError("the loop knows no complex numbers")
    output = form.forward(*arrays)
    cotangent = np.random.default_rng(0).standard_normal(output.shape).astype(output.dtype)
    claims = form.backward_as_zeros(cotangent, *arrays)
    for i, claimed in enumerate(claims):

        def of_one(x, i=i):
            return np.array(form.forward(*arrays[:i], x, *arrays[i + 1 :]))

        numeric = numeric_gradient(of_one, arrays[i], cotangent)
        assert claimed.shape == numeric.shape
        assert relative_error(claimed, numeric) < LARGEST_ERROR
    return True


PEERS = (Peer("naive loop", loop, True),)
