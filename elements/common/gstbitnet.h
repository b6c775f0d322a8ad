/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the five elements share: caps, names of events and queries, the handle
 * events, the per-request meta, waits that can be interrupted, and the one
 * place where library errors become GStreamer errors. */
#pragma once

#include <gst/gst.h>
#include <bitnet/bitnet.h>

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_bitnet_debug);

/* Registers categories and metas; called by every class_init. */
void gst_bitnet_init_once (void);

/* Caps of the three kinds of links. */
#define GST_BITNET_GGUF_CAPS "application/x-gguf"
#define GST_BITNET_TOKEN_CAPS "application/x-llm-tokens, format=(string)U32LE"
#define GST_BITNET_TEXT_CAPS "text/x-raw, format=(string)utf8"

/* Sticky events that carry the handles downstream. */
#define GST_BITNET_EVENT_MODEL "bitnet/model"
#define GST_BITNET_EVENT_TOKENIZER "bitnet/tokenizer"
/* Downstream, out of band: a new prompt ends the running response. */
#define GST_BITNET_EVENT_INTERRUPT "bitnet/interrupt"
/* Downstream, serialized: forget the conversation. */
#define GST_BITNET_EVENT_RESET "bitnet/reset"
/* Upstream: cancel the running response (optional field request-id). */
#define GST_BITNET_EVENT_CANCEL "bitnet/cancel"
/* Upstream: a response has ended (request-id, finish-reason, ids). */
#define GST_BITNET_EVENT_TURN "bitnet/turn"

/* Context types, answered by ggufsrc and tokresolve. */
#define GST_BITNET_CONTEXT_MODEL "bitnet.model"
#define GST_BITNET_CONTEXT_TOKENIZER "bitnet.tokenizer"

/* Custom query downstream: does anybody send bitnet/turn? The answer has
 * the field context-size (guint, 0 = the model's). */
#define GST_BITNET_QUERY_TURNS "bitnet/turns"
/* Custom query downstream: has one of our elements posted an error? Saves
 * the source from posting "Internal data stream error" after it. */
#define GST_BITNET_QUERY_FAILED "bitnet/failed"

/* Codes of progress messages. */
#define GST_BITNET_PROGRESS_MODEL "model-load"
#define GST_BITNET_PROGRESS_TOKENIZER "tokenizer-resolve"
#define GST_BITNET_PROGRESS_DOWNLOAD "download"

/* Meta on token and text buffers: request-id (guint64), turn (guint),
 * overrides (string, JSON), finish-reason (string, on the last buffer). */
#define GST_BITNET_REQUEST_META "BitnetRequestMeta"

/* Handle events. The parse functions return FALSE for any other event; what
 * they give back is (transfer full). */
GstEvent *gst_bitnet_event_new_model (BitnetModel *model);
GstEvent *gst_bitnet_event_new_tokenizer (
    BitnetTokenizer *tokenizer, gboolean fallback);
gboolean gst_bitnet_event_parse_model (GstEvent *event, BitnetModel **model);
gboolean gst_bitnet_event_parse_tokenizer (
    GstEvent *event, BitnetTokenizer **tokenizer, gboolean *fallback);

/* Asks upstream of a sink pad; (transfer full), NULL if nobody knows. */
BitnetModel *gst_bitnet_pad_query_model (GstPad *sinkpad);
BitnetTokenizer *gst_bitnet_pad_query_tokenizer (
    GstPad *sinkpad, gboolean *fallback);
/* Answer such a query; FALSE if it asks for something else or the handle is
 * NULL. */
gboolean gst_bitnet_query_answer_model (GstQuery *query, BitnetModel *model);
gboolean gst_bitnet_query_answer_tokenizer (
    GstQuery *query, BitnetTokenizer *tokenizer, gboolean fallback);
GstContext *gst_bitnet_context_new_model (BitnetModel *model);
/* (transfer full), NULL if the context is of another type. */
BitnetModel *gst_bitnet_context_get_model (GstContext *context);

gboolean gst_bitnet_event_has_name (GstEvent *event, const char *name);
gboolean gst_bitnet_query_has_name (GstQuery *query, const char *name);

/* The structure of the request meta, NULL without one; the second form adds
 * the meta to a writable buffer where it is missing. */
