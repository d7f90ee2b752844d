"""Each term's loss and gradient are those of Keras' own network, and of NumPy behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from dreamray.base.geometry import Shape
from dreamray.engine.interfaces import Engine
from dreamray.plan.tiles import plan_tiles
from dreamray.raster.lazy import resize
from dreamray.raster.pixels import to_tensor
from dreamray.settings.dream import Dream
from tests.support.likeness import relative_error
from tests.support.tiled import Tiled

pytestmark = pytest.mark.slow

Found = tuple[float, np.ndarray]
Plain = Callable[[np.ndarray], Found]
"""The loss of a layer's activations [height, width, channels], and its slope there."""


@pytest.fixture(scope="module")
def photo(bear: np.ndarray) -> np.ndarray:
    """One on which rounding decides no ReLU."""
    return resize(to_tensor(bear), Shape(152, 229))


def ours(
    weights: Any,
    layers: str,
    image: np.ndarray,
    guide: np.ndarray | None = None,
    beside: np.ndarray | None = None,
    roll: tuple[int, int] = (0, 0),
) -> Found:
    from dreamray.model.arithmetic import TensorFlowArrays
    from dreamray.model.objective import TileObjective

    objective = TileObjective(Dream(layers=layers).terms, weights, guide=guide)
    plan = plan_tiles(Shape(*image.shape[:2]), objective.network.layers)
    whole = Tiled(plan, Engine(objective, TensorFlowArrays()), beside=beside)
    whole.put(image)
    return whole.compute(roll).loss, whole.gradient


def of_keras(model: Any, plain: Mapping[str, Plain], image: np.ndarray) -> Found:
    """Activations and the way back are Keras', what is made of them is NumPy's."""
    import keras
    import tensorflow as tf

    features = keras.Model(model.input, {name: model.get_layer(name).output for name in plain})
    picture = tf.constant(image[None])
    with tf.GradientTape() as tape:
        tape.watch(picture)
        found = features(picture)
    losses, slopes = zip(*(plain[name](found[name][0].numpy()) for name in plain), strict=True)
    upstream = [tf.constant(slope[None], tf.float32) for slope in slopes]
    gradient = tape.gradient([found[name] for name in plain], picture, output_gradients=upstream)
    return sum(losses), gradient[0].numpy()


def inside(values: np.ndarray) -> np.ndarray:
    """The cells that are counted."""
    mask = np.zeros((*values.shape[:2], 1))
    mask[2:-2, 2:-2] = 1
    return mask


def linear(direction: np.ndarray) -> Plain:
    def plain(a: np.ndarray) -> Found:
        slope = inside(a) * direction / (a.shape[0] * a.shape[1])
        return float((a * slope).sum()), slope

    return plain


def cosine(direction: np.ndarray) -> Plain:
    def plain(a: np.ndarray) -> Found:
        a = a.astype(np.float64)
        long = np.linalg.norm(a, axis=-1, keepdims=True)
        along = a @ direction[:, None]
        share = inside(a) / (a.shape[0] * a.shape[1])
        slope = share * (direction / long - a * along / long**3)
        return float((share * along / long).sum()), slope

    return plain


def square(mask: Callable[[np.ndarray], np.ndarray]) -> Plain:
    def plain(a: np.ndarray) -> Found:
        share = mask(a) / a.size
        return float((share * a**2).sum()), 2 * share * a

    return plain


def unit(channels: int, **parts: float) -> np.ndarray:
    direction = np.zeros(channels)
    for name, part in parts.items():
        direction[int(name[1:])] = part
    return direction / np.linalg.norm(direction)


def blot(shape: tuple[int, ...]) -> np.ndarray:
    """A mask of a picture, with some of everything."""
    return np.clip(np.random.default_rng(2).uniform(-1, 2, (*shape, 1)), 0, 1).astype(np.float32)


def part(a: np.ndarray) -> np.ndarray:
    """What the mask has where cells of mixed3 lie: these see 159 pixels from 16k - 58 on."""
    mask = blot((152, 229))
    middles = 16 * np.arange(99) - 58 + 79 - 8
    for row, column in np.ndindex(a.shape[:2]):
        y, x = middles[row], middles[column]
        a[row, column] = mask[y : y + 16, x : x + 16].mean()
    return inside(a) * a[..., :1]


