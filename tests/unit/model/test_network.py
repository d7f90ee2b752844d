"""The fused network computes what Keras' own InceptionV3 computes, forward and backward."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from dreamray.base.errors import WeightsError
from dreamray.model import architecture, network
from dreamray.model.architecture import LAYERS, ancestors
from dreamray.model.network import (
    Network,
    average_pool,
    max_pool_of_slices,
    strided_conv2d,
    sub_pixel_kernel,
)
from dreamray.raster.pixels import to_tensor
from dreamray.settings.dream import Dream
from tests.support.likeness import relative_error
from tests.support.reference import Reference
from tests.support.tiled import Tiled

pytestmark = pytest.mark.slow

BLOCKS = [f"mixed{number}" for number in range(11)]

SAMPLE = [
    "conv2d",
    "conv2d_5",
    "conv2d_11",
    "batch_normalization_7",
    "activation_11",
    "activation_20",
    "max_pooling2d_1",
    "average_pooling2d_3",
    "concatenate",
    "mixed9_0",
]
"""Layers of every kind; conv2d_11 and its activation lie behind an average pooling."""

SHARP = 5e-6
"""Relative error of float32 rounding on the way through the network."""


@pytest.fixture(scope="module")
def image(scene):
    """Float32 [107, 139, 3]: 2x3 cells at mixed10."""
    return to_tensor(scene[:107, :139])


def activations(weights, names, image, precision="float32"):
    found = Network(weights, names, precision)(tf.constant(image[None]))
    return {name: tf.cast(a[0], tf.float32).numpy() for name, a in found.items()}


@pytest.fixture(scope="module")
def theirs(random_twin, image):
    """Keras' activations of all layers."""
    return Reference(random_twin.model, dict.fromkeys(LAYERS, 1.0)).activations(image)


@pytest.fixture(scope="module")
def ours(random_twin, image):
    """Our activations of all layers."""
    return activations(random_twin.weights, LAYERS, image)


class TestActivations:
    """With batch norms that do something."""

    @pytest.mark.parametrize("name", BLOCKS)
    def test_of_the_blocks(self, random_twin, theirs, image, name):
        """Each alone, truncated behind it."""
        found = activations(random_twin.weights, [name], image)
        assert list(found) == [name]
        assert relative_error(found[name], theirs[name]) < SHARP

    @pytest.mark.parametrize(
        "op", ["conv", "batch_norm", "relu", "max_pool", "average_pool", "concat"]
    )
    def test_of_every_layer(self, ours, theirs, op):
        for name, layer in LAYERS.items():
            if layer.op == op:
                assert ours[name].shape == theirs[name].shape
                assert relative_error(ours[name], theirs[name]) < SHARP, name

    @pytest.mark.parametrize("name", SAMPLE)
    def test_of_a_layer_alone(self, random_twin, theirs, image, name):
        found = activations(random_twin.weights, [name], image)
        assert relative_error(found[name], theirs[name]) < SHARP

    def test_in_bfloat16_are_within_two_percent(self, random_twin, theirs, image):
        for name, found in activations(random_twin.weights, BLOCKS, image, "bfloat16").items():
            assert 1e-3 < relative_error(found, theirs[name]) < 0.02

    def test_of_trained_weights(self, trained_twin, image):
        names = BLOCKS[:9]
        theirs = Reference(trained_twin.model, dict.fromkeys(names, 1.0)).activations(image)
        for name, found in activations(trained_twin.weights, names, image).items():
            assert relative_error(found, theirs[name]) < SHARP

    def test_of_a_batch(self, random_twin, image):
        both = tf.stack([image, image[::-1]])
        found = Network(random_twin.weights, ["mixed1"])(both)["mixed1"]
        for number, one in enumerate([image, image[::-1]]):
            alone = activations(random_twin.weights, ["mixed1"], one)["mixed1"]
            assert relative_error(found[number].numpy(), alone) < SHARP


class TestChoice:
    def test_layers_are_in_the_order_of_the_network(self, untrained):
        chosen = Network(untrained, ["mixed2", "conv2d_3", "mixed0", "mixed2"])
        assert chosen.layers == ("conv2d_3", "mixed0", "mixed2")

    def test_layers_without_weights_are_refused(self, trained):
        with pytest.raises(WeightsError, match="mixed9"):
            Network(trained, ["mixed9"])

    @pytest.mark.parametrize("name", ["mixed2", "mixed5", "mixed8"])
    def test_the_graph_is_truncated_and_fused(self, untrained, name):
        """One convolution for all the 1x1 ones that read the same input, and none behind."""
        truncated = Network(untrained, [name])
        function = tf.function(lambda x: truncated(x)[name]).get_concrete_function(
            tf.TensorSpec([1, None, None, 3])
        )
        made = [node.name for node in function.graph.as_graph_def().node if node.op == "Conv2D"]
        needed = [layer for layer in ancestors([name]) if layer.op == "conv"]
        read = {
            below.inputs[0] if below.op == "average_pool" else below.name
            for layer in needed
            if layer.kernel == (1, 1)
            for below in [LAYERS[layer.inputs[0]]]
        }
        larger = [layer for layer in needed if layer.kernel != (1, 1)]
        assert len(made) == len(read) + len(larger) < len(needed)


