"""The process that dreams: TensorFlow's threads, and what of it reaches the terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )


STARTED = """
from dreamray.model import device
print(device.start_tensorflow(3, {kernels!r}), device.used_threads())
import os, tensorflow as tf; tf.constant(1)
from tensorflow.python.framework.config import is_op_determinism_enabled as on
tf32 = tf.config.experimental.tensor_float_32_execution_enabled()
print(device.are_kernels_reproducible(), on(), tf32, os.environ["TF_CUDNN_WORKSPACE_LIMIT_IN_MB"])
"""


@pytest.mark.parametrize(("kernels", "same"), [("reproducible", True), ("fast", False)])
def test_threads_and_kernels_are_those_asked_for_and_nothing_is_printed(
    kernels: str, same: bool
) -> None:
    """With a limit of scratch memory that is the same everywhere; and float32 is float32."""
    ended = python(STARTED.format(kernels=kernels))
    assert ended.stdout == f"3 3\n{same} {same} False 1024\n"
    assert ended.stderr == ""


def test_a_tensorflow_that_runs_already_keeps_its_threads() -> None:
    """Where no number is asked for; another one is refused.

    Layouts of arrays on a card are left alone there, too, as the bits depend on them.
    """
    ended = python(
        "import tensorflow as tf; tf.constant(1) + 1\n"
        "from dreamray.model.device import start_tensorflow, available_threads\n"
        "tf.config.list_physical_devices = lambda kind: ['a card'] if kind == 'GPU' else []\n"
        "def settled(card, on): raise RuntimeError('initialized')\n"
        "tf.config.experimental.set_memory_growth = settled\n"
        "assert start_tensorflow(None) == available_threads()\n"
        "print(tf.config.optimizer.get_experimental_options()['layout_optimizer'], flush=True)\n"
        "start_tensorflow(7)\n"
    )
    assert ended.stdout == "False\n"
    assert ended.returncode != 0
    assert "RequestError: threads: TensorFlow already runs" in ended.stderr


def test_what_native_code_writes_is_shown_if_the_import_fails() -> None:
    ended = python(
        "import os\n"
        "from dreamray.model.device import _native_stderr_held_back\n"
        "with _native_stderr_held_back(): os.write(2, b'kept ')\n"
        "with _native_stderr_held_back():\n"
        "    os.write(2, b'shown '); raise ImportError('no library')\n"
    )
    assert "kept" not in ended.stderr
    assert ended.stderr.startswith("shown ")
    assert "no library" in ended.stderr
