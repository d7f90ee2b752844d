"""The ascent step in PyTorch, where torch and torchvision are installed.

The same network, cut off behind mixed5 and with random weights, which take the same time as
trained ones. Batch norms are not folded: nor does anybody who writes it like this. It has been
run on a CPU; on a GPU, which it uses where there is one, it has not been run.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torchvision

WEIGHTS = {"Mixed_5d": 0.2, "Mixed_6a": 0.5, "Mixed_6b": 2.0, "Mixed_6c": 1.5}
"""Keras' mixed2 to mixed5."""


class Objective(torch.nn.Module):  # type: ignore[misc]
    """The loss of a picture."""

    def __init__(self) -> None:
        super().__init__()
        whole = torchvision.models.inception_v3(
            weights=None, aux_logits=False, transform_input=False, init_weights=False
        )
        names = [name for name, _ in whole.named_children()]
        kept = names[: names.index("Mixed_6c") + 1]
        self.blocks = torch.nn.ModuleDict(
            {name: getattr(whole, name) for name in kept if name != "AuxLogits"}
        )
        self.eval().requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The weighted mean squares of the activations inside their borders."""
        loss = x.new_zeros(())
        for name, block in self.blocks.items():
            x = block(x)
            if name in WEIGHTS:
                inside = x[:, :, 2:-2, 2:-2].float()
                loss = loss + WEIGHTS[name] * inside.square().sum() / x.numel()
        return loss


def make_step(side: int, precision: str, compiled: bool, threads: int) -> Callable[[], float]:
    """A function that makes one step on a square picture and returns the loss."""
    torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tf32 = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = tf32
    torch.backends.cudnn.benchmark = True
    objective = Objective().to(device, memory_format=torch.channels_last)
    # For each shape by itself: what it compiles for any shape is slower.
    evaluate = torch.compile(objective, dynamic=False) if compiled else objective
    image = torch.rand((1, 3, side, side), device=device) * 2 - 1
    image = image.contiguous(memory_format=torch.channels_last).requires_grad_()

    def step() -> float:
        with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
            loss = evaluate(image)
        (gradient,) = torch.autograd.grad(loss, image)
        with torch.no_grad():
            image.add_(0.01 * gradient / gradient.abs().mean().clamp_min(1e-7))
        return float(loss.detach())

    return step
