"""Settings are refused by name and range, survive YAML, and are told apart by their digest."""

from __future__ import annotations

import contextlib
import copy
import math
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dreamray.base.errors import RequestError
from dreamray.model.architecture import LAYERS
from dreamray.model.layers import LayerChoice
from dreamray.settings.dream import DEFAULT_LAYERS, Dream, parse_layer_option
from dreamray.settings.execution import Execution

weights = st.floats(-1e6, 1e6).filter(bool)


@st.composite
def choices(draw):
    """A layer as it might be written: with or without channels."""
    name = draw(st.sampled_from(sorted(LAYERS)))
    channel = st.integers(0, LAYERS[name].channels - 1)
    channels = draw(st.just(set()) | st.sets(channel, max_size=5))
    return f"{name}[{','.join(map(str, channels))}]" if channels else name


dreams = st.builds(
    Dream,
    layers=st.dictionaries(choices(), weights, min_size=1, max_size=5).filter(
        lambda layers: len(set(map(LayerChoice.parse, layers))) == len(layers)
    ),
    step=st.floats(0, 100, exclude_min=True),
    octaves=st.integers(1, 50) | st.just("auto"),
    octave_scale=st.floats(0.1, 10),
    iterations=st.integers(0, 100_000),
    max_loss=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    jitter=st.integers(0, 10_000),
    seed=st.integers(0, 2**32 - 1),
    size=st.none() | st.integers(1, 2**20),
    margin=st.none() | st.just("auto") | st.integers(0, 2000),
    strength=st.floats(0, 1),
    colours=st.sampled_from(["dream", "keep"]),
    guide=st.none() | st.sampled_from(["flowers.png", {"picture": "f", "sha256": "1" * 64}]),
    smooth=st.floats(0, 20),
    laplacian=st.integers(0, 6),
    optimizer=st.sampled_from(["normalized", "momentum", "adam"]),
    schedule=st.sampled_from(["constant", "linear", "cosine"]),
    mask=st.none() | st.sampled_from(["sky.png", {"picture": "sky.png", "sha256": "0" * 64}]),
    mask_layers=st.sampled_from(
        [{}, {"mixed4": "a.png", "sky": {"picture": "b", "sha256": "2" * 64}}]
    ),
    octave_sizes=st.none() | st.sets(st.integers(1, 2**20), min_size=1, max_size=5).map(sorted),
)


def refused(kind, *words, **settings):
    """In one short line that holds these words."""
    with pytest.raises(RequestError) as error:
        kind(**settings)
    text = str(error.value)
    assert len(text) < 300
    assert text.isprintable()
    for word in words:
        assert word in text


class TestDefaults:
    def test_are_the_recipe(self):
        dream = Dream()
        assert dream.layers == {"mixed2": 0.2, "mixed3": 0.5, "mixed4": 2.0, "mixed5": 1.5}
        assert (dream.step, dream.octaves, dream.octave_scale) == (0.01, 3, 1.4)
        assert (dream.iterations, dream.max_loss, dream.jitter) == (20, 10.0, 0)

    def test_do_not_share_their_layers(self):
        Dream().layers["mixed2"] = 7.0
        assert Dream().layers == DEFAULT_LAYERS == {**DEFAULT_LAYERS, "mixed2": 0.2}

    def test_cannot_be_changed(self):
        with pytest.raises(ValueError, match="frozen"):
            Dream().step = 1.0

    def test_replace_validates(self):
        assert Dream(seed=3).replace(step=0.1) == Dream(seed=3, step=0.1)
        refused(Dream().replace, "step", step=-1)


