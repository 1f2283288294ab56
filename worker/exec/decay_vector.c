/* decay_vector.c: the loop of decay.h for processors with AVX-512, eight events at a time.
 *
 * The age in half-lives, times 16, is split into an integer k and a rest of at most one half: 2^(rest / 16) is a
 * polynomial, the weight times 2^((k mod 16) / 16) a table in two registers, and k / 16 goes into the exponent. A
 * second instant costs one more multiplication, by 2^(distance / half-life). What is too near to one half to be rounded
 * is left to the definition.
 *
 * Events of a row stand together. Their terms become running totals, of which only the last of each row is kept: what
 * the row gains is the difference of two totals, so that no sum is read that was only just written. Failure: none.
 */
#include "decay_vector.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>
#include <string.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,popcnt")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define LANES 8u
#define ENDS 256u                    /* totals that are kept before they are added to their rows */
#define AHEAD 1024u                  /* bytes of codes that the memory is asked for beforehand */
#define MOST_POINTS 1024.0           /* greater ones would too often be in doubt */
#define MOST_HALF_LIVES 8.0          /* between the two instants, likewise */
#define MAGIC 0x1.8p52               /* added to a number it leaves the nearest integer in the low bits */
#define INTEGER (1023ull + 52) << 52 /* with an integer below 2^52 in the low bits: the double 2^52 + integer */

/* 2^(x / 16) for x from -1/2 to 1/2, off by less than 2^-56. */
static const double POLYNOMIAL[] = {0x1p+0,
                                    0x1.62e42fefa39fdp-5,
                                    0x1.ebfbdff82c594p-11,
                                    0x1.c6b08d6e8a384p-17,
                                    0x1.3b2ab6fb09b31p-23,
                                    0x1.5d89be4c12513p-30,
                                    0x1.430a49610efc6p-37};

/* One instant: its codes are first .. first + span. */
typedef struct {
    const rvw_decay_at_t *at;
    uint32_t first, span;
    double limit;                     /* a term that is farther from an integer is in doubt */
    uint64_t total[1 + ENDS + LANES]; /* running totals at the ends of rows; the first one has been added */
} side_t;

typedef struct {
    const rvw_decay_t *decay;
    const rvw_weight_t *weight;
    uint64_t unit;
    double origin, step; /* 2^52 + the first instant's code; half-lives of a unit, times 16 */
    double table[16];    /* its exponents are less by what i would add to them */
    double ratio;        /* of a term at the second instant to that at the first */
    side_t side[2];
    uint32_t row[ENDS + LANES]; /* of the totals behind the first */
} loop_t;

/* What changes with every step, apart from the loop so that it stays in registers. */
typedef struct {
    __m512i running[2]; /* total of all terms so far, eight times */
    uint32_t n_ends;
} progress_t;

/* Eight events; the mask says how many there are. */
typedef struct {
    __mmask8 mask;
    __m256i codes;
    __m512d power, factor; /* power * factor is the term at the first instant */
} eight_t;

bool rvw_decay_vector_takes(const rvw_decay_t *d, const rvw_weight_t *w, const rvw_decay_at_t *at, unsigned n_at) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && w->points != 0 &&
           fabs(w->points) < MOST_POINTS &&
           (n_at == 1 || (double)(at[0].since - at[1].since) < MOST_HALF_LIVES * (double)d->half_life);
}

/* Terms in doubt by the definition. */
static __attribute__((noinline)) TARGET __m512i decide(const loop_t *loop, const side_t *side, __mmask8 doubt,
                                                       __m256i codes, __m512i terms) {
    uint32_t code[LANES];
    int64_t term[LANES];
    _mm256_storeu_si256((__m256i *)(void *)code, codes);
    _mm512_storeu_si512(term, terms);
    for (uint32_t i = 0; i < LANES; i++)
        if (doubt >> i & 1) /* below 2^25 points it cannot fail */
            rvw_decay_exact(loop->decay->half_life, loop->weight->points, side->at->since - code[i] * loop->unit,
                            &term[i]);
    return _mm512_loadu_si512(term);
}

