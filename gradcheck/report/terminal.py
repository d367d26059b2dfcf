"""The failure text: plain, fit for 80 columns, under 40 lines, however large what failed is."""

from __future__ import annotations

import io
import keyword
import math
import re
import textwrap
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.result import (
    CheckResult,
    Comparison,
    Diagnosis,
    Evaluations,
    Evidence,
    Finding,
    Local,
    Severity,
    Verdict,
)
from gradcheck.trees import Array

WIDTH = 76
"""Columns: pytest puts ``E   `` before every line, and a terminal has 80."""
MOST_LINES = 39
MOST_ROWS = 8
MOST_FINDINGS = 3
MOST_NAME = 32
LABEL = 16
"""Columns before the text of a labelled paragraph: the longest label, and room to breathe."""

LEAST_DIGITS, MOST_DIGITS = 7, 17
ORACLE_DIGITS = 10
"""Digits up to which oracles are told apart: beyond, they agree as far as anyone cares."""

MOST_ENTRIES = 128
"""Entries of an input that are written out in a reproduction line; more are saved to a file."""

WORTH_SHOWING = 0.07
"""A second cause is shown where it fits nearly as well as the first."""

MOST_REPRODUCTION = 10
"""Lines of the reproduction that are shown; the whole of it is ``result.reproduce``."""

WHAT_TO_DO = {
    Local.KINK: "the point lies on a kink: move the input off it, or pass kinks='lenient'",
    Local.INFINITE_SLOPE: "the slope is infinite here: choose inputs inside the domain",
    Local.JUMP: "the function jumps here: no derivative exists; choose other inputs",
    Local.NON_FINITE: "the function is not finite near here: choose inputs inside the domain",
    Local.NOISY: "rounding drowns the slope: use float64, smaller offsets, or a larger rtol",
    Local.SMOOTH: "the error bound is wider than the limit: pass a larger rtol, or other inputs",
}
ROLES = {
    "assert_grad": ("func", "grad"),
    "assert_jvp": ("forward", "jvp"),
    "assert_check": ("subject",),
}
"""Words for callables without a name of their own, in the order they are passed."""


def render(result: CheckResult) -> str:
    """The report of one check, as plain text.

    A CORRECT result takes one line, or two; any other at most 39 lines of 76 columns. Control
    characters in names and messages are escaped; no colour codes are used.

    Examples
    --------
    >>> print(render(CheckResult("dense", Verdict.CORRECT, resolution=4e-10)))
    dense: CORRECT (resolution 4e-10; 0 forwards, 0 backwards)
    """
    if result.verdict is Verdict.CORRECT:
        return "\n".join(_harmless(line) for line in _correct(result))
    lines = [_headline(result), "", *_body(result)]
    return "\n".join(_harmless(line) for line in _fitted(lines))


def _fitted(lines: list[str]) -> list[str]:
    """Cut in the middle to the height allowed: what was found first and how to repeat it stay."""
    if len(lines) <= MOST_LINES:
        return lines
    tail = MOST_REPRODUCTION + 2
    head = MOST_LINES - tail - 1
    return [*lines[:head], "  ...", *lines[-tail:]]


def _harmless(line: str) -> str:
    """A line that no log reader takes for a command (``::set-output``, ``##[error]``)."""
    line = line.rstrip()
    if line.lstrip().startswith(("::", "##[")):
        return f"  |{line.lstrip()}"[:WIDTH]
    return line


def printable(text: object) -> str:
    r"""Text with what is not printable written as an escape, on one line.

    >>> print(printable("a\x1b[31mb\nc"))
    a\x1b[31mb\nc
    """
    plain = str(text)
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in plain
    )


def clipped(text: object, width: int) -> str:
    """Printable text, cut in its middle to a width.

    >>> clipped("layers[2].weight[3, 1]", 15)
    'layers...[3, 1]'
    """
    plain = printable(text)
    if len(plain) <= width:
        return plain
    tail = (width - 3) // 2 + (width - 3) % 2 if width > 3 else 0
    head = max(width - 3 - tail, 0)
    return f"{plain[:head]}...{plain[len(plain) - tail :]}"[:width]


