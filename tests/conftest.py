"""What several test files need: an S3 server, weights of several kinds, and Keras' own network."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from dreamray.model.weights.arrays import Weights

pytest_plugins = ["hosts", "s3_server"]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A shell ignores it in what it starts in the background, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("steady", derandomize=True, deadline=None, database=None)
settings.load_profile("steady")

SHARED = Path(__file__).parents[2] / "shared"
TRAINED = SHARED / "weights" / "inception_v3_2015_mixed8.h5"


@pytest.fixture(scope="session")
def shared_weights() -> Path:
    """Trained weights, right as far as mixed8; tests that need them are skipped without them."""
    if not TRAINED.is_file():
        pytest.skip("needs the trained weights that lie beside a checkout of the project")
    return TRAINED


@pytest.fixture(scope="session")
def bear() -> np.ndarray:
    """A photo, uint8 [299, 450, 3]; tests that need it are skipped without it."""
    from PIL import Image

    path = SHARED / "photos" / "bear.jpg"
    if not path.is_file():
        pytest.skip("needs the photos that lie beside a checkout of the project")
    with Image.open(path) as photo:
        height = round(450 * photo.height / photo.width)
        return np.asarray(photo.convert("RGB").resize((450, height)))


@pytest.fixture(scope="session")
def scene() -> np.ndarray:
    """A made-up picture, uint8 [211, 301, 3]: colours that run, sharp edges, and grain."""
    rows, columns = np.mgrid[:211, :301] / 100
    random = np.random.default_rng(8)
    waves = [np.sin(a * rows + b * columns + a * b) for a, b in random.uniform(-9, 9, (3, 2))]
    picture = 0.25 * np.stack(waves, axis=-1)
    for _ in range(40):
        top, left, height, width = (random.uniform(0, 1, 4) * (211, 301, 60, 80)).astype(int)
        patch = picture[top : top + height, left : left + width]
        patch += random.uniform(-0.3, 0.3, 3)
    picture += random.normal(0, 0.05, picture.shape)
    return np.clip(255 * (picture / 2 + 0.5), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def tensorflow() -> Any:
    """TensorFlow with as many threads as dreamray would have it use."""
    from dreamray.model.device import start_tensorflow

    start_tensorflow()
    import tensorflow

    return tensorflow


@pytest.fixture(scope="session")
def untrained() -> Weights:
    """Random weights, as `--weights random` has them."""
    from dreamray.model.weights.loader import load

    return load("random")


@pytest.fixture(scope="session")
def trained(shared_weights: Path) -> Weights:
    """The trained weights."""
    from dreamray.model.weights.loader import load

    return load(str(shared_weights))


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
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Boto3's settings: dummy keys and one attempt, nothing of the machine's own.

    Gives the monkeypatch to set more of them with, before the first call.
    """
    from dreamray.storage import s3_client as s3

    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "dummy-key-id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "dummy-secret")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    s3.client.cache_clear()
    yield monkeypatch
    s3.client.cache_clear()


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


@pytest.fixture(scope="session")
def blank_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A legacy weight file of Keras with the whole InceptionV3 in it, all of it zeros.

    It is small, as HDF5 stores no array that was never written.
    """
    import h5py

    from dreamray.model.architecture import keras_order, kernel_shape

    path = tmp_path_factory.mktemp("weights") / "blank.h5"
    with h5py.File(path, "w") as file:
        names = []
        for layer in keras_order():
            channels = layer.channels
            kernel = kernel_shape(layer)
            norm = layer.name.replace("conv2d", "batch_normalization")
            for name, arrays in (
                (layer.name, {"kernel": kernel}),
                (norm, dict.fromkeys(("beta", "moving_mean", "moving_variance"), (channels,))),
                (layer.name.replace("conv2d", "activation"), {}),
            ):
                names.append(name.encode())
                group = file.create_group(name)
                group.attrs["weight_names"] = [f"{name}/{a}:0".encode() for a in arrays]
                for array, shape in arrays.items():
                    group.create_dataset(f"{name}/{array}:0", shape, "float32")
        file.attrs["layer_names"] = names
    return path
