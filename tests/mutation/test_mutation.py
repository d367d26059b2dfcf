"""No line of any claimed derivative can be broken without the verification turning red."""

import ast
from functools import cache

import pytest

from tests.mutation.equivalent import EQUIVALENT
from tests.mutation.mutants import ROOT, Target, mutants, targets
from tests.mutation.mutate import failure, outcomes, probes_by_code
from tests.mutation.probes import probes

TARGETS = targets()


@cache
def reaching():
    return probes_by_code(probes())


@pytest.mark.parametrize("probe", probes(), ids=lambda probe: probe.name)
def test_unbroken_code_passes_every_probe(probe):
    assert failure(probe) is None


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_broken_version_is_caught(target):
    tried = outcomes(target, reaching()[target.code])
    assert tried
    assert [one.mutant.name for one in tried if not one.caught_by and not one.equivalent] == []
    # what is caught after all is not equivalent, and does not belong on the list
    assert [one.mutant.name for one in tried if one.caught_by and one.equivalent] == []


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_every_line_of_a_gradient_is_broken(target):
    body = ast.Module(target.tree.body, [])
    lines = {node.lineno for node in ast.walk(body) if isinstance(node, ast.stmt)}
    assert set(_lines_broken(target)) >= lines - _docstring(target)


def _lines_broken(target: Target) -> set[int]:
    return {mutant.line for mutant in mutants(target)}


def _docstring(target: Target) -> set[int]:
    first = target.tree.body[0]
    return {first.lineno} if ast.get_docstring(target.tree) else set()


def test_the_list_of_equivalents_names_mutants_that_exist():
    names = {mutant.name for target in TARGETS for mutant in mutants(target)}
    assert set(EQUIVALENT) <= names


def test_every_backward_and_every_gradient_is_a_target():
    found = {target.name for target in TARGETS}
    for folder in ("models", "losses"):
        for file in (ROOT / folder).glob("*.py"):
            path = file.relative_to(ROOT).as_posix()
            for cls in ast.parse(file.read_text("utf-8")).body:
                for method in getattr(cls, "body", []):
                    if getattr(method, "name", "") in {"backward", "slope", "gradient", "vjp"}:
                        declared = f"{path}::{cls.name}.{method.name}"
                        assert declared in found or _only_declared(method), declared


def _only_declared(method: ast.FunctionDef) -> bool:
    return all(isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant) for s in method.body)


def test_a_mutant_is_gone_when_it_was_tried():
    target = TARGETS[0]
    mutant = next(mutants(target))
    with mutant:
        assert target.function.__code__ is mutant.code
    assert target.function.__code__ is target.code


@pytest.mark.parametrize("kind", ["-1 *", "0 *", "2 *", "1.001 *"])
def test_signs_terms_and_factors_are_all_broken(kind):
    broken = {mutant.target.name for t in TARGETS for mutant in mutants(t) if kind in mutant.after}
    assert broken == {target.name for target in TARGETS}
