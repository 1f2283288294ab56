// self.h - the parts of the model's own test; each returns the number of failures and prints them to stderr.
#ifndef RVM_SELF_H
#define RVM_SELF_H

#include <stdint.h>

int rvm_self_values(void);   // arithmetic, comparison, calendar
int rvm_self_cases(void);    // a small world with answers worked out by hand
int rvm_self_requests(void); // select, aggregate, overlap, funnel, retention on that world, errors, operations
int rvm_self_random(uint64_t first_seed, int seeds); // generated worlds: they evaluate, and obey some identities

#endif
