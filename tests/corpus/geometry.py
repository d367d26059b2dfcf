"""Rotations, Fourier transforms and complex layers: bugs of our own making."""

from __future__ import annotations

import hypothesis.strategies as hyp
import numpy as np

from tests.corpus.twin import normal, two_ways


def rotated(q, v):
    """(n, 3) vectors turned by a quaternion (4,) of any length but zero."""
    w, u = _unit(q)[0], _unit(q)[1:]
    return v + 2 * np.cross(u, np.cross(u, v) + w * v)


def _unit(q):
    size = np.sqrt(q @ q)
    if not size:
        raise ValueError("the zero quaternion turns nothing")
    return q / size


def rotated_back(out_bar, q, v, *, right):
    w, u = _unit(q)[0], _unit(q)[1:]
    inner = np.cross(u, v) + w * v
    inner_bar = 2 * np.cross(out_bar, u)
    u_bar = (2 * np.cross(inner, out_bar) + np.cross(v, inner_bar)).sum(axis=0)
    v_bar = out_bar + np.cross(inner_bar, u) + w * inner_bar
    unit_bar = np.concatenate([[np.sum(inner_bar * v)], u_bar])
    if right:
        unit_bar = unit_bar - _unit(q) * (unit_bar @ _unit(q))
    return unit_bar / np.sqrt(q @ q), v_bar


def crossed(a, b):
    """Cross products of rows."""
    return np.cross(a, b)


def crossed_back(out_bar, a, b, *, right):
    return np.cross(b, out_bar), np.cross(out_bar, a) if right else np.cross(a, out_bar)


def exponential_map(w, v):
    """(3,) turned by the rotation vector ``w``: Rodrigues' formula, 0 / 0 where ``w`` is 0."""
    a, b, _, _ = _rodrigues(w)
    once = np.cross(w, v)
    return v + a * once + b * np.cross(w, once)


def _rodrigues(w):
    """sin(t)/t, (1 - cos t)/t^2 and their derivatives over t."""
    t = np.sqrt(w @ w)
    if t < 1e-2:
        s = t * t
        return (
            1 - s / 6 + s**2 / 120 - s**3 / 5040,
            1 / 2 - s / 24 + s**2 / 720 - s**3 / 40320,
            -1 / 3 + s / 30 - s**2 / 840 + s**3 / 45360,
            -1 / 12 + s / 180 - s**2 / 6720 + s**3 / 453600,
        )
    a, b = np.sin(t) / t, (1 - np.cos(t)) / t**2
    return a, b, (np.cos(t) - a) / t**2, (a - 2 * b) / t**2


def exponential_map_back(out_bar, w, v, *, right):
    a, b, a_slope, b_slope = _rodrigues(w)
    once = np.cross(w, v)
    twice = np.cross(w, once)
    if not right:
        t = np.sqrt(w @ w)
        with np.errstate(divide="ignore", invalid="ignore"):
            a_slope = (np.cos(t) - np.sin(t) / t) / t**2
    once_bar = a * out_bar + b * np.cross(out_bar, w)
    w_bar = np.cross(v, once_bar) + b * np.cross(once, out_bar)
    w_bar = w_bar + w * (a_slope * (out_bar @ once) + b_slope * (out_bar @ twice))
    return w_bar, out_bar + np.cross(once_bar, w)


def filtered(x, gain):
    """(n,) filtered by real gains in the frequency domain."""
    return np.fft.irfft(gain * np.fft.rfft(x), len(x))


def filtered_back(out_bar, x, gain, *, right):
    n = len(x)
    weight = np.full(len(gain), 2.0)
    weight[0] = 1
    if n % 2 == 0 and right:
        weight[-1] = 1  # the highest frequency of an even number has no twin
    spectra = np.fft.rfft(out_bar), np.fft.rfft(x)
    gain_bar = weight * np.real(np.conj(spectra[0]) * spectra[1]) / n
    return np.fft.irfft(gain * spectra[0], n), gain_bar


def fourier(x, norm="backward"):
    return np.fft.fft(x, norm=norm)


def fourier_back(out_bar, x, norm="backward", *, right):
    if norm == "ortho" and right:
        return (np.fft.ifft(out_bar, norm="ortho"),)
    return (np.fft.ifft(out_bar) * (len(x) if norm == "backward" else 1),)


def magnitude(z):
    """Absolute values squared over one plus them: smooth everywhere."""
    return np.abs(z) ** 2 / (1 + np.abs(z) ** 2)


def magnitude_back(out_bar, z, *, right):
    slope = 2 * out_bar / (1 + np.abs(z) ** 2) ** 2
    return (slope * (z if right else np.conj(z)),)


def complex_product(a, b):
    return a * b


