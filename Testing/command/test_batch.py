"""flareseg batch, and the script that does the same in Slicer."""

import csv
import json
import signal
import subprocess
import sys

import pytest

from FlareSegLib.command.main import main
from Testing.command.conftest import COMMAND, ENVIRONMENT, LEAN, ROOT

SCRIPT = ROOT / "FlareSeg" / "Scripts" / "flareseg_batch.py"


@pytest.fixture
def here(capsys, monkeypatch):
    """Run the command in this process, which is faster; the same to look at as flareseg."""

    def run(*words, cwd=None):
        if cwd:
            monkeypatch.chdir(cwd)
        said = [str(word) for word in words]
        try:
            code = main(said)
        except SystemExit as stop:
            code = stop.code
        return subprocess.CompletedProcess(said, code, *capsys.readouterr())

    return run


@pytest.fixture
def cts(tmp_path, ct):
    """Two good CTs and a bad one."""
    folder = tmp_path / "CTs é"
    for name in ("a", "肝 c"):
        (folder / name).mkdir(parents=True)
        (folder / name / "ct.nii.gz").write_bytes(ct.read_bytes())
    (folder / "b.nii.gz").write_text("this is no image")
    return folder


def statuses(folder):
    with (folder / "summary.csv").open(encoding="utf-8", newline="") as file:
        return [(row["case"], row["status"]) for row in csv.DictReader(file)]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


FILES = [
    "a_ct_organs.nii.gz",
    "a_ct_organs.report.json",
    "journal.jsonl",
    "summary.csv",
    "肝_c_ct_organs.nii.gz",
    "肝_c_ct_organs.report.json",
]


def test_a_line_per_ct_the_counts_and_where_the_summary_is(flareseg, cts, model, tmp_path):
    done = flareseg("batch", cts, tmp_path / "out", "--model", model, *LEAN)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[:3]] == [
        ["1/3", "ok"], ["2/3", "failed"], ["3/3", "ok"],
    ]  # fmt: skip
    assert "b: b.nii.gz is no CT" in lines[1]
    assert lines[3:] == [
        "3 CTs: 2 ok, 1 failed, 0 skipped",
        f"summary   {tmp_path / 'out' / 'summary.csv'}",
    ]
    assert done.stderr.splitlines() == [
        "flareseg: 3 CTs, each may take 600 s and 10 s per million voxels (--timeout)"
    ]
    assert names(tmp_path / "out") == FILES


def test_code_is_0_when_all_went_well_and_skipped_counts_as_well(here, cts, model, tmp_path):
    (cts / "b.nii.gz").unlink()
    words = ("batch", cts, tmp_path / "out", "--model", model, "--skip-existing", *LEAN)
    for status in ("ok", "skipped"):
        done = here(*words)
        assert done.returncode == 0, done.stderr
        assert statuses(tmp_path / "out") == [("a_ct", status), ("肝_c_ct", status)]


def test_results_inside_the_input_are_no_cases(here, cts, model):
    words = ("batch", ".", "results", "--model", model, "--quiet", *LEAN)
    for _ in range(2):
        done = here(*words, cwd=cts)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert len(statuses(cts / "results")) == 3


@pytest.mark.parametrize("chosen", [".nrrd", ".seg.nrrd"])
def test_format_csv_and_preview_are_as_asked(here, cts, model, tmp_path, chosen):
    pytest.importorskip("matplotlib", reason="the picture needs flareseg[preview]")
    words = ("--format", chosen, "--csv", "--preview", "--organs", "liver", "--quiet")
    here("batch", cts / "a", tmp_path / "out", "--model", model, *words, *LEAN)
    endings = (chosen, ".csv", ".png", ".report.json")
    assert names(tmp_path / "out") == sorted(
        ["journal.jsonl", "summary.csv", *(f"ct_organs{e}" for e in endings)]
    )


