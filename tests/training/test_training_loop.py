"""Any loop can be run; whatever it does, the trace up to there is kept."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.errors import UnsatisfiedAssumption

from gradcheck import InvalidArgument, TrainingFailed, assert_training, check_training, train
from gradcheck.result import Epoch, TrainingTrace
from gradcheck.subject import FunctionSubject
from gradcheck.training import Loop, descend, descent_loop, trace_from_dict, trace_to_dict
from losses import MeanSquaredError
from models import Dense, Network, Tanh


def steps(*returned):
    """A step that returns these values in turn; an exception is raised instead."""
    values = iter(returned)

    def step():
        value = next(values)
        if isinstance(value, BaseException):
            raise value
        return value

    return step


def test_losses_are_kept_in_order():
    trace = train(steps(3.0, 2.0, 1.0), epochs=3)
    assert trace.losses == (3.0, 2.0, 1.0)
    assert [epoch.index for epoch in trace.epochs] == [0, 1, 2]
    assert trace.stopped == ""
    assert trace.metadata["epochs_asked"] == 3


@pytest.mark.parametrize(
    "number", [np.float32(0.5), np.float64(0.5), np.array(0.5), 1, np.int64(1)], ids=repr
)
def test_every_kind_of_number_is_a_loss(number):
    assert train(steps(number), epochs=1).losses == (float(number),)


UNUSABLE = {
    "None": (None, "returned None", "loss-unusable"),
    "an array": (np.zeros(3), "array of shape (3,)", "loss-unusable"),
    "an array of one": (np.zeros((1, 1)), "array of shape (1, 1)", "loss-unusable"),
    "a ragged list": ([[1.0], [1.0, 2.0]], "array of shape (2,)", "loss-unusable"),
    "a string": ("0.5", "returned '0.5'", "loss-unusable"),
    "a complex number": (1j, "returned 1j", "loss-unusable"),
    "an object": (object(), "returned <object", "loss-unusable"),
    "nan": (float("nan"), "the loss became nan", "non-finite-loss"),
    "infinity": (float("inf"), "the loss became inf", "non-finite-loss"),
    "an exception": (ValueError("bad batch\nand more"), "ValueError: bad batch", "step-raised"),
    "a bare exception": (KeyError(), "KeyError", "step-raised"),
}


@pytest.mark.parametrize(("value", "words", "finding"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_bad_step_stops_the_run_and_keeps_the_trace(value, words, finding):
    trace = train(steps(3.0, 2.0, value, 1.0), epochs=4)
    assert trace.losses[:2] == (3.0, 2.0)
    assert words in trace.stopped
    assert "in epoch 3" in trace.stopped
    result = check_training(trace)
    assert result.findings[0].name == finding
    assert not result
    assert "stopped:" in str(result)
    assert "3" in str(result)


def test_what_the_step_raised_is_the_cause_of_the_failure():
    trace = train(steps(2.0, ZeroDivisionError("0/0")), epochs=3)
    with pytest.raises(TrainingFailed, match="ZeroDivisionError") as caught:
        assert_training(trace)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.result.trace is trace


def test_messages_to_the_test_runner_pass_through():
    with pytest.raises(UnsatisfiedAssumption):
        train(steps(UnsatisfiedAssumption()), epochs=1)
    with pytest.raises(KeyboardInterrupt):
        train(steps(KeyboardInterrupt()), epochs=1)


@pytest.mark.parametrize(
    ("held_out", "words"),
    [(None, "held_out returned None"), (np.zeros(3), "held_out returned an array of shape (3,)")],
)
def test_a_bad_held_out_loss_is_not_blamed_on_the_step(held_out, words):
    trace = train(steps(3.0, 2.0, 1.0), epochs=3, held_out=steps(2.5, held_out, 1.5))
    assert trace.losses == (3.0, 2.0)
    assert words in trace.stopped


@pytest.mark.parametrize("value", [None, float("nan"), ValueError("bad batch")], ids=repr)
def test_nothing_is_said_of_the_trend_of_a_run_that_was_cut_short(value):
    result = check_training(train(steps(3.0, 2.0, value), epochs=9))
    assert len(result.findings) == 1


def test_parameters_that_change_their_names_stop_the_run():
    shown = iter([{"w": np.ones(2)}, {"w": np.ones(2)}, {"w": np.ones(2), "b": np.ones(1)}])
    trace = train(steps(3.0, 2.0, 1.0), epochs=3, parameters=lambda: next(shown))
    assert trace.losses == (3.0,)
    assert "got w (2,), b (1,), which were w (2,)" in trace.stopped


def test_more_gradients_than_shown_parameters_are_no_typo():
    def objective(p):
        return float(p["w"] @ p["w"]), {"w": 2 * p["w"], "hidden": np.ones(3)}

    assert descend(objective, {"w": np.array([4.0])}, 0.25, epochs=2).losses == (4.0, 1.0)


def test_a_held_out_loss_that_raises_keeps_the_trace_too():
    trace = train(steps(2.0, 1.0), epochs=2, held_out=steps(1.5, RuntimeError("no file")))
    assert trace.losses == (2.0, 1.0)
    assert trace.epochs[0].held_out == 1.5
    assert "no file" in trace.stopped


MISUSES = {
    "no epochs": lambda: train(steps(1.0), epochs=0),
    "negative epochs": lambda: train(steps(1.0), epochs=-1),
    "half an epoch": lambda: train(steps(1.0), epochs=1.5),
    "epochs as a truth value": lambda: train(steps(1.0), epochs=True),
    "a step that cannot be called": lambda: train(0.5, epochs=1),
    "parameters that are an array": lambda: train(steps(1.0), 1, parameters=np.ones(3)),
    "a bar without tqdm": lambda: train(steps(1.0), 1, progress=True),
    "an objective without gradients": lambda: descend(lambda p: 1.0, {"w": np.ones(2)}, 0.1, 1),
    "a loss that is an array": lambda: descend(lambda p: (p["w"], p), {"w": np.ones(2)}, 0.1, 1),
    "a gradient of another shape": lambda: descend(
        lambda p: (1.0, {"w": np.ones(3)}), {"w": np.ones(2)}, 0.1, 1
    ),
    "a negative rate": lambda: descend(lambda p: (1.0, p), {"w": np.ones(2)}, -0.1, 1),
    "an objective that is a number": lambda: descend(1.0, {"w": np.ones(2)}, 0.1, 1),
    "a subject on batches": lambda: descend(
        FunctionSubject("loss", lambda p: 1.0), {"w": np.ones(2)}, 0.1, 1, batches=[1]
    ),
    "safe steps on batches": lambda: descend(
        lambda p, b: (1.0, p), {"w": np.ones(2)}, None, 1, batches=[1]
    ),
    "an unknown promise": lambda: check_training(TrainingTrace((1.0,)), lvel=0.1),
    "an unknown expectation": lambda: check_training(TrainingTrace((1.0,)), expect="down"),
    "a significance of 5": lambda: check_training(TrainingTrace((1.0,)), significance=5),
    "a significance that no test resolves": lambda: check_training(
        TrainingTrace((1.0,)), significance=1e-5
    ),
    "a list for a trace": lambda: check_training([1.0, 0.5]),
    "an objective and no parameters": lambda: check_training(
        TrainingTrace((1.0,)), objective=lambda p: (1.0, p)
    ),
    "a level for an objective": lambda: check_training(TrainingTrace((1.0,)), objective=0.1),
    "a level that is a word": lambda: check_training(TrainingTrace((1.0,)), level="low"),
    "a guess that is an array": lambda: check_training(TrainingTrace((1.0,)), guessing=np.ones(2)),
    "a twin that is a list": lambda: check_training(TrainingTrace((1.0,)), twin=[1.0]),
    "an optimum that is a pair": lambda: check_training(TrainingTrace((1.0,)), optimum=(1.0, 0)),
    "one frozen name, not in a list": lambda: check_training(TrainingTrace((1.0,)), frozen="w"),
    "an objective to train without parameters": lambda: train(
        steps(1.0), 1, objective=lambda p: (1.0, p)
    ),
    "an objective to train that is a number": lambda: train(steps(1.0), 1, objective=1.0),
    "a held-out loss instead of a callable": lambda: train(steps(1.0), 1, held_out=1.0),
    "an initial loss that is a word": lambda: train(steps(1.0), 1, initial_loss="high"),
    "ragged parameters": lambda: train(steps(1.0), 1, parameters={"w": [[1.0], [1.0, 2.0]]}),
    "gradients of other names": lambda: descend(
        lambda p: (1.0, {"W": p["w"]}), {"w": np.ones(2)}, 0.1, 1
    ),
    "another file for a trace": lambda: trace_from_dict({"loss": [1.0]}),
}


@pytest.mark.parametrize("misuse", MISUSES.values(), ids=MISUSES.keys())
def test_misuse_is_told_at_once(misuse, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    with pytest.raises(InvalidArgument, match=r"got|expected|give|leave"):
        misuse()


def test_parameters_may_be_live_arrays_or_a_callable():
    w = np.array([4.0])

    def step():
        w[...] *= 0.5
        return float(w[0])

    live = train(step, epochs=3, parameters={"w": w})
    assert [u.after["w"][0] for u in live.updates] == [2.0, 1.0, 0.5]
    called = train(step, epochs=2, parameters=lambda: {"w": w})
    assert called.updates[0].before["w"][0] == 0.5
    assert called.epochs[0].moved == {"w": 0.25}
    assert called.epochs[0].parameter_norms == {"w": 0.25}


def test_a_long_run_keeps_few_updates_the_worst_among_them():
    w = np.zeros(1)

    def step():
        w[...] += 1
        return 100.0 if w[0] == 50 else 1.0 / float(w[0])

    trace = train(step, epochs=200, parameters={"w": w})
    kept = [update.epoch for update in trace.updates]
    assert len(kept) <= 10
    assert {0, 1, 49, 198, 199} <= set(kept)


def test_the_initial_loss_is_that_of_the_objective():
    w = np.array([3.0])
    trace = train(
        steps(1.0), epochs=1, parameters={"w": w}, objective=lambda p: (p["w"] @ p["w"], p)
    )
    assert trace.initial_loss == 9.0


def test_descend_leaves_the_start_alone_and_accepts_updates_in_place():
    start = {"w": np.array([4.0])}

    def in_place(theta, g):
        theta["w"] -= 0.25 * g["w"]

    def bowl(p):
        return float(p["w"] @ p["w"]), {"w": 2 * p["w"]}

    assert descend(bowl, start, in_place, 2).losses == (4.0, 1.0)
    assert start["w"][0] == 4.0


def test_descend_in_batches_logs_the_mean_and_knows_the_whole():
    def squared(p, row):
        return float((p["w"][0] - row) ** 2), {"w": 2 * (p["w"] - row)}

    loop = descent_loop(squared, {"w": np.zeros(1)}, 0.1, batches=[1.0, 3.0])
    loss, gradients = loop.objective({"w": np.zeros(1)})
    assert (loss, gradients["w"][0]) == (5.0, -4.0)
    trace = train(loop, 1)
    assert trace.losses[0] == pytest.approx((1.0 + (0.2 - 3.0) ** 2) / 2)


def test_batches_from_a_generator_are_cut_once_for_the_whole():
    """A generator that has moved on would give another objective at every call."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 2))
    y = x @ np.array([1.0, -2.0])

    def squared(p, rows):
        r = x[rows] @ p["w"] - y[rows]
        return float(np.mean(r**2)), {"w": 2 * x[rows].T @ r / len(r)}

    def batches(epoch):
        order = rng.permutation(50)
        return [order[i : i + 16] for i in range(0, 50, 16)]  # the last one has two rows

    trace = descend(squared, {"w": np.zeros(2)}, 0.1, 20, batches=batches)
    result = check_training(trace)
    assert result, str(result)
    assert result.gradient.verdict.name == "CORRECT"


