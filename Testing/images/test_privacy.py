"""What a DICOM file says of its patient does not leave with the results."""

import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.batch.cases import Case, find_cases, without_ids
from FlareSegLib.images.privacy import Identity, hiding, identity_of, shown_name
from FlareSegLib.images.reading import read_volume
from Testing.dicom_series import write_series
from Testing.fuzz.seeds import SEEDS

DOE = Identity(("Doe", "Jane", "4711", "Li", "Müller"), "anon-1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DOE^JANE", "anon-1"),
        ("doe_jane_ct", "anon-1_ct"),
        ("Jane, Doe (4711)/ct", "anon-1)/ct"),
        ("ct4711b", "ctanon-1b"),
        ("Li/liver", "anon-1/liver"),
        ("does nothing", "does nothing"),
        ("mu\u0308ller", "anon-1"),  # as macOS writes an umlaut
        ("CT abdomen", "CT abdomen"),
    ],
)
def test_words_of_the_patient_become_the_pseudonym(text, expected):
    assert DOE.hide(text) == expected


@pytest.mark.parametrize("key", ["dicom", "dicom-implicit", "dicom-big", "dicom-rle", "dicom-j2k"])
def test_name_and_id_are_found_in_every_encoding(tmp_path, key):
    folder = SEEDS[key](tmp_path / "s")
    identity = identity_of(folder)
    assert {"Doe", "Jane", "4711"} <= set(identity.words)
    assert identity == identity_of(next(folder.iterdir()))


def test_a_pseudonym_is_that_of_the_series_and_not_of_the_name(tmp_path):
    first = write_series(tmp_path / "a", SeriesInstanceUID="1.2.3", PatientName="Doe^Jane")
    same = write_series(tmp_path / "b", SeriesInstanceUID="1.2.3", PatientName="Roe^Richard")
    other = write_series(tmp_path / "c", SeriesInstanceUID="1.2.4", PatientName="Doe^Jane")
    names = [identity_of(folder).pseudonym for folder in (first, same, other)]
    assert names[0] == names[1] != names[2]


def test_several_patients_in_a_folder_are_told_apart_by_their_series(tmp_path):
    folder = write_series(tmp_path / "Roe", SeriesInstanceUID="1.2.3", PatientName="Doe^Jane")
    other = write_series(tmp_path / "o", SeriesInstanceUID="1.2.4", PatientName="Roe^Richard")
    for path in other.iterdir():
        path.rename(folder / f"other {path.name}")
    assert shown_name(folder, "1.2.3") == "Roe"
    assert shown_name(folder, "1.2.4").startswith("anon-")


def test_a_study_that_says_its_identity_was_removed_keeps_its_names(tmp_path):
    folder = write_series(tmp_path / "LIDC-0001", PatientID="LIDC-0001")
    assert shown_name(folder).startswith("anon-")
    clean = write_series(
        tmp_path / "b" / "LIDC-0001", PatientID="LIDC-0001", PatientIdentityRemoved="YES"
    )
    assert shown_name(clean) == "LIDC-0001"


def test_files_that_are_no_dicom_keep_their_names(tmp_path):
    path = SEEDS["mha"](tmp_path / "Doe")
    assert shown_name(path) == "ct.mha"


def test_cases_called_after_patients_get_names_that_stay_apart(tmp_path):
    for n, name in enumerate(["DOE_JANE", "ROE_RICHARD"]):
        for phase in ("arterial", "venous"):
            write_series(
                tmp_path / name / phase,
                PatientName=name.replace("_", "^"),
                SeriesInstanceUID=f"1.2.{n}.{len(phase)}",
            )
    cases = without_ids(find_cases(tmp_path))
    assert len({case.name for case in cases}) == 4
    assert all(case.name.startswith("anon-") for case in cases)
    assert {case.name.rpartition("_")[2] for case in cases} == {"arterial", "venous"}
    assert cases == without_ids(find_cases(tmp_path))
    assert not any("DOE" in case.place or "RICHARD" in case.place for case in cases)


def test_two_cases_whose_names_become_equal_are_told_apart(tmp_path):
    folder = write_series(tmp_path / "s")
    cases = without_ids([Case("Doe", folder, "Doe"), Case("Jane", folder, "Jane")])
    assert len({case.name for case in cases}) == 2


@pytest.mark.parametrize("keep_ids", [False, True])
def test_errors_do_not_tell_who_it_is(tmp_path, keep_ids):
    folder = write_series(tmp_path / "Doe Jane", Modality="MR", SeriesDescription="Doe, Jane")
    with pytest.raises(InputError) as caught, hiding(folder, None, keep_ids=keep_ids):
        read_volume(folder)
    assert ("Doe" in str(caught.value)) == keep_ids
    assert "modality MR" in str(caught.value)
