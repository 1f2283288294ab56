/* methods.c: every method once: name, request, shape, handler. The reads that run queries are planned here and handed
 * to query.h. */
#include "methods.h"
#include "admin.h"
#include "catalog.h"
#include "lookup.h"
#include "mutate.h"
#include "plan.h"
#include "query.h"
#include "reveille/clock.h"
#include "reveille/v1/cluster.pb-c.h"
#include "reveille/v1/company.pb-c.h"
#include "reveille/v1/contact.pb-c.h"
#include "reveille/v1/event.pb-c.h"
#include "reveille/v1/schema.pb-c.h"
#include "reveille/v1/score.pb-c.h"
#include "reveille/v1/segment.pb-c.h"

static rvc_plan_context_t plan_context(const rvc_core_t *core) {
    return (rvc_plan_context_t){core->catalog, core->wall_ms()};
}

static void run(rvc_core_t *core, rvc_call_t *call, rv_status_t planned, rvc_plan_t *plan, const rv_error_t *err) {
    if (planned == RV_OK)
        rvc_query_run(core, call, plan);
    else
        rvc_call_fail(call, err);
}

/* name of the handler, type of its request, function that plans it */
#define READS(X)                                                                                                       \
    X(count, CountRequest, rvc_plan_count)                                                                             \
    X(select_rows, SelectRequest, rvc_plan_select)                                                                     \
    X(aggregate, AggregateRequest, rvc_plan_aggregate)                                                                 \
    X(funnel, FunnelRequest, rvc_plan_funnel)                                                                          \
    X(retention, RetentionRequest, rvc_plan_retention)                                                                 \
    X(overlap, OverlapRequest, rvc_plan_overlap)

#define X(name, type, plan_it)                                                                                         \
    static void name(void *context, rvc_call_t *call, const ProtobufCMessage *request) {                               \
        rvc_plan_context_t planning = plan_context(context);                                                           \
        const Reveille__V1__##type *asked = (const Reveille__V1__##type *)request;                                     \
        int64_t start = asked->options && asked->options->explain ? rv_mono_ns() : 0;                                  \
        rvc_plan_t *plan = NULL;                                                                                       \
        rv_error_t err;                                                                                                \
        rv_status_t status = plan_it(&planning, asked, &plan, &err);                                                   \
        if (status == RV_OK && start)                                                                                  \
            plan->plan_ns = rv_mono_ns() - start;                                                                      \
        run(context, call, status, plan, &err);                                                                        \
    }
READS(X)
#undef X

#define SERVICE "reveille.v1."
#define TYPE(type) &reveille__v1__##type##__descriptor

const rvc_method_t rvc_methods[] = {
    {SERVICE "ContactService/Upsert", TYPE(contact_service_upsert_request), RVC_UNARY, 0, rvc_contact_upsert},
    {SERVICE "ContactService/Get", TYPE(contact_service_get_request), RVC_UNARY, 0, rvc_contact_get},
    {SERVICE "ContactService/Delete", TYPE(contact_service_delete_request), RVC_UNARY, 0, rvc_contact_delete},
    {SERVICE "ContactService/Timeline", TYPE(timeline_request), RVC_SERVER_STREAM, 0, rvc_contact_timeline},
    {SERVICE "ContactService/Import", TYPE(contact_service_import_request), RVC_CLIENT_STREAM, 0, rvc_contact_import},
    {SERVICE "CompanyService/Upsert", TYPE(company_service_upsert_request), RVC_UNARY, 0, rvc_company_upsert},
    {SERVICE "CompanyService/Get", TYPE(company_service_get_request), RVC_UNARY, 0, rvc_company_get},
    {SERVICE "EventService/Append", TYPE(append_request), RVC_UNARY, 0, rvc_event_append},
    {SERVICE "EventService/Import", TYPE(event_service_import_request), RVC_CLIENT_STREAM, 0, rvc_event_import},
    {SERVICE "EventService/Delete", TYPE(event_service_delete_request), RVC_UNARY, 0, rvc_event_delete},
    {SERVICE "SchemaService/Apply", TYPE(apply_request), RVC_UNARY, 0, rvc_schema_apply},
    {SERVICE "SchemaService/Get", TYPE(schema_service_get_request), RVC_UNARY, 0, rvc_schema_get},
    {SERVICE "SegmentService/Save", TYPE(save_request), RVC_UNARY, 0, rvc_segment_save},
    {SERVICE "SegmentService/Get", TYPE(segment_service_get_request), RVC_UNARY, 0, rvc_segment_get},
    {SERVICE "SegmentService/List", TYPE(segment_service_list_request), RVC_UNARY, 0, rvc_segment_list},
    {SERVICE "SegmentService/Delete", TYPE(segment_service_delete_request), RVC_UNARY, 0, rvc_segment_delete},
    {SERVICE "SegmentService/Count", TYPE(count_request), RVC_UNARY, RVC_QUERY, count},
    {SERVICE "SegmentService/Select", TYPE(select_request), RVC_SERVER_STREAM, RVC_QUERY, select_rows},
    {SERVICE "SegmentService/Aggregate", TYPE(aggregate_request), RVC_SERVER_STREAM, RVC_QUERY, aggregate},
    {SERVICE "SegmentService/Funnel", TYPE(funnel_request), RVC_UNARY, RVC_QUERY, funnel},
    {SERVICE "SegmentService/Retention", TYPE(retention_request), RVC_SERVER_STREAM, RVC_QUERY, retention},
    {SERVICE "SegmentService/Overlap", TYPE(overlap_request), RVC_UNARY, RVC_QUERY, overlap},
    {SERVICE "ScoreService/Define", TYPE(define_request), RVC_UNARY, 0, rvc_score_define},
    {SERVICE "ScoreService/Get", TYPE(score_service_get_request), RVC_UNARY, 0, rvc_score_get},
    {SERVICE "ScoreService/List", TYPE(score_service_list_request), RVC_UNARY, 0, rvc_score_list},
    {SERVICE "ClusterService/Status", TYPE(status_request), RVC_UNARY, RVC_ALWAYS, rvc_cluster_status},
    {SERVICE "ClusterService/Compact", TYPE(compact_request), RVC_UNARY, 0, rvc_cluster_compact},
    {SERVICE "ClusterService/ListImports", TYPE(list_imports_request), RVC_UNARY, 0, rvc_cluster_imports},
    {SERVICE "HealthService/Check", TYPE(check_request), RVC_UNARY, RVC_ALWAYS, rvc_health_check},
    {0},
};
