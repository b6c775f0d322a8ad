/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parts of tokenize: properties and signals in gsttokenize.c, pads and
 * modes in pads.c, from a prompt to a buffer in requests.c.
 *
 * Lock order: request_lock, push_lock, wait.mutex; the object lock is a leaf.
 * No lock but request_lock and push_lock is held while pushing. */
#pragma once

#include "gsttokenize.h"
#include "gstbitnet.h"
#include "encoder.h"
#include "framer.h"

G_BEGIN_DECLS

GST_DEBUG_CATEGORY_EXTERN (gst_bitnet_tokenize_debug);

/* Where prompts come from. */
typedef enum {
  MODE_STREAM,      /* the prompt pad; its EOS ends the stream */
  MODE_ONE_SHOT,    /* the property; the model's EOS ends the stream */
  MODE_INTERACTIVE, /* submit(); close() ends the stream */
} Mode;

/* FRAMING_AUTO of the property: by the format of the segment. */
enum {
  FRAMING_AUTO = -1,
};

typedef enum {
  CONTENT_TEXT,
  CONTENT_MARKUP,
  CONTENT_JSON,
} Content;

/* One prompt. text is owned. */
typedef struct {
  char *text;
  gboolean is_json;
  gboolean from_prompt_pad; /* its flush ends the waits */
  GstClockTime pts, duration;
} Prompt;

struct _GstBitnetTokenize {
  GstElement parent;

  GstPad *sinkpad, *srcpad;

  /* under the object lock */
  GstPad *promptpad;
  char *prompt;
  char *system_prompt;
  char *template_setting;
  int framing; /* Framing or FRAMING_AUTO */
  guint history_size;
  gboolean interrupt;
  Overflow overflow;
  AddSpecial add_special;
  gboolean parse_special;
  gboolean send_handles;

  GstBitnetWait wait;
  /* under wait.mutex */
  Mode mode;
  gboolean prompt_flushing;
  BitnetModel *model;
  BitnetTokenizer *tokenizer;
  gboolean fallback;
  gboolean have_model_start;        /* the model stream has begun */
  gboolean no_handles;              /* the model stream ended without them */
  BitnetConversation *conversation; /* no system message in it */
  gboolean discont;                 /* the conversation starts anew */
  guint turn;                       /* within the conversation */
  GQueue pending;     /* ids (boxed guint64) of requests not answered */
  GQueue commands;    /* of Prompt; text NULL: end of stream */
  gboolean told_idle; /* "no prompt source" was posted */

  /* A request at a time, from its prompt to its buffer. */
  GMutex request_lock;
  guint64 next_id;
  BitnetTemplate *template;
  BitnetModel *template_model; /* that template belongs to */
  gboolean asked_turns, has_turns;
  guint context_size; /* of whoever has turns; 0 = the model's */
  gboolean prompt_sent;

  /* What has left the source pad, in order. */
  GRecMutex push_lock;
  gboolean sent_start, sent_segment, sent_eos;
  GstCaps *sent_caps;
  BitnetModel *sent_model;
  BitnetTokenizer *sent_tokenizer;
  gboolean have_prompt_start; /* the prompt pad's STREAM_START is known */
  char *stream_id;            /* of the prompt pad */
  guint group_id;             /* same; GST_GROUP_ID_INVALID = none */
  GstSegment segment;
  GstEvent *segment_event; /* the prompt pad's, NULL: our own */
  GQueue events;           /* serialized ones that wait for the preamble */

  /* streaming thread of the prompt pad */
  Framer *framer;
  Content content;
};

/* gsttokenize.c */
void gst_bitnet_tokenize_emit_turn_done (
    GstBitnetTokenize *self, guint64 id, const char *text);

/* pads.c */
void gst_bitnet_tokenize_init_pads (GstBitnetTokenize *self);
GstPad *gst_bitnet_tokenize_request_pad (GstElement *element,
    GstPadTemplate *template, const char *name, const GstCaps *caps);
void gst_bitnet_tokenize_release_pad (GstElement *element, GstPad *pad);
/* READY to PAUSED, before the pads are active. */
void gst_bitnet_tokenize_start (GstBitnetTokenize *self);
/* PAUSED to READY: before the pads are inactive, and after. */
void gst_bitnet_tokenize_unblock (GstBitnetTokenize *self);
void gst_bitnet_tokenize_stop (GstBitnetTokenize *self);
/* Queues a prompt (takes text) or, with NULL, the end of the stream. FALSE
 * outside of interactive mode or when stopped. */
gboolean gst_bitnet_tokenize_queue_command (
    GstBitnetTokenize *self, char *text, gboolean is_json);

extern GstStaticPadTemplate gst_bitnet_tokenize_sink_template;
extern GstStaticPadTemplate gst_bitnet_tokenize_prompt_template;
extern GstStaticPadTemplate gst_bitnet_tokenize_src_template;

/* requests.c */
/* From prompt to pushed buffer; waits for handles and for the previous
 * answer. Takes prompt->text. */
GstFlowReturn gst_bitnet_tokenize_handle_prompt (
    GstBitnetTokenize *self, Prompt *prompt);
/* The same with the property prompt, once between two starts. */
GstFlowReturn gst_bitnet_tokenize_handle_only_prompt (GstBitnetTokenize *self);
/* Asks upstream for handles that no event has brought; TRUE if both are here
 * now. */
gboolean gst_bitnet_tokenize_ask_handles (GstBitnetTokenize *self);
/* Waits, with wait.mutex held, for news or until it is time to ask again
 * (FALSE). */
gboolean gst_bitnet_tokenize_wait_for_change (GstBitnetTokenize *self);
/* Until both handles are here. FLUSHING, or EOS if they never will be. */
GstFlowReturn gst_bitnet_tokenize_wait_handles (
    GstBitnetTokenize *self, gboolean from_prompt_pad);
/* Sends what must precede data and is new: STREAM_START, CAPS, SEGMENT,
 * handles, waiting events. */
void gst_bitnet_tokenize_push_preamble (GstBitnetTokenize *self);
/* Sends EOS once. */
void gst_bitnet_tokenize_push_eos (GstBitnetTokenize *self);
void gst_bitnet_tokenize_reset_conversation (GstBitnetTokenize *self);
/* The upstream event bitnet/turn. */
void gst_bitnet_tokenize_take_turn (GstBitnetTokenize *self, GstEvent *event);
void gst_bitnet_tokenize_forget_pending (GstBitnetTokenize *self);
void gst_bitnet_tokenize_post_bad_text (
    GstBitnetTokenize *self, const char *problem);

G_END_DECLS