def test_programs_get_the_case_and_the_share_of_the_whole(here, cts, model, tmp_path):
    words = ("batch", cts, tmp_path / "out", "--model", model, "--progress", "json", *LEAN)
    steps = [json.loads(line) for line in here(*words).stderr.splitlines()]
    assert steps[0] == {"step": "search", "share": 0.0}
    last = steps[-1]
    assert (last["step"], last["case"], last["index"], last["count"]) == ("finish", "肝_c_ct", 3, 3)
    assert [step["share"] for step in steps] == sorted(step["share"] for step in steps)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["batch"], "INPUT, OUTPUT"),
        (["batch", "missing", "out"], "is no folder: give one that holds CTs"),
        (["batch", "empty", "out"], "no CT found in empty"),
        (["batch", "empty", "./empty"], "OUTPUT is INPUT"),
        (["batch", "empty", "out", "--format", ".png"], "'.png'"),
        (["batch", "empty", "out", "--organs", "lung"], "lung is no organ"),
    ],
)
def test_wrong_usage_and_an_empty_folder_are_code_2(here, tmp_path, words, reason):
    (tmp_path / "empty").mkdir()
    done = here(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert reason in done.stderr.splitlines()[-1]
    assert names(tmp_path) == ["empty"]


def test_what_would_fail_every_case_is_one_line(here, cts, model, tmp_path):
    (tmp_path / "file").write_text("x")
    for words in ((tmp_path / "file", "--model", model), (tmp_path / "out", "--model", tmp_path)):
        done = here("batch", cts, *words, *LEAN)
        assert (done.returncode, done.stdout) == (1, "")
        assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_debug_shows_the_traceback_of_a_case(flareseg, cts, model, tmp_path):
    done = flareseg("batch", cts, tmp_path / "out", "--model", model, "--debug", *LEAN)
    assert done.returncode == 1
    assert "Traceback (most recent call last)" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals differ on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_batch_goes_on_where_it_was(flareseg, cts, endless, model, tmp_path, number):
    (cts / "b.nii.gz").unlink()
    out = tmp_path / "out"
    later = [(path, tmp_path / path.name) for path in cts.iterdir() if path.name != "a"]
    for path, aside in later:
        path.rename(aside)
    done = flareseg("batch", cts, out, "--model", model, "--quiet", *LEAN)
    assert done.returncode == 0
    for path, aside in later:
        aside.rename(path)
    words = ["batch", str(cts), str(out), "--skip-existing", *LEAN, "--speed", "accurate"]
    stuck = [*words, "--model", str(endless), "--no-skip-air", "--progress", "json"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    run = subprocess.Popen([*COMMAND, *stuck], env=ENVIRONMENT, **pipes)
    while json.loads(run.stderr.readline())["step"] != "network":
        assert run.poll() is None, "the run ended before it could be stopped"
    run.send_signal(number)
    _, said = run.communicate(timeout=60)
    assert run.returncode == 128 + number
    assert said.splitlines()[-1] == (
        "flareseg: stopped: what is finished stays, --skip-existing goes on from there"
    )
    assert names(out) == FILES[:4]
    done = flareseg(*words, "--model", model)
    assert done.returncode == 0, done.stderr
    assert names(out) == FILES
    assert statuses(out) == [("a_ct", "skipped"), ("肝_c_ct", "ok")]


# the script for Slicer


def script(*words, **more):
    said = [sys.executable, str(SCRIPT), *map(str, words)]
    environment = {key: value for key, value in ENVIRONMENT.items() if key != "PYTHONPATH"}
    return subprocess.run(
        said, capture_output=True, encoding="utf-8", env=environment, timeout=120, **more
    )


def test_the_script_gives_the_same_bytes_as_the_command(flareseg, cts, model, tmp_path):
    words = ("--model", model, "--quiet", *LEAN)
    done = flareseg("batch", cts, tmp_path / "command", *words)
    same = script("--output", tmp_path / "script", *words, "--input", cts, cwd=tmp_path)
    assert (same.returncode, same.stdout, same.stderr) == (done.returncode, "", "")
    assert names(tmp_path / "script") == names(tmp_path / "command") == FILES
    for name in (FILES[0], FILES[4]):
        one, other = (tmp_path / folder / name for folder in ("command", "script"))
        assert one.read_bytes() == other.read_bytes()


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        ([], 2, "required: --input, --output"),
        (["--input", "x"], 2, "required: --output"),
        (["--input", "missing", "--output", "o"], 2, "is no folder"),
        (["--input", ".", "--output", "o", "--speed", "warp"], 2, "'warp'"),
        (["--input", "-x", "--output", "o"], 2, "expected one argument"),
        (["--input=-x", "--output", "o"], 2, "INPUT (-x) is no folder"),
    ],
)
def test_the_script_refuses_with_the_codes_of_the_command(tmp_path, words, code, reason):
    done = script(*words, cwd=tmp_path)
    assert done.returncode == code
    assert reason in done.stderr.splitlines()[-1]
    assert names(tmp_path) == []


def test_the_script_ends_with_its_code_where_slicer_executes_its_text(tmp_path):
    words = [str(SCRIPT), "--input", "missing", "--output", "o"]
    as_slicer = (
        f"import sys; sys.argv = {words!r}; names = globals(); names['__file__'] = sys.argv[0]; "
        "exec(open(sys.argv[0], encoding='ascii').read(), names)"
    )
    done = subprocess.run([sys.executable, "-c", as_slicer], capture_output=True, cwd=tmp_path)
    assert done.returncode == 2
    assert b"is no folder" in done.stderr


def test_the_script_has_help_under_a_name_that_slicer_does_not_take(tmp_path):
    done = script("--flareseg-help", cwd=tmp_path)
    assert done.returncode == 0
    assert "--skip-existing" in done.stdout


SLICERS_OWN = {
    "--help", "--version", "--testing", "--settings-path", "--temporary-path", "--home",
    "--program-path", "--no-splash", "--no-main-window", "--python-script", "--python-code",
    "--ignore-slicerrc", "--exit-after-startup", "--verbose", "--verbose-module-discovery",
    "--modules-to-ignore", "--additional-module-path", "--additional-module-paths",
    "--disable-settings", "--disable-terminal-outputs", "--disable-message-handlers",
    "--disable-cli-modules", "--disable-loadable-modules", "--disable-scripted-loadable-modules",
    "--disable-python", "--ignore-rest", "--keep-temporary-settings",
}  # fmt: skip
"""Options that Slicer takes for itself, so that no script ever sees them."""


def test_no_option_of_the_script_is_one_of_slicer():
    from FlareSegLib.command.main import make_parser

    parser = make_parser()
    commands = next(action.choices for action in parser._actions if action.dest == "command")
    said = {word for action in commands["batch"]._actions for word in action.option_strings}
    assert SLICERS_OWN & said == {"--help"}