class TestRange:
    """What is refused names the field, the value and what is allowed."""

    @pytest.mark.parametrize(
        ("field", "allowed", "values"),
        [
            ("step", "a number above 0 and at most 100", [0, -0.1, 100.1, "fast", None, [], 1e999]),
            ("octaves", "from 1 to 50, or auto", [0, -1, 51, 2.5, "three", None, ""]),
            ("octave_scale", "from 0.1 to 10", [0, 0.09, 10.1, -1.4, "x", None]),
            ("iterations", "from 0 to 100000", [-1, 100_001, 1.5, "many", None]),
            ("max_loss", "a number, or none", ["high", math.inf, math.nan, [], "inf"]),
            ("jitter", "from 0 to 10000", [-1, 10_001, 0.5, None]),
            ("seed", "from 0 to 4294967295", [-1, 2**32, 0.5, "dice", None]),
            ("strength", "a number from 0 to 1", [-0.1, 1.1, "half", None]),
            ("colours", "dream or keep", ["original", None, 1]),
            (
                "octave_sizes",
                "ascending whole numbers of pixels",
                ["", "800,400", "400,400", [0], [400, True], "a,b", [2**20 + 1], [4.5], [[]]],
            ),
            ("smooth", "from 0 to 20", [-0.1, 20.1, "soft", None]),
            ("laplacian", "from 0 to 6", [-1, 7, 0.5, None]),
            ("optimizer", "momentum or adam", ["sgd", None, 1]),
            ("schedule", "linear or cosine", ["exponential", None, 1]),
            ("layers", "at least one layer", [{}, [], "mixed4 mixed5", None, 3]),
        ],
    )
    def test_of_a_dream(self, field, allowed, values):
        for value in [*values, math.nan, True, False, {}, [[1]], "9" * 5000, "a\nb"]:
            refused(Dream, f"{field}: ", "allowed: ", allowed, **{field: value})

    @pytest.mark.parametrize(
        ("field", "allowed", "values"),
        [
            ("precision", "float32, tf32 or bfloat16", ["float16", 32]),
            ("kernels", "reproducible or fast", ["any", ""]),
            ("compiler", "none or xla", ["jax", ""]),
            ("same_kind", "auto, always or never", ["yes", "any"]),
            ("tile", "from 32, or auto", [31, 0, -5, 2**20 + 1, 100.5, "large"]),
            ("overlap", "from 0, or exact", [-1, 2**20 + 1, 0.5, "none"]),
            (
                "memory",
                "at least 512MiB",
                ["511MiB", 2**29 - 1, "8 apples", -1, "GiB", "", "9" * 400, 2**61],
            ),
            ("threads", "from 1 to 1024", [0, -1, 1025, "all", 1.5]),
            ("weights", "auto, imagenet, bestiary, random", ["", 3, None]),
            ("workers", "from 1 to 10000, or MIN:MAX", ["0", "3:1", "4-8", [3, 1], [1, 2, 3]]),
            (
                "exchange_ports",
                "from 1024 to 65535, as FIRST-LAST",
                ["80", "3000-2000", "1024:2048", 65536, [2000, 70000], [1, 2, 3]],
            ),
        ],
    )
    def test_of_an_execution(self, field, allowed, values):
        for value in [*values, True, []]:
            refused(Execution, f"{field}: ", "allowed: ", allowed, **{field: value})

    @pytest.mark.parametrize(
        "settings",
        [
            {"step": 100},
            {"octaves": 50, "octave_scale": 0.1},
            {"octaves": "auto", "octave_scale": 10},
            {"iterations": 0, "jitter": 10_000, "seed": 2**32 - 1},
            {"max_loss": -5},
            {"layers": {"mixed4": -1e6}},
        ],
    )
    def test_its_ends_are_allowed(self, settings):
        dream = Dream(**settings)
        assert {name: getattr(dream, name) for name in settings} == settings

    def test_pairs_may_be_text_or_a_list(self):
        """As people write them, and as JSON has them."""
        asked = Execution(workers="1:16", exchange_ports="20000-20063")
        assert asked == Execution(workers=[1, 16], exchange_ports=[20000, 20063])
        assert asked == Execution(**asked.model_dump(mode="json"))
        assert Execution(workers=2, exchange_ports=20000).exchange_ports == (20000, 20000)

    @pytest.mark.parametrize(
        "sizes", ["400,800", "400 800", " [400, 800] ", [400, 800], ["400", 800]]
    )
    def test_sizes_may_be_text_or_a_list(self, sizes):
        dream = Dream(octave_sizes=sizes)
        assert dream.octave_sizes == (400, 800)
        assert Dream.from_yaml(dream.to_yaml()) == dream
        assert Dream(octave_sizes=[400]) == Dream(octave_sizes="400") == Dream(octave_sizes=400)

    @pytest.mark.parametrize("word", ["none", "None", " NONE "])
    def test_none_is_a_word(self, word):
        assert Dream(max_loss=word).max_loss is None

    def test_numbers_may_be_text(self):
        assert Dream(step="1e-2", octaves="3", iterations="20") == Dream()

    def test_unknown_settings_are_refused_with_the_known_ones(self):
        refused(Dream, "'stepp'", "there are layers, step, octaves", stepp=1)
        refused(Execution, "'tyle'", "there are weights, precision, kernels", tyle=1)
        refused(Dream, "no such setting", **{"a\nb" * 1000: 1})

    def test_values_that_grow_when_they_are_shown_are_cut_short(self):
        bomb = ["ha"]
        for _ in range(30):
            bomb = [bomb] * 10
        refused(Dream, "step: ", step=bomb)
        refused(Dream, "layers: ", layers={"mixed4": bomb})


