"""Which CTs a table, a pattern or a folder means."""

import pytest

from FlareSegLib.base.errors import InputError, OutputError
from FlareSegLib.batch import summary
from FlareSegLib.batch.cases import Case
from FlareSegLib.batch.manifest import cases_of

TABLE = "path,case,series,ward\np1/ct.nii.gz,,,3\n/cts/b.nrrd,Frau Ü/1,,\np2/dicom,two,1.2.3,\n"


def found(cases):
    return [(case.name, case.source, case.place, case.series) for case in cases]


def test_a_table_lists_cases_with_names_and_series(tmp_path):
    (tmp_path / "list.csv").write_text(TABLE, encoding="utf-8-sig")
    assert found(cases_of(tmp_path / "list.csv")) == [
        ("p1_ct", tmp_path / "p1/ct.nii.gz", "p1/ct.nii.gz", None),
        ("Frau_Ü_1", type(tmp_path)("/cts/b.nrrd"), "/cts/b.nrrd", None),
        ("two", tmp_path / "p2/dicom", "p2/dicom", "1.2.3"),
    ]


def test_a_parquet_table_gives_the_same_as_csv(tmp_path):
    pyarrow = pytest.importorskip("pyarrow", reason="extra parquet is not installed")
    from pyarrow import csv, parquet

    (tmp_path / "list.csv").write_text(TABLE)
    read = csv.read_csv(tmp_path / "list.csv")
    assert read.schema.field("ward").type == pyarrow.int64()
    parquet.write_table(read, tmp_path / "list.parquet")
    of = [cases_of(tmp_path / f"list.{ending}") for ending in ("parquet", "csv")]
    assert found(of[0]) == found(of[1])


def test_names_never_leave_the_output_folder_and_never_clash(tmp_path):
    names = ["../../etc/x", "..", "a", "A", "/abs", "c:\\x", "a"]
    lines = "".join(f'{i}.nii,"{name}"\n' for i, name in enumerate(names))
    (tmp_path / "list.csv").write_text(f"path,case\n{lines}")
    cases = cases_of(tmp_path / "list.csv")
    assert len({case.name.casefold() for case in cases}) == len(names)
    assert not any(set("/\\:") & set(case.name) or case.name.startswith(".") for case in cases)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("file,case\na.nii,a\n", "it needs one called path"),
        ("path,case\na.nii,a\n,b\n", "a line without a path"),
        ("path\n\xff\n", "give a CSV file in UTF-8"),
    ],
)
def test_a_table_that_cannot_be_used_is_said(tmp_path, content, reason):
    (tmp_path / "list.csv").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=reason):
        cases_of(tmp_path / "list.csv")


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "list.parquet").write_bytes(b"PAR1")
    monkeypatch.setattr(summary, "find_spec", lambda _: None)
    with pytest.raises(OutputError, match=r"pip install 'pyarrow>=15\.0'"):
        cases_of(tmp_path / "list.parquet")


def test_a_broken_parquet_file_is_said(tmp_path):
    pytest.importorskip("pyarrow", reason="extra parquet is not installed")
    (tmp_path / "list.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match="give a Parquet file"):
        cases_of(tmp_path / "list.parquet")


def test_a_pattern_matches_files_and_folders_but_not_the_results(tmp_path):
    for name in ("p1/a_venous.nii.gz", "p2/a_venous.nii.gz", "p2/a_plain.nii.gz", "out/x.nii.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    venous = cases_of(tmp_path / "*" / "*_venous.nii.gz")
    assert [case.source.parent.name for case in venous] == ["p1", "p2"]
    assert len({case.name for case in venous}) == 2
    folders = cases_of(tmp_path / "*", without=tmp_path / "out")
    assert [case.name for case in folders] == ["p1_a_venous", "p2_a_plain", "p2_a_venous"]
    assert cases_of(tmp_path / "**" / "x*", without=tmp_path / "out") == ()


def test_a_folder_is_searched_as_before(tmp_path):
    (tmp_path / "a.nii").write_text("x")
    assert cases_of(tmp_path) == (Case("a", tmp_path / "a.nii", "a.nii"),)


def test_the_folder_names_a_case_of_a_pattern_whatever_else_matches(tmp_path):
    for name in ("p1", "p2"):
        (tmp_path / "cts" / name).mkdir(parents=True)
        (tmp_path / "cts" / name / "ct.nii.gz").write_text("x")
        cases = cases_of(tmp_path / "cts" / "*" / "ct.nii.gz")
        assert [case.name for case in cases][:1] == ["p1_ct"]
    assert [case.name for case in cases] == ["p1_ct", "p2_ct"]
    assert [case.place for case in cases] == ["p1/ct.nii.gz", "p2/ct.nii.gz"]


def test_a_pattern_and_its_folder_give_the_same_names(tmp_path):
    for name in ("a/x/ct.nii.gz", "b/y/z/scan.nrrd", "c.mha"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    expected = ["a_x_ct", "b_y_z_scan", "c"]
    assert [case.name for case in cases_of(tmp_path)] == expected
    assert [case.name for case in cases_of(tmp_path / "**" / "*.*")] == expected
    assert [case.name for case in cases_of(tmp_path / "*")] == expected


def test_folders_that_the_file_name_repeats_are_said_once(tmp_path):
    path = tmp_path / "sub-01" / "ses-2" / "ct" / "sub-01_ses-2_ct.nii.gz"
    path.parent.mkdir(parents=True)
    path.write_text("x")
    assert [case.name for case in cases_of(tmp_path)] == ["sub-01_ses-2_ct"]