def test_a_subject_is_an_objective_too_and_shows_its_guilty_layer():
    class Steeper(Tanh):
        def slope(self, z, a):
            return 1.5 * super().slope(z, a)

    def trained(hidden):
        network, x = Network([Dense(3, 4), hidden, Dense(4, 1)]), np.eye(5, 3)
        subject = network.subject(MeanSquaredError(), np.sin(np.arange(5.0))[:, None])
        start = subject.inputs(network.initialise(np.random.default_rng(0)), x)
        return check_training(descend(subject, start, all_but_x, 20), frozen=["x"])

    def all_but_x(p, gradients):
        return {n: a if n == "x" else a - 0.1 * gradients[n] for n, a in p.items()}

    assert trained(Tanh())
    words = "the gradient of layer 'layers[1]' is wrong"
    assert trained(Steeper()).diagnoses[0].sentence.startswith(words)


losses = st.floats(allow_nan=True, allow_infinity=True)


@given(
    st.lists(losses, max_size=6),
    st.none() | losses,
    st.none() | losses,
    st.dictionaries(st.text(max_size=3), losses, max_size=2),
)
def test_a_trace_survives_json(values, initial, held_out, norms):
    epochs = tuple(Epoch(i, loss, 0.5, norms, norms, held_out) for i, loss in enumerate(values))
    trace = TrainingTrace(tuple(values), initial, epochs, "the loss became nan", {"name": "x"})
    text = json.dumps(trace_to_dict(trace), allow_nan=False)
    again = trace_from_dict(json.loads(text))
    assert repr(again) == repr(trace)  # repr, because nan differs from itself


