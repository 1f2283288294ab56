/* encode_text.c: strings into pieces: as a sorted dictionary, as prefix and number, or one after the other.
 *
 * A dictionary is planned first (codes in scratch memory, size computed); its entries tell what numbers would take. The
 * smallest way is written; a dictionary is preferred when it is not more than a quarter larger, because predicates on
 * it are evaluated once per distinct string. Planning gives up early: a sample without repeats means no dictionary, the
 * first string without a number at its end means no NUMBERED. The only failure is memory.
 */
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "reveille/hash.h"

#define SAMPLE 4096u
#define MAX_PREFIXES 256u
#define MAX_PREFIX 256u
#define MAX_DIGITS 18u
#define AHEAD 12u

typedef struct {
    const rv_str_t *strings;
    const uint8_t *present;
    uint32_t n;
    size_t bytes; /* of all present strings */
} text_t;

typedef struct {
    rv_str_t s;
    uint32_t number;
    uint64_t low, high; /* of a set: the string itself when it is short, else its hash */
} entry_t;

typedef struct {
    uint64_t *codes;
    entry_t *entries;
    uint32_t n_entries;
    uint8_t width;
    size_t size; /* bytes that it would take; SIZE_MAX: not this way */
} dictionary_t;

typedef struct {
    uint64_t *numbers;
    uint8_t *prefix_of;
    entry_t prefixes[MAX_PREFIXES];
    uint32_t n_prefixes;
    uint64_t min, max;
    uint8_t width;
    size_t size;
} numbered_t;

static bool there(const text_t *text, uint32_t i) {
    return !text->present || (text->present[i >> 3] >> (i & 7) & 1);
}

/* Fetches ahead the bytes of a string: strings of a tail lie where they came in. */
static void fetch(const text_t *text, uint32_t i) {
    if (i + AHEAD < text->n) {
        __builtin_prefetch(text->strings[i + AHEAD].p);
    }
}

static int by_text(const void *a, const void *b) {
    return rv_str_compare(((const entry_t *)a)->s, ((const entry_t *)b)->s);
}

/* A set of strings with numbers in order of arrival. */
typedef struct {
    uint32_t *slots; /* 1 + number of the entry */
    uint32_t mask, n, limit;
    entry_t *entries;
} strings_t;

static bool strings_init(strings_t *set, uint32_t limit, rv_arena_t *scratch) {
    uint32_t cap = 16;
    while (cap < 2 * (uint64_t)limit && cap < 1u << 31) {
        cap *= 2;
    }
    *set = (strings_t){.mask = cap - 1, .limit = limit};
    set->slots = rv_arena_zalloc(scratch, cap, sizeof *set->slots);
    set->entries = rv_arena_alloc(scratch, (size_t)limit * sizeof *set->entries);
    return set->slots && set->entries;
}

static uint64_t load(const char *p, size_t n) {
    uint64_t word = 0;
    memcpy(&word, p, n);
    return word;
}

/* Two words that, with the length, are all of a string of up to 16 bytes; of a longer one its hash. */
static void words_of(rv_str_t s, uint64_t *low, uint64_t *high) {
    *high = 0;
    if (s.n > 16) {
        *low = rv_hash(s.p, s.n);
    } else if (s.n >= 8) {
        *low = load(s.p, 8);
        *high = load(s.p + s.n - 8, 8);
    } else if (s.n >= 4) {
        *low = load(s.p, 4) | load(s.p + s.n - 4, 4) << 32;
    } else {
        *low = s.n == 0 ? 0 : load(s.p, 1) | load(s.p + s.n / 2, 1) << 8 | load(s.p + s.n - 1, 1) << 16;
    }
}

static uint32_t spread(uint64_t low, uint64_t high, uint32_t n) {
    uint64_t hash = (low ^ n) * 0x9E3779B97F4A7C15ull;
    hash = (hash ^ hash >> 32 ^ high) * 0xC2B2AE3D27D4EB4Full;
    return (uint32_t)(hash >> 32);
}

