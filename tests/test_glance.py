"""A glance convicts of what nobody could mistake, and of nothing else."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from gradcheck.backends.styles import as_subject
from gradcheck.checking import Options, run_check
from gradcheck.glance import GROSS, Look
from gradcheck.result import Severity, Verdict

RNG = np.random.default_rng(20241125)


def checked(forward, backward, inputs, look=Look.GLANCE, **options):
    subject = as_subject(forward, backward, names=tuple(inputs))
    inputs = {name: np.array(array) for name, array in inputs.items()}
    return run_check(subject, inputs, Options(diagnose=False, look=look, **options))


def square(x):
    return x**2


def off_by(factor):
    return lambda g, x: 2 * x * g * factor


X = {"x": np.array([0.5, -1.5, 2.0])}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "factor", [2.0, -1.0, 0.0, 1 + 1.5 * GROSS, 1 - 1.5 * GROSS, np.nan, np.inf]
)
def test_a_gross_mistake_is_wrong_at_a_glance(factor, seed):
    assert checked(square, off_by(factor), X, seed=seed).verdict is Verdict.WRONG


@pytest.mark.parametrize("factor", [1 + 0.5 * GROSS, 1 - 0.5 * GROSS])
def test_a_small_mistake_is_left_to_a_careful_look(factor):
    assert checked(square, off_by(factor), X).verdict is Verdict.INCONCLUSIVE
    assert checked(square, off_by(factor), X, Look.HASTY).verdict is Verdict.WRONG


def test_one_wrong_entry_of_thousands_is_found_by_halves():
    w = RNG.standard_normal((60, 50))

    def backward(g, x):
        x_bar = 2 * x * g
        x_bar[17, 3] *= 3
        return x_bar

    result = checked(lambda x: (x**2).sum(), backward, {"x": w}, seed=1)
    wrong = [c for c in result.comparisons if c.verdict is Verdict.WRONG and c.index is not None]
    assert [c.index for c in wrong] == [(17, 3)]
    assert result.evaluations.estimate_forwards < 80


HARD = {
    "a kink": (lambda x: np.abs(x), lambda g, x: g * np.where(x < 0, -1.0, 1.0), [0.0, 1.0]),
    "ties": (
        lambda x: x.max(keepdims=True), lambda g, x: g * (np.arange(3) == x.argmax()), [1.0, 1, 1],
    ),
    "every axis smooth, no gradient": (
        lambda x: np.array([x[0] ** 3 / (x @ x) if x.any() else 0.0]),
        lambda g, x: g * np.array([1.0, 0.0]), [0.0, 0.0],
    ),
    "stairs": (lambda x: np.round(x * 1e6) * 1e-6, lambda g, x: 0 * x * g, [0.3, 0.7]),
    "ripples": (
        lambda x: x + 1e-9 * np.sin(1e9 * x), lambda g, x: g * (1 + np.cos(1e9 * x)), [0.3, 0.7],
    ),
    "rounded away": (lambda x: (x + 1e10) - 1e10, lambda g, x: g, [0.3, 0.7]),
    "float32 inside": (
        lambda x: (x.astype(np.float32) ** 2).astype(float), lambda g, x: 2 * x * g, [0.3, 0.7],
    ),
    "noise": (
        lambda x: x + 1e-7 * np.sin(1e15 * x), lambda g, x: g, [0.3, 0.7],
    ),
    "the edge of a domain": (
        lambda x: np.sqrt(x), lambda g, x: g * np.where(x > 0, 0.5 / np.sqrt(x), 1e9), [0.0, 1.0],
    ),
    "an ill-conditioned sum": (
        lambda x: np.array([(x[0] + x[1]) / (x[0] - x[1])]),
        lambda g, x: g * np.array([-2 * x[1], 2 * x[0]]) / (x[0] - x[1]) ** 2, [1.0, 1.0 + 1e-9],
    ),
}  # fmt: skip


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("case", HARD)
def test_nothing_is_wrong_at_a_glance_where_right_code_may_look_wrong(case, seed):
    forward, backward, x = HARD[case]
    with np.errstate(all="ignore"):
        result = checked(forward, backward, {"x": np.array(x)}, seed=seed, kinks="strict")
    assert result.verdict is not Verdict.WRONG


def test_a_claim_wrong_at_one_point_alone_is_left_to_a_careful_look():
    def backward(g, x):
        return 2 * x * g * (3.0 if x[0] == 0.5 else 1.0)

    assert checked(square, backward, X).verdict is Verdict.INCONCLUSIVE
    assert checked(square, backward, X, Look.HASTY).verdict is Verdict.WRONG


def test_what_is_wrong_at_a_glance_asks_no_relations():
    result = checked(square, off_by(2.0), X, Look.HASTY)
    assert result.evaluations.relation_backwards == 0
    right = checked(square, off_by(1.0), X, Look.HASTY)
    careful = checked(square, off_by(1.0), X, Look.CAREFUL)
    assert right.evaluations == careful.evaluations


def test_a_reused_buffer_is_still_seen_behind_a_glance():
    buffer = np.empty(3)

    def backward(g, x):
        np.multiply(2 * x, g, out=buffer)
        return buffer

    findings = checked(square, backward, X, Look.HASTY).findings
    assert [f.name for f in findings if f.severity is Severity.FAILURE] == ["buffer-overwritten"]


@pytest.mark.parametrize("look", [Look.HASTY, Look.GLANCE])
def test_the_table_of_a_glance_holds_all_entries_where_the_cause_is_asked_for(look):
    subject = as_subject(square, off_by(2.0), names=("x",))
    result = run_check(subject, {"x": X["x"].copy()}, Options(look=look))
    assert result.entries["x"].wrong.all()
    assert result.diagnoses[0].name == "constant-factor"


def test_a_failure_that_only_a_glance_sees_is_no_failure(monkeypatch):
    from gradcheck import probing

    def accuse(point, probe, brief):
        return probing.Outcome(probe.name, Verdict.WRONG)

    monkeypatch.setattr(probing, "_at_a_glance", accuse)
    gradcheck.vjp_test(lambda x: np.abs(x).sum(), lambda g, x: g * np.sign(x), x="n", seed=0)()
