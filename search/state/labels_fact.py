"""The class of each validation image of a run, so that its stored bits say how well each class is recognised."""

import base64
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LabelsFact:
    """The number of the class of each validation image, in the order of the bits that trainings store.

    With folds those of every fold, one after the other.
    """

    classes: tuple[int, ...]

    def of_fold(self, fold: int, sizes: Sequence[int]) -> tuple[int, ...]:
        """The labels of the images that validate in a fold, given the ``sizes`` of the folds; all of them without."""
        begin = sum(sizes[:fold])
        return self.classes[begin : begin + sizes[fold]] if sizes else self.classes

    def to_json(self) -> str:
        """Compressed numbers of four bytes, as text."""
        packed = array("I", self.classes)
        return base64.b64encode(zlib.compress(packed.tobytes(), 9)).decode()

    @classmethod
    def from_json(cls, text: str) -> "LabelsFact":
        """What :meth:`to_json` wrote. Raises ValueError for other text."""
        packed = array("I")
        try:
            packed.frombytes(zlib.decompress(base64.b64decode(text, validate=True)))
        except zlib.error as error:
            raise ValueError(f"not compressed numbers: {error}") from error
        return cls(tuple(packed))

    @classmethod
    def of(cls, labels: Sequence[int]) -> "LabelsFact":
        return cls(tuple(int(label) for label in labels))