def _correct(result: CheckResult) -> list[str]:
    names = ", ".join(dict.fromkeys(printable(c.input) for c in result.comparisons))
    facts = [f"resolution {result.resolution:.1g}"] if math.isfinite(result.resolution) else []
    facts += [counted(result.kinks, "kink") + " certified"] if result.kinks else []
    facts.append(_spent(result.evaluations))
    inner = "; ".join([*([clipped(names, 30)] if names else []), *facts])
    line = f"{clipped(result.subject, MOST_NAME)}: CORRECT ({inner})"
    notes = [f"{clipped(f.name, MOST_NAME)}: {printable(f.message)}" for f in result.findings]
    more = f" (and {len(notes) - 1} more)" if len(notes) > 1 else ""
    second = [f"  note: {_end_clipped(notes[0], WIDTH - 8 - len(more))}{more}"] if notes else []
    return [_end_clipped(line, WIDTH), *second]


def _end_clipped(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 3]}..."


def counted(number: int, noun: str) -> str:
    """A number and its noun.

    >>> counted(1, "probe"), counted(2, "probe")
    ('1 probe', '2 probes')
    """
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _spent(evaluations: Evaluations) -> str:
    forwards = counted(evaluations.forwards, "forward")
    return f"{forwards}, {counted(evaluations.backwards, 'backward')}"


def _headline(result: CheckResult) -> str:
    subject = clipped(result.subject, MOST_NAME)
    line = f"{_what(result, subject)}{_shapes(result)}"
    return _end_clipped(line, WIDTH)


def _what(result: CheckResult, subject: str) -> str:
    if result.verdict is Verdict.INCONCLUSIVE:
        names = _names(c.input for c in _judged(result, Verdict.INCONCLUSIVE))
        return f"`{subject}` could not be decided{f' for {names}' if names else ''}"
    wrong = _names(c.input for c in _judged(result, Verdict.WRONG))
    if wrong:
        claim = "tangent" if "gradcheck.assert_jvp(" in result.reproduce else "backward"
        return f"{claim} of `{subject}` is wrong for {wrong}"
    failed = [f for f in result.findings if f.severity is Severity.FAILURE]
    which = f": {clipped(failed[0].name, MOST_NAME)}" if failed else ""
    of = f" ({clipped(failed[0].input, 16)})" if failed and failed[0].input else ""
    return f"`{subject}` breaks an exact relation{which}{of}"


