"""Damage files as chance, old software and malice do. All from one seed, so it can be repeated."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

NUMBERS = (0, 1, 2, 3, 15, 16, 127, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**40)
WORDS = (
    b"-1", b"0", b"1", b"3", b"4", b"16", b"65536", b"2147483647", b"4294967296",
    b"9999999999999999999", b"1e308", b"-1e308", b"nan", b"inf", b"", b"%s%n", b"/etc/passwd",
    b"../../x", b"LOCAL", b"LIST", b"/dev/zero", b"none", b"raw", b"gzip", b"bzip2", b"hex",
    b"ascii", b"block", b"short", b"double", b"MET_DOUBLE", b"MET_OTHER", b"True", b"\0", b"\xff",
)  # fmt: skip
"""What a number, a file name or a keyword of a text header becomes."""
HEAD = 700
"""Bytes at the start where most mutations go: there the headers are."""


def flip(data: bytearray, rng: Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        data[_place(data, rng)] ^= 1 << rng.randrange(8)


def set_bytes(data: bytearray, rng: Random) -> None:
    place = _place(data, rng)
    count = rng.choice((1, 2, 4, 8))
    data[place : place + count] = bytes(rng.choice((0, 1, 127, 128, 255)) for _ in range(count))


def set_number(data: bytearray, rng: Random) -> None:
    kind = rng.choice(["<h", "<H", "<i", "<I", "<q", "<f", "<d", ">h", ">i"])
    value = rng.choice(NUMBERS) * rng.choice((1, 1, -1))
    with suppress(struct.error, OverflowError):
        packed = struct.pack(kind, value)
        place = _place(data, rng) // len(packed) * len(packed)
        data[place : place + len(packed)] = packed


def cut(data: bytearray, rng: Random) -> None:
    del data[_place(data, rng) if rng.random() < 0.5 else rng.randrange(len(data)) :]


def drop(data: bytearray, rng: Random) -> None:
    place = _place(data, rng)
    del data[place : place + rng.choice((1, 2, 8, 64))]


def repeat(data: bytearray, rng: Random) -> None:
    place, count = _place(data, rng), rng.choice((1, 8, 64, 512))
    data[place:place] = data[place : place + count] * rng.choice((1, 2, 50))


def set_word(data: bytearray, rng: Random) -> None:
    """Replace a word of a text header."""
    words = list(re.finditer(rb"[^\s,()=:]+", bytes(data[:HEAD])))
    if words:
        one = rng.choice(words)
        data[one.start() : one.end()] = rng.choice(WORDS)


def swap_lines(data: bytearray, rng: Random) -> None:
    lines = bytes(data[:HEAD]).split(b"\n")
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[i], lines[j] = lines[j], lines[i]
    if rng.random() < 0.3:
        lines.insert(i, lines[j])
    data[:HEAD] = b"\n".join(lines)


MUTATIONS: tuple[Callable[[bytearray, Random], None], ...] = (
    flip, flip, set_bytes, set_number, set_number, cut, drop, repeat, set_word, set_word,
    swap_lines,
)  # fmt: skip


def mutated(content: bytes, rng: Random) -> bytes:
    """Return the content with one to four kinds of damage; inside gzip too."""
    if content[:2] == b"\x1f\x8b" and rng.random() < 0.7:
        return gzip.compress(mutated(gzip.decompress(content), rng), 1)
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if data:
            rng.choice(MUTATIONS)(data, rng)
    return bytes(data)


def damage(folder: Path, originals: dict[str, bytes], rng: Random) -> list[str]:
    """Write a folder's files anew, one or some of them damaged; return which."""
    names = sorted(originals)
    header = [name for name in names if name.endswith((".mhd", ".nhdr", "DICOMDIR"))]
    many = len(names) if rng.random() < 0.15 else 1
    chosen = header if header and rng.random() < 0.8 else rng.sample(names, many)
    kind = rng.getrandbits(32)
    for name in chosen:  # the same damage in all: a whole series of one broken device
        own = Random(kind) if rng.random() < 0.8 else rng
        (folder / name).write_bytes(mutated(originals[name], own))
    return chosen


def _place(data: bytearray, rng: Random) -> int:
    size = max(1, len(data))
    return rng.randrange(min(HEAD, size) if rng.random() < 0.8 else size)
