"""What a run records outlives it, however it ends, and rubbish does no harm."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamray.base.errors import StorageError
from dreamray.base.parsing import MOST_LINE
from dreamray.bulk.manifest import Manifest
from dreamray.bulk.record import Record, State
from dreamray.bulk.task_store import TaskStore
from dreamray.storage import Folder, MemoryFolder, locate_folder


@pytest.fixture(params=["local", "memory", pytest.param("moto", marks=pytest.mark.slow)])
def folder(request: pytest.FixtureRequest, tmp_path) -> Folder:
    match request.param:
        case "local":
            return locate_folder(f"{tmp_path}/dest")
        case "moto":
            return locate_folder(f"s3://{request.getfixturevalue('bucket')}/dest")
    return MemoryFolder()


def record(output: str, **more: object) -> Record:
    return replace(Record(output, f"/in/{output}", State.DONE), **more)


def read(folder: Folder) -> list[Record]:
    said: list[str] = []
    found = list(Manifest(folder).read(said.append))
    assert said == []
    return found


def files(folder: Folder) -> list[str]:
    return [found.name for found in folder.files()]


class TestParts:
    def test_survive_a_run_that_is_killed(self, folder):
        Manifest(folder).add([record("b.png"), record("a.png")])
        manifest = Manifest(folder)
        assert list(manifest.read(print)) == [record("b.png"), record("a.png")]
        assert manifest.has_parts

    def test_of_several_killed_runs_come_in_the_order_of_the_runs(self, folder):
        for run in (1, 2, 3, 4):
            manifest = Manifest(folder)
            list(manifest.read(print))
            for part in (1, 2, 3):
                manifest.add([record("a.png", width=run, height=part)])
        assert [(one.width, one.height) for one in read(folder)] == [
            (run, part) for run in (1, 2, 3, 4) for part in (1, 2, 3)
        ]

    def test_come_after_the_manifest(self, folder):
        Manifest(folder).complete([record("a.png"), record("b.png")])
        later = record("a.png", state=State.FAILED, error="gone")
        manifest = Manifest(folder)
        list(manifest.read(print))
        manifest.add([later])
        assert read(folder) == [record("a.png"), record("b.png"), later]

    def test_go_when_the_manifest_is_complete(self, folder):
        manifest = Manifest(folder)
        manifest.add([record("a.png")])
        manifest.add([record("b.png")])
        assert manifest.has_parts
        manifest.complete(iter([record("a.png"), record("b.png")]))
        assert files(folder) == ["manifest.jsonl"]
        assert not manifest.has_parts
        assert read(folder) == [record("a.png"), record("b.png")]

    def test_are_not_made_for_nothing(self, folder):
        manifest = Manifest(folder)
        manifest.add([])
        assert not manifest.has_parts
        assert read(folder) == []

    def test_are_told_from_other_files(self, folder):
        parts = folder.folder(".dreamray/manifest")
        for name in ("x.jsonl", "1.jsonl", "000001.jsonl.bak", "sub/000001.jsonl"):
            parts.file(name).write(b"rubbish\n")
        parts.file("1000000.jsonl").write(record("b.png").to_json().encode())
        parts.file("000002.jsonl").write(record("a.png").to_json().encode())
        manifest = Manifest(folder)
        assert [one.output for one in manifest.read(print)] == ["a.png", "b.png"]
        manifest.add([record("c.png")])
        assert parts.file("1000001.jsonl").exists()

    def test_stay_when_the_manifest_cannot_be_written(self, tmp_path):
        folder = locate_folder(str(tmp_path))
        manifest = Manifest(folder)
        manifest.add([record("a.png")])
        (tmp_path / "manifest.jsonl").mkdir()
        with pytest.raises(Exception, match="folder"):
            manifest.complete([record("a.png")])
        (tmp_path / "manifest.jsonl").rmdir()
        assert read(folder) == [record("a.png")]


class TestComplete:
    def test_is_a_line_of_json_for_each_picture(self, folder):
        outputs = ["a.png", "line\nbreak.png", "\u2028ä\x85.png"]
        Manifest(folder).complete(map(record, outputs))
        lines = folder.file("manifest.jsonl").read().decode().split("\n")
        assert [json.loads(line)["output"] for line in lines[:-1]] == outputs
        assert lines[-1] == ""
        assert [one.output for one in read(folder)] == outputs

    def test_replaces_the_one_before(self, folder):
        Manifest(folder).complete(map(record, ["a.png", "b.png"]))
        Manifest(folder).complete(map(record, ["c.png"]))
        assert read(folder) == [record("c.png")]

    def test_leaves_what_was_there_if_its_records_cannot_be_had(self, folder):
        Manifest(folder).complete([record("a.png")])

        def broken():
            yield record("b.png")
            raise StorageError("no more")

        manifest = Manifest(folder)
        list(manifest.read(print))
        manifest.add([record("c.png")])
        with pytest.raises(StorageError):
            manifest.complete(broken())
        assert read(folder) == [record("a.png"), record("c.png")]


RUBBISH = [
    b"no json",
    b"{",
    b"null",
    b"5",
    b"[]",
    b"{}",
    b'{"output": "a.png"}',
    b'{"output": "a.png", "source": "a", "state": "dreaming"}',
    b'{"output": "a.png", "source": "a", "state": ["done"]}',
    b'{"output": "a.png", "source": "a", "state": "done", "seconds": 5}',
    b"\xff\xfe\x00",
    b"\x89PNG",
]
WRONG_VALUES = [
    b"[" * 100_000,
    b'{"output": null, "source": "a", "state": "done"}',
    b'{"output": 5, "source": "a", "state": "done"}',
    b'{"output": {"a": 1}, "source": "a", "state": "done"}',
    b'{"output": "\\ud800.png", "source": "a", "state": "done"}',
    b'{"output": "a.png", "source": "a", "state": "done", "fingerprint": ["f"]}',
    b'{"output": "a.png", "source": "a", "state": "done", "request": 1' + b"0" * 30 + b"}",
    b'{"output": "a.png", "source": "a", "state": "done", "width": "wide"}',
    b'{"output": "a.png", "source": "a", "state": "done", "seconds": {"load": "long"}}',
    b'{"output": "a.png", "source": "a", "state": "done", "seconds": {"load": NaN}}',
    b'{"output": "a.png", "source": "a", "state": "done", "seconds": {"load": 1e400}}',
    b'{"output": "a.png", "source": "a", "state": "done", "width": -1}',
    b'{"output": "a.png", "source": "a", "state": "done", "width": 1' + b"0" * 400 + b"}",
    b'{"output": "a.png", "source": "' + b"a" * (MOST_LINE + 1) + b'", "state": "done"}',
]


class TestRubbish:
    def known(self, folder: Folder, line: bytes) -> tuple[list[Record], list[str]]:
        """What a run knows of a manifest with this line, and what it says."""
        good = [record(name).to_json().encode() for name in ("x.png", "y.png")]
        folder.file("manifest.jsonl").write(b"\n".join([good[0], line, b"", good[1]]))
        said: list[str] = []
        with TaskStore() as ledger:
            ledger.remember(Manifest(folder).read(said.append))
            ledger.find((name, "w") for name in ("x.png", "y.png", "a.png"))
            with ledger.reader() as reader:
                return list(reader.records()), said

    @pytest.mark.parametrize("line", RUBBISH)
    def test_lines_are_passed_over_and_told(self, line):
        known, said = self.known(MemoryFolder(), line)
        assert known == [record("x.png"), record("y.png")]
        assert len(said) == 1
        assert "1 line cannot be read" in said[0]

    @pytest.mark.parametrize("line", WRONG_VALUES, ids=range(len(WRONG_VALUES)))
    def test_lines_with_values_of_another_kind_are_passed_over_and_told(self, line):
        known, said = self.known(MemoryFolder(), line)
        assert known == [record("x.png"), record("y.png")]
        assert len(said) == 1

    def test_a_part_that_was_cut_off_costs_its_last_line_only(self):
        folder = MemoryFolder()
        lines = "".join(record(name).to_json() + "\n" for name in ("a.png", "b.png")).encode()
        folder.file(".dreamray/manifest/000001.jsonl").write(lines[:-20])
        said: list[str] = []
        assert list(Manifest(folder).read(said.append)) == [record("a.png")]
        assert len(said) == 1

    @pytest.mark.parametrize("more", ['"mood": "good"', '"seconds": {"nap": 5}'])
    def test_what_another_version_says_besides_is_left_out(self, more):
        text = f'{{"output": "a.png", "source": "/in/a.png", "state": "done", {more}}}\n'
        folder = MemoryFolder()
        folder.file("manifest.jsonl").write(text.encode())
        assert read(folder) == [record("a.png")]

    @given(st.lists(st.binary(max_size=30), max_size=5))
    def test_any_bytes_are_read_to_the_end(self, lines):
        folder = MemoryFolder()
        folder.file("manifest.jsonl").write(
            b"\n".join([*lines, record("z.png").to_json().encode()])
        )
        assert list(Manifest(folder).read(lambda text: None))[-1] == record("z.png")


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(
    st.builds(
        Record,
        TEXT,
        TEXT,
        st.sampled_from([*State]),
        error=st.just("") | TEXT,
        width=st.integers(0, 2**40),
        attempts=st.integers(1, 9),
    )
)
def test_any_record_is_one_line_that_gives_it_back(one):
    line = one.to_json()
    assert "\n" not in line
    assert "\r" not in line
    assert Record.from_json(line) == one
