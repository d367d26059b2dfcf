"""Recipes: short, printable, the same array anywhere, and always inside their domain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as hs

from gradcheck.errors import InvalidArgument
from gradcheck.strategies.domains import INTERVALS, codebook, interval
from gradcheck.strategies.layouts import LAYOUTS, with_layout
from gradcheck.strategies.recipes import DISTINCT_GAP, coded_array

SHAPES = hs.lists(hs.integers(0, 6), max_size=4).map(tuple)
CODES = hs.binary(min_size=1, max_size=64)
FLOATS = hs.sampled_from(["float16", "float32", "float64"])
INTERVAL_NAMES = [*INTERVALS, (0.0, 1.0), (-5.0, 2.0), (3.0, np.inf), (-np.inf, -1.0), (7.0, 7.0)]
DOMAINS = hs.sampled_from(INTERVAL_NAMES)


@given(SHAPES, CODES, FLOATS, DOMAINS, hs.booleans(), hs.integers(0, 99))
def test_entries_lie_in_the_domain(shape, codes, dtype, domain, continuous, seed):
    x = coded_array(
        shape, codes=codes, dtype=dtype, domain=domain, continuous=continuous, seed=seed
    )
    assert x.shape == shape
    assert x.dtype == dtype
    assert interval(domain).holds(x).all()
    assert np.isfinite(x).all()


@given(CODES, FLOATS, hs.sampled_from([1e-100, 1e-8, 30.0, 1e50, 1e100]))
def test_scaling_keeps_entries_in_the_domain_and_finite(codes, dtype, scale):
    for domain in INTERVALS:
        x = coded_array((7,), codes=codes, dtype=dtype, domain=domain, scale=scale)
        assert interval(domain).holds(x).all()
        assert np.isfinite(x).all()


@given(SHAPES, CODES, hs.booleans(), hs.integers(0, 99), hs.data())
def test_a_smaller_shape_keeps_the_entries_it_still_has(shape, codes, continuous, seed, data):
    smaller = tuple(data.draw(hs.integers(0, size)) for size in shape)
    whole = coded_array(shape, codes=codes, continuous=continuous, seed=seed)
    part = coded_array(smaller, codes=codes, continuous=continuous, seed=seed)
    assert np.array_equal(part, whole[tuple(slice(size) for size in smaller)])


def test_a_smaller_shape_keeps_entries_beyond_those_with_codes_of_their_own():
    whole = coded_array((40, 30), codes=bytes(range(64)), continuous=True, seed=3)
    part = coded_array((20, 30), codes=bytes(range(64)), continuous=True, seed=3)
    assert np.array_equal(part, whole[:20])


@given(CODES)
def test_the_coin_gives_generic_points_or_ties(codes):
    exact = coded_array((40,), codes=codes[:8])
    generic = coded_array((40,), codes=codes[:8], continuous=True)
    nonzero = generic[generic != 0]
    assert len(np.unique(exact)) <= 8
    assert len(np.unique(nonzero)) == len(nonzero)
    assert np.array_equal(exact == 0, generic == 0)


def test_code_zero_is_the_simplest_number():
    assert coded_array(()) == 0
    assert coded_array((), domain="positive") == 1
    assert coded_array((), domain=(3, 9)) == 3
    assert coded_array((), domain=(-3, 9)) == 0


def test_a_recipe_gives_the_same_numbers_everywhere():
    x = coded_array((2, 2), seed=7, codes=b"\1\2\5", continuous=True)
    expected = [
        [0.7043839792214119, -1.0501073662707197],
        [0.6824330574209871, 1.285219100639111],
    ]
    assert x.tolist() == expected


@given(hs.integers(1, 5), CODES, hs.booleans(), hs.integers(0, 9))
def test_spd_matrices_are_symmetric_and_positive_definite(size, codes, continuous, seed):
    moderate = bytes(code % 8 for code in codes)
    matrix = coded_array(
        (2, size, size), codes=moderate, continuous=continuous, seed=seed, domain="spd"
    )
    assert np.array_equal(matrix, np.swapaxes(matrix, -1, -2))
    assert (np.linalg.eigvalsh(matrix) > 0).all()


def test_spd_reaches_identity_and_repeated_eigenvalues():
    assert np.array_equal(coded_array((3, 3), domain="spd"), np.eye(3))
    assert np.array_equal(coded_array((2, 2), domain="symmetric"), np.zeros((2, 2)))


@given(hs.integers(1, 6), hs.integers(1, 6), CODES, FLOATS)
def test_rows_of_a_simplex_are_positive_and_sum_to_one(rows, columns, codes, dtype):
    p = coded_array((rows, columns), codes=codes, dtype=dtype, domain="simplex")
    assert (p > 0).all()
    assert np.allclose(p.sum(axis=-1, dtype=float), 1, atol=4 * columns * np.finfo(dtype).eps)


@given(hs.integers(1, 6), hs.integers(1, 6), CODES)
def test_rows_of_one_hot_hold_a_single_one(rows, columns, codes):
    hot = coded_array((rows, columns), codes=codes, domain="one_hot")
    assert np.array_equal(np.sort(hot, axis=-1)[:, -1], np.ones(rows))
    assert np.array_equal(hot.sum(axis=-1), np.ones(rows))


@given(SHAPES, CODES, hs.booleans())
def test_distinct_entries_keep_their_distance(shape, codes, continuous):
    moderate = bytes(code % 20 for code in codes)
    x = np.sort(
        coded_array(shape, codes=moderate, continuous=continuous, domain="distinct"), axis=None
    )
    assert (np.diff(x) >= DISTINCT_GAP * (1 - 1e-12)).all()


def test_included_numbers_come_among_the_first():
    x = coded_array((6,), codes=bytes(range(6)), include=(-np.inf, 0.3))
    assert x.tolist() == [0, -np.inf, 0.3, 1, -1, 2]


def test_complex_entries_have_two_parts():
    z = coded_array((3,), codes=b"\1\2\3", dtype="complex128")
    assert z.tolist() == [1 + 2j, -1 - 1j, 2 + 1j]


def test_integers_and_truth_values_fill_their_range():
    codes = bytes(range(64))
    assert set(coded_array((64,), codes=codes, dtype="int64", domain=(0, 4))) == {0, 1, 2, 3, 4}
    assert coded_array((64,), codes=codes, dtype="int64").min() < 0
    assert set(coded_array((2,), codes=codes, dtype="bool")) == {False, True}
    far = coded_array((64,), codes=codes, dtype="int64", domain=(0, 10_000))
    assert {0, 10_000} <= set(far.tolist())


@given(SHAPES, CODES, hs.sampled_from(sorted(LAYOUTS)))
def test_a_layout_changes_no_value(shape, codes, layout):
    plain = coded_array(shape, codes=codes)
    laid_out = coded_array(shape, codes=codes, layout=layout)
    assert np.array_equal(plain, laid_out)
    assert plain.dtype == laid_out.dtype


def test_layouts_are_what_they_say():
    x = np.arange(6.0).reshape(2, 3)
    assert with_layout(x, "F").flags.f_contiguous
    assert with_layout(x, "strided").strides == (48, 16)
    assert with_layout(x, "reversed").strides == (-24, -8)
    assert not with_layout(x, "readonly").flags.writeable
    assert with_layout(x, "offset").base is not None


@settings(max_examples=20)
@given(CODES, DOMAINS, FLOATS)
def test_a_book_begins_simple_and_repeats_nothing(codes, domain, dtype):
    numbers = codebook(interval(domain), np.dtype(dtype).str).numbers
    assert len({repr(number) for number in numbers}) == len(numbers)
    inside = interval(domain).holds(np.zeros(1))[0]
    assert (numbers[0] == 0) == inside


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"domain": "postive"}, "got 'postive'"),
        ({"domain": (2, 1)}, "is empty"),
        ({"domain": 3}, "a pair"),
        ({"domain": (0.5, 0.6), "dtype": "int64"}, "lies no int64"),
        ({"dtype": "text"}, "dtype: got"),
        ({"dtype": "datetime64[s]"}, "dtype: got"),
        ({"layout": "diagonal"}, "layout: got"),
        ({"codes": b""}, "expected 1 to 64"),
        ({"domain": "spd"}, "square"),
    ],
)
def test_bad_recipes_are_refused(arguments, words):
    with pytest.raises(InvalidArgument, match=words):
        coded_array((2, 3), **arguments)
