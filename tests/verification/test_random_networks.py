"""Random networks, inputs, labels and losses: every gradient of backpropagation is right.

The gradients are those by the input, by every weight and bias, and by every weighted sum and
activation; all of them are claims of one subject.
"""

import numpy as np
import pytest
from hypothesis import given, settings

import gradcheck
import losses
import models
from gradcheck import Verdict
from losses import LOSSES
from models import Dense, Network, Sigmoid, Tanh
from tests.verification.drawn import Drawn, networks_with_losses
from tests.verification.verdicts import Verdicts

NAMES = {**vars(models), **vars(losses), "Drawn": Drawn}


@pytest.mark.parametrize("zeros", [(0.0,), (0.2, 0.5, 0.9)], ids=["generic", "with zeros"])
def test_every_gradient_of_a_random_network_is_right(zeros):
    verdicts = Verdicts()

    @settings(max_examples=120)
    @given(networks_with_losses(zeros=zeros))
    def verify(drawn):
        result = gradcheck.check(drawn.subject, drawn.inputs, kinks=drawn.kinks, seed=drawn.seed)
        verdicts.add(result)

    verify()
    verdicts.require_decisions()


def test_every_entry_of_every_gradient_is_right():
    verdicts = Verdicts()

    @settings(max_examples=25)
    @given(networks_with_losses())
    def verify(drawn):
        result = gradcheck.check(drawn.subject, drawn.inputs, kinks=drawn.kinks, exhaustive=True)
        verdicts.add(result)

    verify()
    verdicts.require_decisions()


def test_every_layer_is_right_where_the_network_uses_it():
    verdicts = Verdicts()

    @settings(max_examples=40)
    @given(networks_with_losses())
    def verify(drawn):
        for call in drawn.subject.layers(drawn.inputs, 1.0):
            verdicts.add(gradcheck.check(call.subject, call.inputs, kinks=drawn.kinks))

    verify()
    verdicts.require_decisions()


def test_a_drawn_network_is_rebuilt_by_its_repr():
    @settings(max_examples=20)
    @given(networks_with_losses(zeros=(0.0, 0.5)))
    def verify(drawn):
        assert eval(repr(drawn), NAMES) == drawn

    verify()


class Scaled:
    """A subject whose claim for one input is off by a factor."""

    def __init__(self, subject, name, factor):
        self.name, self.value = subject.name, subject.value
        self.claim, self.scaled, self.factor = subject.vjp, name, factor

    def vjp(self, inputs, cotangent):
        claimed = dict(self.claim(inputs, cotangent))
        return claimed | {self.scaled: self.factor * claimed[self.scaled]}


@pytest.mark.parametrize("kinks", ["strict", "lenient"])
@pytest.mark.parametrize("factor", [-1, 2, 1.01, 1.0001, 1.000001])
@pytest.mark.parametrize("name", ["x", "layers[0].weight", "layers[2].bias", "layers[1].a"])
def test_one_gradient_that_is_off_turns_a_network_red(name, factor, kinks):
    rng = np.random.default_rng(5)
    network = Network([Dense(3, 4), Tanh(), Dense(4, 3), Sigmoid(), Dense(3, 2)])
    labels = np.eye(2)[[0, 1, 1]]
    subject = network.subject(LOSSES["softmax_cross_entropy"], labels, signals=True)
    inputs = subject.inputs(network.initialise(rng), rng.normal(size=(3, 3)))
    result = gradcheck.check(Scaled(subject, name, factor), inputs, kinks=kinks)
    assert result.verdict is Verdict.WRONG


class Twisted:
    """A layer whose backward forgets a factor 2."""

    has_kink = False
    parameter_shapes = {}  # noqa: RUF012

    def forward(self, params, x):
        return x * x, x

    def backward(self, params, residuals, y_bar):
        return {}, residuals * y_bar

    def __repr__(self):
        return "Twisted()"


@pytest.mark.parametrize("position", [1, 3, 5])
def test_one_wrong_layer_is_found_and_named(position):
    layers = [Dense(3, 4), Tanh(), Dense(4, 3), Sigmoid(), Dense(3, 2)]
    layers.insert(position, Twisted())
    network = Network(layers)
    rng = np.random.default_rng(position)
    subject = network.subject(LOSSES["softmax_cross_entropy"], np.eye(2)[[0, 1, 1]])
    inputs = subject.inputs(network.initialise(rng), rng.normal(size=(3, 3)))
    result = gradcheck.check(subject, inputs)
    assert result.verdict is Verdict.WRONG
    assert result.guilty_layer.startswith(f"layers[{position}]")
