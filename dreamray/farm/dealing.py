"""What the workers of a cluster are told of an octave that they make together."""

from __future__ import annotations

from dataclasses import dataclass

from dreamray.engine.ascent import Octave
from dreamray.engine.lockstep.mailbox import Epoch, Limits
from dreamray.farm.zeromq import Endpoint


@dataclass(frozen=True)
class Dealing:
    """Whose tiles are whose, until they are dealt anew: the same for all."""

    octave: Octave
    owners: tuple[int, ...]
    """The worker of each tile, by numbers from 0."""
    epoch: Epoch
    limits: Limits
    endpoints: tuple[Endpoint, ...]
    """Of each worker; empty where there is one."""
    silence: float
    """Seconds without a word of the driver, after which nothing is decided or stored any more.

    A driver that is stopped or cut off does not renew its lease, and half a minute later another
    run may have taken that over (`dreamray.storage.lease`).
    """
