"""Exceptions, and the user's place in messages."""

import contextlib
import functools
import pickle
import warnings

import pytest

from cotan import errors


def test_each_error_is_also_one_of_pythons() -> None:
    for error, base in (
        (errors.TracerBoolConversionError, errors.ConcretizationTypeError),
        (errors.ConcretizationTypeError, TypeError),
        (errors.TracerIntegerConversionError, TypeError),
        (errors.TracerArrayConversionError, TypeError),
        (errors.UnexpectedTracerError, TypeError),
        (errors.NonConcreteBooleanIndexError, IndexError),
        (errors.TypePromotionError, ValueError),
        (errors.OpaqueOperandError, errors.TypePromotionError),
        (errors.OpaqueOperandError, TypeError),
        (errors.ShapeError, TypeError),
        (errors.ShapeError, ValueError),
        (errors.BackendUnavailableError, RuntimeError),
        (errors.DeletedArrayError, RuntimeError),
        (errors.UnsupportedError, RuntimeError),
        (errors.KeyReuseError, errors.JAXTypeError),
        (errors.ConcretizationTypeError, errors.JAXTypeError),
        (errors.TracerIntegerConversionError, errors.JAXTypeError),
        (errors.TracerArrayConversionError, errors.JAXTypeError),
        (errors.UnexpectedTracerError, errors.JAXTypeError),
        (errors.NonConcreteBooleanIndexError, errors.JAXIndexError),
        (errors.JAXTypeError, TypeError),
        (errors.JAXIndexError, IndexError),
        (errors.JaxRuntimeError, RuntimeError),
        (errors.UnsupportedError, errors.JaxRuntimeError),
        (errors.BackendUnavailableError, errors.JaxRuntimeError),
        (errors.JaxprTypeError, TypeError),
        (errors.InconclusiveDimensionOperation, Exception),
    ):
        assert issubclass(error, base)
        assert issubclass(error, errors.CotanError)


def test_what_is_not_promoted_is_a_value_unless_it_is_opaque() -> None:
    assert not issubclass(errors.TypePromotionError, TypeError)


def test_unsupported_says_who_what_and_for_which_dtype() -> None:
    error = errors.UnsupportedError("acme", "sort", "float16", "Cast to float32.")
    assert str(error) == "the backend acme does not support sort for dtype float16. Cast to float32."
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.backend, again.what, again.dtype) == (str(error), "acme", "sort", "float16")
    assert str(errors.UnsupportedError("acme", "donation")) == "the backend acme does not support donation"


def test_places_are_the_users() -> None:
    filename, line, function = errors.source_frame() or ("", 0, "")
    assert (filename, function) == (__file__, "test_places_are_the_users")
    assert errors.where() == f"test_errors.py:{line + 2}, in test_places_are_the_users"
    frame = errors.user_frame()
    assert frame is not None
    assert (frame.line or "").strip() == "frame = errors.user_frame()"


def test_helpers_of_the_standard_library_are_passed_over() -> None:
    stack = contextlib.ExitStack()
    places: list[str] = []
    stack.push(lambda *exc: places.append(errors.where()))  # type: ignore[arg-type]
    stack.callback(functools.partial(list.append, places, "first"))
    stack.close()
    assert places[0] == "first"
    assert places[1].startswith("test_errors.py")
    assert contextlib.__file__ in errors._hidden_files
    assert functools.__file__ in errors._hidden_files


def test_frames_of_a_hidden_package_are_passed_over(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    package = tmp_path / "helper"
    package.mkdir()
    (package / "inside.py").write_text("from cotan import errors\ndef call():\n    return errors.where()\n")
    monkeypatch.syspath_prepend(package)
    import inside  # type: ignore[import-not-found]

    assert inside.call() == "inside.py:3, in call"
    monkeypatch.setattr(errors, "_hidden_prefixes", errors._hidden_prefixes)
    errors.hide_frames(str(package))
    try:
        assert inside.call().endswith("in test_frames_of_a_hidden_package_are_passed_over")
    finally:
        errors._is_hidden.clear()


def test_warnings_point_at_the_user() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        errors.warn("careful", RuntimeWarning)
    assert [(w.filename, w.category, str(w.message)) for w in caught] == [(__file__, RuntimeWarning, "careful")]
