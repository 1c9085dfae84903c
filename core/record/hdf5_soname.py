# SPDX-License-Identifier: Apache-2.0
"""hdf5_soname.py READELF PROGRAM HEADER: the header with the name by which PROGRAM, linked
with HDF5, loads it."""
import re
import subprocess
import sys

readelf, program, header = sys.argv[1:]
text = subprocess.run([readelf, "-dW", program], stdout=subprocess.PIPE, text=True,
                      check=True).stdout
names = [n for n in re.findall(r"\(NEEDED\).*\[(.*)\]", text) if re.match(r"libhdf5(?!\w*_hl)", n)]
if len(names) != 1:
    sys.exit(f"{program} needs no shared library of HDF5, or several: {names}\n{text}")
with open(header, "w") as f:
    f.write(f'#define HDF5_SONAME "{names[0]}"\n')
