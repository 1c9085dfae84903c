# SPDX-License-Identifier: Apache-2.0
"""Writes tests/runs/parquet/: files of pyarrow, polars and DuckDB, and what pyarrow reads
in them. Run by hand, with pyarrow 26, polars 2.1 and duckdb 2.0; tests only read the
result.

    parquet_golden.py FOLDER"""
import datetime
import decimal
import json
import pathlib
import sys

import duckdb
import numpy as np
import polars
import pyarrow as pa
import pyarrow.parquet as pq

ROWS = 60
folder = pathlib.Path(sys.argv[1])
draw = np.random.default_rng(7)


def table(nulls):
    def column(values, kind=None):
        return pa.array(values, type=kind, mask=draw.random(ROWS) < 0.2 if nulls else None)
    words = ["ab", "\u00fc", "", "a longer text", "\u65e5\u672c"]
    return pa.table({
        "f64": column(draw.normal(size=ROWS)), "f32": column(draw.normal(size=ROWS).astype("f4")),
        "i8": column(draw.integers(-128, 128, ROWS).astype("i1")),
        "i64": column(draw.integers(-2**50, 2**50, ROWS)),
        "u32": column(draw.integers(0, 2**32, ROWS).astype("u4")),
        "u64": column(draw.integers(0, 2**62, ROWS).astype("u8")),
        "truth": column(draw.random(ROWS) < 0.5), "few": column(draw.integers(0, 5, ROWS)),
        "word": column([words[k] for k in draw.integers(0, 5, ROWS)]),
        "day": column([datetime.date(1970, 1, 1) + datetime.timedelta(int(k))
                       for k in draw.integers(-9000, 20000, ROWS)]),
        "ms": column(draw.integers(0, 10**12, ROWS), pa.timestamp("ms")),
        "us": column(draw.integers(0, 10**15, ROWS), pa.timestamp("us")),
        "ns": column(draw.integers(0, 10**18, ROWS), pa.timestamp("ns")),
        "y": pa.array(draw.integers(0, 3, ROWS))})


def more(t):
    cents = [decimal.Decimal(int(k)).scaleb(-2) for k in draw.integers(-10**6, 10**6, ROWS)]
    return t.append_column("cents", pa.array(cents, pa.decimal128(12, 2))).append_column(
        "half", pa.array(draw.normal(size=ROWS).astype("f2")))


def expected(t):
    """Values as runner gives them: numbers, days, texts; null where one is missing."""
    out = {}
    for name, column in zip(t.column_names, t.columns):
        unit = getattr(column.type, "unit", None)
        if pa.types.is_timestamp(column.type):
            per = {"ms": 86400e3, "us": 86400e6, "ns": 86400e9}[unit]
            out[name] = [None if v is None else v / per
                         for v in column.cast(pa.int64()).to_pylist()]
        elif pa.types.is_date(column.type):
            out[name] = column.cast(pa.int32()).to_pylist()
        elif pa.types.is_decimal(column.type):
            out[name] = [None if v is None else float(v) for v in column.to_pylist()]
        else:
            out[name] = [v if v is None or isinstance(v, (str, int)) else float(v)
                         for v in column.to_pylist()]
    return out


def keep(name, t, write):
    write(folder / f"{name}.parquet")
    (folder / f"{name}.json").write_text(json.dumps(expected(t)) + "\n")


full, holes = more(table(False)), more(table(True))
keep("plain", full, lambda p: pq.write_table(full, p, compression="none", use_dictionary=False))
keep("snappy", holes, lambda p: pq.write_table(holes, p, row_group_size=25, data_page_size=64))
keep("pages2", holes, lambda p: pq.write_table(holes, p, compression="zstd",
                                              data_page_version="2.0", row_group_size=40))
keep("gzip", full, lambda p: pq.write_table(full, p, compression="gzip",
                                           store_decimal_as_integer=True))
split = table(True)
keep("split", split, lambda p: pq.write_table(
    split, p, compression="lz4", use_dictionary=False,
    column_encoding={"f64": "BYTE_STREAM_SPLIT", "f32": "BYTE_STREAM_SPLIT"}))
keep("polars", split, lambda p: polars.from_arrow(split).write_parquet(p))
con = duckdb.connect()
con.register("t", split)
keep("duckdb", split, lambda p: con.sql(f"COPY t TO '{p}' (FORMAT parquet)"))
nested = pa.table({"y": pa.array([0, 1, 2] * 4), "f64": pa.array(np.arange(12.0)),
                   "list": pa.array([[1, 2]] * 12), "record": pa.array([{"a": 1, "b": 2}] * 12),
                   "bytes": pa.array([b"x"] * 12), "above": pa.array([2**63] * 12, pa.uint64())})
pq.write_table(nested, folder / "nested.parquet")
pq.write_table(nested, folder / "brotli.parquet", compression="brotli")
pq.write_table(pa.table({"y": pa.array([0, 1] * 9), "f64": pa.array(range(18))}),
               folder / "delta.parquet", use_dictionary=False,
               column_encoding={"f64": "DELTA_BINARY_PACKED"})
