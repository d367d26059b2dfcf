"""Torch and JAX functions as subjects; without the framework, a word about what to install."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.backends import jax_backend, torch_backend
from gradcheck.backends.jax_backend import jax_subject
from gradcheck.backends.styles import as_subject
from gradcheck.backends.torch_backend import torch_subject
from gradcheck.errors import InvalidSubject
from gradcheck.relations import Scene, relate
from gradcheck.result import Severity

X = np.linspace(-1.0, 2.0, 6).reshape(2, 3)
W = np.cos(np.arange(12.0)).reshape(3, 4)
Y_BAR = np.sin(np.arange(8.0)).reshape(2, 4)

needs_torch = pytest.mark.skipif(torch_backend.torch is None, reason="torch is not installed")
needs_jax = pytest.mark.skipif(jax_backend.jax is None, reason="jax is not installed")


@pytest.mark.parametrize(
    ("backend", "translate", "name"),
    [(torch_backend, torch_subject, "torch"), (jax_backend, jax_subject, "jax")],
)
def test_a_missing_framework_is_named(backend, translate, name, monkeypatch):
    monkeypatch.setattr(backend, name, None)
    with pytest.raises(InvalidSubject, match=f"pip install {name}"):
        translate(lambda x: x)


def grave(subject, inputs):
    """Findings that are more than notes, at one point."""
    generator = np.random.default_rng(0)
    output = subject.value(inputs)
    cotangent = generator.standard_normal(output.shape)
    claim = subject.vjp(inputs, cotangent)
    scene = Scene(subject, inputs, output, cotangent, claim, generator)
    return {f.name for f in relate(scene) if f.severity is not Severity.NOTE}


def torch_square(wrong=False):
    torch = torch_backend.torch

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, power=2):
            ctx.save_for_backward(x)
            ctx.power = power
            return x**power

        @staticmethod
        def backward(ctx, y_bar):
            (x,) = ctx.saved_tensors
            return ctx.power * x ** (ctx.power - 1) * (1 if wrong else y_bar), None

    return Square


@needs_torch
def test_a_torch_function_keeps_every_relation():
    subject = as_subject(torch_square())
    assert subject.name == "Square"
    assert np.array_equal(subject.value({"x": X}), X**2)
    assert np.allclose(subject.vjp({"x": X}, X)["x"], 2 * X * X)
    assert grave(subject, {"x": X}) == set()


@needs_torch
def test_a_torch_function_that_ignores_its_cotangent_is_named():
    assert "not-linear" in grave(as_subject(torch_square(wrong=True)), {"x": X})


@needs_torch
def test_a_torch_function_that_assumes_contiguous_gradients_is_named():
    class Square(torch_square()):
        @staticmethod
        def backward(ctx, y_bar):
            (x,) = ctx.saved_tensors
            return 2 * x * y_bar.as_strided(x.shape, (x.shape[1], 1)), None

    x = np.linspace(-1.0, 2.0, 12).reshape(3, 4)
    assert grave(as_subject(Square), {"x": x}) == {"layout"}


@needs_torch
def test_options_follow_the_inputs_of_a_torch_function():
    subject = as_subject(torch_square(), options={"power": 3})
    assert np.allclose(subject.vjp({"x": X}, X)["x"], 3 * X**3)


@needs_torch
def test_a_module_takes_its_parameters_from_the_inputs():
    torch = torch_backend.torch
    module = torch.nn.Linear(3, 4)  # float32, and checked in float64
    before = module.weight.detach().clone()
    subject = as_subject(module)
    inputs = {"input": X, "weight": np.ascontiguousarray(W.T), "bias": np.arange(4.0)}
    assert np.allclose(subject.value(inputs), X @ W + np.arange(4.0), rtol=1e-14)
    claim = subject.vjp(inputs, Y_BAR)
    assert np.allclose(claim["weight"], (X.T @ Y_BAR).T, rtol=1e-14)
    assert np.allclose(claim["bias"], Y_BAR.sum(0), rtol=1e-14)
    assert torch.equal(module.weight, before)
    assert grave(subject, inputs) == set()


@needs_torch
def test_a_callable_of_tensors_may_have_several_outputs_and_unused_inputs():
    subject = torch_subject(lambda x, unused, index: (x * x, x[index]))
    inputs = {"x": X, "unused": X, "index": np.array([1, 1])}
    assert len(subject.value(inputs)) == 2
    claim = subject.vjp(inputs, (X, np.ones((2, 3))))
    assert np.allclose(claim["x"], 2 * X * X + np.array([[0.0], [2.0]]))
    assert np.array_equal(claim["unused"], np.zeros_like(X))
    assert claim["index"] is None


@needs_torch
def test_torch_conjugates_as_gradcheck_does():
    z = X + 1j
    claim = torch_subject(lambda z: z * z).vjp({"z": z}, z)
    assert np.allclose(claim["z"], 2 * z.conj() * z)


def jax_log1pexp(wrong=False):
    jax = jax_backend.jax

    @jax.custom_vjp
    def log1pexp(x):
        return jax.numpy.logaddexp(x, 0.0)

    def backward(x, y_bar):
        return (y_bar / (1 + jax.numpy.exp(x if wrong else -x)),)

    log1pexp.defvjp(lambda x: (log1pexp(x), x), backward)
    return log1pexp


@needs_jax
def test_a_custom_vjp_keeps_every_relation_in_64_bits():
    subject = as_subject(jax_log1pexp())
    assert subject.name == "log1pexp"
    assert subject.value({"x": X}).dtype == np.float64
    assert np.allclose(subject.value({"x": X}), np.logaddexp(X, 0), rtol=1e-14)
    assert np.allclose(subject.vjp({"x": X}, X)["x"], X / (1 + np.exp(-X)), rtol=1e-14)
    assert subject.push_forward is None
    assert grave(subject, {"x": X}) == set()


@needs_jax
def test_a_wrong_custom_vjp_keeps_its_own_answer():
    claim = as_subject(jax_log1pexp(wrong=True)).vjp({"x": X}, X)
    assert np.allclose(claim["x"], X / (1 + np.exp(X)))


@needs_jax
def test_a_jax_function_has_a_jvp_adjoint_to_its_vjp():
    subject = jax_subject(lambda x, w, index: (x @ w)[index])
    inputs = {"x": X, "w": W, "index": np.array([1, 0])}
    claim = subject.vjp(inputs, Y_BAR)
    assert claim["index"] is None
    moved = subject.jvp(inputs, {"x": X, "w": W, "index": np.zeros(2, int)})
    slope = (claim["x"] * X).sum() + (claim["w"] * W).sum()
    assert np.isclose((Y_BAR * moved).sum(), slope, rtol=1e-13)


@needs_jax
def test_jax_gradients_of_complex_numbers_are_conjugated_to_the_inner_product():
    z = X + 1j
    claim = jax_subject(lambda z: z * z).vjp({"z": z}, z)
    assert np.allclose(claim["z"], 2 * z.conj() * z)


@needs_jax
def test_structured_outputs_keep_their_structure():
    subject = jax_subject(lambda x: {"a": x**2, "b": x.sum()}, options={})
    value = subject.value({"x": X})
    assert set(value) == {"a", "b"}
    claim = subject.vjp({"x": X}, {"a": X, "b": np.array(2.0)})
    assert np.allclose(claim["x"], 2 * X * X + 2)
