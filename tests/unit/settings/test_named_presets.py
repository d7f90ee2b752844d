"""Presets: the package's and a user's own, each a dream with a name and a line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamray.base.errors import RequestError
from dreamray.cli.commands import presets
from dreamray.cli.merge import merge_settings
from dreamray.render.sweep import parse_experiments
from dreamray.settings.dream import Dream
from dreamray.settings.named_presets import FOLDER, every_preset, read_preset

OURS = [preset.name for preset in every_preset()]


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder of presets."""
    monkeypatch.setenv(FOLDER, str(tmp_path))
    return tmp_path


def refused(name: str, *words: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_preset(name)
    message = str(caught.value)
    assert message.isprintable()
    for word in words:
        assert word in message


class TestOurs:
    def test_are_ten_that_differ(self) -> None:
        assert len(OURS) >= 10
        assert len({read_preset(name).dream.digest() for name in OURS}) == len(OURS)

    @pytest.mark.parametrize("name", OURS)
    def test_say_what_they_are_like_in_a_short_line(self, name: str) -> None:
        about = read_preset(name).about
        assert 20 < len(about) < 80
        assert about.endswith(".")

    @pytest.mark.parametrize("name", OURS)
    def test_dream_of_layers_that_all_weights_reach(self, name: str) -> None:
        reached = {f"mixed{number}" for number in range(6)}
        assert set(read_preset(name).dream.layer_names) <= reached


class TestOwn:
    def test_go_before_ours(self, own: Path) -> None:
        (own / "recipe.yaml").write_text("# Mine.\nstep: 0.5\n")
        (own / "other.yaml").write_text("seed: 3")
        assert read_preset("recipe").settings == {"step": 0.5}
        assert read_preset("recipe").about == "Mine."
        assert read_preset("other").about == ""
        assert [preset.name for preset in every_preset()] == sorted({*OURS, "other"})

    def test_other_files_are_none(self, own: Path) -> None:
        for name in "notes.txt", ".hidden.yaml", "two words.yaml":
            (own / name).write_text("step: 0.5")
        assert [preset.name for preset in every_preset()] == OURS
        for name in "notes", ".hidden", "two words", "../presets/recipe", "/etc/passwd", "":
            refused(name, "there are", "recipe")

    def test_folders_and_links_to_nothing_are_none(self, own: Path) -> None:
        (own / "folder.yaml").mkdir()
        (own / "link.yaml").symlink_to(own / "nothing")
        assert [preset.name for preset in every_preset()] == OURS
        for name in "folder", "link":
            refused(name, f"there are {', '.join(OURS)}")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("stepp: 1", "'stepp': no such setting"),
            ("step: -1", "step: -1 is not allowed"),
            ("weights: random", "'weights': no such setting"),
            ("- step", "must hold settings"),
            ("step: [", "is not YAML"),
            (b"\xff", "UTF-8"),
        ],
    )
    def test_that_are_wrong_are_refused_by_name(
        self, own: Path, text: str | bytes, words: str
    ) -> None:
        (own / "bad.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        refused("bad", "preset bad", "bad.yaml", words)

    def test_one_that_is_wrong_hides_no_other(
        self, own: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (own / "bad.yaml").write_text("step: [")
        presets()
        *listed, _ = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in listed] == sorted({*OURS, "bad"})
        (told,) = [line for line in listed if line.startswith("bad ")]
        assert "is not YAML" in told

    def test_need_their_folder(self, own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(FOLDER, str(own / "absent"))
        refused("nothing", FOLDER, "absent", "create it")
        assert read_preset("recipe").dream == Dream(margin="auto")


def test_lies_over_like_and_under_config_and_options(own: Path) -> None:
    (own / "mine.yaml").write_text("seed: 1\njitter: 1\nstep: 0.1\n")
    config = own / "settings.yml"
    config.write_text("jitter: 2\nstep: 0.2\n")
    merged = merge_settings({"preset": "mine", "config": str(config), "step": "0.3"})
    assert merged.dream == Dream(seed=1, jitter=2, step=0.3)


def test_may_be_varied_on_a_sheet() -> None:
    (row,) = parse_experiments(["preset=recipe,whisper"], Dream(seed=3))
    assert [cell.label for cell in row] == ["recipe", "whisper"]
    assert row[1].dream == Dream(seed=3, margin="auto", strength=0.5, colours="keep")
    (every,) = parse_experiments(["preset=all"], Dream())
    assert [cell.label for cell in every] == OURS
