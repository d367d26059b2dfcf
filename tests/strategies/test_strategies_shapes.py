"""The shape language, and strategies that share its axes."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as hs

from gradcheck import strategies as st
from gradcheck.errors import InvalidArgument
from gradcheck.strategies.registration import register
from gradcheck.strategies.shapes import Shape, parse_shape

MANY = settings(
    max_examples=400,
    phases=[Phase.generate],
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


def drawn(strategy):
    """Everything a strategy draws in 400 examples."""
    seen = []
    MANY(given(strategy)(lambda value: seen.append(value)))()
    return seen


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("n d", Shape(("n", "d"))),
        ("", Shape(())),
        ("... 3", Shape((3,), leading=True)),
        ("3 3 c_in c_out", Shape((3, 3, "c_in", "c_out"))),
        (("n", 2), Shape(("n", 2))),
        ((), Shape(())),
        ((..., "d"), Shape(("d",), leading=True)),
    ],
)
def test_the_shape_language(text, shape):
    assert parse_shape(text) == shape


@pytest.mark.parametrize(
    "text", ["n,d", "n -1", "n ...", "... ...", "(n d)", "n*2", 3, None, ("n", 2.5), ("n", -1)]
)
def test_what_is_no_shape_is_refused_at_once(text):
    with pytest.raises(InvalidArgument, match=r"(?i)shape"):
        st.array(text)


@given(
    x=st.array("n d"),
    w=st.positive("d k"),
    y=st.labels("n", classes="k"),
    i=st.indices("m", into="d"),
    lead=st.array("... n"),
    other=hs.one_of(st.array("... d"), st.array("... d", dtype="float32")),
)
def test_axes_of_one_name_agree_within_one_example(x, w, y, i, lead, other):
    assert x.shape[1] == w.shape[0]
    assert y.shape == x.shape[:1]
    assert (y >= 0).all()
    assert (y < w.shape[1]).all()
    assert (i < x.shape[1]).all()
    assert lead.shape[-1] == x.shape[0]
    assert lead.shape[:-1] == other.shape[:-1]


@given(n=st.size("n"), x=st.array("n"))
def test_an_option_can_know_the_size_of_an_axis(n, x):
    assert x.shape == (n,)


def test_shapes_reach_the_sizes_where_bugs_live():
    cases = drawn(st.cases({"x": "n d", "w": "d k"}))
    sizes = [tuple(case.sizes.values()) for case in cases]
    seen = {size for triple in sizes for size in triple}
    assert set(range(1, 9)) <= seen
    assert max(seen) > 30
    assert sum(len(set(triple)) == 3 for triple in sizes) > len(sizes) / 2


def test_axes_bounds_hold_and_reach_both_ends():
    bounds = {"n": (0, 3), "d": 4, "k": [2, 6], "m": hs.just(5)}
    cases = drawn(st.cases({"x": "n d k m"}, axes=bounds))
    shapes = {case.arrays["x"].shape for case in cases}
    assert {shape[0] for shape in shapes} == {0, 1, 2, 3}
    assert {shape[1:] for shape in shapes} == {(4, 2, 5), (4, 6, 5)}


def test_large_sizes_come_where_they_are_allowed():
    cases = drawn(st.cases({"x": "n"}, axes={"n": (1, 70_001)}))
    assert max(case.arrays["x"].size for case in cases) > 65_504


def test_ten_thousand_entries_are_no_burden():
    cases = drawn(st.cases({"x": "n d"}, axes={"n": 100, "d": 100}))
    assert {case.arrays["x"].size for case in cases} == {10_000}


@pytest.mark.parametrize(
    "bounds", [{"n": (3, 2)}, {"n": "8"}, {"n": (-1, 2)}, {"n": []}, {"n": 2.5}, {"n": None}]
)
def test_bad_bounds_are_refused(bounds):
    with pytest.raises(InvalidArgument, match="axis 'n'"):
        st.cases({"x": "n"}, axes=bounds)


def test_bounds_of_an_unknown_axis_are_refused():
    with pytest.raises(InvalidArgument, match=r"got 'm'.*some of d, n"):
        st.cases({"x": "n d"}, axes={"m": (1, 2)})


@pytest.mark.parametrize(
    "call",
    [
        lambda: st.labels("n", classes=0),
        lambda: st.labels("n", classes="2k"),
        lambda: st.labels("n", classes=2.5),
        lambda: st.spd("n d"),
        lambda: st.spd("d"),
        lambda: st.array("n", domain=(2, 1)),
        lambda: st.array("n", domain="nowhere"),
        lambda: st.array("n", dtype="float63"),
        lambda: st.size("n d"),
        lambda: st.cases({"x": 3}),
    ],
)
def test_impossible_arrays_are_refused_when_asked_for(call):
    with pytest.raises(InvalidArgument):
        call()


def test_the_stimuli_are_reached():
    cases = drawn(st.cases({"x": "n d", "y": "n d"}))
    xs = [case.arrays["x"] for case in cases]
    small = [x for x in xs if 1 < x.size <= 64]
    share = 1 / len(xs)
    assert sum((x == 0).sum() == 1 for x in small) * share > 0.02
    assert sum((x == 0).all() for x in small) * share > 0.01
    assert sum(x.size > len(np.unique(x)) for x in small) * share > 0.2
    assert sum((x[0] == x[-1]).all() for x in small if len(x) > 1) * share > 0.02
    assert sum(np.abs(x).max() > 500 for x in small) * share > 0.03
    assert sum(0 < np.abs(x[x != 0]).min(initial=np.inf) < 1e-3 for x in small) * share > 0.03
    assert sum(len(np.unique(x)) == x.size for x in small) * share > 0.2
    assert sum((x < 0).any() and (x > 0).any() for x in small) * share > 0.2
    assert any(np.array_equal(*case.arrays.values()) and case.arrays["x"].any() for case in cases)


def test_square_matrices_are_symmetric_diagonal_and_degenerate_now_and_then():
    matrices = [case.arrays["a"] for case in drawn(st.cases({"a": "d d"}))]
    larger = [a for a in matrices if len(a) > 1 and a.any()]
    assert sum(np.array_equal(a, a.T) for a in larger) > len(larger) / 10
    assert sum(np.array_equal(a, np.diag(np.diag(a))) for a in larger) > len(larger) / 30
    assert any(np.array_equal(a, a[0, 0] * np.eye(len(a))) for a in larger)
    assert sum(not np.array_equal(a, a.T) for a in larger) > len(larger) / 2


def test_layouts_are_drawn_where_they_are_asked_for():
    flags = [x.flags for x in drawn(st.array("n d", layouts=True)) if min(x.shape) > 1]
    assert any(not flag.c_contiguous for flag in flags)
    assert any(not flag.writeable for flag in flags)


def test_nearly_every_example_is_a_new_one():
    assert len({repr(case) for case in drawn(st.cases({"x": "n d", "y": "n d"}))}) > 380


def test_failures_of_a_single_array_shrink():
    assert find(st.array("n d"), lambda x: (x > 2.5).any(), settings=MANY_FIND).shape == (1, 1)
    tied = find(
        st.array("n"),
        lambda x: (x != 0).any() and len(np.unique(x)) < x.size,
        settings=MANY_FIND,
    )
    assert tied.size <= 3


MANY_FIND = settings(max_examples=2000, derandomize=True, database=None)


def test_a_failing_example_prints_what_evaluates_to_it():
    @settings(database=None, derandomize=True, phases=[Phase.generate, Phase.shrink])
    @given(x=st.array("n 7", dtype="float32"))
    def fails(x):
        assert (x == 0).sum() < 20

    with pytest.raises(AssertionError) as failure:
        fails()
    assert "x=coded_array((3, 7), dtype='float32')" in "".join(failure.value.__notes__)


@given(st.cases({"x": "n d", "p": st.probabilities("n"), "y": st.labels("n", classes=3)}))
def test_a_case_prints_what_evaluates_to_it(case):
    arrays = eval(repr(case), {"Case": dict, "coded_array": st.coded_array, "inf": np.inf})
    assert arrays.pop("seed") == case.seed
    for name, array in case.arrays.items():
        assert np.array_equal(arrays[name], array)
        assert arrays[name].dtype == array.dtype


def test_annotations_can_ask_for_a_shape():
    register()

    def build(x: st.Shaped[Literal["n 2"]]):
        return x

    assert find(hs.builds(build), lambda x: len(x) == 2).tolist() == [[0, 0], [0, 0]]
