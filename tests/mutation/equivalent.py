"""Mutants that no test could catch, each with the proof that it computes the same."""

_REPEATED = "a list twice over holds the same at the positions of the list"
_SHAPE = "a has the shape and dtype of z, and nothing else of it is read"
_UNUSED = "the entry is taken where z > 0, where the outer np.where discards the exponential of it"

EQUIVALENT: dict[str, str] = {
    "losses/logistic.py::sigmoid: z -> -1 * z in _exp_of_minus_magnitude(z)": (
        "exp(-|z|) is even in z"
    ),
    "losses/logistic.py::sigmoid: z >= 0 -> z > 0 in np.where(z >= 0, 1, small)": (
        "at z = 0 small is exp(0), so both branches are 1"
    ),
    "models/activations.py::Identity.slope: z -> a in np.ones_like(z)": _SHAPE,
    "models/activations.py::ReLU.slope: z -> a in z <= 0": "max(z, 0) <= 0 exactly where z <= 0",
    "models/activations.py::ReLU.slope: z -> a in np.ones_like(z)": _SHAPE,
    "models/activations.py::LeakyReLU.slope: z -> a in np.ones_like(z)": _SHAPE,
    "models/activations.py::ELU.slope: 0 -> 1 in np.where(below, z, 0)": _UNUSED,
    "models/activations.py::ELU.slope: 0 -> -1 in np.where(below, z, 0)": _UNUSED,
    "models/activations.py::ELU.slope: z -> a in np.ones_like(z)": _SHAPE,
    "models/activations.py::ELU.slope: z -> below in np.ones_like(z)": (
        "np.where promotes True to the 1.0 of its other branch"
    ),
    "models/activations.py::GELU.slope: _GELU_FLAT -> 2 * _GELU_FLAT in _clip(z, _GELU_FLAT)": (
        "from 60 on sigmoid(w) is exactly 0 or 1, so it does not show where z is clipped"
    ),
    "models/activations.py::GELU.slope: _GELU_FLAT -> 1.001 * _GELU_FLAT in _clip(z, _GELU_FLAT)": (
        "from 60 on sigmoid(w) is exactly 0 or 1, so it does not show where z is clipped"
    ),
    "models/activations.py::GELU.slope: near -> z in near * s": (
        "where near is not z, sigmoid(w) or sigmoid(-w) is 0 and so is the product"
    ),
    "models/dense.py::Dense.backward: 1 -> 2 in -1": (
        "reshape infers the length of an axis from any negative number"
    ),
    "models/network.py::Network.backward: self.layers -> 2 * self.layers in self.layers[i]": (
        _REPEATED
    ),
    "models/network.py::Network.backward: params -> 2 * params in params[i]": _REPEATED,
    "models/network.py::Network.backward: "
    "trace.residuals -> 2 * trace.residuals in trace.residuals[i]": _REPEATED,
    "models/network.py::Network.backward: tuple(outputs[::-1]) -> outputs[::-1] "
    "in Gradients(parameters[::-1], tuple(outputs[::-1]), bar)": (
        "the same arrays in a list instead of a tuple"
    ),
    "models/subjects.py::LayerSubject.vjp: "
    "params -> inputs in self.layer.backward(params, residuals, cotangent)": (
        "a layer reads the parameters it has shapes for, and x is none of them"
    ),
    "models/subjects.py::NetworkSubject._backpropagate: "
    "self._params(inputs) -> 2 * self._params(inputs) "
    "in self.network.backward(self._params(inputs), trace, y_bar)": _REPEATED,
}
