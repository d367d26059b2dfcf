"""Optimisers and initialisers against their closed forms."""

import math

import numpy as np
import pytest

from models import (
    Adam,
    Dense,
    GradientDescent,
    Momentum,
    Network,
    Tanh,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    zeros,
)

OPTIMISERS = [GradientDescent(0.1), Momentum(0.1), Adam(0.1)]


def run(optimiser, start, gradient, steps):
    params = [{"w": np.array([start])}, {}]
    state = optimiser.start(params)
    for _ in range(steps):
        params, state = optimiser.update(params, [{"w": gradient(params[0]["w"])}, {}], state)
    return params[0]["w"].item()


def test_gradient_descent_on_a_parabola_is_geometric():
    assert run(GradientDescent(0.1), 8.0, lambda w: w, 5) == pytest.approx(8 * 0.9**5, rel=1e-14)


def test_momentum_under_a_constant_force_adds_up_a_geometric_series():
    # after t steps v is (1 - 0.5^t)/(1 - 0.5); three steps of 0.1 (1 + 1.5 + 1.75)
    assert run(Momentum(0.1, decay=0.5), 0.0, np.ones_like, 3) == pytest.approx(-0.425)


def test_momentum_without_memory_is_gradient_descent():
    plain = run(GradientDescent(0.1), 8.0, lambda w: w, 5)
    assert run(Momentum(0.1, decay=0.0), 8.0, lambda w: w, 5) == plain


@pytest.mark.parametrize("force", [1e-3, 1.0, -1e3])
def test_adam_under_a_constant_force_steps_by_its_rate(force):
    # both running means are unbiased, so m/√s is ±1 whatever the size of the force
    end = run(Adam(0.1), 0.0, lambda w: np.full_like(w, force), 7)
    assert end == pytest.approx(-0.7 * math.copysign(1, force), rel=1e-4)


def test_two_steps_of_adam_are_the_published_algorithm():
    m = s = theta = 0.0
    for t, g in [(1, 3.0), (2, -1.0)]:
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
        theta -= 0.1 * (m / (1 - 0.9**t)) / (math.sqrt(s / (1 - 0.999**t)) + 1e-8)
    forces = iter([3.0, -1.0])
    assert run(Adam(0.1), 0.0, lambda w: np.full_like(w, next(forces)), 2) == pytest.approx(theta)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_an_update_changes_nothing_in_place(optimiser):
    params, gradients = [{"w": np.ones(2)}], [{"w": np.ones(2)}]
    for array in (params[0]["w"], gradients[0]["w"]):
        array.flags.writeable = False
    state = optimiser.start(params)
    first, _ = optimiser.update(params, gradients, state)
    second, _ = optimiser.update(params, gradients, state)
    np.testing.assert_array_equal(first[0]["w"], second[0]["w"])


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_a_minimum_is_not_left(optimiser):
    assert run(optimiser, 5.0, np.zeros_like, 3) == 5.0


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_the_repr_of_an_optimiser_rebuilds_it(optimiser):
    assert eval(repr(optimiser)) == optimiser


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GradientDescent(0), "rate: got 0"),
        (lambda: Momentum(float("nan")), "rate: got nan"),
        (lambda: Momentum(0.1, decay=1.0), "decay: got 1.0"),
        (lambda: Adam(beta_mean=-0.1), "beta_mean: got -0.1"),
        (lambda: Adam(beta_square=2), "beta_square: got 2"),
        (lambda: Adam(epsilon=0), "epsilon: got 0"),
    ],
)
def test_unusable_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("initialiser", "variance"),
    [
        (glorot_uniform, 2 / 500),
        (glorot_normal, 2 / 500),
        (he_uniform, 2 / 300),
        (he_normal, 2 / 300),
        (lecun_uniform, 1 / 300),
        (lecun_normal, 1 / 300),
    ],
)
def test_initial_weights_have_the_published_variance(initialiser, variance):
    weight = initialiser(np.random.default_rng(3), (300, 200))
    assert weight.var() == pytest.approx(variance, rel=0.02)  # 60,000 draws: 0.6 % is one sigma
    assert abs(weight.mean()) < 5 * math.sqrt(variance / weight.size)


@pytest.mark.parametrize("initialiser", [glorot_uniform, he_uniform, lecun_uniform])
def test_uniform_initial_weights_are_bounded(initialiser):
    weight = initialiser(np.random.default_rng(3), (30, 20))
    assert abs(weight).max() <= math.sqrt(3) * weight.std() * 1.1


def test_a_network_starts_with_the_initialisers_it_is_given():
    network = Network([Dense(2, 3), Tanh()])
    params = network.initialise(np.random.default_rng(3), weight=zeros, bias=he_normal)
    assert not params[0]["weight"].any()
    assert params[0]["bias"].all()


def test_the_same_seed_starts_the_same():
    network = Network([Dense(2, 3), Tanh()])
    first, second = (network.initialise(np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first[0]["weight"], second[0]["weight"])
