"""What tests of several folders need: weights, pictures, and TensorFlow; and marks by folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import settings

from tests.support.places import SHARED, TRAINED

if TYPE_CHECKING:
    from dreamray.model.weights.arrays import Weights

pytest_plugins = ["tests.support.hosts", "tests.support.s3_server"]

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# A shell ignores it in what it starts in the background, and so would all that tests start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("steady", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("steady")


FOLDERS = Path(__file__).parent
MARKED = {"ray", "chart", "rehearsal", "training", "kubernetes"}
"""Folders whose tests have the mark of that name."""

WITH_RAY = {"ray", "rehearsal"}
"""Folders that `make test` looks into for tests that start a Ray."""


SLOW = {"tensorflow", "s3_server", "bucket", "answer"}
"""Fixtures that take seconds, or whose tests do: of TensorFlow, and of servers."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder, and by what they use."""
    for item in items:
        if SLOW.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
        folder = item.path.relative_to(FOLDERS).parts[0]
        if folder in MARKED:
            item.add_marker(folder)
        if item.get_closest_marker("ray") and folder not in WITH_RAY:
            raise pytest.UsageError(f"{item.nodeid}: what starts a Ray belongs to {WITH_RAY}")


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
