"""The tensors of a state dict as a safetensors file takes them."""

from collections.abc import Mapping

from torch import Tensor


def separate(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors on the CPU, contiguous, each in memory of its own: a tensor with two names is written twice."""
    seen: set[int] = set()
    found: dict[str, Tensor] = {}
    for name, value in state.items():
        tensor = value.detach().cpu().contiguous()
        place = tensor.untyped_storage().data_ptr()
        found[name] = tensor.clone() if place in seen else tensor
        seen.add(place)
    return found