/* a * b as integers; 0 for the codes that do not count. */
INLINE __m512i terms_of(const loop_t *loop, const side_t *side, const eight_t *e, __m512d a, __m512d b) {
    const __m512d magic = _mm512_set1_pd(MAGIC);
    __m256i since_first = _mm256_sub_epi32(e->codes, _mm256_set1_epi32((int)side->first));
    __mmask8 counts = _mm256_mask_cmple_epu32_mask(e->mask, since_first, _mm256_set1_epi32((int)side->span));
    __m512d sum = _mm512_fmadd_pd(a, b, magic);
    __m512i terms = _mm512_maskz_sub_epi64(counts, _mm512_castpd_si512(sum), _mm512_castpd_si512(magic));
    __m512d off = _mm512_abs_pd(_mm512_fmsub_pd(a, b, _mm512_sub_pd(sum, magic)));
    __mmask8 doubt = _mm512_mask_cmp_pd_mask(counts, off, _mm512_set1_pd(side->limit), _CMP_NLE_UQ);
    if (__builtin_expect(doubt, 0))
        return decide(loop, side, doubt, e->codes, terms);
    return terms;
}

/* Adds eight terms to the running total and keeps the totals at the ends of rows. */
INLINE void keep_ends(side_t *side, __m512i *running, uint32_t n_ends, __mmask8 ends, __m512i terms) {
    const __m512i none = _mm512_setzero_si512();
    terms = _mm512_add_epi64(terms, _mm512_alignr_epi64(terms, none, 7));
    terms = _mm512_add_epi64(terms, _mm512_alignr_epi64(terms, none, 6));
    terms = _mm512_add_epi64(terms, _mm512_alignr_epi64(terms, none, 4));
    __m512i totals = _mm512_add_epi64(terms, *running);
    *running = _mm512_add_epi64(*running, _mm512_permutexvar_epi64(_mm512_set1_epi64(7), terms));
    _mm512_storeu_si512(side->total + 1 + n_ends, _mm512_maskz_compress_epi64(ends, totals));
}

INLINE void powers_of(const loop_t *loop, eight_t *e) {
    const __m512d magic = _mm512_set1_pd(MAGIC), step = _mm512_set1_pd(loop->step);
    __m512i code = _mm512_or_si512(_mm512_cvtepu32_epi64(e->codes), _mm512_set1_epi64((int64_t)(INTEGER)));
    __m512d age = _mm512_sub_pd(_mm512_castsi512_pd(code), _mm512_set1_pd(loop->origin)); /* 0 or less, exactly */
    __m512d k = _mm512_fmadd_pd(age, step, magic), x = _mm512_fmsub_pd(age, step, _mm512_sub_pd(k, magic));
    __m512d y = _mm512_set1_pd(POLYNOMIAL[6]);
    for (unsigned i = 6; i-- > 0;)
        y = _mm512_fmadd_pd(y, x, _mm512_set1_pd(POLYNOMIAL[i]));
    __m512i index = _mm512_castpd_si512(k);
    __m512d factor = _mm512_permutex2var_pd(_mm512_loadu_pd(loop->table), index, _mm512_loadu_pd(loop->table + 8));
    e->power = y;
    e->factor = _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(factor), _mm512_slli_epi64(index, 48)));
}

/* Adds what the rows have gained. */
INLINE void add_ends(loop_t *loop, unsigned n_at, uint32_t n_ends) {
    for (unsigned k = 0; k < n_at; k++) {
        side_t *side = &loop->side[k];
        int64_t *sum = side->at->sum;
        for (uint32_t i = 0; i < n_ends; i++)
            sum[loop->row[i]] += (int64_t)(side->total[i + 1] - side->total[i]);
        side->total[0] = side->total[n_ends];
    }
}

INLINE void add_eight(loop_t *loop, progress_t *p, unsigned n_at, const uint32_t *codes, const uint16_t *row,
                      uint32_t n) {
    bool last = n <= LANES;
    eight_t e = {.mask = (__mmask8)(last ? (1u << n) - 1 : 0xff)};
    e.codes = _mm256_maskz_loadu_epi32(e.mask, codes);
    __m128i here = _mm_maskz_loadu_epi16(e.mask, row);
    __m128i next = _mm_maskz_loadu_epi16((__mmask8)(last ? e.mask >> 1 : 0xff), row + 1);
    __mmask8 ends = _mm_mask_cmpneq_epi16_mask(e.mask, here, next);
    if (last)
        ends |= (__mmask8)(1u << (n - 1));
    powers_of(loop, &e);
    __m512i terms = terms_of(loop, &loop->side[0], &e, e.power, e.factor);
    keep_ends(&loop->side[0], &p->running[0], p->n_ends, ends, terms);
    if (n_at > 1) {
        terms = terms_of(loop, &loop->side[1], &e, _mm512_mul_pd(e.power, e.factor), _mm512_set1_pd(loop->ratio));
        keep_ends(&loop->side[1], &p->running[1], p->n_ends, ends, terms);
    }
    _mm256_storeu_si256((__m256i *)(void *)(loop->row + p->n_ends),
                        _mm256_maskz_compress_epi32(ends, _mm256_cvtepu16_epi32(here)));
    p->n_ends += (uint32_t)__builtin_popcount(ends);
}

