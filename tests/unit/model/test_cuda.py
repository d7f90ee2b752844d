"""What NVIDIA's driver tells of a card is read as it is; without one there is none."""

from __future__ import annotations

from typing import Any

import pytest

from dreamray.model.cuda import Card, cudnn_version, first_card


class Driver:
    """The libraries of a driver with one card. Numbers and texts go where pointers lead."""

    def __init__(self, refuses: str = "", version: int = 90_501) -> None:
        self._refuses = refuses
        self._version = version

    def __call__(self, name: str) -> Driver:
        if name == self._refuses:
            raise OSError(name)
        return self

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> int:
            if name == self._refuses:
                return 100  # No device.
            attributes = {16: 132, 75: 9, 76: 0}
            if name == "cuDeviceGetName":
                arguments[0].value = b"NVIDIA H100"
            elif name == "nvmlSystemGetDriverVersion":
                arguments[0].value = b"550.54.15"
            elif name == "cuDeviceTotalMem_v2":
                arguments[0]._obj.value = 80 << 30
            elif name == "cuDeviceGetAttribute":
                arguments[0]._obj.value = attributes[arguments[1]]
            elif name == "cudnnGetVersion":
                return self._version
            return 0

        return call


def test_a_card_is_described() -> None:
    assert first_card(Driver()) == Card("NVIDIA H100", 80 << 30, "9.0", 132, "550.54.15")


@pytest.mark.parametrize("refuses", ["libcuda.so.1", "cuInit", "cuDeviceGet"])
def test_there_is_none_without_a_driver_or_a_card(refuses: str) -> None:
    assert first_card(Driver(refuses)) is None


def test_a_driver_that_does_not_say_its_release_has_a_card_all_the_same() -> None:
    card = first_card(Driver("libnvidia-ml.so.1"))
    assert card is not None
    assert card.driver == "unknown"


@pytest.mark.parametrize(("number", "version"), [(90_501, "9.5.1"), (8_907, "8.9.7")])
def test_cudnn_tells_its_version(number: int, version: str) -> None:
    assert cudnn_version("9", Driver(version=number)) == version


def test_a_cudnn_that_is_not_there_is_unknown() -> None:
    assert cudnn_version("9", Driver("libcudnn.so.9")) == "unknown"
