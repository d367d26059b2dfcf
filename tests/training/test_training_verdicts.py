"""Each promise is kept by a right training and broken by its twin, under its own name."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest

from gradcheck import GradientMismatch, TrainingFailed, assert_check, assert_training, check_grad
from gradcheck.errors import TrainingFailed as Failure
from gradcheck.recording import recording
from gradcheck.result import CheckResult, TrainingResult, TrainingTrace, Update, Verdict
from gradcheck.training import check_training, convex, descend, train
from gradcheck.training.cost import Cost
from gradcheck.training.descent import safe_step
from gradcheck.training.order import remainder_order
from gradcheck.training.promises import objective_subject
from tests.training.faults import FAULTS, tied_network
from tests.training.problems import BlackBox, gradient_descent, random_problem, shuffled_batches

RNG_SEED = 7


def least_squares(rows=30, features=3):
    rng = np.random.default_rng(RNG_SEED)
    x = rng.standard_normal((rows, features))
    y = x @ rng.standard_normal(features) + 0.3 * rng.standard_normal(rows)

    def objective(p, rows=slice(None)):
        r = x[rows] @ p["w"] + p["b"] - y[rows]
        return float(np.mean(r**2)), {"w": 2 * x[rows].T @ r / len(r), "b": 2 * np.mean(r)}

    return objective, {"w": np.zeros(features), "b": np.zeros(())}, x, y


def names(result, severity="failure"):
    return {f.name for f in result.findings if f.severity.value == severity}


def decay(epochs=20):
    return TrainingTrace(tuple(2.0 * 0.8**k for k in range(epochs)), initial_loss=2.5)


# ------------------------------------------------------------------------------ losses that fall


def test_a_falling_trace_alone_is_correct():
    result = check_training(decay())
    assert result
    assert result.checked == ("runs", "finite", "loss falls", "progress", "convergence")


def test_monotone_means_every_epoch():
    losses = [2.0, 1.5, 1.6, 1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
    assert check_training(TrainingTrace(tuple(losses)))
    result = check_training(TrainingTrace(tuple(losses)), expect="monotone")
    assert names(result) == {"loss-rises-in-epoch"}
    assert "epoch 3: from 1.5 to 1.6" in result.findings[0].message


def test_descent_at_a_safe_step_falls_in_every_epoch():
    objective, start, _, _ = least_squares()
    assert check_training(descend(objective, start, None, 60), expect="monotone")


def test_rounding_at_the_optimum_is_no_rise():
    objective, start, _, _ = least_squares()
    trace = descend(objective, start, 0.2, 400)  # long after it has arrived
    assert check_training(trace, expect="monotone"), str(check_training(trace))


def test_a_trace_without_a_trend_is_a_doubt_and_not_a_pass():
    flat = 1.0 + 0.01 * np.random.default_rng(0).standard_normal(30)
    result = check_training(TrainingTrace(tuple(flat)))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "no-trend" in names(result, "doubt")
    with pytest.raises(TrainingFailed):
        assert_training(TrainingTrace(tuple(flat)))
    assert check_training(TrainingTrace(tuple(flat)), expect="nothing")


@pytest.mark.parametrize("epochs", [1, 2, 5])
def test_a_run_too_short_for_a_trend_is_a_doubt_unless_the_objective_fell(epochs):
    objective, start, _, _ = least_squares()
    shown = descend(objective, start, 0.1, epochs)
    assert check_training(shown)
    doubt = check_training(TrainingTrace(shown.losses))
    assert names(doubt, "doubt") == {"no-trend"}
    assert "a trend needs 6 losses" in doubt.findings[0].message
    assert "no-progress" in names(check_training(descend(objective, start, 3.0, epochs)))


def test_a_run_that_ends_above_its_start_has_risen():
    jump = (1.0, *(5.0 + 0.01 * np.random.default_rng(0).standard_normal(30)))
    assert "loss-rises" in names(check_training(TrainingTrace(jump)))


def test_a_loss_that_never_changes_stands_still():
    result = check_training(TrainingTrace((0.7,) * 20))
    assert names(result, "doubt") == {"no-trend", "no-progress"}
    assert names(result, "note") == {"plateau"}


def test_a_run_that_diverged_is_told_in_numbers_that_can_be_read():
    objective, start, x, y = least_squares()
    optimum = convex.linear_regression(x, y)
    result = check_training(descend(objective, start, 3.0, 50), optimum=optimum)
    said = {finding.name: finding.message for finding in result.findings}
    assert "none of the way is done" in said["optimum-not-reached"]
    assert "50 epochs raised the objective by" in said["no-progress"]
    assert max(map(len, said.values())) < 200


def test_a_run_that_diverged_is_a_result_and_no_warning():
    problem = random_problem(np.random.default_rng(3), depth=2)
    loop = BlackBox(problem, gradient_descent(1e9))
    with np.errstate(all="ignore"):
        trace = train(
            loop.step, 20, parameters=lambda: loop.parameters, objective=problem.objective
        )
    with np.errstate(all="raise"):
        result = check_training(trace, small_batch=problem.objective)
    assert result.diagnoses[0].name == "step-too-long"


def test_an_objective_may_refuse_points_that_no_training_visits():
    def objective(p):  # written with math: it overflows with an exception, and not to infinity
        w = float(p["w"])
        return math.exp(w**2), {"w": np.asarray(2 * w * math.exp(w**2))}

    start = {"w": np.array(3.0)}
    with pytest.raises(OverflowError):
        objective({"w": start["w"] - objective(start)[1]["w"]})
    right = descend(objective, start, None, 20)
    assert check_training(right, expect="monotone", small_batch=objective, small_batch_level=1.1)
    short = check_training(descend(objective, start, 1e-12, 20))
    assert short.diagnoses[0].name == "step-too-short"


def test_dead_units_do_not_explain_a_loss_that_is_not_a_number():
    fault, _ = FAULTS["nan in epoch 7"]
    result = fault(np.random.default_rng([2, 40]))
    dead = result.trace.objective(result.trace.updates[-2].after)[1]["2.bias"] == 0
    assert np.mean(dead) >= 0.5
    assert [d.name for d in result.diagnoses] == ["turned-non-finite"]


def test_a_gradient_that_is_zero_everywhere_is_not_that_of_another_function():
    objective, start, _, _ = least_squares()
    trace = descend(lambda p: (objective(p)[0], {}), start, 0.1, 20)
    assert [d.name for d in check_training(trace).diagnoses] == ["gradient-wrong"]


def test_a_standstill_without_windows_is_a_doubt():
    losses = tuple(1.0 - 1e-8 * k for k in range(20))
    assert "no-progress" in names(check_training(TrainingTrace(losses)), "doubt")


# ------------------------------------------------------------------------------------ convergence


def test_the_optimum_must_be_reached_and_cannot_be_passed():
    objective, start, x, y = least_squares()
    optimum = convex.linear_regression(x, y)
    trace = descend(objective, start, None, 60)
    assert check_training(trace, optimum=optimum, gap=1e-6)
    assert check_training(trace, optimum=optimum.loss)
    short = descend(objective, start, 0.001, 20)
    result = check_training(short, optimum=optimum)
    assert "optimum-not-reached" in names(result)
    assert "% of the way is left, where 1.0% is allowed" in result.findings[-2].message
    assert "below-optimum" in names(check_training(trace, optimum=optimum.loss + 0.1))


@pytest.mark.parametrize(
    ("promise", "finding"),
    [
        ({"level": 0.01}, "level-not-reached"),
        ({"gradient_level": 1e-12}, "gradient-level-not-reached"),
        ({"guessing": 0.05}, "no-better-than-guessing"),
        ({"expected_start": math.log(10)}, "initial-loss-unexpected"),
    ],
)
def test_a_stated_level_that_is_not_reached_is_named(promise, finding):
    objective, start, _, _ = least_squares()
    trace = descend(objective, start, 0.1, 15)
    assert check_training(trace)
    assert names(check_training(trace, **promise)) == {finding}


@pytest.mark.parametrize("promise", [{"gradient_level": 0.1}, {"expected_start": 2.3}])
def test_what_cannot_be_measured_is_a_doubt(promise):
    trace = TrainingTrace(decay().losses)
    assert check_training(trace, **promise).verdict is Verdict.INCONCLUSIVE


def test_a_plateau_is_named_in_a_note():
    trace = TrainingTrace((4.0, 2.0, 1.0, 0.5, *[0.25] * 12))
    result = check_training(trace)
    assert result
    assert "plateau" in names(result, "note")


# ---------------------------------------------------------------------------------- the gradient


def test_the_gradient_is_checked_before_and_after():
    objective, start, _, _ = least_squares()
    seen = []
    with recording(seen.append):
        result = check_training(descend(objective, start, 0.1, 20))
    assert [type(each) for each in seen] == [CheckResult, CheckResult, TrainingResult]
    assert result.gradient.verdict is Verdict.CORRECT


def test_a_first_step_on_some_of_the_data_may_climb_on_all_of_them():
    start = {"w": np.array([4.5])}

    def squared(p, rows):
        return float(np.mean((p["w"] - rows) ** 2)), {
            "w": 2 * np.mean(p["w"] - rows, keepdims=True)
        }

    def climbs(rate, *batches):
        trace = descend(squared, start, rate, 3, batches=[np.array(rows) for rows in batches])
        return check_training(trace, expect="nothing")

    assert names(climbs(0.3, [9.0], [1.0]), "note") == {"first-step-climbs"}  # from 16 to 21
    assert names(climbs(3.0, [9.0], [1.0])) >= {"first-step-climbs"}  # to 718
    assert names(climbs(3.0, [9.0, 1.0])) == {"first-step-climbs"}  # from 16 to 22


def test_full_accuracy_does_not_excuse_a_wrong_gradient():
    objective, start = tied_network(np.random.default_rng(0), "bias averaged")
    trace = descend(objective, start, 0.3, 150)
    assert trace.losses[-1] < 0.1 * trace.initial_loss  # it trains, and very well
    result = check_training(trace)
    assert result.diagnoses[0].name == "gradient-wrong"


def test_a_check_of_ones_own_may_replace_the_objective():
    def wrong():
        return check_grad(lambda x: np.sum(x**2), lambda x: 3 * x, np.ones(3))

    result = check_training(decay(), gradient_check=wrong)
    assert names(result) == {"gradient-wrong"}
    assert result.diagnoses[0].name == "gradient-wrong"
    assert result.gradient.verdict is Verdict.WRONG


def test_a_wrong_gradient_silences_every_other_suspicion():
    objective, start = tied_network(np.random.default_rng(0), "transposed")
    result = check_training(descend(objective, start, 300.0, 10))
    assert {d.name for d in result.diagnoses} <= {"gradient-wrong", "logged-loss-differs"}


@pytest.mark.parametrize("bug", ["sum for mean", "transposed", "detached", "wrong rows"])
def test_the_remainder_of_a_wrong_gradient_is_of_first_order(bug):
    right, start = tied_network(np.random.default_rng(1), "")
    wrong, _ = tied_network(np.random.default_rng(1), bug)
    assert remainder_order(Cost(right), start).second
    if bug != "detached":  # leaving entries out leaves the slope along the others right
        assert not remainder_order(Cost(wrong), start).second


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_the_order_of_the_remainder_does_not_depend_on_the_scale(scale):
    right, start = tied_network(np.random.default_rng(2), "")
    wrong, _ = tied_network(np.random.default_rng(2), "factor two")

    def scaled(objective):
        def run(p):
            loss, gradients = objective(p)
            return scale * loss, {n: scale * g for n, g in gradients.items()}

        return Cost(run)

    assert remainder_order(scaled(right), start).second
    assert not remainder_order(scaled(wrong), start).second


def test_armijo_finds_no_step_along_a_gradient_that_climbs():
    objective, start, _, _ = least_squares()

    def flipped(p):
        loss, gradients = objective(p)
        return loss, {n: -g for n, g in gradients.items()}

    assert safe_step(Cost(flipped), start).length == 0.0
    assert safe_step(Cost(objective), start).fall > 0


# -------------------------------------------------------------------------------- parameters, log


def test_a_parameter_that_must_not_move_is_declared_frozen():
    objective, start, _, _ = least_squares()

    def only_w(theta, g):
        return {**theta, "w": theta["w"] - 0.1 * g["w"]}

    trace = descend(objective, start, only_w, 20)
    assert names(check_training(trace)) == {"parameter-never-moves"}
    assert check_training(trace, frozen=["b"])
    assert names(check_training(trace, frozen=["b", "w"])) == {"frozen-parameter-moves"}


def test_arrays_that_the_step_replaces_are_told_from_parameters_that_never_move():
    objective, start, _, _ = least_squares()
    now = dict(start)

    def step():
        loss, gradients = objective(now)
        now.update({n: a - 0.1 * gradients[n] for n, a in now.items()})
        return loss

    result = check_training(train(step, 20, parameters=dict(start), objective=objective))
    assert names(result) == {"parameters-not-live"}
    assert result.diagnoses == ()
    still = check_training(train(lambda: 1.0, 20, parameters=dict(start), objective=objective))
    assert "parameter-never-moves" in names(still)


def test_parameters_that_are_not_floats_need_not_move():
    objective, start, _, _ = least_squares()
    trace = descend(
        lambda p: objective({n: p[n] for n in ("w", "b")}), {**start, "step": np.array(3)},
        lambda theta, g: {n: a - 0.1 * g[n] if n != "step" else a for n, a in theta.items()}, 20,
    )  # fmt: skip
    assert check_training(trace)


@pytest.mark.parametrize("log_before", [True, False])
def test_a_loss_logged_before_or_after_the_update_is_the_right_one(log_before):
    loop = _black_box(log_before)
    trace = train(
        loop.step, 15, parameters=lambda: loop.parameters, objective=loop.problem.objective
    )
    assert check_training(trace, full_batch=True)


def _black_box(log_before=False):
    problem = random_problem(np.random.default_rng(3), depth=1)
    rate = 0.3 * problem.safe_rate()
    return BlackBox(problem, gradient_descent(rate), log_before=log_before)


def test_an_objective_that_is_not_the_minimised_one_is_named():
    loop = _black_box()
    other = random_problem(np.random.default_rng(4), depth=1).labels

    def shifted(p):
        rows = np.random.default_rng(0).permutation(len(other))
        cost, gradients = loop.problem.objective(p)
        return cost, {n: np.roll(g, 1) * (1 + rows[0]) for n, g in gradients.items()}

    trace = train(loop.step, 15, parameters=lambda: loop.parameters, objective=shifted)
    result = check_training(
        trace, full_batch=True, gradient_check=lambda: check_grad(np.sum, np.ones_like, np.ones(2))
    )
    assert "update-ignores-gradient" in names(result)


# -------------------------------------------------------------------------- batch, seed, retraining


def test_one_small_batch_can_be_overfitted_only_with_the_right_gradient():
    for bug, kept in (("", True), ("transposed", False)):
        objective, start = tied_network(np.random.default_rng(5), bug)
        few, _ = tied_network(np.random.default_rng(5), bug)
        few.x, few.labels = few.x[:3], few.labels[:3]
        trace = descend(objective, start, 0.1, 20)
        found = names(check_training(trace, small_batch=few, small_batch_level=1e-4))
        assert ("small-batch-not-overfitted" not in found) is kept


def test_a_batch_with_contradicting_labels_cannot_be_overfitted():
    objective, start, _, _ = least_squares()

    def contradictory(p):
        loss = float((p["b"] - 1) ** 2 + (p["b"] + 1) ** 2)
        return loss, {"b": np.asarray(4.0 * p["b"])}

    trace = descend(objective, start, 0.1, 20)
    result = check_training(trace, small_batch=contradictory)
    assert names(result) == {"small-batch-not-overfitted"}


def test_the_same_seed_gives_the_same_trace():
    def run(seed):
        objective, start, _, _ = least_squares()
        batches = shuffled_batches(30, 10, seed)
        return descend(objective, start, 0.1, 20, batches=batches)

    assert check_training(run(0), twin=run(0))
    result = check_training(run(0), twin=run(1))
    assert names(result) == {"seed-not-reproduced"}
    assert "epoch 1" in result.findings[-1].message or "epoch 1" in result.findings[-2].message


@pytest.mark.parametrize(
    ("rate", "name", "words"),
    [(20.0, "step-too-long", "trained again at lr/"), (1e-7, "step-too-short", " lr, the loss")],
)
def test_training_again_at_another_rate_proves_the_length_guilty(rate, name, words):
    objective, start, _, _ = least_squares()

    def retrain(scale):
        theta = {n: a.copy() for n, a in start.items()}

        def step():
            loss, gradients = objective(theta)
            for n in theta:
                theta[n] = theta[n] - rate * scale * gradients[n]
            return loss

        return step

    with np.errstate(all="ignore"):
        result = check_training(descend(objective, start, rate, 20), retrain=retrain)
    assert result.diagnoses[0].name == name
    assert words in result.diagnoses[0].evidence
    reached = float(result.diagnoses[0].evidence.rpartition(" to ")[2])
    best = check_training(descend(objective, start, 0.3, 10)).trace.losses[-1]
    assert reached < 1.1 * best  # no half-way better rate, but the best of those tried


# ---------------------------------------------------------------------------------------- float32


def test_float32_training_is_judged_by_the_precision_of_float32():
    objective, start, _, _ = least_squares()

    def single(p):
        loss, gradients = objective(p)
        return np.float32(loss), {n: np.asarray(g, np.float32) for n, g in gradients.items()}

    start = {n: a.astype(np.float32) for n, a in start.items()}
    result = check_training(descend(single, start, 0.1, 30), expect="monotone")
    assert result, str(result)
    assert result.trace.updates[0].after["w"].dtype == np.float32


# --------------------------------------------------------------------------------------- the raise


def test_two_causes_are_two_types_so_that_a_property_test_tells_them_apart():
    kinds = []
    for trace in (TrainingTrace((1.0, float("nan"))), TrainingTrace(decay().losses[::-1])):
        with pytest.raises(TrainingFailed) as caught:
            assert_training(trace)
        kinds.append(type(caught.value))
        assert caught.value.result.trace is trace
    assert kinds[0] is not kinds[1]
    assert {kind.__name__ for kind in kinds} == {
        "TrainingFailed_non_finite_loss",
        "TrainingFailed_loss_rises",
    }


def test_a_failure_crosses_a_process_border_as_its_message():
    with pytest.raises(TrainingFailed) as caught:
        assert_training(TrainingTrace((1.0, float("nan"))))
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is Failure
    assert str(again) == str(caught.value)


def test_parameters_that_become_nan_are_named():
    spoilt = Update(0, {"w": np.ones(2)}, {"w": np.array([1.0, np.nan])})
    result = check_training(TrainingTrace((1.0,), updates=(spoilt,)), expect="nothing")
    assert names(result) == {"non-finite-parameter"}


def test_an_empty_trace_never_passes():
    result = check_training(TrainingTrace(()))
    assert names(result) == {"no-epochs"}


def test_the_checked_objective_is_an_ordinary_subject():
    objective, start, _, _ = least_squares()
    assert_check(objective_subject(Cost(objective), "x", frozenset()), start)
    with pytest.raises(GradientMismatch):
        assert_check(
            objective_subject(
                Cost(lambda p: (objective(p)[0], {n: 2 * g for n, g in objective(p)[1].items()})),
                "x", frozenset(),
            ),
            start,
        )  # fmt: skip
