"""One line per function: what it finds, what it refuses, and that nothing of it is by accident."""

from __future__ import annotations

import re

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as hs
from scipy.optimize import rosen, rosen_der

import gradcheck
from gradcheck import strategies as st
from gradcheck.errors import (
    GradientMismatch,
    InvalidArgument,
    InvalidSubject,
    VacuousTest,
    mismatch_type,
)
from gradcheck.properties import GradientMismatches
from gradcheck.recording import PROPERTY_MARK, RunSettings, recording, running_with
from gradcheck.result import Verdict
from losses import LOSSES
from models import CATALOGUE


def dense(x, w, b):
    return x @ w + b


def dense_backward(y_bar, x, w, b):
    return y_bar @ w.T, x.T @ y_bar, y_bar.sum(axis=0)


def dense_mean(y_bar, x, w, b):
    return y_bar @ w.T, x.T @ y_bar, y_bar.mean(axis=0)


def dense_two_bugs(y_bar, x, w, b):
    return y_bar @ w.T, 2 * x.T @ y_bar, y_bar.mean(axis=0)


DENSE = {"x": "n d", "w": "d k", "b": "k"}


def square(x):
    return x**2


def square_backward(y_bar, x):
    return (2 * x * y_bar,)


def failure(test):
    with pytest.raises(GradientMismatch) as caught:
        test()
    return caught.value


def heard(test, **settings):
    """All results of a run."""
    results = []
    with recording(results.append), running_with(RunSettings(**settings)):
        test()
    return results


# ------------------------------------------------------------------------------------- finding


test_a_right_function_passes_under_pytest = gradcheck.vjp_test(dense, dense_backward, **DENSE)

test_a_gradient_of_scipy_passes = gradcheck.grad_test(
    rosen, rosen_der, x="n", axes={"n": (2, 8)}, examples=20
)

test_a_right_jvp_passes = gradcheck.jvp_test(
    np.sin, lambda inputs, tangents: np.cos(inputs[0]) * tangents[0], x="n d", examples=20
)


def test_a_wrong_backward_is_found_at_its_smallest_case():
    error = failure(gradcheck.vjp_test(dense, dense_mean, **DENSE))
    assert type(error) is mismatch_type("gradient", "b")
    assert error.result.verdict is Verdict.WRONG
    assert error.result.shapes == {"x": (2, 1), "w": (1, 1), "b": (1,)}
    assert "likely cause" in str(error)


def test_two_bugs_are_told_as_two():
    error = failure(gradcheck.vjp_test(dense, dense_two_bugs, **DENSE))
    assert isinstance(error, GradientMismatches)
    assert isinstance(error, ExceptionGroup)
    assert {type(inner) for inner in error.exceptions} == {
        mismatch_type("gradient", "w"),
        mismatch_type("gradient", "b"),
    }
    assert error.subgroup(mismatch_type("gradient", "w")) is not None


def test_a_bug_at_exact_zero_is_found():
    def norm(x):
        return np.sqrt((x**2).sum(axis=-1))

    def norm_backward(y_bar, x):
        return (y_bar[..., None] * x / norm(x)[..., None],)

    error = failure(gradcheck.vjp_test(norm, norm_backward, x="n d"))
    assert error.result.shapes == {"x": (1, 1)}


def test_a_bug_in_an_option_is_found_and_the_option_is_told():
    def power(x, *, exponent=2):
        return x**exponent

    def power_backward(y_bar, x, *, exponent=2):
        return (2 * x * y_bar,)

    test = gradcheck.vjp_test(power, power_backward, x="n", exponent=hs.integers(2, 4))
    assert re.search(r"options=dict\(\s*exponent=3\)", str(failure(test)))


def test_a_mutating_backward_is_named():
    def mutating(y_bar, x):
        x *= 2
        return (x * y_bar,)

    error = failure(gradcheck.vjp_test(square, mutating, x="n"))
    assert "mutates-input" in {finding.name for finding in error.result.findings}


