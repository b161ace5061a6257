"""The predictor of nnU-Net as a program: `-m Testing.nnunet.predict MODEL CT FOLDER [--tta]`."""

import sys
from pathlib import Path

from Testing.nnunet.oracle import predict

if __name__ == "__main__":
    model, ct, folder = map(Path, sys.argv[1:4])
    predict(model, ct, folder, mirrored="--tta" in sys.argv)