class TestLayers:
    @pytest.mark.parametrize("weight", [0, 1.1e6, -1.1e6, math.nan, math.inf, "much", None, True])
    def test_weights_are_refused(self, weight):
        refused(Dream, "mixed4", "allowed", layers={"mixed4": weight})

    @pytest.mark.parametrize(
        "text",
        ["", "mixed11", "Mixed4", "mixed4[", "mixed4[]", "mixed4[1", "mixed4[-1]", "[1]", "a b"],
    )
    def test_names_are_refused(self, text):
        refused(Dream, "layer", layers={text: 1})

    @pytest.mark.parametrize("text", ["mixed4[1,]", "mixed4[,]", "mixed4[1 2]", "mixed4[1,,2]"])
    def test_channels_are_numbers(self, text):
        refused(Dream, text, "[12,40]", layers={text: 1})

    def test_channels_beyond_the_layer_are_refused(self):
        refused(Dream, "mixed4 has no channel 768", "0 to 767", layers={"mixed4[3,768]": 1})
        refused(Dream, "mixed4 has no channel", layers={f"mixed4[{'9' * 4000}]": 1})

    def test_are_spelt_canonically(self):
        dream = Dream(layers={" mixed4[ 40 , 12,12]": 1, "mixed2": 2})
        assert dream.layers == {"mixed2": 2.0, "mixed4[12,40]": 1.0}
        assert list(dream.layers) == ["mixed2", "mixed4[12,40]"]

    def test_given_twice_are_refused(self):
        refused(Dream, "mixed4[1,2] is given twice", layers={"mixed4[1,2]": 1, "mixed4[2,1]": 2})

    def test_a_layer_and_some_of_its_channels_are_two_choices_of_one_layer(self):
        dream = Dream(layers={"mixed4[5]": 1, "mixed4": 2, "mixed3": 1})
        assert [term.of for term in dream.terms] == [
            LayerChoice("mixed3", None),
            LayerChoice("mixed4", None),
            LayerChoice("mixed4", (5,)),
        ]
        assert dream.layer_names == ("mixed3", "mixed4")

    @given(choices())
    def test_choices_are_read_as_they_are_shown(self, text):
        choice = LayerChoice.parse(text)
        assert LayerChoice.parse(str(choice)) == choice

    def test_option(self):
        assert parse_layer_option("mixed4=2") == ("mixed4", 2.0)
        assert parse_layer_option(" mixed4[12,40] =-1.5") == ("mixed4[12,40]", -1.5)

    @pytest.mark.parametrize("text", ["mixed4", "mixed4=", "mixed4=x", "=", "mixed4=1=x"])
    def test_bad_options(self, text):
        with pytest.raises(RequestError, match="NAME=WEIGHT, such as mixed4=2"):
            parse_layer_option(text)