INLINE void add_all(loop_t *loop, unsigned n_at, const uint32_t *codes, const uint16_t *row, uint32_t n) {
    progress_t p = {.running = {_mm512_setzero_si512(), _mm512_setzero_si512()}};
    for (uint32_t i = 0; i < n; i += LANES) {
        __builtin_prefetch((const char *)(codes + i) + AHEAD);
        __builtin_prefetch((const char *)(row + i) + AHEAD / 2);
        add_eight(loop, &p, n_at, codes + i, row + i, n - i);
        if (p.n_ends <= ENDS - LANES)
            continue;
        add_ends(loop, n_at, p.n_ends);
        p.n_ends = 0;
    }
    add_ends(loop, n_at, p.n_ends);
}

static TARGET void add_one(loop_t *loop, const uint32_t *codes, const uint16_t *row, uint32_t n) {
    add_all(loop, 1, codes, row, n);
}

static TARGET void add_two(loop_t *loop, const uint32_t *codes, const uint16_t *row, uint32_t n) {
    add_all(loop, 2, codes, row, n);
}

static void set_table(loop_t *loop, uint64_t rest) {
    long double weight = (long double)loop->weight->points * 0x1p32L;
    weight *= exp2l(-((long double)rest / (long double)loop->decay->half_life));
    for (unsigned i = 0; i < 16; i++) {
        double entry = (double)(weight * loop->decay->sixteenths[i]);
        uint64_t bits;
        memcpy(&bits, &entry, sizeof bits);
        bits -= (uint64_t)i << 48;
        memcpy(&loop->table[i], &bits, sizeof bits);
    }
}

/* How far from an integer a term may be. It is off by less than 2^-51 of the weight: the polynomial, the table and the
 * step by 2^-53 each; by 2^-49 at a second instant, whose distance multiplies the error of the step. */
static double limit_of(const rvw_weight_t *w, double error) {
    return 0.5 - fabs(w->points) * 0x1p32 * error - 0x1p-40;
}

void rvw_decay_vector(const rvw_decay_t *d, const rvw_weight_t *w, uint64_t unit, const rvw_decay_at_t *at,
                      unsigned n_at, const uint32_t *codes, const uint16_t *row, uint32_t n) {
    loop_t loop;
    loop.decay = d;
    loop.weight = w;
    loop.unit = unit;
    loop.origin = 0x1p52 + (double)(at->since / unit);
    loop.step = (double)(16.0L * (long double)unit / (long double)d->half_life);
    for (unsigned k = 0; k < n_at; k++) {
        side_t *side = &loop.side[k];
        uint64_t first = rvw_decay_first(d, &at[k], unit);
        side->at = &at[k];
        side->first = (uint32_t)first;
        side->span = at[k].last - (uint32_t)first;
        side->limit = limit_of(w, k ? 0x1p-49 : 0x1p-51);
        side->total[0] = 0;
    }
    set_table(&loop, at->since % unit);
    if (n_at == 1) {
        add_one(&loop, codes, row, n);
        return;
    }
    loop.ratio = (double)exp2l((long double)(at[0].since - at[1].since) / (long double)d->half_life);
    add_two(&loop, codes, row, n);
}

#else

bool rvw_decay_vector_takes(const rvw_decay_t *d, const rvw_weight_t *w, const rvw_decay_at_t *at, unsigned n_at) {
    (void)d, (void)w, (void)at, (void)n_at;
    return false;
}

void rvw_decay_vector(const rvw_decay_t *d, const rvw_weight_t *w, uint64_t unit, const rvw_decay_at_t *at,
                      unsigned n_at, const uint32_t *codes, const uint16_t *row, uint32_t n) {
    (void)d, (void)w, (void)unit, (void)at, (void)n_at, (void)codes, (void)row, (void)n;
}

#endif
