"""A network as readable Python source: plain torch.nn, one class for each kind of container, the same state-dict keys.

torch.fx traces every container by itself, with each child as a single call, so the source keeps the structure of the
network. Empty slots do not appear in it.
"""

import ast
import inspect
import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import nn

from senet_nas.export.forward_source import forward
from senet_nas.network.squeeze_excitation import OUTPUT, Slot, WithOutput, slot_name

_SHORT = 80  # columns of an nn.Sequential that stays on one line
_NAMED_PLACES = 4  # a class lists its places in the network up to this number
# The modules that define the layers of torch.nn.
_LAYERS = "torch.nn.modules."
# Types of a layer's settings that can be written as literals.
_PLAIN = (bool, int, float, str)


def source(network: nn.Module, name: str = "Network") -> str:
    """Definitions of all classes of the network, the last of them ``name``. They use the names torch, nn and F."""
    classes: dict[str, _Class] = {}
    _define(network, "", name, classes)
    return "\n\n\n".join(written.text() for written in classes.values())


def sources(modules: Mapping[str, nn.Module]) -> tuple[str, dict[str, str]]:
    """Definitions of the classes of several modules, and the name of the class of each; keys are the wanted names.

    Modules with the same source share one class.
    """
    classes: dict[str, _Class] = {}
    names = {name: _define(module, name, name, classes) for name, module in modules.items()}
    return "\n\n\n".join(written.text() for written in classes.values()), names


@dataclass
class _Class:
    name: str
    base: str
    body: str
    paths: list[str] = field(default_factory=list)

    def text(self) -> str:
        return f'class {self.name}({self.base}):\n    """{_where(self.paths)}"""\n\n{self.body}'


def _where(paths: list[str]) -> str:
    """Where in the network a class is used."""
    if not paths[0]:
        return "Samples (N, C, ...) -> logits (N, classes)."
    if len(paths) <= _NAMED_PLACES:
        return ", ".join(paths) + "."
    return f"{paths[0]} and {len(paths) - 1} more like it."


def _define(module: nn.Module, path: str, name: str, classes: dict[str, _Class]) -> str:
    """The name of the class for a container: a class with identical source, or else a new one."""
    base = "nn.Module"
    if _is_norm_with_more(module):
        base = "nn.BatchNorm2d"
        parts = [_norm_constructor(module, path, classes), _norm_forward(module)]
    elif _is_gated_layer(module):
        base = f"nn.{type(module).__mro__[2].__name__}"
        parts = [_layer_constructor(module, path, classes), _layer_forward(module)]
    else:
        parts = [_constructor(module, path, classes), forward(module)]
    body = "\n\n".join(filter(None, parts))
    key = base + body
    if key not in classes:
        classes[key] = _Class(_unused(name, classes), base, body)
    classes[key].paths.append(path)
    return classes[key].name


def _unused(name: str, classes: Mapping[str, _Class]) -> str:
    taken = {written.name for written in classes.values()}
    numbered = (f"{name}{number}" for number in itertools.count(2))
    return next(candidate for candidate in itertools.chain([name], numbered) if candidate not in taken)


def _class_name(module: nn.Module, path: str) -> str:
    """``Layer1Unit0`` for a module with weights at ``layer1.0``; the name of its own class for one without weights."""
    if not module.state_dict():
        return type(module).__name__
    words = (f"Unit{part}" if part.isdigit() else re.sub(r"[\W_]", "", part.title()) for part in path.split("."))
    return "".join(words)


# -- constructors -----------------------------------------------------------------------------------------------------


def _constructor(module: nn.Module, path: str, classes: dict[str, _Class]) -> str:
    lines = [
        f"        self.{name} = nn.Parameter(torch.empty({_size(own)}))"
        for name, own in module.named_parameters(recurse=False)
    ]
    kept = module.state_dict()
    for name, buffer in module.named_buffers(recurse=False):
        assert name in kept, f"the values of {path}.{name} are not in the state dict"
        lines.append(f'        self.register_buffer("{name}", torch.empty({_size(buffer)}, dtype={buffer.dtype}))')
    lines += [
        _put(name, _expression(child, f"{path}.{name}".lstrip("."), classes))
        for name, child in _children(module).items()
    ]
    return "\n".join(["    def __init__(self):", "        super().__init__()", *lines]) if lines else ""


def _put(name: str, made: str) -> str:
    """The statement that makes a child; a number as its name is no name of an attribute."""
    return f'        self.add_module("{name}", {made})' if name.isdigit() else f"        self.{name} = {made}"


def _size(tensor: torch.Tensor) -> str:
    return ", ".join(map(str, tensor.shape)) or "()"


def _layer_constructor(module: nn.Module, path: str, classes: dict[str, _Class]) -> str:
    """The constructor of a layer of torch.nn with SE behind it: that of the layer, then the SE block."""
    name = slot_name(module, OUTPUT)
    se = _expression(module.get_submodule(name), f"{path}.{name}", classes)
    call = ast.parse(_layer(module, type(module).__mro__[2]), mode="eval").body
    assert isinstance(call, ast.Call)
    given = ", ".join([*map(ast.unparse, call.args), *map(ast.unparse, call.keywords)])
    lines = ["    def __init__(self):", f"        super().__init__({given})", f"        self.{name} = {se}"]
    return "\n".join(lines)