def _names(inputs: Iterable[str]) -> str:
    names = list(dict.fromkeys(inputs))
    shown = ", ".join(f"`{clipped(name, 20)}`" for name in names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown


def _shapes(result: CheckResult) -> str:
    if not result.shapes:
        return ""
    inner = ", ".join(f"{printable(k)} {tuple(map(int, v))}" for k, v in result.shapes.items())
    return f"  ({inner})"


def _judged(result: CheckResult, verdict: Verdict) -> list[Comparison]:
    return [c for c in result.comparisons if c.verdict is verdict]


def _body(result: CheckResult) -> Iterator[str]:
    verdict = result.verdict
    rows = sorted(_judged(result, verdict), key=_badness, reverse=True)
    if rows:
        yield from _table(rows)
        yield ""
        yield from _labelled("oracles", _oracles(rows), lines=3)
        yield from _labelled("because", _reasons(rows), lines=3)
    yield from _findings(result.findings)
    if verdict is Verdict.INCONCLUSIVE:
        yield from _labelled("what to do", _advice(rows), lines=3)
    yield from _causes(result.diagnoses)
    yield from _labelled("guilty layer", _guilty(result.guilty_layer), lines=2)
    yield from _labelled("right", _right(result), lines=2)
    yield from _labelled("spent", _spent(result.evaluations), lines=1)
    yield from reproduction_lines(result.reproduce)


def _badness(comparison: Comparison) -> tuple[bool, bool, float]:
    """Entries before directions, those with all evidence first, then the furthest off."""
    ratio = comparison.difference / comparison.limit if comparison.limit > 0 else math.inf
    finite = ratio if math.isfinite(ratio) else math.inf
    return comparison.index is not None, bool(comparison.evidence), finite


def _table(rows: list[Comparison]) -> Iterator[str]:
    cells = [("entry", "claimed", "estimated", "limit"), *(_cells(row) for row in rows[:MOST_ROWS])]
    widths = [max(len(row[i]) for row in cells) for i in range(4)]
    widths[0] = min(widths[0], WIDTH - 2 - sum(widths[1:]) - 3 * 3)
    for path, *numbers in cells:
        first = clipped(path, widths[0]).ljust(widths[0])
        padded = [cell.ljust(width) for cell, width in zip(numbers, widths[1:], strict=True)]
        yield "  " + "   ".join([first, *padded])
    if len(rows) > MOST_ROWS:
        yield f"  and {len(rows) - MOST_ROWS} more"


def _cells(row: Comparison) -> tuple[str, str, str, str]:
    digits = digits_to_tell(row.claimed, row.estimate.value)
    error = row.estimate.error
    known = math.isfinite(error) and math.isfinite(row.estimate.value)
    value = number(row.estimate.value, digits)
    estimate = f"{value} ± {error:.0e}" if known else "unknown"
    path = printable(row.path) + (" (a direction)" if row.index is None else "")
    limit = f"{row.limit:.0e}" if known else "-"
    return path, number(row.claimed, digits), estimate, limit


def digits_to_tell(left: float, right: float) -> int:
    """Significant digits at which two numbers are seen to differ, and two more.

    >>> digits_to_tell(1.0, 2.0), digits_to_tell(1.0, 1.0 + 1e-9)
    (7, 12)
    """
    left, right = float(left), float(right)  # those of NumPy warn of inf - inf
    scale = max(abs(left), abs(right))
    if not math.isfinite(left - right) or left == right:
        return LEAST_DIGITS
    # Each divided by the scale first: the difference of two subnormals underflows.
    apart = abs(left / scale - right / scale)
    digits = math.ceil(-math.log10(apart)) + 3 if apart > 0 else MOST_DIGITS
    return min(max(digits, LEAST_DIGITS), MOST_DIGITS)


def number(value: complex, digits: int = LEAST_DIGITS) -> str:
    """A number in as many significant digits, trailing zeros kept.

    >>> number(0.5), number(1e300, 3), number(float("nan"))
    ('0.5000000', '1.00e+300', 'nan')
    """
    if isinstance(value, complex) and value.imag != 0:
        return f"{number(value.real, digits)}{value.imag:+.{digits}g}j"
    text = f"{float(np.real(value)):#.{digits}g}"
    return text.removesuffix(".") if "." in text else text


def _oracles(rows: list[Comparison]) -> str:
    shown = next((row for row in rows if row.evidence), None)
    if shown is None:
        oracles = dict.fromkeys(row.estimate.oracle for row in rows[:MOST_ROWS])
        return "; ".join(printable(oracle) for oracle in oracles)
    value = shown.estimate.value
    told = [digits_to_tell(value, float(np.real(one.value))) for one in shown.evidence]
    digits = max(digits_to_tell(shown.claimed, value), *[min(n, ORACLE_DIGITS) for n in told])
    parts = "; ".join(_one_oracle(one, digits) for one in shown.evidence)
    return f"{clipped(shown.path, MOST_NAME)}: {parts}"


def _one_oracle(evidence: Evidence, digits: int) -> str:
    known = evidence.error is not None and math.isfinite(evidence.error)
    bound = f" ± {evidence.error:.0e}" if known else ""
    return f"{printable(evidence.oracle)} {number(evidence.value, digits)}{bound}"


def _reasons(rows: list[Comparison]) -> str:
    reasons = dict.fromkeys(printable(row.reason) for row in rows if row.reason)
    notes = dict.fromkeys(printable(row.estimate.note) for row in rows if row.estimate.note)
    return "; ".join([*reasons, *notes])


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    order = [Severity.FAILURE, Severity.DOUBT, Severity.NOTE]
    ranked = sorted(findings, key=lambda finding: order.index(finding.severity))
    for finding in ranked[:MOST_FINDINGS]:
        of = f" ({clipped(finding.input, 20)})" if finding.input else ""
        text = f"{clipped(finding.name, MOST_NAME)}{of}: {printable(finding.message)}"
        label = "note" if finding.severity is Severity.NOTE else "found"
        yield from _labelled(label, text, lines=2 if finding.severity is Severity.NOTE else 4)
    if len(ranked) > MOST_FINDINGS:
        yield from _labelled("", f"and {counted(len(ranked) - MOST_FINDINGS, 'more finding')}")


def _advice(rows: list[Comparison]) -> str:
    kinds = dict.fromkeys(row.estimate.local for row in rows)
    advice = [WHAT_TO_DO[kind] for kind in kinds][:2]
    return "; or ".join(advice) or "follow what was found above, or choose other inputs"


def _causes(diagnoses: Sequence[Diagnosis]) -> Iterator[str]:
    worth = [d for d in diagnoses if d.fit >= diagnoses[0].fit - WORTH_SHOWING]
    for label, diagnosis in zip(("likely cause", "or else"), worth, strict=False):
        of = f"{clipped(diagnosis.input, 20)}: " if diagnosis.input else ""
        reason = f" ({printable(diagnosis.evidence)})" if diagnosis.evidence else ""
        text = f"{diagnosis.name}: {of}{printable(diagnosis.sentence)}{reason}"
        yield from _labelled(label, text, lines=4 if label == "likely cause" else 3)


def _guilty(layer: str) -> str:
    if layer == "wiring":
        return "none: every layer is right by itself, the wiring between them is wrong"
    return f"{clipped(layer, 50)}: its own backward is wrong" if layer else ""


def _right(result: CheckResult) -> str:
    bad = {c.input for c in result.comparisons if c.verdict is not Verdict.CORRECT}
    bad |= {f.input for f in result.findings if f.severity is not Severity.NOTE}
    names = dict.fromkeys(c.input for c in result.comparisons if c.input not in bad)
    if not names:
        return ""
    seen = f" (resolution {result.resolution:.1g})" if math.isfinite(result.resolution) else ""
    return clipped(", ".join(printable(name) for name in names), 100) + seen


def _labelled(label: str, text: str, lines: int = 2) -> list[str]:
    """A paragraph under a label, wrapped and cut to so many lines; nothing for an empty text."""
    if not text:
        return []
    wrapped = textwrap.wrap(
        text,
        WIDTH,
        initial_indent=f"  {label}".ljust(LABEL + 1),
        subsequent_indent=" " * (LABEL + 1),
        max_lines=lines,
        placeholder=" ...",
        break_on_hyphens=False,
    )
    return [line[:WIDTH] for line in wrapped]


def reproduction_lines(line: str) -> Iterator[str]:
    """The call flush left and whole, so that it runs as it is copied; or only its beginning."""
    if not line:
        return
    code = wrapped_code(printable(line), WIDTH)
    if len(code) > MOST_REPRODUCTION or any(len(part) > WIDTH for part in code):
        head = _end_clipped(printable(line), WIDTH - LABEL - 1)
        yield from _labelled("reproduce", head, lines=1)
        yield from _labelled("", f"({len(line)} characters, whole in result.reproduce)")
        return
    yield "  reproduce"
    yield from code


def wrapped_code(line: str, width: int) -> list[str]:
    """A line of Python as several: a comment goes first, code breaks after commas in brackets.

    What cannot be broken so stays longer than ``width``.

    >>> wrapped_code("f(dict(a=1, b=[2, 3]), 'x, y')  # first g()", 16)
    ['# first g()', 'f(dict(a=1,', '  b=[2, 3]),', "  'x, y')"]
    """
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(line).readline))
    except (tokenize.TokenError, SyntaxError):  # no Python: a name in it was clipped
        return [line]
    lines = textwrap.wrap(_comment(tokens), width, subsequent_indent="# ")
    first = len(lines)
    for piece in _pieces(line, tokens):
        if len(lines) == first:
            lines.append(piece)
        elif len(f"{lines[-1]} {piece}") <= width:
            lines[-1] += f" {piece}"
        else:
            lines.append(f"  {piece}")
    return lines


