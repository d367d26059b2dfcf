"""Backwards that divide by a zero, or by a difference that is zero."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np
from scipy import special

from tests.corpus.twin import Twin, normal


def pow_xy(x, y):
    return np.power(x, y)


def pow_xy_right(out_bar, x, y):
    with np.errstate(divide="ignore", invalid="ignore"):
        y_bar = np.where(x == 0, 0.0, np.power(x, y) * np.log(x))
        return out_bar * y * np.power(x, y - 1), out_bar * y_bar


def pow_xy_wrong(out_bar, x, y):
    with np.errstate(divide="ignore", invalid="ignore"):
        return out_bar * y * np.power(x, y - 1), out_bar * np.power(x, y) * np.log(x)


def norm(x):
    return np.sqrt(np.sum(x * x, axis=-1))


def norm_right(out_bar, x):
    length = norm(x)[..., None]
    return (np.asarray(out_bar)[..., None] * x / np.where(length == 0, 1.0, length),)


def norm_wrong(out_bar, x):
    with np.errstate(divide="ignore", invalid="ignore"):
        return (np.asarray(out_bar)[..., None] * x / norm(x)[..., None],)


def power(x, n=2):
    return x**n


def power_right(out_bar, x, n=2):
    return (out_bar * n * x ** (n - 1),)


def power_through_division(out_bar, x, n=2):
    with np.errstate(divide="ignore", invalid="ignore"):
        return (out_bar * n * power(x, n) / x,)


def power_through_logarithm(out_bar, x, n=2):
    with np.errstate(divide="ignore", invalid="ignore"):
        return (out_bar * np.where(x <= 0, np.inf, n * np.exp((n - 1) * np.log(x))),)


def bessel_i0(x):
    return special.i0(x)


def bessel_i0_right(out_bar, x):
    return (out_bar * special.i1(x),)


def bessel_i0_wrong(out_bar, x):
    return (out_bar * np.where(x == 0, 1.0, special.i1(x)),)


def matrix_tanh(a):
    """Hyperbolic tangent of the symmetric part of ``a``, through its eigenvalues."""
    values, vectors = np.linalg.eigh((a + a.T) / 2)
    return (vectors * np.tanh(values)) @ vectors.T


def _through_spectrum(out_bar, a, quotients):
    values, vectors = np.linalg.eigh((a + a.T) / 2)
    inner = vectors.T @ ((out_bar + out_bar.T) / 2) @ vectors
    return (vectors @ (quotients(values) * inner) @ vectors.T,)


def _divided_differences(values):
    gap = values[:, None] - values[None, :]
    near = np.abs(gap) < 1e-5
    middle = (values[:, None] + values[None, :]) / 2
    rise = np.tanh(values)[:, None] - np.tanh(values)[None, :]
    # 1 - tanh^2, without the cancellation of that form
    slope = np.exp(-2 * special.logsumexp([middle, -middle], axis=0)) * 4
    return np.where(near, slope, rise / np.where(near, 1.0, gap))


def _plain_quotients(values):
    gap = values[:, None] - values[None, :]
    rise = np.tanh(values)[:, None] - np.tanh(values)[None, :]
    with np.errstate(divide="ignore", invalid="ignore"):
        quotients = (1 / gap) * rise
    np.fill_diagonal(quotients, np.cosh(np.clip(values, -300, 300)) ** -2.0)
    return quotients


def matrix_tanh_right(out_bar, a):
    return _through_spectrum(out_bar, a, _divided_differences)


def matrix_tanh_wrong(out_bar, a):
    return _through_spectrum(out_bar, a, _plain_quotients)


TWINS = (
    Twin(
        id="val-powexp0",
        source="ml-explore/mlx#628, tensorflow/tfjs#346",
        cls="0 * log 0",
        bug="the gradient of the exponent, y * log(base), at base 0",
        forward=pow_xy,
        right_backward=pow_xy_right,
        wrong_backward=pow_xy_wrong,
        arguments=lambda st: {
            "x": st.array("n", domain="nonnegative"),
            "y": st.array("n", domain=(1.0, 4.0)),
        },
        bug_point=lambda: {"x": np.array([0.0, 2.0]), "y": np.array([2.0, 3.0])},
        generic_point=lambda: {"x": np.array([0.7, 2.1]), "y": np.array([2.3, 1.4])},
        diagnosis=("singular-at-zero",),
        smooth_at_bug=False,
    ),
    Twin(
        id="val-norm0",
        source=(
            "pytorch/pytorch#2421, HIPS/autograd#183, HIPS/autograd#268, HIPS/autograd#617, "
            "GPflow/GPflow#685, dfm/tinygp#115"
        ),
        cls="0 / 0 at the origin",
        bug="x / |x| at x = 0",
        forward=norm,
        right_backward=norm_right,
        wrong_backward=norm_wrong,
        arguments=lambda st: {"x": "n d"},
        bug_point=lambda: {"x": np.array([[0.0, 0.0], [3.0, 4.0]])},
        generic_point=lambda: {"x": normal(1, 3, 2)},
        diagnosis=("singular-at-zero",),
        smooth_at_bug=False,
    ),
    Twin(
        id="val-pow0",
        source="tensorflow/tfjs#346, seantalts/stanli#150, tinygrad/tinygrad#9075",
        cls="division by the input",
        bug="the gradient of x**n as n * y / x",
        forward=power,
        right_backward=power_right,
        wrong_backward=power_through_division,
        arguments=lambda st: {"x": "k", "n": hyp.integers(1, 4)},
        bug_point=lambda: {"x": np.array([0.0, 1.5]), "n": 2},
        generic_point=lambda: {"x": np.array([-0.7, 1.5]), "n": 3},
        diagnosis=("singular-at-zero",),
    ),
    Twin(
        id="val-pownegbase",
        source="tenstorrent/tt-metal#54440, tenstorrent/tt-metal#55534",
        cls="a guard over half of the domain",
        bug="+inf for every base that is not positive, because exp((n - 1) log x) cannot go there",
        forward=power,
        right_backward=power_right,
        wrong_backward=power_through_logarithm,
        arguments=lambda st: {"x": "k", "n": hyp.integers(1, 4)},
        bug_point=lambda: {"x": np.array([-2.0, 1.5]), "n": 3},
        generic_point=lambda: {"x": np.array([-0.7, 1.5]), "n": 2},
        diagnosis=("wrong-for-negative",),
    ),
    Twin(
        id="val-i0",
        source="jax-ml/jax#40628",
        cls="wrong at a point of symmetry",
        bug="the kink of exp|x| leaks into the derivative of the Bessel function at exactly 0",
        forward=bessel_i0,
        right_backward=bessel_i0_right,
        wrong_backward=bessel_i0_wrong,
        arguments=lambda st: {"x": "n"},
        bug_point=lambda: {"x": np.array([0.0, 1.0])},
        generic_point=lambda: {"x": np.array([-0.7, 1.9])},
        diagnosis=("wrong-at-zero",),
    ),
    Twin(
        id="val-eigrep",
        source="pytorch/pytorch#49886, pytorch/pytorch#50942, invenia/Nabla.jl#183",
        cls="repeated eigenvalues",
        bug="1 / (l_i - l_j) where two eigenvalues are equal, though the function is smooth there",
        forward=matrix_tanh,
        right_backward=matrix_tanh_right,
        wrong_backward=matrix_tanh_wrong,
        arguments=lambda st: {"a": "d d"},
        bug_point=lambda: {"a": np.eye(2)},
        generic_point=lambda: {"a": normal(2, 3, 3)},
        diagnosis=("singular-at-ties", "singular-at-zero"),
    ),
)
