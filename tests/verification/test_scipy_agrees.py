"""SciPy's forward differences confirm every gradient of ``models/`` and ``losses/``."""

import numpy as np
import pytest
from hypothesis import assume, given, settings

from losses import L1, L2, LOSSES
from models import CATALOGUE, LayerSubject
from tests.losses.loss_data import labels_for, predictions_for
from tests.verification.drawn import networks_with_losses
from tests.verification.forward_difference import error_over_bound

SHAPES = [(5, 3), (3,), (2, 3, 4), (1, 1)]


class PenaltySubject:
    """A penalty as a function of its weight."""

    def __init__(self, penalty):
        self.penalty = penalty

    def value(self, inputs):
        return self.penalty.value(inputs["weight"])

    def vjp(self, inputs, cotangent):
        return {"weight": cotangent * self.penalty.gradient(inputs["weight"])}


class Scaled:
    """A subject whose claim is a little off."""

    def __init__(self, subject, name, factor):
        self.subject, self.name, self.factor = subject, name, factor
        self.value = subject.value

    def vjp(self, inputs, cotangent):
        claimed = dict(self.subject.vjp(inputs, cotangent))
        claimed[self.name] = claimed[self.name] * self.factor
        return claimed


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("shape", SHAPES)
def test_scipy_confirms_every_loss(loss, shape):
    rng = np.random.default_rng(0)
    p, y = predictions_for(loss, rng, shape), labels_for(loss, rng, shape)
    assert error_over_bound(loss.subject(y), {"predictions": p}, 0.7) <= 1


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("shape", [(5, 3), (3,), (2, 4, 3)])
def test_scipy_confirms_every_layer(name, shape):
    rng = np.random.default_rng(1)
    layer = CATALOGUE[name].build(3, 3)
    inputs = {"x": rng.normal(size=shape)}
    inputs |= {key: rng.normal(size=size) for key, size in layer.parameter_shapes.items()}
    assert error_over_bound(LayerSubject(layer), inputs, rng.normal(size=shape)) <= 1


@pytest.mark.parametrize("penalty", [L1(0.3), L2(0.3)])
def test_scipy_confirms_every_penalty(penalty):
    weight = np.random.default_rng(2).normal(size=(3, 4))
    assert error_over_bound(PenaltySubject(penalty), {"weight": weight}, 0.7) <= 1


@given(networks_with_losses(stacked=False))
@settings(max_examples=100)
def test_scipy_confirms_every_gradient_of_random_networks(drawn):
    assume(drawn.room > 1e-3)  # the curvature step must not leave the domain of the logarithm
    assert error_over_bound(drawn.subject, drawn.inputs, 0.7) <= 1


@pytest.mark.parametrize("factor", [-1, 0, 0.5, 2, 1.001])
@pytest.mark.parametrize("name", ["x", "weight", "bias"])
def test_scipy_refutes_a_gradient_that_is_off(name, factor):
    rng = np.random.default_rng(3)
    layer = CATALOGUE["dense"].build(3, 2)
    inputs = {"x": rng.normal(size=(4, 3))}
    inputs |= {key: rng.normal(size=size) for key, size in layer.parameter_shapes.items()}
    lie = Scaled(LayerSubject(layer), name, factor)
    assert error_over_bound(lie, inputs, rng.normal(size=(4, 2))) > 1
