"""Writes networks.json again: ``python -m tests.senet_nas.golden``. Look at what changed before you keep it."""

import json
from pathlib import Path

from senet_nas.network.backbones.table import names
from senet_nas.network.published import NETWORKS
from tests.senet_nas.golden import of_backbone, of_network

if __name__ == "__main__":
    found = {
        "backbones": {name: of_backbone(name) for name in names()},
        "networks": {name: of_network(name) for name in NETWORKS},
    }
    rows = [
        f' "{kind}": {{\n' + ",\n".join(f'  "{name}": {json.dumps(row)}' for name, row in table.items()) + "\n }"
        for kind, table in found.items()
    ]
    (Path(__file__).parent / "networks.json").write_text("{\n" + ",\n".join(rows) + "\n}\n")
