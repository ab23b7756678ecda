"""cotan.nn.initializers: stored values of jax.nn.initializers (float32, key(0), shape (2, 2)), moments, bad input."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
from cotan.nn import initializers

VALUES = {
    "normal": [0.016226422041654587, 0.020252646878361702, -0.004335944075137377, -0.0007861734484322369],
    "uniform": [0.009476670064032078, 0.009785798378288746, 0.003322914708405733, 0.004686684347689152],
    "truncated_normal": [0.014559592120349407, 0.01714748702943325, -0.004126753192394972, -0.0007503342931158841],
    "glorot_uniform": [1.0965558290481567, 1.172276496887207, -0.4108003079891205, -0.07674628496170044],
    "glorot_normal": [1.170405387878418, 1.3784390687942505, -0.33173829317092896, -0.060317303985357285],
    "lecun_uniform": [1.0965558290481567, 1.172276496887207, -0.4108003079891205, -0.07674628496170044],
    "lecun_normal": [1.170405387878418, 1.3784390687942505, -0.33173829317092896, -0.060317303985357285],
    "he_uniform": [1.5507639646530151, 1.6578493118286133, -0.5809593200683594, -0.10853563249111176],
    "he_normal": [1.6552032232284546, 1.9494074583053589, -0.4691488444805145, -0.08530155569314957],
}


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("jitted", [False, True])
def test_stored_values(name, jitted):
    init = getattr(initializers, name)()
    draw = cotan.jit(lambda key: init(key, (2, 2))) if jitted else lambda key: init(key, (2, 2))
    found = draw(cotan.random.key(0))
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.ravel(found), VALUES[name], rtol=2e-6)


@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 12), ("fan_out", 20), ("fan_avg", 16), ("fan_geo_avg", 240**0.5)])
@pytest.mark.parametrize("distribution", ["normal", "truncated_normal", "uniform"])
def test_variance_is_scale_over_fan(mode, fan, distribution):
    init = initializers.variance_scaling(3.0, mode, distribution, in_axis=(1, 2), out_axis=3, batch_axis=0)
    drawn = np.asarray(init(cotan.random.key(1), (200, 3, 4, 20)))
    assert abs(drawn.var() / (3.0 / fan) - 1) < 0.02
    assert abs(drawn.mean()) < 0.01


def test_other_axes_are_a_receptive_field():
    init = initializers.variance_scaling(1.0, "fan_in", "normal")
    drawn = np.asarray(init(cotan.random.key(1), (5, 5, 8, 300)))
    assert abs(drawn.var() * 5 * 5 * 8 - 1) < 0.03


def test_truncation_is_before_scaling():
    drawn = np.asarray(initializers.truncated_normal(0.5, lower=-1.0, upper=3.0)(cotan.random.key(2), (5000,)))
    assert -0.5 < drawn.min() < -0.49
    assert 1.2 < drawn.max() < 1.5


@pytest.mark.parametrize("name", [*VALUES, "zeros", "ones", "constant"])
def test_dtypes(name):
    made = getattr(initializers, name)
    plain = made if name in ("zeros", "ones") else made(2.0) if name == "constant" else made()
    key = cotan.random.key(0)
    assert plain(key, (2, 3)).dtype == np.float32
    assert plain(key, (2, 3), np.float16).dtype == np.float16
    with cotan.enable_x64(True):
        assert plain(key, (2, 3)).dtype == np.float64
    if name not in ("zeros", "ones", "constant"):
        assert made(dtype=np.float16)(key, (2, 3)).dtype == np.float16


def test_fills():
    key = cotan.random.key(0)
    np.testing.assert_array_equal(initializers.zeros(key, (2,)), [0, 0])
    np.testing.assert_array_equal(initializers.ones(key, (2,), np.int32), [1, 1])
    np.testing.assert_array_equal(initializers.constant(np.array([1.0, 2.0]))(key, (2, 2)), [[1, 2], [1, 2]])


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: initializers.variance_scaling(1.0, "fan", "normal"), ValueError, "mode must be .* got 'fan'"),
        (lambda: initializers.variance_scaling(1.0, "fan_in", "gauss"), ValueError, "unknown distribution 'gauss'"),
        (lambda: initializers.he_normal()(cotan.random.key(0), (3,)), ValueError, "at least two dimensions"),
        (lambda: initializers.normal()(0, (3,)), TypeError, "normal needs a key as its first argument"),
    ],
)
def test_bad_input(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_orthogonal_weights() -> None:
    key = cotan.random.key(0)
    for shape, axis in (((4, 3), -1), ((3, 4), -1), ((2, 3, 2), 1), ((5, 2, 4), -1)):
        w = np.asarray(initializers.orthogonal(2.0, axis)(key, shape))
        assert w.shape == shape
        flat = np.moveaxis(w, axis, -1).reshape(-1, shape[axis]) / 2
        gram = flat.T @ flat if flat.shape[0] >= flat.shape[1] else flat @ flat.T
        np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-5)
    assert initializers.orthogonal(1.0, 0)(key, (0, 3)).shape == (0, 3)
    kernel = np.asarray(initializers.delta_orthogonal()(key, (3, 5, 2, 4)))
    np.testing.assert_allclose(kernel[1, 2] @ kernel[1, 2].T, np.eye(2), atol=1e-5)
    assert np.count_nonzero(kernel) == 8
    for init, shape, words in (
        (initializers.orthogonal(), (3,), "two dimensions at least"),
        (initializers.delta_orthogonal(), (3, 3), "3, 4 or 5 dimensions"),
        (initializers.delta_orthogonal(), (3, 4, 2), "as many outputs"),
    ):
        with pytest.raises(ValueError, match=words):
            init(key, shape)


COMPLEX_VALUES = {
    "lecun_normal": [
        [0.0553397 + 0.00911983j, -0.12291837 - 0.03299585j],
        [-0.36341348 + 0.04354163j, -0.18709129 - 0.17612243j],
        [-0.40321407 + 0.37784436j, 0.53399986 + 0.6438475j],
    ],
    "lecun_uniform": [
        [0.07512415 + 0.01238026j, -0.16539201 - 0.04439735j],
        [-0.45252156 + 0.05421792j, -0.2434915 - 0.22921601j],
        [-0.45194772 + 0.42351177j, 0.48543984 + 0.58529836j],
    ],
}


@pytest.mark.parametrize("name", COMPLEX_VALUES)
def test_stored_complex_values(name):
    found = getattr(initializers, name)()(cotan.random.key(3), (3, 2), np.complex64)
    assert found.dtype == np.complex64
    np.testing.assert_allclose(found, COMPLEX_VALUES[name], rtol=2e-6)


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 300), ("fan_out", 400), ("fan_avg", 350)])
@pytest.mark.parametrize("distribution", ["normal", "truncated_normal", "uniform"])
def test_moments_of_complex_weights(mode, fan, distribution, wide):
    with cotan.enable_x64(wide):
        dtype = np.complex128 if wide else np.complex64
        drawn = np.asarray(
            initializers.variance_scaling(2.0, mode, distribution, dtype=dtype)(cotan.random.key(1), (300, 400))
        )
    assert drawn.dtype == dtype
    assert abs(drawn.var() / (2.0 / fan) - 1) < 0.03
    assert abs(drawn.real.var() / drawn.imag.var() - 1) < 0.03
    assert abs((drawn**2).mean()) < 0.01 * drawn.var()
    assert abs(drawn.mean()) < 0.001
