"""Every style in which people write backwards becomes the same subject; misuse says what to do."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck.backends.claims import checked_output, named_inputs, normalise_claim, spelled
from gradcheck.backends.styles import as_subject
from gradcheck.errors import InvalidArgument, InvalidSubject
from gradcheck.subject import FunctionSubject, Subject

X = np.arange(6.0).reshape(2, 3) - 2.0
W = np.arange(12.0).reshape(3, 4) / 7 - 0.5
B = np.arange(4.0)
INPUTS = {"x": X, "w": W, "b": B}
Y_BAR = np.cos(np.arange(8.0)).reshape(2, 4)
VALUE = X @ W + B
GRADIENTS = {"x": Y_BAR @ W.T, "w": X.T @ Y_BAR, "b": Y_BAR.sum(0)}


def dense(x, w, b):
    return x @ w + b


def dense_backward(y_bar, x, w, b):
    return y_bar @ w.T, x.T @ y_bar, y_bar.sum(0)


def cached_dense(x, w, b):
    return x @ w + b, (x, w)


def cached_dense_backward(dout, cache):
    x, w = cache
    return dout @ w.T, x.T @ dout, dout.sum(0)


class AttributeLayer:
    """Gradients of the parameters in attributes."""

    def __init__(self, w=None, b=None):
        self.w, self.b = w, b

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, dout):
        self.dw = self.x.T @ dout
        self.db = dout.sum(0)
        return dout @ self.w.T


class DictLayer:
    """Parameters and gradients in dicts."""

    def __init__(self):
        self.params, self.grads = {"w": np.ones((3, 4)), "b": np.ones(4)}, {}

    def forward(self, x):
        self.x = x
        return x @ self.params["w"] + self.params["b"]

    def backward(self, dout):
        self.grads["w"] = self.x.T @ dout
        self.grads["b"] = dout.sum(0)
        return dout @ self.params["w"].T


class Parameter:
    def __init__(self, data):
        self.data, self.grad = data, None


class AccumulatingLayer:
    """Parameter objects with their own gradient, added to by every backward, as torch does."""

    def __init__(self):
        self.w, self.b = Parameter(np.ones((3, 4))), Parameter(np.ones(4))
        self.zero_grad()

    def zero_grad(self):
        self.w.grad, self.b.grad = np.zeros((3, 4)), np.zeros(4)

    def __call__(self, x):
        self.x = x
        return x @ self.w.data + self.b.data

    def backward(self, dout):
        self.w.grad += self.x.T @ dout
        self.b.grad += dout.sum(0)
        return dout @ self.w.data.T


class ReturningLayer(AttributeLayer):
    """All gradients returned, none kept."""

    def backward(self, dout):
        return dout @ self.w.T, self.x.T @ dout, dout.sum(0)


class NamedReturningLayer(AttributeLayer):
    def backward(self, dout):
        return {"dx": dout @ self.w.T, "dw": self.x.T @ dout, "db": dout.sum(0)}


class LongNamedLayer:
    """Gradients in attributes of any name."""

    w = b = delta = None

    def forward(self, x):
        self.x = x
        return x @ self.w + self.b

    def backward(self, dout):
        self.delta = {"first": self.x.T @ dout}
        self.second = dout.sum(0)
        return (dout @ self.w.T,)


def claim_by_name(inputs, y_bar):
    grads = dict(zip("xwb", dense_backward(y_bar, **inputs), strict=True))
    return {name: grads[name] for name in inputs}


STYLED = {
    "pair": lambda: as_subject(dense, dense_backward),
    "pair in a tuple": lambda: as_subject((dense, dense_backward)),
    "pair, gradients by name": lambda: as_subject(
        dense, lambda g, x, w, b: dict(zip("bxw", (g.sum(0), g @ w.T, x.T @ g), strict=True))
    ),
    "pair, gradients by spelling": lambda: as_subject(
        dense, lambda g, x, w, b: {"dx": g @ w.T, "grad_w": x.T @ g, "b_bar": g.sum(0)}
    ),
    "cached": lambda: as_subject(cached_dense, cached_dense_backward),
    "cached, names known": lambda: as_subject(
        cached_dense, cached_dense_backward, names=["x", "w", "b"]
    ),
    "cached, said": lambda: as_subject(cached_dense, cached_dense_backward, style="cached"),
    "attributes": lambda: as_subject(AttributeLayer(np.ones((3, 4)), np.ones(4))),
    "dicts": lambda: as_subject(DictLayer()),
    "parameter objects": lambda: as_subject(AccumulatingLayer()),
    "all returned": lambda: as_subject(ReturningLayer()),
    "all returned by name": lambda: as_subject(NamedReturningLayer()),
    "said attributes": lambda: as_subject(
        LongNamedLayer(), gradients={"w": "delta.first", "b": "second"}
    ),
    "class without arguments": lambda: as_subject(DictLayer),
    "factory without arguments": lambda: as_subject(lambda: DictLayer()),
    "class that takes the parameters": lambda: as_subject(
        type("Built", (AttributeLayer,), {"__init__": lambda s, w, b: vars(s).update(w=w, b=b)})
    ),
    "a subject": lambda: as_subject(FunctionSubject("s", lambda i: dense(**i), claim_by_name)),
}  # fmt: skip


@pytest.mark.parametrize("style", STYLED)
def test_every_style_gives_the_same_value_and_the_same_gradients(style):
    subject = STYLED[style]()
    assert isinstance(subject, Subject)
    assert np.array_equal(subject.value(INPUTS), VALUE)
    for _ in range(2):  # the second time may not accumulate, nor read a stale cache
        claim = subject.vjp(INPUTS, Y_BAR)
        assert list(claim) == ["x", "w", "b"]
        for name, grad in claim.items():
            assert np.allclose(grad, GRADIENTS[name], rtol=1e-14), name


@pytest.mark.parametrize("style", STYLED)
def test_the_claim_is_for_the_inputs_given_not_for_the_last_value(style):
    subject = STYLED[style]()
    subject.vjp(INPUTS, Y_BAR)
    subject.value({"x": X + 1, "w": 2 * W, "b": B})
    claim = subject.vjp(INPUTS, Y_BAR)
    assert np.allclose(claim["w"], GRADIENTS["w"])
    assert np.allclose(claim["x"], GRADIENTS["x"])


@pytest.mark.parametrize("style", STYLED)
def test_inputs_are_bound_by_name_in_whatever_order_they_come(style):
    subject = STYLED[style]()
    shuffled = {"b": B, "w": W, "x": X}
    assert np.array_equal(subject.value(shuffled), VALUE)
    claim = subject.vjp(shuffled, Y_BAR)
    assert list(claim) == ["b", "w", "x"]
    assert np.allclose(claim["w"], GRADIENTS["w"])


def test_a_layer_holds_afterwards_what_it_held_before():
    layer = DictLayer()
    subject = as_subject(layer)
    subject.value(INPUTS)
    subject.vjp(INPUTS, Y_BAR)
    assert np.array_equal(layer.params["w"], np.ones((3, 4)))
    tensor_like = AccumulatingLayer()
    as_subject(tensor_like).vjp(INPUTS, Y_BAR)
    assert isinstance(tensor_like.w, Parameter)
    assert np.array_equal(tensor_like.b.data, np.ones(4))


def test_a_layer_is_put_back_when_its_forward_raises():
    layer = DictLayer()
    with pytest.raises(ValueError, match="matmul"):
        as_subject(layer).value({"x": X.T, "w": W, "b": B})
    assert np.array_equal(layer.params["w"], np.ones((3, 4)))


def test_gradients_in_attributes_are_copied_out_of_their_buffer():
    layer = AccumulatingLayer()
    subject = as_subject(layer)
    claim = subject.vjp(INPUTS, Y_BAR)
    assert not np.shares_memory(claim["w"], layer.w.grad)


def test_parameters_not_among_the_inputs_stay_as_they_are():
    claim = as_subject(DictLayer()).vjp({"x": X}, Y_BAR)
    assert list(claim) == ["x"]
    assert np.allclose(claim["x"], Y_BAR @ np.ones((4, 3)))


def test_a_factory_makes_a_fresh_object():
    made = []

    def factory():
        made.append(DictLayer())
        return made[-1]

    subject = as_subject(factory)
    subject.value(INPUTS)
    fresh = subject.renew()
    assert len(made) == 2
    assert np.array_equal(fresh.value(INPUTS), VALUE)
    assert fresh.renew is not None


def test_options_go_to_those_who_accept_them():
    def scaled(x, *, scale=1.0):
        return scale * x

    def backward(g, x, scale, shift=0.0):
        return (scale * g + shift,)

    subject = as_subject(scaled, backward, options={"scale": 3.0, "shift": 0.5}, names=["x"])
    assert np.array_equal(subject.value({"x": X}), 3 * X)
    assert np.array_equal(subject.vjp({"x": X}, X)["x"], 3 * X + 0.5)


def test_options_reach_the_factory_and_the_layer():
    class Scale:
        def __init__(self, scale):
            self.scale = scale

        def forward(self, x, power=1):
            self.slope = self.scale * power * x ** (power - 1)
            return self.scale * x**power

        def backward(self, dout):
            return dout * self.slope

    subject = as_subject(Scale, options={"scale": 2.0, "power": 3})
    assert np.array_equal(subject.value({"x": X}), 2 * X**3)
    assert np.array_equal(subject.vjp({"x": X}, X)["x"], 6 * X**3)


def test_keyword_only_inputs_and_skipped_parameters_are_passed_by_name():
    def forward(x, mask=None, w=1.0, *, b):
        assert mask is None
        return x * w + b

    subject = as_subject(forward, lambda g, x, w, b: (g * w, g * x, g), names=["x", "w", "b"])
    inputs = {"x": X, "w": 2 * X, "b": X}
    assert np.array_equal(subject.value(inputs), 2 * X * X + X)
    assert np.array_equal(subject.vjp(inputs, X)["w"], X * X)


def test_two_array_outputs_are_not_taken_for_a_cache():
    def forward(x):
        return x**2, 3 * x

    def backward(g, x):
        return 2 * x * g[0] + 3 * g[1]

    subject = as_subject(forward, backward)
    value = subject.value({"x": X})
    assert len(value) == 2
    assert np.array_equal(subject.vjp({"x": X}, (X, X))["x"], 2 * X * X + 3 * X)


def test_two_outputs_of_two_inputs_are_not_taken_for_a_cache():
    subject = as_subject(lambda x, y: (x * y, x), lambda g, x, y: (g[0] * y + g[1], g[0] * x))
    assert len(subject.value({"x": X, "y": X})) == 2


@pytest.mark.parametrize(
    ("forward", "backward"),
    [
        (lambda x: (np.maximum(0, x), x), lambda dout, cache: dout * (cache > 0)),
        (lambda x: (np.maximum(0, x), x), lambda dout, saved: dout * (saved > 0)),
        (lambda x: (np.maximum(0, x), x), lambda dout, z: dout * (z > 0)),
        (lambda x: (np.maximum(0, x), (x > 0,)), lambda dout, z: dout * z[0]),
        (lambda x: (np.maximum(0, x), {"m": x > 0}), lambda g, x: g * x["m"]),
        (lambda x: (np.maximum(0, x), x > 0), lambda g, ctx: (g * ctx,)),
    ],
)
@pytest.mark.parametrize("asked_first", ["value", "vjp"])
def test_a_cache_of_one_input_is_told_from_a_second_output(forward, backward, asked_first):
    subject = as_subject(forward, backward)
    if asked_first == "value":
        assert np.array_equal(subject.value({"x": X}), np.maximum(0, X))
    assert np.array_equal(subject.vjp({"x": X}, X + 9)["x"], (X + 9) * (X > 0))
    assert np.array_equal(subject.value({"x": X}), np.maximum(0, X))


def test_what_cannot_be_told_apart_can_be_said():
    def forward(x):
        return np.maximum(0, x), (x > 0).astype(float)

    cached = as_subject(forward, lambda dout, mask: dout * mask, style="cached")
    assert np.array_equal(cached.vjp({"x": X}, X)["x"], X * (X > 0))
    assert isinstance(as_subject(forward, lambda g, x: g[0], style="pair").value({"x": X}), tuple)


def test_options_beside_the_cache_do_not_confuse():
    def forward(x, w, stride=1):
        return x @ w * stride, (x, w)

    def backward(dout, cache, stride=1):
        x, w = cache
        return stride * dout @ w.T, stride * x.T @ dout

    subject = as_subject(forward, backward, options={"stride": 2}, names=["x", "w"])
    inputs = {"x": X, "w": W}
    assert np.array_equal(subject.value(inputs), 2 * X @ W)
    assert np.allclose(subject.vjp(inputs, Y_BAR)["w"], 2 * X.T @ Y_BAR)


def test_a_value_with_its_gradient_is_scaled_by_the_cotangent():
    def cost(w):
        return (w**2).sum(), 2 * w

    for subject in (
        as_subject(cost),
        as_subject(cost, True),
        as_subject(cost, style="value-and-gradient"),
    ):
        assert subject.value({"w": W}) == (W**2).sum()
        assert np.array_equal(subject.vjp({"w": W}, 3.0)["w"], 6 * W)


def test_a_gradient_of_a_scalar_function_is_scaled_by_the_cotangent():
    subject = as_subject(lambda x: (x**2).sum(), lambda x: 2 * x, style="gradient")
    assert np.array_equal(subject.vjp({"x": X}, np.array(2.0))["x"], 4 * X)


def test_a_loss_object_may_take_no_cotangent():
    class SquaredError:
        def forward(self, predictions, targets):
            self.difference = predictions - targets
            return (self.difference**2).sum()

        def backward(self):
            return 2 * self.difference, -2 * self.difference

    claim = as_subject(SquaredError).vjp({"predictions": X, "targets": X - 1}, 0.5)
    assert np.array_equal(claim["predictions"], np.ones_like(X))


def test_gradients_of_integer_inputs_may_be_left_out():
    def backward(g, x, index):
        d = np.zeros_like(x)
        np.add.at(d, index, g)
        return d

    subject = as_subject(lambda x, index: x[index], backward)
    claim = subject.vjp({"x": X, "index": np.array([0, 0])}, X)
    assert claim["index"] is None
    assert np.array_equal(claim["x"][0], X.sum(0))


def test_a_jvp_is_called_with_tuples():
    subject = as_subject(dense, dense_backward, jvp=lambda p, t: p[0] @ t[1] + t[0] @ p[1] + t[2])
    moved = subject.jvp({"w": W, "x": X, "b": B}, {"w": W, "x": X, "b": B})
    assert np.allclose(moved, 2 * X @ W + B)


def test_functions_without_a_signature_are_called_by_position():
    subject = as_subject(np.multiply, lambda g, x, y: (g * y, g * x))
    assert np.array_equal(subject.value({"x0": X, "x1": X}), X * X)


def test_names_come_from_the_forward():
    assert list(named_inputs((X, W), dense)) == ["x", "w"]
    assert list(named_inputs((X,), (dense, dense_backward))) == ["x"]
    assert list(named_inputs((X,), DictLayer())) == ["x"]
    assert list(named_inputs((X, W))) == ["x0", "x1"]
    assert list(named_inputs((X, W), ["a", "b"])) == ["a", "b"]
    assert named_inputs({"x": X}, dense)["x"] is X


BAD_INPUTS = {
    "bare array": X,
    "list": [X],
    "None": None,
    "text": "x",
    "number": 1.0,
    "generator": (x for x in (X,)),
    "integer name": {1: X},
    "no input": (),
    "empty mapping": {},
    "text array": (np.array(["a"]),),
    "bytes": (np.array([b"a"]),),
    "object array": (np.array([None, 1.0]),),
    "None inside": (None,),
    "ragged list": ([[1.0], [1.0, 2.0]],),
    "dates": (np.array(["2020-01-01"], "datetime64[D]"),),
    "record": (np.zeros(2, [("a", float)]),),
    "function inside": (len,),
    "mapping inside": ({"w": W},),
    "integers only": (np.arange(3),),
    "booleans only": (np.array([True]),),
    "too many for the forward": (X, W, B, B),
}


@pytest.mark.parametrize("case", BAD_INPUTS)
def test_unusable_inputs_are_refused_in_words(case):
    with pytest.raises(InvalidArgument, match=r"(?s)inputs: .*got .*Do: "):
        named_inputs(BAD_INPUTS[case], dense)


def test_a_wrong_number_of_names_is_refused():
    with pytest.raises(InvalidArgument, match=r"got 2 arrays, expected 1 \(x\)"):
        named_inputs((X, X), ["x"])


BAD_CLAIMS = {
    "nothing": None,
    "too few": (X,),
    "too many": (X, W, B, B),
    "one array for three": X,
    "one number for three": 1.0,
    "list": [X, W, B],
    "list inside": (X, [1.0, 2.0], B),
    "number inside": (X, 1.0, B),
    "text inside": (X, "w", B),
    "text": "gradients",
    "generator": (g for g in (X, W, B)),
    "function": dense,
    "no names": {},
    "missing name": {"x": X, "w": W},
    "unknown name": {"x": X, "w": W, "b": B, "c": B},
    "misspelled": {"x": X, "w": W, "bias": B},
    "nested": {"x": X, "w": {"w": W}, "b": B},
    "two spellings": {"x": X, "dx": X, "w": W, "b": B},
}


@pytest.mark.parametrize("case", BAD_CLAIMS)
def test_unusable_gradients_are_refused_in_words(case):
    subject = as_subject(dense, lambda g, x, w, b: BAD_CLAIMS[case])
    with pytest.raises(InvalidSubject, match=r"(?s)backward: got .*expected .*Do: return"):
        subject.vjp(INPUTS, Y_BAR)


@pytest.mark.parametrize(
    "returned", [None, [], (), {}, "y", np.array(["y"]), np.array([None]), len]
)
def test_unusable_outputs_are_refused_in_words(returned):
    subject = as_subject(lambda x: returned, lambda g, x: g)
    with pytest.raises(InvalidSubject, match=r"forward: got .*expected .*Do: return"):
        subject.value({"x": X})


@pytest.mark.parametrize("value", [X, 1.0, np.float32(1), (X, X), {"a": X}, [X], X > 0])
def test_numeric_outputs_pass_as_they_are(value):
    assert checked_output(value) is value


class NoBackward:
    def forward(self, x):
        return x


class OddBackward(NoBackward):
    def backward(self, dout, cache):
        return dout


BAD_SUBJECTS = {
    "number": lambda: as_subject(1.0),
    "text": lambda: as_subject("dense"),
    "None": lambda: as_subject(None),
    "object without backward": lambda: as_subject(NoBackward()),
    "forward not callable": lambda: as_subject(1.0, dense_backward),
    "backward not callable": lambda: as_subject(dense, 1.0),
    "text for a backward": lambda: as_subject(dense, "backward"),
    "jvp not callable": lambda: as_subject(dense, dense_backward, jvp=1),
    "backward without inputs": lambda: as_subject(dense, lambda g: g, names=["x", "w", "b"]),
    "backward of other inputs": lambda: as_subject(
        dense, lambda g, x, w: (g, g), names=["x", "w", "b"]
    ),
    "cache that cannot be taken": lambda: as_subject(
        cached_dense, dense_backward, style="cached", names=["x", "w", "b"]
    ),
    "layer with a second argument": lambda: as_subject(OddBackward()).vjp({"x": X}, X),
    "layer that keeps no gradient": lambda: as_subject(
        type("L", (NoBackward,), {"w": W, "backward": lambda self, g: g})()
    ).vjp({"x": X, "w": W}, X),
    "factory of something else": lambda: as_subject(lambda: 3),
    "forward without a cache": lambda: as_subject(dense, cached_dense_backward).value(INPUTS),
    "value without its gradient": lambda: as_subject(dense, True).value(INPUTS),
    "gradient of a vector": lambda: as_subject(lambda x: x, lambda x: x, style="gradient").value(
        {"x": X}
    ),
}


@pytest.mark.parametrize("case", BAD_SUBJECTS)
def test_unusable_subjects_are_refused_in_words(case):
    with pytest.raises(InvalidSubject, match=r"(?s)got .*expected .*Do: "):
        BAD_SUBJECTS[case]()


BAD_ARGUMENTS = {
    "unknown style": lambda: as_subject(dense, dense_backward, style="pear"),
    "unknown option": lambda: as_subject(dense, dense_backward, options={"stride": 1}),
    "unknown option of a layer": lambda: as_subject(DictLayer(), options={"stride": 1}),
    "options of a subject": lambda: as_subject(
        FunctionSubject("s", lambda i: i["x"], lambda i, g: {"x": g}), options={"stride": 1}
    ),
    "names that are no parameters": lambda: as_subject(dense, dense_backward).value(
        {"x": X, "w": W, "bias": B}
    ),
    "missing input": lambda: as_subject(dense, dense_backward).value({"x": X, "w": W}),
    "missing input, known early": lambda: as_subject(dense, dense_backward, names=["x", "w"]),
    "missing input of a factory": lambda: as_subject(
        type("F", (DictLayer,), {"__init__": lambda self, size: None})
    ).value({"x": X}),
    "unknown parameter of a layer": lambda: as_subject(DictLayer()).value({"x": X, "v": W}),
    "missing argument of a layer": lambda: as_subject(DictLayer()).value({"w": W}),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_unusable_arguments_are_refused_in_words(case):
    with pytest.raises(InvalidArgument, match=r"(?s)got .*Do: "):
        BAD_ARGUMENTS[case]()


def test_errors_of_the_subject_itself_are_left_alone():
    def raising(g, x):
        raise ZeroDivisionError("in my backward")

    with pytest.raises(ZeroDivisionError, match="in my backward"):
        as_subject(np.sin, raising).vjp({"x": X}, X)


@pytest.mark.parametrize(
    "key", ["w", "dw", "d_w", "grad_w", "w_grad", "w_bar", "g_w", "gradw", "dws", "dW", "W"]
)
def test_common_spellings_of_a_gradient_are_known(key):
    assert spelled("w", ["dx", key]) == key


def test_a_0d_input_may_have_a_python_number_for_its_gradient():
    claim = normalise_claim((2.0,), {"x": np.array(1.0)})
    assert claim["x"] == 2.0
    with pytest.raises(InvalidSubject, match="expected an array of the shape of the input"):
        normalise_claim((2.0,), {"x": X})


def test_subjects_are_named_after_their_function():
    assert as_subject(dense, dense_backward).name == "dense"
    assert as_subject(dense, dense_backward, name="layer 3").name == "layer 3"
    assert as_subject(DictLayer()).name == "DictLayer"
    assert as_subject(DictLayer).name == "DictLayer"
