"""An option is named where it alone tells the wrong points from the right ones."""

from __future__ import annotations

import pytest
from hypothesis.strategies import booleans

from gradcheck import strategies, vjp_test
from gradcheck.diagnosis import Trial, wrong_for_options
from gradcheck.errors import GradientMismatch
from tests.corpus.likelihoods import poisson, poisson_back


def said(*trials):
    return [d.sentence for d in wrong_for_options([Trial(*trial) for trial in trials])]


def points(values, wrong, name="mode"):
    return [({name: value}, value in wrong) for value in values]


def test_the_values_are_told():
    (sentence,) = said(*points("aabbccab", "b"))
    assert "mode = 'b'" in sentence
    (sentence,) = said(*points([True, False] * 4, [False]))
    assert "mode = False" in sentence


def test_two_options_that_differ_are_told():
    pairs = [(1, 1), (2, 2), (3, 3), (1, 2), (2, 3), (2, 1), (3, 1), (1, 3)]
    (sentence,) = said(*[({"stride": a, "dilation": b}, a != b) for a, b in pairs])
    assert "(stride == dilation) being False" in sentence


@pytest.mark.parametrize(
    "trials",
    [
        points("aabb", "b"),  # too few
        points("aaabbb", ""),  # none is wrong
        points("aaabbb", "ab"),  # all are
        [({"mode": "a"}, i % 2 == 0) for i in range(8)],  # the same value on both sides
        [],
        [({}, True)] * 4 + [({}, False)] * 4,
        [({"mode": [1]}, True)] * 4 + [({"mode": [2]}, False)] * 4,  # cannot be compared
    ],
)
def test_nothing_is_said_without_evidence(trials):
    assert said(*trials) == []


def test_a_small_number_that_hides_a_mistake_is_no_option():
    tiny = points([1e-6, 1e-6, 1e-6, 1.0, 1.0, 0.1], [1.0, 0.1], "reg")
    assert said(*tiny) == []
    neutral = points([0.0, 0.0, 0.0, 0.1, 0.3, 0.3], [0.1, 0.3], "smoothing")
    assert len(said(*neutral)) == 1


def test_a_property_test_names_the_option_that_its_backward_ignores():
    def backward(out_bar, rate, count, log_input=True):
        return poisson_back(out_bar, rate, count, log_input, right=False)

    with pytest.raises(GradientMismatch) as caught:
        vjp_test(
            poisson,
            backward,
            rate=strategies.array("n", domain=(0.1, 20.0)),
            count=strategies.array("n", dtype="int64", domain=(0, 9)),
            log_input=booleans(),
            seed=0,
        )()
    named = caught.value.result.diagnoses
    assert [d.name for d in named] == ["wrong-for-option"]
    assert "log_input = False" in named[0].sentence
