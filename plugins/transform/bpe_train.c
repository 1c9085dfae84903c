/* SPDX-License-Identifier: Apache-2.0 */
/* Each piece is kept once, as its tokens with a count. Of each pair of neighbours it is
 * known how often it occurs and in which pieces; a merge visits only these. */
#include "bpe.h"

struct pair {
    int32_t left, right;
    uint64_t count;   /* neighbours in all pieces, overlapping ones too */
    uint32_t *pieces; /* [piece_count] where it may occur */
    uint32_t piece_count, piece_room;
};

struct piece {
    int32_t *at; /* in trainer.tokens */
    uint32_t n;
    uint64_t count;
};

/* Of the heap: what a pair's count was when it was put there. */
struct entry {
    uint64_t count;
    uint32_t pair;
};

struct trainer {
    int32_t *tokens;
    struct piece *pieces;
    struct pair *pairs; /* [pair_count] */
    uint32_t pair_count, pair_room;
    struct pair_table index; /* -> pairs */
    struct entry *heap;      /* the largest first */
    uint64_t heap_count, heap_room;
};

static void trainer_finish(struct trainer *t) {
    for (uint32_t i = 0; i < t->pair_count; i++)
        free(t->pairs[i].pieces);
    free(t->pairs);
    free(t->pieces);
    free(t->tokens);
    free(t->heap);
    pair_table_finish(&t->index);
}

/* `items` with room for one more than count: the same, or moved; NULL: no memory. */
static void *room_for(void *items, uint64_t count, uint64_t *room, size_t size) {
    if (count < *room)
        return items;
    uint64_t more = *room ? 2 * *room : 16;
    void *p = realloc(items, rn_size_or_max(more, size));
    if (p)
        *room = more;
    return p;
}

/* -------------------------------------------------------------------- heap */

/* Does a come before b? */
static int before(const struct trainer *t, struct entry a, struct entry b) {
    const struct pair *x = &t->pairs[a.pair], *y = &t->pairs[b.pair];
    if (a.count != b.count)
        return a.count > b.count;
    return x->left != y->left ? x->left < y->left : x->right < y->right;
}

static int push(struct trainer *t, uint32_t pair) {
    struct entry *heap = room_for(t->heap, t->heap_count, &t->heap_room, sizeof *heap);
    struct entry x = {t->pairs[pair].count, pair};
    uint64_t i = t->heap_count;
    if (!heap)
        return 0;
    t->heap = heap;
    for (t->heap_count++; i && before(t, x, heap[(i - 1) / 2]); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = x;
    return 1;
}

static struct entry pop(struct trainer *t) {
    struct entry first = t->heap[0], x = t->heap[--t->heap_count];
    uint64_t i = 0, child;
    while ((child = 2 * i + 1) < t->heap_count) {
        if (child + 1 < t->heap_count && before(t, t->heap[child + 1], t->heap[child]))
            child++;
        if (!before(t, t->heap[child], x))
            break;
        t->heap[i] = t->heap[child];
        i = child;
    }
    t->heap[i] = x;
    return first;
}

/* ------------------------------------------------------------------- pairs */

/* The index of a pair, made where it is new; UINT32_MAX: no memory. */
static uint32_t pair_of(struct trainer *t, int32_t left, int32_t right) {
    uint64_t room = t->pair_room;
    uint32_t *at = pair_add(&t->index, left, right, t->pair_count);
    if (!at || *at < t->pair_count)
        return at ? *at : UINT32_MAX;
    struct pair *pairs = room_for(t->pairs, t->pair_count, &room, sizeof *pairs);
    if (!pairs || room > UINT32_MAX)
        return UINT32_MAX;
    t->pairs = pairs;
    t->pair_room = (uint32_t)room;
    pairs[t->pair_count] = (struct pair){.left = left, .right = right};
    return t->pair_count++;
}

/* The pair occurs in the piece, count times. 0: no memory. */
static int add(struct trainer *t, uint32_t pair, uint32_t piece, uint64_t count) {
    struct pair *p = &t->pairs[pair];
    uint64_t room = p->piece_room;
    p->count += count;
    if (p->piece_count && p->pieces[p->piece_count - 1] == piece)
        return 1;
    uint32_t *pieces = room_for(p->pieces, p->piece_count, &room, sizeof *pieces);
    if (!pieces || room > UINT32_MAX)
        return 0;
    p->pieces = pieces;
    p->piece_room = (uint32_t)room;
    p->pieces[p->piece_count++] = piece;
    return 1;
}

/* The pairs of a piece count from now on. */
static int count_pairs(struct trainer *t, uint32_t piece) {
    const struct piece *p = &t->pieces[piece];
    for (uint32_t i = 0; i + 1 < p->n; i++) {
        uint32_t pair = pair_of(t, p->at[i], p->at[i + 1]);
        if (pair == UINT32_MAX || !add(t, pair, piece, p->count))
            return 0;
    }
    return 1;
}

static int begin(struct trainer *t, const struct rn_set *set) {
    t->tokens = malloc(rn_size_or_max(set->used + 1, sizeof *t->tokens));
    t->pieces = calloc(set->count + 1u, sizeof *t->pieces);
    if (!t->tokens || !t->pieces)
        return 0;
    int32_t *to = t->tokens;
    for (uint32_t i = 0; i < set->count; i++) {
        size_t n;
        const char *text = rn_set_text(set, i, &n);
        t->pieces[i] = (struct piece){to, (uint32_t)n, set->counts[i]};
        for (size_t k = 0; k < n; k++)
            *to++ = bpe_byte_id((uint8_t)text[k]);
        if (!count_pairs(t, i))
            return 0;
    }
    for (uint32_t i = 0; i < t->pair_count; i++)
        if (!push(t, i))
            return 0;
    return 1;
}

/* ------------------------------------------------------------------- merge */

/* left, right -> made in the tokens of a piece. Returns 0: it has no such pair. */
static int replace(struct piece *p, const struct bpe_merge *m) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        int both = i + 1 < p->n && p->at[i] == m->left && p->at[i + 1] == m->right;
        p->at[n++] = both ? m->made : p->at[i];
        i += (uint32_t)both;
    }
    int changed = n < p->n;
    p->n = n;
    return changed;
}

