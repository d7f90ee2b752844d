"""What a source asks for: the right files of a folder or prefix, and each line of a list."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamray.base.errors import RequestError
from dreamray.bulk.entry import Entry
from dreamray.bulk.sources import entries
from dreamray.pictures.formats import SOURCE_SUFFIXES
from dreamray.storage import LocalFile, S3Object, locate, locate_folder

PICTURES = ("a.png", "b/c.JPG", "b/d/e.gif", "f.tiff", "ä.webp")
OTHERS = ("notes.txt", "b/readme", "b/png", "g.png.bak")


def found(
    source: object,
    include: tuple[str, ...] = (),
    but: object = "/nowhere",
    leave_out: Callable[..., None] = lambda *left: None,
) -> list[Entry]:
    return list(entries(str(source), include, locate_folder(str(but)), leave_out))


def names(source: object, include: tuple[str, ...] = (), but: object = "/nowhere") -> list[str]:
    return [entry.name for entry in found(source, include, but)]


def refused(call: Callable[[], object], *words: str) -> None:
    """It ends with a RequestError of one line that holds these words."""
    with pytest.raises(RequestError) as caught:
        call()
    message = str(caught.value)
    assert message.isprintable(), message
    for word in words:
        assert word in message


def filled(folder: Path, *files: str) -> Path:
    for name in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


def listed(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


class TestFolder:
    def test_has_what_ends_like_a_picture_however_deep_and_the_others_are_counted(self, tmp_path):
        left: list[int] = []
        entries_found = found(
            filled(tmp_path, *PICTURES, *OTHERS), leave_out=lambda *one: left.append(1)
        )
        assert [entry.name for entry in entries_found] == sorted(PICTURES, key=str.encode)
        assert len(left) == len(OTHERS)

    def test_tells_the_fingerprints_that_the_files_have(self, tmp_path):
        for entry in found(filled(tmp_path, *PICTURES)):
            assert entry.source == LocalFile(tmp_path / entry.name)
            assert entry.fingerprint == entry.source.fingerprint()

    @pytest.mark.parametrize("suffix", SOURCE_SUFFIXES)
    def test_takes_all_suffixes_in_capitals_or_not(self, tmp_path, suffix):
        files = {f"a{suffix}", f"b{suffix.upper()}"}
        assert set(names(filled(tmp_path, *files))) == files

    def test_that_is_not_there_is_refused(self, tmp_path):
        refused(lambda: found(tmp_path / "absent"), "absent", "no such folder")

    def test_that_is_empty_asks_for_nothing(self, tmp_path):
        assert found(tmp_path) == []

    def test_may_be_named_like_a_picture_or_a_list(self, tmp_path):
        for name in ("a.png", "b.csv"):
            assert names(filled(tmp_path / name, "x.png")) == ["x.png"]

    @pytest.mark.parametrize(
        ("include", "expected"),
        [
            (("*.png",), ["a.png"]),
            (("*.raw",), []),
            (("readme",), ["b/readme"]),
            (("b/*",), ["b/c.JPG", "b/d/e.gif", "b/png", "b/readme"]),
            (("b/*/*",), ["b/d/e.gif"]),
            (("*.gif", "f.*"), ["b/d/e.gif", "f.tiff"]),
            (("[ab].png",), ["a.png"]),
            (("*.jpg",), []),
            (("",), []),
        ],
    )
    def test_patterns_take_the_place_of_suffixes(self, tmp_path, include, expected):
        assert names(filled(tmp_path, *PICTURES, *OTHERS), include) == expected


class TestApart:
    @pytest.mark.parametrize("trailing", ["", "/"])
    def test_results_inside_the_source_are_no_sources(self, tmp_path, trailing):
        filled(tmp_path, "a.png", "dreams/a.png", "dreams/b/c.png", "dreams-old/a.png")
        but = f"{tmp_path}/dreams{trailing}"
        assert names(f"{tmp_path}{trailing}", but=but) == ["a.png", "dreams-old/a.png"]

    def test_results_reached_by_another_path_are_no_sources(self, tmp_path):
        filled(tmp_path / "in", "a.png", "dreams/a.png")
        (tmp_path / "link").symlink_to(tmp_path / "in")
        assert names(tmp_path / "in", but=tmp_path / "link" / "dreams") == ["a.png"]
        assert names(tmp_path / "link", but=tmp_path / "in" / "x" / ".." / "dreams") == ["a.png"]

    @pytest.mark.parametrize("destination", ["in", "in/.", ".", "link"])
    def test_a_source_in_the_destination_is_refused(self, tmp_path, destination):
        filled(tmp_path / "in", "a.png")
        (tmp_path / "link").symlink_to(tmp_path / "in")
        refused(lambda: found(tmp_path / "in", but=tmp_path / destination), "the sources lie in it")

    @pytest.mark.parametrize("destination", ["in", "in/.", ".", "link"])
    @pytest.mark.parametrize("line", ["in/a.png", "./in/b/a.png", "{folder}/in/a.png"])
    def test_a_list_of_sources_in_the_destination_is_refused(self, tmp_path, destination, line):
        (tmp_path / "in").mkdir()
        (tmp_path / "link").symlink_to(tmp_path / "in")
        path = listed(tmp_path, "l.txt", f"{line.format(folder=tmp_path)}\n")
        refused(lambda: found(path, but=tmp_path / destination), "the sources lie in it")

    def test_a_list_may_lie_in_the_destination_itself(self, tmp_path):
        path = listed(tmp_path, "l.txt", "/far/a.png\n../beside/b.png\n")
        assert [entry.source.name for entry in found(path, but=tmp_path)] == ["a.png", "b.png"]

    def test_a_list_of_keys_in_the_destination_is_refused(self, tmp_path, bucket):
        path = listed(tmp_path, "l.txt", f"s3://{bucket}/in/a.png\n")
        for outer in ("/in", "", "/in/"):
            refused(lambda outer=outer: found(path, but=f"s3://{bucket}{outer}"), "lie in it")
        assert names(path, but=f"s3://{bucket}/in/dreams") == ["a.png"]
        assert names(path, but=f"s3://{bucket}/i") == ["a.png"]

    def test_what_begins_alike_is_not_inside(self, tmp_path):
        filled(tmp_path / "pictures-old", "a.png")
        assert names(tmp_path / "pictures-old", but=tmp_path / "pictures") == ["a.png"]

    def test_prefixes_of_a_bucket_are_told_apart_like_folders(self, bucket):
        for key in ("in/a.png", "in/dreams/b.png", "in-old/c.png"):
            locate(f"s3://{bucket}/{key}").write(b"")
        assert names(f"s3://{bucket}/in", but=f"s3://{bucket}/in/dreams/") == ["a.png"]
        assert names(f"s3://{bucket}/in-old", but=f"s3://{bucket}/in") == ["c.png"]
        assert names(f"s3://{bucket}", but=f"s3://{bucket}/in") == ["in-old/c.png"]
        for outer in ("/in", "", "/in/"):
            refused(lambda outer=outer: found(f"s3://{bucket}/in", but=f"s3://{bucket}{outer}"))
        assert names(f"s3://{bucket}/in/dreams", but="s3://another/in") == ["b.png"]


class TestPrefix:
    @pytest.mark.parametrize("end", ["", "/"])
    def test_lists_keys_with_the_fingerprints_of_the_objects(self, bucket, end):
        keys = ["in/a.png", "in/b/c.jpg", "in/b/", "in/x.txt", "inside.png"]
        for key in keys:
            S3Object(bucket, key).write(b"x")
        left: list[int] = []
        entries_found = found(f"s3://{bucket}/in{end}", leave_out=lambda *one: left.append(1))
        assert [entry.name for entry in entries_found] == ["a.png", "b/c.jpg"]
        assert [str(entry.source) for entry in entries_found] == [
            f"s3://{bucket}/in/a.png",
            f"s3://{bucket}/in/b/c.jpg",
        ]
        assert all(entry.fingerprint == entry.source.fingerprint() for entry in entries_found)
        assert len(left) == 1

    def test_keys_that_no_folder_could_have_are_listed_as_they_are(self, bucket):
        keys = ["../x.png", "./y.png", "a//b.png"]
        for key in keys:
            S3Object(bucket, f"in/{key}").write(b"")
        assert names(f"s3://{bucket}/in") == sorted(keys)


class TestSinglePicture:
    def test_is_refused_with_a_hint(self, tmp_path):
        filled(tmp_path, "cat.png")
        refused(lambda: found(tmp_path / "cat.png"), "cat.png", "dreamray render")

    def test_in_a_bucket_too_unless_it_is_a_prefix(self, bucket):
        locate(f"s3://{bucket}/cat.png").write(b"")
        locate(f"s3://{bucket}/dog.png/a.png").write(b"")
        refused(lambda: found(f"s3://{bucket}/cat.png"), "cat.png", "dreamray render")
        assert names(f"s3://{bucket}/dog.png") == ["a.png"]


TEXT = "# mine\n\n  b/c.jpg  \na.png\n"
CSV = "source,output\nb/c.jpg,\na.png,\n"
JSONL = '{"source": "b/c.jpg"}\n\n{"source": "a.png", "output": null}\n'


class TestList:
    @pytest.mark.parametrize(
        ("name", "text"), [("l.txt", TEXT), ("l.csv", CSV), ("l.jsonl", JSONL), ("L.TXT", TEXT)]
    )
    @pytest.mark.parametrize("ends", ["\n", "\r\n"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_in_each_form_names_pictures_in_its_folder_in_its_order(
        self, tmp_path, name, text, ends, mark
    ):
        path = listed(tmp_path, name, mark + text.replace("\n", ends))
        assert found(path) == [
            Entry(LocalFile(tmp_path / "b/c.jpg"), "b/c.jpg"),
            Entry(LocalFile(tmp_path / "a.png"), "a.png"),
        ]

    def test_may_name_pictures_elsewhere(self, tmp_path, bucket):
        path = listed(tmp_path, "l.txt", f"/far/a.png\ns3://{bucket}/x/b.png\nfile:///c%20d.png\n")
        assert found(path) == [
            Entry(LocalFile(Path("/far/a.png")), "a.png"),
            Entry(S3Object(bucket, "x/b.png"), "b.png"),
            Entry(LocalFile(Path("/c d.png")), "c d.png"),
        ]

    def test_in_a_bucket_names_keys_beside_it(self, bucket):
        locate(f"s3://{bucket}/lists/l.txt").write(b"a.png\nb/c.png\n/far/d.png\n")
        assert found(f"s3://{bucket}/lists/l.txt") == [
            Entry(S3Object(bucket, "lists/a.png"), "a.png"),
            Entry(S3Object(bucket, "lists/b/c.png"), "b/c.png"),
            Entry(LocalFile(Path("/far/d.png")), "d.png"),
        ]

    def test_that_is_not_there_is_refused(self, tmp_path):
        refused(lambda: found(tmp_path / "absent.csv"), "absent.csv", "no such file")

    def test_names_of_results_and_settings_in_csv(self, tmp_path):
        text = (
            "source,output,step,layer,max_loss\n"
            'a.png,x/y.webp,0.02,"mixed4[1,2]=2 mixed5=-1",none\n'
            "b.png,,,,\n"
        )
        first, second = found(listed(tmp_path, "l.csv", text))
        assert first.output == "x/y.webp"
        layers = {"mixed4[1,2]": 2.0, "mixed5": -1.0}
        assert first.settings == {"step": "0.02", "layers": layers, "max_loss": "none"}
        assert second.output is None
        assert second.settings == {}

    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    @pytest.mark.parametrize(
        "header",
        ["source,output,octave_scale", 'Source , "OUTPUT",Octave Scale', "{sep}\r\n{plain}"],
    )
    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
    @pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
    def test_csv_is_read_however_programs_write_it(
        self, tmp_path, separator, header, encoding, ends
    ):
        plain = "source,output,octave_scale"
        lines = [header.format(sep="sep=,", plain=plain), '"ä b.png",x.png,1.5', ",,", "c.png,,"]
        text = "\n".join(lines).replace(",", separator).replace("\r\n", "\n") + "\n"
        path = listed(tmp_path, "l.csv", text.replace("\n", ends).encode(encoding))
        first, second = found(path)
        assert first == Entry(
            LocalFile(tmp_path / "ä b.png"),
            "ä b.png",
            output="x.png",
            settings={"octave_scale": "1.5"},
        )
        assert second == Entry(LocalFile(tmp_path / "c.png"), "c.png")
        assert second.line.endswith(f"line {text.count(chr(10))}")

    def test_decimal_commas_are_read_where_commas_do_not_part_the_columns(self, tmp_path):
        text = "source;step;layer\na.png;0,02;mixed4[1,2]=1\n"
        (entry,) = found(listed(tmp_path, "l.csv", text))
        assert entry.settings == {"step": "0.02", "layers": {"mixed4[1,2]": 1.0}}

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a.png\nb.png\n", ["line 1", "no column is called source", "a.png"]),
            ("a.png;x.png\n", ["line 1", "no column is called source", "semicolons"]),
            ("\nsource\na.png\n", ["line 1", "names are missing"]),
            ("source:output\na.png:b.png\n", ["line 1", "source:output"]),
            ("source,,\na.png,,x\n", ["line 2", "without a name"]),
            ("sep=;\nsource;output\na.png;b.png;c\n", ["line 3", "more fields"]),
            ("s\0o\0u\0r\0c\0e\0", ["line 1", "no column is called source"]),
        ],
    )
    def test_csv_that_cannot_be_meant_is_refused_with_the_reason(self, tmp_path, text, words):
        path = listed(tmp_path, "l.csv", text)
        refused(lambda: found(path), "l.csv", *words)

    def test_pictures_that_settings_name_lie_beside_the_list(self, tmp_path):
        masks = {"sky": "m/sky.png", "sea": {"picture": "/sea.png", "sha256": "0" * 64}}
        line = {"source": "a.png", "mask": "m.png", "guide": "none", "mask_layers": masks}
        (entry,) = found(listed(tmp_path, "l.jsonl", json.dumps(line)))
        assert entry.settings == {
            "mask": f"{tmp_path}/m.png",
            "guide": "none",
            "mask_layers": {**masks, "sky": f"{tmp_path}/m/sky.png"},
        }
        (entry,) = found(listed(tmp_path, "l.csv", "source,mask_layers\na.png,sky=sky.png"))
        assert entry.settings == {"mask_layers": {"sky": f"{tmp_path}/sky.png"}}

    @pytest.mark.parametrize(
        "layers",
        [
            {"layer": "mixed4=2 mixed5=1"},
            {"layer": ["mixed4=2", "mixed5=1"]},
            {"layers": {"mixed4": 2.0, "mixed5": 1.0}},
        ],
    )
    def test_names_of_results_and_settings_in_jsonl(self, tmp_path, layers):
        line = json.dumps({"source": "a.png", "output": "x.tif", "octaves": 2, **layers})
        (entry,) = found(listed(tmp_path, "l.jsonl", line))
        assert entry.output == "x.tif"
        assert entry.settings == {"octaves": 2, "layers": {"mixed4": 2.0, "mixed5": 1.0}}

    @pytest.mark.parametrize(
        ("name", "line", "words"),
        [
            ("l.txt", "ftp://host/a.png", ["line 2", "ftp"]),
            ("l.txt", "s3://bucket", ["line 2", "key"]),
            ("l.txt", "a\0.png", ["line 2", "no path"]),
            ("l.txt", "~no-such-user-here/a.png", ["line 2", "home"]),
            ("l.csv", ",x.png", ["line 2", "names no source"]),
            ("l.csv", "a.png,x.png,0.02", ["line 2", "more fields"]),
            ("l.csv", '"a.png', ["end of data"]),
            ("l.csv", "x" * 200_000, ["line 2", "field larger"]),
            ("l.txt", "x" * 1_100_000, ["line 2", "over a million characters"]),
            ("l.jsonl", "a.png", ["line 2", "no object of JSON", "Expecting value"]),
            ("l.jsonl", "[1]", ["line 2", "no object of JSON", "another kind"]),
            ("l.jsonl", '{"source": "a.png", "seed": ' + "9" * 5000 + "}", ["5,000 characters"]),
            ("l.jsonl", '{"source": "a.png", "Source": "b.png"}', ["line 2", "twice"]),
            ("l.jsonl", '{"source": 5}', ["line 2", "names no source"]),
            ("l.jsonl", '{"source": ""}', ["line 2", "names no source"]),
            ("l.jsonl", '{"source": "a.png", "output": 7}', ["line 2", "output: 7"]),
            ("l.jsonl", '{"source": "a.png", "stepp": 1}', ["line 2", "stepp", "octave_scale"]),
            ("l.jsonl", '{"source": "a.png", "threads": 1}', ["line 2", "threads"]),
            ("l.jsonl", '{"source": "a.png", "x\\u0007": 1}', ["line 2", "x\\x07"]),
            ("l.jsonl", '{"source": "a.png", "layer": "mixed4"}', ["line 2", "NAME=WEIGHT"]),
            ("l.jsonl", '{"source": "a\\u0000b.png"}', ["line 2", "no path"]),
            ("l.jsonl", '{"source": "s3://b/' + "k" * 2000 + '"}', ["line 2", "1024"]),
        ],
    )
    def test_a_line_that_cannot_be_meant_is_named(self, tmp_path, name, line, words):
        first = {"l.txt": "ok.png", "l.csv": "source,output", "l.jsonl": '{"source": "ok.png"}'}
        path = listed(tmp_path, name, f"{first[name]}\n{line}\n")
        refused(lambda: found(path), name, *words)

    @pytest.mark.parametrize(
        "line",
        [
            '{"source": "a.png", "layer": 5}',
            '{"source": "a.png", "layer": [5]}',
            "[" * 100_000,
        ],
        ids=["number", "numbers", "deep"],
    )
    def test_a_line_of_strange_json_is_named(self, tmp_path, line):
        path = listed(tmp_path, "l.jsonl", f"{line}\n")
        refused(lambda: found(path), "l.jsonl", "line 1")

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("l.csv", "source,source\na.png,b.png\n"),
            ("l.jsonl", '{"source": "a.png", "layer": ["mixed4=1", "mixed4=2"]}\n'),
            ("l.jsonl", '{"source": "a.png", "layer": "mixed4=1", "layers": {"mixed5": 1}}\n'),
        ],
    )
    def test_what_is_said_twice_is_refused(self, tmp_path, name, text):
        refused(lambda: found(listed(tmp_path, name, text)), name)

    @pytest.mark.parametrize("name", ["l.txt", "l.csv", "l.jsonl"])
    @pytest.mark.parametrize(
        "data", [b"\xff\xfea\0.\0\0", b"\x89PNG\r\n\x1a\n\xff", b"caf\xe9.png"]
    )
    def test_what_is_no_utf_8_is_refused(self, tmp_path, name, data):
        refused(lambda: found(listed(tmp_path, name, data)), name)

    @pytest.mark.parametrize("name", ["l.txt", "l.csv", "l.jsonl"])
    def test_that_is_empty_asks_for_nothing(self, tmp_path, name):
        assert found(listed(tmp_path, name, "")) == []

    def test_is_read_as_it_goes_on(self, tmp_path):
        """A million lines are not held: the error at the end comes after the first entries."""
        path = listed(tmp_path, "l.jsonl", '{"source": "a.png"}\n' * 3 + "nothing\n")
        going = entries(str(path), (), locate_folder("/nowhere"), lambda *left: None)
        assert [next(going).name for _ in range(3)] == ["a.png"] * 3
        refused(lambda: next(going), "line 4")

    @settings(max_examples=50)
    @given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=6))
    def test_any_text_gives_entries_or_one_line(self, tmp_path_factory, lines):
        folder = tmp_path_factory.mktemp("any")
        for name, first in (("l.txt", ""), ("l.csv", "source,output\n"), ("l.jsonl", "")):
            said = tried(listed(folder, name, first + "\n".join(lines)))
            assert isinstance(said, list) or "\n" not in said

    @settings(max_examples=50)
    @given(
        st.dictionaries(
            st.sampled_from(["source", "output", "layers", "step", "octaves", "more"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=4,
            ),
        )
    )
    def test_any_json_gives_an_entry_or_one_line(self, tmp_path_factory, row):
        said = tried(listed(tmp_path_factory.mktemp("any"), "l.jsonl", json.dumps(row)))
        assert len(said) == 1 if isinstance(said, list) else said.isprintable()


def tried(path: Path) -> list[Entry] | str:
    """The entries of a list, or why there are none."""
    try:
        return found(path)
    except RequestError as error:
        return str(error)
