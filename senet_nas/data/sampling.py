"""Which images an epoch holds, and in which order."""

from collections.abc import Callable

import torch
from torch import Tensor


def shuffled(y_N: Tensor, generator: torch.Generator) -> Tensor:
    """Every image once: indices (N,)."""
    return torch.randperm(len(y_N), generator=generator)


def balanced(y_N: Tensor, generator: torch.Generator) -> Tensor:
    """Every class as often as the others: indices (N,), of which the first K hold each of the K classes once, the next K
    again, and so on. The images of a class come in a random order, and again in another one when all were there.

    Class-aware sampling (Shen et al., arXiv 1512.05830, section 3), as SENets were trained.
    """
    sizes = torch.bincount(y_N)
    classes = [members for members in torch.argsort(y_N, stable=True).split(sizes.tolist()) if len(members)]
    rounds = -(-len(y_N) // len(classes))
    table_RK = torch.stack([_repeated(members, rounds, generator) for members in classes], 1)
    turns_RK = torch.rand(table_RK.shape, generator=generator).argsort(1)
    return table_RK.gather(1, turns_RK).flatten()[: len(y_N)]


def _repeated(members: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """So many of the members, in one random order after the other."""
    orders = [torch.randperm(len(members), generator=generator) for _ in range(-(-n // len(members)))]
    return members[torch.cat(orders)[:n]]


# Add an order here, and its name to `train.sampling`.
ORDERS: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {"shuffle": shuffled, "balanced": balanced}