/* Number of the string, or UINT32_MAX when it is new and the set is full. */
static uint32_t strings_add(strings_t *set, rv_str_t s) {
    uint64_t low, high;
    words_of(s, &low, &high);
    uint32_t at = spread(low, high, s.n) & set->mask;
    while (set->slots[at]) {
        const entry_t *entry = &set->entries[set->slots[at] - 1];
        if (entry->low == low && entry->high == high && entry->s.n == s.n &&
            (s.n <= 16 || memcmp(entry->s.p, s.p, s.n) == 0)) {
            return set->slots[at] - 1;
        }
        at = (at + 1) & set->mask;
    }
    if (set->n == set->limit) {
        return UINT32_MAX;
    }
    set->entries[set->n] = (entry_t){s, set->n, low, high};
    set->slots[at] = ++set->n;
    return set->n - 1;
}

/* Hardly any string of a sample repeats. */
static bool sample_is_unique(const text_t *text, rv_arena_t *scratch, bool *ret_ok) {
    strings_t set;
    *ret_ok = true;
    if (text->n <= SAMPLE) {
        return false;
    }
    *ret_ok = strings_init(&set, SAMPLE, scratch);
    uint32_t seen = 0;
    for (uint32_t k = 0; *ret_ok && k < SAMPLE; k++) {
        uint32_t i = (uint32_t)((uint64_t)k * text->n / SAMPLE);
        if (there(text, i)) {
            seen++;
            strings_add(&set, text->strings[i]);
        }
    }
    return seen > 0 && set.n > seen / 100 * 97;
}

/* Numbers the strings by their rank among the distinct ones. */
static bool rank(const text_t *text, strings_t *set, dictionary_t *plan, rv_arena_t *scratch) {
    uint32_t *rank_of = rv_arena_alloc(scratch, (size_t)set->n * sizeof *rank_of);
    if (!rank_of) {
        return false;
    }
    qsort(set->entries, set->n, sizeof *set->entries, by_text);
    size_t bytes = 0;
    for (uint32_t k = 0; k < set->n; k++) {
        rank_of[set->entries[k].number] = k;
        bytes += set->entries[k].s.n;
    }
    for (uint32_t i = 0; i < text->n; i++) {
        plan->codes[i] = there(text, i) ? rank_of[plan->codes[i]] : 0;
    }
    plan->entries = set->entries;
    plan->n_entries = set->n;
    plan->width = rvw_width(set->n - 1);
    plan->size = (size_t)text->n * plan->width + 4 * ((size_t)set->n + 1) + bytes;
    return true;
}

static bool plan_dictionary(const text_t *text, rv_arena_t *scratch, dictionary_t *plan) {
    bool ok;
    *plan = (dictionary_t){.size = SIZE_MAX};
    if (sample_is_unique(text, scratch, &ok) || !ok) {
        return ok;
    }
    strings_t set;
    plan->codes = rv_arena_alloc(scratch, (size_t)text->n * sizeof *plan->codes);
    if (!plan->codes || !strings_init(&set, text->n <= 1024 ? text->n : text->n / 2, scratch)) {
        return false;
    }
    rv_str_t last = {NULL, 0};
    uint32_t last_code = 0;
    for (uint32_t i = 0; i < text->n; i++) {
        fetch(text, i);
        if (there(text, i)) {
            rv_str_t s = text->strings[i];
            if (s.p != last.p || s.n != last.n) {
                last = s;
                last_code = strings_add(&set, s);
            }
            if (last_code == UINT32_MAX) {
                return true;
            }
            plan->codes[i] = last_code;
        }
    }
    return rank(text, &set, plan, scratch);
}

/* Splits "c00012" into "c000" and 12; false when it does not end in a digit. */
static bool split(rv_str_t s, uint32_t *ret_prefix, uint64_t *ret_number) {
    uint32_t start = s.n;
    while (start > 0 && s.n - start < MAX_DIGITS && s.p[start - 1] >= '0' && s.p[start - 1] <= '9') {
        start--;
    }
    if (start == s.n) {
        return false;
    }
    while (start < s.n - 1 && s.p[start] == '0') {
        start++;
    }
    uint64_t number = 0;
    for (uint32_t i = start; i < s.n; i++) {
        number = number * 10 + (uint64_t)(s.p[i] - '0');
    }
    *ret_prefix = start;
    *ret_number = number;
    return start <= MAX_PREFIX;
}

