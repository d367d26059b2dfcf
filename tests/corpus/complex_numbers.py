"""Gradients of complex arrays: the conjugate belongs there."""

from __future__ import annotations

import numpy as np

from tests.corpus.twin import Twin, normal


def complex_normal(seed, *shape):
    return normal(seed, *shape) + 1j * normal(seed + 1000, *shape)


def product(a, b):
    return a @ b


def product_right(out_bar, a, b):
    return out_bar @ b.conj().T, a.conj().T @ out_bar


def product_wrong(out_bar, a, b):
    return out_bar @ b.T, a.T @ out_bar


TWINS = (
    Twin(
        id="cplx-matmul",
        source=(
            "tensorflow/tensorflow#4859, HIPS/autograd#612, ml-explore/mlx#3433, "
            "ml-explore/mlx#2178, EnzymeAD/Reactant.jl#2294"
        ),
        cls="complex conjugate missing",
        bug="transposes where Hermitian transposes are due",
        forward=product,
        right_backward=product_right,
        wrong_backward=product_wrong,
        arguments=lambda st: {
            "a": st.array("i j", dtype=np.complex128),
            "b": st.array("j k", dtype=np.complex128),
        },
        bug_point=lambda: {"a": complex_normal(94, 2, 3), "b": complex_normal(95, 3, 2)},
        generic_point=lambda: {"a": complex_normal(96, 2, 3), "b": complex_normal(97, 3, 2)},
        diagnosis=("conjugate-missing",),
    ),
)