CASES: dict[str, dict[str, Plain]] = {
    "mean(mixed4[3,12])": {"mixed4": linear(np.isin(range(768), (3, 12)) / 2)},
    "mean(mixed4)": {"mixed4": linear(np.full(768, 1 / 768))},
    "direction(mixed4[12:1,40:-0.5])": {"mixed4": linear(unit(768, _12=1.0, _40=-0.5))},
    "3*cosine(mixed3[12:2,40:-0.5])": {"mixed3": cosine(3 * unit(768, _12=2.0, _40=-0.5))},
    "masked(mixed3,blot)": {"mixed3": square(lambda a: part(np.zeros_like(a)))},
    "mixed3 + 2*mean(mixed4[3])": {
        "mixed3": square(inside),
        "mixed4": linear(2.0 * (np.arange(768) == 3)),
    },
}


@pytest.mark.parametrize("layers", CASES)
def test_is_that_of_keras_and_numpy(trained_twin: Any, photo: np.ndarray, layers: str) -> None:
    their_loss, theirs = of_keras(trained_twin.model, CASES[layers], photo)
    beside = blot(photo.shape[:2]) if "blot" in layers else None
    our_loss, found = ours(trained_twin.weights, layers, photo, beside=beside)
    assert our_loss == pytest.approx(their_loss, rel=2e-5)
    assert relative_error(found, theirs) < 1e-5


def guided(features: np.ndarray, channels: list[int]) -> Plain:
    """By dot product the best-matching cell of the guide, for each cell."""

    def plain(a: np.ndarray) -> Found:
        theirs = features.reshape(-1, features.shape[2])[:, channels]
        best = theirs[np.argmax(a[..., channels] @ theirs.T, axis=-1)]
        slope = np.zeros(a.shape)
        slope[..., channels] = inside(a) * best / (a.shape[0] * a.shape[1] * len(channels))
        return float((a * slope).sum()), slope

    return plain


@pytest.mark.parametrize("text", ["mixed4", "mixed3[3,12,700]"])
def test_follows_a_guide_as_keras_and_numpy_do(
    trained_twin: Any, photo: np.ndarray, text: str
) -> None:
    """With the guide a part of the picture that is turned around, of another size."""
    import keras

    guide = np.ascontiguousarray(photo[20:140, 60:190][::-1, ::-1])
    name, model = text.partition("[")[0], trained_twin.model
    features = keras.Model(model.input, model.get_layer(name).output)(guide[None])[0].numpy()
    channels = [3, 12, 700] if "[" in text else list(range(768))
    their_loss, theirs = of_keras(model, {name: guided(features, channels)}, photo)
    our_loss, found = ours(trained_twin.weights, f"guide({text})", photo, guide)
    assert our_loss == pytest.approx(their_loss, rel=2e-5)
    assert relative_error(found, theirs) < 1e-5


def accent(source: np.ndarray, channels: list[int]) -> Plain:
    def plain(a: np.ndarray) -> Found:
        b = np.zeros(a.shape)
        b[..., channels] = source[..., channels]
        a = np.where(np.isin(range(a.shape[2]), channels), a, 0).astype(np.float64)
        along = (a * b).sum(-1, keepdims=True)
        here, there = (np.linalg.norm(one, axis=-1, keepdims=True) for one in (a, b))
        here, there = (np.where(one > 0, one, 1) for one in (here, there))  # Cells without any.
        share = inside(a) / (a.shape[0] * a.shape[1] * len(channels))
        slope = share * (2 * along * b / (here * there) - along**2 * a / (here**3 * there))
        return float((share * along**2 / (here * there)).sum()), slope

    return plain


def unlike(source: np.ndarray) -> Plain:
    def plain(a: np.ndarray) -> Found:
        a, b = a.astype(np.float64), source / np.linalg.norm(source, axis=-1, keepdims=True)
        here, along = np.linalg.norm(a, axis=-1, keepdims=True), (a * b).sum(-1, keepdims=True)
        share = inside(a) / (a.shape[0] * a.shape[1])
        slope = -share * (b / here - along * a / here**3)
        return float((share * (1 - along / here)).sum()), slope

    return plain


@pytest.mark.parametrize("text", ["accent(mixed4)", "accent(mixed3[3,12,700])", "unlike(mixed4)"])
def test_compares_with_the_source_as_keras_and_numpy_do(
    trained_twin: Any, photo: np.ndarray, text: str
) -> None:
    import keras

    name, model = ("mixed3" if "mixed3" in text else "mixed4"), trained_twin.model
    source = np.ascontiguousarray(photo[:, ::-1])
    seen = keras.Model(model.input, model.get_layer(name).output)(source[None])[0].numpy()
    channels = [3, 12, 700] if "[" in text else list(range(768))
    plain = unlike(seen) if "unlike" in text else accent(seen, channels)
    their_loss, theirs = of_keras(model, {name: plain}, photo)
    our_loss, found = ours(trained_twin.weights, text + " + 1e-9*mixed0", photo, beside=source)
    assert our_loss == pytest.approx(their_loss, rel=2e-5)
    assert relative_error(found, theirs) < 1e-5


