/* SPDX-License-Identifier: Apache-2.0 */
#include "csv_pack.h"

#define SCRATCH (1u << 16) /* cells of a segment, about */
/* Codes of a cell: its decimals, or */
#define DOUBLE  0x40u /* m is the bits of an f64 */
#define MISSING 0x80u

static int32_t no_memory(const struct csv_pack *p, struct rn_error *e) {
    return rn_failf(e, RN_E_MEMORY, p->table->parts[0].file, 0, 0,
                    "no memory for the table");
}

/* n zeroed items within the budget; NULL with an error. */
void *csv_pack_room(const struct csv_pack *p, uint64_t n, uint64_t item,
                    struct rn_error *e) {
    uint64_t bytes;
    if (!rn_size_mul(n, item, &bytes) || bytes > SIZE_MAX ||
        !rn_budget_take(p->budget, bytes)) {
        rn_budget_error(p->budget, p->table->parts[0].file, e);
        return NULL;
    }
    void *out = calloc(n ? n : 1, item);
    if (!out)
        no_memory(p, e);
    return out;
}

static int32_t failed(const struct rn_error *e) {
    return e && e->status ? e->status : RN_E_MEMORY;
}

/* A larger array of `item`s in place of one of *capacity. */
static int32_t enlarge(const struct csv_pack *p, void **at, uint32_t *capacity,
                       uint64_t item, struct rn_error *e) {
    uint32_t more = *capacity ? 2 * *capacity : 8;
    if (!rn_budget_take(p->budget, (more - *capacity) * item))
        return rn_budget_error(p->budget, p->table->parts[0].file, e);
    void *new = realloc(*at, more * item);
    if (!new)
        return no_memory(p, e);
    *at = new;
    *capacity = more;
    return RN_OK;
}

void csv_pack_finish(struct csv_pack *p) {
    for (uint32_t i = 0; i < p->segment_count; i++)
        free(p->segments[i].bytes);
    free(p->segments);
    free(p->layouts);
    free(p->columns);
    free(p->m);
    free(p->code);
}

/* ------------------------------------------------------------------ a segment */

static double cell_number(int64_t m, uint8_t code) {
    double x = NAN;
    if (code & DOUBLE)
        memcpy(&x, &m, sizeof x);
    else if (!(code & MISSING))
        x = code ? (double)m / rn_power_of_ten(code) : (double)m;
    return x;
}

static uint64_t magnitude(int64_t m) {
    return m < 0 ? 0 - (uint64_t)m : (uint64_t)m;
}

/* Bytes that hold numbers of these magnitudes, or'ed, and one more for a missing one.
 */
static uint8_t size_of(uint64_t magnitudes) {
    int bits = magnitudes ? 64 - __builtin_clzll(magnitudes) : 0;
    return (uint8_t)(bits / 8 + 1);
}

/* A column whose cells differ in their decimals, or of which some are missing or f64.
 */
static struct csv_place place_mixed(struct csv_pack *p, uint32_t column) {
    uint32_t stride = p->table->width + 1;
    int64_t *m = p->m + column;
    uint8_t *code = p->code + column;
    uint8_t most = 0, all = 0;
    int numbers = 0;
    for (uint32_t r = 0; r < p->held; r++) {
        uint8_t c = code[(size_t)r * stride];
        all |= c & DOUBLE;
        numbers |= !(c & MISSING);
        if (!(c & (MISSING | DOUBLE)))
            most = c > most ? c : most;
    }
    if (!numbers)
        return (struct csv_place){.size = 0};
    uint64_t limit = most ? UINT64_C(1) << 53 : INT64_MAX, sum = 0;
    for (uint32_t r = 0; r < p->held && !all; r++) {
        uint8_t c = code[(size_t)r * stride];
        if (c & MISSING)
            continue;
        uint64_t x = magnitude(m[(size_t)r * stride]), scaled;
        double power = rn_power_of_ten(most - c);
        if (most - c > 18 || __builtin_mul_overflow(x, (uint64_t)power, &scaled) ||
            scaled > limit)
            all |= DOUBLE;
        else
            sum |= scaled;
    }
    if (all)
        return (struct csv_place){.size = 8, .k = CSV_F64};
    return (struct csv_place){.size = size_of(sum), .k = most};
}

