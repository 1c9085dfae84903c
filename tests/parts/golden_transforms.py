#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write golden/transforms.json: inputs of transforms, and what scikit-learn 1.9.1 (NumPy
where it has nothing alike) gives for them, fitted on the training rows. A case has arrays
or a csv, the transforms, how many rows are for training (the others are validation), and
expected fields of all rows."""
import json
import math
import pathlib
import warnings

import numpy as np
from sklearn import preprocessing as pp

warnings.filterwarnings("ignore")
NAN = float("nan")
INPUTS, CASES = {}, {}


def shared(a):
    """The name of an input, written once."""
    item = {"dtype": a.dtype.str, "data": clean(a)}
    key = next((k for k, v in INPUTS.items() if json.dumps(v) == json.dumps(item)), None)
    key = key or f"a{len(INPUTS)}"
    INPUTS[key] = item
    return key


def clean(v):
    if isinstance(v, np.ndarray):
        v = v.tolist()
    if isinstance(v, list):
        return [clean(i) for i in v]
    return int(v) if isinstance(v, float) and v == round_or(v) and abs(v) < 1e15 else v


def round_or(v):
    return round(v) if math.isfinite(v) else None


def case(name, transforms, expected, train, arrays=None, csv=None, source=None,
         tolerance=1e-12):
    CASES[name] = {
        "transforms": transforms, "train": train, "tolerance": tolerance,
        "expected": {k: clean(np.asarray(v)) for k, v in expected.items()},
        **({"arrays": {k: shared(np.asarray(v)) for k, v in arrays.items()}}
           if arrays else {}),
        **({"csv": csv, "source": source or {}} if csv else {})}


def fitted(transformer, x, train, *target):
    transformer.fit(x[:train], *target)
    return np.asarray(transformer.transform(x))


rng = np.random.default_rng(7)
X = rng.normal(size=(60, 5)) * [1, 100, 0.01, 5, 3] + [0, 1000, 0, -5, 2]
X[:, 3] = np.round(X[:, 3])       # ties
X[:, 4] = 3.25                    # constant
HOLES = X.copy()
HOLES[rng.random(X.shape) < 0.2] = NAN
SKEW = np.exp(rng.normal(size=(60, 3)) * [0.5, 1.5, 0.1])
T = 48


def plain(name, transform, transformer, x=HOLES, **more):
    case(name, [{**transform, "of": ["x"]}], {"x": fitted(transformer, x, T)}, T,
         {"x": x}, **more)


# ------------------------------------------------------------------ impute
from sklearn.impute import SimpleImputer  # noqa: E402

for how in ("mean", "median", "most_frequent"):
    for kind, x in (("f64", HOLES), ("f32", HOLES.astype("f4"))):
        # f32 stays f32, as the fill is then a number of that field.
        want = fitted(SimpleImputer(strategy=how), x.astype("f8"), T)
        case(f"impute {how} {kind}", [{"type": "impute", "of": ["x"], "with": how,
                                       "flag": True}],
             {"x": want.astype(kind.replace("f64", "f8").replace("f32", "f4")),
              "x_missing": np.isnan(x).astype(float)}, T, {"x": x})
case("impute most_frequent, tie", [{"type": "impute", "of": ["x"], "with": "most_frequent"}],
     {"x": [[2.0], [1.0], [2.0], [1.0], [1.0], [3.0]]}, 5,
     {"x": np.array([[2.0], [1.0], [2.0], [1.0], [NAN], [3.0]])})
case("impute constant where all is missing",
     [{"type": "impute", "of": ["x"], "with": "constant", "value": -1.5}],
     {"x": [[-1.5], [-1.5], [4.0]]}, 2, {"x": np.array([[NAN], [NAN], [4.0]])})
case("impute texts", [{"type": "impute", "of": ["k", "n"], "with": "most_frequent",
                       "flag": True}, {"type": "label_map", "of": "k"}],
     {"k": [0, 1, 0, 1, 0, 1], "k_missing": [0, 0, 0, 0, 1, 0],
      "n": [1, 1, 2, 2, 5, 1], "n_missing": [0, 0, 0, 0, 0, 1]}, 5,
     csv="x,k,n\n1,bb,1\n2,cc,1\n3,bb,2\n4,cc,2\n5,,5\n6,cc,\n",
     source={"fields": ["k", "n"]})
case("impute a text with a longer constant",
     [{"type": "impute", "of": "k", "with": "constant", "text": "unknown"},
      {"type": "label_map", "of": "k"}],
     {"k": [0, 1, 0]}, 3, csv="x,k\n1,a\n2,\n3,a\n", source={"fields": ["k"]})

# ----------------------------------------------------------------- scalers
plain("standardise", {"type": "standardise"}, pp.StandardScaler())
plain("minmax", {"type": "minmax"}, pp.MinMaxScaler())
plain("maxabs", {"type": "maxabs"}, pp.MaxAbsScaler())
plain("robust", {"type": "robust"}, pp.RobustScaler())
plain("robust 10 to 80", {"type": "robust", "low": 10, "high": 80},
      pp.RobustScaler(quantile_range=(10, 80)))
plain("robust without centre", {"type": "robust", "center": False},
      pp.RobustScaler(with_centering=False))
plain("robust without scale", {"type": "robust", "scale": False},
      pp.RobustScaler(with_scaling=False))
case("maxabs of zeros", [{"type": "maxabs", "of": "x"}], {"x": [[0.0], [0.0], [7.0]]}, 2,
     {"x": np.array([[0.0], [0.0], [7.0]])})
case("robust of one row", [{"type": "robust", "of": "x"}], {"x": [[0.0, 0.0], [2.0, -1.0]]}, 1,
     {"x": np.array([[1.0, 2.0], [3.0, 1.0]])})
for norm in ("l1", "l2", "max"):
    plain(f"normalise {norm}", {"type": "normalise", "norm": norm}, pp.Normalizer(norm),
          np.vstack([X[:-1], np.zeros((1, 5))]))
case("normalise 1e200", [{"type": "normalise", "of": "x"}],
     {"x": [[0.6, 0.8], [0.6, -0.8]]}, 1, {"x": np.array([[3e200, 4e200], [3e-200, -4e-200]])})
case("two fields, one a channel", [{"type": "robust", "of": ["a", "b"], "per": "channel"}],
     {"a": fitted(pp.RobustScaler(), HOLES[:, 0:1], T)[:, 0],
      "b": np.concatenate([
          ((X[:, k:k + 2] - np.median(X[:T, k:k + 2]))
           / (np.percentile(X[:T, k:k + 2], 75) - np.percentile(X[:T, k:k + 2], 25)))[:, None]
          for k in (0, 2)], 1)}, T,
     {"a": HOLES[:, 0], "b": X[:, :4].reshape(60, 2, 2)})

# ------------------------------------------------------ shapes of distributions
case("log", [{"type": "log", "of": "x"}], {"x": np.log(SKEW)}, T, {"x": SKEW})
case("log, shift 1", [{"type": "log", "of": "x", "shift": 1}], {"x": np.log1p(SKEW)}, T,
     {"x": SKEW})
case("log, base 10", [{"type": "log", "of": "x", "shift": 0.5, "base": 10}],
     {"x": np.log10(SKEW + 0.5)}, T, {"x": SKEW})
case("sqrt", [{"type": "sqrt", "of": "x"}], {"x": np.sqrt(SKEW)}, T, {"x": SKEW})
# Both maximise a likelihood that is flat at the top: lambdas agree to about 1e-8.
plain("power yeo_johnson", {"type": "power"}, pp.PowerTransformer(), tolerance=3e-7)
plain("power yeo_johnson of one sign", {"type": "power"}, pp.PowerTransformer(), -SKEW,
      tolerance=3e-7)
plain("power box_cox", {"type": "power", "method": "box_cox"},
      pp.PowerTransformer(method="box-cox"), SKEW, tolerance=3e-7)
plain("power box_cox, not standardised", {"type": "power", "method": "box_cox",
                                          "standardise": False},
      pp.PowerTransformer(method="box-cox", standardize=False), SKEW * 1e3, tolerance=1e-5)
MANY = np.round(rng.normal(size=(1100, 1)) * 40)
for to in ("uniform", "normal"):
    for n in (1000, 7):
        plain(f"quantile {to} {n}", {"type": "quantile", "to": to, "quantiles": n},
              pp.QuantileTransformer(n_quantiles=n, output_distribution=to, subsample=None))
MANY = np.concatenate([MANY[:1050], MANY[:20] * 1.5, [[999.0], [-999.0]]])
CASES_T = T
T = 1050
for to in ("uniform", "normal"):
    plain(f"quantile {to}, many ties", {"type": "quantile", "to": to},
          pp.QuantileTransformer(output_distribution=to, subsample=None), MANY)
T = CASES_T
ONE = np.array([[3.0], [2.0], [4.0]])
case("quantile of one row", [{"type": "quantile", "of": "x"}],
     {"x": fitted(pp.QuantileTransformer(), ONE, 1)}, 1, {"x": ONE})

# ------------------------------------------------------------------ limits
FAR = HOLES.copy()
FAR[3, 0] = 90
FAR[50, 1] = -1e4
low, high = np.nanpercentile(FAR[:T], [25, 75], axis=0)
mean, sd = np.nanmean(FAR[:T], axis=0), np.nanstd(FAR[:T], axis=0)
median = np.nanmedian(FAR[:T], axis=0)
mad = np.nanmedian(np.abs(FAR[:T] - median), axis=0)
some = np.nanmean(np.abs(FAR[:T] - median), axis=0)
unit = np.where(mad > 0, mad / 0.6744897501960817, some * math.sqrt(math.pi / 2))
for how, a, b in (("zscore", mean - 3 * sd, mean + 3 * sd),
                  ("iqr", low - 1.5 * (high - low), high + 1.5 * (high - low)),
                  ("mad", median - 3.5 * unit, median + 3.5 * unit)):
    out = (FAR < a) | (FAR > b)
    assert out.any()
    case(f"outliers {how}", [{"type": "outliers", "of": "x", "method": how, "flag": True}],
         {"x": np.clip(FAR, a, b), "x_outside": out.astype(float)}, T, {"x": FAR})
    case(f"outliers {how} missing", [{"type": "outliers", "of": "x", "method": how,
                                      "action": "missing"}],
         {"x": np.where(out, NAN, FAR)}, T, {"x": FAR})
case("outliers given", [{"type": "outliers", "of": "x", "method": "given", "low": 0}],
     {"x": np.maximum(FAR, 0)}, T, {"x": FAR})
case("outliers only marked", [{"type": "outliers", "of": "x", "action": "keep", "flag": True}],
     {"x": FAR}, T, {"x": FAR})
case("outliers mad where most are equal", [{"type": "outliers", "of": "x", "method": "mad"}],
     {"x": [[1.0]] * 9 + [[1 + 3.5 * 1.2533141373155003 * 0.9]]}, 10,
     {"x": np.array([[1.0]] * 9 + [[10.0]])})

# -------------------------------------------------------------------- bins
WIDE = np.concatenate([SKEW, X[:, 3:]], 1)
GAPS = np.concatenate([rng.normal(size=(30, 1)), rng.normal(size=(30, 1)) + 100])
GAPS = GAPS[rng.permutation(60)]
for how in ("uniform", "quantile", "kmeans"):
    for n in (2, 5, 10):
        plain(f"bins {how} {n}", {"type": "bins", "by": how, "bins": n},
              pp.KBinsDiscretizer(n, encode="ordinal", strategy=how, subsample=None), WIDE)
    plain(f"bins {how} with a gap", {"type": "bins", "by": how, "bins": 6},
          pp.KBinsDiscretizer(6, encode="ordinal", strategy=how, subsample=None), GAPS)
case("bins given", [{"type": "bins", "of": "x", "by": "given", "edges": [0, 1, 2.5]}],
     {"x": np.where(np.isnan(HOLES), NAN, np.digitize(HOLES, [0, 1, 2.5]))}, T, {"x": HOLES})

# -------------------------------------------------------------- categories
from sklearn.feature_extraction import FeatureHasher  # noqa: E402

WORDS = ["berlin", "oslo", "rom", "Bern", "lüneburg", "a", "ab"]
picks = rng.choice(7, 60, p=[0.3, 0.3, 0.15, 0.15, 0.05, 0.03, 0.02])
picks[:7] = range(7)
digits = rng.integers(0, 4, (60, 2)).astype(float) * 1.5
target = np.round(rng.normal(size=60) + picks, 3)
names = np.array([WORDS[i] for i in picks])
TABLE = "x,k,y\n" + "".join(f"{i},{k},{y}\n" for i, (k, y) in enumerate(zip(names, target)))
SOURCE = {"fields": ["k", "y"]}
UNSEEN = TABLE + "60,paris,1\n61,oslo,2\n"
both = np.concatenate([names, ["paris", "oslo"]])
order = sorted(set(names), key=lambda w: w.encode())
count = {w: int((names == w).sum()) for w in order}


def texts(name, transform, expected, **more):
    case(name, [{**transform, "of": ["k"]}], {"k": expected}, 60, csv=UNSEEN, source=SOURCE,
         **more)


encoder = pp.OrdinalEncoder(categories=[order], handle_unknown="use_encoded_value",
                            unknown_value=7).fit(names[:, None])
texts("ordinal, unknown last", {"type": "ordinal", "unknown": "last"},
      encoder.transform(both[:, None]))
encoder.set_params(unknown_value=NAN).fit(names[:, None])
texts("ordinal, unknown missing", {"type": "ordinal", "unknown": "missing"},
      encoder.transform(both[:, None]))
texts("frequency", {"type": "frequency"}, [[count.get(w, 0) / 60] for w in both])
gaps = np.where(rng.random((60, 2)) < 0.1, NAN, digits)
case("ordinal of numbers with holes", [{"type": "ordinal", "of": "x", "unknown": "last"}],
     {"x": pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=99)
      .fit(gaps[:T]).transform(gaps)}, T, {"x": gaps})
for width in (1, 8, 37):
    for sign in (True, False):
        h = FeatureHasher(width, input_type="string", alternate_sign=sign)
        texts(f"hash {width} {sign}", {"type": "hash", "width": width, "sign": sign},
              h.transform([[w] for w in both]).toarray())
case("hash of integers", [{"type": "hash", "of": "n", "width": 16}],
     {"n": FeatureHasher(16, input_type="string").transform(
         [["0"], ["-12"], ["70000000000"]]).toarray()}, 3,
     {"n": np.array([0, -12, 70000000000])})
for kind in ({"drop": "first"}, {"drop": "if_binary"}, {"min_count": 5},
             {"min_count": 5, "unknown": "infrequent"}, {"min_count": 10, "drop": "first"}):
    o = pp.OneHotEncoder(
        drop=kind.get("drop"), min_frequency=kind.get("min_count"), categories=[order],
        handle_unknown="ignore" if kind.get("unknown") != "infrequent"
        else "infrequent_if_exist", sparse_output=False).fit(names[:, None])
    texts(f"one_hot {kind}", {"type": "one_hot", "unknown": "zeros", **kind},
          o.transform(both[:, None]))
    ints = picks.astype("i8")
    o.set_params(categories="auto").fit(ints[:, None])
    case(f"one_hot of integers {kind}", [{"type": "one_hot", "of": "n", **kind}],
         {"n": o.transform(ints[:, None])}, 60, {"n": ints})
case("one_hot if_binary of two", [{"type": "one_hot", "of": "n", "drop": "if_binary"}],
     {"n": [[0.0], [1.0], [1.0]]}, 3, {"n": np.array([0, 1, 1])})


def fold_of(i, folds):
    """SplitMix64, as in target_encode.c."""
    mask = (1 << 64) - 1
    z = (i + 0x9E3779B97F4A7C15) & mask
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 & mask
    z = (z ^ z >> 27) * 0x94D049BB133111EB & mask
    return (z ^ z >> 31) % folds


def target_encoded(x, y, train, folds, smooth):
    def codes(rows, of):
        return pp.TargetEncoder(smooth=smooth, target_type="continuous").fit(
            x[rows], y[rows]).transform(x[of])
    out = codes(np.arange(train), slice(None)).astype(float)
    fold = np.array([fold_of(i, folds) for i in range(train)])
    for f in set(fold):
        out[:train][fold == f] = codes(np.flatnonzero(fold != f), np.flatnonzero(fold == f))
    return out


for smooth in ("auto", 0, 7.5):
    for folds in (2, 5):
        more = {} if smooth == "auto" else {"smooth": smooth}
        want = target_encoded(names[:, None], target, 48, folds, smooth)
        case(f"target_encode {smooth} {folds}",
             [{"type": "target_encode", "of": ["k", "y"], "target": "y", "folds": folds,
               **more}], {"k": want, "y": target}, 48, csv=TABLE, source=SOURCE)
case("target_encode of numbers with holes",
     [{"type": "target_encode", "of": ["x", "y"], "target": "y"}],
     {"x": target_encoded(gaps, target, T, 5, "auto")}, T, {"x": gaps, "y": target})
case("target_encode of a constant target",
     [{"type": "target_encode", "of": ["x", "y"], "target": "y"}],
     {"x": np.full((60, 2), 2.0)}, T, {"x": gaps, "y": np.full(60, 2.0)})

# ---------------------------------------------------------- made of others
SMALL = HOLES[:12, :4]
for degree in (1, 2, 3):
    for only in (False, True):
        case(f"polynomial {degree} {only}",
             [{"type": "polynomial", "of": "x", "degree": degree, "interaction_only": only}],
             {"x": pp.PolynomialFeatures(degree, interaction_only=only, include_bias=False)
              .fit_transform(X[:12, :4])}, 10, {"x": X[:12, :4]})
case("polynomial with holes", [{"type": "polynomial", "of": "x"}],
     {"x": np.concatenate([SMALL] + [SMALL[:, i:i + 1] * SMALL[:, i:] for i in range(4)], 1)},
     10, {"x": SMALL})
case("ratio", [{"type": "ratio", "of": ["a", "b"], "as": "q"}],
     {"q": SMALL / X[:12, :1], "a": SMALL, "b": X[:12, 0]}, 10,
     {"a": SMALL, "b": X[:12, 0]})
case("ratio with 0", [{"type": "ratio", "of": ["a", "b"], "zero": "missing"}],
     {"a_per_b": [[2.0], [NAN], [-0.5]]}, 2,
     {"a": np.array([4.0, 1.0, 1.0]), "b": np.array([2, 0, -2])})

import pandas as pd  # noqa: E402

days = np.concatenate([rng.integers(-40000, 40000, 30) + rng.random(30),
                       [0, -0.5, 59, 60, 11016.999999, 47541, 10957.0]])
stamps = pd.to_datetime(np.floor(days * 86400000 + 0.5), unit="ms")
part = {"year": stamps.year, "quarter": stamps.quarter, "month": stamps.month,
        "day": stamps.day, "yearday": stamps.dayofyear, "weekday": stamps.weekday,
        "hour": stamps.hour, "minute": stamps.minute, "second": stamps.second,
        "is_month_start": stamps.is_month_start, "is_month_end": stamps.is_month_end,
        "is_weekend": stamps.weekday >= 5}
for name, turn in (("month", (stamps.month - 1) / 12),
                   ("day", (stamps.day - 1) / stamps.days_in_month),
                   ("yearday", (stamps.dayofyear - 1) / (365 + stamps.is_leap_year)),
                   ("weekday", stamps.weekday / 7),
                   ("hour", (stamps.hour + stamps.minute / 60 + stamps.second / 3600) / 24)):
    part[name + "_sin"] = np.sin(2 * np.pi * np.asarray(turn, float))
    part[name + "_cos"] = np.cos(2 * np.pi * np.asarray(turn, float))
want = np.stack([np.asarray(v, float) for v in part.values()], 1)
case("date_parts of days", [{"type": "date_parts", "of": "d", "parts": list(part)}],
     {"d": want}, 30, {"d": days})
case("date_parts of seconds", [{"type": "date_parts", "of": "d", "parts": list(part),
                                "unit": "s"}], {"d": want}, 30, {"d": days * 86400})
written = ["2024-02-29", "1999-12-31T23:59:58", "2000-01-01 00:30+02:00", "",
           "1900-03-01T12:00:00.25Z", "2023-06-15T08:15-05:30"]
utc = pd.to_datetime([w or None for w in written], format="ISO8601", utc=True)
case("date_parts of texts", [{"type": "date_parts", "of": "d",
                              "parts": ["year", "month", "day", "hour", "minute",
                                        "is_month_end"]}],
     {"d": np.stack([np.where(utc.isna(), NAN, v) for v in
                     (utc.year, utc.month, utc.day, utc.hour, utc.minute,
                      np.asarray(utc.is_month_end, float))], 1)}, 5,
     csv="x,d\n" + "".join(f"{i},{w}\n" for i, w in enumerate(written)),
     source={"fields": ["d"]})

# -------------------------------------------------------------------- texts
from sklearn.feature_extraction.text import TfidfVectorizer  # noqa: E402

LINES = ["The cat sat on the mat", "a CAT and a dog: 2 cats, snake_case!", "Überall ÜBER Ärger",
         "", "the the the", "Ёлка ёлка и Жук — жук", "x", "don't  stop\tnow", "dog cat mat sat",
         "new words only here", "naïve café № 5", "Σίσυφος ΑΒΓ"]
LONG = "x,t\n" + "".join(f'{i},"{t}"\n' for i, t in enumerate(LINES))
for source in ({"fields": ["t"]}, {"texts": ["t"]}):
    what = list(source)[0]
    for unit, of in (("characters", len), ("words", lambda t: len(t.split())),
                     ("bytes", lambda t: len(t.encode()))):
        case(f"text_length {unit} of {what}", [{"type": "text_length", "of": "t", "unit": unit}],
             {"t": [of(t) for t in LINES]}, 10, csv=LONG, source=source)
    for more, options in (({}, {}), ({"min_rows": 2}, {"min_df": 2}),
                          ({"sublinear": True}, {"sublinear_tf": True}),
                          ({"idf": False, "normalise": False},
                           {"use_idf": False, "norm": None}),
                          ({"lowercase": False}, {"lowercase": False})):
        v = TfidfVectorizer(**options).fit(LINES[:10])
        case(f"tfidf {more} of {what}", [{"type": "tfidf", "of": "t", **more}],
             {"t": v.transform(LINES).toarray()}, 10, csv=LONG, source=source)
v = TfidfVectorizer(vocabulary=["cat", "dog", "the"]).fit(LINES[:10])
case("tfidf, three words", [{"type": "tfidf", "of": "t", "words": 3}],
     {"t": v.transform(LINES).toarray()}, 10, csv=LONG, source={"fields": ["t"]})

# --------------------------------------------------------------- components
from sklearn.decomposition import PCA  # noqa: E402

FULL = np.concatenate([X[:, :4] @ np.diag([1, 0.01, 100, 1]) + 3, SKEW], 1)
for more in ({}, {"components": 3}, {"share": 0.95}, {"whiten": True},
             {"components": 2, "whiten": True}):
    n = more.get("components") or more.get("share")
    plain(f"pca {more}", {"type": "pca", **more},
          PCA(n, whiten=more.get("whiten", False), svd_solver="full"), FULL, tolerance=1e-11)
LONGER = rng.normal(size=(400, 3)) @ rng.normal(size=(3, 3)) + 1e6
CASES_T, T = T, 350
plain("pca of many rows, far from 0", {"type": "pca"}, PCA(svd_solver="full"), LONGER,
      tolerance=1e-8)
T = CASES_T
FEW = rng.normal(size=(5, 8))
case("pca of fewer rows than numbers", [{"type": "pca", "of": "x"}],
     {"x": fitted(PCA(3, svd_solver="full"), FEW, 4)}, 4, {"x": FEW})
pixels = rng.integers(0, 256, (4, 3, 2, 2)).astype("u1")
means = np.array([0.485, 0.456, 0.406])[:, None, None]
sds = np.array([0.229, 0.224, 0.225])[:, None, None]
case("image_normalise imagenet", [{"type": "image_normalise", "of": "x",
                                   "preset": "imagenet"}],
     {"x": (pixels / 255 - means) / sds}, 3, {"x": pixels})
case("image_normalise given", [{"type": "image_normalise", "of": "x", "mean": [1, 2, 3],
                                "deviation": [2, 4, 8]}],
     {"x": (pixels * 1.0 - np.arange(1, 4)[:, None, None])
      / np.array([2, 4, 8])[:, None, None]}, 3, {"x": pixels.astype("f4")})
case("image_normalise half", [{"type": "image_normalise", "of": "x", "preset": "half"}],
     {"x": (pixels / 255 - 0.5) / 0.5}, 3, {"x": pixels})

# ---------------------------------------------------------------- selection
from sklearn import feature_selection as fs  # noqa: E402

MIX = np.concatenate([rng.normal(size=(60, 4)), np.full((60, 1), 2.5),
                      rng.exponential(size=(60, 2))], 1)
KIND = (MIX[:, 0] + MIX[:, 5] > 0.7).astype("i8") + (MIX[:, 2] > 0.8)
KIND[7] = 9  # a class of one row
LEVEL = MIX[:, 1] * 2 - MIX[:, 6] ** 2 + rng.normal(size=60) * 0.3


def selected(name, options, y, scores, keep, x=MIX):
    """keep: how many, or None; of equal scores the later are kept."""
    scores = np.asarray(scores, float)
    ranked = np.where(np.isnan(scores), -np.inf, scores)
    rows = sorted(np.argsort(ranked, kind="stable")[-keep:])
    case(name, [{"type": "select", "of": ["x", "y"] if y is not None else ["x"], "keep": keep,
                 **options, **({"target": "y"} if y is not None else {})}],
         {"x": x[:, rows], "state.0.select.x.kept": rows,
          **({"state.0.select.x.scores": scores} if not np.isnan(scores).any() else {})}, T,
         {"x": x, **({"y": y} if y is not None else {})})


def ross(x, classes, k=3):
    """Ross 2014, by its definition. scikit-learn's trees round the distance to the k-th
    neighbour, which may count then, so its numbers vary with the seed and are never larger."""
    from scipy.special import digamma
    sizes = {c: int((classes == c).sum()) for c in classes}
    use = np.array([sizes[c] > 1 for c in classes])
    x, classes, out = x[use], classes[use], []
    for v in x.T:
        total = digamma(len(v))
        for i, c in enumerate(classes):
            own = np.sort(np.abs(v[classes == c] - v[i]))
            n = min(k, sizes[c] - 1)
            near = (np.abs(v - v[i]) < own[n]).sum()
            total += (digamma(n) - digamma(sizes[c]) - digamma(near)) / len(v)
        out.append(max(0, total))
    sk = fs.mutual_info_classif(x, classes, discrete_features=False, random_state=0)
    assert (out - sk).min() > -1e-9 and (out - sk).max() < 0.06, (sk, out)
    return out


A, K, L = MIX[:T], KIND[:T], LEVEL[:T]
for keep in (1, 3, 6):
    selected(f"select f_test of classes, {keep}", {"by": "f_test"}, KIND,
             fs.f_classif(A, K)[0], keep)
    selected(f"select f_test of a number, {keep}", {"by": "f_test"}, LEVEL,
             fs.f_regression(A, L)[0], keep)
    selected(f"select chi2, {keep}", {"by": "chi2"}, KIND, fs.chi2(np.abs(A), K)[0], keep,
             np.abs(MIX))
    selected(f"select correlation, {keep}", {"by": "correlation"}, LEVEL,
             np.abs(np.where(A.min(0) < A.max(0), fs.r_regression(A, L), 0)), keep)
    # The constant has the jitter's information: left out.
    free = np.delete(MIX, 4, 1)
    selected(f"select mutual_info of classes, {keep}", {"by": "mutual_info"}, KIND,
             ross(free[:T], K), keep, free)
    selected(f"select mutual_info of a number, {keep}", {"by": "mutual_info"}, LEVEL,
             fs.mutual_info_regression(free[:T], L, discrete_features=False, random_state=0),
             keep, free)
selected("select mutual_info, 5 neighbours", {"by": "mutual_info", "neighbours": 5}, LEVEL,
         fs.mutual_info_regression(free[:T], L, discrete_features=False, n_neighbors=5,
                                   random_state=0), 2, free)
TWINS = np.repeat(MIX[:, :1], 2, 1)
selected("select, equal scores", {"by": "f_test"}, KIND, fs.f_classif(TWINS[:T], K)[0], 1, TWINS)
for threshold in (0, 0.5):
    v = fs.VarianceThreshold(threshold).fit(HOLES[:T])
    case(f"select variance above {threshold}",
         [{"type": "select", "of": "x", **({"threshold": threshold} if threshold else {})}],
         {"x": v.transform(HOLES), "state.0.select.x.scores": np.nanvar(HOLES[:T], axis=0)}, T, {"x": HOLES})

#MORE

path = pathlib.Path(__file__).parent / "golden" / "transforms.json"
path.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}"
                                   for k, v in {"inputs": INPUTS, **CASES}.items()) + "\n}\n")
print(len(CASES), "cases,", path.stat().st_size, "bytes")