def gradient(weights, layers, image, precision="float32"):
    """Loss and gradient of the recipe's objective on an untiled image."""
    from dreamray.base.geometry import Shape
    from dreamray.engine.interfaces import Engine
    from dreamray.model.arithmetic import TensorFlowArrays
    from dreamray.model.objective import TileObjective
    from dreamray.plan.tiles import plan_tiles

    objective = TileObjective(Dream(layers=layers).terms, weights, precision)
    plan = plan_tiles(Shape(*image.shape[:2]), objective.network.layers)
    whole = Tiled(plan, Engine(objective, TensorFlowArrays()))
    whole.put(image)
    return whole.compute().loss, whole.gradient


@pytest.fixture(scope="module")
def exact(random_twin):
    """Keras' model in float64 with the folded weights, so that no ReLU is in doubt."""
    import keras

    keras.backend.clear_session()
    keras.config.set_dtype_policy("float64")
    keras.config.set_floatx("float64")
    try:
        model = keras.applications.InceptionV3(weights=None, include_top=False)
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    weights = random_twin.weights
    for number, layer in enumerate(architecture.CONVOLUTIONS):
        norm = model.get_layer(layer.name.replace("conv2d", "batch_normalization"))
        model.get_layer(layer.name).set_weights([weights.kernels[number]])
        zeros = np.zeros(layer.channels)
        norm.set_weights([weights.biases[number], zeros, zeros + 1 - norm.epsilon])
    return model


class TestGradient:
    @pytest.mark.parametrize(
        "layers",
        [
            {"mixed2": 0.2, "mixed3": 0.5, "mixed4": 2.0, "mixed5": 1.5},
            {"mixed10": 1.0},
            {
                "batch_normalization_4": 1.0,
                "average_pooling2d": -2.0,
                "mixed0": 1.0,
                "activation_8": 1.0,
                "batch_normalization_11": 1.0,
                "max_pooling2d_1": 3.0,
            },
        ],
        ids=lambda layers: ",".join(layers),
    )
    def test_is_that_of_keras(self, random_twin, exact, scene, layers):
        """Rounding apart, which both do in float64 here, but for the picture's own float32."""
        image = to_tensor(scene[:, :211])
        their_loss, theirs = Reference(exact, layers).gradient(image)
        our_loss, ours = gradient(random_twin.weights, layers, image, "float64")
        assert our_loss == pytest.approx(their_loss, rel=1e-6)
        assert relative_error(ours, theirs) < 1e-6

    def test_is_that_of_keras_in_float32(self, random_twin, image):
        """But for the few ReLUs and max poolings that rounding decides."""
        layers = dict.fromkeys(["conv2d_4", "mixed1", "mixed3"], 1.0)
        their_loss, theirs = Reference(random_twin.model, layers).gradient(image)
        our_loss, ours = gradient(random_twin.weights, layers, image)
        assert our_loss == pytest.approx(their_loss, rel=1e-6)
        assert relative_error(ours, theirs) < 1e-2

    def test_with_trained_weights(self, trained_twin, bear):
        """The photo is one on which rounding decides no ReLU."""
        from dreamray.base.geometry import Shape
        from dreamray.raster.lazy import resize

        image = resize(to_tensor(bear), Shape(152, 229))
        their_loss, theirs = Reference(trained_twin.model).gradient(image)
        our_loss, ours = gradient(trained_twin.weights, Dream().layers, image)
        assert our_loss == pytest.approx(their_loss, rel=1e-6)
        assert relative_error(ours, theirs) < 2e-6

    def test_in_bfloat16_points_the_same_way(self, trained, bear):
        image = to_tensor(bear[:150, :200])
        sharp_loss, sharp = gradient(trained, Dream().layers, image)
        loss, rough = gradient(trained, Dream().layers, image, "bfloat16")
        cosine = np.vdot(sharp, rough) / np.linalg.norm(sharp) / np.linalg.norm(rough)
        assert loss == pytest.approx(sharp_loss, rel=0.02)
        assert cosine > 0.9


