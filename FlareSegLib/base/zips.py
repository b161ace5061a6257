"""What goes wrong with zip files."""

import lzma
import struct
import zipfile
import zlib

DAMAGED = (
    OSError, EOFError, ValueError, RuntimeError, NotImplementedError, OverflowError,
    struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile,
)  # fmt: skip
"""What zipfile raises for a file that is none, damaged, encrypted or packed in an unknown way."""