def test_a_crash_beside_a_wrong_gradient_is_not_called_flaky():
    def crash(x):
        if x.size == 3:
            raise KeyError("three")
        return x**2

    with pytest.raises((GradientMismatch, ExceptionGroup, InvalidSubject)) as caught:
        gradcheck.vjp_test(crash, lambda y_bar, x: (x * y_bar,), x="n", examples=200)()
    assert "unreliable" not in str(caught.value)


def test_a_stale_cache_is_found_with_a_new_object_for_every_example():
    made = []

    class Square:
        def __init__(self):
            made.append(self)
            self.first = None

        def forward(self, x):
            self.first = x.copy() if self.first is None else self.first
            return x**2

        def backward(self, y_bar):
            return 2 * self.first * y_bar

    failure(gradcheck.vjp_test(Square, x="n"))
    assert len(made) > 10


def test_a_large_axis_is_checked_where_it_is_asked_for():
    seen = []

    def recorded(x):
        seen.append(x.size)
        return x**2

    test = gradcheck.vjp_test(recorded, square_backward, x="n d", axes={"n": 100, "d": 100})
    heard(test, examples=3)
    assert set(seen) == {10_000}


def test_a_drawn_network_with_a_bad_layer_is_reduced_to_the_layer():
    class Doubling(type(CATALOGUE["dense"].build(1, 1))):
        def backward(self, params, residuals, y_bar):
            by_params, by_x = super().backward(params, residuals, y_bar)
            return {**by_params, "bias": 2 * by_params["bias"]}, by_x

    catalogue = {**CATALOGUE, "doubling": Doubling}
    error = failure(gradcheck.vjp_test(st.networks(catalogue, LOSSES)))
    assert error.result.guilty_layer.startswith("layers[0]")
    assert "(('doubling', 1, 1),)" in error.result.reproduce


test_networks_of_the_catalogue_are_right = gradcheck.vjp_test(
    st.networks(CATALOGUE, LOSSES), examples=30
)


# ---------------------------------------------------------------------------------- reproducing


@pytest.mark.parametrize(
    "test",
    [
        gradcheck.vjp_test(dense, dense_mean, **DENSE),
        gradcheck.vjp_test(dense, dense_mean, **DENSE, axes={"n": 50, "d": 3}, relations=()),
        gradcheck.grad_test(rosen, square, x="n", axes={"n": (2, 5)}),
        gradcheck.jvp_test(square, lambda inputs, tangents: tangents[0], x="n"),
    ],
    ids=["vjp", "large", "gradient", "jvp"],
)
def test_the_line_in_the_failure_fails_the_same_way(test):
    error = failure(test)
    names = {"gradcheck": gradcheck, **vars(np), **globals()}
    names["jvp"] = test.gradcheck.function.backward
    with pytest.raises(GradientMismatch) as again:
        exec(error.result.reproduce, names)
    assert again.value.result.verdict is Verdict.WRONG
    assert [c.claimed for c in again.value.result.comparisons] == [
        c.claimed for c in error.result.comparisons
    ]


def test_a_run_is_repeated_exactly():
    test = gradcheck.vjp_test(dense, dense_backward, **DENSE)
    assert summary(heard(test)) == summary(heard(test))
    assert summary(heard(test, seed=1, key="a")) == summary(heard(test, seed=1, key="a"))
    assert summary(heard(test, seed=1, key="a")) != summary(heard(test, seed=2, key="a"))
    assert summary(heard(test, seed=1, key="a")) != summary(heard(test, seed=1, key="b"))


def summary(results):
    return [(result.shapes, [c.claimed for c in result.comparisons]) for result in results]


def test_a_seed_is_obeyed_whatever_profile_hypothesis_has_loaded():
    test = gradcheck.vjp_test(square, square_backward, x="n")
    usual = summary(heard(test, seed=1, examples=5))
    frozen = hypothesis.settings(derandomize=True, database=None)
    hypothesis.settings.register_profile("frozen", frozen)
    before = hypothesis.settings.get_current_profile_name()
    hypothesis.settings.load_profile("frozen")
    try:
        assert summary(heard(test, seed=1, examples=5)) == usual
        assert summary(heard(test, seed=2, examples=5)) != usual
    finally:
        hypothesis.settings.load_profile(before)


