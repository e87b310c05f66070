"""The order of the images in an epoch, and how often each of them occurs."""

import torch
from torch import Tensor


def shuffled(y_N: Tensor, generator: torch.Generator) -> Tensor:
    """Every image once: indices (N,)."""
    return torch.randperm(len(y_N), generator=generator)


def balanced(y_N: Tensor, generator: torch.Generator) -> Tensor:
    """Every class as often as the others: indices (N,).

    The first K indices hold each of the K classes once, as do the next K, and so on. The images of a class come in a
    random order; after the last of them, they come again in a new order.

    Class-aware sampling (Shen et al., arXiv 1512.05830, section 3), with which the published SENets were trained.
    """
    order_N = torch.argsort(y_N, stable=True)
    sizes = torch.bincount(y_N).tolist()
    classes = [members for members in torch.split(order_N, sizes) if len(members)]
    rounds = -(-len(y_N) // len(classes))
    table_RK = torch.stack([_repeated(members, rounds, generator) for members in classes], 1)
    turns_RK = torch.rand(table_RK.shape, generator=generator).argsort(1)
    return table_RK.gather(1, turns_RK).flatten()[: len(y_N)]


def _repeated(members: Tensor, n: int, generator: torch.Generator) -> Tensor:
    """``n`` members, in one random order after the other."""
    orders = [torch.randperm(len(members), generator=generator) for _ in range(-(-n // len(members)))]
    return members[torch.cat(orders)[:n]]


def class_weights(y_N: Tensor, classes: int) -> Tensor:
    """The weight of each class (K,): N / (K n) for the n of N labels; their mean over the labels is 1.

    What scikit-learn calls ``class_weight="balanced"``. A class without a label has the weight 0.
    """
    counts_K = torch.bincount(y_N.cpu(), minlength=classes).float()
    present = int((counts_K > 0).sum())
    return torch.where(counts_K > 0, len(y_N) / (present * counts_K.clamp(min=1)), 0.0)
