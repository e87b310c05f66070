"""``senet-search export``: writes the network of a finished search."""

from pathlib import Path

import click

from search.cli.options import JSON, ONNX, PICK, RUNS, limited, print_answer


@click.command(short_help="Take a network of RUN home: weights, code, ONNX, model card.")
@click.argument("run")
@PICK
@limited
@click.option(
    "--to", "target", default=None, type=click.Path(path_type=Path), help="Folder to write. [default: RUN/export/ID]"
)
@ONNX
@click.option(
    "--int8",
    is_flag=True,
    help="Also write static INT8 for ONNX Runtime and OpenVINO, where installed, proven on the validation images.",
)
@click.option("--force", is_flag=True, help="Replace an existing folder.")
@click.option("--register", metavar="NAME", help="Register the network as a version of this MLflow model.")
@click.option("--alias", default="champion", show_default=True, help="Alias that points at the registered version.")
@RUNS
@JSON
def export(
    run: str,
    pick: str,
    limits: dict[str, float],
    target: Path | None,
    onnx: bool | None,
    int8: bool,
    force: bool,
    register: str | None,
    alias: str,
    runs: Path,
    as_json: bool,
) -> None:
    """Export a network of RUN: weights, plain PyTorch code, a torch.export program, ONNX and a model card.

    Every form is checked against the trained network.
    """
    from search.export import export as export_network

    taken = export_network(
        run,
        pick=pick,
        limits=limits,
        to=target,
        onnx=onnx,
        force=force,
        runs=runs,
        register=register,
        alias=alias,
        int8=int8,
    )
    print_answer("export", run, taken, as_json=as_json)