def test_the_run_decides_how_many_examples_there_are():
    test = gradcheck.vjp_test(square, square_backward, x="n", examples=7)
    assert len(heard(test)) == 7
    assert len(heard(test, examples=3)) == 3
    default = gradcheck.vjp_test(square, square_backward, x="n")
    assert len(heard(default, profile="quick")) < len(heard(default))


def test_only_the_told_failure_is_heard_of_beside_the_examples():
    results = []
    with recording(results.append), pytest.raises(GradientMismatch) as caught:
        gradcheck.vjp_test(dense, dense_mean, **DENSE)()
    wrong = [result for result in results if result.verdict is Verdict.WRONG]
    assert len(wrong) == 2
    assert wrong[-1] is caught.value.result


# ------------------------------------------------------------------------------------ emptiness


def test_a_test_of_a_constant_is_vacuous():
    test = gradcheck.vjp_test(lambda x: 0 * x, lambda y_bar, x: (0 * y_bar,), x="n", name="zero")
    with pytest.raises(VacuousTest, match="every claim and every estimate was zero"):
        test()


def test_a_function_that_refuses_everything_is_vacuous():
    def picky(x):
        raise ValueError("only on Sundays")

    with pytest.raises(VacuousTest, match="only on Sundays"):
        gradcheck.vjp_test(picky, square_backward, x="n")()


def test_inputs_that_a_function_refuses_are_left_out():
    def even(x):
        if x.size % 2:
            raise ValueError("odd")
        return x**2

    heard(gradcheck.vjp_test(even, square_backward, x="n"))


def test_a_crash_of_the_forward_is_no_refusal():
    def crash(x):
        return {}[len(x)]

    with pytest.raises(InvalidSubject, match="KeyError"):
        gradcheck.vjp_test(crash, square_backward, x="n")()


def test_a_test_worth_having_kills_all_mutants():
    test = gradcheck.vjp_test(dense, dense_backward, **DENSE, self_test=True)
    results = heard(test)
    assert test.gradcheck.kill_rate.killed == 18
    assert test.gradcheck.kill_rate.survivors == ()
    assert "18 of 18 mutants" in results[-1].findings[0].message


def test_a_test_that_cannot_fail_is_reported():
    test = gradcheck.vjp_test(dense, dense_backward, **DENSE, self_test=True, rtol=0.5)
    with pytest.raises(VacuousTest, match=r"cannot fail.*alive: .*of x"):
        test()


# ---------------------------------------------------------------------------------------- styles


def test_functions_with_a_cache_are_checked():
    def forward(x, w):
        return x @ w, (x, w)

    def backward(dout, cache):
        x, w = cache
        return dout @ w.T, x.T @ dout

    def wrong(dout, cache):
        x, w = cache
        return dout @ w.T, 2 * x.T @ dout

    gradcheck.vjp_test(forward, backward, x="n d", w="d k")()
    assert type(failure(gradcheck.vjp_test(forward, wrong, x="n d", w="d k"))) is mismatch_type(
        "gradient", "w"
    )


def test_a_function_with_value_and_gradient_is_checked():
    gradcheck.grad_test(lambda x: (np.sum(x**3), 3 * x**2), True, x="n")()
    failure(gradcheck.grad_test(lambda x: (np.sum(x**3), 2 * x**2), True, x="n"))


def test_a_gradient_by_several_inputs_is_checked():
    def cost(x, y):
        return np.sum((x - y) ** 2)

    gradcheck.grad_test(cost, lambda x, y: (2 * (x - y), 2 * (y - x)), x="n", y="n")()
    error = failure(gradcheck.grad_test(cost, lambda x, y: (2 * (x - y), x - y), x="n", y="n"))
    assert type(error) is mismatch_type("gradient", "y")


def test_inputs_are_passed_by_name_whatever_their_order():
    gradcheck.vjp_test(dense, dense_backward, b="k", w="d k", x="n d")()