/* Where each column of the held rows goes; the stride. */
static uint32_t place_columns(struct csv_pack *p, struct csv_place *out) {
    uint32_t width = p->table->width, stride = width + 1, at = 0;
    uint64_t sums[64];
    uint8_t most[64], least[64];
    for (uint32_t begin = 0; begin < width; begin += 64) {
        uint32_t n = width - begin < 64 ? width - begin : 64;
        for (uint32_t i = 0; i < n; i++) {
            sums[i] = 0;
            most[i] = 0;
            least[i] = 255;
        }
        for (uint32_t r = 0; r < p->held; r++) {
            const int64_t *m = p->m + (size_t)r * stride + begin;
            const uint8_t *code = p->code + (size_t)r * stride + begin;
            for (uint32_t i = 0; i < n; i++) {
                sums[i] |= magnitude(m[i]);
                most[i] = code[i] > most[i] ? code[i] : most[i];
                least[i] = code[i] < least[i] ? code[i] : least[i];
            }
        }
        for (uint32_t i = 0; i < n; i++) {
            struct csv_place *o = &out[begin + i];
            uint64_t limit = most[i] ? UINT64_C(1) << 53 : INT64_MAX;
            if (p->columns[begin + i].text)
                *o = (struct csv_place){.size = 0};
            else if (most[i] != least[i] || most[i] >= DOUBLE || sums[i] > limit)
                *o = place_mixed(p, begin + i);
            else
                *o = (struct csv_place){.size = size_of(sums[i]), .k = most[i]};
            o->at = at;
            at += o->size;
            p->columns[begin + i].fraction |= o->k != CSV_F64 && o->k > 0;
        }
    }
    return at;
}

static int64_t none_of(uint8_t size) {
    return size == 8 ? INT64_MIN : -(INT64_C(1) << (8 * size - 1));
}

/* The bits that are kept of a cell. */
static int64_t bits_of(struct csv_content *column, const struct csv_place *o, int64_t m,
                       uint8_t code) {
    if (o->k == CSV_F64) {
        double x = cell_number(m, code);
        column->inexact |= !(code & (DOUBLE | MISSING)) && magnitude(m) > UINT64_C(1)
                                                                              << 53;
        column->fraction |= code && code < DOUBLE;
        memcpy(&m, &x, sizeof m);
        return m;
    }
    if (code & MISSING)
        return none_of(o->size);
    return code == o->k ? m : m * (int64_t)rn_power_of_ten(o->k - code);
}

/* The layout of the last segment, or a new one. */
static int32_t layout_of(struct csv_pack *p, const struct csv_place *o,
                         uint32_t *layout, struct rn_error *e) {
    uint32_t width = p->table->width;
    size_t bytes = width * sizeof *o;
    if (!p->layout_count ||
        memcmp(p->layouts + (size_t)(p->layout_count - 1) * width, o, bytes) != 0) {
        if (p->layout_count == p->layout_capacity) {
            int32_t status =
                enlarge(p, (void **)&p->layouts, &p->layout_capacity, bytes, e);
            if (status != RN_OK)
                return status;
        }
        memcpy(p->layouts + (size_t)p->layout_count++ * width, o, bytes);
    }
    *layout = p->layout_count - 1;
    return RN_OK;
}

static int32_t keep_segment(struct csv_pack *p, struct rn_error *e) {
    uint32_t width = p->table->width, rows = p->held;
    struct csv_segment s = {0};
    if (!rows)
        return RN_OK;
    if (p->segment_count == p->segment_capacity) {
        int32_t status =
            enlarge(p, (void **)&p->segments, &p->segment_capacity, sizeof s, e);
        if (status != RN_OK)
            return status;
    }
    struct csv_place *o = calloc(width, sizeof *o);
    if (!o)
        return no_memory(p, e);
    s.stride = place_columns(p, o);
    int32_t status = layout_of(p, o, &s.layout, e);
    s.bytes =
        status == RN_OK ? csv_pack_room(p, (uint64_t)rows * s.stride + 8, 1, e) : NULL;
    uint8_t *to = s.bytes;
    for (uint32_t r = 0; s.bytes && r < rows; r++) {
        const int64_t *m = p->m + (size_t)r * (width + 1);
        const uint8_t *code = p->code + (size_t)r * (width + 1);
        for (uint32_t i = 0; i < width; i++) {
            if (!o[i].size)
                continue;
            int64_t x = code[i] == o[i].k
                            ? m[i]
                            : bits_of(&p->columns[i], &o[i], m[i], code[i]);
            memcpy(to, &x, sizeof x); /* what is too much is written over */
            to += o[i].size;
        }
    }
    free(o);
    if (!s.bytes)
        return failed(e);
    memset(to, 0, 8);
    p->segments[p->segment_count++] = s;
    p->held = 0;
    return RN_OK;
}

