#!/bin/sh
# Run Python where the rig of the Slicer module is installed:  in_rig.sh -m pytest Testing/slicer
#
# Slicer has Python 3.12, and the rig's Qt ends 3.11 with an abort: so the rig has an environment of
# its own, .venv-rig, made here when it is missing or older than pyproject.toml. Where there is no
# Python 3.12, or no wheel for this machine, the reason is said and .venv runs what needs no rig;
# with RIG=required that is an error.
set -u
cd "$(dirname "$0")/../.." || exit 1
rig=.venv-rig

fits() {  # is $1 a Python that the wheels of slicer-core are for?
    "$1" -c 'import sys; sys.exit(not (3, 12) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

find_python() {
    for name in "${PYTHON:-python3}" python3.12 python3.13 \
        $(pyenv whence --path python3.12 2>/dev/null) "$(command -v uv >/dev/null && uv python find 3.12 2>/dev/null)"; do
        if [ -n "$name" ] && fits "$name"; then echo "$name"; return; fi
    done
    return 1
}

make_rig() {
    python=$(find_python) || { echo "there is no Python 3.12 or 3.13 here"; return 1; }
    fits $rig/bin/python || "$python" -m venv --clear $rig || return 1
    if ! $rig/bin/python -m pip install --quiet --editable '.[rig]' 2>$rig/pip.log; then
        grep -v '^WARNING' $rig/pip.log | tail -1
        return 1
    fi
    $rig/bin/python -c 'import slicer, PySide6.QtWidgets' 2>&1 | tail -1 >$rig/import.log
    if [ -s $rig/import.log ]; then cat $rig/import.log; return 1; fi
    touch $rig/.ready
}

if [ ! -e $rig/.ready ] || [ pyproject.toml -nt $rig/.ready ]; then
    if ! reason=$(make_rig); then
        echo "THE RIG OF THE SLICER MODULE IS MISSING: $reason." >&2
        echo "The tests that need it are skipped. Get Python 3.12 and network, and try again." >&2
        rm -f $rig/.ready
        [ "${RIG:-}" = required ] && exit 1
        exec .venv/bin/python "$@"
    fi
fi
exec $rig/bin/python "$@"
