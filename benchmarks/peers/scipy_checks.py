"""SciPy: `check_grad` of all entries and of a random direction, and `differentiate.jacobian`."""

from __future__ import annotations

import numpy as np
from scipy.differentiate import jacobian
from scipy.optimize import check_grad

from benchmarks.peers import Peer

SMALL_ENOUGH = 1e-5
"""`check_grad` returns a distance and leaves the verdict to its user: this, relative to the size
of the gradient, or absolute where that is below 1."""


def _is_small(distance, gradient):
    return bool(distance <= SMALL_ENOUGH * max(1.0, float(np.linalg.norm(gradient))))


def all_entries(problem):
    form = problem.scalar_form()
    distance = check_grad(form.value, form.gradient, form.start)
    return _is_small(distance, form.gradient(form.start))


def random_direction(problem):
    form = problem.scalar_form()
    distance = check_grad(form.value, form.gradient, form.start, direction="random", rng=0)
    return _is_small(distance, form.gradient(form.start))


def differentiate(problem):
    form = problem.scalar_form()

    def of_columns(points):
        columns = points.reshape(len(points), -1)
        values = [form.value(columns[:, i]) for i in range(columns.shape[1])]
        return np.array(values).reshape(points.shape[1:])

    found = jacobian(of_columns, form.start)
    return np.allclose(np.squeeze(found.df), form.gradient(form.start))


PEERS = (
    Peer("scipy check_grad", all_entries, True),
    Peer("scipy check_grad, random", random_direction, False, largest=10**8),
    Peer("scipy.differentiate", differentiate, True),
)