def _comment(tokens: Iterable[tokenize.TokenInfo]) -> str:
    return next((token.string for token in tokens if token.type == tokenize.COMMENT), "")


def _pieces(line: str, tokens: Iterable[tokenize.TokenInfo]) -> Iterator[str]:
    """The code between the commas that stand in brackets and before a space."""
    depth = start = 0
    for token in tokens:
        depth += {"(": 1, "[": 1, "{": 1, ")": -1, "]": -1, "}": -1}.get(token.string, 0)
        column = token.end[1]
        if token.string == "," and depth > 0 and line[column : column + 1] == " ":
            yield line[start:column]
            start = column + 1
        if token.type in (tokenize.COMMENT, tokenize.NEWLINE):
            yield line[start : token.start[1]].rstrip()
            return


def reproduction(
    function: str,
    callables: Sequence[str],
    inputs: Mapping[str, Array],
    *,
    seed: int = 0,
    options: Mapping[str, Any] | None = None,
    rtol: float | None = None,
    recipes: Mapping[str, str] | None = None,
) -> str:
    """A line that runs the same check again.

    Evaluable after ``import gradcheck`` and ``from numpy import *``, given the callables. Inputs of
    at most 128 entries are written out in full precision, with their dtype; constant ones of any
    size as ``full(...)``. For a larger one pass the text that makes it in ``recipes``; without, the
    line loads the inputs from a file, and a comment says how to save them.

    Parameters
    ----------
    function : str
        ``"assert_vjp"``, ``"assert_grad"``, ``"assert_jvp"`` or ``"assert_check"``.
    callables : sequence of str
        Names of the functions checked; what is no Python name is replaced by its role.
    inputs : mapping of str to array
    seed, options, rtol
        As they were passed to the check.
    recipes : mapping of str to str, optional
        Expressions for inputs, by name.

    Examples
    --------
    >>> reproduction("assert_vjp", ["f", "f_back"], {"x": np.array([[0.5], [1.0]])})
    'gradcheck.assert_vjp(f, f_back, dict(x=array([[0.5], [1.0]])), seed=0)'
    """
    written = {
        name: (recipes or {}).get(name) or literal(np.asarray(array))
        for name, array in inputs.items()
    }
    subjects = [_name_or_role(function, name, i) for i, name in enumerate(callables)]
    lost = [name for name, text in written.items() if text is None]
    point = "dict(load('inputs.npz'))" if lost else _dictionary(written)
    parts = [*subjects, point, f"seed={seed}"]
    parts += [f"rtol={rtol!r}"] if rtol is not None else []
    parts += [f"options={_dictionary(_options(options))}"] if options else []
    hint = f"  # {', '.join(lost)}: too large; first savez('inputs.npz', **inputs)" if lost else ""
    return f"gradcheck.{function}({', '.join(parts)}){hint}"


