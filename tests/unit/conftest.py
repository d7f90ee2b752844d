"""What several packages' tests need: Keras' own network, and an S3 server in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest

from dreamray.engine.worker import EngineSpec

if TYPE_CHECKING:
    from dreamray.model.weights.arrays import Weights


class Twin(NamedTuple):
    """The same network twice: Keras' own model, and its weights as dreamray reads them."""

    model: Any
    weights: Weights


@pytest.fixture(scope="session")
def trained_twin(tensorflow: Any, shared_weights: Path, trained: Weights) -> Twin:
    """With the trained weights."""
    import keras

    keras.backend.clear_session()
    model = keras.applications.InceptionV3(weights=str(shared_weights), include_top=False)
    return Twin(model, trained)


@pytest.fixture(scope="session")
def random_twin(
    tensorflow: Any, untrained: Weights, tmp_path_factory: pytest.TempPathFactory
) -> Twin:
    """With random weights, and batch norms that do something."""
    import keras

    from dreamray.model.architecture import CONVOLUTIONS
    from dreamray.model.weights.loader import load

    keras.backend.clear_session()
    model = keras.applications.InceptionV3(weights=None, include_top=False)
    random = np.random.default_rng(3)
    for layer, kernel in zip(CONVOLUTIONS, untrained.kernels, strict=True):
        norm = layer.name.replace("conv2d", "batch_normalization")
        model.get_layer(layer.name).set_weights([kernel])
        beta, mean = random.normal(0, 0.3, (2, layer.channels))
        variance = random.uniform(0.5, 2, layer.channels)
        model.get_layer(norm).set_weights([beta, mean, variance])
    path = tmp_path_factory.mktemp("twin") / "random.weights.h5"
    model.save_weights(path)
    loaded = load(str(path))
    path.unlink()
    return Twin(model, loaded)


class Networks:
    """Makes networks in place of `TileObjective`, but of the same weights and layers only once."""

    def __init__(self) -> None:
        self._made: dict[Any, tuple[Any, Any]] = {}
        self._kind: Any = None

    def share(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be asked for networks from now on. Imports TensorFlow."""
        from dreamray.model import objective

        if objective.TileObjective is not self:
            self._kind = objective.TileObjective
            monkeypatch.setattr(objective, "TileObjective", self)

    def __call__(
        self,
        terms: Any,
        weights: Weights,
        precision: str = "float32",
        guide: Any = None,
        *,
        compiled: bool = False,
    ) -> Any:
        of_guide = None if guide is None else guide.tobytes()
        key = (tuple(terms.items()), id(weights), precision, of_guide, compiled)
        if key not in self._made:
            made = self._kind(terms, weights, precision, guide, compiled=compiled)
            self._made[key] = weights, made
        return self._made[key][1]


@pytest.fixture(scope="session")
def _networks() -> Networks:
    return Networks()


@pytest.fixture
def traced_once(_networks: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    """Renderers share networks: most of a small dream's time is spent on tracing its network.

    TensorFlow is imported when one dreams, for which most tests of commands have no need.
    """
    engine = EngineSpec.engine

    def sharing(spec: EngineSpec) -> Any:
        _networks.share(monkeypatch)
        return engine(spec)

    monkeypatch.setattr(EngineSpec, "engine", sharing)


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The address of an S3 server of this machine."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(
        ip_address="127.0.0.1", port=0, verbose=False
    )
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_url: str, aws: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket's name, empty at the start, on the server that the environment now points to."""
    from dreamray.storage import s3_client as s3

    aws.setenv("AWS_ENDPOINT_URL_S3", s3_url)
    client = s3.client()
    client.create_bucket(Bucket="dreams")
    yield "dreams"
    for item in client.list_objects_v2(Bucket="dreams").get("Contents", []):
        client.delete_object(Bucket="dreams", Key=item["Key"])
    client.delete_bucket(Bucket="dreams")
