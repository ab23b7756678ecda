"""Rotations against SciPy's, in all forms and both precisions, with derivatives where the forms are smooth."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import scipy.spatial.transform as oracle

import cotan
import cotan.numpy as cnp
from cotan.scipy.spatial.transform import Rotation, Slerp

_SEQUENCES = ["".join(axes) for axes in itertools.product("xyz", repeat=3) if axes[0] != axes[1] and axes[1] != axes[2]]


@pytest.fixture(autouse=True)
def _wide():
    with cotan.enable_x64(True):
        yield


def _quats(n=20, seed=0):
    quats = np.random.default_rng(seed).normal(size=(n, 4))
    # Half turns about axes, and nearly none, are where formulas change.
    return np.concatenate([quats, np.eye(4), -np.eye(4), [[1e-9, 0, 0, 1], [1e-3, 2e-3, 0, 1], [1, 1, 0, 0]]])


def _pair(quats):
    return Rotation.from_quat(quats), oracle.Rotation.from_quat(quats)


def _same(ours, theirs, tolerance=1e-12):
    np.testing.assert_allclose(np.asarray(ours), theirs, rtol=tolerance, atol=tolerance)


def _same_rotation(ours, theirs, tolerance=1e-12):
    _same(ours.as_matrix(), theirs.as_matrix(), tolerance)


def test_every_form_is_read_as_scipy_reads_it():
    ours, theirs = _pair(_quats())
    _same(ours.as_quat(), theirs.as_quat())
    _same(ours.as_quat(canonical=True), theirs.as_quat(canonical=True))
    _same(ours.as_quat(scalar_first=True), np.roll(theirs.as_quat(), 1, -1))
    _same(ours.as_matrix(), theirs.as_matrix())
    _same(ours.magnitude(), theirs.magnitude())
    distinct = np.abs(theirs.as_quat()[:, 3]) > 1e-12  # of a half turn, both vectors are right
    _same(ours.as_rotvec()[distinct], theirs.as_rotvec()[distinct])
    _same(ours.as_rotvec(degrees=True)[distinct], theirs.as_rotvec(degrees=True)[distinct], 1e-11)
    _same(ours.as_mrp()[distinct], theirs.as_mrp()[distinct])


def test_every_form_is_written_as_scipy_writes_it():
    ours, theirs = _pair(_quats())
    _same_rotation(Rotation.from_matrix(theirs.as_matrix()), theirs)
    _same_rotation(Rotation.from_rotvec(theirs.as_rotvec()), theirs)
    _same_rotation(Rotation.from_rotvec(theirs.as_rotvec(degrees=True), degrees=True), theirs)
    _same_rotation(Rotation.from_mrp(theirs.as_mrp()), theirs)
    assert Rotation.from_matrix(np.eye(3)).single
    assert not ours.single
    assert len(ours) == len(theirs)


@pytest.mark.parametrize("seq", _SEQUENCES + [seq.upper() for seq in _SEQUENCES])
def test_euler_angles(seq):
    random = np.random.default_rng(3).normal(size=(20, 3)) * 2
    theirs = oracle.Rotation.from_euler(seq, random)
    ours = Rotation.from_euler(seq, random)
    _same_rotation(ours, theirs)
    _same(ours.as_euler(seq), theirs.as_euler(seq), 1e-10)
    _same(ours.as_euler(seq, degrees=True), theirs.as_euler(seq, degrees=True), 1e-8)
    _same_rotation(
        Rotation.from_euler(seq, random * 30, degrees=True), oracle.Rotation.from_euler(seq, random * 30, True)
    )


@pytest.mark.filterwarnings("ignore:Gimbal lock")
@pytest.mark.parametrize("seq", _SEQUENCES + [seq.upper() for seq in _SEQUENCES])
def test_euler_angles_that_are_not_unique(seq):
    ends = (0, np.pi) if seq[0] == seq[2] else (np.pi / 2, -np.pi / 2)
    angles = np.array([[0.4, end, -0.7] for end in ends])
    ours, theirs = Rotation.from_euler(seq, angles), oracle.Rotation.from_euler(seq, angles)
    _same(ours.as_euler(seq), theirs.as_euler(seq), 1e-7)


@pytest.mark.parametrize("seq", ["x", "yz", "ZX"])
def test_fewer_axes(seq):
    angles = np.random.default_rng(0).normal(size=(5, len(seq)))
    _same_rotation(Rotation.from_euler(seq, angles), oracle.Rotation.from_euler(seq, angles))
    _same_rotation(Rotation.from_euler(seq, angles[0]), oracle.Rotation.from_euler(seq, angles[0]))
    _same_rotation(Rotation.from_euler("z", 90, degrees=True), oracle.Rotation.from_euler("z", 90, degrees=True))


def test_products_inverses_and_application():
    (ours, theirs), (more, others) = _pair(_quats(seed=1)), _pair(_quats(seed=2))
    vectors = np.random.default_rng(5).normal(size=(len(theirs), 3))
    _same_rotation(ours * more, theirs * others)
    _same_rotation(ours.inv(), theirs.inv())
    _same_rotation(ours[3] * more, theirs[3] * others)
    for x in (vectors, vectors[0]):
        _same(ours.apply(x), theirs.apply(x))
        _same(ours.apply(x, inverse=True), theirs.apply(x, inverse=True))
    _same(ours[0].apply(vectors), theirs[0].apply(vectors))
    _same_rotation(ours[2:5], theirs[2:5])
    _same_rotation(Rotation.concatenate([ours[0], more]), oracle.Rotation.concatenate([theirs[0], others]))


def test_means():
    quats = np.random.default_rng(0).normal(size=(6, 4)) * 0.3 + [1, 0, 2, 1]
    ours, theirs = _pair(quats)
    weights = np.array([1.0, 2, 0, 4, 5, 0.5])
    _same_rotation(ours.mean(), theirs.mean())
    _same_rotation(ours.mean(weights), theirs.mean(weights))


def test_random_rotations_have_no_preferred_direction():
    turned = np.asarray(Rotation.random(cotan.random.key(0), 4000).apply(np.array([1.0, 0, 0])))
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), 1, rtol=1e-12)
    # Of a uniform point on the sphere every coordinate is uniform, of mean 0 and variance 1/3.
    np.testing.assert_allclose(turned.mean(0), 0, atol=4 * np.sqrt(1 / 3 / 4000))
    np.testing.assert_allclose(turned.var(0), 1 / 3, atol=0.03)
    assert Rotation.random(cotan.random.key(1)).single


def test_identity():
    assert np.array_equal(Rotation.identity(2, np.float32).as_quat(), [[0, 0, 0, 1]] * 2)
    assert Rotation.identity(2, np.float32).quat.dtype == np.float32
    assert bool(Rotation.identity())


def test_interpolation():
    ours, theirs = _pair(_quats(5)[:5])
    times = np.array([0.0, 0.5, 2, 3, 7])
    at = np.linspace(0, 7, 30)
    between, expected = Slerp.init(times, ours), oracle.Slerp(times, theirs)
    _same_rotation(between(at), expected(at), 1e-11)
    _same_rotation(between(2.5), expected(2.5), 1e-11)
    beyond = between(8.0)
    _same_rotation(ours[4], (beyond * Rotation.from_rotvec(-between.rotvecs[-1] / 4)), 1e-11)


def test_it_is_a_pytree_under_the_transforms():
    ours, theirs = _pair(_quats())
    _same_rotation(cotan.jit(lambda r: r * r)(ours), theirs * theirs)
    _same(cotan.vmap(lambda r: r.as_matrix())(ours), theirs.as_matrix())
    assert cotan.tree.structure(ours).num_leaves == 1


@pytest.mark.parametrize("vector", [[0.0, 0, 0], [1e-6, 2e-6, -1e-6], [0.3, -0.4, 1.2]])
def test_derivatives_by_the_rotation_vector(vector):
    point = np.array([1.0, 2, 3])

    def turned(v):
        return Rotation.from_rotvec(v).apply(point)

    slope = cotan.jacrev(turned)(np.array(vector))
    numeric = np.stack(
        [(turned(vector + h) - turned(vector - h)) / 2e-5 for h in 1e-5 * np.eye(3)], -1
    )  # fmt: skip
    _same(slope, numeric, 1e-8)
    there_and_back = cotan.jacfwd(lambda v: Rotation.from_rotvec(v).as_rotvec())(np.array(vector))
    _same(there_and_back, np.eye(3), 1e-9)
    through_matrices = cotan.jacfwd(lambda v: Rotation.from_matrix(Rotation.from_rotvec(v).as_matrix()).as_rotvec())
    _same(through_matrices(np.array(vector)), np.eye(3), 1e-8)


def test_single_precision_stays_single():
    quats = _quats().astype(np.float32)
    ours, theirs = _pair(quats)
    assert ours.as_matrix().dtype == ours.as_euler("xyz").dtype == ours.as_mrp().dtype == np.float32
    _same(ours.as_matrix(), theirs.as_matrix(), 1e-6)
    with cotan.enable_x64(False):
        assert Rotation.from_rotvec([1, 0, 0]).quat.dtype == np.float32


def test_errors_say_what_to_do():
    one = Rotation.identity()
    for wrong in ("abc", "xyzx", "xxy", "xYz", ""):
        with pytest.raises(ValueError, match="one to three of 'xyz'"):
            Rotation.from_euler(wrong, [0.0] * max(len(wrong), 1))
    with pytest.raises(ValueError, match=r"write angles\[:, None\]"):
        Rotation.from_euler("x", [0.0, 1.0])
    with pytest.raises(ValueError, match="three axes"):
        one.as_euler("xy")
    with pytest.raises(ValueError, match=r"last axes must be \(4,\)"):
        Rotation.from_quat([1.0, 2.0, 3.0])
    with pytest.raises(TypeError, match="has no length"):
        len(one)
    with pytest.raises(TypeError, match="cannot be indexed"):
        one[0]
    with pytest.raises(ValueError, match="one weight for each of 3"):
        Rotation.identity(3).mean(cnp.ones(2))
    with pytest.raises(ValueError, match="at least two times"):
        Slerp.init([0.0], Rotation.identity(1))
    with pytest.raises(TypeError):
        one * 2
