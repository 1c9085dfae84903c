# SPDX-License-Identifier: Apache-2.0
"""Makes check_golden.h: values of SciPy 1.17.1 for tests/unit/check_statistics.c.

    python3 check_golden.py > check_golden.h"""
import numpy as np
from scipy import special, stats

ROWS = np.sort([(i * 7919 % 1013) / 9.7 for i in range(1, 24)])

TABLE = [
    ("NORMAL", "{z, tail}", [(z, stats.norm.sf(z)) for z in (-3, -1, 0, 0.5, 1.96, 6, 20)]),
    ("CHI2", "{x, k, tail}", [(x, k, stats.chi2.sf(x, k)) for x, k in (
        (0.1, 1), (3.84, 1), (5, 9), (20, 9), (100, 9), (900, 1000), (1100, 1000), (1e-8, 3),
        (600, 20))]),
    ("POISSON", "{k, m, tail}", [(k, m, special.gammainc(k, m)) for k, m in (
        (1, 1e-9), (1, 0.3), (5, 4.5), (30, 10), (3, 20), (200, 180))]),
    ("STUDENT", "{t, k, tails}", [(t, k, 2 * stats.t.sf(abs(t), k)) for t, k in (
        (0.1, 1), (2, 3), (-2.5, 10), (5, 30), (1.96, 1000), (8, 50))]),
    ("FISHER", "{f, a, b, tail}", [(f, a, b, stats.f.sf(f, a, b)) for f, a, b in (
        (0.5, 2, 10), (1, 30, 30), (3, 5, 100), (2.5, 200, 1800), (20, 3, 7))]),
    ("QUANTILE", "{q, numpy.quantile of (7919 i mod 1013) / 9.7, i = 1..23}",
     [(q / 97, np.quantile(ROWS, q / 97)) for q in range(1, 97, 5)]),
    ("KOLMOGOROV", "{x, tail}", [(x, special.kolmogorov(x)) for x in (
        0.1, 0.3, 0.5, 0.79, 0.81, 1, 1.36, 2, 4)]),
]

print("/* SPDX-License-Identifier: Apache-2.0 */\n/* Made by check_golden.py. */")
for name, columns, rows in TABLE:
    width = len(rows[0])
    print(f"/* {columns} */\nstatic const double {name}[][{width}] = {{")
    for row in rows:
        print("    {" + ", ".join(f"{float(v):.17g}" for v in row) + "},")
    print("};")
