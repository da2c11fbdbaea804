"""Muon for the matrices of the layers, AdamW for the rest (embedding and norms)."""

from collections import defaultdict

import torch
from torch import Tensor

from model import PRODUCT


@torch.compile(dynamic=False)
def orthogonal(updates: Tensor) -> Tensor:
    """Return the nearest (semi-)orthogonal matrices by five Newton-Schulz steps; rows <= columns."""
    x = updates.to(PRODUCT)
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        a = x @ x.mT
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.float()


class Muon:
    """Momentum, orthogonalised; matrices of one shape are handled together."""

    def __init__(self, parameters: list[Tensor], momentum: float = 0.95) -> None:
        groups: dict[tuple[int, ...], list[Tensor]] = defaultdict(list)
        for parameter in parameters:
            groups[tuple(parameter.shape)].append(parameter)
        self.groups = list(groups.values())
        self.buffers = [torch.zeros(len(group), *group[0].shape) for group in self.groups]
        self.momentum = momentum

    @torch.no_grad()
    def step(self, rate: float, decay: float) -> None:
        """Move every matrix by `rate` along its orthogonalised momentum."""
        for group, buffer in zip(self.groups, self.buffers, strict=True):
            gradient = torch.stack([p.grad for p in group])
            buffer.lerp_(gradient, 1 - self.momentum)
            update = gradient.lerp(buffer, self.momentum)
            rows, columns = update.shape[1:]
            update = orthogonal(update.mT).mT if rows > columns else orthogonal(update)
            for parameter, delta in zip(group, update, strict=True):
                parameter.mul_(1 - rate * decay).add_(delta, alpha=-rate * max(1.0, rows / columns) ** 0.5)

    def state_dict(self) -> list[Tensor]:
        """The momenta."""
        return self.buffers

    def load_state_dict(self, state: list[Tensor]) -> None:
        """Continue with saved momenta."""
        for mine, saved in zip(self.buffers, state, strict=True):
            mine.copy_(saved)