def test_of_the_source_itself_accents_grow_what_is_there(trained: Any, photo: np.ndarray) -> None:
    """Its loss is the mean square's, and its slope half of that one's; what is unlike has none."""
    square, slope = ours(trained, "mixed4", photo)
    loss, found = ours(trained, "accent(mixed4)", photo, beside=photo)
    assert loss == pytest.approx(square, rel=1e-5)
    assert relative_error(2 * found, slope) < 1e-4
    loss, found = ours(trained, "unlike(mixed4) + 1e-30*mixed0", photo, beside=photo)
    assert abs(loss) < 1e-5
    assert np.abs(found).max() < 1e-3 * np.abs(slope).max()


def test_the_picture_is_damped(trained: Any, photo: np.ndarray) -> None:
    """Total variation and distance from grey, by NumPy, beside what the layer gives."""
    layer_loss, layer = ours(trained, "mixed0", photo)
    loss, found = ours(trained, "mixed0 - 100*tv - 10*l2", photo)
    x = photo.astype(np.float64)
    expected, slope = -10 * np.mean(x**2), -20 * x / x.size
    here = x[:-1, :-1]  # The last row and column have no next ones.
    for after in (np.s_[1:, :-1], np.s_[:-1, 1:]):
        step = x[after] - here
        size = np.sqrt(step**2 + 1e-6)
        expected -= 100 * size.sum() / x.size
        slope[after] -= 100 * step / size / x.size
        slope[:-1, :-1] += 100 * step / size / x.size
    assert loss - layer_loss == pytest.approx(expected, rel=1e-4)
    assert relative_error(found - layer, slope) < 1e-4


def test_edges_that_meet_in_the_rolled_picture_are_no_neighbours(
    trained: Any, photo: np.ndarray
) -> None:
    """Total variation is as without a roll, but for the two rows and columns that it parts."""
    _, expected = ours(trained, "1e-30*mixed0 - 100*tv", photo)
    _, found = ours(trained, "1e-30*mixed0 - 100*tv", photo, roll=(40, -60))
    others = np.ix_(
        [row for row in range(152) if row not in (111, 112)],
        [column for column in range(229) if column not in (59, 60)],
    )
    np.testing.assert_allclose(found[others], expected[others], atol=1e-9)
    assert np.abs(found - expected).max() > 1e-5


class TestOtherChannels:
    """An objective of other channels shares the network, and its graph."""

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("mixed0[3]", "mixed0[200]"),
            ("mean(mixed0[3])", "2*mean(mixed0[7,9])"),
            ("mean(mixed0[3])", "direction(mixed0[4:1,9:-2])"),
            ("cosine(mixed0[3:1])", "cosine(mixed0[4:1,9:-2])"),
            ("mixed0[3] + 2*mean(conv2d_2[1]) + 0.5*l2", "mixed0[8] + mean(conv2d_2[0]) + 0.5*l2"),
        ],
    )
    def test_it_has_the_bits_of_one_made_anew(self, untrained: Any, one: str, other: str) -> None:
        import tensorflow as tf

        from dreamray.model.objective import TileObjective

        terms = Dream(layers=other).terms
        known = TileObjective(Dream(layers=one).terms, untrained)
        image = tf.constant(np.random.default_rng(3).uniform(-1, 1, (120, 100, 3)), tf.float32)
        scopes = len(known.scopes)
        call = (
            image,
            np.int32([[[2, 9, -1], [2, 8, -1]]] * scopes),
            np.full(scopes, 0.01, np.float32),
        )
        before = known.gradient(*call)
        aimed, anew = known.aimed_at(terms), TileObjective(terms, untrained)
        assert aimed is not None
        for mine, theirs in zip(aimed.gradient(*call), anew.gradient(*call), strict=True):
            np.testing.assert_array_equal(mine, theirs)
        for mine, theirs in zip(known.gradient(*call), before, strict=True):
            np.testing.assert_array_equal(mine, theirs)
        assert aimed.steps.window.experimental_get_tracing_count() == 1

    @pytest.mark.parametrize(
        "other", ["mixed1[3]", "mixed0", "mean(mixed0[3])", "mixed0[3] + 0.1*tv", "guide(mixed0)"]
    )
    def test_what_takes_another_graph_has_its_own(self, untrained: Any, other: str) -> None:
        from dreamray.model.objective import TileObjective

        known = TileObjective(Dream(layers="mixed0[3]").terms, untrained)
        assert known.aimed_at(Dream(layers=other).terms) is None