def _layer_forward(module: nn.Module) -> str:
    name = slot_name(module, OUTPUT)
    return f"    def forward(self, x):\n        return self.{name}(super().forward(x))"


def _is_norm_with_more(module: nn.Module) -> bool:
    """Whether this is a BatchNorm with an activation in it, a class of timm's; its children follow the norm."""
    is_plain = type(module).__module__.startswith(_LAYERS)
    return isinstance(module, nn.BatchNorm2d) and not is_plain and not isinstance(module, WithOutput)


def _norm_constructor(module: nn.Module, path: str, classes: dict[str, _Class]) -> str:
    call = ast.parse(_layer(module, nn.BatchNorm2d), mode="eval").body
    assert isinstance(call, ast.Call)
    given = ", ".join([*map(ast.unparse, call.args), *map(ast.unparse, call.keywords)])
    lines = ["    def __init__(self):", f"        super().__init__({given})"]
    for name, child in _children(module).items():
        lines.append(f"        self.{name} = {_expression(child, f'{path}.{name}', classes)}")
    return "\n".join(lines)


def _norm_forward(module: nn.Module) -> str:
    value = "super().forward(x)"
    for name in _children(module):
        value = f"self.{name}({value})"
    return f"    def forward(self, x):\n        return {value}"


def _is_gated_layer(module: nn.Module) -> bool:
    """Whether this is a layer of torch.nn with SE behind it, which is written as a subclass of the layer."""
    return isinstance(module, WithOutput) and type(module).__mro__[2].__module__.startswith(_LAYERS)


def _expression(module: nn.Module, path: str, classes: dict[str, _Class]) -> str:
    """The source of a call that constructs a module."""
    kind = _kind(module)
    if kind.__module__.startswith(_LAYERS) and kind not in (nn.Sequential, nn.ModuleList, nn.ModuleDict):
        return f"nn.{_layer(module, kind)}"
    if kind is nn.ModuleList:
        items = [_expression(child, f"{path}.{name}", classes) for name, child in _children(module).items()]
        return f"nn.ModuleList([{', '.join(items)}])"
    if kind is nn.ModuleDict:
        named = ((name, _expression(child, f"{path}.{name}", classes)) for name, child in _children(module).items())
        entries = ", ".join(f"{name!r}: {made}" for name, made in named)
        return f"nn.ModuleDict({{{entries}}})"
    if kind.forward is nn.Sequential.forward:
        return _sequential(
            {name: _expression(child, f"{path}.{name}", classes) for name, child in _children(module).items()}
        )
    return f"{_define(module, path, _class_name(module, path), classes)}()"


def _kind(module: nn.Module) -> type[nn.Module]:
    """The class of a module; of a unit with an empty slot at its output, the class without the slot."""
    if isinstance(module, WithOutput) and isinstance(module.get_submodule(slot_name(module, OUTPUT)), Slot):
        return type(module).__mro__[2]
    return type(module)


def _children(module: nn.Module) -> dict[str, nn.Module]:
    """The children by name, also those that have a second name."""
    found = module.named_modules(remove_duplicate=False)
    return {name: child for name, child in found if name and "." not in name and not isinstance(child, Slot)}


def _sequential(children: Mapping[str, str]) -> str:
    if list(children) == [str(number) for number in range(len(children))]:
        items = list(children.values())
        start = "nn.Sequential("
        end = ")"
    else:
        items = [f'("{name}", {child})' for name, child in children.items()]
        start = "nn.Sequential(OrderedDict(["
        end = "]))"
    line = f"{start}{', '.join(items)}{end}"
    if len(line) <= _SHORT:
        return line
    return "\n".join([start, *(f"            {item}," for item in items), f"        {end}"])


def _layer(module: nn.Module, kind: type[nn.Module]) -> str:
    """A constructor call for a torch.nn layer, without default arguments, so that older releases of torch accept it.

    It begins with the layer's repr, and adds arguments that the repr leaves out, as ``count_include_pad`` of AvgPool2d.
    """
    call = ast.parse(f"{kind.__name__}({module.extra_repr()})", mode="eval").body
    assert isinstance(call, ast.Call), f"{module!r} is not a constructor call"
    parameters = inspect.signature(kind).parameters
    given = {*list(parameters)[: len(call.args)], *(word.arg for word in call.keywords)}
    call.keywords = [word for word in call.keywords if not _is_default(word, parameters[str(word.arg)].default)]
    for name, parameter in parameters.items():
        value = getattr(module, name, parameter.default)
        if name not in given and isinstance(value, _PLAIN) and value != parameter.default:
            call.keywords.append(ast.keyword(name, ast.Constant(value)))
    return ast.unparse(call)


def _is_default(word: ast.keyword, default: object) -> bool:
    value = ast.literal_eval(word.value)
    return value == default or (isinstance(value, tuple) and all(item == default for item in value))
