"""Every layer and every loss by itself, at points Hypothesis chooses, wild ones among them."""

import numpy as np
import pytest
from hypothesis import given, settings

import gradcheck
from gradcheck import strategies as gst
from losses import L1, L2, LOSSES, Huber, MeanSquaredError, Objective
from models import CATALOGUE, ELU, LayerSubject, LeakyReLU
from tests.verification.verdicts import Verdicts

LAYERS = {name: entry.build(3, 3) for name, entry in CATALOGUE.items()} | {
    "steep leaky_relu": LeakyReLU(0.3),
    "elu with a kink": ELU(0.5),
}
PREDICTIONS = {
    "real": gst.array("n k"),
    "logits": gst.array("n k"),
    "probabilities": gst.probabilities("n k"),
}
LABELS = {
    "real": gst.array("n k"),
    "binary": gst.array("n k", domain=(0, 1), dtype="int64"),
    "one_hot": gst.one_hot("n k"),
    "classes": gst.labels("n", classes="k"),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_no_point_shows_a_layer_wrong(layer):
    verdicts = Verdicts()
    shapes = {"weight": "3 3", "bias": "3"} if layer.parameter_shapes else {}

    @settings(max_examples=60)
    @given(gst.cases({"x": "... 3", **shapes}))
    def verify(case):
        verdicts.add(gradcheck.check(LayerSubject(layer), case.arrays, seed=case.seed))

    verify()
    verdicts.require_decisions()


@pytest.mark.parametrize("loss", [*LOSSES.values(), Huber(0.25)], ids=repr)
def test_no_point_shows_a_loss_wrong(loss):
    verdicts = Verdicts()
    arguments = {"predictions": PREDICTIONS[loss.predictions], "labels": LABELS[loss.labels]}

    @settings(max_examples=60)
    @given(gst.cases(arguments, axes={"n": (1, 5), "k": (1, 5)}))
    def verify(case):
        inputs = {"predictions": case.arrays["predictions"]}
        subject = loss.subject(case.arrays["labels"])
        verdicts.add(gradcheck.check(subject, inputs, seed=case.seed))

    verify()
    verdicts.require_decisions()


@pytest.mark.parametrize("penalty", [L1(0.3), L2(0.3)])
def test_no_point_shows_a_penalty_wrong(penalty):
    verdicts = Verdicts()

    @settings(max_examples=60)
    @given(gst.cases({"weight": "d k"}))
    def verify(case):
        weight = case.arrays["weight"]
        verdicts.add(gradcheck.check_grad(penalty.value, penalty.gradient, weight))

    verify()
    verdicts.require_decisions()


def test_no_point_shows_an_objective_wrong():
    verdicts = Verdicts()
    objective = Objective(MeanSquaredError(), (L1(0.1), L2(0.2)))
    labels = np.random.default_rng(0).normal(size=4)

    def forward(predictions, v, w):
        return objective.value(predictions, labels, [v, w])

    def backward(cotangent, predictions, v, w):
        by_predictions, by_weights = objective.gradient(predictions, labels, [v, w])
        return tuple(cotangent * gradient for gradient in (by_predictions, *by_weights))

    @settings(max_examples=60)
    @given(gst.cases({"predictions": "4", "v": "d k", "w": "k"}))
    def verify(case):
        verdicts.add(gradcheck.check_vjp(forward, backward, case.arrays))

    verify()
    verdicts.require_decisions()
