/* SPDX-License-Identifier: Apache-2.0 */
/* Sources, transforms and augmenters by themselves, through their ABI, with a host that
 * knows nothing but a list of options. argv: plugin folder, datasets folder. */
#include <stdlib.h>

#include <dlfcn.h>
#include <hdf5.h>
#include <unistd.h>

#include <runner/numerics.h>
#include <runner/runner.h>
#include <runner/sdk/work.h>

#include "check.h"
#include "small_host.h"
#include "unit/absent.h"
#include "unit/augment_golden.h"
#include "unit/data_plugins_golden.h"

static struct rn_workspace workspace; /* of all calls */

/* Bytes that a state is saved to and loaded from. */
struct memory {
    struct rn_stream stream; /* first */
    uint8_t bytes[1 << 16];
    uint64_t size, at;
};
static int32_t memory_write(struct rn_stream *s, const void *data, uint64_t n) {
    struct memory *m = (struct memory *)s;
    if (m->size + n > sizeof m->bytes)
        return RN_E_IO;
    memcpy(m->bytes + m->size, data, n);
    m->size += n;
    return RN_OK;
}
static int32_t memory_read(struct rn_stream *s, void *data, uint64_t n) {
    struct memory *m = (struct memory *)s;
    if (m->at + n > m->size)
        return RN_E_CHECKPOINT;
    memcpy(data, m->bytes + m->at, n);
    m->at += n;
    return RN_OK;
}
static uint64_t memory_left(struct rn_stream *s) {
    const struct memory *m = (const struct memory *)s;
    return m->size - m->at;
}
static const struct rn_stream_api memory_api = {sizeof(struct rn_stream_api), 0,
                                                memory_write, memory_read, memory_left};

static const char *plugins, *datasets;
static char folder[] = "/tmp/data_plugins.XXXXXX";

static const void *component(const char *file, uint32_t i, const char **text) {
    char path[1024];
    need_plugin(plugins, file);
    snprintf(path, sizeof path, "%s/%s.so", plugins, file);
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    rn_entry_fn entry = NULL;
    if (so)
        *(void **)&entry = dlsym(so, RN_ENTRY_SYMBOL);
    if (!entry) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    *text = entry()->components[i]->text;
    return entry()->components[i]->iface;
}

/* A path in the test's folder, or in datasets/. Kept until the end. */
static const char *in(const char *where, const char *name) {
    static char kept[64][256];
    static int n;
    char *path = kept[n++ % 64];
    snprintf(path, sizeof kept[0], "%.120s/%s", where, name);
    return path;
}
static const char *file_write(const char *name, const void *data, size_t n) {
    const char *path = in(folder, name);
    FILE *f = fopen(path, "wb");
    CHECK(f && fwrite(data, 1, n, f) == n);
    if (f)
        fclose(f);
    return path;
}
static const char *text_write(const char *name, const char *text) {
    return file_write(name, text, strlen(text));
}

/* ----------------------------------------------------------------- sources */

struct opened {
    struct fake fake;
    const struct rn_source *iface;
    void *self;
    struct rn_source_info info;
    struct rn_error e;
};

static int32_t source_open(struct opened *o, const char *name,
                           const struct option *options, int predict) {
    memset(o, 0, sizeof *o);
    o->fake = host_of(options);
    o->fake.predict = predict;
    o->iface = component(name, 0, &o->fake.text);
    int32_t status = o->iface->create(&o->fake.host, &o->self, &o->e);
    CHECK(status == RN_OK || o->e.message[0]);
    o->info.struct_size = sizeof o->info;
    if (status == RN_OK)
        CHECK(o->iface->info(o->self, &o->info, &o->e) == RN_OK);
    return status;
}
static int32_t read_rows(struct opened *o, uint64_t n, const uint64_t *rows,
                         const struct rn_tensor *out) {
    struct rn_source_call c = {.struct_size = sizeof c,
                               .phase = RN_PHASE_TRAIN,
                               .work = rn_workspace_begin(&workspace),
                               .rows = n,
                               .indices = rows,
                               .field_count = o->info.field_count,
                               .out = out};
    return o->iface->read(o->self, &c, &o->e);
}
static void source_close(struct opened *o) {
    o->iface->destroy(o->self);
}
#define OPTIONS(...) ((const struct option[]){__VA_ARGS__, {NULL, NULL}})

/* Opening fails with this status and text, and says where. */
static void refused(const char *name, const struct option *options, int32_t status,
                    const char *message, uint32_t line, uint32_t column) {
    struct opened o;
    CHECK(source_open(&o, name, options, 0) == status);
    if (!strstr(o.e.message, message))
        fprintf(stderr, "message: %s\n", o.e.message);
    CHECK(strstr(o.e.message, message) != NULL);
    CHECK(o.e.where[0] != '\0');
    if (o.e.line != line || o.e.column != column)
        fprintf(stderr, "%s: at %u:%u\n", o.e.message, o.e.line, o.e.column);
    CHECK(o.e.line == line && o.e.column == column);
    source_close(&o);
}

