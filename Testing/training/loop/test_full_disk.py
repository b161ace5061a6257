"""A disk that is really full keeps the old checkpoint, and with room training goes on."""

import dataclasses
import os

import pytest

torch = pytest.importorskip("torch", reason="extra train is not installed")
pytest.importorskip("torchio", reason="extra train is not installed")

from FlareSegLib.base.errors import OutputError  # noqa: E402
from Testing.small_disk import disk, resize  # noqa: E402
from Testing.training.little import a_run  # noqa: E402
from Testing.training.small import a_config, write_cases  # noqa: E402
from training import distill  # noqa: E402
from training.cases.run_folder import append_row, cut_rows  # noqa: E402
from training.loop import checkpoint, loop  # noqa: E402
from training.sections import Train  # noqa: E402

pytestmark = pytest.mark.torch


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path):
    run = a_run()
    checkpoint.save(tmp_path / "one.pt", run.state())
    before = (tmp_path / "one.pt").read_bytes()
    with disk(tmp_path / "disk", f"size={int(len(before) * 1.5) >> 10}k") as folder:
        path = folder / "checkpoint.pt"
        checkpoint.save(path, run.state())
        before = path.read_bytes()
        with pytest.raises(OutputError, match="the disk is full: free some space"):
            checkpoint.save(path, {**run.state(), "more": torch.ones(9)})
        assert path.read_bytes() == before
        assert checkpoint.load(path).keys() == run.state().keys()
        assert names(folder) == ["checkpoint.pt"]


def test_a_row_that_a_full_disk_cuts_is_said_and_left_out_later(tmp_path):
    with disk(tmp_path / "disk", "size=12k") as folder:
        path = folder / "metrics.csv"
        append_row(path, {"step": 1, "loss": 0.5})
        with pytest.raises(OutputError, match=r"metrics\.csv cannot be written: the disk is full"):
            write_rows_until_it_is_full(path)
        resize(folder, "1m")
        cut_rows(path, 3)
        assert path.read_text().splitlines() == [
            "step,loss", "1,0.5", "2,0.123456789", "3,0.123456789",
        ]  # fmt: skip


def test_a_half_written_row_is_left_out(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text("step,loss,val_dsc\n10,0.5,\n20,0.4,0.9\n3")
    cut_rows(path, 20)
    assert path.read_text() == "step,loss,val_dsc\n10,0.5,\n20,0.4,0.9\n"


@pytest.mark.slow
def test_training_on_a_disk_that_fills_up_goes_on_when_there_is_room(tmp_path, monkeypatch, capsys):
    config = a_config(tmp_path, train=Train(patch=(8, 16, 16), steps=4, log_steps=1,
                                            checkpoint_steps=2))  # fmt: skip
    with disk(tmp_path / "disk", "size=8m") as folder:
        config = dataclasses.replace(config, work=folder / "work")
        write_cases(config, ["a", "b"])
        path, filler = config.work / "distill" / "checkpoint.pt", folder / "others"
        real = loop.keep

        def keep(*given):
            if path.exists():  # the first one is there: leave it no room for the next
                left = len(path.read_bytes()) // 2
                while (room := free_bytes(folder)) > left:
                    with filler.open("ab") as file:
                        file.write(bytes(min(room - left, 4096)))
            real(*given)

        monkeypatch.setattr(loop, "keep", keep)
        with pytest.raises(OutputError, match="the disk is full: free some space"):
            distill.main(config)
        assert checkpoint.load(path)["schedule"]["step"] == 2
        assert not [name for name in names(path.parent) if name.startswith(".")]
        filler.unlink()
        monkeypatch.setattr(loop, "keep", real)
        distill.main(config, resume=True)
        assert checkpoint.load(path)["schedule"]["step"] == 4
        rows = (path.parent / "metrics.csv").read_text().splitlines()
        assert [row.split(",")[0] for row in rows] == ["step", "1", "2", "3", "4"]
    capsys.readouterr()


def write_rows_until_it_is_full(path):
    for step in range(2, 9000):
        append_row(path, {"step": step, "loss": 0.123456789})


def free_bytes(folder):
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize
