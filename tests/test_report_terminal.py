"""The failure text: complete, plain, fit for 80 columns, and its call runs as it is copied."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import gradcheck
from gradcheck.errors import GradientMismatch
from gradcheck.report.terminal import (
    clipped,
    digits_to_tell,
    literal,
    number,
    printable,
    render,
    reproduction,
    wrapped_code,
)
from gradcheck.result import (
    CheckResult,
    Comparison,
    Diagnosis,
    Estimate,
    Evaluations,
    Evidence,
    Finding,
    Local,
    Severity,
    Verdict,
)

HOSTILE = "\x1b[31mred\r\n::set-output name=x::y\u202e\ud800" + "n" * 300


FITS = 80 - len("E   ")
"""Columns left of a terminal where pytest shows an error."""


def dense(x, w, b):
    return x @ w + b


def dense_backward(y_bar, x, w, b):
    return y_bar @ w.T, x.T @ y_bar, y_bar.mean(axis=0)


@pytest.fixture
def failure():
    inputs = {"x": np.zeros((2, 1)), "w": np.zeros((1, 1)), "b": np.zeros(1)}
    return gradcheck.check_vjp(dense, dense_backward, inputs)


def wrong(count, name="w", **more):
    return tuple(
        Comparison(
            name,
            (i, 10_000 * i),
            1.0 + i,
            Estimate(1.0, 3e-11, "central differences"),
            1e-7,
            Verdict.WRONG,
            reason=f"reason {i}",
            evidence=(Evidence("complex step", 1.0), Evidence("scipy", 1.0000001)),
            **more,
        )
        for i in range(count)
    )


def huge(text="long " * 200):
    """A result with more of everything than fits."""
    return CheckResult(
        text,
        Verdict.WRONG,
        comparisons=(*wrong(500, text), *wrong(100, "other")),
        findings=tuple(
            Finding(text, text * 3, severity, text) for severity in Severity for _ in "ab"
        ),
        diagnoses=tuple(Diagnosis("sign-flipped", text, 0.9, text, text) for _ in range(5)),
        evaluations=Evaluations(10**9, 10**9, 10**9, 10**9),
        resolution=1e-9,
        shapes={f"{text}{i}": (10**6, 10**6) for i in range(50)},
        guilty_layer=text,
        reproduce=f"gradcheck.assert_vjp({text}, {', '.join(['1.0'] * 5000)})",
    )


def test_a_wrong_bias_sum_is_told_completely(failure):
    text = str(failure)
    lines = text.splitlines()
    assert lines[0].startswith("backward of `dense` is wrong for `b`")
    assert "x (2, 1)" in lines[0]
    assert re.search(r"b\[0\] +-?0\.\d+ +-?0\.\d+ ± \de-\d+", text)
    assert "scipy" in text
    assert "likely cause   constant-factor" in text
    assert re.search(r"right +x, w", text)
    assert re.search(r"spent +\d+ forwards, \d+ backwards", text)
    assert "gradcheck.assert_vjp(dense, dense_backward," in text


@pytest.mark.parametrize(
    "text", ["long " * 200, HOSTILE, "x" * 5000, "::error::" * 50, "漢字 " * 90]
)
@pytest.mark.parametrize("verdict", Verdict)
def test_no_result_is_wider_or_taller_than_promised(text, verdict):
    lines = render(replace(huge(text), verdict=verdict)).splitlines()
    assert len(lines) < 40
    assert max(map(len, lines)) <= FITS
    if verdict is Verdict.CORRECT:
        assert len(lines) <= 2


@given(st.text(), st.floats(), st.floats(), st.floats(min_value=0))
@settings(max_examples=50, deadline=None)
def test_whatever_a_result_holds_is_printable_and_fits(text, claimed, estimated, error):
    rows = (
        Comparison(
            text, None, claimed, Estimate(estimated, error, text), error, Verdict.WRONG, text
        ),
    )
    findings = (Finding(text, text, Severity.FAILURE, text),)
    shown = render(CheckResult(text, Verdict.WRONG, rows, findings, reproduce=text))
    assert all(line.isprintable() and len(line) <= FITS for line in shown.split("\n"))
    assert not any(line.lstrip().startswith("::") for line in shown.split("\n"))


def test_a_log_reader_is_not_given_commands():
    result = CheckResult("f", Verdict.WRONG, findings=(Finding("a", "::error::x " * 30),))
    assert not re.search(r"^\s*::", render(result), re.MULTILINE)


def test_the_worst_entries_come_first_and_the_rest_are_counted():
    result = CheckResult("f", Verdict.WRONG, wrong(100))
    text = render(result)
    entries = re.findall(r"w\[(\d+), ", text.split("oracles")[0])
    assert entries == ["99", "98", "97", "96", "95", "94", "93", "92"]
    assert "and 92 more" in text


def test_an_entry_with_the_evidence_of_all_oracles_is_shown():
    rows = [replace(row, evidence=()) for row in wrong(20)]
    rows[3] = wrong(20)[3]
    text = render(CheckResult("f", Verdict.WRONG, tuple(rows)))
    assert "w[3, 30000]" in text.split("oracles")[0]
    assert re.search(r"oracles +w\[3, 30000\]: complex step 1\.0+; scipy 1\.0000001", text)


def test_a_long_path_keeps_its_ends():
    rows = wrong(1, "encoder.blocks[11].attention.projection.weight" * 3)
    text = render(CheckResult("f", Verdict.WRONG, rows))
    assert re.search(r"^  encoder.*\.\.\..*\[0, 0\]", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("left", "right"),
    [(1.0, 2.0), (1.0, 1.0 + 1e-6), (1e-300, 1.0000001e-300), (5e-324, 1e-323), (1e8, 1e8 + 1e-5)],
)
def test_the_first_differing_digit_shows(left, right):
    digits = digits_to_tell(left, right)
    assert number(left, digits) != number(right, digits)


def test_special_numbers_are_written_as_such():
    assert number(float("nan")) == "nan"
    assert number(float("-inf")) == "-inf"
    assert number(0.0) == "0.000000"
    assert number(1 + 2j, 3) == "1.00+2j"


def test_what_is_right_is_said_with_its_resolution(failure):
    text = render(replace(failure, resolution=4e-10))
    assert re.search(r"right +x, w \(resolution 4e-10\)", text)


def test_an_input_with_a_failed_relation_is_not_called_right(failure):
    finding = Finding("mutates-input", "backward wrote into it", input="x")
    text = render(replace(failure, findings=(finding,)))
    assert re.search(r"right +w\b", text)
    assert re.search(r"found +mutates-input \(x\): backward wrote into it", text)


def test_a_broken_relation_alone_is_the_headline():
    finding = Finding("stale-cache", "the backward answers for an earlier call", input="x")
    text = render(CheckResult("f", Verdict.WRONG, findings=(finding,)))
    assert text.splitlines()[0] == "`f` breaks an exact relation: stale-cache (x)"


@pytest.mark.parametrize(
    ("layer", "words"),
    [("layers[2]", "layers[2]: its own backward is wrong"), ("wiring", "every layer is right")],
)
def test_the_guilty_layer_is_named(failure, layer, words):
    assert words in render(replace(failure, guilty_layer=layer))


def test_no_guilty_layer_is_no_line(failure):
    assert "guilty" not in render(failure)


def test_a_second_cause_is_shown_only_where_it_fits_nearly_as_well(failure):
    first = Diagnosis("sign-flipped", "the sign", 0.95)
    near, far = Diagnosis("transposed", "moved", 0.93), Diagnosis("transposed", "moved", 0.6)
    assert "or else" in render(replace(failure, diagnoses=(first, near)))
    assert "or else" not in render(replace(failure, diagnoses=(first, far)))


def test_no_cause_is_no_line(failure):
    assert "likely cause" not in render(replace(failure, diagnoses=()))


@pytest.mark.parametrize("local", Local)
def test_an_undecided_check_says_what_to_do(local):
    estimate = Estimate(1.0, np.inf, "central differences", local=local)
    row = Comparison("x", (0,), 2.0, estimate, 0.0, Verdict.INCONCLUSIVE, local.value)
    text = render(CheckResult("f", Verdict.INCONCLUSIVE, (row,)))
    assert text.startswith("`f` could not be decided for `x`")
    assert "what to do" in text
    assert "because" in text


def test_a_right_check_takes_one_line():
    result = gradcheck.check_vjp(np.sin, lambda g, x: g * np.cos(x), (np.ones(3),))
    assert re.fullmatch(r"sin: CORRECT \(x.*; resolution .*\)", str(result))


def test_the_notes_of_a_right_check_take_one_more():
    notes = tuple(Finding("vacuous", "all zero " * 30, Severity.NOTE) for _ in range(3))
    lines = render(CheckResult("f", Verdict.CORRECT, findings=notes)).splitlines()
    assert len(lines) == 2
    assert lines[1].startswith("  note: vacuous: all zero")
    assert lines[1].endswith("(and 2 more)")


def test_text_is_clipped_in_its_middle():
    assert clipped("abcdefghij", 7) == "ab...ij"
    assert clipped("abc", 3) == "abc"
    assert all(len(clipped("abcdefghij", width)) <= width for width in range(10))


def test_nothing_unprintable_survives():
    assert printable(HOSTILE).isprintable()


# ------------------------------------------------------------------------------------ reproduction


def evaluated(text):
    names = {name: getattr(np, name) for name in np.__all__}
    return eval(text, {**names, "gradcheck": gradcheck, "dict": dict, "complex": complex})


ARRAYS = {
    "tenths": np.array([0.1, 1 / 3, -2e-308, 1e300]),
    "specials": np.array([np.inf, -np.inf, np.nan, -0.0]),
    "scalar": np.array(0.25),
    "matrix": np.arange(6.0).reshape(2, 3),
    "float32": np.array([0.1, 3e38], np.float32),
    "float16": np.array([0.1, 6e-8], np.float16),
    "longdouble": np.array([1, 10], np.longdouble) / 3,
    "integers": np.array([[1, -2]]),
    "int8": np.array([1, -128], np.int8),
    "booleans": np.array([True, False]),
    "complex": np.array([1 + 2j, complex(-0.0, np.inf), complex(np.nan, -1)]),
    "complex64": np.array([0.1 + 0.2j], np.complex64),
    "empty": np.zeros((0, 3)),
    "empty integers": np.zeros((2, 0), np.int64),
    "large constant": np.full((40, 50), 0.1),
    "large zero of float32": np.zeros((200,), np.float32),
    "minus zero": np.full(200, -0.0),
}


@pytest.mark.parametrize("array", ARRAYS.values(), ids=ARRAYS.keys())
def test_an_array_survives_being_written_out(array):
    again = evaluated(literal(array))
    assert again.dtype == array.dtype
    assert again.shape == array.shape
    if array.dtype == np.longdouble:
        np.testing.assert_array_equal(again, array)  # its padding bytes are anything
    else:
        assert again.tobytes() == array.tobytes()


@given(st.lists(st.floats(allow_nan=False) | st.floats(width=32, allow_nan=False), max_size=20))
def test_every_float_survives_being_written_out(values):
    array = np.array(values, dtype=float)
    assert evaluated(literal(array)).tobytes() == array.tobytes()


def test_the_line_runs_and_fails_the_same_way(failure):
    line = failure.reproduce
    assert "\n" not in line
    names = {name: getattr(np, name) for name in np.__all__}
    names |= {"gradcheck": gradcheck, "dense": dense, "dense_backward": dense_backward}
    with pytest.raises(GradientMismatch) as caught:
        eval(line, names)
    assert str(caught.value) == str(failure)


def copied(text):
    """What stands below the label, as it stands there."""
    return text.partition("  reproduce\n")[2]


def test_the_line_runs_as_it_is_copied_from_the_report(failure):
    names = {name: getattr(np, name) for name in np.__all__}
    names |= {"gradcheck": gradcheck, "dense": dense, "dense_backward": dense_backward}
    with pytest.raises(GradientMismatch) as caught:
        exec(copied(str(failure)), names)
    assert str(caught.value) == str(failure)


def test_the_line_runs_as_it_is_copied_from_the_traceback_of_a_script(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "import numpy as np\nimport gradcheck\nfrom numpy import *\n"
        "def half(x): return np.sum(x**2)\n"
        "def half_backward(x): return x\n"
        "if __name__ == '__main__':\n"
        "    gradcheck.assert_grad(half, half_backward, np.linspace(0.1, 1.7, 9))\n"
    )
    said = subprocess.run([sys.executable, script], capture_output=True, text=True).stderr
    again = "from script import *\n" + copied(said)
    done = subprocess.run(
        [sys.executable, "-c", again], capture_output=True, text=True, cwd=tmp_path
    )
    assert len(copied(said).splitlines()) == 2
    assert copied(done.stderr) == copied(said)


class Compact:
    """An option whose repr has commas without spaces, and more than one line."""

    def __init__(self, *values):
        self.values = values

    def __eq__(self, other):
        return self.values == other.values

    def __repr__(self):
        return f"Compact({','.join(map(repr, self.values))},\n        )"


OPTIONS = st.recursive(
    st.text() | st.binary() | st.integers() | st.none(),
    lambda inner: (
        st.tuples(inner)
        | st.lists(inner, max_size=4)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.builds(Compact, inner, inner)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), OPTIONS, max_size=4))
@example({"mode": "a, b, c, " * 4, "other": "it's, " * 6, "third": 'say "x, y", ' * 3})
@example({"o": Compact(1, 2, 3)})
@example({"t": (slice(None),) * 9})
def test_no_character_of_a_call_is_lost_however_it_is_broken(options):
    line = reproduction("assert_vjp", ["f", "g"], {"x": np.zeros(2)}, options=options)
    code = wrapped_code(line, 76)
    assert ast.dump(ast.parse("\n".join(code))) == ast.dump(ast.parse(line))
    text = render(CheckResult("f", Verdict.WRONG, reproduce=line))
    if "whole in result.reproduce" not in text:
        seen = {}
        fake = type("G", (), {"assert_vjp": lambda *args, **kwargs: seen.update(kwargs)})
        names = {"gradcheck": fake, "f": 0, "g": 0, "array": np.array, "Compact": Compact}
        exec(copied(text), names)
        assert seen.get("options", {}) == options


def test_how_to_save_large_inputs_comes_before_the_call():
    names = [f"weights_{i}" for i in range(9)]
    line = reproduction("assert_vjp", ["f", "g"], {name: np.arange(1000.0) for name in names})
    text = copied(render(CheckResult("f", Verdict.WRONG, reproduce=line)))
    *comment, call = text.splitlines()
    assert len(comment) > 1
    assert all(part.startswith("# ") for part in comment)
    assert call == "gradcheck.assert_vjp(f, g, dict(load('inputs.npz')), seed=0)"


def test_large_inputs_are_loaded_and_the_line_says_how_to_save_them():
    line = reproduction("assert_vjp", ["f", "g"], {"x": np.arange(1000.0), "n": np.ones(2)})
    assert line.startswith("gradcheck.assert_vjp(f, g, dict(load('inputs.npz')), seed=0)  # x: too")
    assert "savez('inputs.npz', **inputs)" in line


def test_a_recipe_stands_for_a_large_input():
    recipe = "default_rng(3).standard_normal(1000)"
    line = reproduction("assert_vjp", ["f", "g"], {"x": np.arange(1000.0)}, recipes={"x": recipe})
    assert line == f"gradcheck.assert_vjp(f, g, dict(x={recipe}), seed=0)"


def test_names_that_are_no_names_are_quoted_and_callables_get_their_role():
    line = reproduction("assert_grad", ["<lambda>", "my.grad"], {"layers[0].w": np.ones(1)}, seed=3)
    assert line == "gradcheck.assert_grad(func, my.grad, {'layers[0].w': array([1.0])}, seed=3)"


def test_tolerance_and_options_are_repeated():
    line = reproduction(
        "assert_vjp", ["f", "g"], {"x": np.ones(1)}, rtol=1e-5, options={"k": 2, "m": np.ones(1)}
    )
    assert line.endswith("seed=0, rtol=1e-05, options=dict(k=2, m=array([1.0])))")


def test_the_repr_names_input_and_cause_within_what_pytest_shows(failure):
    text = repr(failure)
    assert text.startswith("<dense: WRONG for b[0]")
    assert "constant-factor" in text
    assert len(text) <= 240
    assert "\n" not in text


def test_numbers_in_a_record_are_pythons_own_so_that_rendering_never_warns():
    x = np.array([1.0, 2.0])
    wrong = gradcheck.check_vjp(np.sin, lambda u, x: 1.01 * u * np.cos(x), (x,))
    infinite = gradcheck.check_vjp(
        lambda x: x**2, lambda u, x: (np.full_like(x, np.inf),), (x,), relations=()
    )
    for result in (wrong, infinite):
        for row in result.comparisons:
            seen = [getattr(row.estimate, name) for name in ("value", "error", "noise", "doubt")]
            shown = [value for step in row.estimate.rungs for value in vars_of(step)]
            numbers = [row.claimed, row.limit, *seen, *shown]
            assert {type(one) for one in numbers} <= {float, int}


def vars_of(rung):
    return [rung.step, rung.central, rung.forward, rung.backward, rung.noise]


def test_two_infinities_are_told_in_the_fewest_digits():
    assert digits_to_tell(np.float64(np.inf), np.float64(np.inf)) == 7
