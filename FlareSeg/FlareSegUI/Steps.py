"""What a run does, in words for people; the command has short names for its steps."""

from slicer.i18n import tr as _


def spoken(facts: dict) -> str:
    """Return what is done; of a batch, also at which case.

    Args:
        facts: A line of --progress json.
    """
    of = f"{facts['index']}/{facts['count']} {facts['case']}: " if "case" in facts else ""
    return of + _words().get(facts["step"], facts["step"])


def _words() -> dict[str, str]:
    return {
        "start": _("Starting"),
        "search": _("Searching for CTs"),
        "read": _("Reading the CT"),
        "load network": _("Loading the network"),
        "orient": _("Preparing the CT"),
        "resample": _("Preparing the CT"),
        "network": _("Finding the organs"),
        "restore": _("Bringing the organs to the CT's voxels"),
        "clean up": _("Cleaning up"),
        "measure": _("Measuring"),
        "write": _("Writing"),
        "finish": _("Writing"),
        "convert": _("Converting the nnU-Net"),
        "surfaces": _("Making surfaces"),
    }
