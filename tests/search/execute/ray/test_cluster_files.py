"""The files that start a cluster: what can be checked without one, and the SLURM job for real on this machine."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from search.state.ledger import Ledger

ROOT = Path(__file__).parents[4]
FILES = ROOT / "configs" / "cluster"


def test_the_launcher_takes_its_file():
    """By Ray's own schema, and it starts every node with a token."""
    import ray
    from jsonschema import validate

    config = yaml.safe_load((FILES / "launcher.yaml").read_text())
    validate(config, json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text()))
    for start in ("head_start_ray_commands", "worker_start_ray_commands"):
        assert "RAY_AUTH_MODE=token ray start" in config[start][-1]


def test_the_job_of_kuberay_is_whole():
    job = yaml.safe_load((FILES / "kuberay.yaml").read_text())
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    pods = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for pod in (group["template"]["spec"] for group in pods):
        (container,) = pod["containers"]
        assert {"name": "RAY_AUTH_MODE", "value": "token"} in container["env"]
        assert {m["name"] for m in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    (workers,) = cluster["workerGroupSpecs"]
    (container,) = workers["template"]["spec"]["containers"]
    assert int(container["resources"]["limits"]["nvidia.com/gpu"]) > 1
    words = job["spec"]["entrypoint"].split()
    assert words[:2] == ["senet-search", "run"]
    assert words[-1] == "resources.ray=auto"


def test_the_job_of_slurm_is_a_script_that_bash_reads():
    subprocess.run(["bash", "-n", str(FILES / "slurm.sh")], check=True)
    lines = (FILES / "slurm.sh").read_text().splitlines()
    assert "#SBATCH --gpus-per-task=4" in lines
    assert all(line.startswith("#") for line in lines[: max(i for i, x in enumerate(lines) if x.startswith("#SBATCH"))])


@pytest.mark.slow
@pytest.mark.ray
def test_the_job_of_slurm_searches_on_its_nodes_and_leaves_none_behind(tmp_path):
    """``srun`` and ``scontrol`` stand in for SLURM's; Ray, its token and the search are real."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    python = Path(sys.executable)
    shims = {
        "srun": "while [[ $1 == -* ]]; do [[ $1 == -w ]] && shift; shift; done\n"
        "[[ $1 == hostname ]] && echo 127.0.0.1 && exit\n"
        'if [[ "$*" == *--head* ]]; then exec "$@" --num-cpus=0; else exec "$@" --num-cpus=2; fi',
        "scontrol": "printf 'node1\\nnode2\\n'",
        "senet-search": f'exec {python} -c "from search.cli.app import main; main()" "$@"',
    }
    for name, body in shims.items():
        (bin_ / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (bin_ / name).chmod(0o755)
    (tmp_path / "scripted.py").write_text("def train(architecture, seed):\n    return 90 + seed.replicate / 10\n")
    (tmp_path / "config.yaml").write_text(
        "name: run\ndata: digits\nmodel: {backbone: cifar_resnet8}\n"
        "budget: {trainings: 6}\nevaluate: python:scripted:train\n"
    )
    environment = {
        **os.environ,
        "PATH": f"{bin_}:{python.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_JOB_ID": str(os.getpid()),
        "HOME": str(tmp_path),
    }
    job = subprocess.run(
        ["bash", str(FILES / "slurm.sh"), "config.yaml"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert job.returncode == 0, job.stderr
    ledger = Ledger(tmp_path / "runs" / "run" / "ledger.sqlite", read_only=True)
    assert sum(t.state == "finished" for t in ledger.trainings) == 6
    left = subprocess.run(
        ["pgrep", "-f", "--", f"--port={20000 + os.getpid() % 20000}"], capture_output=True, check=False
    )
    assert left.returncode == 1
