"""`jax.test_util.check_grads`: the pair as a ``custom_vjp`` around ``pure_callback``."""

from __future__ import annotations

import jax
import numpy as np
from jax.test_util import check_grads

from benchmarks.peers import Peer

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_platforms", "cpu")


def as_function(problem):
    """A differentiable JAX function, and its float inputs."""
    form = problem.smooth_form()
    output = np.asarray(form.forward(*[array.copy() for array in form.arrays]))
    out_shape = jax.ShapeDtypeStruct(output.shape, output.dtype)
    in_shapes = [jax.ShapeDtypeStruct(array.shape, array.dtype) for array in form.arrays]

    def evaluate(*arrays):
        return np.asarray(form.forward(*map(np.array, arrays)))

    def pull(cotangent, *arrays):
        # JAX's cotangents are the complex conjugates of ours.
        claims = form.backward_as_zeros(np.conj(cotangent), *map(np.array, arrays))
        return [np.conj(g) for g in claims]

    @jax.custom_vjp
    def function(*arrays):
        return jax.pure_callback(evaluate, out_shape, *arrays)

    def forward(*arrays):
        return function(*arrays), arrays

    def backward(arrays, cotangent):
        return tuple(jax.pure_callback(pull, in_shapes, cotangent, *arrays))

    function.defvjp(forward, backward)
    return function, tuple(form.arrays)


def reverse(problem):
    function, arrays = as_function(problem)
    check_grads(function, arrays, order=1, modes=["rev"])
    return True


def forward_mode(evaluate, push, x):
    """Check a Jacobian-vector product ``push(x, x_dot)`` of a function of one array."""
    shape = jax.ShapeDtypeStruct(x.shape, x.dtype)

    @jax.custom_jvp
    def function(x):
        return jax.pure_callback(evaluate, shape, x)

    @function.defjvp
    def _(primals, tangents):
        out_dot = jax.pure_callback(push, shape, *primals, *tangents)
        return function(*primals), out_dot

    check_grads(function, (x,), order=1, modes=["fwd"])
    return True


PEERS = (Peer("jax", reverse, False, largest=10**8),)
