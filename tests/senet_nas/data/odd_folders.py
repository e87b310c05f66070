"""60 image folders as people have them, each with what must be read of it or why it is refused.

A case is a list of files below a root. ``cat`` and ``dog`` stand for classes; the pixels of a file say which class it
is meant for, so a reader that puts it elsewhere shows.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

N = 3  # images of a class
GOOD = tuple(f"{name}/{i}.png" for name in ("cat", "dog") for i in range(N))
SETS = tuple(f"{part}/{path}" for part in ("train", "val", "test") for path in GOOD)


@dataclass(frozen=True)
class Layout:
    """``files`` that are images of the class that ``meant`` names for a part of their path, and ``litter`` that is not.

    ``links`` maps a link to where it leads, relative to the root. ``read``: the number of images of each set.
    ``classes``: their names. ``says``: parts of the notes; without any, there is no note. ``refused``: parts of message
    and hint.
    """

    name: str
    files: tuple[str, ...] = GOOD
    litter: tuple[str, ...] = ()
    links: dict[str, str] = field(default_factory=dict)
    empty: tuple[str, ...] = ()
    read: dict[str, int] = field(default_factory=lambda: {"train": 2 * N})
    classes: tuple[str, ...] = ("cat", "dog")
    says: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    after: Callable[[Path], object] = lambda root: None

    def make(self, root: Path) -> None:
        for i, path in enumerate((*self.files, *self.litter)):
            meant = next((k for k, name in enumerate(self.classes) if name in Path(path).parts), 0)
            # Litter is a wrong image: white. An image of class k has levels around 40 * (k + 1).
            picture(root / path, 255 if path in self.litter else 40 * (meant + 1) + i % 30)
        for path in self.empty:
            (root / path).mkdir(parents=True)
        for path, target in self.links.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).symlink_to(os.path.relpath(root / target, (root / path).parent))
        self.after(root)


def picture(path: Path, level: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix.lower() in (".png", ".jpg", ".tif", ".jfif", ".jpeg", ".bmp", ".gif", ".webp", ".ppm", ".jpe"):
        form = {".jpg": "JPEG", ".jfif": "JPEG", ".jpe": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF"}.get(
            path.suffix.lower()
        )
        Image.new("L", (8, 8), level).save(path, form)
    else:
        path.write_bytes(b"not read")


def deep(path: Path, level: float, kind: type = np.uint16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), level).astype(kind)).save(path, "TIFF")


def all_deep(root: Path) -> None:
    """Every image as 16 bits of the same brightness."""
    for path in root.rglob("*.png"):
        level = np.asarray(Image.open(path))[0, 0]
        path.unlink()
        deep(path.with_suffix(".tif"), int(level) * 257)


def half_deep(root: Path) -> None:
    """The first image of each class as 16 bits of the same brightness, the others stay at 8."""
    for name, level in (("cat", 40), ("dog", 80)):
        (root / name / "0.png").unlink()
        deep(root / name / "0.tif", level * 257)
    deep(root / "dog" / "white.tif", 65535)
    (root / "dog" / "white.tif").unlink()


def shares_beside_words(root: Path) -> None:
    """One image as shares of 1 among images of 16 bits."""
    all_deep(root)
    deep(root / "cat" / "share.tif", 0.9, np.float32)


def twins(root: Path) -> None:
    (root / "dog" / "copy.png").write_bytes((root / "cat" / "0.png").read_bytes())


def read_only(root: Path) -> None:
    for folder, _, _ in os.walk(root, topdown=False):
        Path(folder).chmod(0o500)


def pipe(root: Path) -> None:
    os.mkfifo(root / "cat" / "pipe.png")


def not_text(root: Path) -> None:
    (root / "dog").rename(root / os.fsdecode(b"caf\xe9"))


def file_not_text(root: Path) -> None:
    (root / "dog" / "0.png").rename(root / "dog" / os.fsdecode(b"caf\xe9.png"))


def litter(name: str, *paths: str, says: tuple[str, ...] = ("hidden or system",), **more) -> Layout:
    return Layout(name, litter=paths, says=says, **more)


LAYOUTS = [
    Layout("classes alone"),
    Layout("three sets", SETS, read={"train": 6, "validation": 6, "test": 6}),
    Layout("train and test", SETS[:6] + SETS[12:], read={"train": 6, "test": 6}),
    Layout("nested in a class", (*GOOD, "cat/deep/er/9.png"), read={"train": 7}),
    Layout("only nested images", ("cat/a/1.png", "cat/b/2.png", "dog/c/1.png"), read={"train": 3}),
    Layout("classes with dots", ("a.b/cat/1.png", "c.d/1.png"), classes=("a.b", "c.d"), read={"train": 2}),
    Layout("classes with spaces", ("cat /1.png", " dog/1.png"), classes=(" dog", "cat "), read={"train": 2}),
    Layout("classes of digits", ("10/1.png", "9/1.png", "2/1.png"), classes=("10", "2", "9"), read={"train": 3}),
    Layout("classes of other alphabets", ("猫/1.png", "сова/1.png"), classes=("сова", "猫"), read={"train": 2}),
    Layout("a class called like an image", ("cat.png/1.png", "dog/1.png"), classes=("cat.png", "dog"),
           read={"train": 2}),
    Layout("classes called like sets", ("test/1.png", "valid/1.png"), classes=("test", "valid"), read={"train": 2}),
    Layout("composed and decomposed names",
           ("train/caf\u00e9/1.png", "train/x/1.png", "val/cafe\u0301/1.png", "val/x/1.png"),
           classes=("caf\u00e9", "x"), read={"train": 2, "validation": 2}),
    Layout("endings in capitals", ("cat/1.PNG", "cat/2.JPG", "dog/1.Tif", "dog/2.JPEG"), read={"train": 4}),
    Layout("rare endings", ("cat/1.jfif", "cat/2.jpe", "dog/1.jfif", "dog/2.webp"), read={"train": 4}),
    Layout("a file with two dots", ("cat/1.0.png", "dog/1..png"), read={"train": 2}),
    # -- litter
    litter("macOS beside classes", ".DS_Store", "__MACOSX/cat/._1.png"),
    litter("macOS in a class", "cat/._0.png", "cat/.DS_Store"),
    litter("macOS deep in a class", "cat/__MACOSX/deep/1.png", "dog/more/__MACOSX/1.png", says=("2 hidden or system",)),
    litter("Synology beside classes", "@eaDir/cat/thumb.png"),
    litter("Synology in a class", "cat/@eaDir/0.png/SYNOPHOTO_THUMB_M.jpg", "dog/@eaDir/1.png"),
    litter("Synology in capitals", "cat/@EADIR/1.png"),
    litter("Synology trash", "#recycle/cat/1.png", "dog/#recycle/1.png"),
    litter("QNAP", "cat/@Recycle/1.png", "@Recently-Snapshot/1.png"),
    litter("Windows", "cat/Thumbs.db", "desktop.ini", "System Volume Information/1.png", "$RECYCLE.BIN/1.png"),
    litter("Jupyter in a class", "cat/.ipynb_checkpoints/0-checkpoint.png"),
    litter("Jupyter beside classes", ".ipynb_checkpoints/x/0.png"),
    litter("Jupyter in a set", "train/.ipynb_checkpoints/x/1.png", "train/cat/.ipynb_checkpoints/1.png",
           files=SETS, read={"train": 6, "validation": 6, "test": 6}),
    litter("a disk's root", "lost+found/1.png", ".Trash-1000/files/1.png"),
    litter("a repository", ".git/objects/1.png", ".github/cat/1.png"),
    Layout("an empty hidden folder in a class called train", ("train/1.png", "bus/1.png"), empty=("train/.cache",),
           classes=("bus", "train"), read={"train": 2}, says=("hidden or system",)),
    Layout("litter alone in a class called train", ("train/1.png", "bus/1.png"), litter=("train/@eaDir/1.jpg",),
           classes=("bus", "train"), read={"train": 2}, says=("hidden or system",)),
    Layout("notes and labels", (*GOOD, "labels.csv", "cat/readme.txt", "dog/notes.txt"),
           says=("skipped 3 files without the ending of an image: .txt (2), .csv (1)",)),
    Layout("loose images", (*GOOD, "1.png", "2.png"), says=("skipped 2 images outside the classes",)),
    Layout("folders beside the sets", (*SETS, "unlabelled/1.png", "raw/x/1.png"),
           read={"train": 6, "validation": 6, "test": 6}, says=("beside the sets are not read: raw, unlabelled",)),
    Layout("a pipe", after=pipe, says=("skipped 1 file",)),
    # -- links
    Layout("a class is a link", GOOD, links={"owl": "../owl"},
           after=lambda root: picture(root.parent / "owl/1.png", 120),
           classes=("cat", "dog", "owl"), read={"train": 7}),
    Layout("a linked folder in a class", GOOD, links={"cat/more": "../more"},
           after=lambda root: picture(root.parent / "more/1.png", 45), read={"train": 7}),
    Layout("a linked set", SETS[:6], links={"val": "../val"}, read={"train": 6, "validation": 2},
           after=lambda root: [picture(root.parent / f"val/{name}/1.png", 40 * k + 45)
                               for k, name in enumerate(("cat", "dog"))]),
    Layout("linked images", GOOD, links={"cat/x.png": "../x.png"},
           after=lambda root: picture(root.parent / "x.png", 50), read={"train": 7}),
    Layout("a link to the folder that holds it", links={"cat/again": "cat"}, says=("circle",)),
    Layout("a link to the root in a class", links={"cat/up": "."}, says=("circle",)),
    Layout("a link to the root beside classes", links={"all": "."}, says=("circle",)),
    Layout("a link above the root", links={"cat/out": ".."}, says=("circle",)),
    Layout("a circle through two folders", (*GOOD, "cat/a/7.png"), links={"cat/a/b": "cat"}, read={"train": 7},
           says=("circle",)),
    Layout("the same folder linked twice", GOOD, links={"cat/x": "../more", "cat/y": "../more"}, read={"train": 7},
           after=lambda root: picture(root.parent / "more/1.png", 45), says=("1 linked folder",)),
    Layout("a link to nothing", links={"cat/x.png": "nowhere.png"},
           refused=("1 of 7 images cannot be read", "cat/x.png")),
    Layout("a link to itself", links={"cat/x.png": "cat/x.png"}, refused=("1 of 7 images cannot be read", "cat/x.png")),
    Layout("a linked folder that is gone", links={"cat/more": "../gone"}, says=("skipped 1 file", "no ending (1)")),
    # -- what is inside
    Layout("16 bits", after=all_deep),
    Layout("8 and 16 bits", after=half_deep),
    Layout("shares beside 16 bits", after=shares_beside_words, read={"train": 7},
           says=("1 image with more than 8 bits would be all black", "share.tif goes up to 0.9")),
    Layout("read-only", after=read_only),
    Layout("a file name that is not UTF-8", after=file_not_text),
    Layout("subjects with the same folders", tuple(f"s{k}/{path}" for k in (1, 2) for path in GOOD),
           classes=("s1", "s2"), read={"train": 12}, says=("s1, s2", "the same folders (cat, dog)")),
    # -- refused
    Layout("only .heic", ("cat/1.heic", "cat/2.HEIC", "dog/1.heic"),
           refused=("no images of cat, dog", "only .heic (3)", ".jfif", ".png")),
    Layout("one class of .heic", ("cat/1.png", "dog/1.heic"), refused=("no images of dog", "only .heic (1)")),
    Layout("files as classes", ("cat.png", "dog.png"), refused=("0 class folders and 2 loose images",)),
    Layout("an empty class", empty=("owl",), refused=("no images of owl",)),
    Layout("a class of litter", litter=("owl/.1.png",), refused=("no images of owl",)),
    Layout("one folder too high", tuple(f"images/{path}" for path in GOOD), refused=("1 class folder", "images")),
    Layout("sets under other names", tuple(f"{part}/{path}" for part in ("training", "valid") for path in GOOD),
           refused=("another name", "`training` to `train`", "`valid` to `val`")),
    Layout("sets in capitals", tuple(f"{part}/{path}" for part in ("Train", "TEST") for path in GOOD),
           refused=("another name", "`TEST` to `test`")),
    Layout("no training set", SETS[6:], refused=("val and test, but no train",)),
    Layout("a class of the test set alone", (*SETS, "test/owl/1.png"), refused=("same classes: owl",)),
    Layout("a flat test set", (*SETS[:6], "test/1.png"), refused=("same classes: cat, dog",)),
    Layout("a class name that is not UTF-8", after=not_text, refused=("not UTF-8", "caf\\xe9")),
    Layout("composed and decomposed twins", ("caf\u00e9/1.png", "cafe\u0301/1.png", "x/1.png"),
           refused=("two folders called",)),
]  # fmt: skip
