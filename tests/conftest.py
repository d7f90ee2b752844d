"""What several test files need: an S3 server, and the trained weights beside the project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

TRAINED = Path(__file__).parents[2] / "shared" / "weights" / "inception_v3_2015_mixed8.h5"


@pytest.fixture(scope="session")
def shared_weights() -> Path:
    """Trained weights, right as far as mixed8; tests that need them are skipped without them."""
    if not TRAINED.is_file():
        pytest.skip("needs the trained weights that lie beside a checkout of the project")
    return TRAINED


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
    from dreamray import s3

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
    from dreamray import s3

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

    from dreamray.inception import LAYERS, keras_order

    path = tmp_path_factory.mktemp("weights") / "blank.h5"
    with h5py.File(path, "w") as file:
        names = []
        for layer in keras_order():
            channels = layer.channels
            kernel = (*layer.kernel, LAYERS[layer.inputs[0]].channels, channels)
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
