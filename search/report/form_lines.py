"""The table of ``senet-search benchmark`` in a terminal: a line for each runtime and precision."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from senet_nas.costs.energy import Energy

if TYPE_CHECKING:
    from senet_nas.costs.deployed_forms import FormResult

HEAD = f"{'form':<18} {'ms':>8} {'plain':>8}   {'over plain, % [95 %]':<24} {'size':>9}"
IN_JOULES = f"   {'J an image':>10} {'plain':>10}   {'over plain, % [95 %]':<24}"
ON_IMAGES = f"   {'accuracy':>8}   {'drop, points [95 %]':<24} {'drop of plain':<22}"


class Forms(Protocol):
    """What is printed: see :class:`search.exporting.benchmarked.Benchmarked`."""

    @property
    def of(self) -> str: ...

    @property
    def is_plain(self) -> bool: ...

    @property
    def images(self) -> str: ...

    @property
    def measured_on(self) -> Mapping[str, object]: ...

    @property
    def forms(self) -> "Sequence[FormResult]": ...


def form_lines(found: Forms) -> list[str]:
    """The table, and what its columns mean."""
    has_images = any(form.images is not None for form in found.forms)
    has_joules = any(isinstance(form.energy, Energy) for form in found.forms)
    where = ", ".join(f"{name} {value}" for name, value in found.measured_on.items())
    turns = "" if found.is_plain else " in turns with the same form of plain"
    notes = [f"Time is of one forward pass{turns}; on {where}."]
    if found.is_plain:
        notes.insert(0, "This network is plain: there is nothing to compare it with.")
    if has_images:
        notes.append(
            f"Accuracy is on {found.images}. Drop: points that the form loses against the same network in eager fp32, "
            "paired on these images."
        )
    else:
        notes.append("Without accuracy: it takes a run whose weights were kept, and its images.")
    notes += _energy_notes(found.forms)
    if found.is_plain:
        return [found.of, *_alone(found.forms, has_joules, has_images), *notes]
    head = HEAD + (IN_JOULES if has_joules else "") + (ON_IMAGES if has_images else "")
    return [found.of, head, *(_line(form, has_joules) for form in found.forms), *notes]


def _alone(forms: "Sequence[FormResult]", has_joules: bool, has_images: bool) -> list[str]:
    """The table of plain, of which every difference from plain would be noise."""
    head = f"{'form':<18} {'ms':>8} {'size':>9}"
    head += f" {'J an image':>10}" if has_joules else ""
    head += f" {'accuracy':>9}   drop, points [95 %]" if has_images else ""
    return [head, *(_line_alone(form, has_joules) for form in forms)]


def _line_alone(form: "FormResult", has_joules: bool) -> str:
    if form.time is None:
        return f"{form.name:<18} {form.refused}"
    found = f"{form.name:<18} {form.time.candidate_ms:>8.3f} {_size(form):>9}"
    if has_joules:
        found += f" {form.energy.candidate_j:>10.4g}" if isinstance(form.energy, Energy) else f" {'-':>10}"
    if form.images is None:
        return found
    return f"{found} {form.images.accuracy:>8.2f}%   {_with_interval(form.images.drop, *form.images.interval)}"


def _energy_notes(forms: "Sequence[FormResult]") -> list[str]:
    """What joules are of, and why they are not known."""
    known = dict.fromkeys(form.energy.meter for form in forms if isinstance(form.energy, Energy))
    unknown = dict.fromkeys(form.energy for form in forms if isinstance(form.energy, str))
    notes = [f"Energy is that of the whole chip by {meter}, with other programs." for meter in known]
    return [*notes, *(f"Energy is not known: {reason}." for reason in unknown)]


def _line(form: "FormResult", has_joules: bool) -> str:
    if form.time is None:
        return f"{form.name:<18} {form.refused}"
    time = form.time
    over = _with_interval(time.overhead, 100 * (time.low - 1), 100 * (time.high - 1))
    found = f"{form.name:<18} {time.candidate_ms:>8.3f} {time.plain_ms:>8.3f}   {over:<24} {_size(form):>9}"
    if has_joules:
        found += _joules(form)
    if form.images is None or form.plain_images is None:
        return found.rstrip()
    drop, of_plain = (_with_interval(each.drop, *each.interval) for each in (form.images, form.plain_images))
    return f"{found}   {form.images.accuracy:>7.2f}%   {drop:<24} {of_plain:<22}".rstrip()


def _size(form: "FormResult") -> str:
    return f"{form.size / 1e6:.2f} MB" if form.size >= 1e5 else f"{form.size / 1e3:.1f} kB"


def _joules(form: "FormResult") -> str:
    if not isinstance(form.energy, Energy):
        return f"   {'-':>10} {'-':>10}   {'':<24}"
    spent = form.energy
    over = _with_interval(spent.overhead, 100 * (spent.low - 1), 100 * (spent.high - 1))
    return f"   {spent.candidate_j:>10.4g} {spent.plain_j:>10.4g}   {over:<24}"


def _with_interval(value: float, low: float, high: float) -> str:
    return f"{value:+.2f} [{low:+.2f}, {high:+.2f}]"
