"""A PJRT plugin of another distribution, loaded from its package (``nox -s pjrt-plugin``): the smallest samples run."""

from __future__ import annotations

import os

import numpy as np
import pytest
from xla_programs import by_dtypes, one_equation

import cotan
import cotan.numpy as cnp
from cotan.backend import CompileOptions
from cotan.config import config
from cotan.errors import UnsupportedError
from cotan.ir.primitive import reference
from cotan.testing.operators.table import assert_close, load
from cotan_xla_tpu.clients import library_of, plugin_backend

PACKAGE = os.environ.get("COTAN_PJRT_PLUGIN", "lammps_jax_pjrt_cpu")
BY_LAPACK = {"lu", "qr", "geqrf", "householder_product", "ormqr", "eigh", "svd", "eig", "schur", "hessenberg"}
NOT_HERE = {*BY_LAPACK, "tridiagonal", "tridiagonal_solve"}
OPERATORS = [
    one
    for one in load().values()
    if not one.primitive.higher_order and reference.get(one.primitive) and one.unique is None
]


@pytest.fixture(scope="module")
def backend():
    return plugin_backend(str(library_of(PACKAGE)))


def test_the_platform_takes_the_plugin(monkeypatch, backend):
    monkeypatch.setenv("COTAN_PJRT_PLUGIN", PACKAGE)
    with config.override(platform="xla"):
        assert cotan.devices()[0].backend.platform_version.startswith("jaxlib")
        x = cnp.arange(6.0).reshape(2, 3)
        np.testing.assert_allclose(cotan.jit(lambda x: cnp.tanh(x) @ x.T)(x), np.tanh(x) @ np.asarray(x).T, rtol=1e-5)


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.primitive.name)
def test_smoke(operator, backend):
    device = backend.devices()[0]
    for sample in by_dtypes(operator.samples)[:2]:
        with config.override(enable_x64=True):
            closed = one_equation(operator.primitive, sample.args, sample.params)
            arrays = [
                np.asarray(getattr(x, "words", x), aval.dtype if isinstance(aval.dtype, np.dtype) else None)
                for x, aval in zip(sample.args, closed.in_avals, strict=True)
            ]
        if operator.primitive.name in NOT_HERE:
            with pytest.raises(UnsupportedError, match="computed by LAPACK"):
                backend.compile(closed, CompileOptions(device))
            continue
        found = [x.to_host() for x in backend.compile(closed, CompileOptions(device)).run([*map(device.put, arrays)])]
        wanted = reference[operator.primitive](*arrays, **sample.params)
        for x, y in zip(found, wanted if operator.primitive.multiple_results else [wanted], strict=True):
            assert_close(x, y, 512.0, repr(sample))