def test_an_array_of_a_foreign_strategy_is_an_input():
    matrices = hs.floats(1, 2).map(lambda value: np.full((2, 1), value))
    failure(gradcheck.vjp_test(square, lambda y_bar, x: (x * y_bar,), x=matrices))


def test_labels_and_masks_have_no_gradient():
    def picked(x, labels, mask):
        return x[np.arange(len(x)), labels] * mask

    def picked_backward(y_bar, x, labels, mask):
        x_bar = np.zeros_like(x)
        x_bar[np.arange(len(x)), labels] = y_bar * mask
        return x_bar, None, None

    gradcheck.vjp_test(
        picked,
        picked_backward,
        x="n k",
        labels=st.labels("n", classes="k"),
        mask=st.mask("n"),
    )()


# --------------------------------------------------------------------------------------- misuse


def takes_seed(x, seed):
    return x * seed


def takes_seed_backward(y_bar, x, seed):
    return (y_bar * seed,)


def test_an_argument_named_as_an_option_is_passed_apart():
    test = gradcheck.vjp_test(
        takes_seed, takes_seed_backward, x="n", arguments={"seed": hs.integers(1, 5)}
    )
    test()


REFUSED = {
    "a shape that is none": lambda: gradcheck.vjp_test(square, square_backward, x="n,d"),
    "an axis that no argument has": lambda: gradcheck.vjp_test(
        square, square_backward, x="n", axes={"m": 3}
    ),
    "an axis without sizes": lambda: gradcheck.vjp_test(
        square, square_backward, x="n", axes={"n": (5, 2)}
    ),
    "an empty domain": lambda: gradcheck.vjp_test(
        square, square_backward, x=st.array("n", domain=(2, 1))
    ),
    "a matrix that cannot be square": lambda: gradcheck.vjp_test(
        square, square_backward, x=st.spd("3 4")
    ),
    "an option that nothing accepts": lambda: gradcheck.vjp_test(
        square, square_backward, x="n", stride=hs.integers(1, 3)
    ),
    "a missing input": lambda: gradcheck.vjp_test(dense, dense_backward, x="n d", w="d k"),
    "an input too many": lambda: gradcheck.vjp_test(square, square_backward, x="n", y="n"),
    "no input": lambda: gradcheck.vjp_test(square, square_backward),
    "a constant that is no strategy": lambda: gradcheck.vjp_test(
        square, square_backward, x="n", stride=2
    ),
    "no examples": lambda: gradcheck.vjp_test(square, square_backward, x="n", examples=0),
    "a negative rtol": lambda: gradcheck.vjp_test(square, square_backward, x="n", rtol=-1.0),
    "unknown kinks": lambda: gradcheck.vjp_test(square, square_backward, x="n", kinks="no"),
    "an unknown relation": lambda: gradcheck.vjp_test(
        square, square_backward, x="n", relations=["linearity"]
    ),
    "relations in a string": lambda: gradcheck.vjp_test(
        square, square_backward, x="n", relations="linear"
    ),
    "an unknown batch axis": lambda: gradcheck.vjp_test(square, square_backward, x="n", batch="m"),
    "an unknown style": lambda: gradcheck.vjp_test(square, square_backward, x="n", style="torch2"),
    "a function that is none": lambda: gradcheck.vjp_test("square", square_backward, x="n"),
    "a backward that is none": lambda: gradcheck.vjp_test(square, 3, x="n"),
    "arguments beside drawn subjects": lambda: gradcheck.vjp_test(st.networks(CATALOGUE), x="n"),
    "a catalogue without layers": lambda: st.networks({}),
    "a layer that no catalogue has": lambda: st.networks(CATALOGUE, layers=["dens"]),
    "a depth of nothing": lambda: st.networks(CATALOGUE, depth=(0, 2)),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED.keys())
def test_misuse_is_refused_when_the_test_is_written(call):
    with pytest.raises((InvalidArgument, InvalidSubject)) as caught:
        call()
    assert "got" in str(caught.value)
    assert "Do:" in str(caught.value)


