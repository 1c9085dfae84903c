/* SPDX-License-Identifier: Apache-2.0 */
/* What ops.h says of special values, ties, edges and indices outside: the values
 * themselves, on every backend. Outputs are parted by '|'. */
#include <stdlib.h>

#include "graph/internal.h"
#include "ops.h"

static const struct {
    const char *text, *want;
} meanings[] = {
    /* IEEE edges of the functions */
    {"sqrt ; f32[4]=-0,-1,inf,4 ; ", "-0 nan inf 2"},
    {"exp ; f32[4]=-inf,0,inf,nan ; ", "0 1 inf nan"},
    {"expm1 ; f32[3]=-inf,-0,inf ; ", "-1 -0 inf"},
    {"log ; f32[4]=0,-1,inf,1 ; ", "-inf nan inf 0"},
    {"log1p ; f32[3]=-1,-2,-0 ; ", "-inf nan -0"},
    {"sin ; f32[3]=-0,inf,nan ; ", "-0 nan nan"},
    {"cos ; f32[2]=0,inf ; ", "1 nan"},
    {"tanh ; f32[4]=-inf,inf,-0,100 ; ", "-1 1 -0 1"},
    {"erf ; f32[4]=-inf,inf,-0,nan ; ", "-1 1 -0 nan"},
    {"sigmoid ; f32[4]=-1000,1000,0,nan ; ", "0 1 0.5 nan"},
    {"softplus ; f32[3]=-1000,1000,inf ; ", "0 1000 inf"},
    {"sign ; f32[5]=-inf,-3,0,1e-40,nan ; ", "-1 -1 0 1 nan"},
    {"abs ; f32[4]=-inf,-0,-1,nan ; ", "inf 0 1 nan"},
    {"floor ; f32[5]=-0.5,-0,2.5,-inf,1e20 ; ", "-1 -0 2 -inf 1e20"},
    {"ceil ; f32[5]=-0.5,0.5,2,inf,-1e20 ; ", "-0 1 2 inf -1e20"},
    {"round ; f32[6]=0.5,1.5,2.5,-0.5,-1.5,nan ; ", "0 2 2 -0 -2 nan"},
    {"relu ; f32[4]=-1,nan,inf,2 ; ", "0 nan inf 2"},
    {"relu6 ; f32[4]=-1,nan,inf,2 ; ", "0 nan 6 2"},
    {"hard_sigmoid ; f32[4]=-3,3,0,nan ; ", "0 1 0.5 nan"},
    {"clamp ; f32[4]=-inf,nan,inf,0.5 ; lo=-1 hi=1", "-1 nan 1 0.5"},
    {"is_finite ; f32[5]=nan,inf,-inf,1e-40,3e38 ; ", "0 0 0 1 1"},
    {"reciprocal ; f32[3]=0,-0,inf ; ", "inf -inf 0"},
    {"rsqrt ; f32[3]=0,4,inf ; ", "inf 0.5 0"},
    {"neg ; f32[2]=0,nan ; ", "-0 nan"},
    {"leaky_relu ; f32[3]=-2,0,3 ; alpha=0.5", "-1 0 3"},
    {"logical_not ; bool[2]=0,1 ; ", "1 0"},
    /* attention: query i sees keys 0 to i; scores of any size */
    {"attention ; f32[3,1]=0,0,0 f32[3,1]=5,6,7 f32[3,1]=2,4,9 ; causal=1",
     "2 3 5 | 0 0.693147182 1.09861231"},
    {"attention ; f32[1,1]=10000 f32[2,1]=10000,-10000 f32[2,1]=3,7 ; causal=1",
     "3 | 1e8"},
    {"attention ; f32[1,1]=1000 f32[2,1]=1000,-1000 f32[2,1]=3,7 ; ", "3 | 1e6"},
    /* two operands */
    {"maximum ; f32[5]=nan,1,inf,-1,2 f32[5]=1,nan,nan,-2,2 ; ", "nan nan nan -1 2"},
    {"minimum ; f32[5]=nan,1,-inf,-1,2 f32[5]=1,nan,nan,-2,2 ; ", "nan nan nan -2 2"},
    {"div ; f32[4]=1,-1,0,inf f32[4]=0,0,0,inf ; ", "inf -inf nan nan"},
    {"div ; i32[6]=7,-7,7,-7,5,-2147483648 i32[6]=2,2,-2,-2,0,-1 ; ",
     "3 -3 -3 3 0 -2147483648"},
    {"div ; i64[3]=9,-9,3 i64[3]=0,4,-1 ; ", "0 -2 -3"},
    {"pow ; f32[8]=0,-2,-8,inf,1,nan,-0,-1 f32[8]=0,3,0.3333,-1,nan,0,-1,inf ; ",
     "1 -8 nan 0 1 1 -inf 1"},
    {"pow ; f32[4]=-inf,-inf,0,2 f32[4]=3,2,-2,-inf ; ", "-inf inf inf 0"},
    {"add ; i32[1]=2147483647 i32[1]=1 ; ", "-2147483648"},
    {"mul ; u8[2]=255,16 u8[2]=255,17 ; ", "1 16"},
    {"eq ; f32[4]=nan,0,inf,1 f32[4]=nan,-0,inf,2 ; ", "0 1 1 0"},
    {"ne ; f32[3]=nan,0,1 f32[3]=nan,-0,2 ; ", "1 0 1"},
    {"lt ; f32[3]=nan,-inf,1 f32[3]=1,inf,1 ; ", "0 1 0"},
    {"ge ; f32[3]=nan,-inf,1 f32[3]=1,inf,1 ; ", "0 0 1"},
    {"select ; bool[3]=1,0,1 f32[3]=1,nan,-0 f32[]=7 ; ", "1 7 -0"},
    /* casts: towards zero, saturating, NaN to 0, to bool by != 0 */
    {"cast ; f32[6]=1.9,-1.9,3e9,-3e9,nan,inf ; dtype=i32",
     "1 -1 2147483647 -2147483648 0 2147483647"},
    {"cast ; f32[5]=-1,300,nan,255.9,-0.9 ; dtype=u8", "0 255 0 255 0"},
    {"cast ; f32[4]=-200,200,1.5,-1.5 ; dtype=i8", "-128 127 1 -1"},
    {"cast ; f32[3]=-1,5e9,7 ; dtype=u32", "0 4294967295 7"},
    {"cast ; f32[4]=0,-0,nan,0.1 ; dtype=bool", "0 0 1 1"},
    {"cast ; i64[2]=16777217,-3 ; dtype=f32", "16777216 -3"},
    {"cast ; bool[2]=1,0 ; dtype=f32", "1 0"},
    {"cast ; f32[3]=1,65520,-inf ; dtype=f16", "15360 31744 64512"},
    {"cast ; f32[2]=1,1.00390625 ; dtype=bf16", "16256 16256"},
    /* reductions: NaN passes, first of ties */
    {"reduce_max ; f32[2,3]=1,nan,3,-inf,-2,-inf ; axes=1 keep=0", "nan -2"},
    {"reduce_min ; f32[2,3]=1,nan,3,inf,-2,inf ; axes=1 keep=0", "nan -2"},
    {"reduce_prod ; f32[3]=0,inf,2 ; axes=0 keep=0", "nan"},
    {"reduce_mean ; f32[4]=1,2,3,6 ; axes= keep=0", "3"},
    {"reduce_sum ; i32[2]=2147483647,1 ; axes=0 keep=0", "-2147483648"},
    {"logsumexp ; f32[4,2]=-inf,-inf,0,-inf,inf,1,1000,1000 ; axes=1 keep=0",
     "-inf 0 inf 1000.69314718"},
    {"arg_max ; f32[4,3]=1,3,3,nan,5,nan,-inf,-inf,-inf,0,-0,0 ; axis=1", "1 0 0 0"},
    {"arg_min ; f32[3,3]=1,0,0,5,nan,-inf,inf,inf,inf ; axis=1", "1 1 0"},
    {"softmax ; f32[2,2]=-inf,0,1000,1000 ; axis=1", "0 1 0.5 0.5"},
    {"log_softmax ; f32[1,2]=-inf,0 ; axis=1", "-inf 0"},
    {"cross_entropy ; f32[4,2]=0,0,0,0,0,0,-inf,0 i64[4]=2,-1,0,1 ; smoothing=0",
     "nan nan 0.69314718056 0"},
    {"cumsum ; f32[3]=1,2,4 ; axis=0 exclusive=1 reverse=0", "0 1 3"},
    {"cumsum ; f32[3]=1,2,4 ; axis=0 exclusive=0 reverse=1", "7 6 4"},
    /* indices: outside is NaN, 0, dropped, zeros */
    {"gather ; f32[2]=5,6 i64[3]=1,2,-1 ; axis=0", "6 nan nan"},
    {"gather ; i32[2]=5,6 i64[3]=1,2,-1 ; axis=0", "6 0 0"},
    {"embedding ; f32[2,1]=5,6 i64[2]=0,9 ; ", "5 nan"},
    {"take_along ; f32[2]=5,6 i64[3]=1,2,-1 ; axis=0", "6 nan nan"},
    {"pick ; f32[2,2]=5,6,7,8 i64[2]=1,2 ; ", "6 nan"},
    {"scatter_add ; f32[2]=1,2 i64[4]=0,5,-1,0 f32[4]=10,20,30,40 ; axis=0", "51 2"},
    {"put_along_add ; f32[2]=1,2 i64[3]=1,2,1 f32[3]=10,20,40 ; axis=0", "1 52"},
    {"one_hot ; i64[3]=1,2,-1 ; depth=2 dtype=f32", "0 1 0 0 0 0"},
    {"sort ; f32[5]=3,nan,-1,3,-inf ; axis=0 descending=0",
     "-inf -1 3 3 nan | 4 2 0 3 1"},
    {"sort ; f32[5]=3,nan,-1,3,inf ; axis=0 descending=1",
     "nan inf 3 3 -1 | 1 4 0 3 2"},
    {"sort ; f32[3]=0,-0,0 ; axis=0 descending=0", "0 -0 0 | 0 1 2"},
    {"top_k ; f32[5]=3,nan,5,3,5 ; k=4 axis=0", "nan 5 5 3 | 1 2 4 0"},
    /* windows */
    {"max_pool2d ; f32[1,1,2,2]=-5,nan,-7,-8 ; kernel=2,1 stride=1,1 pad=1,0,0,0",
     "-5 nan -5 nan"},
    {"max_pool2d_grad ; f32[1,1,2,2]=1,1,1,1 f32[1,1,1,1]=7 ; kernel=2,2 stride=1,1",
     "7 0 0 0"},
    {"avg_pool2d ; f32[1,1,2,2]=1,2,3,4 ; kernel=2,2 stride=2,2 pad=1,1,1,1 "
     "count_pad=0",
     "1 2 3 4"},
    {"avg_pool2d ; f32[1,1,2,2]=1,2,3,4 ; kernel=2,2 stride=2,2 pad=1,1,1,1 "
     "count_pad=1",
     "0.25 0.5 0.75 1"},
    {"resize2d ; f32[1,1,1,3]=1,2,3 ; size=1,6 mode=0", "1 1 2 2 3 3"},
    {"resize2d ; f32[1,1,1,2]=0,4 ; size=1,4 mode=1", "0 1 3 4"},
    /* moves */
    {"pad ; f32[2]=1,2 ; low=1 high=2 interior=1 value=9", "9 1 9 2 9 9"},
    {"slice ; f32[7]=0,1,2,3,4,5,6 ; start=1 stop=6 step=2", "1 3 5"},
    {"iota ;  ; shape=2,3 axis=1 dtype=f32", "0 1 2 0 1 2"},
    {"dropout ; f32[3]=1,-0,nan live live live ; p=0", "1 -0 nan"},
};