static int has(const struct piece *p, const struct bpe_merge *m) {
    for (uint32_t i = 0; i + 1 < p->n; i++)
        if (p->at[i] == m->left && p->at[i + 1] == m->right)
            return 1;
    return 0;
}

/* Pairs with the new token are put on the heap once all pieces are done. */
static int note(const struct bpe_merge *m, const struct piece *p,
                struct token_list *l) {
    if (!token_list_reserve(l, 2 * (uint64_t)p->n))
        return 0;
    for (uint32_t i = 0; i + 1 < p->n; i++)
        if (p->at[i] == m->made || p->at[i + 1] == m->made) {
            l->at[l->count++] = p->at[i];
            l->at[l->count++] = p->at[i + 1];
        }
    return 1;
}

static int merge_piece(struct trainer *t, uint32_t piece, const struct bpe_merge *m,
                       struct token_list *fresh) {
    struct piece *p = &t->pieces[piece];
    if (!has(p, m))
        return 1;
    for (uint32_t i = 0; i + 1 < p->n; i++)
        t->pairs[*pair_find(&t->index, p->at[i], p->at[i + 1])].count -= p->count;
    replace(p, m);
    for (uint32_t i = 0; i + 1 < p->n; i++) {
        uint32_t pair = pair_of(t, p->at[i], p->at[i + 1]);
        int is_new = p->at[i] == m->made || p->at[i + 1] == m->made;
        if (pair == UINT32_MAX || (is_new && !add(t, pair, piece, p->count)))
            return 0;
        t->pairs[pair].count += is_new ? 0 : p->count;
    }
    return note(m, p, fresh);
}

static int compare_pairs(const void *a, const void *b) {
    const int32_t *x = a, *y = b;
    int left = (x[0] > y[0]) - (x[0] < y[0]);
    return left ? left : (x[1] > y[1]) - (x[1] < y[1]);
}

static int push_fresh(struct trainer *t, struct token_list *fresh) {
    size_t n = fresh->count / 2;
    const int32_t *p = fresh->at;
    if (n)
        qsort(fresh->at, n, 2 * sizeof *fresh->at, compare_pairs);
    for (size_t i = 0; i < n; i++)
        if (!i || compare_pairs(p + 2 * i, p + 2 * i - 2) != 0)
            if (!push(t, *pair_find(&t->index, p[2 * i], p[2 * i + 1])))
                return 0;
    return 1;
}

static int merge(struct trainer *t, uint32_t pair, const struct bpe_merge *m) {
    struct token_list fresh = {0};
    uint32_t *pieces = t->pairs[pair].pieces, n = t->pairs[pair].piece_count;
    int good = 1;
    t->pairs[pair].pieces = NULL; /* none has it afterwards */
    t->pairs[pair].piece_count = t->pairs[pair].piece_room = 0;
    for (uint32_t i = 0; i < n && good; i++)
        good = merge_piece(t, pieces[i], m, &fresh);
    good = good && push_fresh(t, &fresh);
    free(pieces);
    token_list_finish(&fresh);
    return good;
}

static int learn(struct trainer *t, struct bpe_model *m, uint32_t size,
                 uint64_t min_count) {
    while (m->tokens.count + BPE_BYTES < size && t->heap_count) {
        struct entry x = pop(t);
        struct pair p = t->pairs[x.pair];
        if (x.count != p.count) { /* it has become rarer, or was put there again */
            if (p.count < x.count && p.count && !push(t, x.pair))
                return 0;
            continue;
        }
        if (p.count < min_count || !p.count)
            return 1;
        struct bpe_merge made = {p.left, p.right, 0};
        if (!bpe_model_merge(m, p.left, p.right, &made.made) ||
            !merge(t, x.pair, &made))
            return 0;
    }
    return 1;
}

int32_t bpe_train(struct bpe_model *m, const struct rn_set *pieces, uint32_t size,
                  uint64_t min_count, struct rn_error *e) {
    struct trainer t = {0};
    int good = bpe_model_begin(m) && begin(&t, pieces) && learn(&t, m, size, min_count);
    trainer_finish(&t);
    return good ? RN_OK : token_no_memory(e);
}
