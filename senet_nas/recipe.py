"""How to train and what to measure: frozen records, shared by every training of a search. Imports no torch."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from senet_nas.quantised import Quantised
from spaces.options import STRICT, option

Init = Literal["scratch", "identity", "pretrained"]
Freeze = Literal["none", "backbone", "norm"]


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
        """The seed that ``block.replicate`` writes; a plain integer is a block with replicate 0."""
        block, _, replicate = str(text).partition(".")
        return cls(int(block), int(replicate or 0))

    def __str__(self) -> str:
        return f"{self.block}.{self.replicate}"

    def fold(self, folds: int) -> int:
        """The fold, of so many, on which the training validates: the two of a pair, in a block of their own, on one."""
        return (self.block + self.replicate) % folds

    def level(self, folds: int) -> int:
        """The number of the trainings with which it is compared: those of its block that validate on its fold."""
        return self.block * folds + self.fold(folds)


@dataclass(frozen=True)
class DataSpec:
    """The ``data`` section of a config: which images, and which of them train, validate and test."""

    __pydantic_config__ = STRICT
    dataset: str = option("image_folder", "name of a dataset (`senet-search list datasets`); your own data need a path")
    path: str | None = option(None, "folder or file of the data, relative to the config; digits and hf:NAME have none")
    image_size: int | None = option(
        None,
        "side of an image in pixels; default: the size of a named dataset or of arrays if all images have it, else 64",
        ge=8,
        le=1024,
    )
    resize: int | None = option(
        None,
        "resize images to this side in pixels, then crop to image_size: at random in training, at the centre otherwise",
        ge=8,
        le=1024,
        examples=[256],
    )
    image: str | None = option(
        None, "column of the images in a table; default: the one with a usual name, such as path", min_length=1
    )
    label: str | None = option(
        None, "column of the labels in a table; default: the one with a usual name, such as label", min_length=1
    )
    channels: int | None = option(
        None, "with `dataset: none`: channels of an input of the network, which your own function reads", ge=1, le=4096
    )
    classes: int | None = option(
        None,
        "with `dataset: none`: number of classes; a network of your own gets it as `num_classes`",
        ge=1,
        le=65_536,
    )
    color: Literal["auto", "rgb", "grey"] = option(
        "auto", "channels of the images; auto: grey if all training images are"
    )
    streaming: Literal["auto", "always", "never"] = option(
        "auto",
        "keep images of your own on disk instead of in memory; auto: if they would fill a quarter of the memory",
    )
    cache: str = option("auto", "where decoded folders are kept: a folder, off, or auto: ~/.cache", min_length=1)
    train: int | None = option(
        None, "number of training images; default: 80 % of the labelled images outside the test set", ge=1
    )
    validation: int | None = option(
        None, "number of validation images; default: all images outside the training and test sets", ge=1
    )
    test: float = option(
        0.2, "share of the images held out as test set, if the dataset has no test set of its own", gt=0, lt=1
    )
    split_seed: int = option(0, "seed of the split into training, validation and test images", ge=0)
    group: str | None = option(
        None,
        "what belongs together, such as the patient or the video of an image: a column, or a pattern (regular "
        "expression) in its path; no group is in two sets",
        min_length=1,
        examples=["patient"],
    )
    time: str | None = option(
        None,
        "when an image was made: a column, or a pattern in its path; the earliest images train, the latest ones test",
        min_length=1,
        examples=["date"],
    )
    folds: int | None = option(
        None,
        "for few images: divide those outside the test set into this many folds; trainings take turns in validating on "
        "one of them, and train on the others",
        ge=2,
        le=20,
        examples=[5],
    )

    def fold(self, seed: Seed) -> int:
        """The fold on which the training with this seed validates; 0 without folds."""
        return seed.fold(self.folds or 1)


@dataclass(frozen=True)
class Recipe:
    """The ``train`` section of a config: SGD with Nesterov momentum. The same for every architecture of a search."""

    __pydantic_config__ = STRICT
    epochs: int = option(10, "passes over the training images", ge=1, le=10_000)
    batch_size: int = option(128, "images per step", ge=2, le=65_536)
    lr: float = option(0.1, "peak learning rate; with pretrained weights the default is 0.05", gt=0, le=100)
    backbone_lr: float | None = option(
        None,
        "peak learning rate of the backbone, which is all but SE and the classifier; default: that of train.lr",
        gt=0,
        le=100,
        examples=[0.005],
    )
    freeze: Freeze = option(
        "none",
        "what keeps its pretrained weights: backbone (only SE and the classifier train; all other layers are in eval "
        "mode), norm (weights and statistics of BatchNorm in the backbone), or none",
    )
    momentum: float = option(0.9, "momentum of SGD", ge=0, lt=1)
    nesterov: bool = option(True, "Nesterov's form of momentum")
    weight_decay: float = option(5e-4, "L2 penalty on weights; biases and normalisation are exempt", ge=0, le=1)
    schedule: Literal["cosine", "step"] = option(
        "cosine", "learning rate: cosine falls to zero; step divides by 10 at each milestone"
    )
    milestones: tuple[float, ...] = option(
        (0.5, 0.75), "when schedule `step` divides the learning rate, as shares of all epochs"
    )
    warmup: float = option(
        0.0,
        "epochs over which the learning rate rises from zero; with pretrained weights and the default of train.lr: a "
        "tenth of the epochs, at most 1",
        ge=0,
    )
    label_smoothing: float = option(0.0, "share of the target that is spread over all classes", ge=0, lt=1)
    flip: bool | None = option(None, "mirror images at random; default: as usual for the dataset")
    crop: int | None = option(
        None, "padding in pixels for random crops; default: as usual for the dataset", ge=0, le=64
    )
    crop_area: float = option(
        1.0,
        "smallest share of the image in a crop of random size (Inception: 0.08); 1 turns these crops off",
        gt=0,
        le=1,
    )
    crop_ratio: float = option(
        1.3333, "largest ratio of the longer to the shorter side of a crop of random size", ge=1, le=10
    )
    rotation: float = option(0.0, "largest random rotation in degrees, in either direction", ge=0, le=180)
    jitter: float = option(0.0, "largest random change of brightness, contrast and saturation, as a share", ge=0, lt=1)
    shift: int = option(0, "largest random shift of each channel, in levels of 256, in either direction", ge=0, le=255)
    balance: Literal["none", "sampling", "weights"] = option(
        "none",
        "for classes of different size: sampling shows every class equally often; weights multiplies the loss of an "
        "image by N / (K n), for N images, K classes and n images of its class",
    )
    sampling: Literal["shuffle", "balanced"] = option(
        "shuffle", "`balanced` is the older way to write `balance: sampling`; shuffle leaves it to `balance`"
    )
    precision: Literal["auto", "float32", "bfloat16", "float16"] = option(
        "auto",
        "number format of the forward and backward pass; auto: on a GPU bfloat16, or float16 (with a scaler) where "
        "the GPU has no bfloat16 of its own; else float32",
    )
    cudagraph: Literal["auto", "off"] = option(
        "auto",
        "on a GPU, replay the steps of a training as one CUDA graph; auto: unless the network is of your own code",
    )
    cutout: int = option(0, "side in pixels of a square that is blanked at random; 0 turns it off", ge=0, le=512)
    ema: float = option(
        0.0,
        "decay per step of a moving average of the weights; the average is then validated and kept; 0 turns it off",
        ge=0,
        lt=1,
        examples=[0.999],
    )

    @property
    def is_class_aware(self) -> bool:
        """Whether an epoch shows every class equally often."""
        return self.balance == "sampling" or self.sampling == "balanced"

    @property
    def text(self) -> str:
        """What identifies the recipe in a checkpoint.

        Settings of later versions are left out at their default, so that checkpoints of earlier versions continue.
        """
        noted = [f for f in fields(self) if f.name not in _LATER or getattr(self, f.name) != f.default]
        return f"Recipe({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in noted)})"


_LATER = ("backbone_lr", "freeze", "cudagraph", "balance")


@dataclass(frozen=True)
class LatencySpec:
    """The ``latency`` section of a config: how a forward pass is timed. It should match what the user deploys on."""

    __pydantic_config__ = STRICT
    device: Literal["auto", "cpu", "cuda"] = option(
        "auto", "device of the forward pass; auto: cuda if there is a GPU, else cpu"
    )
    batch: int = option(1, "images in one pass", ge=1, le=65_536)
    threads: int = option(1, "CPU threads of one pass", ge=1, le=1024)
    dtype: Literal["float32", "bfloat16", "float16"] = option("float32", "number format of weights and images")
    runtime: str = option(
        "eager", "what runs the network: PyTorch (eager), torch.compile, a CUDA graph, ONNX Runtime, or OpenVINO"
    )
    seconds: float = option(2.0, "longest time in seconds for timing one architecture before the search", gt=0, le=3600)
    samples: int = option(
        64,
        "number of architectures that are timed before the search; the latency of all others is predicted from them",
        ge=8,
        le=10_000,
    )
    precision: Literal["fp32", "bf16", "fp16", "int8"] | None = option(
        None,
        "number format of weights and activations; int8 (static, by the runtime's own quantiser) runs in onnxruntime "
        "and openvino; default: that of dtype",
    )

    @property
    def number_format(self) -> str:
        """``precision``, or what older configs say with ``dtype``."""
        return self.precision or FORMATS[self.dtype]


# The number format of each `dtype`.
FORMATS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


@dataclass(frozen=True)
class Task:
    """Everything that all trainings of a search share. Frozen and picklable: it is sent to the workers once.

    ``images`` is where :func:`senet_nas.training.evaluate.share` left the images for the workers of this machine.
    ``weights`` is the file that pretrained weights are read from, by default torchvision's or timm's. ``node`` is a
    name under which the first worker of a machine reads the images for the others; ``gpu_share`` the part of a GPU that
    each training has.
    ``metrics`` names what each validation measures beside accuracy and log-loss; ``int8`` quantises for those in INT8.
    """

    data: DataSpec
    recipe: Recipe
    device: str = "cpu"
    threads: int = 1
    source: Mapping[str, Any] = field(default_factory=dict)
    init: Init = "scratch"
    weights: str | None = None
    images: str | None = None
    node: str | None = None
    gpu_share: float = 1.0
    metrics: tuple[str, ...] = ()
    int8: Quantised | None = None


@dataclass(frozen=True)
class Report:
    """The report of a training after an epoch. ``metrics`` holds finite floats; accuracy is in percent.

    The last report (``done``) carries ``correct``: one bit for each validation image, packed as numpy.packbits does.
    """

    epoch: int
    metrics: Mapping[str, float]
    done: bool = False
    correct: bytes | None = None


class Diverged(Exception):
    """A training whose loss is not finite."""


def stable_hash(*parts: object) -> int:
    """A 63-bit hash of the text of the parts: the same in every process and on every machine."""
    digest = hashlib.sha256("\0".join(str(part) for part in parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