static void test_idx(void) {
    struct opened o;
    const char *images = in(datasets, "digits-images.idx3.gz");
    const char *labels = in(datasets, "digits-labels.idx1.gz");
    CHECK(source_open(&o, "source/idx", OPTIONS({"images", images}, {"labels", labels}),
                      0) == RN_OK);
    CHECK(o.info.count == 1797 && o.info.field_count == 2);
    CHECK_TEXT(o.info.fields[0].name, "image");
    CHECK(o.info.fields[0].rank == 3 && o.info.fields[0].shape[0] == 1 &&
          o.info.fields[0].shape[2] == 8 && o.info.fields[0].dtype == RN_U8);
    CHECK(o.info.fields[1].rank == 0 && o.info.fields[1].dtype == RN_I64);
    uint8_t pixels[2][64];
    int64_t label[2];
    uint64_t rows[2] = {1796, 0};
    struct rn_tensor out[2] = {{.data = pixels}, {.data = label}};
    CHECK(read_rows(&o, 2, rows, out) == RN_OK);
    CHECK(label[0] == 8 && label[1] == 0);
    CHECK(memcmp(pixels[0], digits_last, 64) == 0);
    CHECK(memcmp(pixels[1], digits_first, 64) == 0);
    static int64_t all[1797];
    static uint64_t each[1797];
    for (uint64_t i = 0; i < 1797; i++)
        each[i] = i;
    struct rn_tensor only[2] = {{.data = NULL}, {.data = all}};
    CHECK(read_rows(&o, 1797, each, only) == RN_OK);
    int64_t counts[10] = {0};
    for (int i = 0; i < 1797; i++)
        counts[all[i]]++;
    for (int k = 0; k < 10; k++)
        CHECK(counts[k] == digits_counts[k]);
    source_close(&o);

    /* plain, 16 bits, two axes; without labels in prediction */
    const char *plain = file_write(
        "plain", "\0\0\x0b\2\0\0\0\2\0\0\0\3\0\1\xff\xfe\0\3\0\4\0\5\0\6", 24);
    CHECK(source_open(&o, "source/idx",
                      OPTIONS({"images", plain}, {"labels", "/proc/absent/labels"}),
                      1) == RN_OK);
    int32_t number[3];
    struct rn_tensor numbers[1] = {{.data = number}};
    rows[0] = 0;
    CHECK(o.info.field_count == 1 && o.info.fields[0].dtype == RN_I32);
    CHECK(read_rows(&o, 1, rows, numbers) == RN_OK);
    CHECK(number[0] == 1 && number[1] == -2 && number[2] == 3);
    source_close(&o);

    const char *cut = file_write("cut", "\0\0\x08\1\0\0\0\5abc", 11);
    const char *more = file_write("more", "\0\0\x08\1\0\0\0\2abc", 11);
    const char *magic = file_write("magic", "\1\0\x08\1\0\0\0\2ab", 10);
    const char *huge = file_write("huge",
                                  "\0\0\x08\3\xff\xff\xff\xff\xff\xff\xff\xff\xff"
                                  "\xff\xff\xff",
                                  16);
    const char *big = file_write("big", "\0\0\x08\2\xff\xff\xff\xff\0\1\0\0ab", 14);
    refused("source/idx", OPTIONS({"images", cut}), RN_E_DATA, "cut short", 0, 0);
    refused("source/idx", OPTIONS({"images", more}), RN_E_DATA, "goes on after", 0, 0);
    refused("source/idx", OPTIONS({"images", magic}), RN_E_DATA, "not an IDX", 0, 0);
    refused("source/idx", OPTIONS({"images", huge}), RN_E_DATA, "impossible", 0, 0);
    refused("source/idx", OPTIONS({"images", big}), RN_E_DATA, "cut short", 0, 0);
    refused("source/idx", OPTIONS({"images", plain}, {"labels", labels}), RN_E_DATA,
            "1797 labels", 0, 0);
    refused("source/idx", OPTIONS({"images", images}, {"labels", plain}), RN_E_DATA,
            "rank 1", 0, 0);
    refused("source/idx", OPTIONS({"images", "/proc/absent"}), RN_E_DATA,
            "cannot be opened", 0, 0);
    /* a damaged .gz: the last byte of the checksum */
    static uint8_t gz[65536];
    FILE *f = fopen(images, "rb");
    size_t n = f ? fread(gz, 1, sizeof gz, f) : 0;
    if (f)
        fclose(f);
    CHECK(n > 100);
    gz[n - 6] ^= 1;
    refused("source/idx", OPTIONS({"images", file_write("bad.gz", gz, n)}), RN_E_DATA,
            "is not an intact gzip file", 0, 0);
    refused("source/idx", OPTIONS({"images", file_write("half.gz", gz, n / 2)}),
            RN_E_DATA, "cut short", 0, 0);
}

static void test_csv(void) {
    struct opened o;
    const char *good = text_write("good.csv", "a,b,\"the \"\"name\"\"\",y,n\r\n"
                                              "1,2.5,\"x, y\n z\",cat,7\r\n"
                                              "\r\n"
                                              "-3e2, NA ,dog,\"d\",\r\n"
                                              "4,5,\"\",cat,9");
    CHECK(source_open(&o, "source/csv",
                      OPTIONS({"file", good}, {"target", "y"}, {"features.0", "a"},
                              {"features.1", "b"}, {"fields.0", "the \"name\""},
                              {"fields.1", "n"}),
                      0) == RN_OK);
    CHECK(o.info.count == 3 && o.info.field_count == 4);
    const struct rn_field *f = o.info.fields;
    CHECK_TEXT(f[0].name, "x");
    CHECK(f[0].dtype == RN_F64 && f[0].shape[0] == 2 &&
          f[0].flags == RN_FIELD_NULLABLE);
    CHECK_TEXT(f[1].name, "the \"name\"");
    CHECK(f[1].flags == (RN_FIELD_TEXT | RN_FIELD_NULLABLE) && f[1].shape[0] == 7);
    CHECK(f[2].dtype == RN_I64 && f[2].flags == RN_FIELD_NULLABLE);
    CHECK_TEXT(f[3].name, "y");
    double x[6];
    int64_t n[3];
    char name[21], y[9];
    uint64_t rows[3] = {2, 0, 1};
    struct rn_tensor out[4] = {{.data = x}, {.data = name}, {.data = n}, {.data = y}};
    CHECK(read_rows(&o, 3, rows, out) == RN_OK);
    CHECK(x[0] == 4.0 && x[1] == 5.0 && x[2] == 1.0 && x[3] == 2.5 && x[4] == -300.0 &&
          x[5] != x[5]);
    CHECK(n[0] == 9 && n[1] == 7 && n[2] == RN_MISSING_I64);
    CHECK(memcmp(y, "catcatd\0\0", 9) == 0);
    CHECK(memcmp(name, "\0\0\0\0\0\0\0x, y\n zdog\0\0\0\0", 21) == 0);
    source_close(&o);

    /* tabs, no header, integers by themselves */
    const char *tabs = text_write("tabs", "1\t2\t0\n3\t4\t1\n");
    CHECK(source_open(&o, "source/csv",
                      OPTIONS({"file", tabs}, {"target", "c3"}, {"header", "false"},
                              {"separator", "tab"}),
                      0) == RN_OK);
    CHECK(o.info.count == 2 && o.info.fields[1].dtype == RN_I64);
    source_close(&o);
    CHECK(source_open(&o, "source/csv",
                      OPTIONS({"file", tabs}, {"target", "c3"}, {"header", "false"},
                              {"target_type", "float"}, {"separator", "tab"}),
                      0) == RN_OK);
    CHECK(o.info.fields[1].dtype == RN_F64);
    source_close(&o);

    const char *bad = text_write("bad.csv", "a,b,y\n1,2,0\n3,two,1\n4,inf,\n");
    refused("source/csv", OPTIONS({"file", bad}, {"target", "y"}), RN_E_DATA,
            "row 2, column 'b': 'two' is not a number", 3, 3);
    CHECK(source_open(&o, "source/csv", OPTIONS({"file", bad}, {"target", "y"}), 0) ==
          RN_E_DATA);
    CHECK(o.fake.reports == 3 && strstr(o.e.message, "(3 bad cells in all)"));
    source_close(&o);
    refused("source/csv", OPTIONS({"file", bad}, {"target", "z"}), RN_E_CONFIG,
            "no column 'z'", 0, 0);
    refused("source/csv", OPTIONS({"file", bad}, {"target", "y"}, {"features.0", "a"}),
            RN_E_DATA, "row 3, column 'y': the target is missing", 4, 7);
    CHECK(source_open(&o, "source/csv",
                      OPTIONS({"file", bad}, {"target", "y"}, {"features.0", "a"}),
                      1) == RN_OK);
    CHECK(o.info.field_count == 1);
    source_close(&o);
    refused("source/csv", OPTIONS({"file", text_write("r", "a,b\n1,2\n3\n")}),
            RN_E_DATA, "this row has 1 cells; the first has 2", 3, 0);
    refused("source/csv", OPTIONS({"file", text_write("q", "a,b\n1,\"2\n")}), RN_E_DATA,
            "never closed", 2, 3);
    refused("source/csv", OPTIONS({"file", text_write("t", "a,b\n1,\"2\"3\n")}),
            RN_E_DATA, "after the closing quote", 2, 3);
    refused("source/csv", OPTIONS({"file", text_write("d", "a,a\n1,2\n")}), RN_E_DATA,
            "both called", 1, 3);
    refused("source/csv", OPTIONS({"file", text_write("e", "")}), RN_E_DATA, "is empty",
            0, 0);
    refused("source/csv", OPTIONS({"file", text_write("h", "a,b\n")}), RN_E_DATA,
            "no rows", 0, 0);
    refused("source/csv", OPTIONS({"file", file_write("z", "a,b\n1,\0002\n", 9)}),
            RN_E_DATA, "zero byte", 2, 3);
    refused("source/csv", OPTIONS({"file", bad}, {"separator", ";;"}), RN_E_CONFIG,
            "one character", 0, 0);
}

