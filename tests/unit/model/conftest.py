"""Weights for tests of the model alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.weights_file import write_blank


@pytest.fixture(scope="session")
def blank_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A legacy weight file of Keras with the whole InceptionV3 in it, all of it zeros."""
    path = tmp_path_factory.mktemp("weights") / "blank.h5"
    write_blank(path)
    return path
