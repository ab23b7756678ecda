"""Interpolation on regular grids against SciPy, with transforms and derivatives."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.interpolate

import cotan
import cotan.numpy as cnp
from cotan.scipy.interpolate import RegularGridInterpolator

RNG = np.random.default_rng(0)
POINTS = (np.sort(RNG.random(5)), np.sort(RNG.random(4)))
VALUES = RNG.normal(size=(5, 4, 2))
XI = RNG.uniform(-0.1, 1.1, (30, 2))


@pytest.mark.parametrize("method", ["linear", "nearest"])
@pytest.mark.parametrize("fill", [np.nan, -1.0, None])
def test_values(method, fill):
    arguments = {"method": method, "bounds_error": False, "fill_value": fill}
    expected = scipy.interpolate.RegularGridInterpolator(POINTS, VALUES, **arguments)
    with cotan.enable_x64(True):
        found = RegularGridInterpolator(POINTS, VALUES, **arguments)
        np.testing.assert_allclose(found(XI), expected(XI), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(cotan.jit(found)(XI), expected(XI), rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(cotan.vmap(found)(XI)[:, 0], expected(XI), rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(found((XI[:, 0], 0.5)), expected((XI[:, 0], 0.5)), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found(XI, "nearest"), expected(XI, "nearest"), rtol=1e-10)


@pytest.mark.parametrize("xi", [[0.5, 0.4], [[0.5, 0.4]], [0.5, 0.4, 0.2, 0.6], (0.5, 0.4), (np.array([0.5, 0.4]),)])
def test_a_vector_holds_points_one_after_the_other(xi):
    xi = np.array(xi) if isinstance(xi, list) else xi
    for points, values in [(POINTS, VALUES), (POINTS[:1], VALUES[:, 0, 0])]:
        if len(points) == 1 and (isinstance(xi, tuple) or xi.ndim != 1):
            continue
        with cotan.enable_x64(True):
            arguments = (points, values, "linear", False)
            plain = xi[0] if isinstance(xi, tuple) and len(xi) == 1 else xi
            expected = scipy.interpolate.RegularGridInterpolator(*arguments)(plain)
            for found in (RegularGridInterpolator(*arguments), cotan.jit(RegularGridInterpolator(*arguments))):
                np.testing.assert_allclose(found(xi), expected, rtol=1e-10, strict=True)


def test_derivatives():
    with cotan.enable_x64(True):
        x = np.array([POINTS[0][1:3].mean(), POINTS[1][1:3].mean()])
        slope = cotan.jacrev(RegularGridInterpolator(POINTS, VALUES))(x)[0]
        theirs = scipy.interpolate.RegularGridInterpolator(POINTS, VALUES)
        for axis in range(2):
            h = 1e-6 * np.eye(2)[axis]
            np.testing.assert_allclose(slope[:, axis], (theirs(x + h) - theirs(x - h))[0] / 2e-6, rtol=1e-6)
        by_values = cotan.grad(lambda v: cnp.sum(RegularGridInterpolator(POINTS, v)(x)))(VALUES)
        np.testing.assert_allclose(np.sum(by_values), 2)


def test_bad_arguments():
    for arguments, text in [
        ((POINTS, VALUES, "cubic"), "method must be 'linear' or 'nearest', got 'cubic'"),
        ((POINTS, VALUES, "linear", True), "bounds_error must be False"),
        ((POINTS[:1] * 4, VALUES), "4 vectors of points for values of 3 axes"),
        ((POINTS[::-1], VALUES), "axis 0 of values has extent 5 and needs as many points"),
    ]:
        with pytest.raises(ValueError, match=text):
            RegularGridInterpolator(*arguments)
    with pytest.raises(ValueError, match=r"points must be \(..., 2\), got shape \(3,\)"):
        RegularGridInterpolator(POINTS, VALUES)(np.ones(3))
