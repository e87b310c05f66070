"""What targets are known to refuse of SE, or to run slowly: a table of public reports. Imports no torch.

A row says what was reported, not what holds for ever: a newer toolkit may have mended it. Its date is that of the
report, or the day on which a page without a date was read.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from spaces import SE
from spaces.errors import unknown

Sides = Sequence[int]
Matches = Callable[[SE, Sides], bool]
REFUSES = "refuses"
FALLS_BACK = "runs elsewhere"
SLOW = "is slow with"
FIXED = "needs fixed sizes"
# What a target does with SE, as a sentence.
SENTENCES = {
    REFUSES: "refuses {}",
    FALLS_BACK: "runs {} elsewhere",
    SLOW: "is slow with {}",
    FIXED: f"{FIXED} for {{}}",
}
# Squeezes that average over the whole map, alone or beside others, and those that take roots or powers.
AVERAGES = ("avg", "avgmax", "std", "attention", "dct")
ROOTS = ("std", "l2", "gem")


@dataclass(frozen=True)
class Source:
    """Where something was reported, and when."""

    address: str
    date: str


@dataclass(frozen=True)
class Rule:
    """A row: which SE a target refuses, computes elsewhere, or computes slowly, in words, and who says so."""

    target: str
    effect: str
    matches: Matches
    what: str
    source: Source


@dataclass(frozen=True)
class Finding:
    """A rule and the sites whose SE it is about."""

    rule: Rule
    sites: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        source = self.rule.source
        found = {"target": self.rule.target, "effect": self.rule.effect, "what": self.rule.what}
        return {**found, "sites": list(self.sites), "source": source.address, "date": source.date}

    def line(self) -> str:
        """The finding as a sentence."""
        names = ", ".join(self.sites[:NAMED]) + (f" and {len(self.sites) - NAMED} more" if self.sites[NAMED:] else "")
        source = self.rule.source
        head = f"{self.rule.target} {SENTENCES[self.rule.effect].format(f'SE at {names}')}: {self.rule.what}"
        return f"{head} ({source.address}, {source.date})"


# Sites that a line names.
NAMED = 6


def targets() -> tuple[str, ...]:
    """The names of all targets."""
    return tuple(dict.fromkeys(rule.target for rule in RULES))


def findings(placed: Sequence[tuple[str, SE, Sides]], target: str) -> list[Finding]:
    """What is known of a target about SE units: each with the name of its site and the sides (H, W) of its map.

    Raises UserError for a target that the table lacks.
    """
    if target not in targets():
        raise unknown("target", target, targets(), key="--target")
    found = []
    for rule in (rule for rule in RULES if rule.target == target):
        names = dict.fromkeys(name for name, se, sides in placed if rule.matches(se, sides))
        if names:
            found.append(Finding(rule, tuple(names)))
    return found


def _any(_: SE, __: Sides) -> bool:
    return True


def _gate(*names: str) -> Matches:
    return lambda se, _: se.gate in names


def _squeeze(*names: str) -> Matches:
    return lambda se, _: se.squeeze in names


def _average(over: int) -> Matches:
    """An average over a map with a side of more than ``over``."""
    return lambda se, sides: se.squeeze in AVERAGES and max(sides, default=0) > over


_RKNN = Source("github.com/rockchip-linux/rknn-toolkit2/issues/10", "2022-01-07")
_EDGETPU = Source("github.com/google-coral/edgetpu/issues/183", "2020-07-24")
_COREML = Source("github.com/apple/coremltools/issues/657", "2020-03-04")
_LITE = Source("github.com/tensorflow/tpu, models/official/efficientnet/lite/README.md", "2020-03")
_DLA = Source("docs.nvidia.com/deeplearning/tensorrt, DLA supported layers, table 12", "2026-11-29")
_GPU = Source("tensorflow.org/lite/performance/gpu, supported operations", "2026-11-29")
_DPU = Source("docs.amd.com UG1414 3.5, currently supported operators", "2023-09-28")
_FIXED_DLA = Source("docs.nvidia.com/deeplearning/tensorrt, DLA supported layers, general restrictions", "2026-11-29")
_FIXED_TPU = Source("developer.axis.com/computer-vision, ARTPEC-7 optimization tips (Edge TPU)", "2026-11-29")
_FIXED_ANE = Source("developer.apple.com/forums/thread/724930", "2026-11-29")
_TENSORRT = Source("github.com/NVIDIA/TensorRT/issues/829", "2020-10-16")
_NNCF = Source("github.com/openvinotoolkit/nncf/pull/2229", "2023-10-27")

# What makes the files of an export dynamic: fix it before they are compiled.
_ANY_BATCH = "; the files of an export take any batch size"

# Add a row here.
RULES: Sequence[Rule] = (
    Rule("rk3566", REFUSES, _average(128), "a global average over more than 128 x 128 does not build", _RKNN),
    Rule("edgetpu", REFUSES, _average(255), "its compiler failed on a global average over 256 x 256", _EDGETPU),
    Rule("apple-ane", SLOW, _any, "the broadcast multiply: MobileNet-v3 took 11 ms, v2 without SE 3 ms", _COREML),
    Rule("mobile", SLOW, _any, "SE is not well supported by some accelerators; EfficientNet-Lite has none", _LITE),
    Rule("nvidia-dla", FALLS_BACK, _gate("hard_sigmoid", "hard_sigmoid2"), "it has no hard sigmoid; GPU instead", _DLA),
    Rule("tflite-gpu", FALLS_BACK, _gate("tanh"), "TANH is not among its operations; CPU instead", _GPU),
    Rule("tflite-gpu", FALLS_BACK, _squeeze(*ROOTS), "roots and powers are not among its operations", _GPU),
    Rule("amd-dpu", FALLS_BACK, _gate("sigmoid", "sigmoid2", "tanh"), "its activations: ReLUs and hard ones", _DPU),
    Rule("tensorrt", FIXED, _average(0), "7.0 does not parse a global average over a map of unknown size", _TENSORRT),
    Rule("nvidia-dla", FIXED, _any, f"it has no dynamic dimensions{_ANY_BATCH}", _FIXED_DLA),
    Rule("edgetpu", FIXED, _any, f"sizes are constant when it compiles{_ANY_BATCH}", _FIXED_TPU),
    Rule(
        "apple-ane", FIXED, _any, "of a range of image sizes it runs the default one, CPU or GPU all others", _FIXED_ANE
    ),
    Rule("openvino-int8", FALLS_BACK, _any, "NNCF keeps SE that it recognises in floating point", _NNCF),
)


def described() -> Mapping[str, list[str]]:
    """What is known of each target, a line for each row."""
    found: dict[str, list[str]] = {}
    for rule in RULES:
        found.setdefault(rule.target, []).append(
            f"{rule.effect}: {rule.what} ({rule.source.address}, {rule.source.date})"
        )
    return found
