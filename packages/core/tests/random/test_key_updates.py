"""Keys written into arrays of keys, by compiled programs as well as at once: whole keys change, and no other."""

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax, random

NEW = random.key(7)


def _words(keys):
    return np.array(random.key_data(keys))


@pytest.mark.parametrize("impl", ["threefry2x32", "rbg"])
@pytest.mark.parametrize(
    ("update", "places"),
    [
        (lambda keys, new, n: keys.at[n].set(new), (1, 0)),
        (lambda keys, new, n: keys.at[n].set(new), (5, -1)),
        (lambda keys, new, n: keys.at[n, 2].set(new), (3,)),
        (lambda keys, new, n: keys.at[:, n].set(new), (2,)),
        (lambda keys, new, n: keys.at[cnp.array([0, 1]) + n, cnp.array([0, 2])].set(new), (0, 4)),
        (lambda keys, new, n: keys.at[n + 100].set(new, mode="drop"), (0,)),
        (lambda keys, new, n: lax.dynamic_update_slice(keys, new[None, None], (n, n)), (1, 9)),
    ],
)
def test_updates(update, places, impl):
    keys, new = random.split(random.key(0, impl=impl), (6, 3)), random.key(7, impl=impl)
    for n in places:
        expected = update(keys, new, n)
        changed = (_words(expected) != _words(keys)).any(-1)
        np.testing.assert_array_equal(
            _words(expected)[changed], np.broadcast_to(_words(new), (changed.sum(), len(_words(new))))
        )
        np.testing.assert_array_equal(_words(cotan.jit(update)(keys, new, n)), _words(expected))


def test_loops():
    keys = random.split(random.key(0), 4)

    def step(n, keys):
        return keys.at[n].set(random.fold_in(NEW, n))

    expected = _words(cnp.stack([random.fold_in(NEW, n) for n in range(4)]))
    np.testing.assert_array_equal(_words(lax.fori_loop(0, 4, step, keys)), expected)
    scanned, _ = lax.scan(lambda keys, n: (step(n, keys), None), keys, cnp.arange(4))
    np.testing.assert_array_equal(_words(scanned), expected)
    many = cotan.vmap(lambda n: step(n, keys))(cnp.arange(4))
    np.testing.assert_array_equal(_words(cotan.jit(cnp.diagonal)(many)), expected)
