"""Backpropagation through whole networks, and networks as named subjects."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

import models
from losses import LOSSES, MeanSquaredError
from models import CATALOGUE, Dense, Identity, Network, ReLU, Sigmoid, Softmax, Tanh
from tests.losses.loss_data import labels_for
from tests.losses.numeric import central_differences, complex_step

DEEP = Network([Dense(3, 5), Tanh(), Dense(5, 4), Sigmoid(), Dense(4, 2), Softmax()])


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def test_two_layers_are_the_chain_rule_by_hand():
    # z = 2·3 + 1 = 7, a = 7 (ReLU), y = -1·7 + 0.5 = -6.5, cost (y - 0)² = 42.25, ȳ = -13
    network = Network([Dense(1, 1), ReLU(), Dense(1, 1)])
    params = [
        {"weight": np.array([[2.0]]), "bias": np.array([1.0])},
        {},
        {"weight": np.array([[-1.0]]), "bias": np.array([0.5])},
    ]
    cost, gradients = network.value_and_gradients(
        params, np.array([[3.0]]), np.array([[0.0]]), MeanSquaredError()
    )
    assert cost == 42.25
    assert gradients.parameters == [
        {"weight": 39.0, "bias": 13.0},
        {},
        {"weight": -91, "bias": -13},
    ]
    assert [bar.item() for bar in gradients.outputs] == [13.0, 13.0, -13.0]
    assert {i: bar.item() for i, bar in gradients.weighted_sums.items()} == {0: 13.0, 2: -13.0}
    assert {i: bar.item() for i, bar in gradients.activations.items()} == {1: 13.0}
    assert gradients.x.item() == 26.0


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
@pytest.mark.parametrize("estimate", [central_differences, complex_step])
def test_every_gradient_is_the_derivative_of_the_cost(loss, estimate, rng):
    last = Softmax() if loss.predictions == "probabilities" else Identity()
    network = Network([Dense(3, 4), Tanh(), Dense(4, 2), last])
    subject = network.subject(loss, labels_for(loss, rng, (5, 2)), signals=True)
    inputs = subject.inputs(network.initialise(rng), rng.normal(size=(5, 3)))
    claimed = subject.vjp(inputs, 1.0)
    assert list(claimed) == list(inputs)
    for name, array in inputs.items():
        derivative = estimate(lambda v, name=name: subject.value({**inputs, name: v}), array)
        np.testing.assert_allclose(claimed[name], derivative, rtol=1e-6, atol=1e-9, err_msg=name)


def test_the_names_of_the_gradients_cover_weights_biases_sums_activations_and_input(rng):
    subject = DEEP.subject(signals=True)
    inputs = subject.inputs(DEEP.initialise(rng), np.ones((1, 3)))
    own = [f"layers[{i}].{name}" for i in (0, 2, 4) for name in ("weight", "bias", "z")]
    assert set(inputs) == {"x", *own, *(f"layers[{i}].a" for i in (1, 3, 5))}


def test_the_gradient_by_a_signal_is_that_of_what_follows(rng):
    params, x, y_bar = DEEP.initialise(rng), rng.normal(size=(4, 3)), rng.normal(size=(4, 2))
    _, trace = DEEP.forward(params, x)
    gradients = DEEP.backward(params, trace, y_bar)
    for i in range(len(DEEP.layers) - 1):
        rest, own = Network(DEEP.layers[i + 1 :]), params[i + 1 :]
        _, rest_trace = rest.forward(own, trace.outputs[i])
        by_signal = rest.backward(own, rest_trace, y_bar).x
        np.testing.assert_array_equal(gradients.outputs[i], by_signal)


def test_a_shift_is_added_where_it_says(rng):
    network = Network([Dense(2, 2), Tanh()])
    params, x, shift = network.initialise(rng), rng.normal(size=(3, 2)), rng.normal(size=(3, 2))
    z = x @ params[0]["weight"] + params[0]["bias"]
    output, trace = network.forward(params, x, {0: shift})
    np.testing.assert_array_equal(output, np.tanh(z + shift))
    np.testing.assert_array_equal(trace.outputs[0], z + shift)
    np.testing.assert_array_equal(network.forward(params, x, {1: shift})[0], np.tanh(z) + shift)


def test_value_and_gradients_are_those_of_the_subject(rng):
    loss, y = LOSSES["categorical_cross_entropy"], np.eye(2)[[0, 1, 1]]
    params, x = DEEP.initialise(rng), rng.normal(size=(3, 3))
    cost, gradients = DEEP.value_and_gradients(params, x, y, loss)
    subject = DEEP.subject(loss, y)
    inputs = subject.inputs(params, x)
    claimed = subject.vjp(inputs, np.float64(1.0))
    assert subject.value(inputs) == cost
    np.testing.assert_array_equal(claimed["x"], gradients.x)
    for name in ("weight", "bias"):
        np.testing.assert_array_equal(claimed[f"layers[2].{name}"], gradients.parameters[2][name])


def test_the_layers_of_a_subject_chain_to_its_value_and_its_gradient(rng):
    loss, y = LOSSES["categorical_cross_entropy"], np.eye(2)[[0, 1, 1]]
    subject = DEEP.subject(loss, y)
    inputs = subject.inputs(DEEP.initialise(rng), rng.normal(size=(3, 3)))
    calls, claimed = subject.layers(inputs, 2.0), subject.vjp(inputs, 2.0)
    assert [call.name for call in calls] == [*(f"layers[{i}]" for i in range(6)), "loss"]
    for call, following in pairwise(calls):
        arrival = following.inputs["predictions" if following.name == "loss" else "x"]
        np.testing.assert_array_equal(call.subject.value(call.inputs), arrival)
        upstream = following.subject.vjp(following.inputs, following.cotangent)
        np.testing.assert_array_equal(next(iter(upstream.values())), call.cotangent)
    first = calls[0].subject.vjp(calls[0].inputs, calls[0].cotangent)
    np.testing.assert_array_equal(first["x"], claimed["x"])
    np.testing.assert_array_equal(first["weight"], claimed["layers[0].weight"])
    assert calls[-1].subject.value(calls[-1].inputs) == subject.value(inputs)


def test_a_subject_without_a_loss_has_the_layers_only(rng):
    subject = DEEP.subject()
    inputs = subject.inputs(DEEP.initialise(rng), rng.normal(size=(3, 3)))
    calls = subject.layers(inputs, np.ones((3, 2)))
    assert len(calls) == 6
    np.testing.assert_array_equal(calls[-1].subject.value(calls[-1].inputs), subject.value(inputs))


@pytest.mark.parametrize("signals", [False, True])
@pytest.mark.parametrize("layers", [[Identity()], [Identity(), Identity()], [Dense(3, 3)]])
def test_no_gradient_shares_memory_with_what_was_handed_in(layers, signals, rng):
    network = Network(layers)
    subject = network.subject(signals=signals)
    inputs = subject.inputs(network.initialise(rng), rng.normal(size=(2, 3)))
    cotangent = rng.normal(size=(2, 3))
    claimed = subject.vjp(inputs, cotangent)
    given = [cotangent, *inputs.values()]
    shared = [
        name for name, bar in claimed.items() for array in given if np.shares_memory(bar, array)
    ]
    assert shared == []


@dataclass(frozen=True)
class Doubled:
    """A layer of another project: nothing but the documented attributes."""

    has_kink = False
    parameter_shapes = {"gain": (1,)}  # noqa: RUF012

    def forward(self, params, x):
        return 2 * params["gain"] * x, x

    def backward(self, params, residuals, y_bar):
        return {"gain": np.atleast_1d((2 * residuals * y_bar).sum())}, 2 * params["gain"] * y_bar


def test_a_foreign_layer_fits_in(rng):
    network = Network([Dense(3, 2), Doubled(), Dense(2, 1)])
    subject = network.subject(signals=True)
    inputs = subject.inputs(network.initialise(rng, bias=models.lecun_normal), np.ones((2, 3)))
    claimed = subject.vjp(inputs, np.ones((2, 1)))
    for name, array in inputs.items():
        derivative = central_differences(
            lambda v, name=name: subject.value({**inputs, name: v}).sum(), array
        )
        np.testing.assert_allclose(claimed[name], derivative, atol=1e-8)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_repr_of_a_network_rebuilds_it(name):
    network = Network([Dense(2, 3), CATALOGUE[name].build(3, 3)])
    assert eval(repr(network), vars(models)) == network


def test_parameters_are_kept_apart_from_structure(rng):
    params = DEEP.initialise(rng)
    assert [sorted(own) for own in params] == [["bias", "weight"], []] * 3
    assert hash(DEEP) == hash(eval(repr(DEEP), vars(models)))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "expected at least one layer"),
        ([Dense(2, 3), Dense(2, 1)], "after a width of 3, expected in_width=3"),
        ([Dense(2, 3), Tanh(), Dense(4, 1)], "after a width of 3"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, message):
    with pytest.raises(ValueError, match=message):
        Network(layers)


def test_parameters_of_another_network_are_refused(rng):
    with pytest.raises(ValueError, match="got 1 entries, expected 6"):
        DEEP.predict(DEEP.initialise(rng)[:1], np.ones((1, 3)))


def test_pixels_may_be_whole_numbers(rng):
    params = DEEP.initialise(rng)
    pixels = rng.integers(0, 16, (4, 3))
    np.testing.assert_array_equal(
        DEEP.predict(params, pixels), DEEP.predict(params, pixels.astype(float))
    )
    assert DEEP.predict(params, [[1, 2, 3]]).shape == (1, 2)
