"""`autograd.test_util.check_grads`: the pair as a primitive."""

from __future__ import annotations

import numpy as np
from autograd.extend import defvjp_argnums, primitive
from autograd.test_util import check_grads

from benchmarks.peers import Peer


def as_function(problem):
    """A differentiable autograd function, and its float inputs."""
    form = problem.smooth_form()

    @primitive
    def function(*arrays):
        return np.array(form.forward(*arrays))

    def pull_back(argnums, _answer, arrays, _options):
        def pull(cotangent):
            # autograd's cotangents are the complex conjugates of ours.
            claims = form.backward_as_zeros(np.conj(cotangent), *arrays)
            return tuple(np.conj(claims[i]) for i in argnums)

        return pull

    defvjp_argnums(function, pull_back)
    return function, tuple(form.arrays)


def reverse(problem):
    function, arrays = as_function(problem)
    np.random.seed(0)  # noqa: NPY002  its direction comes from the global generator
    check = check_grads(function, argnum=tuple(range(len(arrays))), modes=["rev"], order=1)
    check(*arrays)
    return True


PEERS = (Peer("autograd", reverse, False, largest=10**8),)
