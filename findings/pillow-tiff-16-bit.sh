#!/usr/bin/env bash
# Pillow and TIFF of 16 bits a sample, photometric interpretation and planes.
#
# TIFF 6.0, tag 262: with PhotometricInterpretation 0, WhiteIsZero, 0 is white; tag 284: with
# PlanarConfiguration 2 each colour has a plane of its own. Pillow turns WhiteIsZero round for up to
# 8 bits a sample, but hands out samples of 16 bits as they are stored, without a sign of it in mode
# or info, so the image is its negative. And it reads RGB planes of 16 bits as if they had 8: the
# two bytes of one sample become two neighbouring pixels, half of the plane is left out,
# and no error is raised. Interleaved RGB of 16 bits loses its low byte, which is documented.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
cd "$work"
"$work/venv/bin/python" - <<'PY'
import io
import numpy as np, PIL, tifffile
from PIL import Image

def stored(array, **options):
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return Image.open(stream)

print("Pillow", PIL.__version__)
shallow = stored(np.array([[0, 255]], "uint8"), photometric="miniswhite")
deep = stored(np.array([[0, 65535]], "uint16"), photometric="miniswhite")
print("WhiteIsZero, stored 0 and largest,  8 bits:", np.asarray(shallow).tolist(), shallow.mode)
print("WhiteIsZero, stored 0 and largest, 16 bits:", np.asarray(deep).tolist(), deep.mode)
assert np.asarray(shallow).tolist() == [[255, 0]]
assert np.asarray(deep).tolist() == [[0, 65535]]

# One row of four pixels of one colour, 40000 = 0x9C40.
planes = stored(np.full((3, 1, 4), 40000, "uint16"), photometric="rgb", planarconfig="separate")
pixels = np.asarray(planes)
print("RGB planes of 16 bits, all samples 0x9C40:", pixels.tolist(), planes.mode)
assert [0x40] * 3 in pixels[0].tolist() and [0x9C] * 3 in pixels[0].tolist()
PY
echo "as described"
