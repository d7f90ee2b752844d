"""What a process computes with, as far as the bits of what it computes may depend on it.

Two processes that say the same of themselves are of one kind: the same work has the same bytes
there. A result says which kind made it, and unfinished work is gone on with by its own kind alone.
"""

from __future__ import annotations

import platform
from typing import Any

import tensorflow as tf

from dreamray.model.cuda import cudnn_version, first_card
from dreamray.model.device import are_kernels_reproducible, used_threads
from dreamray.model.processor import this_processor


def describe_process(*, tf32: bool = False) -> dict[str, Any]:
    """The device and software of this process, whose TensorFlow is imported already.

    `tf32` is what gradients are computed with: the process's switch is set for each anew.
    On a graphics card the processor beside it is left out: what it computes for a picture, NumPy
    and SciPy round in the same way everywhere.
    """
    cards = tf.config.list_physical_devices("GPU")
    about: dict[str, Any] = {
        "threads": used_threads(),
        "device": f"CPU {platform.machine()}",
        "tensorflow": tf.__version__,
        "determinism": "on" if are_kernels_reproducible() else "off",
    }
    if cards:
        return about | _describe_card(cards[0], tf32)
    processor = this_processor()
    return about | {"processor": processor.name, "instructions": processor.instructions}


def _describe_card(card: Any, tf32: bool) -> dict[str, Any]:
    details = tf.config.experimental.get_device_details(card)
    capability = details.get("compute_capability")
    told = first_card()
    return {
        "device": f"GPU {details.get('device_name', 'unknown')}",
        "compute_capability": ".".join(map(str, capability)) if capability else "unknown",
        "multiprocessors": told.multiprocessors if told else "unknown",
        "driver": told.driver if told else "unknown",
        "cudnn": cudnn_version(str(tf.sysconfig.get_build_info().get("cudnn_version", ""))),
        "tf32": "on" if tf32 else "off",
    }