/* A .npy file of version 1 with this header text. */
static const char *npy_write(const char *name, const char *header, const void *data,
                             size_t n) {
    uint8_t all[1024];
    size_t length = strlen(header);
    memcpy(all, "\x93NUMPY\1\0", 8);
    all[8] = (uint8_t)length, all[9] = 0;
    memcpy(all + 10, header, length);
    memcpy(all + 10 + length, data, n);
    return file_write(name, all, 10 + length + n);
}

static void test_npy(void) {
    struct opened o;
    float x[6] = {0, 1, 2, 3, 4, 5};
    int64_t y[3] = {7, 8, 9};
    const char *fx = npy_write(
        "x.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n", x,
        24);
    const char *fy = npy_write(
        "y.npy", "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }\n", y, 24);
    CHECK(source_open(&o, "source/npy", OPTIONS({"files.x", fx}, {"files.y", fy}), 0) ==
          RN_OK);
    CHECK(o.info.count == 3 && o.info.field_count == 2);
    CHECK(o.info.fields[0].rank == 1 && o.info.fields[0].shape[0] == 2);
    CHECK(o.info.fields[1].rank == 0 && o.info.fields[1].dtype == RN_I64);
    float gx[6];
    int64_t gy[3];
    uint64_t rows[3] = {1, 2, 0};
    struct rn_tensor out[2] = {{.data = gx}, {.data = gy}};
    CHECK(read_rows(&o, 3, rows, out) == RN_OK);
    CHECK(gx[0] == 2.0f && gx[3] == 5.0f && gx[5] == 1.0f && gy[0] == 8 && gy[2] == 7);
    source_close(&o);

    const char *two = npy_write(
        "2.npy", "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }\n", y, 16);
    const char *big = npy_write(
        "b.npy", "{'descr': '>c8', 'fortran_order': False, 'shape': (3,), }\n", x, 12);
    const char *object = npy_write(
        "o.npy", "{'descr': '|O', 'fortran_order': False, 'shape': (3,), }\n", x, 12);
    const char *fortran = npy_write(
        "f.npy", "{'descr': '<f4', 'fortran_order': True, 'shape': (3, 2), }\n", x, 24);
    const char *cut = npy_write(
        "c.npy", "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n", x,
        23);
    const char *record = npy_write(
        "r.npy", "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3,), }\n",
        x, 12);
    refused("source/npy", OPTIONS({"files.x", fx}, {"files.y", two}), RN_E_DATA,
            "has 2 rows", 0, 0);
    refused("source/npy", OPTIONS({"files.x", big}), RN_E_DATA, "'>c8'", 0, 0);
    refused("source/npy", OPTIONS({"files.x", object}), RN_E_DATA, "'|O'", 0, 0);
    CHECK(source_open(&o, "source/npy", OPTIONS({"files.x", fortran}), 0) == RN_OK);
    CHECK(read_rows(&o, 3, rows, out) == RN_OK);
    CHECK(gx[0] == 1.0f && gx[1] == 4.0f && gx[2] == 2.0f && gx[4] == 0.0f &&
          gx[5] == 3.0f);
    source_close(&o);
    refused("source/npy", OPTIONS({"files.x", cut}), RN_E_DATA, "cut short", 0, 0);
    refused("source/npy", OPTIONS({"files.x", record}), RN_E_DATA, "records", 0, 0);
    refused("source/npy", OPTIONS({"files.x", in(datasets, "README.md")}), RN_E_DATA,
            "not a .npy", 0, 0);
}

