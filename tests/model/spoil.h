// spoil.h - texts that are almost right: for comparing what is refused, and why.
#ifndef RVM_SPOIL_H
#define RVM_SPOIL_H

#include "engine.h"

// The query with one of its texts changed in one place or two.
rvm_query_t rvm_query_spoil(rvm_arena_t *arena, rvm_dice_t *dice, const rvm_query_t *query);

#endif
