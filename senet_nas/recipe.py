"""How to train and what to measure: plain frozen records, shared by every training of a search. No torch here."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from spaces.options import STRICT, option

Init = Literal["scratch", "identity", "pretrained"]


@dataclass(frozen=True, order=True)
class Seed:
    """The two seeds of a training, written ``block.replicate``.

    The *block* fixes the initial weights, parameter by parameter, so that all architectures of a block start from the
    same backbone; the *replicate* fixes data order and augmentation.
    """

    block: int
    replicate: int = 0

    @classmethod
    def parse(cls, text: str) -> "Seed":
        """Read ``block.replicate``; a plain integer is a block with replicate 0."""
        block, _, replicate = str(text).partition(".")
        return cls(int(block), int(replicate or 0))

    def __str__(self) -> str:
        return f"{self.block}.{self.replicate}"


@dataclass(frozen=True)
class DataSpec:
    """The ``data`` section of a config: which images, and which of them train, validate and test."""

    __pydantic_config__ = STRICT
    dataset: str = option(
        "image_folder", "a name of `senet-search list datasets`; image_folder and signals with a path"
    )
    path: str | None = option(None, "where the images are: relative to the config file; not needed for digits")
    image_size: int | None = option(
        None, "side in pixels; folders: 64 unless given, else the dataset's own", ge=8, le=1024
    )
    resize: int | None = option(
        None, "side images are read at, to cut image_size out: the middle, in training anywhere", ge=8, le=1024, examples=[256],
    )  # fmt: skip
    color: Literal["auto", "rgb", "grey"] = option("auto", "channels of folder images; auto looks at the files")
    streaming: Literal["auto", "always", "never"] = option(
        "auto", "image folders from a file on disk instead of from memory; auto where they would take a quarter of it"
    )
    train: int | None = option(None, "images to train on; 80 % of the labelled images outside test unless given", ge=1)
    validation: int | None = option(None, "images to validate on; all that neither train nor test unless given", ge=1)
    test: float = option(0.2, "share held out as test set where the data bring none of their own", gt=0, lt=1)
    split_seed: int = option(0, "fixes which image trains, validates or tests", ge=0)


@dataclass(frozen=True)
class Recipe:
    """The ``train`` section of a config: SGD with Nesterov momentum. The same for every architecture of a search."""

    __pydantic_config__ = STRICT
    epochs: int = option(10, "passes over the training images", ge=1, le=10_000)
    batch_size: int = option(128, "images per step", ge=2, le=65_536)
    lr: float = option(0.1, "peak learning rate", gt=0, le=100)
    momentum: float = option(0.9, "momentum of SGD", ge=0, lt=1)
    nesterov: bool = option(True, "Nesterov's form of momentum")
    weight_decay: float = option(5e-4, "L2 penalty on weights; none on biases and normalisation", ge=0, le=1)
    schedule: Literal["cosine", "step"] = option("cosine", "cosine to zero, or divided by 10 at each milestone")
    milestones: tuple[float, ...] = option((0.5, 0.75), "where `step` divides, as shares of all epochs")
    warmup: float = option(0.0, "epochs over which the learning rate rises from zero", ge=0)
    label_smoothing: float = option(0.0, "share of the target spread over all classes", ge=0, lt=1)
    flip: bool | None = option(None, "mirror images at random; the dataset's habit unless given")
    crop: int | None = option(None, "pixels of padding for random crops; the dataset's habit unless given", ge=0, le=64)
    crop_area: float = option(
        1.0, "least share of an image in a crop of random size (Inception: 0.08); 1 is no such crop", gt=0, le=1
    )
    crop_ratio: float = option(1.3333, "largest ratio of its sides, either way", ge=1, le=10)
    rotation: float = option(0.0, "random rotation by up to so many degrees, either way", ge=0, le=180)
    jitter: float = option(0.0, "random brightness, contrast and saturation: each by up to this share", ge=0, lt=1)
    shift: int = option(0, "random shift of each channel by up to so many of 256 levels, either way", ge=0, le=255)
    sampling: Literal["shuffle", "balanced"] = option(
        "shuffle", "images of an epoch: each of them once, or every class as often as the others"
    )
    precision: Literal["auto", "float32", "bfloat16"] = option(
        "auto", "of the forward and backward pass; bfloat16 on a GPU that has it, float32 elsewhere"
    )
    cutout: int = option(0, "side in pixels of a square that is blanked at random; 0 is none", ge=0, le=512)
    ema: float = option(
        0.0, "decay, step by step, of a moving average of the weights, which then is what is validated and kept; 0 is none",
        ge=0, lt=1, examples=[0.999],
    )  # fmt: skip


@dataclass(frozen=True)
class LatencySpec:
    """The ``latency`` section of a config: what a forward pass is timed on. It should be what the user deploys on."""

    __pydantic_config__ = STRICT
    device: Literal["auto", "cpu", "cuda"] = option("auto", "where; cuda where there is a GPU, unless given")
    batch: int = option(1, "images in one pass", ge=1, le=65_536)
    threads: int = option(1, "CPU threads of one pass", ge=1, le=1024)
    dtype: Literal["float32", "bfloat16", "float16"] = option("float32", "of weights and images")
    runtime: Literal["eager", "compile", "cudagraph", "onnxruntime"] = option(
        "eager", "PyTorch as it is, torch.compile, a CUDA graph, or ONNX Runtime"
    )
    seconds: float = option(2.0, "longest time for timing one architecture before the search", gt=0, le=3600)
    samples: int = option(64, "architectures that are timed before the search, to predict all others", ge=8, le=10_000)


@dataclass(frozen=True)
class Task:
    """Everything that all trainings of a search share. Frozen and picklable: it crosses to workers once."""

    data: DataSpec
    recipe: Recipe
    device: str = "cpu"
    threads: int = 1
    source: Mapping[str, Any] = field(default_factory=dict)
    init: Init = "scratch"
    images: str | None = None  # a file that evaluate.share() left for the workers of this machine
    node: str | None = None  # by this name the workers of a machine share the images that the first of them reads


@dataclass(frozen=True)
class Report:
    """What a training says after an epoch. ``metrics`` holds finite floats; accuracy in percent.

    The last report (``done``) carries ``correct``: one bit for each validation image, packed as numpy.packbits does.
    """

    epoch: int
    metrics: Mapping[str, float]
    done: bool = False
    correct: bytes | None = None


class Diverged(Exception):
    """A training whose loss is no number any more."""


def stable_hash(*parts: object) -> int:
    """A 63-bit number from the text of the parts: the same in every process and on every machine."""
    digest = hashlib.sha256("\0".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
