"""Right code at its kinks is never wrong; `measure_networks` asks ten thousand cases."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gradcheck.result import Verdict
from tests.truth.measure_networks import judge, reproduction
from tests.truth.right_networks import KINDS, build

CASES = 120
each_kind = pytest.mark.parametrize("kind", KINDS)


def moved_off_the_kinks(case):
    """The inputs of a case, jittered: there a central difference is right."""
    rng = np.random.default_rng(case.seed)
    return {
        name: np.asarray(x + 1e-2 * rng.standard_normal(x.shape)) if x.dtype.kind == "f" else x
        for name, x in case.inputs.items()
    }


@each_kind
def test_the_backward_is_the_chain_rule(kind):
    """One long and simple difference along a random direction, where there is no kink."""
    for seed in range(CASES):
        case = build(kind, seed)
        inputs = moved_off_the_kinks(case)
        rng = np.random.default_rng(seed)
        up = rng.standard_normal(np.shape(case.forward(*inputs.values())))
        gradients = dict(zip(inputs, case.backward(up, *inputs.values()), strict=True))
        v = {name: rng.standard_normal(np.shape(inputs[name])) for name in inputs}
        step = {name: 1e-7 * v[name] for name in inputs if gradients[name] is not None}
        ahead = case.forward(*(inputs[name] + step.get(name, 0) for name in inputs))
        behind = case.forward(*(inputs[name] - step.get(name, 0) for name in inputs))
        slope = np.sum(up * (ahead - behind)) / 2e-7
        claimed = sum(np.sum(gradients[name] * v[name]) for name in step)
        size = sum(np.linalg.norm(gradients[name] * v[name]) for name in step)
        assert abs(slope - claimed) <= 1e-5 * max(size, 1e-3), reproduction(case)


@each_kind
def test_right_code_at_its_kinks_is_not_wrong(kind):
    verdicts = [(case, judge(case).verdict) for case in (build(kind, s) for s in range(CASES))]
    assert [reproduction(case) for case, verdict in verdicts if verdict is Verdict.WRONG] == []
    undecided = [case for case, verdict in verdicts if verdict is Verdict.INCONCLUSIVE]
    assert len(undecided) <= 0.01 * CASES, list(map(reproduction, undecided))


@each_kind
def test_the_same_code_with_a_wrong_factor_is_wrong(kind):
    def doubled(up, *arrays):
        return tuple(None if g is None else 2 * g for g in build(kind, 0).backward(up, *arrays))

    wrong = dataclasses.replace(build(kind, 0), backward=doubled)
    assert judge(wrong).verdict is Verdict.WRONG


@each_kind
def test_a_case_is_rebuilt_from_its_seed(kind):
    first, second = build(kind, 7), build(kind, 7)
    assert first.title == second.title
    for name, x in first.inputs.items():
        np.testing.assert_array_equal(x, second.inputs[name])
