"""The process that dreams: TensorFlow's threads and devices, and the memory allocator."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import tempfile
from collections.abc import Iterator

from dreamray.base.errors import RequestError

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


def start_tensorflow(threads: int | None = None) -> int:
    """Import TensorFlow with that many threads (None: one a processor); return the number.

    Graphics memory is taken as needed, and not all at once. Where TensorFlow has computed
    something in this process already, its threads stay as they are: RequestError if another
    number was asked for.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _native_stderr_held_back():
        import tensorflow as tf

    options = tf.config.threading
    try:
        wanted = threads or available_threads()
        if options.get_intra_op_parallelism_threads() != wanted:
            options.set_intra_op_parallelism_threads(wanted)
            options.set_inter_op_parallelism_threads(wanted)
            for gpu in tf.config.list_physical_devices("GPU"):
                tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        if threads not in (None, used_threads()):
            raise RequestError(
                f"threads: TensorFlow already runs in this process, not with {threads} threads; "
                "leave the number out, or dream before anything else uses TensorFlow"
            ) from None
    return used_threads()


def used_threads() -> int:
    """Threads that TensorFlow, imported already, computes one operation with."""
    import tensorflow as tf

    threads: int = tf.config.threading.get_intra_op_parallelism_threads()
    return threads or available_threads()  # 0 stands for one a processor.