/* ------------------------------------------------------------------- cells */

/* A cell that is no plain decimal. */
static void take_text(struct csv_pack *p, struct csv_content *c, const char *text,
                      uint64_t row, int64_t *m, uint8_t *code) {
    double number;
    int64_t whole;
    *m = 0;
    *code = MISSING;
    c->filled |= *text != '\0';
    if (rn_missing_word(p->missing, text)) {
        c->words++;
        return;
    }
    if (!*text && !c->empty)
        c->empty = row + 1;
    if (c->text)
        return;
    if (!csv_number(p->number, text, &number)) {
        c->text = 1;
        return;
    }
    if (rn_missing_number(p->missing, number)) {
        c->missing++;
        return;
    }
    int integer = csv_integer(p->number, text, &whole);
    c->fraction |= !integer;
    if (integer && (whole || !signbit(number))) {
        *m = whole;
        *code = 0;
        return;
    }
    memcpy(m, &number, sizeof *m);
    *code = DOUBLE;
}

/* A decimal of up to 18 digits; the text behind it, or NULL. */
static const char *take_decimal(const char *q, char mark, int64_t *m, uint8_t *code) {
    int64_t negative = *q == '-';
    uint64_t digits = 0;
    unsigned d;
    q += negative | (*q == '+');
    const char *first = q, *point = NULL;
    while ((d = (unsigned)(uint8_t)*q - '0') < 10) {
        digits = digits * 10 + d;
        q++;
    }
    if (*q == mark && q > first) {
        point = ++q;
        while ((d = (unsigned)(uint8_t)*q - '0') < 10) {
            digits = digits * 10 + d;
            q++;
        }
        if (q == point)
            return NULL;
    }
    if (q - first > 19 || q == first || digits > UINT64_C(1) << 53 ||
        (negative && !digits))
        return NULL;
    *code = point ? (uint8_t)(q - point) : 0;
    *m = ((int64_t)digits ^ -negative) + negative;
    return q;
}

/* Is an unquoted number one of the words for a missing value, or the number of one? */
static void mark_number(const struct csv_pack *p, struct csv_content *c,
                        const char *text, size_t n, int64_t *m, uint8_t *code) {
    int missing = rn_missing_number(p->missing, cell_number(*m, *code)), word = 0;
    for (uint32_t i = 0; i < p->missing->count; i++) {
        const struct rn_missing_value *v = &p->missing->values[i];
        word |= v->n == n && memcmp(v->word + v->first, text, n) == 0;
    }
    c->words += (uint64_t)word;
    c->missing += (uint64_t)(missing && !word);
    if (missing || word) {
        *m = 0;
        *code = MISSING;
    }
}

static int32_t take_row(void *context, struct csv_rows *r, uint64_t row,
                        struct rn_error *e) {
    struct csv_pack *p = context;
    uint32_t width = p->table->width, cells = 0;
    const uint32_t *column = p->table->to;
    int64_t *m = p->m + (size_t)p->held * (width + 1);
    uint8_t *code = p->code + (size_t)p->held * (width + 1);
    char separator = r->dialect->separator;
    char mark = p->number->thousands ? '\0' : p->number->decimal;
    int empty = 0;
    for (int more = 1; more; cells++) {
        uint32_t k = cells < width ? column[cells] : width;
        struct csv_content *c = &p->columns[k];
        const char *q = mark ? take_decimal(r->p, mark, &m[k], &code[k]) : NULL;
        int32_t status = RN_OK;
        if (q && (*q == separator || *q == '\n' || *q == '\r')) {
            uint64_t n = (uint64_t)(q - r->p);
            c->longest = n > c->longest ? n : c->longest;
            c->filled = 1;
            if (p->marked)
                mark_number(p, c, r->p, n, &m[k], &code[k]);
            r->p += n + (*q == separator);
            if (*q != separator)
                status = csv_rows_behind(r, &more, e);
            if (status != RN_OK)
                return status;
            empty = 0;
            continue;
        }
        struct csv_piece piece;
        r->used = 0;
        status = csv_rows_cell(r, &piece, &more, e);
        if (status != RN_OK)
            return status;
        empty = !piece.n;
        c->longest = piece.n > c->longest ? piece.n : c->longest;
        if (cells < width)
            take_text(p, c, csv_rows_text(r, &piece), row, &m[k], &code[k]);
    }
    int short_by = 0;
    if (cells != width) {
        int32_t status = csv_rows_settle(r, cells, empty, &short_by, e);
        if (status != RN_OK)
            return status;
    }
    if (short_by)
        take_text(p, &p->columns[column[cells]], "", row, &m[column[cells]],
                  &code[column[cells]]);
    p->rows++;
    return ++p->held >> p->log2_rows ? keep_segment(p, e) : RN_OK;
}

