"""The layer whose own backward is wrong is named, last to first, and the wiring if none is."""

from __future__ import annotations

import numpy as np
import pytest

import gradcheck
from gradcheck.guilty_layer import find_guilty_layer
from gradcheck.result import CheckResult, Verdict
from gradcheck.subject import LayerCall
from tests.diagnosis.measure_guilty_layers import measure, outcome
from tests.diagnosis.planted import PLACES, planted


class Layered:
    def __init__(self, *verdicts):
        self.verdicts = dict(verdicts)
        self.asked = []

    def layers(self, inputs, cotangent):
        return [LayerCall(name, None, {}, None) for name in self.verdicts]

    def check(self, call):
        self.asked.append(call.name)
        return CheckResult(call.name, self.verdicts[call.name])

    def guilty(self):
        return find_guilty_layer(self, {}, None, self.check)


RIGHT, WRONG, UNSURE = Verdict.CORRECT, Verdict.WRONG, Verdict.INCONCLUSIVE


def test_the_last_wrong_layer_is_guilty_and_none_before_it_is_asked():
    net = Layered(("a", WRONG), ("b", WRONG), ("c", RIGHT))
    assert net.guilty() == "b"
    assert net.asked == ["c", "b"]


def test_the_wiring_is_guilty_where_every_layer_is_right():
    assert Layered(("a", RIGHT), ("b", RIGHT)).guilty() == "wiring"


def test_an_undecided_layer_does_not_hide_a_wrong_one():
    assert Layered(("a", WRONG), ("b", UNSURE)).guilty() == "a"


def test_nothing_is_said_where_a_layer_could_not_be_decided():
    assert Layered(("a", RIGHT), ("b", UNSURE)).guilty() == ""


def test_nothing_is_said_of_a_model_without_layers():
    assert Layered().guilty() == ""


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("seed", range(1000, 1005))
def test_a_planted_bug_is_traced_to_its_layer(place, seed):
    subject, inputs, guilty = planted(seed, place)
    result = gradcheck.check(subject, inputs)
    if result.verdict is Verdict.WRONG:
        assert outcome(result, guilty) == "right"
        assert guilty.split("[")[0] in str(result)


def test_most_planted_bugs_are_seen_at_all():
    counted = measure(3, first_seed=2000)
    assert sum(n for (_, what), n in counted.items() if what == "right") >= 9


def test_a_right_network_has_no_guilty_layer():
    subject, inputs, _ = planted(3, "wiring")
    right = type(subject)(type(subject.network).__mro__[1](subject.network.layers))
    result = gradcheck.check(right, inputs)
    assert result.verdict is Verdict.CORRECT
    assert result.guilty_layer == ""


def test_a_layer_is_checked_with_the_cotangent_that_flows_there():
    seen = []

    class Recording:
        name = "square"

        def value(self, inputs):
            return inputs["x"] ** 2

        def vjp(self, inputs, cotangent):
            seen.append(np.array(cotangent))
            return {"x": 3 * inputs["x"] * cotangent}

    class Model(Recording):
        def layers(self, inputs, cotangent):
            return [LayerCall("square", Recording(), inputs, np.array([7.0, 0.0]))]

    result = gradcheck.check(Model(), {"x": np.array([1.0, 2.0])})
    assert result.guilty_layer == "square"
    assert any(np.array_equal(u, [7.0, 0.0]) for u in seen)
