"""The same images in the form of every source: what the contract of test_sources.py runs over."""

import csv
import json
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from senet_nas import user_code

N, SIDE = 300, 12
CLASSES = ("cat", "dog", "emu")
IMAGES = np.random.default_rng(0).integers(0, 256, (N, SIDE, SIDE, 3), dtype=np.uint8)
LABELS = np.arange(N) // (N // len(CLASSES))
# The sets that a source can bring: of every ten images eight train, one validates, and one is a test.
PARTS = np.array(["train"] * 8 + ["val", "test"])[np.arange(N) % 10]

# The patient of each image. No set holds a part of a patient.
PATIENTS = np.array([str(i % 10) for i in range(N)])


def file_name(i: int) -> str:
    return f"{CLASSES[LABELS[i]]}/{i:03}.png"


def write_images(root: Path, x: np.ndarray = IMAGES, name: Callable[[int], str] = file_name) -> Path:
    for i, x_HWC in enumerate(x):
        path = root / name(i)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(x_HWC).save(path)
    return root


def png(x_HWC: np.ndarray) -> bytes:
    file = BytesIO()
    Image.fromarray(x_HWC).save(file, "PNG")
    return file.getvalue()


def folder(root: Path, x: np.ndarray, *, split: bool) -> dict[str, Any]:
    write_images(root / "images", x, (lambda i: f"{PARTS[i]}/{file_name(i)}") if split else file_name)
    return {"path": str(root / "images")}


def csv_table(root: Path, x: np.ndarray, *, split: bool) -> dict[str, Any]:
    """Rows in a random order, with a column that means nothing."""
    write_images(root / "files", x)
    with (root / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "weight", "class", "patient", *(["split"] if split else [])])
        for i in np.random.default_rng(1).permutation(N).tolist():
            table.writerow(
                [f"files/{file_name(i)}", i, CLASSES[LABELS[i]], PATIENTS[i], *([PARTS[i]] if split else [])]
            )
    return {"dataset": "table", "path": str(root / "labels.csv")}


def about_columns(image: str = "image", label: str = "label") -> dict[str, str]:
    """The metadata in which Hugging Face keeps what the columns of a table mean."""
    features = {image: {"_type": "Image"}, label: {"_type": "ClassLabel", "names": CLASSES}}
    return {"huggingface": json.dumps({"info": {"features": features}})}


def parquet_table(root: Path, x: np.ndarray, *, split: bool) -> dict[str, Any]:
    """Encoded images in the file itself and numbered classes with names, as Hugging Face writes them."""
    import pyarrow
    from pyarrow import parquet

    rows = {"image": [{"bytes": png(x_HWC), "path": None} for x_HWC in x], "label": LABELS, "patient": PATIENTS}
    if split:
        rows["split"] = PARTS
    parquet.write_table(pyarrow.table(rows).replace_schema_metadata(about_columns()), root / "train.parquet")
    return {"dataset": "table", "path": str(root / "train.parquet")}


def arrays(root: Path, x: np.ndarray, *, split: bool) -> dict[str, Any]:
    sets = [(f"_{part}", part == PARTS) for part in ("train", "val", "test")] if split else [("", PARTS != "")]
    arrays = {"x": x, "y": LABELS, "patient": np.array(PATIENTS)}
    held = {f"{name}{end}": of[kept] for end, kept in sets for name, of in arrays.items()}
    np.savez(root / "images.npz", classes=CLASSES, **held)
    return {"dataset": "arrays", "path": str(root / "images.npz")}


def function(root: Path, x: np.ndarray, *, split: bool) -> dict[str, Any]:
    """A module whose function returns a list of (image, label), or a mapping of such lists."""
    arrays(root, x, split=split)
    name = f"images_of_{root.name.replace('-', '_')}"
    sets = '{part: of(f"_{part}") for part in ("train", "val", "test")}' if split else 'of("")'
    (root / f"{name}.py").write_text(f"""
import numpy as np
from PIL import Image


def dataset():
    held = np.load({str(root / "images.npz")!r})

    def of(end):
        images = [Image.fromarray(x) for x in held["x" + end]]
        return [(image, held["classes"][y]) for image, y in zip(images, held["y" + end])]

    return {sets}
""")
    user_code.look_in(root)
    return {"dataset": f"{name}:dataset"}


