"""The benchmarks' own machinery, over tiny workloads: what is compared, counted, judged and written."""

from __future__ import annotations

import dataclasses
import json
import threading
import time

import numpy as np
import pytest

from benchmarks import contenders, fresh, measure, promises, report
from benchmarks.__main__ import chosen
from benchmarks.measure import Settings
from benchmarks.probes import PROBES
from benchmarks.results import Promise, Result, geometric_mean, resampled
from benchmarks.workload import LIBRARY_BOUND, Workload, bytes_of, floats
from benchmarks.workloads import WORKLOADS

QUICK = Settings(rounds=3, budget=0.001, settle=0.0, first=0)


def _square(library):
    return library.jit(lambda x: x * x)


def _workload(**changes):
    plain = Workload(
        "test/square", lambda rng: (floats(rng, 100),), _square, "not natural", lambda x: x * x, flops=100.0
    )
    return dataclasses.replace(plain, **changes)


@pytest.fixture(scope="module")
def loaded():
    return [contenders.load("cotan"), contenders.load("numpy")]


def test_every_contender_is_timed_in_every_round(loaded):
    result = measure.measure(_workload(), loaded, QUICK)
    assert {name: len(seconds) for name, seconds in result.seconds.items()} == {"cotan": 3, "numpy": 3}
    assert result.moved == 800
    assert result.differences == {"cotan": 0.0}
    assert result.absent == {}


def test_wrong_values_are_told_and_not_timed(loaded):
    result = measure.measure(_workload(numpy=lambda x: x * 1.5), loaded, QUICK)
    assert list(result.seconds) == ["numpy"]
    assert result.absent["cotan"].startswith("disagrees: differs from numpy by")


def test_a_missing_function_is_told_as_missing(loaded):
    result = measure.measure(_workload(program=lambda library: library.numpy.no_such_function), loaded, QUICK)
    assert result.absent["cotan"].startswith("missing:")
    assert "no_such_function" in result.absent["cotan"]
    assert list(result.seconds) == ["numpy"]


def test_a_failing_contender_is_told_as_failed(loaded):
    def fails(x):
        raise ValueError("no\nmore")

    result = measure.measure(_workload(numpy=fails), loaded, QUICK)
    assert result.absent == {"numpy": "failed: ValueError: no"}


def test_a_contender_without_a_natural_version_is_told_with_its_reason(loaded):
    result = measure.measure(_workload(numpy="not natural"), loaded, QUICK)
    assert result.absent == {"numpy": "none: not natural"}
    assert result.ratio("numpy") is None


def test_states_are_carried_from_call_to_call(loaded):
    counting = _workload(
        inputs=lambda rng: (np.float32(1),),
        program=lambda library: library.jit(lambda state, x: state + x),
        numpy=lambda state, x: state + x,
        initial=lambda rng: np.zeros((), np.float32),
    )
    runner = measure.prepare(counting, loaded[0])
    runner.calls = 5
    runner.step()
    runner.turn()
    assert float(runner.state) == 6


def test_arguments_vary_and_are_the_same_for_all(loaded):
    runners = [measure.prepare(_workload(), contender) for contender in loaded]
    ours, theirs = ([np.asarray(args[0]) for args in runner.ring] for runner in runners)
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs))
    assert len({a.tobytes() for a in ours}) == 4


@pytest.mark.parametrize(
    ("found", "expected", "difference"),
    [
        ([1.0, 2.0], [1.0, 4.0], 0.5),
        ([1.0, np.nan], [1.0, np.nan], 0.0),
        ([1.0, np.nan], [1.0, 1.0], np.inf),
        ([1.0], [1.0, 1.0], np.inf),
        ([], [], 0.0),
        ([1j], [0j], 1.0),
    ],
)
def test_difference(found, expected, difference):
    assert measure.difference([np.array(found)], [np.array(expected)]) == difference


def test_resampled_interval_holds_the_median():
    ratio = resampled([0.5, 1.0, 2.0, 1.1, 0.9])
    assert ratio.value == 1.0
    assert 0.5 <= ratio.low <= 1.0 <= ratio.high <= 2.0
    assert resampled([0.7] * 5) == type(ratio)(0.7, 0.7, 0.7)


def test_geometric_mean_leaves_out_what_is_not_there():
    assert geometric_mean([1.0, None, 4.0]) == pytest.approx(2.0)
    assert geometric_mean([None]) is None


def test_promises_are_judged():
    results = [
        Result("a/slow", seconds={"cotan": [2.0] * 5, "jax": [1.0] * 5, "numpy": [8.0] * 5}),
        Result("a/fast", seconds={"cotan": [1.0] * 5, "jax": [8.0] * 5, "numpy": [2.0] * 5}),
        Result("a/blas", (LIBRARY_BOUND,), seconds={"cotan": [1.2] * 5, "jax": [1.0] * 5}),
    ]
    judged = {promise.text: promise for promise in promises.judge(results)}
    assert judged["all others, to JAX: geometric mean"].found == pytest.approx(0.5)
    above = judged["all others: how many are above 1.05, parity excluded"]
    assert (above.found, above.detail, above.holds) == (1, "a/slow", False)
    assert judged["library-bound, to jax: geometric mean"].holds is False
    assert judged["library-bound, to jax: worst"].holds is True
    assert judged["library-bound, to torch: worst"].holds is None


def test_promises_may_be_floors():
    assert Promise("rate", 0.9, 0.8, at_least=True).holds is True
    assert Promise("rate", 0.7, 0.8, at_least=True).holds is False


def test_report_tells_ratios_and_reasons(tmp_path, loaded):
    result = measure.measure(_workload(), [*loaded], QUICK)
    result.absent["torch"] = "none: not natural"
    judged = promises.judge([result])
    text = report.markdown([result], judged, {"processor": "one"}, "3 rounds")
    assert "| square | " in text
    assert "- torch, none: not natural: square." in text
    report.save_json(tmp_path / "all.json", [result], judged, {}, "")
    stored = json.loads((tmp_path / "all.json").read_text())
    assert stored["results"][0]["seconds"]["cotan"] == result.seconds["cotan"]


def test_first_call_is_measured_in_a_fresh_process():
    result = Result("dispatch/two arguments", seconds={"numpy": [1.0]})
    fresh.first_calls(result, 1)
    assert result.notes == []
    assert result.first["numpy"][0] > 0


def test_names_are_found_by_group_name_and_part():
    names = ["fusion/selu", "fusion/chain", "eager/selu"]
    assert chosen([], names) == names
    assert chosen(["fusion"], names) == names[:2]
    assert chosen(["SELU"], names) == ["fusion/selu", "eager/selu"]
    assert chosen(["nothing"], names) == []


def test_bytes_of_nests():
    assert bytes_of(({"a": np.zeros(3, np.float32)}, [np.zeros(2), 1])) == 28


def test_list_of_workloads():
    assert len(WORKLOADS) >= 45
    assert not set(WORKLOADS) & set(PROBES)
    assert [name for name, workload in WORKLOADS.items() if workload.name != name] == []


def test_turns_begin_when_threads_have_come_to_rest():
    ends = time.perf_counter() + 0.2

    def spin() -> None:
        while time.perf_counter() < ends:
            pass

    thread = threading.Thread(target=spin)
    thread.start()
    measure.settle(0.02)
    assert time.perf_counter() > ends
    thread.join()
    begin = time.perf_counter()
    measure.settle(0.0)
    assert time.perf_counter() - begin < 0.1
