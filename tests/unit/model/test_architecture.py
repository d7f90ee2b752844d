"""The architecture as data is that of Keras' InceptionV3, and each cell sees what it says."""

from __future__ import annotations

import numpy as np
import pytest

from dreamray.base.errors import RequestError
from dreamray.model import architecture
from dreamray.model.architecture import (
    CONVOLUTIONS,
    LAYERS,
    ancestors,
    convolution_flops,
    feature_shape,
    kernel_shape,
)

OPERATIONS = {
    "InputLayer": "input",
    "Conv2D": "conv",
    "BatchNormalization": "batch_norm",
    "Activation": "relu",
    "MaxPooling2D": "max_pool",
    "AveragePooling2D": "average_pool",
    "Concatenate": "concat",
}


class TestAsKeras:
    @pytest.fixture
    def keras_layers(self, random_twin):
        return {layer.name: layer for layer in random_twin.model.layers}

    def test_names(self, keras_layers):
        assert set(LAYERS) == set(keras_layers)

    def test_operations(self, keras_layers):
        ours = {name: layer.op for name, layer in LAYERS.items()}
        assert ours == {n: OPERATIONS[type(layer).__name__] for n, layer in keras_layers.items()}

    def test_wiring(self, keras_layers):
        for name, layer in LAYERS.items():
            if layer.inputs:
                sources = keras_layers[name].input
                sources = sources if isinstance(sources, list) else [sources]
                assert layer.inputs == tuple(s._keras_history.operation.name for s in sources)

    def test_kernels_strides_and_padding(self, keras_layers):
        for name, layer in LAYERS.items():
            theirs = keras_layers[name]
            if layer.op in ("conv", "max_pool", "average_pool"):
                assert layer.kernel == (
                    theirs.kernel_size if layer.op == "conv" else theirs.pool_size
                )
                assert (layer.stride, layer.stride) == theirs.strides
                assert theirs.padding == "same" or layer.valid or layer.kernel == (1, 1)
                assert theirs.padding == "valid" or not layer.valid

    def test_order_of_the_weights(self, random_twin):
        theirs = [layer.name for layer in random_twin.model.layers if "conv2d" in layer.name]
        assert [layer.name for layer in architecture.keras_order()] == theirs

    @pytest.mark.parametrize("shape", [(75, 75), (76, 301), (131, 90), (299, 299), (612, 443)])
    def test_shapes(self, keras_layers, random_twin, shape):
        import keras

        outputs = {name: layer.output for name, layer in keras_layers.items()}
        model = keras.Model(random_twin.model.inputs, outputs)
        for name, theirs in model.compute_output_shape((1, *shape, 3)).items():
            assert (1, *feature_shape(name, *shape), LAYERS[name].channels) == theirs, name


FIELDS = {
    "mixed2": (127, 8),
    "mixed3": (159, 16),
    "mixed4": (351, 16),
    "mixed5": (543, 16),
    "mixed8": (1055, 32),
    "mixed10": (1311, 32),
}
"""Receptive field and stride."""

LENGTH = 1400
"""Pixels that hold the whole field of a cell of any block."""


def along(name, axis):
    return (LAYERS[name].rows, LAYERS[name].columns)[axis]


def first_whole_cell(name, axis):
    """A cell whose receptive field begins inside the picture, not at its edge."""
    field = along(name, axis)
    return 1 + -field.first // field.stride


@pytest.fixture(scope="module")
def positive(tensorflow):
    """A network in float64 whose kernels are all positive."""
    from dreamray.model.network import Network
    from dreamray.model.weights.arrays import Weights

    kernels = []
    for layer in CONVOLUTIONS:
        shape = kernel_shape(layer)
        kernels.append(np.full(shape, 1 / np.prod(shape[:3]), np.float32))
    zeros = tuple(np.zeros(layer.channels, np.float32) for layer in CONVOLUTIONS)
    ones = tuple(np.ones(layer.channels, np.float32) for layer in CONVOLUTIONS)
    return Network(Weights("positive", "", tuple(kernels), zeros, ones), FIELDS, "float64")


@pytest.fixture(scope="module", params=[0, 1], ids=["rows", "columns"])
def reached(request, tensorflow, positive):
    """The axis, and by block the first and the last pixel that a cell depends on."""
    tf, axis = tensorflow, request.param
    ends = {}
    for slope, end in ((-1, 0), (1, -1)):
        ramp = np.linspace(2 - slope, 2 + slope, LENGTH)
        picture = np.broadcast_to(ramp[:, None, None], (LENGTH, 75, 3))
        picture = tf.constant(picture if axis == 0 else picture.swapaxes(0, 1))[None]
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(picture)
            cells = {
                name: tf.reduce_sum(tf.gather(a, first_whole_cell(name, axis), axis=1 + axis))
                for name, a in positive(picture).items()
            }
        for name, cell in cells.items():
            seen = tape.gradient(cell, picture).numpy()[0].any((1 - axis, 2))
            ends.setdefault(name, []).append(np.flatnonzero(seen)[end])
    return axis, ends


@pytest.mark.slow
class TestReceptiveField:
    """Proven by differentiation on a network in which every connection counts.

    As all is positive, nothing cancels and no ReLU is closed. On a picture that grows along an
    axis, each max pooling passes on the last cell it sees; on one that falls, the first. So the
    derivative of a cell reaches the very last pixel that it depends on, and the very first.
    """

    @pytest.mark.parametrize("name", FIELDS)
    def test_of_a_cell(self, reached, name):
        axis, ends = reached
        field, cell = along(name, axis), first_whole_cell(name, axis)
        assert ends[name] == [field.stride * cell + field.first, field.stride * cell + field.last]
        assert ends[name][0] > 0

    @pytest.mark.parametrize("name", [*FIELDS, "mixed6", "mixed7"])
    def test_as_published(self, name):
        published = {**FIELDS, "mixed6": (735, 16), "mixed7": (927, 16)}
        assert LAYERS[name].rows == LAYERS[name].columns
        assert (along(name, 0).receptive_field, along(name, 0).stride) == published[name]


class TestLookup:
    def test_an_unknown_layer(self):
        with pytest.raises(RequestError, match=r"'mixed11'.*mixed0 to mixed10.*layers --all"):
            architecture.layer("mixed11")

    def test_ancestors_come_before_their_users(self):
        seen = set()
        for layer in ancestors(["mixed4", "conv2d_3"]):
            assert seen.issuperset(layer.inputs)
            seen.add(layer.name)
        assert "mixed4" in seen
        assert "conv2d_40" not in seen

    def test_a_picture_too_small_has_no_cells(self):
        assert feature_shape("mixed10", 74, 300) == (0, 8)
        assert feature_shape("mixed10", 1, 1) == (0, 0)

    def test_positions(self):
        assert [layer.position for layer in CONVOLUTIONS] == list(range(94))

    def test_work(self):
        """Forward as far as mixed5 on 384x384: 12.0 GFLOP; as much backward."""
        assert convolution_flops(["mixed2", "mixed5"], 384, 384) == pytest.approx(24e9, rel=0.001)
