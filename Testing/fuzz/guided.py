"""Fuzz our own parsers, guided by coverage (atheris, libFuzzer), each in a process of its own.

usage: python -m Testing.fuzz.guided [--seconds N] [--keep FOLDER] [TARGET...]

Prints for each target how many inputs were run and how many new ones reached new code, or the
finding: its input lies in FOLDER, and `--again FILE TARGET` runs it once more. What reached new
code stays there too, and is where the next run goes on. Exit code 1 if there was a finding.
"""

from __future__ import annotations

import argparse
import logging
import re
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from Testing.fuzz.mutate import WORDS

MOST_BYTES = 20_000
"""Of an input; the seeds have at most that."""
MOST_SECONDS, MOST_MIB = 30, 2048
"""For one input."""
_STAT = re.compile(r"stat::(number_of_executed_units|new_units_added):\s+(\d+)")


def fuzz(target: str, seconds: int, keep: Path) -> tuple[int, int, str]:
    """Fuzz a target; return inputs run, inputs that reached new code, and what was found."""
    corpus = keep / target
    corpus.mkdir(parents=True, exist_ok=True)
    dictionary = keep / "words.dict"
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS if word))
    words = [sys.executable, "-m", "Testing.fuzz.guided", "--child", target, str(corpus)]
    limits = [f"-max_total_time={seconds}", f"-max_len={MOST_BYTES}", f"-timeout={MOST_SECONDS}"]
    more = [
        f"-rss_limit_mb={MOST_MIB}",
        f"-dict={dictionary}",
        f"-artifact_prefix={keep}/{target}-",
    ]
    more += ["-print_final_stats=1", "-use_value_profile=1"]
    done = subprocess.run(
        [*words, *limits, *more], capture_output=True, encoding="utf-8", errors="replace"
    )
    stats = dict(_STAT.findall(done.stderr))
    found = "" if done.returncode == 0 else _told(done.stderr, done.returncode)
    return (
        int(stats.get("number_of_executed_units", 0)),
        int(stats.get("new_units_added", 0)),
        found,
    )


def _escaped(word: bytes) -> str:
    return "".join(chr(n) if 32 <= n < 127 and n not in b'"\\' else f"\\x{n:02x}" for n in word)


def _told(said: str, code: int) -> str:
    """Return what matters of libFuzzer's words: the exception, and where the input lies."""
    lines = said.splitlines()
    at = next((i for i, line in enumerate(lines) if "Uncaught Python exception" in line), None)
    picked = lines[at + 1 : at + 3] if at is not None else lines[-3:]
    return " | ".join([f"exit code {code}", *picked, *(x for x in lines if "Test unit" in x)])


def child(target: str, corpus: Path, words: list[str]) -> None:
    """Run libFuzzer in this process; it ends the process."""
    import atheris

    with atheris.instrument_imports(include=["FlareSegLib"]):
        from Testing.fuzz.targets import TARGETS, scratch
    logging.disable(logging.CRITICAL)
    one = TARGETS[target]
    for i, seed in enumerate(one.seeds()):
        (corpus / f"seed{i}").write_bytes(seed)
    folder = Path(tempfile.mkdtemp(dir=scratch()))

    def check(data: bytes) -> None:
        place = folder / "now"
        place.mkdir()
        try:
            one.check(data, place)
        finally:
            shutil.rmtree(place)

    try:
        atheris.Setup([sys.argv[0], *words, str(corpus)], check)
        atheris.Fuzz()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def again(target: str, path: Path) -> None:
    """Run one input once more, with its traceback."""
    from Testing.fuzz.targets import TARGETS

    with tempfile.TemporaryDirectory() as folder:
        TARGETS[target].check(path.read_bytes(), Path(folder))
    print(f"{target}: the rule holds for {path}")


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
        return 0
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("targets", nargs="*", help="default: all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--keep", type=Path, default=Path(".cache/fuzz"), metavar="FOLDER")
    parser.add_argument("--again", type=Path, metavar="FILE")
    options = parser.parse_args()
    if options.again:
        again(options.targets[0], options.again)
        return 0
    if find_spec("atheris") is None:
        print("skipped: atheris is not installed (Linux: pip install atheris)")
        return 0
    from Testing.fuzz.targets import TARGETS

    findings = 0
    for target in options.targets or TARGETS:
        runs, new, found = fuzz(target, options.seconds, options.keep.absolute())
        print(f"{target}: {runs} inputs, {new} new, {found or 'no finding'}", flush=True)
        findings += bool(found)
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
