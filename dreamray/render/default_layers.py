"""The layers of a dream that names none: those that suit its weights."""

from __future__ import annotations

from dreamray.base.messages import Aside, Warn, shown
from dreamray.model.weights import bundled, imagenet, loader
from dreamray.model.weights.arrays import Weights
from dreamray.settings.dream import Dream


def settle_layers(dream: Dream, weights: Weights, warn: Warn) -> Dream:
    """The dream with its layers settled: as it names them, or else those that suit the weights.

    `warn` gets a line if they are other than a dream's without any weights. Raises
    WeightsError if the weights do not reach them.
    """
    settled = dream.settled(weights.layers)
    if settled.layers != dream.layers:
        warn(Aside(f"layers {settled.shown_layers}: they suit {shown(weights.name)}"))
    weights.check_reaches(settled.layer_names)
    return settled


def foresee_layers(source: str, dream: Dream, warn: Warn) -> Dream:
    """The dream as the weights of a source will settle it, as far as is known without them.

    Nothing is downloaded, and no file but the package's own is read. `warn` gets what that
    takes for granted. Raises WeightsError if the package's own are named, and do not reach.
    """
    named = loader.chosen(source)
    if named == "bestiary":
        return settle_layers(dream, bundled.read().weights, warn)
    if named == "auto" and not dream.names_layers and not imagenet.is_cached():
        others = dream.settled(bundled.read().weights.layers).shown_layers
        warn(
            "weights auto: taken to be ImageNet's, which are not here yet; where they cannot be "
            f"had, it is the bestiary's, with layers {others}"
        )
    return dream