def complex_product_back(out_bar, a, b, *, right):
    return out_bar * np.conj(b), out_bar * (np.conj(a) if right else a)


def real_part_layer(x, w):
    """Real part of ``x w`` with a complex weight."""
    return (x @ w).real


def real_part_layer_back(out_bar, x, w, *, right):
    w_bar = x.T @ out_bar + 0j
    x_bar = (out_bar @ w.conj().T).real
    return x_bar, w_bar if right else 2 * w_bar


def complex_normal(seed, *shape):
    return normal(seed, *shape) + 1j * normal(seed + 1000, *shape)


ENTRIES = (-3.0, 3.0)


TWINS = (
    two_ways(
        "quaternion-length",
        "missing term",
        rotated,
        rotated_back,
        bug="the quaternion's normalisation is treated as a constant",
        arguments=lambda st: {"q": st.array("4", domain=ENTRIES), "v": "n 3"},
        bug_point=lambda: {"q": normal(524, 4), "v": normal(525, 2, 3)},
        generic_point=lambda: {"q": normal(526, 4), "v": normal(527, 1, 3)},
        diagnosis=("missing-term",),
    ),
    two_ways(
        "cross-order",
        "sign",
        crossed,
        crossed_back,
        bug="the factors of the second gradient have changed places",
        arguments=lambda st: {"a": "n 3", "b": "n 3"},
        bug_point=lambda: {"a": normal(528, 2, 3), "b": normal(529, 2, 3)},
        generic_point=lambda: {"a": normal(530, 1, 3), "b": normal(531, 1, 3)},
        diagnosis=("sign-flipped",),
    ),
    two_ways(
        "rodrigues-zero",
        "exact zero",
        exponential_map,
        exponential_map_back,
        bug="sin(t) / t at t = 0",
        arguments=lambda st: {"w": st.array("3", domain=ENTRIES), "v": "3"},
        bug_point=lambda: {"w": np.zeros(3), "v": np.array([0.3, -1.2, 0.7])},
        generic_point=lambda: {"w": normal(532, 3), "v": normal(533, 3)},
        diagnosis=("singular-at-zero",),
    ),
    two_ways(
        "rfft-nyquist",
        "shape regime",
        filtered,
        filtered_back,
        bug="the highest frequency of an even number is counted twice",
        arguments=lambda st: {
            "x": "n",
            "gain": st.size("n").flatmap(lambda n: st.array((n // 2 + 1,))),
        },
        bug_point=lambda: {"x": normal(534, 6), "gain": normal(535, 4)},
        generic_point=lambda: {"x": normal(536, 5), "gain": normal(537, 3)},
        diagnosis=("wrong-slice", "constant-factor"),
    ),
    two_ways(
        "fft-ortho",
        "option",
        fourier,
        fourier_back,
        bug="norm='ortho' is taken to be norm='forward' in the backward",
        arguments=lambda st: {
            "x": st.array("n", dtype="complex128"),
            "norm": hyp.sampled_from(["backward", "ortho", "forward"]),
        },
        bug_point=lambda: {"x": complex_normal(538, 4), "norm": "ortho"},
        generic_point=lambda: {"x": complex_normal(539, 3), "norm": "backward"},
        diagnosis=("constant-factor", "wrong-for-option"),
    ),
    two_ways(
        "abs2-conjugate",
        "complex",
        magnitude,
        magnitude_back,
        bug="the conjugate, where the number itself is due",
        arguments=lambda st: {"z": st.array("n", dtype="complex128", domain=(-5.0, 5.0))},
        bug_point=lambda: {"z": complex_normal(540, 3)},
        generic_point=lambda: {"z": complex_normal(541, 2)},
        diagnosis=("conjugate-missing",),
    ),
    two_ways(
        "complex-product",
        "complex",
        complex_product,
        complex_product_back,
        bug="the second gradient lacks a conjugate",
        arguments=lambda st: {
            "a": st.array("n", dtype="complex128"),
            "b": st.array("n", dtype="complex128"),
        },
        bug_point=lambda: {"a": complex_normal(542, 3), "b": complex_normal(543, 3)},
        generic_point=lambda: {"a": complex_normal(544, 2), "b": complex_normal(545, 2)},
        diagnosis=("conjugate-missing",),
    ),
    two_ways(
        "realpart-twice",
        "complex",
        real_part_layer,
        real_part_layer_back,
        bug="the weight's gradient counts the conjugate too: twice the steepest ascent",
        arguments=lambda st: {"x": "n d", "w": st.array("d k", dtype="complex128")},
        bug_point=lambda: {"x": normal(546, 2, 3), "w": complex_normal(547, 3, 2)},
        generic_point=lambda: {"x": normal(548, 2, 2), "w": complex_normal(549, 2, 1)},
        diagnosis=("constant-factor", "accumulated-twice"),
    ),
)
