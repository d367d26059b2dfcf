"""Terms and factors that lie beside the entries only in parts: sums, products, groups, labels."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from gradcheck.diagnosis import explain
from tests.diagnosis.cases import case, case_of_pairs

RNG = np.random.default_rng


def names(found):
    return [diagnosis.name for diagnosis in found]


def elementwise(forward, right, wrong, **inputs):
    def pair(slopes):
        return forward, lambda g, *arrays: tuple(g * slope for slope in slopes(*arrays))

    return case_of_pairs(pair(right), pair(wrong), inputs)


A, B = RNG(1).uniform(0.3, 3, 4), RNG(2).uniform(0.3, 3, 4)


def test_a_function_of_a_sum_of_inputs_is_missing():
    def right(a, b):
        both = special.digamma(a + b)
        return special.digamma(a) - both, special.digamma(b) - both

    def wrong(a, b):
        return right(a, b)[0], special.digamma(b)

    (first, *_) = explain(elementwise(special.betaln, right, wrong, a=A, b=B))
    assert first.name == "missing-term"
    assert "digamma((b + a))" in first.sentence


def test_a_product_of_two_functions_is_missing():
    p = np.array([0.2, 0.6, 0.85])

    def right(p):
        return (-((1 - p) ** 2) / p + 2 * (1 - p) * np.log(p),)

    def wrong(p):
        return (-((1 - p) ** 2) / p,)

    found = explain(elementwise(lambda p: -((1 - p) ** 2) * np.log(p), right, wrong, p=p))
    assert names(found)[0] == "missing-term"
    assert "log(p)" in found[0].sentence


@pytest.mark.parametrize("seed", range(40))
def test_unrelated_claims_have_no_composed_term(seed):
    x, y, g, claimed, due = RNG(seed).standard_normal((5, 2 + seed % 4))
    made = case({"x": x, "y": y}, x * y, g, {"x": claimed}, {"x": due})
    assert "missing-term" not in names(explain(made))


def test_one_number_is_missing_everywhere():
    x, due = RNG(3).standard_normal((2, 5))
    made = case({"x": x}, np.array(1.7), np.array(0.4), {"x": due + 0.31}, {"x": due})
    assert names(explain(made))[0] == "missing-term"


def test_a_known_factor_for_some_entries_only():
    x, due = RNG(4).standard_normal((2, 6))
    claimed = np.where(np.arange(6) % 3 == 0, due / 2, due)
    claimed[4] = due[4] / 2
    found = explain(case({"x": x}, x, RNG(5).standard_normal(6), {"x": claimed}, {"x": due}))
    assert names(found)[0] == "constant-factor"


def test_an_unknown_factor_for_some_entries_is_no_cause():
    x, due = RNG(6).standard_normal((2, 6))
    claimed = np.where(np.isin(np.arange(6), [0, 3, 4]), due * 0.7371, due)
    found = explain(case({"x": x}, x, RNG(5).standard_normal(6), {"x": claimed}, {"x": due}))
    assert "constant-factor" not in names(found)


def test_entries_of_one_label_share_a_factor():
    due = RNG(7).standard_normal((6, 2))
    label = np.array([0, 1, 1, 3, 3, 3])
    factors = np.array([0.5, 2 / 3, 1.0, 1.3])[label][:, None]
    inputs = {"x": RNG(8).standard_normal((6, 2)), "segment": label}
    made = case(
        inputs, np.zeros((4, 2)), RNG(9).standard_normal((4, 2)), {"x": due * factors}, {"x": due}
    )
    assert names(explain(made))[0] == "wrong-factor"


def test_rows_with_unrelated_claims_share_no_factor():
    x, due, claimed = RNG(10).standard_normal((3, 3, 4))
    made = case({"x": x}, x, RNG(9).standard_normal((3, 4)), {"x": claimed}, {"x": due})
    assert names(explain(made)) == []


def test_an_index_read_twice_does_not_explain_a_claim_where_nothing_is_due():
    words = np.array([0, 2, 0, 1])
    g = RNG(11).standard_normal((4, 2))
    due, claimed = np.zeros((3, 2)), np.zeros((3, 2))
    np.add.at(claimed, words, g)
    np.add.at(due, words, g * (words != 0)[:, None])
    inputs = {"table": RNG(12).standard_normal((3, 2)), "words": words}
    found = explain(case(inputs, g, g, {"table": claimed}, {"table": due}))
    assert names(found)[0] == "ignores-mask"


def test_whole_numbers_are_truncated_and_do_not_ignore_the_cotangent():
    x = RNG(13).standard_normal(4)
    due = np.array([0.3, -0.6, -0.2, 0.7])
    claim = {"x": np.floor(due)}
    made = case(
        {"x": x}, x, due, claim, {"x": due},
        second_cotangent={"out": due / 2}, second_claim={"x": np.floor(due / 2)},
    )  # fmt: skip
    assert names(explain(made))[0] == "integer-arithmetic"


def test_nan_where_half_of_all_numbers_lie_too_needs_an_exact_match():
    x = np.array([-0.5, -1.2, 0.7, -0.3, -0.9, 1.1])
    claimed = np.array([np.nan, np.nan, 1.0, 1.0, np.nan, 1.0])
    made = case({"x": x}, x, np.ones(6), {"x": claimed}, {"x": np.ones(6)})
    assert names(explain(made)) == []
    exact = np.where(x <= 0, np.nan, 1.0)
    made = case({"x": x}, x, np.ones(6), {"x": exact}, {"x": np.ones(6)})
    assert names(explain(made)) == ["wrong-for-negative"]
