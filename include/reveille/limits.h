/* limits.h: every named maximum, once. Passing one is a status for the caller, never a surprise.
 *
 * A constant may be overridden by -D; the preset `tiny` shrinks those that shape batches and queues.
 */
#ifndef REVEILLE_LIMITS_H
#define REVEILLE_LIMITS_H

/* What requests may hold. */
#define RV_MAX_BODY (1u << 20)    /* bytes of one body */
#define RV_MAX_MESSAGE (4u << 20) /* bytes of one ZeroMQ frame: MAXMSGSIZE */
#define RV_MAX_UNFINISHED                                                                                              \
    (RV_MAX_MESSAGE + (64u << 10)) /* bytes of all frames of one message: more cut the connection */
#define RV_MAX_FRAMES 64u          /* frames of one message, likewise; more than a few are answered with an error */
#define RV_MAX_ELEMENTS (1u << 20) /* repeated items and fields of one protobuf message */
#define RV_MAX_NESTING 32u         /* levels of protobuf messages */
#define RV_MAX_UNPACK (32u << 20)  /* bytes that one unpack may allocate */
#define RV_MAX_REQUEST_ID 64u      /* bytes */
#define RV_MAX_TEXT (64u << 10)    /* bytes of a filter */
#define RV_MAX_NODES 4096u         /* nodes of a program */
#define RV_MAX_DEPTH 64u           /* nesting of a filter */
#define RV_MAX_LIST 65536u         /* elements of a list parameter */
#define RV_MAX_STEPS 32u           /* steps of a funnel */
#define RV_MAX_OVERLAP 64u         /* filters of an overlap */
#define RV_MAX_PERIODS 1024u       /* periods of a retention */
#define RV_MAX_GROUP_KEYS 16u      /* expressions of --by */
#define RV_MAX_FIELDS 256u         /* expressions of --fields, measures of --compute */

/* What an explanation may hold; with these it fits a body of its own whatever the numbers are. */
#define RV_MAX_EXPLAIN_NODES 64u   /* nodes that are counted apart */
#define RV_MAX_EXPLAIN_TEXT 240u   /* bytes of the text of one */
#define RV_MAX_EXPLAIN_CELLS 4096u /* counters of nodes of workers, and as many of partitions */

/* What the catalog may hold. */
#define RV_MAX_ATTRIBUTES 1024u
#define RV_MAX_TYPES 1024u
#define RV_MAX_PROPERTIES 256u
#define RV_MAX_NAME 256u         /* bytes of a name */
#define RV_MAX_KEY 256u          /* bytes of a contact or company key */
#define RV_MAX_EVENT_ID 1024u    /* bytes of an event id or source */
#define RV_MAX_VALUE (64u << 10) /* bytes of a string value */
#define RV_MAX_SET 1024u         /* elements of a set */
#define RV_MAX_SCALE 18u         /* decimal places that a schema may declare */
#define RV_MAX_RESULT_SCALE 36u  /* decimal places that arithmetic may reach */
#define RV_MAX_SEGMENTS 4096u
#define RV_MAX_PARTITIONS 1024u
#define RV_MAX_WORKERS 1024u

/* Times: 1970-01-01 to the end of 2105, ms. */
#define RV_TIME_MIN 0ll
#define RV_TIME_MAX 4291747199999ll
#define RV_FUTURE_MS 86400000ll /* an event may be so much later than the coordinator's clock */

/* Write identities. */
#define RV_PRODUCER_WINDOW 65536u     /* sequences remembered a producer and partition */
#define RV_MAX_PRODUCERS 10000u       /* producers remembered a partition */
#define RV_PRODUCER_AHEAD_MS 300000ll /* a producer's UUIDv7 may be so much later than the coordinator's clock */

