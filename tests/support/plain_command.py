"""The command `dreamray` with the engine in NumPy, in this process and on a cluster's workers.

    python -m tests.support.plain_command 8 render cat.png dream.png --workers 2

The first argument is its pace, in seconds of a million pixels: a run that something is to happen
to may not be over too soon. A worker is ready in two seconds, rather than in ten. For what is not
about the network: see `ray_cluster.plain_dreamray`.
"""

from __future__ import annotations

import functools
import sys

from dreamray.bulk import job
from dreamray.cli.app import main
from dreamray.render import renderer
from tests.support.farm_tools import PlainSpec

if __name__ == "__main__":
    plain = functools.partial(PlainSpec, pace=float(sys.argv.pop(1)))
    job.EngineSpec = renderer.EngineSpec = plain  # type: ignore[assignment, misc]
    sys.argv[0] = "dreamray"
    main()
