"""Gives what puts a fault into a program that is in memory already, so that a trial imports nothing again."""

import gc
import sys
from collections.abc import Callable, Sequence
from types import CodeType, FunctionType, ModuleType

from tests.mutation.faults import ROOT, Fault, with_fault

OURS = ("search", "senet_nas", "spaces", "tests")
Change = Callable[[], None]


class Memory:
    """Every function of this repository that is in memory, by its file and name."""

    def __init__(self) -> None:
        self._functions: dict[tuple[str, str], list[FunctionType]] = {}
        for thing in gc.get_objects():
            if isinstance(thing, FunctionType) and thing.__code__.co_filename.startswith(str(ROOT)):
                file = thing.__code__.co_filename[len(str(ROOT)) + 1 :]
                self._functions.setdefault((file, thing.__code__.co_qualname), []).append(thing)

    def change(self, fault: Fault) -> Change | None:
        """What puts the fault into this process; None if what it is in is not in memory."""
        whole = compile(with_fault(fault), str(ROOT / fault.file), "exec")
        if not fault.is_in_function:
            module = sys.modules.get(module_of(fault))
            return None if module is None else lambda: self._replace_values(fault, module, whole)
        code = _code_of(whole, fault)
        # A property and its setter have one name: the line tells them apart.
        old = [
            function
            for function in self._functions.get((fault.file, fault.function), [])
            if function.__code__.co_firstlineno == code.co_firstlineno
        ]
        return (lambda: _replace_code(old, code)) if old else None

    def _replace_values(self, fault: Fault, module: ModuleType, whole: CodeType) -> None:
        """Runs the faulty module beside the true one, and takes over its constants, fields and default arguments."""
        faulty = ModuleType(module.__name__)
        faulty.__file__ = module.__file__
        exec(whole, faulty.__dict__)
        for (file, name), functions in Memory()._functions.items():
            if file == fault.file:
                made = [function for function in functions if function.__globals__ is faulty.__dict__]
                for old in self._functions.get((file, name), []) if made else []:
                    _take_defaults(old, made[-1])
        for name, new in vars(faulty).items():
            old = vars(module).get(name)
            if isinstance(new, type) and isinstance(old, type):
                _take_fields(old, new)
            elif not name.startswith("__") and not callable(new) and _differs(old, new):
                _set_everywhere(name, old, new)


def module_of(fault: Fault) -> str:
    """The dotted name of the module that a fault is in."""
    return fault.file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def _code_of(whole: CodeType, fault: Fault) -> CodeType:
    """The code of the outermost function around a fault: the last of its name that begins before it."""
    waiting = [whole]
    candidates = []
    while waiting:
        code = waiting.pop()
        if code.co_qualname == fault.function and code.co_firstlineno <= fault.line:
            candidates.append(code)
        waiting += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
    return max(candidates, key=lambda code: code.co_firstlineno)


def _replace_code(functions: Sequence[FunctionType], code: CodeType) -> None:
    for function in functions:
        function.__code__ = code


def _take_defaults(old: FunctionType, new: FunctionType) -> None:
    old.__defaults__ = new.__defaults__
    old.__kwdefaults__ = new.__kwdefaults__


def _take_fields(old: type, new: type) -> None:
    """Fields of a dataclass, and other values that a class holds."""
    if isinstance(old.__init__, FunctionType) and isinstance(new.__init__, FunctionType):
        _take_defaults(old.__init__, new.__init__)
    for name, value in vars(new).items():
        if not name.startswith("__") and isinstance(value, bool | int | float | str | tuple):
            setattr(old, name, value)


def _differs(old: object, new: object) -> bool:
    try:
        return bool(old != new)
    except ValueError:  # arrays
        return True


def _set_everywhere(name: str, old: object, new: object) -> None:
    """In every module of ours that has the constant, its own or imported."""
    for module in list(sys.modules.values()):
        if module.__name__.split(".")[0] in OURS and vars(module).get(name) is old:
            setattr(module, name, new)
