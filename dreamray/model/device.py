"""The process that dreams: TensorFlow's threads, devices and kernels, and the memory allocator."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Literal

from dreamray.base.errors import RequestError

Kernels = Literal["reproducible", "fast"]
"""Which of a device's algorithms are taken: those that always give the same bits, or any."""

Compiler = Literal["none", "xla"]
"""Who makes one kernel of many of a step's operations: nobody, or XLA, for each shape anew."""

WORKSPACE = 1 << 30
"""Bytes of a graphics card that one convolution may take for the meantime.

Which algorithm is the first that works depends on it: so it is the same on every card.
"""

_LIMIT = "TF_CUDNN_WORKSPACE_LIMIT_IN_MB"

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # From glibc's malloc.h


def available_threads() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def keep_freed_memory() -> None:
    """Let the C allocator reuse large blocks instead of giving each back to the system.

    By default glibc maps every large block anew, and the kernel clears its pages one by one:
    up to a third of a step's time on large windows. For processes that do nothing but dream,
    before TensorFlow is imported. Without glibc nothing happens.
    """
    if not sys.platform.startswith("linux"):
        return
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(_M_MMAP_MAX, 0)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


@contextlib.contextmanager
def _native_stderr_held_back() -> Iterator[None]:
    """Keep what C++ code writes to standard error meanwhile, and show it on an exception only.

    TensorFlow greets with lines that no log level turns off.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    try:
        stderr = os.dup(2)
    except OSError:  # There is no standard error to keep anything from.
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except Exception:
            held.seek(0)
            os.write(stderr, held.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def start_tensorflow(threads: int | None = None, kernels: Kernels = "reproducible") -> int:
    """Import TensorFlow with that many threads (None: one a processor); return the number.

    Graphics memory is taken as needed, and not all at once. Where TensorFlow has computed
    something in this process already, its threads stay as they are: RequestError if another
    number was asked for. Float32 is float32: see `allow_tf32`. Kernels that are `reproducible`
    stay so for the rest of the process; TensorFlow's random operations then ask for a seed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    limit = str(WORKSPACE >> 20)
    if kernels == "reproducible":
        os.environ[_LIMIT] = limit
    os.environ.setdefault(_LIMIT, limit)
    with _native_stderr_held_back():
        import tensorflow as tf

    options = tf.config.threading
    try:
        wanted = threads or available_threads()
        if options.get_intra_op_parallelism_threads() != wanted:
            options.set_intra_op_parallelism_threads(wanted)
            options.set_inter_op_parallelism_threads(wanted)
    except RuntimeError:
        if threads not in (None, used_threads()):
            raise RequestError(
                f"threads: TensorFlow already runs in this process, not with {threads} threads; "
                "leave the number out, or dream before anything else uses TensorFlow"
            ) from None
    _prepare_cards()
    if kernels == "reproducible":
        _kernels.make_reproducible()
    allow_tf32(False)
    return used_threads()


def _prepare_cards() -> None:
    """Also where TensorFlow runs already: how it takes memory is settled then, bits are not."""
    import tensorflow as tf

    cards = tf.config.list_physical_devices("GPU")
    with contextlib.suppress(RuntimeError):
        for card in cards:
            tf.config.experimental.set_memory_growth(card, True)
    if cards:
        # Else what else is in a graph decides how convolutions see their arrays, and so the bits.
        tf.config.optimizer.set_experimental_options({"layout_optimizer": False})


class _ProcessKernels:
    """What was set for all of this process, and cannot be taken back."""

    reproducible = False

    def make_reproducible(self) -> None:
        import tensorflow as tf

        if not self.reproducible:
            tf.config.experimental.enable_op_determinism()
            self.reproducible = True


_kernels = _ProcessKernels()


def are_kernels_reproducible() -> bool:
    """Whether `start_tensorflow` made those of this process so."""
    return _kernels.reproducible


def allow_tf32(allowed: bool) -> None:
    """Let graphics cards round the factors of products to 10 bits, or not; TensorFlow's own
    default is that they do. For all of this process, from the next gradient on.
    """
    import tensorflow as tf

    switch = tf.config.experimental
    if switch.tensor_float_32_execution_enabled() != allowed:
        switch.enable_tensor_float_32_execution(allowed)


def used_threads() -> int:
    """Threads that TensorFlow, imported already, computes one operation with."""
    import tensorflow as tf

    threads: int = tf.config.threading.get_intra_op_parallelism_threads()
    return threads or available_threads()  # 0 stands for one a processor.