def test_the_test_function_looks_like_one():
    test = gradcheck.vjp_test(dense, dense_backward, **DENSE)
    assert test.__name__ == "test_dense"
    assert test.__module__ == __name__
    assert test.__code__.co_filename == __file__
    assert getattr(test, PROPERTY_MARK) == ""
    assert gradcheck.vjp_test(lambda x: x, lambda u, x: u, x="n").__name__ == "test__lambda_"


# --------------------------------------------------------------------------------------- suites


SUITE = {
    "dense": gradcheck.vjp_test(dense, dense_backward, **DENSE, examples=10),
    "dense-mean": gradcheck.vjp_test(dense, dense_mean, **DENSE, examples=10),
    "square-at-a-point": ((square, square_backward), {"x": np.array([1.0, -2.0])}),
    "square": ((square, square_backward), {"x": "n"}),
}


@gradcheck.parametrize_with_checks(
    SUITE, expected_failed_checks={"dense-mean::gradient": "the bias is averaged"}
)
def test_layers(subject, check):
    check(subject)


def test_ids_are_subject_and_check():
    mark = gradcheck.parametrize_with_checks(SUITE, checks=["gradient", "linear"])
    assert [parameters.id for parameters in mark.args[1]] == [
        f"{name}::{check}" for name in SUITE for check in ("gradient", "linear")
    ]
    assert [getattr(p.values[1], PROPERTY_MARK) for p in mark.args[1][:2]] == ["gradient", "linear"]


def test_an_exact_relation_fails_under_its_own_name():
    test = gradcheck.vjp_test(square, lambda y_bar, x: (2 * x * np.abs(y_bar),), x="n")
    mark = gradcheck.parametrize_with_checks([test], checks=["linear", "shape"])
    (subject, linear), (_, shape) = (parameters.values for parameters in mark.args[1])
    shape(subject)
    with pytest.raises(mismatch_type("not-linear", "x")):
        linear(subject)


def test_an_expected_failure_is_strict():
    mark = gradcheck.parametrize_with_checks(SUITE, expected_failed_checks={"dense-mean::*": "why"})
    marks = [mark for p in mark.args[1] if p.id.startswith("dense-mean") for mark in p.marks]
    assert len(marks) == len(mark.args[1]) / len(SUITE)
    assert all(m.name == "xfail" and m.kwargs["strict"] for m in marks)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([],), "got none"),
        (([SUITE["dense"], SUITE["dense"]],), "two named 'dense'"),
        (([dense],), "expected a test made by vjp_test"),
    ],
)
def test_a_suite_of_something_else_is_refused(arguments, words):
    with pytest.raises(InvalidArgument, match=words):
        gradcheck.parametrize_with_checks(*arguments)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"expected_failed_checks": {"dens::gradient": "typo"}}, "match nothing"),
        ({"checks": ["gradients"]}, "got 'gradients'"),
    ],
)
def test_names_that_match_nothing_are_refused(options, words):
    with pytest.raises(InvalidArgument, match=words):
        gradcheck.parametrize_with_checks(SUITE, **options)


def test_the_first_example_is_an_ordinary_one_and_one_of_those_asked_for():
    seen = []

    def forward(x, w, b):
        seen.append((x, w, b))
        return x @ w + b

    def backward(g, x, w, b):
        return g @ w.T, x.T @ g, g.sum(axis=0)

    kept = []
    with recording(kept.append, alone=True):
        gradcheck.vjp_test(forward, backward, x="n d", w="d k", b="k", examples=7, seed=3)()
    assert len(kept) == 7
    x, w, b = seen[0]
    assert len({*x.shape, *w.shape}) == 3
    assert min(x.shape + w.shape) > 1
    assert all(np.unique(array).size == array.size for array in (x, w, b))


def test_what_the_first_example_raises_is_told_where_no_other_raises():
    calls = []

    def forward(x):
        calls.append(x)
        if len(calls) == 1:
            raise TypeError("only once")
        return x**2

    with pytest.raises(InvalidSubject, match="only once"):
        gradcheck.vjp_test(forward, lambda g, x: 2 * x * g, x="n", seed=0)()
