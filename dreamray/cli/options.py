"""The command line's options for the settings of a dream and of its execution.

The same on every command. The values are validated by `Dream` and `Execution`, which are not
imported here: `dreamray --help` answers at once.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import typer


@dataclass(frozen=True)
class Option:
    """An option that gives one setting, as text."""

    setting: str
    metavar: str
    help: str
    repeatable: bool = False
    on: str | None = None
    """The value that the option stands for by itself, where it takes none."""
    name: str | None = None
    """Where it is not that of the setting."""

    @property
    def flag(self) -> str:
        """As it is written: `--octave-scale`."""
        return "--" + (self.name or self.setting).replace("_", "-")


DREAM = (
    Option(
        "layer",
        "NAME=WEIGHT",
        "A layer to amplify, or some channels of it as in mixed4[12,40]=2. Repeatable. Default: "
        "those that suit the weights; of ImageNet's mixed2=0.2 mixed3=0.5 mixed4=2 mixed5=1.5.",
        repeatable=True,
    ),
    Option(
        "objective",
        "SUM",
        "All layers at once, as a sum of terms: mixed4[12] + 2*mixed5 - 0.5*mean(mixed3). Terms: a "
        "layer's mean square, mean(), direction(), cosine(); near() a place, masked(); tv and l2 "
        "to damp.",
    ),
    Option("step", "NUMBER", "How far each iteration goes. Default 0.01."),
    Option("octaves", "N|auto", "Sizes that the dream runs through. Default 3."),
    Option("octave_scale", "NUMBER", "Ratio of one octave's size to the one before. Default 1.4."),
    Option(
        "octave_sizes",
        "N,N,…",
        "Longer sides of the octaves in pixels, ascending, in place of these two; the picture's "
        "own size comes last.",
    ),
    Option("iterations", "N", "Steps in each octave, at most. Default 20."),
    Option("max_loss", "N|none", "An octave ends when its loss is over this. Default 10."),
    Option("jitter", "PIXELS", "Roll the picture randomly by up to this in each step. Default 0."),
    Option("seed", "N", "Seed of the jitter. Default 0."),
    Option(
        "margin",
        "PIXELS|auto",
        "Mirror so much around the picture, dream it too, and cut it off: else a frame stays "
        "nearly undreamt. Default: none.",
    ),
    Option(
        "size",
        "PIXELS|none",
        "Longer side of the result: a larger picture is first reduced to it. Default: all of it.",
    ),
    Option(
        "strength",
        "NUMBER",
        "How much of the dream is in the result, from 0 to 1; the rest is the picture. Default 1.",
    ),
    Option(
        "colours",
        "dream|keep",
        "Keep the picture's colours: the dream changes its lightness alone. Default dream.",
    ),
    Option(
        "mask",
        "PICTURE",
        "A path or s3:// URI: what is white in it is dreamt, what is black stays to the bit; of "
        "any size, but the aspect of the picture.",
    ),
    Option(
        "mask_layers",
        "NAME=PICTURE",
        "A mask for single terms, in black and white as --mask: for all of a layer, as in "
        "mixed4=sky.png, or by a name for masked(mixed4,sky). Repeatable.",
        repeatable=True,
        name="mask-layer",
    ),
    Option(
        "guide",
        "PICTURE",
        "A path or s3:// URI: layers grow what in each place is most like something in it.",
    ),
    Option(
        "smooth",
        "PIXELS",
        "Smooth the gradient by Gaussians that narrow to this within an octave. Default 0: not.",
    ),
    Option(
        "laplacian",
        "N",
        "Normalise so many bands of the gradient apart, and what is coarser than they. Default 0.",
    ),
    Option(
        "optimizer",
        "NAME",
        "normalized, momentum or adam: what a step follows. Default normalized.",
    ),
    Option(
        "schedule", "NAME", "constant, linear or cosine: steps become shorter. Default constant."
    ),
)

EXECUTION = (
    Option(
        "weights",
        "SOURCE",
        "auto, imagenet, bestiary (in the package), random (untrained), or the path or s3:// URI "
        "of a Keras weights file. Default auto: $DREAMRAY_WEIGHTS, else imagenet, else, with a "
        "warning, bestiary.",
    ),
    Option(
        "precision",
        "TYPE",
        "float32, tf32 (on GPUs), or bfloat16, which is another draw of the dream: faster on GPUs "
        "and on processors that have it; `dreamray plan` says whether this one does.",
    ),
    Option(
        "kernels",
        "",
        "Let a GPU take whichever algorithms it finds the fastest: other bits in each run.",
        on="fast",
        name="fast",
    ),
    Option(
        "compiler",
        "",
        "Let XLA compile each shape of window: perhaps faster on a GPU, slower on a processor.",
        on="xla",
        name="xla",
    ),
    Option("tile", "N|auto", "Largest side of a tile in pixels. Default auto: what memory allows."),
    Option("overlap", "N|exact", "Pixels around a tile. Less than exact is approximate."),
    Option(
        "seams",
        "exact|blend",
        "Tiles in step, without a seam, or each by itself and blended. Default exact.",
    ),
    Option(
        "memory",
        "SIZE|auto",
        "Budget of a worker, such as 8GiB. Default auto: half of the machine's, on Ray 4GiB.",
    ),
    Option("threads", "N", "Processors for each worker. Default: all, shared out."),
    Option(
        "metadata",
        "",
        "Leave out what the source's EXIF tells: places, dates, names, cameras.",
        on="strip",
        name="strip_metadata",
    ),
)

FARM = (
    Option(
        "workers",
        "N|MIN:MAX",
        "Workers to ask Ray for. Default: 1, this process; with --address what is there.",
    ),
    Option(
        "same_kind",
        "auto|always|never",
        "Have all workers on nodes of one kind, by Ray's label dreamray.io/kind. Default auto: for "
        "a picture in exact tiles.",
    ),
    Option("gpus_per_worker", "N|auto", "Default auto: 1 where the cluster has any."),
    Option(
        "address",
        "HOST:PORT|auto|local",
        "A Ray cluster to run on. Default: $RAY_ADDRESS, or one of its own.",
    ),
    Option("wait", "SECONDS", "For the first worker to come up. Default 600."),
    Option(
        "work",
        "URI",
        "Folder for checkpoints, which all workers reach. Default: .dreamray beside the output.",
    ),
    Option(
        "checkpoint_every",
        "N",
        "Steps between checkpoints. Default: one at the end of each octave.",
    ),
    Option(
        "exchange_ports",
        "FIRST-LAST",
        "TCP ports that workers hear one another on. Default: any that are free.",
    ),
)

FILES = (
    Option("preset", "NAME", "Settings of a name: `dreamray presets` lists them."),
    Option("config", "FILE", "YAML file of settings, as `dreamray show` prints them."),
    Option("like", "PICTURE", "Take the settings of an earlier result."),
)

_PANELS = {"Dream": DREAM, "Running": EXECUTION, "Workers": FARM, "Settings from files": FILES}

CliOptions = dict[str, Any]
"""The settings that were given, by name: text, or a list of texts where repeatable."""


def with_settings(
    command: Callable[..., None], *, but: frozenset[str] = frozenset()
) -> Callable[..., None]:
    """Give a command the options above; it gets those that were used as `given`.

    `but` are settings for which it has none, or options of its own.
    """
    panels = {
        panel: [option for option in options if option.setting not in but]
        for panel, options in _PANELS.items()
    }

    @functools.wraps(command)
    def wrapper(**values: Any) -> None:
        every = [option for panel in panels.values() for option in panel]
        given = {o.setting: values.pop(o.setting) for o in every if o.setting in values}
        given = {name: value for name, value in given.items() if value not in (None, [])}
        given |= {o.setting: o.on for o in every if o.on and o.setting in given}
        command(**values, given=given)

    signature = inspect.signature(command, eval_str=True)
    own = [p for name, p in signature.parameters.items() if name != "given"]
    added = [
        inspect.Parameter(
            option.setting,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=_annotation(option, panel),
        )
        for panel, options in panels.items()
        for option in options
    ]
    parameters = [*own, *added]
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in parameters}
    return wrapper


def _annotation(option: Option, panel: str) -> Any:
    kind: Any = list[str] if option.repeatable else bool if option.on else str
    described = typer.Option(
        option.flag, metavar=option.metavar or None, help=option.help, rich_help_panel=panel
    )
    return Annotated[kind | None, described]