/* ------------------------------------------------------------------- reading */

/* Before the first row, when the width is known. */
static int32_t begin(struct csv_pack *p, struct rn_error *e) {
    uint64_t width = p->table->width + 1u;
    p->log2_rows = 4;
    while (p->log2_rows < 16 && (width << (p->log2_rows + 1)) <= SCRATCH)
        p->log2_rows++;
    p->columns = csv_pack_room(p, width, sizeof *p->columns, e);
    p->m = p->columns ? csv_pack_room(p, width << p->log2_rows, sizeof *p->m, e) : NULL;
    p->code = p->m ? csv_pack_room(p, width << p->log2_rows, 1, e) : NULL;
    for (uint32_t i = 0; i < p->missing->count; i++) {
        const struct rn_missing_value *v = &p->missing->values[i];
        p->marked |= v->numeric;
    }
    for (const char *c = "0123456789+-."; *c; c++)
        p->marked |= p->missing->begins[(uint8_t)*c];
    return p->code ? RN_OK : failed(e);
}

static int32_t first_or_next(void *context, struct csv_rows *r, uint64_t row,
                             struct rn_error *e) {
    struct csv_pack *p = context;
    int32_t status = p->columns ? RN_OK : begin(p, e);
    return status == RN_OK ? take_row(p, r, row, e) : status;
}

int32_t csv_pack_read(struct csv_pack *p, struct rn_error *e) {
    int32_t status = csv_table_walk(p->table, first_or_next, p, e);
    if (status == RN_OK)
        status = keep_segment(p, e);
    uint64_t width = p->table->width + 1u;
    if (p->code)
        rn_budget_return(p->budget, (width << p->log2_rows) * (sizeof *p->m + 1));
    free(p->m);
    free(p->code);
    p->m = NULL;
    p->code = NULL;
    int filled = p->columns && p->columns[p->table->width - 1].filled;
    return status == RN_OK ? csv_table_name(p->table, !filled, e) : status;
}

static const struct csv_place *place_of(const struct csv_pack *p,
                                        const struct csv_segment *s, uint32_t column) {
    return &p->layouts[(size_t)s->layout * p->table->width + column];
}

static int64_t load(const uint8_t *at, int shift) {
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return (int64_t)(x << shift) >> shift;
}

void csv_pack_numbers(const struct csv_pack *p, uint32_t column, uint64_t first,
                      uint64_t n, double *out) {
    for (uint64_t i = 0; i < n; i++) {
        uint64_t row = first + i;
        const struct csv_segment *s = &p->segments[row >> p->log2_rows];
        const struct csv_place *o = place_of(p, s, column);
        uint64_t in = row & ((UINT64_C(1) << p->log2_rows) - 1);
        int64_t m =
            o->size ? load(s->bytes + in * s->stride + o->at, 64 - 8 * o->size) : 0;
        if (o->k == CSV_F64)
            memcpy(&out[i], &m, sizeof m);
        else
            out[i] = !o->size || m == none_of(o->size)
                         ? (double)NAN
                         : (double)m / rn_power_of_ten(o->k);
    }
}

void csv_pack_integers(const struct csv_pack *p, uint32_t column, uint64_t first,
                       uint64_t n, int64_t *out) {
    for (uint64_t i = 0; i < n; i++) {
        uint64_t row = first + i;
        const struct csv_segment *s = &p->segments[row >> p->log2_rows];
        const struct csv_place *o = place_of(p, s, column);
        uint64_t in = row & ((UINT64_C(1) << p->log2_rows) - 1);
        int64_t m =
            o->size ? load(s->bytes + in * s->stride + o->at, 64 - 8 * o->size) : 0;
        double x;
        memcpy(&x, &m, sizeof x);
        if (o->k == CSV_F64)
            out[i] = isnan(x) ? RN_MISSING_I64 : (int64_t)x;
        else
            out[i] = !o->size || m == none_of(o->size) ? RN_MISSING_I64 : m;
    }
}
