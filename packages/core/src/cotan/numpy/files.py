"""Arrays from and to files and text, in NumPy's formats, and how arrays are printed. The work is NumPy's."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import IO, Any

import numpy as np

from cotan import dtypes
from cotan.numpy import creation

File = str | os.PathLike[str] | IO[bytes]


def save(file: File, arr: Any, allow_pickle: bool = True) -> None:
    """Write an array to a file in NumPy's format ``.npy``; the name gets that ending if it has none.

    >>> import io, cotan.numpy as cnp
    >>> file = io.BytesIO()
    >>> cnp.save(file, cnp.arange(3))
    >>> _ = file.seek(0)
    >>> cnp.load(file)
    Array([0, 1, 2], dtype=int32)
    """
    np.save(file, np.asarray(arr), allow_pickle=allow_pickle)


def savez(file: File, *args: Any, allow_pickle: bool = True, **kwds: Any) -> None:
    """Write several arrays to a file in NumPy's format ``.npz``, under their keywords, or ``arr_0``, ``arr_1``...

    >>> import io, cotan.numpy as cnp
    >>> file = io.BytesIO()
    >>> cnp.savez(file, x=cnp.arange(3))
    >>> _ = file.seek(0)
    >>> cnp.load(file)["x"]
    array([0, 1, 2], dtype=int32)
    """
    np.savez(file, *map(np.asarray, args), allow_pickle=allow_pickle, **{k: np.asarray(v) for k, v in kwds.items()})


def load(file: File, *args: Any, **kwargs: Any) -> Any:
    """The array in a file of NumPy's format ``.npy``; of ``.npz`` what ``numpy.load`` gives, with NumPy arrays.

    Dtypes that NumPy does not know are stored as plain bytes, and read by their width: bfloat16 comes back as such.
    """
    found = np.load(file, *args, **kwargs)
    if not isinstance(found, np.ndarray):
        return found
    if found.dtype.kind == "V" and found.dtype.names is None:
        found = found.view({2: dtypes.bfloat16}.get(found.dtype.itemsize, found.dtype))
    return creation.asarray(found)


def fromfile(*args: Any, **kwargs: Any) -> Any:
    """As ``numpy.fromfile``: an array of the numbers in a file."""
    return creation.asarray(np.fromfile(*args, **kwargs))


def fromiter(iter: Iterable[Any], dtype: Any, count: int = -1) -> Any:
    """An array of the numbers that an iterable gives.

    >>> import cotan.numpy as cnp
    >>> cnp.fromiter((n * n for n in range(3)), int)
    Array([0, 1, 4], dtype=int32)
    """
    return creation.asarray(np.fromiter(iter, dtypes.canonicalize_dtype(dtype), count))


def fromstring(string: str, dtype: Any = float, count: int = -1, *, sep: str) -> Any:
    """An array of the numbers in a text.

    >>> import cotan.numpy as cnp
    >>> cnp.fromstring("1 2 3", dtype=int, sep=" ")
    Array([1, 2, 3], dtype=int32)
    """
    return creation.asarray(np.fromstring(string, dtypes.canonicalize_dtype(dtype), count, sep=sep))


def array_repr(
    arr: Any, max_line_width: int | None = None, precision: int | None = None, suppress_small: Any = None
) -> str:
    """The array as ``repr`` shows it, with a say about widths and digits.

    >>> import cotan.numpy as cnp
    >>> cnp.array_repr(cnp.array([1.2345]), precision=2)
    'Array([1.23], dtype=float32)'
    """
    array = creation.asarray(arr)
    options: dict[str, Any] = {"precision": precision, "suppress": suppress_small, "linewidth": max_line_width}
    with np.printoptions(**{name: value for name, value in options.items() if value is not None}):
        return repr(array)


def array_str(
    a: Any, max_line_width: int | None = None, precision: int | None = None, suppress_small: Any = None
) -> str:
    """The array as ``str`` shows it.

    >>> import cotan.numpy as cnp
    >>> cnp.array_str(cnp.arange(3))
    '[0 1 2]'
    """
    return np.array_str(np.asarray(a), max_line_width, precision, suppress_small)


def get_printoptions() -> dict[str, Any]:
    """How arrays are printed: precision, threshold, line width and so on; the same as NumPy's."""
    return dict(np.get_printoptions())


def set_printoptions(*args: Any, **options: Any) -> None:
    """Change how arrays are printed, those of NumPy as well."""
    np.set_printoptions(*args, **options)


def printoptions(*args: Any, **options: Any) -> Any:
    """A context manager that changes how arrays are printed.

    >>> import cotan.numpy as cnp
    >>> with cnp.printoptions(precision=2):
    ...     print(cnp.array([1.2345]))
    [1.23]
    """
    return np.printoptions(*args, **options)


def iterable(y: Any) -> bool:
    """Whether ``y`` can be iterated over.

    >>> import cotan.numpy as cnp
    >>> cnp.iterable(cnp.ones(2)), cnp.iterable(1.0)
    (True, False)
    """
    return bool(np.iterable(y))
