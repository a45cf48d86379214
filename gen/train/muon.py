"""Muon: momentum with matrix updates made orthogonal; it trains these small models in far fewer steps than Adam."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

# The coefficients of the quintic Newton-Schulz step, from the source of the method.
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonal(update: Tensor, steps: int = 5) -> Tensor:
    """The nearest matrix with singular values about 1: (rows, columns) → the same shape.

    source: Jordan et al. 2024, Muon: an optimizer for hidden layers (kellerjordan.github.io/posts/muon)
    """
    x: Tensor = update / (update.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(steps):
        square = x @ x.T
        x = A * x + (B * square + C * square @ square) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Muon for weights of two and more dimensions (the first is the output's); anything else belongs to Adam."""

    def __init__(self, weights: Iterable[Tensor], lr: float, momentum: float = 0.95) -> None:
        super().__init__(weights, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Move every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                update = weight.grad.lerp(state["momentum"], group["momentum"]).flatten(1)
                scale = max(1.0, update.shape[0] / update.shape[1]) ** 0.5
                weight.add_(orthogonal(update).view_as(weight), alpha=-group["lr"] * scale)


class Pair:
    """Two optimisers as one: Muon for the matrices, Adam for biases, norms and whatever is named in `adam`."""

    def __init__(self, model: Any, rate: float, adam_rate: float, adam: tuple[str, ...] = ()) -> None:
        named = [(name, weight) for name, weight in model.named_parameters() if weight.requires_grad]
        plain = [w for name, w in named if w.dim() < 2 or any(part in name for part in adam)]
        chosen = {id(w) for w in plain}
        self.muon = Muon([w for _, w in named if id(w) not in chosen], rate)
        self.adam = torch.optim.AdamW(plain, lr=adam_rate, betas=(0.9, 0.98), weight_decay=0.0)
        self.rates = (rate, adam_rate)

    def step(self, factor: float) -> None:
        """One step at `factor` times the full rates; forgets the gradients."""
        for optimiser, rate in zip((self.muon, self.adam), self.rates, strict=True):
            for group in optimiser.param_groups:
                group["lr"] = rate * factor
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)

    def state_dict(self) -> dict[str, Any]:
        """Both states."""
        return {"muon": self.muon.state_dict(), "adam": self.adam.state_dict()}

    def load_state_dict(self, held: dict[str, Any]) -> None:
        """Both states back."""
        self.muon.load_state_dict(held["muon"])
        self.adam.load_state_dict(held["adam"])
