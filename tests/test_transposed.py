"""A wrong tangent is traced to its entries and its cause, as a wrong gradient is."""

import numpy as np
import pytest

import gradcheck
from gradcheck.result import Verdict

X = np.array([[0.3, -1.2], [0.7, 2.1], [-0.4, 1.1]])
W = np.array([[0.5, 1.5], [-0.7, 0.2]])


def product_jvp(inputs, tangents):
    return tangents[0] @ inputs[1] + inputs[0] @ tangents[1]


def doubled_for_w(inputs, tangents):
    return tangents[0] @ inputs[1] + 2 * inputs[0] @ tangents[1]


def test_a_wrong_tangent_names_its_entries_and_its_cause():
    result = gradcheck.check_jvp(np.matmul, doubled_for_w, (X, W))
    wrong = [c for c in result.comparisons if c.verdict is Verdict.WRONG and c.index is not None]
    assert {c.input for c in wrong} == {"w"} or {c.input for c in wrong} == {"x2"}
    assert len(wrong) == W.size
    assert result.diagnoses[0].name == "constant-factor"
    assert "tangent of" in str(result)


def test_a_right_tangent_is_not_asked_entry_by_entry():
    calls = []

    def jvp(inputs, tangents):
        calls.append(1)
        return product_jvp(inputs, tangents)

    assert gradcheck.check_jvp(np.matmul, jvp, (X, W))
    assert len(calls) <= 2 * 2


def test_one_wrong_column_of_a_complex_tangent_is_found():
    z = np.array([1.0 + 2.0j, -0.5j, 0.3])

    def jvp(inputs, tangents):
        conjugated = tangents[0].copy()
        conjugated[1] = np.conj(conjugated[1])
        return 2 * inputs[0] * conjugated

    result = gradcheck.check_jvp(np.square, jvp, (z,))
    wrong = {c.index for c in result.comparisons if c.verdict is Verdict.WRONG and c.index}
    assert wrong == {(1,)}


@pytest.mark.parametrize(
    "jvp",
    [lambda i, t: np.cos(i[0]) * np.abs(t[0]), lambda i, t: np.cos(i[0])],
    ids=["absolute", "left out"],
)
def test_a_claim_that_is_not_linear_in_the_tangents_says_so(jvp):
    result = gradcheck.check_jvp(np.sin, jvp, (X,))
    assert result.verdict is Verdict.WRONG
    assert [f.name for f in result.findings] == ["linear"]


def test_a_large_wrong_tangent_is_wrong_without_its_entries():
    x = np.linspace(0.1, 1.0, 300)
    result = gradcheck.check_jvp(np.sin, lambda i, t: 1.01 * np.cos(i[0]) * t[0], (x,))
    assert result.verdict is Verdict.WRONG
    assert not result.entries
