"""Recorded profiles are read: those of our own, and XLA's messages."""

from __future__ import annotations

import itertools

import pytest

import cotan
from cotan.profiler import ProfileData, ProfileEvent, ProfilePlane

# One line of one event on "/host:CPU", an empty one, and an empty device; a statistic of each type.
XSPACE = bytes.fromhex(
    "0aa00112092f686f73743a4350551a4608031206707974686f6e18e8072237080110c41318a01f220b080111000000000000f83f22"
    "0d080220f9ffffffffffffffff01220508032a01782204080138032204080218091a0c08041201615a057175657565220b080112070801"
    "12036164642a0c0803120808031204776f72642a0d0802120908021205636f756e742a0d08011209080112057368617265320408022004"
    "0a0b12092f6465766963653a30"
)


def everything(data):
    return [
        (plane.name, list(plane.stats), [(line.name, list(line.events)) for line in plane.lines])
        for plane in data.planes
    ]


def test_messages(tmp_path):
    stats = [("share", 1.5), ("count", -7), ("word", "x"), ("share", "word"), ("count", 9)]
    event = ProfileEvent("add", 1002.5, 4.0, stats)
    expected = [
        ("/host:CPU", [("count", 4)], [("python", [event]), ("a", [])]),
        ("/device:0", [], []),
    ]
    assert everything(ProfileData.from_serialized_xspace(XSPACE)) == expected
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "host.xplane.pb").write_bytes(XSPACE)
    found = ProfileData.from_file(tmp_path)
    assert everything(found) == expected
    assert found.find_plane_with_name("/device:0") == ProfilePlane("/device:0")
    assert found.find_plane_with_name("/device:1") is None
    assert (event.end_ns, list(event.stats)) == (1006.5, stats)


def test_our_own(tmp_path):
    with cotan.profiler.trace(tmp_path):
        for step in range(3):
            with cotan.profiler.StepTraceAnnotation("train", step_num=step):
                cotan.jit(lambda x: x * 3 + 1)(1.0)
    profile = ProfileData.from_file(tmp_path)
    plane = profile.find_plane_with_name("cotan")
    steps = [e for line in plane.lines for e in line.events if e.name == "train"]
    assert [dict(e.stats)["step_num"] for e in steps] == [0, 1, 2]
    assert all(a.end_ns <= b.start_ns for a, b in itertools.pairwise(steps))
    inside = [e for line in plane.lines for e in line.events if steps[0].start_ns <= e.start_ns <= steps[0].end_ns]
    assert len(inside) > 1


@pytest.mark.parametrize("data", [b"\x0f", b"\x0a\x05ab", b"\xff\xff", b"\x0a\x02\x12\xff", b"words"])
def test_what_is_no_message(data):
    with pytest.raises(ValueError, match=rf"these {len(data)} bytes are no message XSpace; give the contents of a"):
        ProfileData.from_serialized_xspace(data)


def test_where_nothing_was_recorded(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no profile below .*; record one with cotan\.profiler"):
        ProfileData.from_file(tmp_path)


def test_recordings_that_end_in_one_second_are_files_of_their_own(tmp_path):
    for _ in range(3):
        with cotan.profiler.trace(tmp_path):
            pass
    assert len(list(tmp_path.glob("plugins/profile/*/*.trace.json.gz"))) == 3


def test_a_directory_that_cannot_be_made_is_told_before_anything_is_recorded(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        cotan.profiler.start_trace(tmp_path / "file" / "below")
    with pytest.raises(RuntimeError, match="no trace is being recorded"):
        cotan.profiler.stop_trace()