class Terminal:
    """A stderr that says it is a terminal, and remembers what was written."""

    def __init__(self, *, is_terminal):
        self.is_terminal, self.text = is_terminal, ""

    def isatty(self):
        return self.is_terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize(
    ("is_terminal", "ci", "wanted", "shown"),
    [
        (True, "", None, True),
        (True, "true", None, False),
        (False, "", None, False),
        (False, "true", True, True),
        (True, "", False, False),
    ],
)
def test_the_bar_is_shown_where_somebody_watches(monkeypatch, is_terminal, ci, wanted, shown):
    pytest.importorskip("tqdm")
    stderr = Terminal(is_terminal=is_terminal)
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.setenv("CI", ci)
    train(steps(2.0, 1.0), epochs=2, progress=wanted, name="digits")
    assert ("digits" in stderr.text) is shown


def test_without_tqdm_a_terminal_stays_quiet(monkeypatch):
    stderr = Terminal(is_terminal=True)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys, "stderr", stderr)
    monkeypatch.delenv("CI", raising=False)
    assert train(steps(1.0), epochs=1).losses == (1.0,)
    assert stderr.text == ""


def test_a_loop_record_carries_its_own_windows_unless_others_are_given():
    loop = Loop(steps(*[1.0] * 9), initial_loss=3.0, name="mine")
    assert train(loop, epochs=1).metadata["name"] == "mine"
    assert train(loop, epochs=1).initial_loss == 3.0
    again = train(loop, epochs=1, initial_loss=2.0, name="yours")
    assert (again.metadata["name"], again.initial_loss) == ("yours", 2.0)
    assert train(Loop(steps(1.0)), epochs=1).metadata["name"] == "training"


def test_the_promises_of_a_loop_go_with_its_trace_unless_others_are_given():
    trace = train(Loop(steps(*np.linspace(2, 1, 20)), promises={"level": 0.5}), epochs=20)
    assert [f.name for f in check_training(trace).findings] == ["level-not-reached", "still-moving"]
    assert check_training(trace, level=1.5)
