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


def test_threads_are_those_asked_for_and_nothing_is_printed() -> None:
    ended = python(
        "from dreamray.model.device import start_tensorflow, used_threads\n"
        "print(start_tensorflow(3), used_threads())\n"
        "import tensorflow as tf; tf.constant(1)\n"
    )
    assert ended.stdout == "3 3\n"
    assert ended.stderr == ""


def test_a_tensorflow_that_runs_already_keeps_its_threads() -> None:
    """Where no number is asked for; another one is refused."""
    ended = python(
        "import tensorflow as tf; tf.constant(1) + 1\n"
        "from dreamray.model.device import start_tensorflow, available_threads\n"
        "assert start_tensorflow(None) == available_threads()\n"
        "print('kept'); start_tensorflow(7)\n"
    )
    assert ended.stdout == "kept\n"
    assert ended.returncode != 0
    assert "RequestError: threads: TensorFlow already runs" in ended.stderr


def test_kernels_give_the_same_bits_unless_fast_ones_are_asked_for() -> None:
    """With a limit of scratch memory that is the same everywhere; and float32 is float32."""
    code = (
        "import os; from dreamray.model.device import start_tensorflow\n"
        "from dreamray.model.device import are_kernels_reproducible as same\n"
        "start_tensorflow(1, {!r}); import tensorflow as tf\n"
        "from tensorflow.python.framework.config import is_op_determinism_enabled as on\n"
        "print(same(), on(), tf.config.experimental.tensor_float_32_execution_enabled(),\n"
        "      os.environ.get('TF_CUDNN_WORKSPACE_LIMIT_IN_MB'))"
    )
    assert python(code.format("reproducible")).stdout == "True True False 1024\n"
    assert python(code.format("fast")).stdout == "False False False 1024\n"


def test_layouts_of_arrays_on_a_card_are_left_alone() -> None:
    """As the bits depend on it: also where TensorFlow runs already."""
    code = (
        "import tensorflow as tf; from dreamray.model.device import start_tensorflow\n"
        "tf.constant(1) + 1\n"
        "tf.config.list_physical_devices = lambda kind: ['a card'] if kind == 'GPU' else []\n"
        "def settled(card, on): raise RuntimeError('initialized')\n"
        "tf.config.experimental.set_memory_growth = settled\n"
        "start_tensorflow()\n"
        "print(tf.config.optimizer.get_experimental_options()['layout_optimizer'])"
    )
    assert python(code).stdout == "False\n"


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