GstStructure *gst_bitnet_buffer_get_request (GstBuffer *buffer);
GstStructure *gst_bitnet_buffer_ensure_request (GstBuffer *buffer);
gboolean gst_bitnet_buffer_get_request_id (GstBuffer *buffer, guint64 *id);

/* One per element: what its streaming threads wait on. mutex guards the
 * element's handles and queues; cond is broadcast on every change. */
typedef struct {
  GMutex mutex;
  GCond cond;
  gboolean flushing;  /* every wait ends */
  gboolean reporting; /* an error is being posted */
  gboolean failed;    /* an error was posted; no second one */
} GstBitnetWait;

void gst_bitnet_wait_init (GstBitnetWait *wait);
void gst_bitnet_wait_clear (GstBitnetWait *wait);
/* For READY to PAUSED: neither flushing nor failed. */
void gst_bitnet_wait_start (GstBitnetWait *wait);
/* Sets the flag and wakes all waiters. */
void gst_bitnet_wait_set_flushing (GstBitnetWait *wait, gboolean flushing);

/* Posts the error that belongs to a library error (table 4.1 of the element
 * conventions), at most once between two starts; returns GST_FLOW_ERROR when
 * the message is on the bus, or GST_FLOW_FLUSHING without a message for a
 * cancellation. */
GstFlowReturn gst_bitnet_fail (
    GstElement *element, GstBitnetWait *wait, const GError *error);
/* The same with a text for people who look for the cause (NULL: the error's)
 * and (transfer full, nullable) details for programs; their field `cause`,
 * name of a code of the library, decides the code of the message. */
GstFlowReturn gst_bitnet_fail_with_report (GstElement *element,
    GstBitnetWait *wait, const GError *error, const char *report,
    GstStructure *details);
/* The same for the end of a flow that nobody upstream is told of, if nobody
 * has explained it: who returned ERROR has posted why. */
void gst_bitnet_fail_flow (
    GstElement *element, GstBitnetWait *wait, GstFlowReturn flow);
/* The GStreamer domain and code of a library error; cause, if not NULL, is the
 * name of the code that it comes from. */
GQuark gst_bitnet_map_error (const GError *error, const char *cause, int *code);
/* Answers bitnet/failed; FALSE if the query is another one or nothing has
 * failed here (then the pad's default handler asks further down). */
gboolean gst_bitnet_query_answer_failed (GstQuery *query, GstBitnetWait *wait);

void gst_bitnet_post_progress (GstElement *element, GstProgressType type,
    const char *code, const char *format, ...) G_GNUC_PRINTF (4, 5);

/* CONTINUE with "label: N %" and the fields bytes-done and bytes-total
 * (guint64). */
void gst_bitnet_post_fraction (GstElement *element, const char *code,
    const char *label, guint64 done, guint64 total);

/* How a search or a download is reported: CONTINUE with the fields phase
 * (string: querying, waiting, downloading, verifying, loading), repo, file
 * (string), bytes-done, bytes-total (guint64, 0 = unknown), rate (gdouble,
 * bytes/s), eta (gdouble, seconds, -1 = unknown) and cached (gboolean, it was
 * here already). At most ten times a second, but for the first time that a
 * repository is named. */
typedef struct {
  char *repository;
  gint64 posted_at_us;
} GstBitnetTransfer;

#define GST_BITNET_PROGRESS_INTERVAL_US (100 * 1000)

void gst_bitnet_transfer_start (GstBitnetTransfer *self);
void gst_bitnet_transfer_clear (GstBitnetTransfer *self);
/* Whether a tenth of a second has passed since this was TRUE. */
gboolean gst_bitnet_transfer_is_due (GstBitnetTransfer *self);
void gst_bitnet_transfer_post (GstBitnetTransfer *self, GstElement *element,
    const char *code, const BitnetProgress *progress);

/* The running time; in PAUSED, where the clock does not count yet, that at
 * which the element was paused. */
GstClockTime gst_bitnet_running_time (GstElement *element);

/* A structure of a dictionary: numbers, booleans and strings as they are,
 * dictionaries as structures, lists as GstValueArray. NULL gives an empty
 * one. */
GstStructure *gst_bitnet_structure_from_variant (
    const char *name, GVariant *dictionary);

G_END_DECLS
