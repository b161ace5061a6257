"""What the report says of how a CT was taken is the same for slices and for an enhanced CT."""

import pydicom
import pytest
from pydicom.dataset import Dataset

from FlareSegLib.images.dicom.acquired import said_in_groups
from FlareSegLib.images.dicom.acquisition import acquisition
from Testing.dicom_enhanced import LEGACY, edit, write_enhanced
from Testing.dicom_series import write_series

SAID = {"slice_thickness_mm": 3.0, "kernel": "B30f", "kvp": 120.0, "contrast": "Iohexol",
        "manufacturer": "Made up"}  # fmt: skip
TAGS = {"ConvolutionKernel": "B30f", "KVP": 120, "ContrastBolusAgent": "Iohexol",
        "Manufacturer": "Made up"}  # fmt: skip


def item(**tags):
    found = Dataset()
    for name, value in tags.items():
        setattr(found, name, value)
    return found


def group(ds, place):
    """Return the functional group items of all frames, or of each."""
    return (
        ds.SharedFunctionalGroupsSequence
        if place == "shared"
        else ds.PerFrameFunctionalGroupsSequence
    )


def as_scanners_write(place):
    def change(ds):
        ds.Manufacturer = "Made up"
        ds.ContrastBolusAgentSequence = [
            item(CodeValue="C-B0322", CodingSchemeDesignator="SRT", CodeMeaning="Iohexol")
        ]
        for one in group(ds, place):
            one.CTXRayDetailsSequence = [item(KVP=120)]
            one.CTReconstructionSequence = [item(ConvolutionKernel="B30f")]

    return change


def as_converters_write(place):
    name = "UnassignedSharedConvertedAttributesSequence"
    if place == "frames":
        name = "UnassignedPerFrameConvertedAttributesSequence"

    def change(ds):
        ds.Manufacturer = "Made up"
        for one in group(ds, place):
            setattr(one, name, [item(**{key: TAGS[key] for key in list(TAGS)[:3]})])

    return change


def test_slices_say_it_themselves(tmp_path):
    assert acquisition(write_series(tmp_path / "s", **TAGS), None) == SAID


@pytest.mark.parametrize("place", ["shared", "frames"])
@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("write", [as_scanners_write, as_converters_write])
def test_an_enhanced_ct_says_it_in_its_groups(tmp_path, place, undefined, write):
    sop_class = {"sop_class": LEGACY} if write is as_converters_write else {}
    path = write_enhanced(
        write_series(tmp_path / "s"), tmp_path / "e" / "ct.dcm", undefined=undefined, **sop_class
    )
    edit(path, write(place))
    assert acquisition(path, None) == SAID
    assert acquisition(path.parent, None) == SAID


def test_it_is_found_behind_a_large_header_too(tmp_path):
    path = write_enhanced(write_series(tmp_path / "s"), tmp_path / "e" / "ct.dcm")
    edit(path, as_scanners_write("frames"))

    ds = pydicom.dcmread(path)
    ds.add_new(0x00290010, "LO", "MADE UP")
    ds.add_new(0x00291010, "OB", bytes(1 << 17))
    ds.save_as(path)
    assert acquisition(path, None) == SAID


def test_a_code_beside_the_text_of_a_slice_changes_nothing(tmp_path):
    folder = write_series(tmp_path / "s", **TAGS)
    for path in folder.iterdir():
        edit(path, lambda ds: setattr(ds, "ContrastBolusAgentSequence", [item(CodeMeaning="x")]))
    assert acquisition(folder, None)["contrast"] == "Iohexol"


@pytest.mark.parametrize("count", [0, 1, 200, 1000, 2000])
def test_a_file_that_is_cut_off_says_what_it_can(tmp_path, count):
    path = write_enhanced(write_series(tmp_path / "s"), tmp_path / "e" / "ct.dcm")
    path.write_bytes(path.read_bytes()[:count])
    assert said_in_groups(path, [(0x18, 0x60)]) == {}
