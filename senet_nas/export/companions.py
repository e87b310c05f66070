"""The model card of an exported network, ``README.md``."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from senet_nas.export.int8_forms import lines as int8_lines
from senet_nas.export.record import Record, shape, takes_image_files
from spaces.text import interval, plural

if TYPE_CHECKING:
    from senet_nas.export.proof import Measured

NAMED_CLASSES = 20  # the card names this many classes
BYTE = 255.0  # white of image files of one byte per value


def kind(input_shape: tuple[int, ...]) -> str:
    """What ``predict.py`` reads."""
    return "image files" if takes_image_files(input_shape) else "arrays in .npy files"


def card(record: Record, body: str, files: Mapping[str, str]) -> str:
    """The text of ``README.md``. ``body`` is markdown about what was measured; ``files`` describes each file.

    Without a ``predict.py`` among them the network classifies nothing: its outputs are its own.
    """
    classifies = "predict.py" in files
    with_se = [f"{place['site']} `{place['se']}`" for place in record["sites"] if place["se"]]
    title = record["architecture"].split("/")[0]
    parts = [
        f"# {title} with Squeeze-and-Excitation" if with_se else f"# {title}, plain",
        f"SE in {len(with_se)} of {plural(len(record['sites']), 'unit')}"
        + (f": {'; '.join(with_se)}." if with_se else "."),
        body,
        _usage(record) if classifies else _plain_usage(record),
        f"{_input(record)}\n{_output(record)}" if classifies else "",
        "## Files",
        "\n".join(f"* `{name}`: {about}" for name, about in files.items()),
        "`manifest.json` lists every file with its SHA-256.",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def measured(found: "Measured") -> str:
    """A markdown table of what was measured of the files; empty if nothing was."""
    if not found.differences:
        return ""
    files = []
    if found.files:
        files = [
            "",
            f"`predict.py` reads {plural(found.files['read'], 'validation file')} to the same input tensor as the "
            "training, to the last bit, and finds the classes that the network finds.",
        ]
    has_times = bool(found.latency)
    rows = [
        f"| `{name}` | {value:.1g} | {_percent(found, name)} |" + (f" {_time(found, name)} |" if has_times else "")
        for name, value in found.differences.items()
    ]
    lines = [
        "Measured on these files:",
        "",
        "| | largest difference to the trained network | validation accuracy |" + (" time |" if has_times else ""),
        "|---|---|---|" + ("---|" if has_times else ""),
        *rows,
    ]
    if found.latency:
        where = ", ".join(f"{key} {value}" for key, value in found.timed_on.items())
        lines += [
            "",
            "Time is of one pass in turns with the same form of the plain network, median and 95 % interval; on "
            f"{where}.",
        ]
    return "\n".join([*lines, *files, *(f"\n{line}" for line in int8_lines(found.int8))])


# -- inside -----------------------------------------------------------------------------------------------------------


def _usage(record: Record) -> str:
    """How a classifier is used."""
    images = ", ".join(["N", *(str(side) for side in shape(record))])
    dtype = "images: uint8" if len(shape(record)) == 3 else "signals: float32"
    return f"""## Use

```python
from model import load, normalise

logits = load()(normalise(images))  # {dtype} ({images})
```

`python predict.py PATH ...` prints the classes of {kind(shape(record))}, also of all in a folder. `--json` prints
a JSON object a line, `--batch N` sets how many files are in one pass."""


def _plain_usage(record: Record) -> str:
    """How a network is used that classifies nothing; only its owner knows what its inputs mean."""
    inputs = ", ".join(["N", *(str(side) for side in shape(record))])
    return f"""## Use

```python
from model import load

outputs = load()(x)  # x: float32 ({inputs}), prepared as for its training; outputs: what the network itself returns
```"""


def _input(record: Record) -> str:
    wants = record["preprocessing"]
    channels = wants["channels"]
    size = " x ".join(str(side) for side in wants["size"])
    resize = wants.get("resize")
    cropped = f", the middle of images whose shorter side is {resize}" if resize else ""
    white = wants["range"][1]
    deep = f" Image files with more than 8 bits are scaled so that {white:,.0f} becomes 255." if white != BYTE else ""
    return (
        f"Input of every form: {plural(channels, 'channel')}, {size}{cropped}; normalised floats, "
        f"`{wants['formula']}` with scale {wants['scale']:.6g}, "
        f"mean {_numbers(wants['mean'])}, std {_numbers(wants['std'])}.{deep}"
    )


def _output(record: Record) -> str:
    classes = record["classes"]
    shown = ", ".join(classes[:NAMED_CLASSES]) + (", ..." if len(classes) > NAMED_CLASSES else "")
    return f"Output: logits of {len(classes)} classes: {shown}."


def _percent(found: "Measured", name: str) -> str:
    return f"{found.accuracy[name]:.2f} %" if name in found.accuracy else "-"


def _time(found: "Measured", name: str) -> str:
    if name not in found.latency:
        return "-"
    timed = found.latency[name]
    low = 100 * (timed.low - 1)
    high = 100 * (timed.high - 1)
    return f"{timed.candidate_ms:.3g} ms, {timed.overhead:+.1f} % over plain {interval(low, high, '+.1f')}"


def _numbers(values: list[float]) -> str:
    return ", ".join(f"{value:.4g}" for value in values)
