"""Which classes a quality metric needs. Imports neither torch nor numpy, as the metrics themselves."""

from collections.abc import Sequence

from senet_nas.training.quality_metrics import RECALL
from spaces.errors import UserError, nearest


def check_classes(name: str, classes: Sequence[str], counts: Sequence[int]) -> None:
    """Raises UserError if a metric cannot be measured with these classes; ``counts`` are validation images of each."""
    if name == "top5" and len(classes) <= 5:
        raise UserError(
            f"top5 is always 100 % with {len(classes)} classes",
            hint="take accuracy, or balanced_accuracy if the classes differ in size",
        )
    if name == "auroc" and sum(count > 0 for count in counts) < 2:
        raise UserError("auroc needs validation images of two classes or more", hint="set data.validation higher")
    if not name.startswith(RECALL):
        return
    label = name.removeprefix(RECALL)
    if label not in classes:
        guess = nearest(label, classes)
        shown = ", ".join(classes[:10]) + (", ..." if len(classes) > 10 else "")
        hint = f"did you mean `{RECALL}{guess}`?" if guess else ""
        raise UserError(f"no class is called `{label}`; there are {shown}", hint=hint)
    if not counts[classes.index(label)]:
        raise UserError(
            f"no validation image is of the class `{label}`", hint="set data.validation higher, or take another metric"
        )
