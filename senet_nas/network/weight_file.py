"""Weights to begin with, from a file: safetensors, or what torch.save wrote."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from spaces.errors import ENVIRONMENT, UserError

KEY = "model.weights"
_TORCH = (".pth", ".pt", ".bin", ".ckpt")
# Where a checkpoint of others keeps the weights among other things: averaged ones first, as timm takes them.
_SECTIONS = ("state_dict_ema", "model_ema", "state_dict", "model_state_dict", "model", "module")
# What wrappers put before each name.
_WRAPPERS = ("module.", "_orig_mod.", "model.")
# What OpenMMLab puts before the names of its parts; the last layer of its classifiers is `head.fc`.
_BACKBONE = "backbone."
_HEAD = "head."
# How files that torch.save writes begin: a zip archive, and a pickle as before torch 1.6.
_BEGINNINGS = (b"PK\x03\x04", b"\x80")
_SHOWN = 24


@dataclass(frozen=True)
class Stored:
    """Weights by name. ``section`` is the one that was taken of a checkpoint with several."""

    tensors: Mapping[str, Tensor]
    section: str = ""

    def named_as(self, wanted: Collection[str]) -> Mapping[str, Tensor]:
        """The weights under the names of a network, as far as wrappers or OpenMMLab only put something before them."""
        return max(_renamed(dict(self.tensors)), key=lambda names: len(names.keys() & set(wanted)))


def read(path: Path) -> Stored:
    """The weights of a file by name, on the CPU. Raises UserError.

    A file of torch's is read with ``weights_only``, so no code in it runs. Of a checkpoint the section with the weights
    is taken.
    """
    try:
        content = _content(path)
    except UserError:
        raise
    except OSError as error:
        hint = "a relative path starts at the folder of the config"
        raise UserError(f"cannot read {path}: {error.strerror}", hint=hint, key=KEY, code=ENVIRONMENT) from error
    except Exception as error:  # torch and safetensors raise many kinds for a damaged file
        hint = "save a state dict: torch.save(network.state_dict(), file), or safetensors"
        raise UserError(f"{path} holds no weights: {_problem(error)}", hint=hint, key=KEY) from error
    return _weights(content, path)


def _content(path: Path) -> object:
    import torch
    from safetensors.torch import load_file

    with path.open("rb") as opened:  # what it raises says why
        begins = opened.read(_SHOWN)
    if path.suffix == ".safetensors":
        return load_file(path)
    if path.suffix not in _TORCH:
        raise UserError(
            f"{path} has the ending `{path.suffix}`; weights are in .safetensors or {', '.join(_TORCH)}", key=KEY
        )
    if not begins.startswith(_BEGINNINGS):
        raise UserError(
            f"{path} was not written by torch.save: it begins with {begins!r}",
            hint="download it again; a pointer of Git LFS needs `git lfs pull`",
            key=KEY,
        )
    return torch.load(path, map_location="cpu", weights_only=True)


def _weights(content: object, path: Path) -> Stored:
    """The tensors by name in what a file holds, or in a section of it. Raises UserError."""
    if tensors := _tensors(content):
        return Stored(tensors)
    sections = {name: _tensors(content[name]) for name in _SECTIONS if isinstance(content, Mapping) and name in content}
    filled = [name for name, tensors in sections.items() if tensors]
    if not filled:
        raise UserError(f"{path} holds no weights by name", hint="save a state dict: network.state_dict()", key=KEY)
    return Stored(sections[filled[0]], filled[0] if len(filled) > 1 else "")


def _tensors(found: object) -> dict[str, Tensor]:
    """The tensors of a mapping by name; empty if it holds anything else."""
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        return {}
    return {str(name): value for name, value in found.items()}


def _renamed(weights: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """The same weights, and what is left of their names without what was put before them."""
    yield weights
    if any(name.startswith(_BACKBONE) for name in weights):
        yield {name.removeprefix(_BACKBONE).removeprefix(_HEAD): value for name, value in weights.items()}
    for prefix in _WRAPPERS:
        if all(name.startswith(prefix) for name in weights):
            yield from _renamed({name.removeprefix(prefix): value for name, value in weights.items()})


def _problem(error: Exception) -> str:
    """What is wrong with a file, in one line. torch's own advice on objects, to unpickle them all, is not passed on."""
    if type(error).__name__ == "UnpicklingError":
        is_damaged = "Unsupported operand" in str(error)
        return "it is damaged" if is_damaged else "Python objects are not read, because that may run code"
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".rstrip(": ")
