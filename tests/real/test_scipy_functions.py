"""Derivatives elsewhere in SciPy and NumPy: optimisation, splines, matrices, linear operators."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.polynomial import Chebyshev, Legendre, Polynomial
from scipy import fft, interpolate, linalg, ndimage, optimize, signal, sparse

import gradcheck
from gradcheck import Verdict
from tests.real.witness import scipy_error


@pytest.mark.parametrize("size", [2, 3, 10, 100])
def test_the_rosenbrock_gradient_is_right(size):
    x = np.random.default_rng(size).normal(size=size)
    result = gradcheck.check_grad(optimize.rosen, optimize.rosen_der, x)
    assert result.verdict is Verdict.CORRECT, str(result)


def test_the_rosenbrock_gradient_is_right_at_its_minimum():
    result = gradcheck.check_grad(optimize.rosen, optimize.rosen_der, np.ones(5))
    assert result.verdict is Verdict.CORRECT, str(result)


def test_scipy_check_grad_agrees_on_rosenbrock():
    x = np.random.default_rng(0).normal(size=6)
    assert scipy_error(optimize.rosen, optimize.rosen_der, x) <= 1


def test_a_rosenbrock_gradient_wrong_in_the_last_entry_is_wrong():
    def lie(x):
        gradient = optimize.rosen_der(x)
        gradient[-1] *= 1.001
        return gradient

    x = np.random.default_rng(0).normal(size=6)
    assert gradcheck.check_grad(optimize.rosen, lie, x).verdict is Verdict.WRONG


def test_the_rosenbrock_hessian_product_is_its_own_adjoint():
    x = np.random.default_rng(1).normal(size=8)

    def backward(cotangent, x):
        return (optimize.rosen_hess_prod(x, cotangent),)

    result = gradcheck.check_vjp(optimize.rosen_der, backward, (x,))
    assert result.verdict is Verdict.CORRECT, str(result)


def test_the_rosenbrock_hessian_product_is_a_tangent():
    x = np.random.default_rng(2).normal(size=8)

    def jvp(inputs, tangents):
        return optimize.rosen_hess_prod(inputs[0], tangents[0])

    result = gradcheck.check_jvp(optimize.rosen_der, jvp, (x,))
    assert result.verdict is Verdict.CORRECT, str(result)


def test_the_rosenbrock_hessian_is_right_in_every_entry():
    x = np.random.default_rng(3).normal(size=5)

    def backward(cotangent, x):
        return (cotangent @ optimize.rosen_hess(x),)

    result = gradcheck.check_vjp(optimize.rosen_der, backward, (x,), exhaustive=True)
    assert result.verdict is Verdict.CORRECT, str(result)


def test_the_frechet_derivative_of_the_matrix_exponential_is_right():
    a = np.random.default_rng(4).normal(size=(4, 4))

    def jvp(inputs, tangents):
        return linalg.expm_frechet(inputs[0], tangents[0], compute_expm=False)

    result = gradcheck.check_jvp(linalg.expm, jvp, (a,))
    assert result.verdict is Verdict.CORRECT, str(result)


def test_the_adjoint_of_the_matrix_exponential_is_the_one_of_the_transpose():
    a = np.random.default_rng(5).normal(size=(4, 4))

    def backward(cotangent, a):
        return (linalg.expm_frechet(a.T, cotangent, compute_expm=False),)

    result = gradcheck.check_vjp(linalg.expm, backward, (a,))
    assert result.verdict is Verdict.CORRECT, str(result)


KNOTS = np.linspace(-2.0, 2.0, 9)
HEIGHTS = np.sin(2 * KNOTS) + KNOTS**2 / 3
SMOOTH_CURVES = {
    "cubic spline": interpolate.CubicSpline(KNOTS, HEIGHTS),
    "Akima": interpolate.Akima1DInterpolator(KNOTS, HEIGHTS),
    "PCHIP": interpolate.PchipInterpolator(KNOTS, HEIGHTS),
    "B-spline": interpolate.make_interp_spline(KNOTS, HEIGHTS, k=5),
    "barycentric": interpolate.BarycentricInterpolator(KNOTS, HEIGHTS),
}
DERIVATIVES = {
    name: curve.derivative() if hasattr(curve, "antiderivative") else curve.derivative
    for name, curve in SMOOTH_CURVES.items()
}


@pytest.mark.parametrize("name", SMOOTH_CURVES)
def test_interpolators_know_their_derivative(name):
    curve, slope = SMOOTH_CURVES[name], DERIVATIVES[name]
    x = np.random.default_rng(6).uniform(-1.9, 1.9, 12)
    result = gradcheck.check_vjp(curve, lambda u, x: (u * slope(x),), (x,))
    assert result.verdict is Verdict.CORRECT, str(result)


def test_a_spline_is_right_where_its_third_derivative_jumps():
    curve = SMOOTH_CURVES["cubic spline"]
    result = gradcheck.check_vjp(curve, lambda u, x: (u * curve(x, 1),), (KNOTS[1:-1].copy(),))
    assert result.verdict is Verdict.CORRECT, str(result)


@pytest.mark.parametrize("family", [Polynomial, Chebyshev, Legendre])
def test_polynomials_know_their_derivative(family):
    series = family([0.5, -1.0, 2.0, 0.25, -0.125])
    slope = series.deriv()
    x = np.random.default_rng(7).uniform(-1, 1, 6)
    result = gradcheck.check_vjp(series, lambda u, x: (u * slope(x),), (x,))
    assert result.verdict is Verdict.CORRECT, str(result)


MATRIX = sparse.csr_array(np.random.default_rng(8).normal(size=(6, 4)) * (np.arange(4) % 3 > 0))
LINEAR = {
    "discrete cosine transform": (
        lambda x: fft.dct(x, norm="ortho"),
        lambda u, x: (fft.idct(u, norm="ortho"),),
        (7,),
    ),
    "discrete sine transform": (
        lambda x: fft.dst(x, norm="ortho"),
        lambda u, x: (fft.idst(u, norm="ortho"),),
        (7,),
    ),
    "sparse matrix": (lambda x: MATRIX @ x, lambda u, x: (MATRIX.T @ u,), (4,)),
    "linear operator": (
        sparse.linalg.aslinearoperator(MATRIX).matvec,
        lambda u, x: (sparse.linalg.aslinearoperator(MATRIX).rmatvec(u),),
        (4,),
    ),
    "periodic filter": (
        lambda x: ndimage.correlate1d(x, [1.0, -2.0, 0.5], mode="wrap"),
        lambda u, x: (ndimage.convolve1d(u, [1.0, -2.0, 0.5], mode="wrap"),),
        (3, 6),
    ),
    "convolution": (
        lambda x: signal.convolve(x, np.array([1.0, -2.0, 0.5]), mode="full"),
        lambda u, x: (signal.correlate(u, np.array([1.0, -2.0, 0.5]), mode="valid"),),
        (6,),
    ),
}


@pytest.mark.parametrize("name", LINEAR)
def test_an_adjoint_is_right(name):
    forward, backward, shape = LINEAR[name]
    x = np.random.default_rng(9).normal(size=shape)
    result = gradcheck.check_vjp(forward, backward, (x,))
    assert result.verdict is Verdict.CORRECT, str(result)


def test_an_inverse_is_not_an_adjoint():
    x = np.random.default_rng(9).normal(size=7)
    result = gradcheck.check_vjp(fft.dct, lambda u, x: (fft.idct(u),), (x,))
    assert result.verdict is Verdict.WRONG, str(result)


def test_a_convolution_is_bilinear():
    rng = np.random.default_rng(10)

    def backward(cotangent, x, kernel):
        by_x = np.correlate(cotangent, kernel, mode="valid")
        return by_x, np.correlate(cotangent, x, mode="valid")

    inputs = (rng.normal(size=6), rng.normal(size=3))
    result = gradcheck.check_vjp(np.convolve, backward, inputs)
    assert result.verdict is Verdict.CORRECT, str(result)
