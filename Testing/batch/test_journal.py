"""One line per case, whatever becomes of the process."""

import pytest

from FlareSegLib.batch.journal import NAME, Journal, read_journal
from FlareSegLib.batch.summary import Measured, Row, row_of

ROW = Row("a", "in/a.nii", "", "ok", "", Measured(1.25, {"liver": 1500.5}, ("mirrored",)))


def test_a_row_comes_back_as_it_was(tmp_path):
    journal = Journal(tmp_path / NAME)
    rows = [ROW, Row("肝", "x", "1.2", "failed", "two\nlines \udcff")]
    for row in rows:
        journal.append(row)
    assert [row_of(facts) for facts in read_journal(tmp_path / NAME)] == rows
    assert (tmp_path / NAME).read_bytes().isascii()


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_half_written_line_costs_only_itself(tmp_path, cut, caplog):
    path = tmp_path / NAME
    journal = Journal(path)
    journal.append(ROW)
    journal.append(ROW)
    path.write_bytes(path.read_bytes()[:-cut])
    journal.append(ROW)
    expected = 3 if cut == 1 else 2  # without its line break the line is whole
    assert [row_of(facts) for facts in read_journal(path)] == [ROW] * expected
    assert ("not whole" in caplog.text) == (cut > 1)


def test_a_journal_that_cannot_be_written_is_a_warning(tmp_path, caplog):
    Journal(tmp_path).append(ROW)
    assert "cannot be written" in caplog.text
