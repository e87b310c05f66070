"""Weights to begin with, from a file: safetensors, or what torch.save wrote."""

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from spaces.errors import ENVIRONMENT, UserError

KEY = "model.weights"
_TORCH = (".pth", ".pt", ".bin", ".ckpt")
# Where a checkpoint of others keeps the weights among other things, and what wrappers put before each name.
_SECTIONS = ("state_dict", "model_state_dict", "model", "state_dict_ema", "module")
_PREFIXES = ("module.", "_orig_mod.", "model.")


def read(path: Path) -> dict[str, Tensor]:
    """The weights of a file by name, on the CPU. Raises UserError.

    A file of torch's is read with ``weights_only``, so no code in it runs. Of a checkpoint the section with the weights
    is taken, and names lose what wrappers such as DataParallel put before them.
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
    return _unwrapped(_weights(content, path))


def _content(path: Path) -> object:
    import torch
    from safetensors.torch import load_file

    path.open("rb").close()  # what it raises says why
    if path.suffix == ".safetensors":
        return load_file(path)
    if path.suffix not in _TORCH:
        raise UserError(
            f"{path} has the ending `{path.suffix}`; weights are in .safetensors or {', '.join(_TORCH)}", key=KEY
        )
    return torch.load(path, map_location="cpu", weights_only=True)


def _weights(content: object, path: Path) -> dict[str, Tensor]:
    """The tensors by name in what a file holds, or in a section of it. Raises UserError."""
    for found in (content, *(content[name] for name in _SECTIONS if isinstance(content, Mapping) and name in content)):
        if isinstance(found, Mapping) and found:
            tensors = {str(name): value for name, value in found.items() if isinstance(value, Tensor)}
            if len(tensors) == len(found):
                return tensors
    raise UserError(f"{path} holds no weights by name", hint="save a state dict: network.state_dict()", key=KEY)


def _unwrapped(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    for prefix in _PREFIXES:
        if all(name.startswith(prefix) for name in weights):
            return _unwrapped({name.removeprefix(prefix): value for name, value in weights.items()})
    return weights


def _problem(error: Exception) -> str:
    """What is wrong with a file, in one line. torch's own advice on objects, to unpickle them all, is not passed on."""
    if type(error).__name__ == "UnpicklingError":
        return "Python objects are not read, because that may run code"
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}".rstrip(": ")
