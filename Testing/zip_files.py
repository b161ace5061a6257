"""Zip files of what lies in a folder."""

import zipfile


def packed(folder, target, method=zipfile.ZIP_DEFLATED):
    """Write a zip file of what is in a folder, its folders too; return target."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", method) as made:
        for path in sorted(folder.rglob("*")):
            made.write(path, path.relative_to(folder).as_posix())
    return target