class TestYaml:
    @given(dreams)
    @example(Dream(step=5e-324, max_loss=-1e308))
    def test_round_trip(self, dream):
        assert Dream.from_yaml(dream.to_yaml()) == dream
        assert Dream.from_yaml(dream.to_yaml().encode()) == dream

    @pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null", b""])
    def test_what_is_left_out_keeps_its_default(self, text):
        assert Dream.from_yaml(text) == Dream()
        assert Dream.from_yaml("seed: 4") == Dream(seed=4)

    @pytest.mark.parametrize("text", ["step: 1e-3", "step: 0.001", "step: '0.001'"])
    def test_ways_to_write_a_number(self, text):
        assert Dream.from_yaml(text).step == 0.001

    def bad(self, text, *words):
        refused(lambda text: Dream.from_yaml(text, "my.yaml"), "my.yaml", *words, text=text)

    @pytest.mark.parametrize("text", ["- step", "3", "step", "[1, 2]", "1: 2", "null: 1", "? {}"])
    def test_what_is_no_mapping_of_settings(self, text):
        self.bad(text, "my.yaml")

    @pytest.mark.parametrize("text", ["step: : 1", "step: [", "a: *b", "\0", b"\xff", "[" * 2000])
    def test_what_is_no_yaml(self, text):
        self.bad(text, "is not YAML")

    @pytest.mark.parametrize(
        "value",
        ["2020-13-45", "!!int ''", "!!float x", "!!bool x", "!!timestamp x", "0x_", "9" * 5000],
    )
    def test_values_that_pyyaml_stumbles_over(self, value):
        self.bad(f"step: {value}", "is not YAML")

    def test_bad_settings_are_told_with_the_file(self):
        self.bad("step: -1", "my.yaml: step: -1 is not allowed")
        self.bad("stepp: 1", "no such setting")
        self.bad("iterations: yes", "iterations: True is not allowed")

    @pytest.mark.parametrize(
        "tag", ["object/apply:os.system", "object/new:os.system", "name:os.system", "module:os"]
    )
    def test_nothing_is_run(self, tag, tmp_path):
        """YAML that would run a command when loaded without care."""
        victim = tmp_path / "victim"
        self.bad(f"step: !!python/{tag} ['touch {victim}']", "is not YAML")
        assert not victim.exists()

    def test_references_that_multiply_are_refused_at_once(self):
        lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha]"]
        lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 8)}]" for i in range(1, 30)]
        self.bad("\n".join([*lines, "step: *a29"]), "my.yaml")

    @given(st.text(string.printable, max_size=60) | st.binary(max_size=30))
    def test_any_text_is_a_dream_or_refused(self, text):
        with contextlib.suppress(RequestError):
            assert isinstance(Dream.from_yaml(text), Dream)


class TestDigest:
    @given(dreams, dreams)
    @example(Dream(max_loss=0.0), Dream(max_loss=-0.0))
    @example(Dream(strength=0.0), Dream(strength=-0.0))
    def test_is_equal_for_equal_dreams_only(self, one, other):
        assert (one == other) == (one.digest() == other.digest())

    @given(dreams, st.randoms(use_true_random=False))
    def test_does_not_depend_on_the_order_of_the_layers(self, dream, random):
        layers = list(dream.layers.items())
        random.shuffle(layers)
        shuffled = dream.replace(layers=dict(layers))
        assert shuffled.digest() == dream.digest()
        assert list(shuffled.layers) == list(dream.layers)

    def test_does_not_depend_on_the_spelling(self):
        one = Dream(layers={"mixed4[2, 1]": 1}, max_loss="none", step="0.5", octaves=3.0)
        other = Dream(layers={"mixed4[1,2]": 1.0}, max_loss=None, step=0.5, octaves=3)
        assert one.digest() == other.digest()

    @pytest.mark.parametrize(
        "change",
        [
            {"layers": {"mixed4": 2.0}},
            {"step": 0.011},
            {"octaves": "auto"},
            {"octave_scale": 1.41},
            {"iterations": 21},
            {"max_loss": None},
            {"jitter": 1},
            {"seed": 1},
            {"size": 900},
            {"margin": "auto"},
            {"strength": 0.5},
            {"colours": "keep"},
            {"guide": "flowers.png"},
            {"smooth": 0.5},
            {"laplacian": 4},
            {"optimizer": "adam"},
            {"schedule": "linear"},
            {"mask": "sky.png"},
            {"mask_layers": {"sky": "sky.png"}},
            {"octave_sizes": "400,800"},
        ],
    )
    def test_depends_on_every_setting(self, change):
        assert Dream(**change).digest() != Dream().digest()

    def test_is_that_of_the_versions_before_where_nothing_newer_is_used(self):
        """Else every set would be made anew."""
        digest = "d13dffbe9c57d7df4deee2e241d537a7d17101d5dfe7fcc15b5bb205ea2fe4ed"
        spelled_out = Dream(
            size="none",
            margin=0,
            strength=1,
            colours="dream",
            mask="none",
            mask_layers="none",
            octave_sizes=None,
            guide="none",
            smooth=0,
            laplacian=0,
            optimizer="normalized",
            schedule="constant",
        )
        assert Dream().digest() == spelled_out.digest() == digest

    def test_every_setting_is_tried_above(self):
        (mark,) = copy.copy(TestDigest.test_depends_on_every_setting.pytestmark)
        assert {name for change in mark.args[1] for name in change} == set(Dream.model_fields)
