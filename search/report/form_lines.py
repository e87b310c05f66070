"""The table of ``senet-search benchmark`` in a terminal: a line for each runtime and precision."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from senet_nas.costs.deployed_forms import FormResult

HEAD = f"{'form':<18} {'ms':>8} {'plain':>8}   {'over plain, % [95 %]':<24} {'size':>9}"
ON_IMAGES = f"   {'accuracy':>8}   {'drop, points [95 %]':<24} {'drop of plain':<22}"


class Forms(Protocol):
    """What is printed: see :class:`search.exporting.benchmarked.Benchmarked`."""

    @property
    def of(self) -> str: ...

    @property
    def images(self) -> str: ...

    @property
    def measured_on(self) -> Mapping[str, object]: ...

    @property
    def forms(self) -> "Sequence[FormResult]": ...


def form_lines(found: Forms) -> list[str]:
    """The table, and what its columns mean."""
    has_images = any(form.images is not None for form in found.forms)
    where = ", ".join(f"{name} {value}" for name, value in found.measured_on.items())
    notes = [f"Time is of one forward pass in turns with the same form of plain; on {where}."]
    if has_images:
        notes.append(
            f"Accuracy is on {found.images}. Drop: points that the form loses against the same network in eager fp32, "
            "paired on these images."
        )
    else:
        notes.append("Without accuracy: it takes a run whose weights were kept, and its images.")
    return [found.of, HEAD + (ON_IMAGES if has_images else ""), *map(_line, found.forms), *notes]


def _line(form: "FormResult") -> str:
    if form.time is None:
        return f"{form.name:<18} {form.refused}"
    time = form.time
    over = _with_interval(time.overhead, 100 * (time.low - 1), 100 * (time.high - 1))
    size = f"{form.size / 1e6:.2f} MB" if form.size >= 1e5 else f"{form.size / 1e3:.1f} kB"
    found = f"{form.name:<18} {time.candidate_ms:>8.3f} {time.plain_ms:>8.3f}   {over:<24} {size:>9}"
    if form.images is None or form.plain_images is None:
        return found
    drop, of_plain = (_with_interval(each.drop, *each.interval) for each in (form.images, form.plain_images))
    return f"{found}   {form.images.accuracy:>7.2f}%   {drop:<24} {of_plain:<22}".rstrip()


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
