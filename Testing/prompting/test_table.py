"""Tables of many things."""

import pytest

from FlareSegLib.base.errors import InputError
from FlareSegLib.prompting.prompt_table import read_table
from FlareSegLib.prompting.prompts import BoxPrompt, ClickPrompt, LinePrompt


def written(folder, text):
    path = folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_become_things_with_their_prompts(tmp_path):
    text = 'name,box,line,add,remove\ncyst,"0,10,0,20,0,30",,1 2 3; 4 5 6,\n,,0 0 0 9 0 0,,7 8 9\n'
    cyst, second = read_table(written(tmp_path, text))
    assert cyst.name == "cyst"
    assert cyst.prompts == (
        BoxPrompt((5.0, 10.0, 15.0), (10.0, 20.0, 30.0)),
        ClickPrompt((1.0, 2.0, 3.0), inside=True),
        ClickPrompt((4.0, 5.0, 6.0), inside=True),
    )
    assert second.name == "lesion 2"
    assert second.prompts == (
        LinePrompt((0.0, 0.0, 0.0), (9.0, 0.0, 0.0)),
        ClickPrompt((7.0, 8.0, 9.0), inside=False),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,boxx\na,1 2 3 4 5 6\n", "did you mean 'box'"),
        ("name\na\n", "no column box"),
        ("name,box\n", "lists nothing"),
        ("name,box\na,1 2 3\n", "row 1: box is '1 2 3': give 6"),
        ("name,box\na,1 2 3 4 5 nan\n", "finite"),
        ("name,box\na,\n", "row 1 has no prompt"),
        ("name,box,line\na,1 2 3 4 5 6,1 2 3 4 5 6\n", "box and a line"),
        ("name,box\na,1 2 3 4 5 6\na,1 2 3 4 5 6\n", "two rows named"),
        ("name,box\na,1,2,3,4,5,6\n", "more cells than columns"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(tmp_path, text, said):
    with pytest.raises(InputError, match=said) as caught:
        read_table(written(tmp_path, text))
    assert "\n" not in str(caught.value)
