/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Flights and passengers. flights_lock guards the table of flights, the list
 * of passengers of each, and whether a passenger has left; it is held for
 * moments and never while anybody else's code runs. */
#include "bn-flight.h"

typedef struct Passenger Passenger;
typedef struct Flight Flight;

struct Passenger {
  gint ref_count; /* atomic */
  BnPassengerFuncs funcs;
  GMainContext *context;
  int io_priority;
  GCancellable *cancellable;
  gulong cancel_id;
  gboolean is_first;
  gboolean has_left; /* before it has boarded */
  Flight *flight;    /* NULL: not boarded yet, left or landed */
};

struct Flight {
  char *key;
  BnFlightFunc work;
  gpointer work_data;
  GDestroyNotify free_data;
  GCancellable *cancellable;
  GPtrArray *passengers; /* of Passenger */
};

static GMutex flights_lock;
static GHashTable *flights; /* key to Flight, those that can be boarded */

void
bn_landing_clear (BnLanding *self)
{
  g_clear_object (&self->tokenizer);
  g_clear_pointer (&self->resolution, g_variant_unref);
  g_clear_error (&self->error);
}

static Passenger *
passenger_ref (Passenger *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

static void
passenger_unref (gpointer data)
{
  Passenger *self = data;

  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_main_context_unref (self->context);
  g_clear_object (&self->cancellable);
  g_free (self);
}

/* Telling. */

typedef struct {
  Passenger *passenger;
  BnEvent event;
  gboolean is_end, is_shared;
  BnLanding landing;
} Notice;

static void
notice_free (gpointer data)
{
  Notice *notice = data;

  passenger_unref (notice->passenger);
  g_free (notice->event.name);
  g_free (notice->event.message);
  g_clear_error (&notice->event.error);
  g_clear_pointer (&notice->event.progress, bitnet_progress_free);
  bn_landing_clear (&notice->landing);
  g_free (notice);
}

static gboolean
deliver (gpointer data)
{
  Notice *notice = data;
  Passenger *passenger = notice->passenger;

  if (!notice->is_end) {
    passenger->funcs.event (&notice->event, passenger->funcs.user_data);
    return G_SOURCE_REMOVE;
  }
  /* Waits for a cancellation that is just being told of. */
  g_cancellable_disconnect (passenger->cancellable, passenger->cancel_id);
  passenger->funcs.landed (
      &notice->landing, notice->is_shared, passenger->funcs.user_data);
  return G_SOURCE_REMOVE;
}

/* Sources of one priority are dispatched in the order in which they came. As
 * soon as it is attached the notice may be delivered and gone, and with it the
 * passenger; but giving up a source needs its context. */
static void
send (Notice *notice)
{
  g_autoptr (GMainContext) context =
      g_main_context_ref (notice->passenger->context);
  GSource *source = g_idle_source_new ();

  g_source_set_static_name (source, "bn-flight");
  g_source_set_priority (source, notice->passenger->io_priority);
  g_source_set_callback (source, deliver, notice, notice_free);
  g_source_attach (source, context);
  g_source_unref (source);
}

static Notice *
notice_new (Passenger *passenger)
{
  Notice *notice = g_new0 (Notice, 1);

  notice->passenger = passenger_ref (passenger);
  return notice;
}

/* With the lock: attaching a source runs nobody's code, and nobody can land
 * in between. */
static void
tell_all (Flight *flight, const BnEvent *event)
{
  g_mutex_lock (&flights_lock);
  for (guint i = 0; i < flight->passengers->len; i++) {
    Notice *notice = notice_new (flight->passengers->pdata[i]);

    notice->event = *event;
    notice->event.name = g_strdup (event->name);
    notice->event.message = g_strdup (event->message);
    notice->event.error = event->error ? g_error_copy (event->error) : NULL;
    notice->event.progress =
        event->progress ? bitnet_progress_copy (event->progress) : NULL;
    notice->event.is_first = notice->passenger->is_first;
    send (notice);
  }
  g_mutex_unlock (&flights_lock);
}

static void
on_started (BitnetStrategy *strategy, int priority, gpointer user_data)
{
  const BnEvent event = {.type = BN_EVENT_STARTED,
      .name = (char *) bitnet_strategy_get_name (strategy),
      .priority = priority};

  tell_all (user_data, &event);
}

static void
on_finished (BitnetStrategy *strategy, const GError *error, double duration_ms,
    gpointer user_data)
{
  const BnEvent event = {.type = BN_EVENT_FINISHED,
      .name = (char *) bitnet_strategy_get_name (strategy),
      .error = (GError *) error,
      .duration_ms = duration_ms};

  tell_all (user_data, &event);
}

static void
on_progress (const BitnetProgress *progress, gpointer user_data)
{
  const BnEvent event = {
      .type = BN_EVENT_PROGRESS, .progress = (BitnetProgress *) progress};

  tell_all (user_data, &event);
}

static void
on_warning (const char *code, const char *message, gpointer user_data)
{
  const BnEvent event = {.type = BN_EVENT_WARNING,
      .name = (char *) code,
      .message = (char *) message};

  tell_all (user_data, &event);
}

/* The thread. */

static void
flight_free (Flight *flight)
{
  flight->free_data (flight->work_data);
  g_ptr_array_unref (flight->passengers);
  g_object_unref (flight->cancellable);
  g_free (flight->key);
  g_free (flight);
}

/* With the lock. */
static void
close_boarding (Flight *flight)
{
  if (flight->key && flights
      && g_hash_table_lookup (flights, flight->key) == flight)
    g_hash_table_remove (flights, flight->key);
}

/* With the lock: notices of the end for all, who are passengers no more. */
static GPtrArray *
land (Flight *flight, const BnLanding *landing)
{
  GPtrArray *notices = g_ptr_array_new ();

  close_boarding (flight);
  for (guint i = 0; i < flight->passengers->len; i++) {
    Passenger *passenger = flight->passengers->pdata[i];
    Notice *notice = notice_new (passenger);

    notice->is_end = TRUE;
    notice->is_shared = !passenger->is_first;
    notice->landing = *landing;
    if (landing->tokenizer)
      g_object_ref (landing->tokenizer);
    if (landing->resolution)
      g_variant_ref (landing->resolution);
    if (landing->error)
      notice->landing.error = g_error_copy (landing->error);
    passenger->flight = NULL;
    g_ptr_array_add (notices, notice);
  }
  g_ptr_array_set_size (flight->passengers, 0);
  return notices;
}

/* Nobody is told before the flight has given up what it holds: whoever drops
 * the last reference to a result then is the one who has it. */
static gpointer
fly (gpointer data)
{
  Flight *flight = data;
  const BnObserver observer = {
      on_started, on_finished, on_progress, on_warning, flight};
  BnLanding landing = {NULL};
  g_autoptr (GPtrArray) notices = NULL;

  flight->work (flight->work_data, &observer, flight->cancellable, &landing);
  g_mutex_lock (&flights_lock);
  notices = land (flight, &landing);
  g_mutex_unlock (&flights_lock);
  bn_landing_clear (&landing);
  flight_free (flight);
  for (guint i = 0; i < notices->len; i++)
    send (notices->pdata[i]);
  return NULL;
}

/* Leaving and boarding. */

/* With the lock. */
static void
tell_cancelled (Passenger *passenger)
{
  Notice *notice = notice_new (passenger);

  notice->is_end = TRUE;
  notice->is_shared = !passenger->is_first;
  notice->landing.error = g_error_new_literal (
      G_IO_ERROR, G_IO_ERROR_CANCELLED, "The resolution was cancelled");
  send (notice);
}

/* A passenger gives up: it is told at once, the flight goes on for the
 * others. From any thread. */
static void
on_cancelled (GCancellable *cancellable, gpointer user_data)
{
  Passenger *passenger = user_data;
  GCancellable *to_cancel = NULL;
  Flight *flight;

  g_mutex_lock (&flights_lock);
  flight = passenger->flight;
  passenger->has_left = TRUE;
  passenger->flight = NULL;
  if (flight) {
    tell_cancelled (passenger);
    g_ptr_array_remove (flight->passengers, passenger);
    if (flight->passengers->len == 0) {
      close_boarding (flight);
      to_cancel = g_object_ref (flight->cancellable);
    }
  }
  g_mutex_unlock (&flights_lock);
  if (to_cancel) {
    g_cancellable_cancel (to_cancel);
    g_object_unref (to_cancel);
  }
}

static Flight *
flight_new (const char *key, BnFlightFunc work, gpointer work_data,
    GDestroyNotify free_data)
{
  Flight *flight = g_new0 (Flight, 1);

  flight->key = g_strdup (key);
  flight->work = work;
  flight->work_data = work_data;
  flight->free_data = free_data;
  flight->cancellable = g_cancellable_new ();
  flight->passengers = g_ptr_array_new_with_free_func (passenger_unref);
  return flight;
}

/* With the lock. */
static Flight *
find_flight (const char *key)
{
  if (flights == NULL)
    flights = g_hash_table_new (g_str_hash, g_str_equal);
  return key ? g_hash_table_lookup (flights, key) : NULL;
}

void
bn_flight_board (const char *key, BnFlightFunc work, gpointer work_data,
    GDestroyNotify free_data, GMainContext *context, int io_priority,
    GCancellable *cancellable, const BnPassengerFuncs *funcs)
{
  Passenger *passenger = g_new0 (Passenger, 1);
  Flight *flight, *begun = NULL;

  passenger->ref_count = 1;
  passenger->funcs = *funcs;
  passenger->context =
      g_main_context_ref (context ? context : g_main_context_default ());
  passenger->io_priority = io_priority;
  g_set_object (&passenger->cancellable, cancellable);
  /* Calls on_cancelled() at once if it is too late. */
  if (cancellable)
    passenger->cancel_id = g_cancellable_connect (cancellable,
        G_CALLBACK (on_cancelled), passenger_ref (passenger), passenger_unref);

  g_mutex_lock (&flights_lock);
  if (passenger->has_left) {
    tell_cancelled (passenger);
  } else {
    flight = find_flight (key);
    if (flight == NULL) {
      flight = begun = flight_new (key, work, work_data, free_data);
      passenger->is_first = TRUE;
      if (key)
        g_hash_table_insert (flights, flight->key, flight);
    }
    passenger->flight = flight;
    g_ptr_array_add (flight->passengers, passenger_ref (passenger));
  }
  g_mutex_unlock (&flights_lock);

  if (begun)
    g_thread_unref (g_thread_new ("bitnet-resolve", fly, begun));
  else
    free_data (work_data);
  passenger_unref (passenger);
}
