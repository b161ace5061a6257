"""Notes what is asked for; installs nothing."""

from pathlib import Path

asked: list[tuple[list[str], str]] = []
error: list[Exception] = []
"""Put an exception here and the next request raises it: a refusal, or a failure of pip."""


def load_requirements(path):
    return [line for line in Path(path).read_text("utf-8").splitlines() if line.strip()]


def pip_ensure(requirements, requester=None, **_):
    asked.append((requirements, requester))
    if error:
        raise error.pop()
