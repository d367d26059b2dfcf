"""The hand-written gradients inside scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from gradcheck import Verdict
from tests.real.witness import scipy_error

losses = pytest.importorskip("sklearn._loss.loss", reason="scikit-learn is not installed")

from sklearn.datasets import load_digits  # noqa: E402
from sklearn.gaussian_process import GaussianProcessRegressor, kernels  # noqa: E402
from sklearn.linear_model._linear_loss import LinearModelLoss  # noqa: E402

REAL_TARGETS = np.array([-1.5, 0.25, 2.0, 3.5, 0.75])
POSITIVE_TARGETS = np.array([0.5, 1.0, 3.0, 2.0, 7.0])
FRACTIONS = np.array([0.0, 1.0, 0.25, 1.0, 0.5])
BINARY = np.array([0.0, 1.0, 1.0, 0.0, 1.0])

LOSSES = {
    "squared error": (losses.HalfSquaredError(), REAL_TARGETS),
    "absolute error": (losses.AbsoluteError(), REAL_TARGETS),
    "pinball": (losses.PinballLoss(quantile=0.3), REAL_TARGETS),
    "Huber": (losses.HuberLoss(delta=1.0), REAL_TARGETS),
    "Poisson": (losses.HalfPoissonLoss(), POSITIVE_TARGETS),
    "gamma": (losses.HalfGammaLoss(), POSITIVE_TARGETS),
    "Tweedie": (losses.HalfTweedieLoss(power=1.5), POSITIVE_TARGETS),
    "binomial": (losses.HalfBinomialLoss(), FRACTIONS),
    "exponential": (losses.ExponentialLoss(), BINARY),
}
SMOOTH = [name for name in LOSSES if name not in {"absolute error", "pinball", "Huber"}]


def raw_predictions(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape or (5,))


def on_targets(name):
    """The loss and its gradient as functions of the raw prediction alone."""
    loss, target = LOSSES[name]

    def value(raw):
        return loss.loss(target, raw)

    def gradient(raw):
        return loss.gradient(target, np.ascontiguousarray(raw))

    return value, gradient


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("seed", range(3))
def test_a_loss_knows_its_gradient(name, seed):
    value, gradient = on_targets(name)
    result = gradcheck.check_vjp(
        value, lambda u, raw: (u * gradient(raw),), (raw_predictions(seed),), seed=seed
    )
    assert result.verdict is Verdict.CORRECT, str(result)


@pytest.mark.parametrize("name", LOSSES)
def test_half_a_gradient_is_wrong(name):
    value, gradient = on_targets(name)
    result = gradcheck.check_vjp(
        value, lambda u, raw: (u * gradient(raw) / 2,), (raw_predictions(0),)
    )
    assert result.verdict is Verdict.WRONG, str(result)


@pytest.mark.parametrize("name", LOSSES)
def test_scipy_check_grad_agrees_with_the_loss(name):
    value, gradient = on_targets(name)
    assert scipy_error(lambda raw: np.sum(value(raw)), gradient, raw_predictions(0)) <= 1


@pytest.mark.parametrize("name", SMOOTH)
def test_a_hessian_is_the_derivative_of_the_gradient(name):
    loss, target = LOSSES[name]
    _, gradient = on_targets(name)

    def backward(cotangent, raw):
        _, hessian = loss.gradient_hessian(target, np.ascontiguousarray(raw))
        return (cotangent * hessian,)

    result = gradcheck.check_vjp(gradient, backward, (raw_predictions(1),))
    assert result.verdict is Verdict.CORRECT, str(result)


def test_the_multinomial_loss_knows_its_gradient():
    loss = losses.HalfMultinomialLoss(n_classes=3)
    target = np.array([0.0, 2.0, 1.0, 2.0, 0.0])

    def backward(cotangent, raw):
        return (cotangent[:, None] * loss.gradient(target, np.ascontiguousarray(raw)),)

    result = gradcheck.check_vjp(
        lambda raw: loss.loss(target, raw), backward, (raw_predictions(2, 5, 3),)
    )
    assert result.verdict is Verdict.CORRECT, str(result)


def linear_model(loss, target, *, columns=1):
    """A penalised linear model over its own data: coefficients to cost and to gradient."""
    features = np.random.default_rng(11).normal(size=(len(target), 4))
    model = LinearModelLoss(base_loss=loss, fit_intercept=True)
    shape = (5,) if columns == 1 else (columns, 5)
    start = np.asfortranarray(np.random.default_rng(12).normal(size=shape))

    def cost_and_gradient(coefficients):
        return model.loss_gradient(
            np.asfortranarray(coefficients), features, target, l2_reg_strength=0.1
        )

    def hessian_product(coefficients, direction):
        _, product = model.gradient_hessian_product(
            np.asfortranarray(coefficients), features, target, l2_reg_strength=0.1
        )
        return product(direction)

    return cost_and_gradient, hessian_product, start


LINEAR_MODELS = {
    "logistic regression": (losses.HalfBinomialLoss(), BINARY, 1),
    "Poisson regression": (losses.HalfPoissonLoss(), POSITIVE_TARGETS, 1),
    "softmax regression": (
        losses.HalfMultinomialLoss(n_classes=3),
        np.array([0.0, 2.0, 1.0, 2.0, 0.0]),
        3,
    ),
}


@pytest.mark.parametrize("name", LINEAR_MODELS)
def test_a_penalised_linear_model_knows_its_gradient(name):
    loss, target, columns = LINEAR_MODELS[name]
    cost_and_gradient, _, start = linear_model(loss, target, columns=columns)
    result = gradcheck.check_grad(
        lambda w: cost_and_gradient(w)[0], lambda w: cost_and_gradient(w)[1], start
    )
    assert result.verdict is Verdict.CORRECT, str(result)


@pytest.mark.parametrize("name", ["logistic regression", "Poisson regression"])
def test_scipy_check_grad_agrees_with_the_linear_model(name):
    cost_and_gradient, _, start = linear_model(*LINEAR_MODELS[name][:2])
    error = scipy_error(lambda w: cost_and_gradient(w)[0], lambda w: cost_and_gradient(w)[1], start)
    assert error <= 1


def test_the_hessian_product_of_logistic_regression_is_its_own_adjoint():
    cost_and_gradient, hessian_product, start = linear_model(
        *LINEAR_MODELS["logistic regression"][:2]
    )
    result = gradcheck.check_vjp(
        lambda w: cost_and_gradient(w)[1],
        lambda u, w: (hessian_product(w, u),),
        (start,),
    )
    assert result.verdict is Verdict.CORRECT, str(result)


KERNELS = {
    "constant": kernels.ConstantKernel(1.5),
    "white": kernels.WhiteKernel(0.3),
    "RBF": kernels.RBF(0.7),
    "anisotropic RBF": kernels.RBF([0.5, 1.0, 2.0]),
    "Matern 1/2": kernels.Matern(0.8, nu=0.5),
    "Matern 3/2": kernels.Matern(0.8, nu=1.5),
    "Matern 5/2": kernels.Matern([0.5, 1.0, 2.0], nu=2.5),
    "rational quadratic": kernels.RationalQuadratic(0.9, 1.7),
    "periodic": kernels.ExpSineSquared(1.1, 2.3),
    "dot product": kernels.DotProduct(0.6),
    "sum": kernels.RBF(0.7) + kernels.WhiteKernel(0.2),
    "product": kernels.ConstantKernel(2.0) * kernels.Matern(0.8, nu=2.5),
    "power": kernels.RationalQuadratic(0.9, 1.7) ** 2.0,
    "compound": kernels.ConstantKernel(2.0) * kernels.RBF(0.7) + kernels.DotProduct(0.6) ** 2.0,
}


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_knows_its_gradient_in_the_logarithm_of_its_parameters(name):
    kernel = KERNELS[name]
    points = np.random.default_rng(13).normal(size=(5, 3))

    def backward(cotangent, theta):
        _, slopes = kernel.clone_with_theta(theta)(points, eval_gradient=True)
        return (np.tensordot(cotangent, slopes, axes=2),)

    result = gradcheck.check_vjp(
        lambda theta: kernel.clone_with_theta(theta)(points), backward, (kernel.theta.copy(),)
    )
    assert result.verdict is Verdict.CORRECT, str(result)


def test_a_kernel_gradient_in_the_parameters_themselves_is_wrong():
    kernel = KERNELS["rational quadratic"]
    points = np.random.default_rng(13).normal(size=(5, 3))

    def forgets_the_logarithm(cotangent, theta):
        _, slopes = kernel.clone_with_theta(theta)(points, eval_gradient=True)
        return (np.tensordot(cotangent, slopes, axes=2) / np.exp(theta),)

    result = gradcheck.check_vjp(
        lambda theta: kernel.clone_with_theta(theta)(points),
        forgets_the_logarithm,
        (kernel.theta.copy(),),
    )
    assert result.verdict is Verdict.WRONG, str(result)


def test_the_marginal_likelihood_of_a_gaussian_process_knows_its_gradient():
    rng = np.random.default_rng(14)
    x = rng.normal(size=(12, 2))
    kernel = kernels.ConstantKernel(1.0) * kernels.RBF([1.0, 2.0]) + kernels.WhiteKernel(0.1)
    process = GaussianProcessRegressor(kernel, optimizer=None).fit(x, np.sin(x[:, 0]))

    def gradient(theta):
        return process.log_marginal_likelihood(theta, eval_gradient=True)[1]

    theta = process.kernel_.theta.copy()
    result = gradcheck.check_grad(process.log_marginal_likelihood, gradient, theta)
    assert result.verdict is Verdict.CORRECT, str(result)
    assert scipy_error(process.log_marginal_likelihood, gradient, theta) <= 1


def test_the_gradient_of_t_sne_is_right():
    from_sne = pytest.importorskip("sklearn.manifold._t_sne")
    rng = np.random.default_rng(15)
    count = 8
    joint = rng.uniform(0.1, 1.0, count * (count - 1) // 2)
    joint /= 2 * joint.sum()

    def cost(places):
        return from_sne._kl_divergence(places, joint, 1, count, 2)[0]

    def gradient(places):
        return from_sne._kl_divergence(places, joint, 1, count, 2)[1]

    result = gradcheck.check_grad(cost, gradient, rng.normal(size=2 * count))
    assert result.verdict is Verdict.CORRECT, str(result)


def test_logistic_regression_on_real_digits_knows_its_gradient():
    digits = load_digits(n_class=2)
    model = LinearModelLoss(base_loss=losses.HalfBinomialLoss(), fit_intercept=True)
    features, target = digits.data / 16.0, digits.target.astype(float)

    def cost(w):
        return model.loss(w, features, target, l2_reg_strength=1e-3)

    def gradient(w):
        return model.gradient(w, features, target, l2_reg_strength=1e-3)

    start = np.random.default_rng(16).normal(size=65)
    result = gradcheck.check_grad(cost, gradient, start)
    assert result.verdict is Verdict.CORRECT, str(result)