def test_the_step_compiled_by_xla_is_that_of_the_graph(untrained, image):
    """To rounding, with terms of all kinds; a window alone and beside others, and an array of them.

    XLA refuses some operations where kernels are reproducible.
    """
    from dreamray.model.device import start_tensorflow
    from dreamray.model.objective import TileObjective
    from dreamray.model.terms import parse_sum

    start_tensorflow()

    def both(terms):
        guide = image[:75, :80]
        return (
            TileObjective(parse_sum(terms), untrained, guide=guide, compiled=xla)
            for xla in (False, True)
        )

    def check(found, expected):
        assert float(found[0]) == pytest.approx(float(expected[0]), rel=1e-5)
        assert relative_error(found[1].numpy(), expected[1].numpy()) < 1e-3

    all_kinds = "mixed0 + mean(mixed0) + guide(mixed0) + near(accent(mixed0),0,0,1) - 0.1*tv"
    plain, compiled = both(all_kinds)
    scopes = len(plain.scopes)
    owned = np.tile(np.int32([[2, 9, -1], [2, 9, -1]]), (scopes, 1, 1))
    per_cell = np.full(scopes, 0.01, np.float32)
    beside = [image[5:105, 3:115], np.abs(image[2:102, 1:113, :1])]
    window = tf.constant(np.concatenate([image[:100, :112], *beside], 2))
    expected = plain.gradient(window, owned, per_cell)
    check(compiled.gradient(window, owned, per_cell), expected)
    check(compiled.gradients([window, window], owned, per_cell)[1], expected)
    plain, compiled = both("activation_2")
    owned, window = owned[:1], window[..., :3]
    expected = plain.gradient(window, owned, per_cell[:1])
    check(compiled.padded_gradients({1: window}, 2, owned, per_cell[:1])[1], expected)


def vjp(function, x, upstream):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
    return y.numpy(), tape.gradient(y, x, output_gradients=upstream(y)).numpy()


def noise_like(y):
    return tf.constant(np.random.default_rng(2).normal(size=y.shape))


def same(ours, theirs):
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-12)


class TestOperations:
    """In float64: TensorFlow's own gradients are the same, but slower."""

    @pytest.mark.parametrize("shape", [(1, 1), (1, 5), (2, 2), (3, 1), (7, 6), (2, 9)])
    def test_average_pool(self, shape):
        x = tf.constant(np.random.default_rng(1).normal(size=(2, *shape, 3)))
        theirs = vjp(lambda x: tf.nn.avg_pool2d(x, 3, 1, "SAME"), x, noise_like)
        same(vjp(average_pool, x, noise_like), theirs)

    @pytest.mark.parametrize("shape", [(3, 3), (4, 7), (12, 11)])
    def test_max_pool(self, shape):
        """Where several cells are the largest ones, too: whole numbers have many of them."""
        random = np.random.default_rng(1)
        for x in random.normal(size=(2, *shape, 3)), random.integers(3, size=(2, *shape, 3)):
            x = tf.constant(x.astype(np.float64))
            theirs = vjp(lambda x: tf.nn.max_pool2d(x, 3, 2, "VALID"), x, noise_like)
            same(vjp(lambda x: max_pool_of_slices(x, (3, 3), 2), x, noise_like), theirs)

    @pytest.mark.parametrize("shape", [(3, 3), (4, 7), (11, 12), (12, 11)])
    def test_strided_convolution_of_bfloat16(self, shape):
        random = np.random.default_rng(4)
        kernel = random.normal(size=(3, 3, 4, 5)).astype(np.float32)
        forward, backward = (
            tf.constant(one, tf.float64) for one in (kernel, sub_pixel_kernel(kernel, 2))
        )
        x = tf.constant(random.normal(size=(2, *shape, 4)))
        theirs = vjp(lambda x: tf.nn.conv2d(x, forward, 2, "VALID"), x, noise_like)
        same(vjp(lambda x: strided_conv2d(x, forward, backward, 2), x, noise_like), theirs)

    @pytest.mark.parametrize("number", [0, 1, 2, 3, 7, 26, 32, 33, 78, 79])
    def test_convolution(self, untrained, number):
        """Of each kind: strided, valid, same; 1x1, 3x3, 5x5, 1x7, 7x1, 1x3, 3x1."""
        layer = architecture.CONVOLUTIONS[number]
        random = np.random.default_rng(4)
        kernel = random.normal(size=(*layer.kernel, 4, 5)).astype(np.float32)
        x = tf.constant(random.normal(size=(1, 11, 12, 4)))
        forward = network._Forward(Network(untrained, ["conv2d"], "float64"), x)
        ours = vjp(lambda x: forward._conv2d(x, kernel, layer), x, noise_like)
        padding = "VALID" if layer.valid else "SAME"
        theirs = vjp(
            lambda x: tf.nn.conv2d(x, kernel.astype(np.float64), layer.stride, padding),
            x,
            noise_like,
        )
        same(ours, theirs)
