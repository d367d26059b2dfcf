"""One line tests a training over drawn networks, data and seeds, and shrinks what fails."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import strategies as st

import gradcheck
from gradcheck import InvalidArgument, TrainingFailed, training_test
from gradcheck.recording import PROPERTY_MARK, RunSettings, running_with
from gradcheck.training import Loop, descent_loop
from losses import MeanSquaredError
from models import Dense, Network, Tanh
from tests.training.problems import Problem, adam, flatten, gradient_descent, shuffled_batches

seeds = st.integers(0, 2**32 - 1)
DRAWN = {"width": st.integers(2, 6), "rows": st.integers(8, 20), "seed": seeds}


def problem(width, rows, seed):
    rng = np.random.default_rng(seed)
    network = Network([Dense(2, width), Tanh(), Dense(width, 1)])
    x = rng.standard_normal((rows, 2))
    start = flatten(network.initialise(rng))
    return Problem(network, MeanSquaredError(), x, np.sin(x[:, :1]), start)


def small_network(width, rows, seed):
    made = problem(width, rows, seed)
    return descent_loop(made.objective, made.start, None)


def with_a_sign_error_from_width_four(width, rows, seed):
    made = problem(width, rows, seed)

    def objective(p):
        cost, gradients = made.objective(p)
        return cost, {n: -g if n == "0.bias" and width >= 4 else g for n, g in gradients.items()}

    return descent_loop(objective, made.start, 0.05)


test_small_networks_descend = training_test(
    small_network, epochs=12, promises={"expect": "monotone"}, examples=10, **DRAWN
)

test_batches_of_a_shape_that_was_drawn = training_test(
    lambda x, seed: descent_loop(
        lambda p, rows: (
            float(np.mean((p["w"] - np.tanh(x[rows])) ** 2)),
            {"w": 2 * np.mean(p["w"] - np.tanh(x[rows]), axis=0) / x.shape[1]},
        ),
        {"w": np.full(x.shape[1], 3.0)}, gradient_descent(0.3),
        batches=shuffled_batches(len(x), 4, seed),
    ),
    epochs=12, examples=10, x="n d", seed=seeds, axes={"n": (4, 12), "d": (1, 3)},
    name="means in batches",
)  # fmt: skip


def test_a_failing_training_shrinks_to_the_smallest():
    sizes = []

    def factory(width, rows, seed):
        sizes.append((width, rows))
        return with_a_sign_error_from_width_four(width, rows, seed)

    test = training_test(factory, epochs=8, examples=20, same_seed=False, **DRAWN)
    with pytest.raises(TrainingFailed, match="gradient-wrong") as caught:
        test()
    assert sizes[-1] == (4, 8)
    assert any("width=4" in note for note in caught.value.__notes__)
    assert len(sizes) < 120


def test_a_loop_that_ignores_its_seed_is_found():
    unseeded = np.random.default_rng(0)

    def factory(seed):
        losses = iter(2.0 * 0.7 ** np.arange(20) + 1e-6 * unseeded.random(20))
        return lambda: next(losses)

    training_test(factory, epochs=10, examples=3, same_seed=False, seed=seeds)()
    with pytest.raises(TrainingFailed, match="seed-not-reproduced"):
        training_test(factory, epochs=10, examples=3, seed=seeds)()


def test_promises_of_the_loop_come_before_those_of_the_test():
    def factory(seed, level):
        made = problem(4, 12, seed)
        return descent_loop(
            made.objective, made.start, adam(0.02), promises={"level": level}
        )  # fmt: skip

    levels = {"seed": seeds, "level": st.just(100.0)}
    training_test(factory, epochs=10, promises={"level": 1e-9}, examples=3, **levels)()
    levels["level"] = st.just(1e-9)
    with pytest.raises(TrainingFailed, match="level-not-reached"):
        training_test(factory, epochs=10, promises={"level": 100.0}, examples=3, **levels)()


def test_a_factory_may_return_a_bare_step_or_a_loop_or_a_trace():
    def losses():
        values = iter(2.0 * 0.7 ** np.arange(20))
        return lambda: next(values)

    for make in (losses, lambda: Loop(losses()), lambda: gradcheck.train(losses(), 10)):
        training_test(lambda seed, make=make: make(), epochs=10, examples=2, seed=seeds)()


def test_the_run_decides_how_many_trainings_and_from_which_seed():
    drawn = []

    def factory(seed):
        drawn.append(seed)
        return small_network(2, 8, seed % 100)

    test = training_test(factory, epochs=8, examples=7, same_seed=False, seed=seeds)
    for settings in (
        RunSettings(),
        RunSettings(examples=3, seed=1),
        RunSettings(examples=3, seed=2),
    ):
        with running_with(settings):
            test()
    assert len(drawn) == 7 + 3 + 3
    assert drawn[7:10] != drawn[10:]
    assert getattr(test, PROPERTY_MARK) == ""


@pytest.mark.parametrize(
    "misuse",
    [
        lambda: training_test(small_network, epochs=0, **DRAWN),
        lambda: training_test(small_network, epochs=3),
        lambda: training_test(None, epochs=3, **DRAWN),
        lambda: training_test(small_network, epochs=3, promises={"expct": "trend"}, **DRAWN),
        lambda: training_test(small_network, epochs=3, seed=5),
    ],
)
def test_misuse_is_told_when_the_test_is_written(misuse):
    with pytest.raises(InvalidArgument):
        misuse()
