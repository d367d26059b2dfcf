"""The names that other projects rely on: present, documented, typed, and cheap to import."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gradcheck

CONTRACT = {
    "check_grad": ["func", "grad", "x0"],
    "check_vjp": ["forward", "backward", "inputs"],
    "check_jvp": ["forward", "jvp", "inputs"],
    "check": ["subject", "inputs"],
    "assert_grad": ["func", "grad", "x0"],
    "assert_vjp": ["forward", "backward", "inputs"],
    "assert_jvp": ["forward", "jvp", "inputs"],
    "assert_check": ["subject", "inputs"],
}


@pytest.mark.parametrize("name", gradcheck.__all__)
def test_every_public_name_exists_and_is_documented(name):
    thing = getattr(gradcheck, name)
    assert inspect.getdoc(thing)


def test_dir_lists_what_can_be_had():
    assert set(gradcheck.__all__) <= set(dir(gradcheck))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'chekc_grad'"):
        gradcheck.chekc_grad  # noqa: B018


def test_type_checkers_see_the_same_names_as_users():
    tree = ast.parse(Path(gradcheck.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.asname for node in block.body for alias in node.names}
    assert seen == set(gradcheck.__all__)


@pytest.mark.parametrize("name", CONTRACT)
def test_the_positional_arguments_are_those_of_the_contract(name):
    parameters = inspect.signature(getattr(gradcheck, name)).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional == CONTRACT[name]


@pytest.mark.parametrize("name", [name for name in CONTRACT if name.startswith("check")])
def test_every_check_takes_rtol_and_seed(name):
    parameters = inspect.signature(getattr(gradcheck, name)).parameters
    assert parameters["rtol"].default is None
    assert parameters["seed"].default == 0


ARGUMENTS = {
    "assert_grad": (lambda x: np.sum(x**2), lambda x: 2 * x, np.ones(2)),
    "assert_vjp": (np.square, lambda u, x: (2 * x * u,), (np.ones(2),)),
    "assert_jvp": (np.square, lambda x, x_dot: 2 * x[0] * x_dot[0], (np.ones(2),)),
    "assert_check": ((np.square, lambda u, x: (2 * x * u,)), (np.ones(2),)),
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_every_assert_takes_what_its_check_takes(name):
    function, arguments = getattr(gradcheck, name), ARGUMENTS[name]
    assert function(*arguments, rtol=1e-6, seed=1) is None
    with pytest.raises(gradcheck.InvalidArgument, match="rtol"):
        function(*arguments, rtol=-1.0)


def modules_after(statement):
    script = f"{statement}\nimport sys\nprint(*sys.modules)"
    finished = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(finished.stdout.split())


@pytest.mark.parametrize(
    "module", ["gradcheck", "gradcheck.pytest_plugin", "gradcheck.hookspecs", "gradcheck.errors"]
)
def test_what_pytest_loads_at_every_start_imports_nothing_heavy(module):
    heavy = {"numpy", "scipy", "hypothesis", "jinja2", "torch", "jax", "tqdm", "distributed"}
    assert modules_after(f"import {module}").isdisjoint(heavy)


def test_checking_one_function_needs_no_hypothesis():
    loaded = modules_after(
        "import gradcheck; gradcheck.check_grad(lambda x: (x**2).sum(), lambda x: 2*x, [1.0, 2.0])"
    )
    assert loaded.isdisjoint({"hypothesis", "pytest"})


def test_the_version_is_the_one_that_is_packaged():
    project = Path(__file__).resolve().parent.parent / "pyproject.toml"
    assert f'version = "{gradcheck.__version__}"' in project.read_text("utf-8")
