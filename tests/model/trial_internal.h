// trial_internal.h - between the files of trial.h.
#ifndef RVM_TRIAL_INTERNAL_H
#define RVM_TRIAL_INTERNAL_H

#include "trial.h"

typedef struct rvm_trial {
    const rvm_case_t *one;
    rvm_engine_t *engine;
    rvm_layout_t layout;
    rvm_dice_t dice;
    rvm_data_t *live; // what the model has after the operations so far
    int moment;       // operations that the views at hand contain
    const rvm_settings_t *settings;
    rvm_tally_t *tally;
} rvm_trial_t;

// ---- trial.c ------------------------------------------------------------------------------------------------------
// Counts a mismatch and prints what leads to it again.
void rvm_trial_headline(const rvm_trial_t *w, const char *what);
void rvm_trial_error(const rvm_trial_t *w, const char *what, const rv_error_t *err);
int rvm_trial_events(const rvm_data_t *data); // of all contacts

// ---- trial_ask.c --------------------------------------------------------------------------------------------------
void rvm_trial_ask(rvm_trial_t *w, const rvm_views_t *views, const rvm_data_t *data, const rvm_query_t *asked,
                   bool spoilt);
// All requests of the case over the views, `spoilt` times each with a text spoilt.
void rvm_trial_ask_all(rvm_trial_t *w, const rvm_views_t *views, const rvm_data_t *data, int spoilt);
// The golden texts of a file: both refuse, for like reasons, or both answer. (A list of types alone is no request.)
void rvm_trial_ask_texts(rvm_trial_t *w, const rvm_views_t *views, const char *name);

// ---- trial_point.c ------------------------------------------------------------------------------------------------
// Every contact and company as point reads show them, and a contact that is not there.
void rvm_trial_points(rvm_trial_t *w, const rvm_views_t *views, const rvm_data_t *data);

#endif