def torchvision(root: Path, x: np.ndarray, *, split: bool) -> dict[str, Any]:
    """The files of EuroSAT, which has no sets, or of DTD, which has all three."""
    if not split:
        write_images(root / "eurosat" / "2750", x)
        return {"dataset": "EuroSAT", "path": str(root)}
    write_images(root / "dtd" / "dtd" / "images", x)
    labels = root / "dtd" / "dtd" / "labels"
    labels.mkdir()
    for part in ("train", "val", "test"):
        names = [file_name(int(i)) for i in np.flatnonzero(part == PARTS)]
        (labels / f"{part}1.txt").write_text("\n".join(names))
    return {"dataset": "DTD", "path": str(root)}


def hugging_face(root: Path, x: np.ndarray, *, split: bool) -> dict[str, Any]:
    """What save_to_disk writes: arrow streams with the meaning of their columns, in two files for each set."""
    import pyarrow

    sets = {"train": "train", "validation": "val", "test": "test"} if split else {"": ""}
    for name, part in sets.items():
        folder = root / "saved" / name
        folder.mkdir(parents=True, exist_ok=True)
        chosen = np.flatnonzero(part == PARTS) if split else np.arange(N)
        files: list[dict[str, str]] = []
        for half in np.array_split(chosen, 2):
            files.append({"filename": f"data-{len(files)}.arrow"})
            rows = {"image": [{"bytes": png(x[i]), "path": None} for i in half], "label": LABELS[half]}
            rows["patient"] = PATIENTS[half]
            table = pyarrow.table(rows).replace_schema_metadata(about_columns())
            with pyarrow.ipc.new_stream(folder / files[-1]["filename"], table.schema) as stream:
                stream.write_table(table)
        (folder / "state.json").write_text(json.dumps({"_data_files": files}))
    if split:
        (root / "saved" / "dataset_dict.json").write_text(json.dumps({"splits": [*sets]}))
    return {"dataset": f"hf:{root}/saved"}


def shards(root: Path, x: np.ndarray, *, split: bool) -> dict[str, Any]:
    """Two shards of WebDataset for each set, with the name of a class as text beside each image."""
    (root / "shards").mkdir()
    for part in ("train", "val", "test") if split else ("",):
        chosen = np.flatnonzero(part == PARTS) if split else np.arange(N)
        for number, half in enumerate(np.array_split(chosen, 2)):
            with tarfile.open(root / "shards" / f"{part or 'images'}-{number}.tar", "w") as tar:
                for i in half:
                    for ending, content in (
                        ("png", png(x[i])),
                        ("cls", CLASSES[LABELS[i]].encode()),
                        ("patient", PATIENTS[i].encode()),
                    ):
                        member = tarfile.TarInfo(f"some/{i:03}.{ending}")
                        member.size = len(content)
                        tar.addfile(member, BytesIO(content))
    return {"dataset": "webdataset", "path": str(root / "shards")}


# Each writes the images below a folder and returns the spec that reads them. Add a source here.
SOURCES: dict[str, Callable[..., dict[str, Any]]] = {
    "folder": folder,
    "csv": csv_table,
    "parquet": parquet_table,
    "arrays": arrays,
    "function": function,
    "torchvision": torchvision,
    "hugging face": hugging_face,
    "shards": shards,
}
# How a config names the patient of an image: a column, or a pattern where the path alone tells.
BY_NAME = r"(\d)\.png$"
GROUPS = {
    "folder": BY_NAME,
    "torchvision": BY_NAME,
    **dict.fromkeys(("csv", "parquet", "hugging face", "shards", "arrays"), "patient"),
}
# What names a source that is not there, instead of the path of a file.
MISSING = {"function": {"dataset": "nowhere:dataset"}, "hugging face": {"dataset": "hf:nowhere"}}