/* What daemons hold at once. */
#define RV_MAX_CALLS 4096u              /* open calls of the coordinator */
#define RV_MAX_QUERIES 256u             /* of them queries that run */
#define RV_MAX_CLIENT_CALLS 1024u       /* open calls of one connection */
#define RV_MAX_CLIENT_QUERIES 64u       /* of them queries that run */
#define RV_MAX_STALL_MS 60000u          /* a stream whose client takes no reply for so long is ended */
#define RV_MAX_IMPORT_WINDOW 16u        /* unacknowledged batches of one import */
#define RV_MAX_WRITE_BYTES (256u << 20) /* bytes of writes that wait in a worker or coordinator */
#define RV_MAX_FANOUTS 4096u            /* updates of companies on their way to all partitions */
#define RV_MAX_FANOUT_BYTES (64u << 20) /* bytes of their keys */
#define RV_MAX_IMPORTS 4096u            /* imports remembered by the coordinator */
#define RV_STREAM_WINDOW 8u             /* replies of a stream without further credit */
#define RV_WORKER_WINDOW 2u             /* the same between worker and coordinator: one to merge, one to come */
#define RV_MAX_GROUPS (4u << 20)        /* groups of one aggregate */
#define RV_MAX_QUERY_MEMORY (1u << 30)  /* bytes of one query in a worker, or of its merge */
#define RV_MAX_RESULT_MEMORY (2u << 30) /* bytes of all queries in a worker */
#define RV_DEFAULT_TIMEOUT_MS 30000u
#define RV_MAX_TIMEOUT_MS 3600000u

/* Bytes of replies that ZeroMQ holds: its marks count messages. */
#define RV_MAX_CLIENT_FLIGHT (2u << 20) /* on their way to one client */
#define RV_MAX_FLIGHT (128u << 20)      /* to all clients */

/* Disk. */
#define RV_DISK_RESERVE (8u << 20) /* bytes that writes leave free: room for flushes and for trimming the log */

/* Sockets: one place for the marks, see cluster.md. */
#define RV_HWM 64
#define RV_HWM_COORDINATOR 256
#define RV_PING_MS 300u
#define RV_LEASE_MS 2000u

#ifdef RV_TINY
#define RV_CHUNK_ROWS 2u          /* rows of a chunk of a new cluster */
#define RV_VECTOR 2u              /* rows or events that an expression is evaluated over at once */
#define RV_PIECE_BYTES 512u       /* a run or column is stored in pieces of about this */
#define RV_TAIL_BLOCK 2u          /* events of the first block of a tail list */
#define RV_TAIL_BYTES (4u << 10)  /* a partition's tail is flushed from here on */
#define RV_TAIL_TOTAL (64u << 10) /* all tails of a worker */
#define RV_GROUP_COMMIT 2u        /* batches of one log transaction */
#define RV_LOG_GROUP 300u         /* bytes of records that share a value of the log */
#define RV_MAX_RUNS 3u            /* runs of a (type, chunk) before they are merged */
#define RV_PAGE_ROWS 2u           /* rows of one result message */
#endif
#ifndef RV_CHUNK_ROWS
#define RV_CHUNK_ROWS 65536u
#endif
#ifndef RV_VECTOR
#define RV_VECTOR 1024u
#endif
#ifndef RV_PIECE_BYTES
#define RV_PIECE_BYTES (1000u << 10)
#endif
#ifndef RV_TAIL_BLOCK
#define RV_TAIL_BLOCK 64u
#endif
#ifndef RV_TAIL_BYTES
#define RV_TAIL_BYTES (64u << 20)
#endif
#ifndef RV_TAIL_TOTAL
#define RV_TAIL_TOTAL (384u << 20)
#endif
#ifndef RV_GROUP_COMMIT
#define RV_GROUP_COMMIT 256u
#endif
#ifndef RV_LOG_GROUP
#define RV_LOG_GROUP (256u << 10) /* small enough for freed pages to be found again */
#endif
#ifndef RV_MAX_RUNS
#define RV_MAX_RUNS 8u
#endif
#ifndef RV_PAGE_ROWS
#define RV_PAGE_ROWS 4096u
#endif
#ifndef RV_MAP_SIZE
#define RV_MAP_SIZE (64ull << 30)
#endif

#endif
