"""`torch.autograd.gradcheck`: the pair as a ``torch.autograd.Function``."""

from __future__ import annotations

import numpy as np
import torch
from torch.autograd.gradcheck import GradcheckError, gradcheck

from benchmarks.peers import Peer

torch.set_num_threads(1)


def as_numpy(tensor):
    return tensor.detach().resolve_conj().resolve_neg().numpy()


def as_tensor(array):
    return None if array is None else torch.from_numpy(np.array(array))


def as_function(problem):
    """A differentiable torch function, and its float inputs."""
    form = problem.smooth_form()

    class Pair(torch.autograd.Function):
        @staticmethod
        def forward(ctx, *tensors):
            ctx.save_for_backward(*tensors)
            return as_tensor(form.forward(*map(as_numpy, tensors)))

        @staticmethod
        def backward(ctx, cotangent):
            arrays = map(as_numpy, ctx.saved_tensors)
            return tuple(map(as_tensor, form.backward(as_numpy(cotangent), *arrays)))

    return Pair.apply, tuple(as_tensor(array).requires_grad_() for array in form.arrays)


def full(problem):
    return gradcheck(*as_function(problem))


def fast(problem):
    return gradcheck(*as_function(problem), fast_mode=True)


PEERS = (
    Peer("torch", full, True, (GradcheckError,)),
    Peer("torch, fast", fast, False, (GradcheckError,), largest=10**8),
)