/* Number of a prefix, new or old; UINT32_MAX when there are too many. */
static uint32_t prefix_number(numbered_t *plan, rv_str_t prefix, uint32_t hint) {
    for (uint32_t k = 0; k <= plan->n_prefixes; k++) {
        uint32_t at = k == 0 ? hint : k - 1;
        if (at < plan->n_prefixes && plan->prefixes[at].s.n == prefix.n &&
            memcmp(plan->prefixes[at].s.p, prefix.p, prefix.n) == 0) {
            return at;
        }
    }
    if (plan->n_prefixes == MAX_PREFIXES) {
        return UINT32_MAX;
    }
    plan->prefixes[plan->n_prefixes] = (entry_t){.s = prefix, .number = plan->n_prefixes};
    return plan->n_prefixes++;
}

/* Bytes of n strings with these numbers and prefixes. */
static size_t numbered_size(const numbered_t *plan, uint32_t n) {
    size_t bytes = (size_t)n * plan->width + (plan->n_prefixes > 1 ? n : 0) + 4 * ((size_t)plan->n_prefixes + 1);
    for (uint32_t k = 0; k < plan->n_prefixes; k++) {
        bytes += plan->prefixes[k].s.n;
    }
    return bytes;
}

static void finish_numbered(const text_t *text, numbered_t *plan) {
    uint8_t rank_of[MAX_PREFIXES];
    qsort(plan->prefixes, plan->n_prefixes, sizeof *plan->prefixes, by_text);
    for (uint32_t k = 0; k < plan->n_prefixes; k++) {
        rank_of[plan->prefixes[k].number] = (uint8_t)k;
    }
    for (uint32_t i = 0; i < text->n; i++) {
        plan->numbers[i] = there(text, i) ? plan->numbers[i] - plan->min : 0;
        plan->prefix_of[i] = there(text, i) ? rank_of[plan->prefix_of[i]] : 0;
    }
    plan->width = rvw_width(plan->max - plan->min);
    plan->size = numbered_size(plan, text->n);
}

static bool plan_numbered(const text_t *text, rv_arena_t *scratch, numbered_t *plan) {
    plan->size = SIZE_MAX;
    plan->width = 0;
    plan->n_prefixes = 0;
    plan->min = UINT64_MAX;
    plan->max = 0;
    plan->numbers = rv_arena_alloc(scratch, (size_t)text->n * sizeof *plan->numbers);
    plan->prefix_of = rv_arena_alloc(scratch, text->n);
    if (!plan->numbers || !plan->prefix_of) {
        return false;
    }
    uint32_t hint = 0;
    for (uint32_t i = 0; i < text->n; i++) {
        fetch(text, i);
        if (there(text, i)) {
            uint32_t prefix;
            if (!split(text->strings[i], &prefix, &plan->numbers[i])) {
                return true;
            }
            hint = prefix_number(plan, (rv_str_t){text->strings[i].p, prefix}, hint);
            if (hint == UINT32_MAX) {
                return true;
            }
            plan->prefix_of[i] = (uint8_t)hint;
            plan->min = plan->numbers[i] < plan->min ? plan->numbers[i] : plan->min;
            plan->max = plan->numbers[i] > plan->max ? plan->numbers[i] : plan->max;
        }
    }
    finish_numbered(text, plan);
    return true;
}

/* Strings one after the other with their offsets. */
static bool put_strings(rvw_room_t *room, const entry_t *entries, uint32_t n, rvw_slot_t *slot) {
    size_t bytes = 0;
    for (uint32_t k = 0; k < n; k++) {
        bytes += entries[k].s.n;
    }
    uint32_t *offsets = rvw_room_take(room, ((size_t)n + 1) * sizeof *offsets, &slot->offsets);
    if (!offsets || bytes > UINT32_MAX) {
        return false;
    }
    for (uint32_t k = 0; k < n; k++) {
        offsets[k + 1] = offsets[k] + entries[k].s.n;
    }
    char *out = rvw_room_take(room, bytes, &slot->bytes);
    if (!out) {
        return false;
    }
    for (uint32_t k = 0; k < n; k++) {
        memcpy(out, entries[k].s.p, entries[k].s.n);
        out += entries[k].s.n;
    }
    slot->n_bytes = (uint32_t)bytes;
    slot->dict_n = n;
    return true;
}

