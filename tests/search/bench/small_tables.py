"""Tables of real trainings that are small enough to be spoilt cell by cell."""

import csv
import json

from search.bench import synthetic

SPACE = {"reduction": (4,), "position": ("pre_addition",), "squeeze": ("avg",)}
BLOCKS, EPOCHS = 4, 3


def members():
    return list(synthetic._space(3, **SPACE))


def rows():
    """One row for each epoch of 8 architectures in four blocks, by column."""
    return [
        {
            "architecture": architecture.key,
            "seed": f"{block}.0",
            "epoch": epoch,
            "val_accuracy": 50 + 10 * epoch + i / 10 + ((7 * i + 3 * block) % 5) / 10,
            "train_loss": (9 - epoch + ((5 * i + block) % 7) / 20) / 4,
            "params": 1000 + i,
            "macs": 2000 + i,
        }
        for i, architecture in enumerate(members())
        for block in range(BLOCKS)
        for epoch in range(1, EPOCHS + 1)
    ]


def write(folder, told):
    """The table of these rows with its description; its path."""
    path = folder / "small.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, told[0])
        writer.writeheader()
        writer.writerows(told)
    sites = [{"name": s.name, "stage": s.stage, "channels": dict(s.channels)} for s in synthetic._sites(3)]
    about = {"backbone": "synthetic", "sites": sites, "space": SPACE}
    path.with_name("small.csv.json").write_text(json.dumps(about))
    return path
