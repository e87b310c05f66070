"""Networks as people write them, odd ones among them: each is a name, the source of its class, and sites or a refusal.

``FORMS`` maps a name to (body of a module, sites, what the error says or None if the network must work).
"""

HEAD = """
import torch
from torch import nn
from torch.nn import functional as F


class Base(nn.Module):
    def __init__(self, c, k):
        super().__init__()
        self.conv = nn.Conv2d(c, 8, 3, padding=1)
        self.bn = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, k)

    def body(self, x):
        return F.relu(self.bn(self.conv(x)))

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


"""


def returning(expression: str) -> str:
    """A network whose forward pass ends with an expression of its logits ``y`` and input ``x``."""
    return f"""
class Net(Base):
    def forward(self, x):
        y = super().forward(x)
        {expression}
"""


def having(*lines: str, forward: str = "return super().forward(x)") -> str:
    """A network with more lines in its constructor, and the last lines of its forward pass."""
    more = "\n        ".join(lines)
    return f"""
class Net(Base):
    def __init__(self, c, k):
        super().__init__(c, k)
        {more}

    def forward(self, x):
        {forward}
"""


PLAIN = "class Net(Base):\n    pass\n"
NET = "def net(in_channels, num_classes):\n    return Net(in_channels, num_classes)\n"
HIDDEN = "return self.head(self.extra(self.body(x)).mean((2, 3)))"
# The name of the module that a case lies in; its network is ``net``.
MODULE = "oddnet"