def _name_or_role(function: str, name: str, position: int) -> str:
    if all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split(".")):
        return name
    roles = ROLES.get(function, ("forward", "backward"))
    return roles[min(position, len(roles) - 1)]


def _options(options: Mapping[str, Any]) -> dict[str, str | None]:
    return {
        name: literal(value) if isinstance(value, np.ndarray) else _one_line(repr(value))
        for name, value in options.items()
    }


def _one_line(text: str) -> str:
    """A repr of many lines on one: line ends stand between brackets, never within quotes."""
    return re.sub(r"\s*\n\s*", " ", text)


def _dictionary(written: Mapping[str, str | None]) -> str:
    if all(name.isidentifier() and not keyword.iskeyword(name) for name in written):
        return f"dict({', '.join(f'{name}={text}' for name, text in written.items())})"
    return f"{{{', '.join(f'{name!r}: {text}' for name, text in written.items())}}}"


def literal(array: Array) -> str | None:
    """An expression for an array, exact to the last bit; ``None`` for one too large to write.

    >>> literal(np.array([0.1, np.inf])), literal(np.array([1, 2], np.int8))
    ('array([0.1, inf])', "array([1, 2], dtype='int8')")
    >>> literal(np.zeros((50, 50))), literal(np.zeros((0, 2)))
    ('full((50, 50), 0.0)', 'zeros((0, 2))')
    """
    default = array.dtype in (np.dtype(float), np.dtype(int), np.dtype(bool), np.dtype(complex))
    kind = "" if default else f", dtype={array.dtype.name!r}"
    if array.dtype.kind not in "fciub":
        return None
    if array.size == 0:
        needed = "" if array.dtype == np.dtype(float) else f", dtype={array.dtype.name!r}"
        return f"zeros({array.shape}{needed})"
    if array.size > MOST_ENTRIES:
        first = array.ravel()[:1]
        constant = array.tobytes() == np.broadcast_to(first, array.shape).tobytes()
        return f"full({array.shape}, {_scalar(first[0])}{kind})" if constant else None
    return f"array({_nested(array)}{kind})"


def _nested(array: Array) -> str:
    if array.ndim == 0:
        return _scalar(array[()])
    return f"[{', '.join(_nested(np.asarray(row)) for row in array)}]"


def _scalar(value: Any) -> str:
    if isinstance(value, np.complexfloating):
        return f"complex({_scalar(value.real)}, {_scalar(value.imag)})"
    if isinstance(value, np.longdouble) and value.dtype != np.float64:
        return repr(str(value))  # a Python float has not its digits
    return str(value)
