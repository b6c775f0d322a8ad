/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of infer: states and signals in gstinfer.c, its properties in
 * properties.c, pads and queue in pads.c, the engine in load.c, responses in
 * generate.c.
 *
 * Threads: the sink pad's puts requests and events into the queue, the source
 * pad's task takes them out, a thread per model loads weights, the engine's
 * own threads never come here. wait.mutex is taken before locks of the
 * library; it is not held while pushing or while taking tokens. */
#pragma once

#include "gstinfer.h"
#include "gstbitnet.h"
#include "itemqueue.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_bitnet_infer_debug);

typedef enum {
  LOAD_RUNNING,
  LOAD_READY,
  LOAD_FAILED,
} LoadState;

/* A model and the engine that runs it, reference counted: requests keep the
 * one that was current when they came. */
typedef struct {
  int ref_count;           /* atomic */
  GstBitnetInfer *element; /* not owned; alive while the thread runs */
  BitnetModel *model;
  GCancellable *cancellable;
  GThread *thread; /* NULL after joining */
  /* under the element's wait.mutex */
  LoadState state;
  BitnetEngine *engine;
} Load;

/* One response to be generated; owned by the queue. */
typedef struct {
  GstBuffer *buffer; /* the prompt; NULL: warm-up, nothing is pushed */
  guint64 id;
  guint turn;
  BitnetParams *params;
  Load *load; /* NULL: no model was known when it came */
  BitnetTokenizer *tokenizer;
  /* under wait.mutex */
  BitnetSequence *sequence; /* NULL until the engine has it */
  gboolean cancelled;
} Request;

struct _GstBitnetInfer {
  GstElement parent;

  GstPad *sinkpad, *srcpad;

  /* under the object lock */
  BitnetEngineOptions *options;
  BitnetParams *params;
  gboolean seed_is_set;
  guint parallel;
  guint chunk;
  guint latency_ms;
  BitnetEngine *given_engine;

  GstBitnetWait wait;
  /* under wait.mutex */
  ItemQueue *queue;
  GstFlowReturn flow; /* of the last push downstream */
  Load *load;         /* of the model that came last */
  GPtrArray *loads;   /* all since the start, to be joined */
  BitnetTokenizer *tokenizer;
  GCancellable *cancellable; /* of taking tokens */
  guint64 next_id;
  gboolean is_live;
  gboolean warned_latency;
  guint64 n_requests, n_cancelled;
  guint64 n_prompt_tokens, n_cached_tokens, n_generated_tokens;
  guint64 prefill_ns, decode_ns;
};

/* properties.c */
void gst_bitnet_infer_install_properties (GObjectClass *object_class);
void gst_bitnet_infer_init_properties (GstBitnetInfer *self);
/* Parameters of a request that comes now, (transfer full). */
BitnetParams *gst_bitnet_infer_dup_params (GstBitnetInfer *self);
void gst_bitnet_infer_notify_stats (GstBitnetInfer *self);

/* pads.c */
extern GstStaticPadTemplate gst_bitnet_infer_sink_template;
extern GstStaticPadTemplate gst_bitnet_infer_src_template;
void gst_bitnet_infer_init_pads (GstBitnetInfer *self);
/* Ends all waits: for leaving PAUSED, before the pads are inactive. */
void gst_bitnet_infer_unblock (GstBitnetInfer *self);
void gst_bitnet_infer_queue_warm_up (GstBitnetInfer *self);

/* load.c */
Load *gst_bitnet_load_ref (Load *load);
void gst_bitnet_load_unref (Load *load);
/* Makes model the current one; its weights load in the background. */
void gst_bitnet_infer_start_load (GstBitnetInfer *self, BitnetModel *model);
/* The engine, once it is loaded. NULL: FLUSHING or ERROR in ret. */
BitnetEngine *gst_bitnet_infer_wait_engine (
    GstBitnetInfer *self, Load *load, GstFlowReturn *ret);
void gst_bitnet_infer_cancel_loads (GstBitnetInfer *self);
void gst_bitnet_infer_stop_loads (GstBitnetInfer *self);

/* generate.c */
void gst_bitnet_request_free (gpointer request);
/* Gives the engine what it can have; with wait.mutex held. */
void gst_bitnet_infer_submit_pending (GstBitnetInfer *self);
/* Cancels all requests, or one; with wait.mutex held. */
void gst_bitnet_infer_cancel_locked (GstBitnetInfer *self, const guint64 *id);
void gst_bitnet_infer_cancel (GstBitnetInfer *self, const guint64 *id);
/* Generates and pushes the response to the request at the head. */
GstFlowReturn gst_bitnet_infer_respond (GstBitnetInfer *self, Request *request);

G_END_DECLS
