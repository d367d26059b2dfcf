"""One exact relation at one point; nothing is estimated."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradcheck import recording
from gradcheck.checking import Options
from gradcheck.directions import gaussian, seeded
from gradcheck.errors import InvalidSubject
from gradcheck.properties.refusals import REFUSALS, told
from gradcheck.relations import Scene, relate
from gradcheck.report.terminal import render
from gradcheck.result import CheckResult, Severity, Verdict
from gradcheck.subject import Inputs
from gradcheck.trees import is_differentiable, like_output, named_outputs


def check_relation(subject: Any, inputs: Inputs, options: Options, relation: str) -> CheckResult:
    """One exact relation at one point; nothing is estimated."""
    generator = seeded(options.seed)
    output = _value(subject, inputs)
    cotangent = _random_like(output, generator)
    claim = subject.vjp(inputs, cotangent)
    scene = Scene(
        subject, inputs, output, cotangent, claim, generator, axes=options.axes,
        batch=options.batch, push_forward=getattr(subject, "push_forward", None),
    )  # fmt: skip
    findings = relate(scene, [relation])
    broken = any(finding.severity is Severity.FAILURE for finding in findings)
    verdict = Verdict.WRONG if broken else Verdict.CORRECT
    result = CheckResult(
        subject.name, verdict, findings=findings, seed=options.seed, render=render,
        shapes={name: array.shape for name, array in inputs.items()},
    )  # fmt: skip
    recording.record(result)
    return result


def _value(subject: Any, inputs: Inputs) -> Any:
    try:
        return subject.value(inputs)
    except REFUSALS as error:
        raise InvalidSubject(f"forward: {subject.name} raised {told(error)}") from error


def _random_like(output: Any, generator: np.random.Generator) -> Any:
    outputs = named_outputs(output)
    drawn = {
        name: gaussian(generator, array).astype(array.dtype)
        if is_differentiable(array)
        else np.zeros(array.shape)
        for name, array in outputs.items()
    }
    return like_output(drawn, output)
