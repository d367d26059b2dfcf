"""Derivatives that scipy.special ships beside their functions: code that nobody here wrote."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from scipy import special

import gradcheck
from gradcheck import Verdict
from tests.real.witness import scipy_error


class Pair(NamedTuple):
    """A function of one real variable, its derivative, and an interval inside its domain."""

    value: object
    slope: object
    low: float
    high: float


ROOT_PI = np.sqrt(np.pi)


def normal_density(x):
    return np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)


def lambert(x):
    return special.lambertw(x).real


ELEMENTWISE = {
    "gammaln": Pair(special.gammaln, special.digamma, 0.05, 60.0),
    "digamma": Pair(special.digamma, lambda x: special.polygamma(1, x), 0.05, 60.0),
    "gamma": Pair(special.gamma, lambda x: special.gamma(x) * special.digamma(x), 0.2, 20.0),
    "ndtr": Pair(special.ndtr, normal_density, -5.0, 5.0),
    "ndtri": Pair(special.ndtri, lambda p: 1 / normal_density(special.ndtri(p)), 0.01, 0.99),
    "log_ndtr": Pair(
        special.log_ndtr,
        lambda x: np.exp(-(x**2) / 2 - special.log_ndtr(x)) / np.sqrt(2 * np.pi),
        -10.0,
        5.0,
    ),
    "erf": Pair(special.erf, lambda x: 2 / ROOT_PI * np.exp(-(x**2)), -4.0, 4.0),
    "erfc": Pair(special.erfc, lambda x: -2 / ROOT_PI * np.exp(-(x**2)), -4.0, 4.0),
    "erfcx": Pair(special.erfcx, lambda x: 2 * x * special.erfcx(x) - 2 / ROOT_PI, -3.0, 8.0),
    "erfinv": Pair(
        special.erfinv, lambda p: ROOT_PI / 2 * np.exp(special.erfinv(p) ** 2), -0.95, 0.95
    ),
    "dawsn": Pair(special.dawsn, lambda x: 1 - 2 * x * special.dawsn(x), -5.0, 5.0),
    "expit": Pair(special.expit, lambda x: special.expit(x) * special.expit(-x), -12.0, 12.0),
    "log_expit": Pair(special.log_expit, lambda x: special.expit(-x), -12.0, 12.0),
    "logit": Pair(special.logit, lambda p: 1 / (p * (1 - p)), 0.01, 0.99),
    "entr": Pair(special.entr, lambda x: -np.log(x) - 1, 0.01, 5.0),
    "i0": Pair(special.i0, special.i1, -10.0, 10.0),
    "i1": Pair(special.i1, lambda x: special.ivp(1, x), 0.1, 10.0),
    "j0": Pair(special.j0, lambda x: -special.j1(x), -20.0, 20.0),
    "y0": Pair(special.y0, lambda x: -special.y1(x), 0.5, 20.0),
    "k0": Pair(special.k0, lambda x: -special.k1(x), 0.1, 10.0),
    "jv": Pair(lambda x: special.jv(2.5, x), lambda x: special.jvp(2.5, x), 0.5, 20.0),
    "expm1": Pair(special.expm1, np.exp, -5.0, 5.0),
    "log1p": Pair(special.log1p, lambda x: 1 / (1 + x), -0.9, 50.0),
    "cosm1": Pair(special.cosm1, lambda x: -np.sin(x), -6.0, 6.0),
    "cbrt": Pair(special.cbrt, lambda x: special.cbrt(x) / (3 * x), 0.01, 50.0),
    "exp10": Pair(special.exp10, lambda x: np.log(10) * special.exp10(x), -3.0, 3.0),
    "spence": Pair(special.spence, lambda x: np.log(x) / (1 - x), 1.1, 8.0),
    "lambertw": Pair(lambert, lambda x: lambert(x) / (x * (1 + lambert(x))), 0.1, 20.0),
    "sine integral": Pair(lambda x: special.sici(x)[0], lambda x: np.sin(x) / x, 0.1, 20.0),
    "exp1": Pair(special.exp1, lambda x: -np.exp(-x) / x, 0.1, 10.0),
    "fresnel": Pair(lambda x: special.fresnel(x)[0], lambda x: np.sin(np.pi * x**2 / 2), -3.0, 3.0),
    "airy": Pair(lambda x: special.airy(x)[0], lambda x: special.airy(x)[1], -8.0, 5.0),
    "airy derivative": Pair(
        lambda x: special.airy(x)[1], lambda x: x * special.airy(x)[0], -8.0, 5.0
    ),
    "elliptic integral": Pair(
        special.ellipk,
        lambda m: (special.ellipe(m) - (1 - m) * special.ellipk(m)) / (2 * m * (1 - m)),
        0.05,
        0.95,
    ),
    "hypergeometric": Pair(
        lambda x: special.hyp2f1(1.5, 2.0, 3.5, x),
        lambda x: 1.5 * 2.0 / 3.5 * special.hyp2f1(2.5, 3.0, 4.5, x),
        -0.9,
        0.8,
    ),
    "incomplete gamma": Pair(
        lambda x: special.gammainc(2.5, x),
        lambda x: np.exp(1.5 * np.log(x) - x - special.gammaln(2.5)),
        0.05,
        12.0,
    ),
    "incomplete beta": Pair(
        lambda x: special.betainc(2.5, 1.5, x),
        lambda x: x**1.5 * (1 - x) ** 0.5 / special.beta(2.5, 1.5),
        0.05,
        0.95,
    ),
    "boxcox": Pair(lambda x: special.boxcox(x, 0.3), lambda x: x ** (0.3 - 1), 0.05, 20.0),
    "huber": Pair(lambda x: special.huber(1.0, x), lambda x: np.clip(x, -1.0, 1.0), -4.0, 4.0),
    "pseudo-huber": Pair(
        lambda x: special.pseudo_huber(1.5, x),
        lambda x: x / np.sqrt(1 + (x / 1.5) ** 2),
        -6.0,
        6.0,
    ),
}


def points(pair, seed):
    """Seven points of the interval, two of them equal."""
    x = np.random.default_rng(seed).uniform(pair.low, pair.high, 7)
    x[-1] = x[0]
    return x


def pulled_back(slope, factor=1.0):
    return lambda cotangent, x: (factor * cotangent * slope(x),)


named = pytest.mark.parametrize("pair", ELEMENTWISE.values(), ids=ELEMENTWISE.keys())


@named
@pytest.mark.parametrize("seed", range(3))
def test_scipy_ships_the_right_derivative(pair, seed):
    result = gradcheck.check_vjp(
        pair.value, pulled_back(pair.slope), (points(pair, seed),), seed=seed
    )
    assert result.verdict is Verdict.CORRECT, str(result)


@named
def test_a_derivative_off_by_a_millionth_is_wrong(pair):
    lie = pulled_back(pair.slope, factor=1 + 1e-6)
    result = gradcheck.check_vjp(pair.value, lie, (points(pair, 0),))
    assert result.verdict is Verdict.WRONG, str(result)


@named
def test_scipy_check_grad_agrees(pair):
    x = points(pair, 1)
    assert scipy_error(lambda x: np.sum(pair.value(x)), pair.slope, x) <= 1


@named
def test_scipy_check_grad_sees_a_derivative_off_by_a_hundredth(pair):
    x = points(pair, 1)
    assert scipy_error(lambda x: np.sum(pair.value(x)), lambda x: 1.01 * pair.slope(x), x) > 1


class Many(NamedTuple):
    """A function of several arrays with its pull-back, and a way to make its arguments."""

    value: object
    backward: object
    arguments: object


def positive(rng, *shape):
    return rng.uniform(0.2, 4.0, shape)


def softmax_backward(cotangent, z):
    p = special.softmax(z, axis=-1)
    return (p * (cotangent - np.sum(p * cotangent, axis=-1, keepdims=True)),)


def log_softmax_backward(cotangent, z):
    total = np.sum(cotangent, axis=-1, keepdims=True)
    return (cotangent - special.softmax(z, axis=-1) * total,)


def logsumexp_backward(cotangent, z):
    return (cotangent[..., None] * special.softmax(z, axis=-1),)


def weighted_logsumexp_backward(cotangent, z, weights):
    shifted = np.exp(z - special.logsumexp(z, axis=-1, b=weights)[..., None])
    return cotangent[..., None] * weights * shifted, cotangent[..., None] * shifted


def betaln_backward(cotangent, a, b):
    both = special.digamma(a + b)
    return cotangent * (special.digamma(a) - both), cotangent * (special.digamma(b) - both)


def boxcox_backward(cotangent, x, power):
    by_power = (x**power * (power * np.log(x) - 1) + 1) / power**2
    return cotangent * x ** (power - 1), cotangent * by_power


MANY = {
    "xlogy": Many(
        special.xlogy,
        lambda u, x, y: (u * np.log(y), u * x / y),
        lambda rng: (positive(rng, 4), positive(rng, 4)),
    ),
    "xlog1py": Many(
        special.xlog1py,
        lambda u, x, y: (u * np.log1p(y), u * x / (1 + y)),
        lambda rng: (positive(rng, 4), positive(rng, 4)),
    ),
    "rel_entr": Many(
        special.rel_entr,
        lambda u, x, y: (u * (np.log(x / y) + 1), -u * x / y),
        lambda rng: (positive(rng, 4), positive(rng, 4)),
    ),
    "kl_div": Many(
        special.kl_div,
        lambda u, x, y: (u * np.log(x / y), u * (1 - x / y)),
        lambda rng: (positive(rng, 4), positive(rng, 4)),
    ),
    "betaln": Many(
        special.betaln, betaln_backward, lambda rng: (positive(rng, 4), positive(rng, 4))
    ),
    "boxcox": Many(
        special.boxcox, boxcox_backward, lambda rng: (positive(rng, 4), positive(rng, 4))
    ),
    "softmax": Many(
        lambda z: special.softmax(z, axis=-1),
        softmax_backward,
        lambda rng: (rng.normal(size=(3, 5)),),
    ),
    "log_softmax": Many(
        lambda z: special.log_softmax(z, axis=-1),
        log_softmax_backward,
        lambda rng: (rng.normal(size=(3, 5)),),
    ),
    "logsumexp": Many(
        lambda z: special.logsumexp(z, axis=-1),
        logsumexp_backward,
        lambda rng: (rng.normal(size=(3, 5)),),
    ),
    "weighted logsumexp": Many(
        lambda z, b: special.logsumexp(z, axis=-1, b=b),
        weighted_logsumexp_backward,
        lambda rng: (rng.normal(size=(3, 5)), positive(rng, 3, 5)),
    ),
}

named_many = pytest.mark.parametrize("many", MANY.values(), ids=MANY.keys())


@named_many
@pytest.mark.parametrize("seed", range(3))
def test_every_argument_has_the_right_gradient(many, seed):
    arguments = many.arguments(np.random.default_rng(seed))
    result = gradcheck.check_vjp(many.value, many.backward, arguments, seed=seed)
    assert result.verdict is Verdict.CORRECT, str(result)


@named_many
def test_an_error_in_one_entry_of_the_last_argument_is_wrong(many):
    def lie(cotangent, *arguments):
        *right, last = many.backward(cotangent, *arguments)
        last = np.array(last)
        last.flat[0] *= 1.01
        return (*right, last)

    arguments = many.arguments(np.random.default_rng(0))
    result = gradcheck.check_vjp(many.value, lie, arguments)
    assert result.verdict is Verdict.WRONG, str(result)


def faddeeva_slope(z):
    return 2j / ROOT_PI - 2 * z * special.wofz(z)


def test_a_holomorphic_function_is_checked_on_complex_input():
    rng = np.random.default_rng(0)
    z = rng.normal(size=4) + 1j * rng.uniform(0.1, 2.0, 4)
    result = gradcheck.check_vjp(special.wofz, lambda u, z: (u * np.conj(faddeeva_slope(z)),), (z,))
    assert result.verdict is Verdict.CORRECT, str(result)


def test_a_forgotten_conjugate_is_wrong():
    rng = np.random.default_rng(0)
    z = rng.normal(size=4) + 1j * rng.uniform(0.1, 2.0, 4)
    result = gradcheck.check_vjp(special.wofz, lambda u, z: (u * faddeeva_slope(z),), (z,))
    assert result.verdict is Verdict.WRONG, str(result)
