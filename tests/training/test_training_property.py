"""One line tests a training over drawn networks, data and seeds, and shrinks what fails."""

from __future__ import annotations

import traceback
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import assume
from hypothesis import strategies as st

import gradcheck
from gradcheck import InvalidArgument, TrainingFailed, training_test
from gradcheck.recording import PROPERTY_MARK, RunSettings, recording, running_with
from gradcheck.result import TrainingResult
from gradcheck.training import Loop, convex, descent_loop
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


def failure_of(test):
    with pytest.raises(TrainingFailed) as caught:
        test()
    return caught.value


def test_a_failing_training_shrinks_to_the_smallest_and_is_written_as_a_call():
    sizes = []

    def factory(width, rows, seed):
        sizes.append((width, rows))
        return with_a_sign_error_from_width_four(width, rows, seed)

    test = training_test(factory, epochs=8, examples=20, same_seed=False, **DRAWN)
    failure = failure_of(test)
    assert failure.result.findings[0].name == "gradient-wrong"
    called = "factory(width=4, rows=8, seed=0)"
    line = f"gradcheck.assert_training(gradcheck.train({called}, epochs=8))"
    assert failure.result.reproduce == line
    assert len(sizes) < 120


FAILING = {
    "a promise of the test": ({"level": 1e-9}, {}, "level-not-reached"),
    "both promise a level": ({"level": 1e9}, {"level": 1e-9}, "level-not-reached"),
    "a number of NumPy": ({"level": np.float64(1e-9)}, {}, "level-not-reached"),
    "a promise that is no literal": ({"optimum": convex.Optimum(-9.0, 0, 0, "")}, {}, "optimum"),
    "a promise of the loop": ({}, {"expect": "monotone", "level": 1e-9}, "level-not-reached"),
}


@pytest.mark.parametrize(("promises", "own", "finding"), FAILING.values(), ids=FAILING.keys())
def test_the_line_that_is_shown_fails_the_same_way(promises, own, finding):
    def means(x, seed):
        def objective(p):
            return float(np.sum((p["w"] - x) ** 2)), {"w": 2 * np.sum(p["w"] - x, axis=0)}

        return descent_loop(objective, {"w": np.full(x.shape[1], 9.0)}, None, promises=own)

    axes = {"n": (3, 5), "d": (1, 3)}
    test = training_test(
        means, epochs=6, promises=promises, examples=4, axes=axes, x="n d", seed=seeds
    )
    failure = failure_of(test)
    assert finding in failure.result.findings[0].name
    shown = str(failure).rpartition("\n  reproduce\n")[2]
    with pytest.raises(TrainingFailed) as again:
        exec(shown, {"gradcheck": gradcheck, "means": means, **promises})
    assert again.value.result.findings == failure.result.findings


def test_a_factory_that_makes_traces_is_written_without_training():
    def traced(seed, note):
        return gradcheck.train(iter([1.0] * 20).__next__, 10)

    notes = st.just({"a": "{}"})
    failure = failure_of(training_test(traced, epochs=10, examples=2, seed=seeds, note=notes))
    assert failure.result.reproduce == "gradcheck.assert_training(traced(seed=0, note={'a': '{}'}))"


def test_a_seed_that_is_ignored_is_written_with_the_twin():
    losses = np.random.default_rng(0)

    def factory(seed):
        return iter(2.0 * 0.7 ** np.arange(20) + 1e-6 * losses.random(20)).__next__

    failure = failure_of(training_test(factory, epochs=10, examples=3, seed=seeds))
    twin = "twin=gradcheck.train(factory(seed=0), epochs=3)"
    train = "gradcheck.train(factory(seed=0), epochs=10)"
    assert failure.result.reproduce == f"gradcheck.assert_training({train}, {twin})"


@pytest.mark.parametrize("trials", [0, 1, 40])
def test_arguments_without_a_repr_of_their_own_fail_all_the_same(trials, monkeypatch):
    monkeypatch.setattr("gradcheck.strategies.training.SHRINK_TRIALS", trials)

    def factory(thing, size):
        return (iter([1.0] * 20) if size > 5 else iter(2.0 * 0.7 ** np.arange(20))).__next__

    test = training_test(
        factory, epochs=10, examples=40, thing=st.builds(object), size=st.integers(0, 99)
    )
    assert failure_of(test).result.findings[0].name == "no-trend"


def test_a_factory_that_raises_tells_what_it_was_called_with():
    def factory(width):
        if width > 3:
            raise KeyError("no such data set")
        return lambda: 1.0

    test = training_test(factory, epochs=3, promises={"expect": "nothing"}, width=DRAWN["width"])
    with pytest.raises(KeyError, match="no such data set") as caught:
        test()
    assert caught.value.__notes__ == ["drawn: factory(width=4)"]


def test_a_factory_may_refuse_what_was_drawn():
    def factory(width):
        assume(width > 3)
        return iter(2.0 * 0.7 ** np.arange(20)).__next__

    training_test(factory, epochs=10, examples=5, width=DRAWN["width"])()


def test_nobody_hears_of_what_is_tried_while_shrinking():
    heard = []
    test = training_test(
        with_a_sign_error_from_width_four, epochs=8, examples=20, same_seed=False, **DRAWN
    )
    with recording(heard.append, alone=True):
        failure = failure_of(test)
    wrong = [result for result in heard if isinstance(result, TrainingResult) and not result]
    assert wrong == [failure.result]


def test_the_traceback_is_that_of_the_line_of_the_test():
    def factory(seed):
        return iter([1.0] * 20).__next__

    test = training_test(factory, epochs=10, examples=2, seed=seeds)
    failure = failure_of(test)
    files = [frame.filename for frame in traceback.extract_tb(failure.__traceback__)]
    assert __file__ in files[1:]
    assert not any(Path(hypothesis.__file__).parent in Path(file).parents for file in files)
    assert test.__code__.co_firstlineno == factory.__code__.co_firstlineno + 3


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


@pytest.mark.parametrize("name", ["lambda", "<lambda>", "2d", "in batches", ""])
def test_any_name_will_do(name):
    def make(seed):
        return iter(2.0 * 0.7 ** np.arange(20)).__next__

    test = training_test(make, epochs=10, examples=2, name=name, seed=seeds)
    test()
    assert test.__name__.startswith("test_")
    assert test.__name__.isidentifier()


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
        lambda: training_test(small_network, epochs=3, promises={"expects": "trend"}, **DRAWN),
        lambda: training_test(small_network, epochs=3, seed=5),
        lambda: training_test(small_network, epochs=3, examples=0, **DRAWN),
    ],
)
def test_misuse_is_told_when_the_test_is_written(misuse):
    with pytest.raises(InvalidArgument):
        misuse()
