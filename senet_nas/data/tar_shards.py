"""Images in WebDataset's tar shards: files of one sample share their name up to the first dot (0001.jpg, 0001.cls).

An index of the members is made once; an image is then read from its place in the shard, of a compressed one from its
place in an unpacked copy.
"""

import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from senet_nas.data import shard_files
from senet_nas.data.columns import LABEL
from senet_nas.data.folder_walk import ENDINGS as PICTURES
from senet_nas.data.folder_walk import is_litter
from senet_nas.data.pictures import Listing, Stored
from senet_nas.data.rows import PARTS, Row, composed, listing, refuse
from senet_nas.recipe import DataSpec
from spaces.errors import UserError

# Endings of members that hold a label, in the order in which they are looked for.
LABELS = ("cls", "cls.txt", "txt", "json")


class _BadSample(ValueError):
    """A sample that gives no image with a label; the message says why."""


@dataclass(frozen=True)
class Member:
    """Where the content of a member lies in its shard."""

    shard: Path
    begin: int
    size: int

    def read(self) -> bytes:
        with self.shard.open("rb") as file:
            file.seek(self.begin)
            return file.read(self.size)


@dataclass(frozen=True)
class Sample:
    """The members of a sample by what stands after the first dot of their name, in lower case."""

    name: str
    members: dict[str, Member] = field(default_factory=dict)


def listed(spec: DataSpec, base: Path) -> Listing:
    """The images of all shards, in the order of the names of the shards and within them. Raises UserError.

    A shard belongs to the set that its name or its folder names (train-0001.tar, val/0001.tar), or else to the images
    that are split.
    """
    root, shards = shard_files.shards(spec, base)
    parts = _parts(shards, root)
    rows: list[Row] = []
    bad: list[tuple[str, str]] = []
    for shard in shards:
        names: set[str] = set()
        for sample in _samples(shard):
            try:
                _check_together(sample, names)
                image = _image(sample, spec)
                entry = Stored(f"{shard}:{sample.name}", lambda image=image: BytesIO(image.read()))  # type: ignore[misc]
                rows.append(Row(entry, _label(sample, spec), parts[shard], _key(sample, spec)))
            except _BadSample as error:
                bad.append((f"{shard.name}:{sample.name}", str(error)))
    refuse(bad, len(rows) + len(bad), str(root), hint="write a file of the image and one of the label for each sample")
    return listing(rows, spec, where=str(root))


# -- inside -----------------------------------------------------------------------------------------------------------


def _parts(shards: list[Path], root: Path) -> Mapping[Path, str]:
    """The set of each shard. Raises UserError if only some of them name one."""
    words = {shard: _word(shard, root) for shard in shards}
    without = [shard for shard, word in words.items() if not word]
    if without and len(without) < len(shards):
        raise UserError(
            f"{len(without)} of {len(shards)} shards name no set, the first is {without[0]}",
            hint="let every name hold train, val or test, or none",
            key="data.path",
        )
    return {shard: PARTS[word] if word else "train" for shard, word in words.items()}


def _word(shard: Path, root: Path) -> str:
    """The word for a set in the name of a shard, or in its path below the root; empty without one."""
    names = [shard.name, *(reversed(shard.relative_to(root).parts[:-1]) if root.is_dir() else ())]
    return next((word for name in names for word in re.findall("[a-z]+", name.lower()) if word in PARTS), "")


def _samples(shard: Path) -> Iterator[Sample]:
    """The samples of a shard: members one after the other whose names agree. Raises UserError for a damaged shard."""
    sample: Sample | None = None
    file_of = shard_files.plain(shard)
    try:
        with tarfile.open(file_of, "r:") as tar:
            for member in tar:
                folder, _, file = member.name.rpartition("/")
                if not member.isfile() or is_litter(file):
                    continue
                stem, _, ending = file.partition(".")
                name = f"{folder}/{stem}" if folder else stem
                if sample is None or sample.name != name:
                    if sample is not None:
                        yield sample
                    sample = Sample(name)
                sample.members[ending.lower()] = Member(file_of, member.offset_data, member.size)
            _check_end(file_of, tar.offset)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise UserError(f"{shard} cannot be read: {error}", hint="fetch or write it again", key="data.path") from error
    if sample is not None:
        yield sample


def _check_together(sample: Sample, before: set[str]) -> None:
    """Raises _BadSample if a sample of this name came ``before``, to which it is added."""
    if sample.name in before:
        raise _BadSample("its name came before; the files of a sample stand together, each once")
    before.add(sample.name)


def _check_end(shard: Path, offset: int) -> None:
    """Raises TarError unless a block of zeros stands there, after the last member, and nothing but zeros follows."""
    with shard.open("rb") as file:
        file.seek(offset)
        rest = file.read(tarfile.BLOCKSIZE)
        if len(rest) < tarfile.BLOCKSIZE or any(rest):
            raise tarfile.ReadError("it ends without its end mark, so it was cut off")
        while rest := file.read(1 << 20):
            if any(rest):
                raise tarfile.ReadError("more follows after its end mark: it may be several shards in one file")


def _image(sample: Sample, spec: DataSpec) -> Member:
    """The image of a sample. Raises _BadSample unless there is one."""
    wanted = spec.image.lower().lstrip(".") if spec.image else ""
    found = [ending for ending in sample.members if (ending == wanted if wanted else _is_picture(ending))]
    held = ", ".join(sample.members)
    if not found:
        raise _BadSample(f"no image; it holds {held}")
    if len(found) > 1:
        raise _BadSample(f"several images: {', '.join(found)}; name one by data.image")
    return sample.members[found[0]]


def _is_picture(ending: str) -> bool:
    return f".{ending.rpartition('.')[2]}" in PICTURES


def _label(sample: Sample, spec: DataSpec) -> str:
    """The label of a sample: the text of a member, or a value of its .json. Raises _BadSample."""
    endings = [spec.label.lower().lstrip(".")] if spec.label and spec.label.lower() in sample.members else LABELS
    ending = next((each for each in endings if each in sample.members), None)
    if ending is None:
        raise _BadSample(f"no label; it holds {', '.join(sample.members)}")
    try:
        text = sample.members[ending].read().decode()
        value = _of_json(json.loads(text), spec) if ending == "json" else text
    except (UnicodeDecodeError, ValueError) as error:
        raise _BadSample(f"its .{ending} cannot be read: {error}") from error
    if not isinstance(value, str | int) or not str(value).strip():
        raise _BadSample(f"its .{ending} holds no label")
    return composed(str(value))


def _key(sample: Sample, spec: DataSpec) -> str | None:
    """The group or time of a sample: the text of a member, or a value of its .json; None without either."""
    name = spec.group or spec.time
    if name is None:
        return None
    if name.lower() in sample.members:
        return sample.members[name.lower()].read().decode(errors="replace").strip()
    if "json" not in sample.members:
        return None
    held = json.loads(sample.members["json"].read())
    return str(held[name]) if isinstance(held, dict) and held.get(name) is not None else None


def _of_json(held: Any, spec: DataSpec) -> Any:
    """The label in the .json of a sample, under the name that the config gives or a usual one."""
    if not isinstance(held, dict):
        return held
    names = [spec.label] if spec.label else [name for name in held if name.lower() in LABEL]
    return held.get(names[0]) if len(names) == 1 else None