/* Is element i of output k what the text says? */
static bool as_wanted(const struct result *r, uint32_t k, uint64_t i, double want) {
    double got = result_at(r, k, i);
    if (want != want)
        return got != got;
    if (r->dtype[k] == RN_F32) /* the last bit may be the library's */
        return got == (double)(float)want ? signbit(got) == signbit(want) || got != 0.0
                                          : fabs(got - want) <= 1.2e-7 * fabs(want);
    return got == want;
}

void test_meanings(const struct opened *backends, int count) {
    for (size_t m = 0; m < sizeof meanings / sizeof meanings[0]; m++) {
        struct built b;
        bool built = case_build(meanings[m].text, false, &b);
        ops_check(built, "%s cannot be built", meanings[m].text);
        for (int i = 0; i < count && built; i++) {
            struct result r;
            const char *s = meanings[m].want;
            bool good = built_run(&backends[i], &b, i > 0, &r);
            uint64_t n = 0, wanted = 0;
            for (uint32_t k = 0; k < r.count && good; k++) {
                for (uint64_t j = 0; j < r.elements[k] && good && *s; j++) {
                    char *end;
                    double want = strtod(s, &end);
                    good = end != s && as_wanted(&r, k, j, want);
                    s = end;
                    n++;
                }
                wanted += r.elements[k];
                s += strspn(s, " |");
            }
            ops_check(good && n == wanted && !*s, "%s on %s: want %s, element %llu",
                      meanings[m].text, backends[i].name, meanings[m].want,
                      (unsigned long long)n);
            result_free(&r);
        }
        built_free(&b);
    }
}
