"""numdifftools: its gradient, compared by `numpy.allclose`."""

from __future__ import annotations

import numdifftools
import numpy as np

from benchmarks.peers import Peer


def gradient(problem):
    form = problem.scalar_form()
    estimate = numdifftools.Gradient(form.value)(form.start)
    return np.allclose(estimate, form.gradient(form.start))


PEERS = (Peer("numdifftools", gradient, True),)
