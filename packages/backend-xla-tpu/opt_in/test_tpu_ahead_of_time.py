"""Every lowering rule, and programs of several devices, compiled for TPUs that are not here (``nox -s tpu-aot``).

libtpu compiles without a chip. What LAPACK and the host compute is refused there, and nothing else.
"""

from __future__ import annotations

import os

import mnist
import numpy as np
import pytest
from xla_programs import by_dtypes, one_equation

import cotan
import cotan.numpy as cnp
from cotan.backend import LoweringTable
from cotan.config import config
from cotan.errors import UnsupportedError
from cotan.ir.primitive import reference
from cotan.testing.operators.table import load
from cotan_xla_tpu import driver
from cotan_xla_tpu.emit import write_module
from cotan_xla_tpu.lower import fill
from cotan_xla_tpu.spmd import Layout, partitioned_module

OPERATORS = [one for one in load().values() if not one.primitive.higher_order and reference.get(one.primitive)]
BY_LAPACK = {"tridiagonal_solve", "svd", "eig", "schur", "hessenberg", "tridiagonal"}
TOPOLOGY = os.environ.get("COTAN_TPU_TOPOLOGY", "v5e:2x2")


class Target:
    """What stands for a backend: rules and the platform."""

    client_kind = "tpu"

    def __init__(self):
        self.table = LoweringTable("tpu")
        fill(self.table)
        self.devices = driver.tpu_topology(TOPOLOGY)

    def lowerings(self):
        return self.table

    def compile(self, module, partitions=1):
        devices = self.devices[:partitions]
        return driver.compile_only(module, devices, driver.compile_options(devices, partitions=partitions))


@pytest.fixture(scope="module")
def target():
    return Target()


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.primitive.name)
def test_every_rule_compiles(operator, target):
    for sample in by_dtypes(operator.samples):
        with config.override(enable_x64=True):
            closed = one_equation(operator.primitive, sample.args, sample.params)
        if operator.primitive.name in BY_LAPACK:
            with pytest.raises(UnsupportedError, match="computed by LAPACK"):
                write_module(closed, target.table.native, "tpu")
        else:
            assert target.compile(write_module(closed, target.table.native, "tpu").module)


def looped(x):
    def body(carry, row):
        inner = cotan.lax.while_loop(lambda v: v.sum() < 3, lambda v: v + 1, carry * row)
        return cotan.lax.cond(inner[0] > 1, cnp.sin, cnp.exp, inner), inner

    return cotan.lax.scan(body, x[0], x)


def test_loops_and_branches_compile(target):
    closed = cotan.make_jaxpr(cotan.jit(looped))(np.ones((4, 3), np.float32))
    assert target.compile(write_module(closed, target.table.native, "tpu").module)


def test_the_mnist_update_compiles(target):
    with config.override(platform="cpu"):
        params = mnist.init_params(cotan.random.key(0))
        images, labels = np.zeros((mnist.BATCH, 784), np.float32), np.zeros(mnist.BATCH, np.int32)
        closed = cotan.make_jaxpr(cotan.jit(mnist.update))(params, images, labels)
        written = write_module(closed, target.table.native, "tpu", donated=[True] * 6 + [False] * 2)
    assert len(written.aliases) == 6
    assert target.compile(written.module)


def test_a_product_over_four_devices_compiles(target):
    x, y = np.ones((512, 256), np.float32), np.ones((256, 128), np.float32)
    closed = cotan.make_jaxpr(lambda x, y: cnp.tanh(x @ y))(x, y)
    layout = Layout({"a": 2, "b": 2}, partitioned=True)
    for ins in ([("a", None), (None, "b")], [("a", "b"), ("b", None)]):
        written = partitioned_module(target, closed, layout, ins, [("a", None)])
        assert target.compile(written.module, partitions=4)
