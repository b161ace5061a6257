"""flareseg model: import, list, show, remove and export models."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from FlareSegLib.command.options import Commands, add_command, ending

EXAMPLES = """examples:
  flareseg model import nnUNet_results/Dataset003_Liver/nnUNetTrainer__nnUNetPlans__3d_fullres
  flareseg model import exported_by_nnunet.zip --name liver --folds 0,1 --citation "doi 10.1000/x"
  flareseg model import flareseg_model.zip
  flareseg model list
  flareseg model show liver
  flareseg segment ct.nii.gz -o labels.nii.gz --model liver --speed accurate
  flareseg model export liver -o liver.zip
  flareseg model remove liver

SOURCE is a FlareSeg model (folder or zip), an ONNX file with a model.json beside it, or a trained
nnU-Net v2: its folder Trainer__Plans__configuration, or the zip of nnUNetv2_export_model_to_zip.
An nnU-Net is converted by torch and nnunetv2, once, on any computer; what comes of it runs without.
Models lie in $FLARESEG_MODELS, or in a folder of the user. docs/models.md says what is supported.
"""


def add(commands: Commands) -> None:
    """Add the subcommand."""
    parser = add_command(
        commands,
        _run,
        name="model",
        help="import, list, show, remove, export models",
        description="Models on this computer: FlareSeg's own, and those of others.",
        epilog=EXAMPLES,
    )
    parts = parser.add_subparsers(dest="part", metavar="WHAT", required=True)
    _add_import(_part(parts, "import", _import, "take over a model"))
    _part(parts, "list", _list, "name, version and labels of each")
    for name, run, say in (
        ("show", _show, "what a model is, and what each speed costs"),
        ("remove", _remove, "delete an imported model"),
        ("export", _export, "write a model as a zip, for another computer"),
    ):
        part = _part(parts, name, run, say)
        part.add_argument("named", metavar="NAME", help="name, name@version, or folder")
        if name == "export":
            part.add_argument(
                "-o", dest="target", type=ending(".zip"), required=True, metavar="ZIP", help="file"
            )


def _part(
    parts: Commands, name: str, run: Callable[[argparse.Namespace], None], say: str
) -> argparse.ArgumentParser:
    part: argparse.ArgumentParser = parts.add_parser(name, help=say, description=say)
    part.add_argument("--debug", action="store_true", help="show the traceback of an error")
    part.set_defaults(run_part=run)
    return part


def _add_import(part: argparse.ArgumentParser) -> None:
    def add(flag: str, say: str, **more: object) -> None:
        part.add_argument(flag, help=say, **more)  # type: ignore[arg-type]

    add("source", "folder, zip or ONNX file", type=Path, metavar="SOURCE")
    add("--name", "name from now on (default: data set and configuration)", default="")
    add("--as-version", "version from now on (default: 1)", default="1", metavar="VERSION")
    add("--configuration", "of several in SOURCE, such as 3d_fullres", default="")
    add("--folds", "such as 0,1,2 or all (default: those that are there)", default="")
    add("--checkpoint", "of each fold (default: %(default)s)", default="checkpoint_final.pth")
    orientation = "letters that x, y, z of the training images grow toward, such as RAS"
    add("--orientation", f"{orientation} (default: files as they are)", default="", metavar="XYZ")
    add("--licence", "of the weights (default: what dataset.json says)", default="")
    add("--citation", "to be shown with the model", default="")


def _run(options: argparse.Namespace) -> None:
    options.run_part(options)


def _import(options: argparse.Namespace) -> None:
    from FlareSegLib.models.sources import Wanted, import_from

    wanted = Wanted(
        name=options.name,
        version=options.as_version,
        configuration=options.configuration,
        folds=tuple(fold.strip() for fold in options.folds.split(",") if fold.strip()),
        checkpoint=options.checkpoint,
        orientation=options.orientation,
        licence=options.licence,
        citation=options.citation,
    )
    print("\n".join(_told(import_from(options.source, wanted))))


def _list(_: argparse.Namespace) -> None:
    from FlareSegLib.models.facts import listed

    print("\n".join(listed()))


def _show(options: argparse.Namespace) -> None:
    from FlareSegLib.models.store import find_model

    print("\n".join(_told(find_model(options.named))))


def _remove(options: argparse.Namespace) -> None:
    from FlareSegLib.models.store import remove_model

    print(f"removed   {remove_model(options.named)}")


def _export(options: argparse.Namespace) -> None:
    from FlareSegLib.models.store import export_model

    print(f"exported  {export_model(options.named, options.target)}")


def _told(folder: Path) -> list[str]:
    from FlareSegLib.models.facts import told

    return told(folder)
