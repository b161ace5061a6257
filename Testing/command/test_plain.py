"""The plain ways that the benchmark of steps measures us against still run."""

import subprocess
import sys

import pytest

from Testing.benchmarks.bench_steps import rows
from Testing.command.conftest import ENVIRONMENT

WAYS = sorted({(row.plain.plain, *row.plain.options) for row in rows() if row.plain.plain})


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way[0])
def test_a_plain_way_runs(ct, tmp_path, way):
    name, *options = way
    out = tmp_path / "o.nii.gz"
    words = ["-m", "Testing.benchmarks.plain", name, "segment", str(ct), "-o", str(out), *options]
    done = subprocess.run(
        [sys.executable, *words], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, out.exists()) == (0, True), done.stderr
