"""Failing cases become small, stay in their domains, and keep failing."""

from __future__ import annotations

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as hs

from gradcheck import strategies as st
from gradcheck.strategies.case import Case, specs_and_options
from gradcheck.strategies.reduction import MOST_TRIALS, reduced
from gradcheck.strategies.shapes import Axes
from losses import LOSSES
from models import CATALOGUE

ARGUMENTS = {
    "x": "... n d",
    "p": st.probabilities("n k"),
    "y": st.labels("n", classes="k"),
    "hot": st.one_hot("n k"),
    "a": st.spd("d d"),
    "u": st.array("d", domain=(2.0, 9.0)),
}
QUICK = settings(max_examples=40, phases=[Phase.generate])


def reduce(case, fails, arguments=ARGUMENTS, axes=None):
    specs, _ = specs_and_options(arguments)
    return reduced(case, fails, specs, Axes(axes or {}))


@QUICK
@given(st.cases(ARGUMENTS))
def test_what_always_fails_becomes_as_small_as_can_be(case):
    small = reduce(case, lambda _: True)
    assert {name: array.shape for name, array in small.arrays.items()} == {
        "x": (1, 1),
        "p": (1, 1),
        "y": (1,),
        "hot": (1, 1),
        "a": (1, 1),
        "u": (1,),
    }
    assert small.arrays["x"] == 0
    assert small.arrays["u"] == 2
    assert small.seed == 0


@QUICK
@given(st.cases(ARGUMENTS))
def test_every_candidate_is_in_its_domain(case):
    def in_domain(candidate):
        arrays = candidate.arrays
        sizes = candidate.sizes
        assert arrays["x"].shape == (*sizes["..."], sizes["n"], sizes["d"])
        assert np.allclose(arrays["p"].sum(axis=-1), 1)
        assert ((arrays["y"] >= 0) & (arrays["y"] < sizes["k"])).all()
        assert (arrays["hot"].sum(axis=-1) == 1).all()
        assert np.array_equal(arrays["a"], arrays["a"].T)
        assert ((arrays["u"] >= 2) & (arrays["u"] <= 9)).all()
        return len(arrays["x"]) % 2 == 0

    if in_domain(case):
        reduce(case, in_domain)


@QUICK
@given(st.cases({"x": "n d"}))
def test_what_fails_keeps_failing(case):
    def fails(candidate):
        return bool((np.abs(candidate.arrays["x"]) > 0.9).sum() >= 2)

    if fails(case):
        small = reduce(case, fails, {"x": "n d"})
        assert fails(small)
        assert small.arrays["x"].size <= 4


@QUICK
@given(st.cases({"x": "n d"}, axes={"n": (3, 9)}))
def test_no_axis_falls_below_its_bounds(case):
    axes = {"n": (3, 9)}
    assert reduce(case, lambda _: True, {"x": "n d"}, axes).arrays["x"].shape == (3, 1)


def test_no_more_is_tried_than_was_allowed():
    tried = []

    def never(case):
        tried.append(case)
        return False

    big = Case({"x": np.ones((200, 200))}, {}, {"n": 200, "d": 200}, 9)
    reduce(big, never, {"x": "n d"})
    assert len(tried) <= MOST_TRIALS


@settings(max_examples=30, phases=[Phase.generate])
@given(st.networks(CATALOGUE, LOSSES), hs.integers(0, 9))
def test_a_network_is_reduced_to_one_layer(network, seed):
    case = Case(network.inputs, {}, {}, seed, subject=network)
    small = reduce(case, lambda _: True).subject
    assert len(small.plan) == 1
    assert small.plan[0][1:] == (1, 1)
    assert (small.batch, small.loss) == (1, "")
    assert {name: x.shape for name, x in small.inputs.items()}["x"] == (1, 1)


@settings(max_examples=30, phases=[Phase.generate])
@given(st.networks(CATALOGUE, LOSSES))
def test_the_repr_of_a_network_rebuilds_it(network):
    names = {"Network": st.Network, "catalogue": CATALOGUE, "losses": LOSSES}
    again = eval(repr(network), names)
    assert all(np.array_equal(again.inputs[name], x) for name, x in network.inputs.items())
    output = network.value(network.inputs)
    assert np.array_equal(again.value(again.inputs), output)


def test_networks_reach_every_layer_every_loss_and_depth():
    seen = []
    settings(max_examples=400, phases=[Phase.generate], database=None, derandomize=True)(
        given(st.networks(CATALOGUE, LOSSES))(lambda network: seen.append(network))
    )()
    assert {name for network in seen for name, _, _ in network.plan} == set(CATALOGUE)
    assert {network.loss for network in seen} == set(LOSSES)
    assert {len(network.plan) for network in seen} == {1, 2, 3, 4}
    assert {network.batch for network in seen} == {1, 2, 3, 4, 5}