static bool put_plain(rvw_room_t *room, const text_t *text, rvw_slot_t *slot) {
    uint32_t *offsets = rvw_room_take(room, ((size_t)text->n + 1) * sizeof *offsets, &slot->offsets);
    if (!offsets || text->bytes > UINT32_MAX) {
        return false;
    }
    for (uint32_t i = 0; i < text->n; i++) {
        offsets[i + 1] = offsets[i] + (there(text, i) ? text->strings[i].n : 0);
    }
    char *out = rvw_room_take(room, text->bytes, &slot->bytes);
    if (!out) {
        return false;
    }
    for (uint32_t i = 0; i < text->n; i++) {
        if (there(text, i)) {
            memcpy(out, text->strings[i].p, text->strings[i].n);
            out += text->strings[i].n;
        }
    }
    slot->n_bytes = (uint32_t)text->bytes;
    slot->encoding = RVW_PLAIN;
    return true;
}

static bool put_numbered(rvw_room_t *room, const text_t *text, const numbered_t *plan, rvw_slot_t *slot) {
    slot->encoding = RVW_NUMBERED;
    slot->width = plan->width;
    slot->width2 = plan->n_prefixes > 1;
    slot->base = slot->min = (int64_t)plan->min;
    slot->max = (int64_t)plan->max;
    slot->unit = 1;
    if (slot->width2) {
        uint8_t *out = rvw_room_take(room, text->n, &slot->codes2);
        if (!out) {
            return false;
        }
        memcpy(out, plan->prefix_of, text->n);
    }
    return put_strings(room, plan->prefixes, plan->n_prefixes, slot) &&
           rvw_encode_codes(room, plan->numbers, text->n, plan->width, &slot->codes);
}

/* What it would take to number the strings of a dictionary's rows: its entries tell. SIZE_MAX: not this way. */
static bool weigh_numbered(const text_t *text, const dictionary_t *dictionary, rv_arena_t *scratch, size_t *ret) {
    numbered_t plan;
    rv_str_t *strings = rv_arena_alloc(scratch, (size_t)dictionary->n_entries * sizeof *strings);
    if (!strings) {
        return false;
    }
    for (uint32_t k = 0; k < dictionary->n_entries; k++) {
        strings[k] = dictionary->entries[k].s;
    }
    text_t distinct = {strings, NULL, dictionary->n_entries, 0};
    if (!plan_numbered(&distinct, scratch, &plan)) {
        return false;
    }
    *ret = plan.size == SIZE_MAX ? SIZE_MAX : numbered_size(&plan, text->n);
    return true;
}

static bool put_dictionary(rvw_room_t *room, const text_t *text, const dictionary_t *dictionary, rvw_slot_t *slot) {
    slot->encoding = RVW_DICT;
    slot->width = dictionary->width;
    return put_strings(room, dictionary->entries, dictionary->n_entries, slot) &&
           rvw_encode_codes(room, dictionary->codes, text->n, dictionary->width, &slot->codes);
}

bool rvw_encode_text(rvw_room_t *room, const rv_str_t *strings, const uint8_t *present, uint32_t n, rv_arena_t *scratch,
                     rvw_slot_t *slot) {
    text_t text = {strings, present, n, 0};
    for (uint32_t i = 0; i < n; i++) {
        text.bytes += there(&text, i) ? strings[i].n : 0;
    }
    dictionary_t dictionary;
    numbered_t numbered;
    size_t plain = 4 * ((size_t)n + 1) + text.bytes, weight = SIZE_MAX;
    if (!plan_dictionary(&text, scratch, &dictionary) ||
        (dictionary.size != SIZE_MAX && !weigh_numbered(&text, &dictionary, scratch, &weight))) {
        return false;
    }
    size_t other = weight < plain ? weight : plain;
    if (dictionary.size != SIZE_MAX && dictionary.size <= other + other / 4) {
        return put_dictionary(room, &text, &dictionary, slot);
    }
    if (dictionary.size != SIZE_MAX && weight > plain) {
        return put_plain(room, &text, slot);
    }
    if (!plan_numbered(&text, scratch, &numbered)) {
        return false;
    }
    return numbered.size <= plain ? put_numbered(room, &text, &numbered, slot) : put_plain(room, &text, slot);
}