# name: (source, sites, part of the error; None if it must work)
FORMS: dict[str, tuple[str, str, str | None]] = {
    # -- what is returned
    "returns a tuple": (returning("return y, y") + NET, "conv", "returns a tuple of 2"),
    "returns a list": (returning("return [y]") + NET, "conv", "returns a list of 1"),
    "returns a dict": (returning("return {'logits': y}") + NET, "conv", "returns dict"),
    "returns None": (returning("return None") + NET, "conv", "returns NoneType"),
    "returns a number": (returning("return 3.0") + NET, "conv", "returns float"),
    "returns a generator": (returning("return (row for row in y)") + NET, "conv", "returns generator"),
    "returns a scalar tensor": (returning("return y.mean()") + NET, "conv", "returns a tensor () for 3 inputs"),
    "returns maps": (returning("return y[:, :, None, None]") + NET, "conv", "returns (N, 4, 1, 1)"),
    "returns classes first": (returning("return y.t()") + NET, "conv", "returns a tensor (4, 3) for 3 inputs"),
    "returns too few classes": (returning("return y[:, :2]") + NET, "conv", "returns (N, 2), the data have 4 classes"),
    "returns 1000 classes": (PLAIN + "def net(in_channels):\n    return Net(in_channels, 1000)\n", "conv", "(N, 1000)"),
    "returns NaN": (returning("return y * float('nan')") + NET, "conv", "returns NaN or infinity"),
    "returns infinity": (returning("return y / 0") + NET, "conv", "returns NaN or infinity"),
    "returns integers": (returning("return y.long()") + NET, "conv", "returns numbers of type int64"),
    "returns complex numbers": (returning("return y + 0j") + NET, "conv", "returns numbers of type complex64"),
    "returns float64": (returning("return y.double()") + NET, "conv", None),
    "returns a tuple in training": (
        returning("return (y, y) if self.training else y") + NET, "conv", "a tuple of 2 in training mode",
    ),
    "returns without gradient": (returning("return y.detach()") + NET, "conv", "does not depend on a parameter"),
    "returns a constant": (returning("return torch.zeros(len(x), 4)") + NET, "conv", "does not depend on a parameter"),
    "returns noise": (returning("return y + torch.rand_like(y)") + NET, "conv", "two outputs for the same input"),
    # -- modes
    "its train returns nothing": (
        "class Net(Base):\n    def train(self, mode=True):\n        super().train(mode)\n" + NET, "conv", None,
    ),
    # -- parameters
    "frozen": (having("self.requires_grad_(False)") + NET, "conv", "are all frozen"),
    "partly frozen": (having("self.conv.requires_grad_(False)") + NET, "bn", None),
    "without parameters": (
        "class Net(nn.Module):\n    def __init__(self, c, k):\n        super().__init__()\n"
        "        self.act = nn.ReLU()\n    def forward(self, x):\n"
        "        return self.act(x.repeat(1, 4, 1, 1)).mean((2, 3))\n" + NET, "act", "do not exist",
    ),
    "on the meta device": (
        PLAIN + "def net(in_channels, num_classes):\n    return Net(in_channels, num_classes).to('meta')\n",
        "conv", "on the meta device",
    ),
    "lazy": (having("self.extra = nn.LazyConv2d(8, 1)", forward=HIDDEN) + NET, "conv", "a lazy layer"),
    "float64 weights": (having("self.double()") + NET, "conv", "cannot be run to find its channels"),
    "half weights": (having("self.half()") + NET, "conv", "cannot be run to find its channels"),
    "a parameter of its own": (
        having("self.scale = nn.Parameter(torch.ones(8, 1, 1))", "self.extra = nn.Identity()",
               forward="return self.head((self.body(x) * self.scale).mean((2, 3)))") + NET, "conv", None,
    ),
    "a scalar parameter": (
        having("self.scale = nn.Parameter(torch.tensor(2.0))", forward="return super().forward(x) * self.scale") + NET,
        "conv", None,
    ),
    "an unused layer": (having("self.extra = nn.Linear(3, 3)") + NET, "conv", None),
    "tied parameters": (
        having("self.extra = nn.Conv2d(8, 8, 1)", "self.other = nn.Conv2d(8, 8, 1)",
               "self.other.weight = self.extra.weight",
               forward="return self.head(self.other(self.extra(self.body(x))).mean((2, 3)))") + NET, "conv", None,
    ),
    "weight norm": (
        having("self.extra = nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 1))", forward=HIDDEN) + NET,
        "conv", None,
    ),
    "weight norm at the site": (
        having("self.extra = nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 8, 1))", forward=HIDDEN) + NET,
        "extra", None,
    ),
    # -- buffers
    "a buffer": (having("self.register_buffer('shift', torch.ones(1))",
                        forward="return super().forward(x + self.shift)") + NET, "conv", None),
    "an integer buffer": (having("self.register_buffer('order', torch.tensor([2, 0, 1, 3]))",
                                 forward="return super().forward(x)[:, self.order]") + NET, "conv", None),
    "a buffer that is not saved": (having("self.register_buffer('shift', torch.ones(1), persistent=False)",
                                          forward="return super().forward(x + self.shift)") + NET, "conv", None),
    "BatchNorm at the site": (PLAIN + NET, "bn", None),
    "BatchNorm without statistics": (
        having("self.bn = nn.BatchNorm2d(8, track_running_stats=False)") + NET, "bn", None,
    ),
    "GroupNorm at the site": (having("self.bn = nn.GroupNorm(2, 8)") + NET, "bn", None),
    "a spectral norm": (
        having("self.extra = nn.utils.parametrizations.spectral_norm(nn.Conv2d(8, 8, 1))", forward=HIDDEN) + NET,
        "conv", None,
    ),
    # -- names
    "a child called stages": (having("self.stages = nn.Sequential(nn.Conv2d(8, 8, 1))",
                                     forward="return self.head(self.stages(self.body(x)).mean((2, 3)))") + NET,
                              "stages.0", None),
    "a list called stages": (having("self.stages = ['a', 'b']") + NET, "conv", None),
    "a child called blocks": (having("self.blocks = nn.Conv2d(8, 8, 1)",
                                     forward="return self.head(self.blocks(self.body(x)).mean((2, 3)))") + NET,
                              "blocks", None),
    "a child called output": (
        "class Unit(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.output = nn.Conv2d(8, 8, 1)\n    def forward(self, x):\n        return self.output(x)\n\n\n"
        + having("self.extra = Unit()", forward=HIDDEN) + NET, "extra", None,
    ),
    "a method called output": (
        "class Unit(nn.Conv2d):\n    def output(self):\n        return 3\n\n\n"
        + having("self.extra = Unit(8, 8, 1)", forward=HIDDEN) + NET, "extra", None,
    ),
    "a child called units": (having("self.units = nn.Conv2d(8, 8, 1)",
                                    forward="return self.head(self.units(self.body(x)).mean((2, 3)))") + NET,
                             "units", None),
    # -- where sites stand
    "a site in a Sequential": (having("self.extra = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())", forward=HIDDEN)
                               + NET, "extra.0", None),
    "a Sequential as site": (having("self.extra = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())", forward=HIDDEN)
                             + NET, "extra", None),
    "nested sites": (having("self.extra = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())", forward=HIDDEN)
                     + NET, "extra,extra.*", None),
    "sites in a ModuleList": (
        having("self.many = nn.ModuleList(nn.Conv2d(8, 8, 1) for _ in range(2))",
               forward="x = self.body(x)\n        for layer in self.many:\n            x = layer(x)\n"
                       "        return self.head(x.mean((2, 3)))") + NET, "many.*", None,
    ),
    "sites in a ModuleDict": (
        having("self.many = nn.ModuleDict({'a': nn.Conv2d(8, 8, 1)})",
               forward="return self.head(self.many['a'](self.body(x)).mean((2, 3)))") + NET, "many.a", None,
    ),
    "a ModuleList as site": (
        having("self.many = nn.ModuleList([nn.Conv2d(8, 8, 1)])",
               forward="return self.head(self.many[0](self.body(x)).mean((2, 3)))") + NET, "many", "is not called",
    ),
    "a site that is not called": (having("self.extra = nn.Conv2d(8, 8, 1)") + NET, "extra", "is not called"),
    "a site that is called twice": (
        having("self.extra = nn.Conv2d(8, 8, 1)",
               forward="return self.head(self.extra(self.extra(self.body(x))).mean((2, 3)))") + NET,
        "extra", "is called 2 times",
    ),
    "a site with two inputs": (
        "class Unit(nn.Conv2d):\n    def forward(self, x, y):\n        return super().forward(x + y)\n\n\n"
        + having("self.extra = Unit(8, 8, 1)",
                 forward="x = self.body(x)\n        return self.head(self.extra(x, x).mean((2, 3)))") + NET,
        "extra", "does not take exactly one tensor",
    ),
    "a site that returns a pair": (
        "class Unit(nn.Conv2d):\n    def forward(self, x):\n        return super().forward(x), x\n\n\n"
        + having("self.extra = Unit(8, 8, 1)",
                 forward="return self.head(self.extra(self.body(x))[0].mean((2, 3)))") + NET,
        "extra", "does not return one tensor",
    ),
    "a site without maps": (PLAIN + NET, "head", "does not return one tensor"),
    "a forward of the instance": (
        having("self.extra = nn.Conv2d(8, 8, 1)", "self.extra.forward = lambda x: x + 1", forward=HIDDEN) + NET,
        "extra", "`forward` of its own",
    ),
    # -- what the forward pass does
    "a shared activation": (
        having("act = nn.ReLU()", "self.extra = nn.Sequential(nn.Conv2d(8, 8, 1), act, nn.Conv2d(8, 8, 1), act)",
               forward=HIDDEN) + NET, "extra.0", None,
    ),
    "a shared layer": (
        having("layer = nn.Conv2d(8, 8, 1)", "self.extra = nn.Sequential(layer, nn.ReLU(), layer)", forward=HIDDEN)
        + NET, "conv", None,
    ),
    "works in place behind the site": (
        having("self.extra = nn.ReLU(inplace=True)",
               forward="return self.head(self.extra(self.bn(self.conv(x))).mean((2, 3)))") + NET, "bn", None,
    ),
    "dropout": (having("self.extra = nn.Dropout2d(0.5)", forward=HIDDEN) + NET, "extra", None),
    "a path that is dropped": (
        having(forward="y = super().forward(x)\n        return F.dropout(y, 0.5, self.training) + y") + NET,
        "conv", None,
    ),
    "a tensor on the CPU, whatever the device": (
        having(forward="return super().forward(x) * (torch.zeros(1, 1) + torch.ones(len(x), 1))") + NET,
        "conv", "on the expected device",
    ),
    "a layer that is left out at random": (
        having("self.extra = nn.Conv2d(8, 8, 1)", "self.calls = 0",
               forward="self.calls += 1\n        x = self.body(x)\n"
                       "        x = x + self.extra(x) if not self.training or self.calls % 2 else x\n"
                       "        return self.head(x.mean((2, 3)))") + NET, "extra", None,
    ),
    "a layer that begins to train later": (
        having("self.extra = nn.Linear(1, k)", "self.calls = 0",
               forward="self.calls += 1\n        y = super().forward(x)\n"
                       "        return y + self.extra(x.mean((1, 2, 3))[:, None]) if not self.training or "
                       "self.calls > 3 else y") + NET, "conv", None,
    ),
    "a fused transformer layer": (
        having("self.extra = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)",
               forward="x = self.extra(self.body(x).flatten(2).transpose(1, 2))\n        return self.head(x.mean(1))")
        + NET, "conv", None,
    ),
    "no convolution": (
        "class Net(nn.Module):\n    def __init__(self, c, k):\n        super().__init__()\n"
        "        self.norm = nn.InstanceNorm2d(8, affine=True)\n        self.head = nn.Linear(8, k)\n"
        "    def forward(self, x):\n        x = x.mean(1, keepdim=True).expand(-1, 8, -1, -1)\n"
        "        return self.head(self.norm(x).amax((2, 3)))\n" + NET,
        "norm", None,
    ),
    "a tensor on the CPU in training": (
        having(forward="y = super().forward(x)\n        return y + torch.rand(len(x), 1) if self.training else y")
        + NET, "conv", None,
    ),
    "a branch on the shape": (
        having(forward="x = F.pad(x, (1, 1)) if x.shape[-1] % 2 else x\n        return super().forward(x)") + NET,
        "conv", None,
    ),
    "a branch on the values": (
        having(forward="return super().forward(x if x.sum() > 0 else -x)") + NET, "conv", "cannot be run to find",
    ),
    "a branch on the values behind the sites": (
        returning("return y if y.sum() > 0 else 2 * y") + NET, "conv", "the costs cannot be counted",
    ),
    "a branch on the values in training": (
        returning("return 2 * y if self.training and y.sum() > 0 else y") + NET, "conv", None,
    ),
    "a layer for one size": (
        having("self.head = nn.Linear(8 * 8 * 8, k)", forward="return self.head(self.body(x).flatten(1))") + NET,
        "conv,bn", None,
    ),
    "a layer for another size": (
        having("self.head = nn.Linear(8 * 9 * 9, k)", forward="return self.head(self.body(x).flatten(1))") + NET,
        "conv,bn", "mat1 and mat2 shapes cannot be multiplied",
    ),
    "a site that is called twice, and a layer for one size": (
        having("self.head = nn.Linear(8 * 8 * 8, k)", "self.extra = nn.Conv2d(8, 8, 1)",
               forward="x = self.extra(self.extra(self.body(x)))\n        return self.head(x.flatten(1))") + NET,
        "extra", "is called 2 times",
    ),
    "a site on both sides of a layer for one size": (
        having("self.middle = nn.Linear(8 * 8 * 8, 8 * 8 * 8)", "self.extra = nn.Conv2d(8, 8, 1)",
               forward="x = self.extra(self.body(x))\n        x = self.middle(x.flatten(1)).view(-1, 8, 8, 8)\n"
                       "        return self.head(self.extra(x).mean((2, 3)))") + NET,
        "extra", "is used 2 times in a forward pass",
    ),
    "an assertion": (
        having(forward="assert x.shape[1] == 5, 'five bands'\n        return super().forward(x)") + NET,
        "conv", "AssertionError: five bands (",
    ),
    "a missing key": (having(forward="return super().forward({'x': x}['y'])") + NET, "conv", "KeyError: 'y' ("),
    "a loop over the batch": (
        having(forward="return torch.stack([self.head(row.mean((1, 2))) for row in self.body(x)])") + NET,
        "conv", "cannot be exported",
    ),
    "a fixed batch": (having(forward="return super().forward(x).view(3, 4)") + NET, "conv", "is invalid for input"),
    "prints": (having(forward="print(end='')\n        return super().forward(x)") + NET, "conv", None),
    "numpy inside": (
        having(forward="return super().forward(torch.from_numpy(x.numpy()))") + NET, "conv", "cannot be run to find",
    ),
    "a hook": (having("self.conv.register_forward_hook(lambda m, i, o: o * 2)") + NET, "conv", None),
    "state outside of the module": (
        having("self.calls = []", forward="self.calls.append(1)\n        return super().forward(x)") + NET,
        "conv", None,
    ),
    # -- the function
    "scripted": (PLAIN + "def net(in_channels):\n    return torch.jit.script(Net(in_channels, 4))\n",
                 "conv", "compiled network"),
    "a scripted part": (having("self.extra = torch.jit.script(nn.Conv2d(8, 8, 1))", forward=HIDDEN) + NET,
                        "conv", "is a TorchScript module"),
    "compiled": (PLAIN + "def net(in_channels):\n    return torch.compile(Net(in_channels, 4))\n",
                 "conv", "compiled network"),
    "a function that yields": (PLAIN + "def net(in_channels, num_classes):\n    yield Net(in_channels, num_classes)\n",
                               "conv", "returned generator"),
    "one network for all calls": (
        PLAIN + "KEPT = Net(1, 4)\n\n\ndef net(in_channels, num_classes):\n    return KEPT\n", "conv", None,
    ),
    "keywords only": (
        PLAIN + "def net(*, num_classes, in_channels):\n    return Net(in_channels, num_classes)\n", "conv", None,
    ),
    "any keywords": (PLAIN + "def net(**given):\n    return Net(given['in_channels'], given['num_classes'])\n",
                     "conv", None),
    "a class": (
        "class net(Base):\n    def __init__(self, in_channels, num_classes):\n"
        "        super().__init__(in_channels, num_classes)\n", "conv", None,
    ),
    "an argument too many": (PLAIN + "def net(width):\n    return Net(1, 4)\n", "conv", "needs `width`"),
    "an exception in the constructor": (having("raise ValueError('no luck')") + NET, "conv", "ValueError: no luck"),
    "an exception in the forward pass": (having(forward="raise ValueError('no luck')") + NET, "conv", "no luck"),
    "an exception in training": (
        having(forward="if self.training:\n            raise ValueError('no luck')\n        return super().forward(x)")
        + NET, "conv", "no luck",
    ),
    "an exit at import": ("raise SystemExit(0)\n", "conv", "cannot import oddnet:net: SystemExit"),
    "an exit in the forward pass": (having(forward="raise SystemExit(3)") + NET, "conv", "SystemExit: 3"),
    "an exit in the function": ("def net():\n    raise SystemExit(3)\n", "conv", "failed with SystemExit: 3"),
    "an exception at import": ("raise KeyError('x')\n", "conv", "cannot import oddnet:net: KeyError"),
    "not a network": ("def net():\n    return {}\n", "conv", "returned dict"),
    "a class in place of a network": (PLAIN + "def net():\n    return Net\n", "conv", "returned type"),
    "the old weight norm": (
        having("self.extra = nn.utils.weight_norm(nn.Conv2d(8, 8, 1))", forward=HIDDEN) + NET,
        "conv", "cannot be copied",
    ),
    "a lock inside": (having("import threading", "self.lock = threading.Lock()") + NET, "conv", "cannot be copied"),
}  # fmt: skip
