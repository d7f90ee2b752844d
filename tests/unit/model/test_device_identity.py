"""What a process says of itself, and that all of it decides whether work is gone on with."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest

tf = pytest.importorskip("tensorflow")

from dreamray.base.geometry import Shape  # noqa: E402
from dreamray.model import device_identity as identity  # noqa: E402
from dreamray.model.arithmetic import TensorFlowArrays  # noqa: E402
from dreamray.model.cuda import Card  # noqa: E402
from dreamray.model.device import allow_tf32, start_tensorflow  # noqa: E402
from dreamray.raster.chunked import ChunkGrid  # noqa: E402
from dreamray.render.checkpoint import Checkpoint, CheckpointStore, Stored  # noqa: E402
from dreamray.storage import MemoryFolder  # noqa: E402

pytestmark = pytest.mark.slow

CARD = Card("NVIDIA H100", 80 << 30, "9.0", 132, "550.54.15")


@pytest.fixture(scope="module", autouse=True)
def started() -> None:
    start_tensorflow()


def on_card(
    monkeypatch: pytest.MonkeyPatch, card: Card | None = CARD, *, tf32: bool = False
) -> Mapping[str, Any]:
    """What a process with a card says; TensorFlow knows the card's name and generation."""
    details = {"device_name": "NVIDIA H100", "compute_capability": (9, 0)}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [SimpleNamespace()])
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda card: details)
    monkeypatch.setattr(identity, "first_card", lambda: card)
    monkeypatch.setattr(identity, "cudnn_version", lambda built_for: "9.5.1")
    return TensorFlowArrays(tf32=tf32).about()


def test_a_processor_says_what_its_bits_depend_on() -> None:
    assert identity.describe_process().keys() == {
        "threads",
        "device",
        "tensorflow",
        "determinism",
        "processor",
        "instructions",
    }


def test_a_card_says_what_its_bits_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    about = dict(on_card(monkeypatch))
    assert about.pop("threads") == identity.used_threads()
    assert about == {
        "device": "GPU NVIDIA H100",
        "tensorflow": tf.__version__,
        "determinism": "on",
        "compute_capability": "9.0",
        "multiprocessors": 132,
        "driver": "550.54.15",
        "cudnn": "9.5.1",
        "tf32": "off",
    }


def test_a_driver_that_tells_nothing_leaves_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    about = on_card(monkeypatch, None)
    assert about["driver"] == about["multiprocessors"] == "unknown"
    assert about["compute_capability"] == "9.0"


@pytest.mark.parametrize(("tf32", "told"), [(True, "on"), (False, "off")])
def test_rounded_products_are_told(monkeypatch: pytest.MonkeyPatch, tf32: bool, told: str) -> None:
    """As the engine has them, whatever another one in this process has set last."""
    allow_tf32(not tf32)
    try:
        assert on_card(monkeypatch, tf32=tf32)["tf32"] == told
    finally:
        allow_tf32(False)


@pytest.mark.parametrize("card", [False, True], ids=["processor", "card"])
def test_work_is_gone_on_with_by_its_own_kind_alone(
    monkeypatch: pytest.MonkeyPatch, card: bool
) -> None:
    """Whichever part of what a worker says of itself is another one, it starts afresh."""
    about = on_card(monkeypatch) if card else identity.describe_process()
    for changed in about:
        folder = MemoryFolder()
        first = CheckpointStore(folder, {})
        first.environment = about
        first.reach(Checkpoint(1, 0, Stored.of("octave-1", ChunkGrid.even(Shape(8, 8), 8))))
        assert CheckpointStore(folder, {}).resume(9, lambda: about) is not None
        other = CheckpointStore(folder, {})
        note = other.resume(9, lambda changed=changed: {**about, changed: "another"})  # type: ignore[misc]
        assert "starting afresh" in str(note), changed
        assert other.checkpoint == Checkpoint()