static void test_hdf5(void) {
    struct opened o;
    const char *path = in(folder, "t.h5"), *other = in(folder, "other.h5");
    float x[12];
    int16_t y[4] = {1, -2, 3, 4};
    char text[4][3] = {"ab", "c", "def", ""};
    hsize_t size[2] = {4, 3}, chunk[2] = {2, 3};
    for (int i = 0; i < 12; i++)
        x[i] = (float)i;
    memcpy(text[2], "def", 3);
    hid_t f = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = H5Screate_simple(2, size, NULL),
          line = H5Screate_simple(1, size, NULL);
    hid_t zip = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(zip, 2, chunk);
    H5Pset_shuffle(zip);
    H5Pset_deflate(zip, 4);
    hid_t outside = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(outside, "/etc/hostname", 0, 48);
    hid_t group = H5Gcreate2(f, "g", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    hid_t fixed = H5Tcopy(H5T_C_S1), vlen = H5Tvlen_create(H5T_NATIVE_INT);
    H5Tset_size(fixed, 3);
    H5Tset_strpad(fixed, H5T_STR_NULLPAD);
    struct {
        const char *name;
        hid_t type, memory, space, plist;
        const void *data;
    } sets[] = {{"g/x", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, space, H5P_DEFAULT, x},
                {"z", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, space, zip, x},
                {"y", H5T_STD_I16BE, H5T_NATIVE_INT16, line, H5P_DEFAULT, y},
                {"t", fixed, fixed, line, H5P_DEFAULT, text},
                {"v", vlen, vlen, line, H5P_DEFAULT, NULL},
                {"e", H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, space, outside, NULL}};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        hid_t d = H5Dcreate2(f, sets[i].name, sets[i].type, sets[i].space, H5P_DEFAULT,
                             sets[i].plist, H5P_DEFAULT);
        CHECK(d >= 0);
        if (sets[i].data)
            CHECK(H5Dwrite(d, sets[i].memory, H5S_ALL, H5S_ALL, H5P_DEFAULT,
                           sets[i].data) >= 0);
        H5Dclose(d);
    }
    CHECK(H5Lcreate_external(other, "/x", f, "far", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Tclose(fixed), H5Tclose(vlen), H5Pclose(outside), H5Pclose(zip), H5Gclose(group);
    H5Sclose(space), H5Sclose(line), H5Fclose(f);

    CHECK(
        source_open(&o, "source/hdf5",
                    OPTIONS({"file", path}, {"datasets.x", "/g/x"}, {"datasets.z", "z"},
                            {"datasets.y", "/y"}, {"datasets.t", "t"}),
                    0) == RN_OK);
    CHECK(o.info.count == 4 && o.info.field_count == 4);
    CHECK(o.info.fields[2].dtype == RN_I32 && o.info.fields[3].flags == RN_FIELD_TEXT);
    float gx[6], gz[6];
    int32_t gy[2];
    char gt[6];
    uint64_t rows[2] = {2, 1};
    struct rn_tensor out[4] = {{.data = gx}, {.data = gz}, {.data = gy}, {.data = gt}};
    CHECK(read_rows(&o, 2, rows, out) == RN_OK);
    CHECK(gx[0] == 6.0f && gx[5] == 5.0f && memcmp(gx, gz, sizeof gx) == 0);
    CHECK(gy[0] == 3 && gy[1] == -2 && memcmp(gt, "defc\0\0", 6) == 0);
    source_close(&o);

    refused("source/hdf5", OPTIONS({"file", path}, {"datasets.x", "/nope/x"}),
            RN_E_DATA, "has no '/nope'", 0, 0);
    refused("source/hdf5", OPTIONS({"file", path}, {"datasets.x", "g"}), RN_E_DATA,
            "not a dataset", 0, 0);
    refused("source/hdf5", OPTIONS({"file", path}, {"datasets.x", "v"}), RN_E_DATA,
            "variable length", 0, 0);
    refused("source/hdf5", OPTIONS({"file", path}, {"datasets.x", "e"}), RN_E_DATA,
            "another file", 0, 0);
    refused("source/hdf5", OPTIONS({"file", path}, {"datasets.x", "far"}), RN_E_DATA,
            "another file", 0, 0);
    refused("source/hdf5",
            OPTIONS({"file", path}, {"datasets.x", "z"}, {"memory", "0"}), RN_E_DATA,
            "MiB of memory", 0, 0);
    refused("source/hdf5",
            OPTIONS({"file", in(datasets, "README.md")}, {"datasets.x", "z"}),
            RN_E_DATA, "not an HDF5 file", 0, 0);
}

/* -------------------------------------------------------------- transforms */

struct made {
    struct fake fake;
    const struct rn_transform *iface;
    void *self;
    struct rn_field out;
    struct rn_error e;
};

static void make(struct made *m, const char *file, uint32_t i,
                 const struct option *options) {
    memset(m, 0, sizeof *m);
    m->fake = host_of(options);
    m->iface = component(file, i, &m->fake.text);
    CHECK(m->iface->create(&m->fake.host, &m->self, &m->e) == RN_OK);
}
static int32_t plan(struct made *m, const struct rn_field *in_field) {
    struct rn_transform_plan p = {.struct_size = sizeof p,
                                  .field_stride = sizeof *in_field,
                                  .in_count = 1,
                                  .out_room = 1,
                                  .in = in_field,
                                  .out = &m->out};
    return m->iface->plan(m->self, &p, &m->e);
}
static struct rn_transform_call rows_of(uint64_t n, const struct rn_tensor *in,
                                        const struct rn_tensor *out) {
    return (struct rn_transform_call){.struct_size = sizeof(struct rn_transform_call),
                                      .work = rn_workspace_begin(&workspace),
                                      .rows = n,
                                      .in_count = 1,
                                      .in = in,
                                      .out = out,
                                      .out_count = out ? 1 : 0};
}
static uint32_t names_of(struct made *m, const char *const **names) {
    struct rn_transform_names n = {.struct_size = sizeof n};
    CHECK(m->iface->names(m->self, &n, &m->e) == RN_OK);
    *names = n.names;
    return n.count;
}
/* Plan, fit on n rows in two parts, plan again. */
static int32_t fit(struct made *m, const struct rn_field *f, void *data, uint64_t n) {
    uint64_t bytes = RN_DTYPE_BYTES(f->dtype);
    for (uint32_t i = 0; i < f->rank; i++)
        bytes *= (uint64_t)f->shape[i];
    int32_t status = plan(m, f);
    struct rn_tensor a = {.data = data, .dtype = f->dtype};
    struct rn_tensor b = {.data = (uint8_t *)data + bytes, .dtype = f->dtype};
    status = status ? status : m->iface->fit_begin(m->self, &m->e);
    struct rn_transform_call first = rows_of(1, &a, NULL),
                             rest = rows_of(n - 1, &b, NULL);
    status = status ? status : m->iface->fit_rows(m->self, &first, &m->e);
    status = status ? status : m->iface->fit_rows(m->self, &rest, &m->e);
    status = status ? status : m->iface->fit_end(m->self, &m->e);
    return status ? status : plan(m, f);
}
static int32_t apply(struct made *m, const struct rn_field *f, void *data, uint64_t n,
                     void *to) {
    struct rn_tensor a = {.data = data, .dtype = f->dtype};
    struct rn_tensor b = {.data = to, .dtype = m->out.dtype};
    struct rn_transform_call c = rows_of(n, &a, &b);
    return m->iface->apply(m->self, &c, &m->e);
}
/* The same answer from a second instance that was loaded, and none from half a state.
 */
static void reload(struct made *m, const char *file, const struct option *options,
                   const struct rn_field *f, void *data, uint64_t n, const void *want,
                   size_t bytes) {
    static struct memory memory;
    struct made again;
    uint8_t *got = calloc(1, bytes);
    memory.stream.api = &memory_api;
    memory.size = memory.at = 0;
    CHECK(m->iface->save(m->self, &memory.stream, &m->e) == RN_OK);
    make(&again, file, 0, options);
    CHECK(again.iface->load(again.self, &memory.stream, &again.e) == RN_OK);
    CHECK(memory_left(&memory.stream) == 0);
    CHECK(plan(&again, f) == RN_OK);
    CHECK(apply(&again, f, data, n, got) == RN_OK);
    CHECK(memcmp(got, want, bytes) == 0);
    again.iface->destroy(again.self);
    memory.size /= 2, memory.at = 0;
    make(&again, file, 0, options);
    CHECK(again.iface->load(again.self, &memory.stream, &again.e) == RN_E_CHECKPOINT);
    again.iface->destroy(again.self);
    free(got);
}

static void test_scalers(void) {
    const struct option *none = OPTIONS({"-", ""});
    struct opened o;
    struct made m;
    static double x[569 * 30], y[569 * 30];
    static int64_t label[569];
    static uint64_t rows[569];
    for (uint64_t i = 0; i < 569; i++)
        rows[i] = i;
    CHECK(source_open(
              &o, "source/csv",
              OPTIONS({"file", in(datasets, "breast_cancer.csv")}, {"target", "label"}),
              0) == RN_OK);
    CHECK(o.info.count == 569 && o.info.fields[0].shape[0] == 30);
    struct rn_tensor out[2] = {{.data = x}, {.data = label}};
    CHECK(read_rows(&o, 569, rows, out) == RN_OK);
    struct rn_field f = o.info.fields[0];

    make(&m, "transform/standardise", 0, none);
    CHECK(fit(&m, &f, x, 569) == RN_OK && apply(&m, &f, x, 569, y) == RN_OK);
    for (int k = 0; k < 30; k++)
        CHECK(fabs(y[568 * 30 + k] - cancer_standard[k]) < 2e-6);
    reload(&m, "transform/standardise", none, &f, x, 569, y, sizeof y);
    struct rn_field other = f;
    other.shape[0] = 29;
    CHECK(plan(&m, &other) == RN_E_DATA);
    m.iface->destroy(m.self);

    make(&m, "transform/minmax", 0, none);
    CHECK(fit(&m, &f, x, 569) == RN_OK && apply(&m, &f, x, 569, y) == RN_OK);
    for (int k = 0; k < 30; k++)
        CHECK(fabs(y[568 * 30 + k] - cancer_minmax[k]) < 2e-7);
    reload(&m, "transform/minmax", none, &f, x, 569, y, sizeof y);
    m.iface->destroy(m.self);
    source_close(&o);

    /* per channel and all, with a constant; numbers by hand */
    uint8_t image[2][2][2] = {{{0, 2}, {5, 5}}, {{4, 6}, {5, 5}}};
    float z[8];
    struct rn_field p = {"image", RN_U8, 2, {2, 2}, 0, 0};
    make(&m, "transform/standardise", 0, OPTIONS({"per", "channel"}));
    CHECK(fit(&m, &p, image, 2) == RN_OK && apply(&m, &p, image, 2, z) == RN_OK);
    CHECK(m.out.dtype == RN_F32 && m.out.rank == 2);
    CHECK(fabs(z[0] + 3.0 / sqrt(5.0)) < 1e-6 && fabs(z[5] - 3.0 / sqrt(5.0)) < 1e-6);
    CHECK(z[2] == 0.0f && z[7] == 0.0f);
    m.iface->destroy(m.self);
    make(&m, "transform/minmax", 0,
         OPTIONS({"per", "all"}, {"low", "-1"}, {"high", "1"}));
    CHECK(fit(&m, &p, image, 2) == RN_OK && apply(&m, &p, image, 2, z) == RN_OK);
    CHECK(z[0] == -1.0f && z[5] == 1.0f && fabsf(z[1] + 1.0f / 3) < 1e-6f);
    m.iface->destroy(m.self);

    make(&m, "transform/scale", 0, none);
    CHECK(plan(&m, &p) == RN_OK && apply(&m, &p, image, 2, z) == RN_OK);
    CHECK(z[1] == 2.0f / 255.0f && z[5] == 6.0f / 255.0f);
    m.iface->destroy(m.self);
    make(&m, "transform/scale", 0, OPTIONS({"factor", "0.5"}, {"shift", "-1"}));
    CHECK(plan(&m, &p) == RN_OK && apply(&m, &p, image, 2, z) == RN_OK);
    CHECK(z[1] == 0.0f && z[5] == 2.0f);
    m.iface->destroy(m.self);

    /* missing numbers stay, or are filled; a label is left alone, or refused */
    float holes[3][2] = {{1, NAN}, {NAN, 4}, {3, 8}}, filled[6];
    struct rn_field h = {"x", RN_F32, 1, {2}, RN_FIELD_NULLABLE, 0};
    make(&m, "transform/standardise", 0, none);
    CHECK(fit(&m, &h, holes, 3) == RN_OK && apply(&m, &h, holes, 3, filled) == RN_OK);
    CHECK(m.out.flags == RN_FIELD_NULLABLE && filled[1] != filled[1] &&
          filled[0] == -1.0f && filled[4] == 1.0f);
    m.iface->destroy(m.self);
    make(&m, "transform/impute", 0, none);
    CHECK(fit(&m, &h, holes, 3) == RN_OK && apply(&m, &h, holes, 3, filled) == RN_OK);
    CHECK(m.out.flags == 0 && filled[0] == 1.0f && filled[1] == 6.0f &&
          filled[2] == 2.0f);
    reload(&m, "transform/impute", none, &h, holes, 3, filled, sizeof filled);
    m.iface->destroy(m.self);
    make(&m, "transform/impute", 0, OPTIONS({"with", "constant"}, {"value", "-9"}));
    CHECK(fit(&m, &h, holes, 3) == RN_OK && apply(&m, &h, holes, 3, filled) == RN_OK);
    CHECK(filled[1] == -9.0f && filled[3] == 4.0f);
    m.iface->destroy(m.self);
    struct rn_field l = {"label", RN_I64, 0, {0}, 0, 0};
    int64_t in_label[2] = {3, 4}, out_label[2];
    make(&m, "transform/standardise", 0, none);
    CHECK(fit(&m, &l, in_label, 2) == RN_OK && m.out.dtype == RN_I64);
    CHECK(apply(&m, &l, in_label, 2, out_label) == RN_OK && out_label[1] == 4);
    m.iface->destroy(m.self);
    struct rn_field t = {"t", RN_U8, 1, {3}, RN_FIELD_TEXT, 0};
    make(&m, "transform/minmax", 0, OPTIONS({"of.0", "t"}));
    CHECK(plan(&m, &t) == RN_E_CONFIG && strstr(m.e.message, "text"));
    m.iface->destroy(m.self);
}

/* Maps as they were stored before the state was named arrays: {shift, factor} in
 * version 1, {origin, shift, factor} in version 2. */
static void stored_maps(struct memory *memory, uint32_t version) {
    uint32_t head[2] = {version, 1};
    uint64_t size[2] = {2, 2};
    char name[128] = "x";
    const double maps[2][3] = {{100.0, 2.0, 0.5}, {0.0, 6.0, 4.0}};
    memory->stream.api = &memory_api;
    memory->size = memory->at = 0;
    memory_write(&memory->stream, head, sizeof head);
    memory_write(&memory->stream, name, sizeof name);
    memory_write(&memory->stream, size, sizeof size);
    for (int i = 0; i < 2; i++)
        memory_write(&memory->stream, &maps[i][version < 2],
                     sizeof(double) * (version < 2 ? 2 : 3));
}

static void test_old_states(void) {
    const struct option *none = OPTIONS({"-", ""});
    static struct memory memory;
    struct made m;
    float holes[2][2] = {{NAN, 1}, {104, NAN}}, y[4];
    struct rn_field x = {"x", RN_F32, 1, {2}, RN_FIELD_NULLABLE, 0};
    for (uint32_t version = 1; version <= 2; version++) {
        float origin = version > 1 ? 100.0f : 0.0f;
        stored_maps(&memory, version);
        make(&m, "transform/impute", 0, none);
        CHECK(m.iface->load(m.self, &memory.stream, &m.e) == RN_OK);
        CHECK(plan(&m, &x) == RN_OK && m.out.dtype == RN_F32);
        CHECK(apply(&m, &x, holes, 2, y) == RN_OK && y[0] == 2.0f && y[1] == 1.0f &&
              y[2] == 104.0f && y[3] == 6.0f);
        m.iface->destroy(m.self);
        memory.at = 0;
        make(&m, "transform/standardise", 0, none);
        CHECK(m.iface->load(m.self, &memory.stream, &m.e) == RN_OK);
        CHECK(plan(&m, &x) == RN_OK && apply(&m, &x, holes, 2, y) == RN_OK);
        CHECK(y[2] == (104.0f - origin - 2.0f) * 0.5f && y[1] == -20.0f);
        m.iface->destroy(m.self);
        /* cut, and of another size */
        memory.at = 0, memory.size -= 8;
        make(&m, "transform/impute", 0, none);
        CHECK(m.iface->load(m.self, &memory.stream, &m.e) == RN_E_CHECKPOINT);
        m.iface->destroy(m.self);
    }
    uint32_t head[2] = {1, 1};
    int64_t classes = 3, k[2] = {2, 0};
    float hot[6];
    char name[128] = "k";
    struct rn_field f = {"k", RN_I64, 0, {0}, 0, 0};
    memory.size = memory.at = 0;
    memory_write(&memory.stream, head, sizeof head);
    memory_write(&memory.stream, name, sizeof name);
    memory_write(&memory.stream, &classes, sizeof classes);
    make(&m, "transform/one_hot", 0, none);
    CHECK(m.iface->load(m.self, &memory.stream, &m.e) == RN_OK);
    CHECK(plan(&m, &f) == RN_OK && m.out.rank == 1 && m.out.shape[0] == 3);
    CHECK(apply(&m, &f, k, 2, hot) == RN_OK && hot[2] == 1.0f && hot[3] == 1.0f &&
          hot[0] + hot[1] + hot[4] + hot[5] == 0.0f);
    m.iface->destroy(m.self);
}

static void test_old_classes(void) {
    const struct option *none = OPTIONS({"-", ""});
    static struct memory memory;
    struct made m;
    uint32_t head[3] = {1, 1, 2}, length = 2, known[2] = {'b', 0xe4};
    int64_t zero = 0, index[2], ids[3];
    char words[2][2] = {{'b', 'b'}, {'a', 'a'}};
    uint8_t text[3] = {'b', 0xc3, 0xa4};
    struct rn_field t = {"t", RN_U8, 1, {2}, RN_FIELD_TEXT, 0};
    memory.stream.api = &memory_api;
    memory.size = memory.at = 0;
    memory_write(&memory.stream, head, sizeof head);
    for (int i = 1; i >= 0; i--) {
        memory_write(&memory.stream, &length, sizeof length);
        memory_write(&memory.stream, words[i], 2);
        memory_write(&memory.stream, &zero, sizeof zero);
    }
    make(&m, "transform/label_map", 0, none);
    CHECK(m.iface->load(m.self, &memory.stream, &m.e) == RN_OK);
    CHECK(plan(&m, &t) == RN_OK && apply(&m, &t, words, 2, index) == RN_OK);
    CHECK(index[0] == 1 && index[1] == 0);
    m.iface->destroy(m.self);
    memory.at = 0, memory.size--;
    make(&m, "transform/label_map", 0, none);
    CHECK(m.iface->load(m.self, &memory.stream, &m.e) == RN_E_CHECKPOINT);
    m.iface->destroy(m.self);
    memory.size = memory.at = 0;
    memory_write(&memory.stream, (uint32_t[]){1, 2}, 8);
    memory_write(&memory.stream, known, sizeof known);
    t.shape[0] = 3;
    make(&m, "transform/characters", 0, OPTIONS({"length", "3"}, {"vocabulary", "9"}));
    CHECK(m.iface->load(m.self, &memory.stream, &m.e) == RN_OK);
    CHECK(plan(&m, &t) == RN_OK && apply(&m, &t, text, 1, ids) == RN_OK);
    CHECK(ids[0] == 2 && ids[1] == 3 && ids[2] == 0);
    m.iface->destroy(m.self);
}

static void test_classes(void) {
    const struct option *none = OPTIONS({"-", ""});
    struct made m;
    const char *const *names = NULL;
    char words[4][4] = {"dog", "cat", "dog", "ant"};
    int64_t index[4];
    struct rn_field t = {"label", RN_U8, 1, {4}, RN_FIELD_TEXT, 0};
    make(&m, "transform/label_map", 0, none);
    CHECK(fit(&m, &t, words, 4) == RN_OK && apply(&m, &t, words, 4, index) == RN_OK);
    CHECK(m.out.dtype == RN_I64 && m.out.rank == 0 && m.out.flags == 0);
    CHECK(index[0] == 2 && index[1] == 1 && index[2] == 2 && index[3] == 0);
    CHECK(names_of(&m, &names) == 3);
    CHECK_TEXT(names[0], "ant");
    CHECK_TEXT(names[2], "dog");
    char strange[1][4] = {"emu"};
    CHECK(apply(&m, &t, strange, 1, index) == RN_E_DATA);
    CHECK_TEXT(m.e.message, "field 'label': 'emu' is none of the 3 classes");
    index[0] = 2;
    reload(&m, "transform/label_map", none, &t, words, 4, index, sizeof index);
    m.iface->destroy(m.self);

    const struct option *order =
        OPTIONS({"classes.0", "dog"}, {"classes.1", "ant"}, {"classes.2", "cat"});
    make(&m, "transform/label_map", 0, order);
    CHECK(fit(&m, &t, words, 4) == RN_OK && apply(&m, &t, words, 4, index) == RN_OK);
    CHECK(index[0] == 0 && index[1] == 2 && index[3] == 1);
    reload(&m, "transform/label_map", order, &t, words, 4, index, sizeof index);
    m.iface->destroy(m.self);

    int32_t numbers[4] = {10, -3, 9, 10};
    struct rn_field n = {"label", RN_I32, 0, {0}, 0, 0};
    make(&m, "transform/label_map", 0, none);
    CHECK(fit(&m, &n, numbers, 4) == RN_OK &&
          apply(&m, &n, numbers, 4, index) == RN_OK);
    CHECK(index[0] == 2 && index[1] == 0 && index[2] == 1 && index[3] == 2);
    CHECK(names_of(&m, &names) == 3);
    CHECK_TEXT(names[0], "-3");
    CHECK_TEXT(names[1], "9");
    m.iface->destroy(m.self);

    int64_t k[3] = {2, 0, 1};
    float hot[9];
    const float want[9] = {0, 0, 1, 1, 0, 0, 0, 1, 0};
    struct rn_field l = {"label", RN_I64, 0, {0}, 0, 0};
    make(&m, "transform/one_hot", 0, none);
    CHECK(fit(&m, &l, k, 3) == RN_OK && apply(&m, &l, k, 3, hot) == RN_OK);
    CHECK(m.out.rank == 1 && m.out.shape[0] == 3 && memcmp(hot, want, sizeof hot) == 0);
    reload(&m, "transform/one_hot", none, &l, k, 3, hot, sizeof hot);
    int64_t far[1] = {3};
    CHECK(apply(&m, &l, far, 1, hot) == RN_E_DATA);
    CHECK_TEXT(m.e.message, "field 'label': 3 is not in 0..2");
    m.iface->destroy(m.self);
    make(&m, "transform/one_hot", 0, OPTIONS({"classes", "2"}));
    CHECK(fit(&m, &l, k, 3) == RN_E_DATA);
    CHECK(plan(&m, &t) == RN_E_CONFIG);
    m.iface->destroy(m.self);

    struct rn_field p = {"image", RN_U8, 3, {1, 2, 2}, 0, 0};
    uint8_t four[4] = {1, 2, 3, 4}, same[4];
    make(&m, "transform/reshape", 0, none);
    CHECK(plan(&m, &p) == RN_OK && m.out.rank == 1 && m.out.shape[0] == 4);
    CHECK(apply(&m, &p, four, 1, same) == RN_OK && memcmp(four, same, 4) == 0);
    m.iface->destroy(m.self);
    make(&m, "transform/reshape", 1, OPTIONS({"shape.0", "-1"}, {"shape.1", "4"}));
    CHECK(plan(&m, &p) == RN_OK && m.out.rank == 2 && m.out.shape[0] == 1);
    m.iface->destroy(m.self);
    make(&m, "transform/reshape", 1, OPTIONS({"shape.0", "3"}));
    CHECK(plan(&m, &p) == RN_E_CONFIG);
    m.iface->destroy(m.self);
}

/* ---------------------------------------------------------------- augments */

struct augmenter {
    struct fake fake;
    const struct rn_augment *iface;
    void *self;
    struct rn_error e;
};

static int32_t augmenter_make(struct augmenter *a, const char *file,
                              const struct option *options, const struct rn_field *f) {
    memset(a, 0, sizeof *a);
    a->fake = host_of(options);
    a->iface = component(file, 0, &a->fake.text);
    CHECK(a->iface->create(&a->fake.host, &a->self, &a->e) == RN_OK);
    struct rn_augment_plan p = {.struct_size = sizeof p,
                                .field_count = 1,
                                .field_stride = sizeof *f,
                                .fields = f};
    return a->iface->plan(a->self, &p, &a->e);
}
static void augment(struct augmenter *a, uint64_t n, uint32_t epoch, const int64_t *ids,
                    void *data) {
    struct rn_tensor t = {.data = data};
    struct rn_augment_call c = {.struct_size = sizeof c,
                                .phase = RN_PHASE_TRAIN,
                                .work = rn_workspace_begin(&workspace),
                                .rows = n,
                                .sample_ids = ids,
                                .key = {11, 22},
                                .epoch = epoch,
                                .field_count = 1,
                                .fields = &t};
    CHECK(a->iface->apply(a->self, &c, &a->e) == RN_OK);
}

static void test_augment(void) {
    struct augmenter a;
    struct rn_field f = {"image", RN_F32, 3, {2, 3, 4}, 0, 0};
    float first[2][3][4], x[2][3][4];
    int64_t id = 5;
    for (int i = 0; i < 24; i++)
        (&first[0][0][0])[i] = (float)(i + 1);

    memcpy(x, first, sizeof x);
    CHECK(augmenter_make(&a, "augment/flip", OPTIONS({"p", "1"}), &f) == RN_OK);
    augment(&a, 1, 0, &id, x);
    for (int i = 0; i < 24; i++)
        CHECK(x[i / 12][i / 4 % 3][i % 4] == first[i / 12][i / 4 % 3][3 - i % 4]);
    a.iface->destroy(a.self);
    memcpy(x, first, sizeof x);
    CHECK(augmenter_make(&a, "augment/flip", OPTIONS({"p", "1"}, {"axis", "vertical"}),
                         &f) == RN_OK);
    augment(&a, 1, 0, &id, x);
    for (int i = 0; i < 24; i++)
        CHECK(x[i / 12][i / 4 % 3][i % 4] == first[i / 12][2 - i / 4 % 3][i % 4]);
    a.iface->destroy(a.self);

    /* By the sample: the same alone, in another order; about half; not each epoch. */
    struct rn_field line = {"image", RN_U8, 2, {1, 2}, 0, 0};
    enum { N = 400 };
    static uint8_t rows[N][2], again[N][2];
    static int64_t ids[N], back[N];
    int turned = 0, same = 1, changed = 0;
    for (int i = 0; i < N; i++) {
        ids[i] = i, back[i] = N - 1 - i;
        rows[i][0] = again[i][0] = 0, rows[i][1] = again[i][1] = 1;
    }
    CHECK(augmenter_make(&a, "augment/flip", OPTIONS({"p", "0.5"}), &line) == RN_OK);
    augment(&a, N, 3, ids, rows);
    augment(&a, N / 2, 3, back, again);
    augment(&a, N / 2, 3, back + N / 2, again[N / 2]);
    for (int i = 0; i < N; i++) {
        turned += rows[i][0];
        same &= rows[i][0] == again[N - 1 - i][0];
    }
    for (int i = 0; i < N; i++)
        again[i][0] = 0, again[i][1] = 1;
    CHECK(same && turned > 160 && turned < 240);
    augment(&a, N, 4, ids, again);
    for (int i = 0; i < N; i++)
        changed += rows[i][0] != again[i][0];
    CHECK(changed > 140 && changed < 260);
    a.iface->destroy(a.self);

    /* crop: against the definition, for many samples, and all shifts occur */
    CHECK(augmenter_make(&a, "augment/crop", OPTIONS({"padding", "2"}, {"fill", "-1"}),
                         &f) == RN_OK);
    int seen[5][5] = {{0}}, right = 1, kinds = 0;
    for (id = 0; id < 300; id++) {
        uint32_t key[2] = {11, 22}, counter[4] = {7, (uint32_t)id, 0, 0}, word[4];
        rn_philox(counter, key, word);
        int dy = (int)((uint64_t)word[1] * 5 >> 32) - 2;
        int dx = (int)((uint64_t)word[2] * 5 >> 32) - 2;
        memcpy(x, first, sizeof x);
        augment(&a, 1, 7, &id, x);
        for (int c = 0; c < 2; c++)
            for (int i = 0; i < 12; i++) {
                int sy = i / 4 + dy, sx = i % 4 + dx;
                float want =
                    sy < 0 || sy > 2 || sx < 0 || sx > 3 ? -1.0f : first[c][sy][sx];
                right &= x[c][i / 4][i % 4] == want;
            }
        kinds += !seen[dy + 2][dx + 2]++;
    }
    CHECK(right && kinds == 25);
    a.iface->destroy(a.self);
    CHECK(augmenter_make(&a, "augment/crop", OPTIONS({"padding", "3"}), &f) ==
          RN_E_CONFIG);
    a.iface->destroy(a.self);

    /* rotate: nothing at 0 degrees; a constant inside stays; angle by the definition */
    memcpy(x, first, sizeof x);
    CHECK(augmenter_make(&a, "augment/rotate", OPTIONS({"degrees", "0"}), &f) == RN_OK);
    augment(&a, 1, 0, &id, x);
    CHECK(memcmp(x, first, sizeof x) == 0);
    a.iface->destroy(a.self);
    enum { S = 9 };
    struct rn_field plane = {"image", RN_F32, 2, {S, S}, 0, 0};
    float ramp[S][S];
    double worst = 0;
    CHECK(augmenter_make(&a, "augment/rotate", OPTIONS({"degrees", "40"}), &plane) ==
          RN_OK);
    for (id = 0; id < 20; id++) {
        uint32_t key[2] = {11, 22}, counter[4] = {1, (uint32_t)id, 0, 0}, word[4];
        rn_philox(counter, key, word);
        double angle =
            (2.0 * rn_uniform_f32(word[1]) - 1.0) * 40.0 * acos(-1.0) / 180.0;
        for (int i = 0; i < S * S; i++)
            ramp[i / S][i % S] = (float)(3 * (i / S) + i % S);
        augment(&a, 1, 1, &id, ramp);
        /* bilinear is exact on a plane; within the inner circle nothing is outside */
        for (int i = 0; i < S * S; i++) {
            double dy = i / S - 4, dx = i % S - 4;
            if (dy * dy + dx * dx > 15.0)
                continue;
            double sy = 4 + cos(angle) * dy + sin(angle) * dx;
            double sx = 4 + cos(angle) * dx - sin(angle) * dy;
            double off = fabs(ramp[i / S][i % S] - (3 * sy + sx));
            worst = off > worst ? off : worst;
        }
    }
    CHECK(worst < 1e-5);
    a.iface->destroy(a.self);
    struct rn_field wrong = {"x", RN_F32, 1, {4}, 0, 0};
    CHECK(augmenter_make(&a, "augment/rotate", OPTIONS({"p", "1"}), &wrong) ==
          RN_E_CONFIG);
    CHECK(strstr(a.e.message, "not an image") != NULL);
    a.iface->destroy(a.self);
}

/* Four digits beside numpy and scipy.ndimage.rotate. */
static void golden(const char *file, const struct option *options,
                   const float want[4][64], double tolerance) {
    struct rn_field f = {"image", RN_F32, 3, {1, 8, 8}, 0, 0};
    const int64_t ids[4] = {0, 1, 2, 3};
    struct augmenter a;
    float x[4][64];
    double worst = 0;
    memcpy(x, golden_digit, sizeof x);
    CHECK(augmenter_make(&a, file, options, &f) == RN_OK);
    augment(&a, 4, 3, ids, x);
    for (int i = 0; i < 4 * 64; i++)
        worst =
            fmax(worst, fabs((double)x[i / 64][i % 64] - (double)want[i / 64][i % 64]));
    if (worst > tolerance)
        fprintf(stderr, "%s: %g away\n", file, worst);
    CHECK(worst <= tolerance);
    a.iface->destroy(a.self);
}

static void test_pictures(void) {
    golden("augment/flip", OPTIONS({"p", "0.5"}), golden_flipped, 0.0);
    CHECK(memcmp(golden_flipped, golden_digit, sizeof golden_digit) != 0);
    golden("augment/crop", OPTIONS({"padding", "3"}, {"fill", "2"}), golden_cropped,
           0.0);
    golden("augment/crop", OPTIONS({"padding", "3"}, {"border", "reflect"}),
           golden_reflected, 0.0);
    golden("augment/flip", OPTIONS({"p", "0.5"}, {"alternate", "true"}),
           golden_alternated, 0.0);
    CHECK(memcmp(golden_flipped, golden_alternated, sizeof golden_digit) != 0);
    golden("augment/erase", OPTIONS({"size", "5"}, {"fill", "2"}), golden_erased, 0.0);
    golden("augment/rotate", OPTIONS({"degrees", "40"}, {"fill", "2"}), golden_turned,
           1e-5);
}

int main(int argc, char **argv) {
    if (argc != 3 || !mkdtemp(folder))
        return 1;
    plugins = argv[1];
    datasets = argv[2];
    test_idx();
    test_csv();
    test_npy();
    test_hdf5();
    test_scalers();
    test_old_states();
    test_old_classes();
    test_classes();
    test_augment();
    test_pictures();
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK(system(command) == 0);
    return check_done();
}
