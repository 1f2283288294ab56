/* dictionary.h: strings numbered in the order of their first coming, as a StringColumn wants them. */
#ifndef REVEILLE_CLI_DICTIONARY_H
#define REVEILLE_CLI_DICTIONARY_H

#include "reveille/text.h"

typedef struct rv_dictionary rv_dictionary_t;

rv_dictionary_t *rv_dictionary_new(void);
void rv_dictionary_destroy(rv_dictionary_t **dictionary);
void rv_dictionary_clear(rv_dictionary_t *dictionary);
/* The number of a string, which is added when it is new: *ret_added. UINT32_MAX without memory. */
uint32_t rv_dictionary_number(rv_dictionary_t *dictionary, const char *p, size_t n, bool *ret_added);
/* The string is there, and was numbered. */
bool rv_dictionary_has(const rv_dictionary_t *dictionary, const char *p, size_t n);
/* The string that was added last is this one (of at least a byte). */
bool rv_dictionary_is_last(const rv_dictionary_t *dictionary, const char *p, size_t n);
/* Adds a string without asking whether it is there. False without memory. */
bool rv_dictionary_append(rv_dictionary_t *dictionary, const char *p, size_t n);
size_t rv_dictionary_count(const rv_dictionary_t *dictionary);
/* All bytes one after the other, and the lengths; borrowed until the next change. */
const char *rv_dictionary_data(const rv_dictionary_t *dictionary, size_t *ret_n);
const uint32_t *rv_dictionary_lengths(const rv_dictionary_t *dictionary);
rv_str_t rv_dictionary_string(const rv_dictionary_t *dictionary, uint32_t number);

#endif
