"""Kernels that read memory as if it were laid out in one way only."""

from __future__ import annotations

import numpy as np

from tests.corpus.shapes import square, square_right
from tests.corpus.twin import Twin, normal


def read_as_contiguous(array):
    """The entries a C kernel sees that is given the address of the first entry and a shape.

    Reading never leaves the buffer: it wraps around, where a kernel would read a stranger's memory.
    """
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    memory = owner.ravel(order="K")
    start = (array.ctypes.data - owner.ctypes.data) // array.itemsize
    entries = np.take(memory, start + np.arange(array.size), mode="wrap")
    return entries.reshape(array.shape)


def square_by_kernel(out_bar, x):
    out_bar = np.asarray(out_bar)
    return (2 * x * read_as_contiguous(out_bar),) if out_bar.size else (np.zeros_like(x),)


def shows_on_a_transposed_cotangent(pair, point):
    _, backward = pair
    (x,) = point.values()
    out_bar = np.arange(1.0, 1 + x.size).reshape(x.shape[::-1]).T
    (from_view,), (from_copy,) = backward(out_bar, x), backward(out_bar.copy(), x)
    return not np.array_equal(from_view, from_copy)


TWINS = (
    Twin(
        id="lay-noncontig",
        source=(
            "Dao-AILab/flash-attention#355, fla-org/flash-linear-attention#871, "
            "fla-org/flash-linear-attention#1138, ROCm/aotriton#236, FlagOpen/FlagAttention#1, "
            "torch/nn#345, facebookresearch/xformers#282, pytorch/pytorch#708"
        ),
        cls="memory layout of the upstream gradient",
        bug="the upstream gradient is read with the strides of a C array, whatever its own are",
        forward=square,
        right_backward=square_right,
        wrong_backward=square_by_kernel,
        arguments=lambda st: {"x": "n m"},
        bug_point=lambda: {"x": normal(80, 2, 3)},
        generic_point=lambda: {"x": normal(81, 2, 3)},
        diagnosis=("layout-dependent",),
        symptom=shows_on_a_transposed_cotangent,
    ),
)
