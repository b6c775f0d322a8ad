/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hub of the tests, on SoupServer in a thread of its own. lock guards
 * repositories, faults and log; it is held for moments, never while libsoup
 * runs. Bodies that have to misbehave are written by hand on the connection,
 * which is taken away from libsoup for that; waits are timers, so a slow
 * answer never holds another one up. */
#include "test-hub.h"

#include <libsoup/soup.h>
#include <string.h>

#include "test-hub-private.h"

enum {
  WRONG_OFFSET = 1, /* how far a wrong range is off */
  ENDLESS_BLOCK = 64 << 10,
};

#define SIGNATURE "?X-Signature=very-secret"

/* An answer on its way. */
typedef struct {
  TestHub *hub;
  SoupServerMessage *message;
  TestFault fault; /* points into texts below */
  char *headers_text, *body_text;
  guint status;
  SoupMessageHeaders *headers;
  GBytes *body; /* may be NULL */
  GIOStream *stream;
  gsize written, end;
  gboolean is_storage;
  GSource *timer;
} Answer;

static void
answer_free (Answer *self)
{
  g_hash_table_remove (self->hub->answers, self);
  g_ptr_array_remove (self->hub->held, self);
  if (self->is_storage) {
    g_mutex_lock (&self->hub->lock);
    self->hub->n_parallel--;
    g_mutex_unlock (&self->hub->lock);
  }
  if (self->timer) {
    g_source_destroy (self->timer);
    g_source_unref (self->timer);
  }
  g_free (self->headers_text);
  g_free (self->body_text);
  soup_message_headers_unref (self->headers);
  g_clear_pointer (&self->body, g_bytes_unref);
  g_clear_object (&self->stream);
  if (self->message)
    g_signal_handlers_disconnect_by_data (self->message, self);
  g_clear_object (&self->message);
  g_free (self);
}

static void
start_timer (Answer *self, guint ms, GSourceFunc func)
{
  if (self->timer) {
    g_source_destroy (self->timer);
    g_source_unref (self->timer);
  }
  self->timer = g_timeout_source_new (ms);
  g_source_set_callback (self->timer, func, self, NULL);
  g_source_attach (self->timer, self->hub->context);
}

/* Bodies by hand */

static void write_more (Answer *self);

static gboolean
on_drip (gpointer user_data)
{
  write_more (user_data);
  return G_SOURCE_REMOVE;
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answer *self = user_data;

  if (!g_output_stream_write_all_finish (
          G_OUTPUT_STREAM (source), result, NULL, NULL)) {
    answer_free (self);
    return;
  }
  if (self->fault.flags & TEST_FAULT_DRIP)
    start_timer (self, self->fault.delay_ms, on_drip);
  else
    write_more (self);
}

/* The other side went away while nothing is sent. */
static void
on_silence (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GBytes) bytes =
      g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, NULL);

  answer_free (user_data);
}

static void
write_more (Answer *self)
{
  static const char zeros[ENDLESS_BLOCK];
  GOutputStream *out = g_io_stream_get_output_stream (self->stream);
  const char *data = self->body ? g_bytes_get_data (self->body, NULL) : NULL;
  gsize left = self->end - self->written;
  gsize start = self->written;

  if (self->fault.flags & TEST_FAULT_ENDLESS) {
    g_output_stream_write_all_async (
        out, zeros, sizeof zeros, 0, self->hub->stop, on_written, self);
    return;
  }
  if (left == 0) {
    if (self->fault.flags & TEST_FAULT_STALL) {
      g_input_stream_read_bytes_async (
          g_io_stream_get_input_stream (self->stream), 1, 0, self->hub->stop,
          on_silence, self);
      return;
    }
    g_io_stream_close (self->stream, NULL, NULL);
    answer_free (self);
    return;
  }
  if (self->fault.flags & TEST_FAULT_DRIP)
    left = 1;
  self->written += left;
  g_output_stream_write_all_async (
      out, data + start, left, 0, self->hub->stop, on_written, self);
}

static void
append_header (const char *name, const char *value, gpointer user_data)
{
  g_string_append_printf (user_data, "%s: %s\r\n", name, value);
}

static void
on_head_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Answer *self = user_data;

  g_free (g_object_steal_data (source, "head"));
  on_written (source, result, self);
}

static void
answer_by_hand (Answer *self)
{
  gsize size = self->body ? g_bytes_get_size (self->body) : 0;
  GString *head = g_string_new (NULL);
  GOutputStream *out;
  gsize length;

  self->stream = soup_server_message_steal_connection (self->message);
  g_clear_object (&self->message);
  if (self->fault.flags & TEST_FAULT_DROP) {
    g_io_stream_close (self->stream, NULL, NULL);
    g_string_free (head, TRUE);
    answer_free (self);
    return;
  }
  self->end = size;
  if (self->fault.flags & (TEST_FAULT_CUT | TEST_FAULT_STALL))
    self->end = MIN (self->fault.bytes, size);
  g_string_append_printf (head, "HTTP/1.1 %u %s\r\n", self->status,
      soup_status_get_phrase (self->status));
  soup_message_headers_foreach (self->headers, append_header, head);
  if (!(self->fault.flags & TEST_FAULT_ENDLESS))
    g_string_append_printf (
        head, "Content-Length: %" G_GSIZE_FORMAT "\r\n", size);
  g_string_append (head, "Connection: close\r\n\r\n");
  length = head->len;
  out = g_io_stream_get_output_stream (self->stream);
  g_object_set_data (G_OBJECT (out), "head", g_string_free (head, FALSE));
  g_output_stream_write_all_async (out,
      g_object_get_data (G_OBJECT (out), "head"), length, 0, NULL,
      on_head_written, self);
}

/* Answers by libsoup */

static void
copy_header (const char *name, const char *value, gpointer user_data)
{
  soup_message_headers_append (user_data, name, value);
}

static void
answer_by_soup (Answer *self)
{
  SoupServerMessage *message = self->message;
  SoupMessageHeaders *headers =
      soup_server_message_get_response_headers (message);

  soup_message_headers_foreach (self->headers, copy_header, headers);
  /* libsoup would cut a 200 to the range by itself. */
  soup_message_headers_remove (
      soup_server_message_get_request_headers (message), "Range");
  soup_server_message_set_status (message, self->status, NULL);
  if (!self->body)
    return;
  if (g_str_equal (soup_server_message_get_method (message), "HEAD"))
    soup_message_headers_set_content_length (
        headers, (goffset) g_bytes_get_size (self->body));
  else if (g_bytes_get_size (self->body) > 0)
    soup_message_body_append_bytes (
        soup_server_message_get_response_body (message), self->body);
}

static gboolean
send_answer (Answer *self)
{
  const TestFaultFlags by_hand = TEST_FAULT_CUT | TEST_FAULT_ENDLESS
                                 | TEST_FAULT_DRIP | TEST_FAULT_STALL
                                 | TEST_FAULT_DROP;

  if (self->fault.flags & by_hand) {
    answer_by_hand (self);
    return FALSE;
  }
  answer_by_soup (self);
  return TRUE;
}

static void
on_finished (SoupServerMessage *message, gpointer user_data)
{
  answer_free (user_data);
}

static gboolean
on_delayed (gpointer user_data)
{
  Answer *self = user_data;
  SoupServerMessage *message = self->message;

  if (send_answer (self))
    soup_server_message_unpause (message);
  return G_SOURCE_REMOVE;
}

/* Holds it back until enough have come. */
static void
hold (Answer *self, gboolean is_last)
{
  GPtrArray *held = self->hub->held;

  soup_server_message_pause (self->message);
  g_ptr_array_add (held, self);
  while (is_last && held->len > 0)
    on_delayed (g_ptr_array_steal_index (held, 0));
}

static void
start_answer (Answer *self, gboolean is_gathered, gboolean is_last)
{
  const TestFaultFlags by_hand = TEST_FAULT_CUT | TEST_FAULT_ENDLESS
                                 | TEST_FAULT_DRIP | TEST_FAULT_STALL
                                 | TEST_FAULT_DROP;
  gboolean is_late =
      self->fault.delay_ms > 0 && !(self->fault.flags & TEST_FAULT_DRIP);

  if (!(self->fault.flags & by_hand)) {
    g_signal_connect (
        self->message, "finished", G_CALLBACK (on_finished), self);
    g_signal_connect (
        self->message, "disconnected", G_CALLBACK (on_finished), self);
  }
  if (is_gathered) {
    hold (self, is_last);
    return;
  }
  if (is_late) {
    soup_server_message_pause (self->message);
    start_timer (self, self->fault.delay_ms, on_delayed);
    return;
  }
  send_answer (self);
}

/* What the hub says */

static void
set_header (Answer *self, const char *name, const char *value)
{
  soup_message_headers_replace (self->headers, name, value);
}

static void
refuse (Answer *self, guint status, const char *code, const char *message)
{
  self->status = status;
  if (code)
    set_header (self, "X-Error-Code", code);
  set_header (self, "X-Error-Message", message);
  g_clear_pointer (&self->body, g_bytes_unref);
}

/* Whether the request may see the repository; else it is refused. */
static gboolean
may_see (Answer *self, TestRepo *repo)
{
  const char *header = soup_message_headers_get_one (
      soup_server_message_get_request_headers (self->message), "Authorization");
  g_autofree char *wanted =
      repo && repo->token ? g_strdup_printf ("Bearer %s", repo->token) : NULL;

  if (!repo) {
    refuse (self, 401, "RepoNotFound", "Repository not found");
    return FALSE;
  }
  if (!wanted || g_strcmp0 (header, wanted) == 0)
    return TRUE;
  refuse (self, header ? 403 : 401, "GatedRepo",
      "Access to this model is restricted");
  return FALSE;
}

static const char *
find_commit (Answer *self, TestRepo *repo, const char *revision)
{
  const char *commit = test_repo_find_commit (repo, revision);

  if (!commit)
    refuse (self, 404, "RevisionNotFound", "Invalid rev id");
  return commit;
}

/* For the official client; ours does not ask for it. */
static void
answer_tree (Answer *self, const char *name, const char *revision)
{
  TestRepo *repo = test_hub_find_repo (self->hub, name);
  const char *commit =
      may_see (self, repo) ? find_commit (self, repo, revision) : NULL;

  if (!commit)
    return;
  set_header (self, "Content-Type", "application/json");
  self->status = 200;
  self->body = test_repo_list_tree (repo, commit);
}

static void
answer_listing (Answer *self, const char *name, const char *revision)
{
  TestRepo *repo = test_hub_find_repo (self->hub, name);
  const char *commit;

  if (!may_see (self, repo))
    return;
  commit = find_commit (self, repo, revision);
  if (!commit)
    return;
  set_header (self, "Content-Type", "application/json");
  self->status = 200;
  self->body = test_repo_list (repo, name, commit);
}

/* "bytes=N-" alone is known, as the client sends it. -1 if there is none. */
static gint64
get_range (Answer *self)
{
  const char *text = soup_message_headers_get_one (
      soup_server_message_get_request_headers (self->message), "Range");
  guint64 offset;
  g_autofree char *digits = NULL;

  if (!text || !g_str_has_prefix (text, "bytes=")
      || !g_str_has_suffix (text, "-")
      || (self->fault.flags & TEST_FAULT_IGNORE_RANGE))
    return -1;
  digits = g_strndup (text + 6, strlen (text) - 7);
  return g_ascii_string_to_unsigned (digits, 10, 0, G_MAXINT64, &offset, NULL)
             ? (gint64) offset
             : -1;
}

static GBytes *
dup_content (Answer *self, const TestRepoFile *file)
{
  gsize size;
  const char *data = g_bytes_get_data (file->data, &size);
  char *copy;

  if (!(self->fault.flags & TEST_FAULT_WRONG_BYTE) || size == 0)
    return g_bytes_ref (file->data);
  copy = g_memdup2 (data, size);
  copy[size / 2] ^= 1;
  return g_bytes_new_take (copy, size);
}

/* gzip, as the hub does it for small files if it is not told otherwise. */
static void
maybe_pack (Answer *self)
{
  const char *accepted = soup_message_headers_get_one (
      soup_server_message_get_request_headers (self->message),
      "Accept-Encoding");
  g_autoptr (GConverter) converter = NULL;
  g_autoptr (GInputStream) plain = NULL;
  g_autoptr (GInputStream) packed = NULL;
  g_autoptr (GOutputStream) all = g_memory_output_stream_new_resizable ();

  if (g_strcmp0 (accepted, "identity") == 0)
    return;
  converter =
      G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_GZIP, -1));
  plain = g_memory_input_stream_new_from_bytes (self->body);
  packed = g_converter_input_stream_new (plain, converter);
  g_output_stream_splice (
      all, packed, G_OUTPUT_STREAM_SPLICE_CLOSE_TARGET, NULL, NULL);
  g_bytes_unref (self->body);
  self->body =
      g_memory_output_stream_steal_as_bytes (G_MEMORY_OUTPUT_STREAM (all));
  set_header (self, "Content-Encoding", "gzip");
}

/* The content or the part of it that is wanted. etag: of this server. */
static void
answer_content (Answer *self, const TestRepoFile *file, const char *etag)
{
  const char *if_range = soup_message_headers_get_one (
      soup_server_message_get_request_headers (self->message), "If-Range");
  gint64 offset = get_range (self);
  g_autoptr (GBytes) content = dup_content (self, file);
  gsize size = g_bytes_get_size (content);
  g_autofree char *range = NULL;
  gsize total = size;

  set_header (self, "ETag", etag);
  self->status = 200;
  if (if_range && strcmp (if_range, etag) != 0)
    offset = -1;
  if (offset < 0) {
    self->body = g_bytes_ref (content);
    return;
  }
  if ((guint64) offset >= size) {
    range = g_strdup_printf ("bytes */%" G_GSIZE_FORMAT, size);
    set_header (self, "Content-Range", range);
    self->status = 416;
    return;
  }
  if (self->fault.flags & TEST_FAULT_WRONG_RANGE)
    offset = MIN (offset + WRONG_OFFSET, (gint64) size - 1);
  if (self->fault.flags & TEST_FAULT_WRONG_TOTAL)
    total += WRONG_OFFSET;
  range = g_strdup_printf ("bytes %" G_GINT64_FORMAT "-%" G_GSIZE_FORMAT
                           "/%" G_GSIZE_FORMAT,
      offset, size - 1, total);
  set_header (self, "Content-Range", range);
  self->status = 206;
  self->body =
      g_bytes_new_from_bytes (content, (gsize) offset, size - (gsize) offset);
}

static void
answer_file (
    Answer *self, const char *name, const char *revision, const char *file_name)
{
  TestRepo *repo = test_hub_find_repo (self->hub, name);
  const char *commit;
  const TestRepoFile *file;
  g_autofree char *etag = NULL;

  if (!may_see (self, repo))
    return;
  commit = find_commit (self, repo, revision);
  if (!commit)
    return;
  if (!(self->fault.flags & TEST_FAULT_NO_COMMIT))
    set_header (self, "X-Repo-Commit", commit);
  file = test_repo_find_file (repo, commit, file_name);
  if (!file) {
    refuse (self, 404, "EntryNotFound", "Entry not found");
    return;
  }
  etag = g_strdup_printf ("\"%s\"", file->digest);
  if (file->is_lfs) {
    g_autofree char *size =
        g_strdup_printf ("%" G_GSIZE_FORMAT, g_bytes_get_size (file->data));
    g_autofree char *location = g_strdup_printf (
        "%s/blob/%s" SIGNATURE, self->hub->storage_url, file->sha256);

    self->status = 302;
    set_header (self, "Location", location);
    set_header (self, "X-Linked-Etag", etag);
    set_header (self, "X-Linked-Size", size);
    return;
  }
  answer_content (self, file, etag);
  if (self->status == 200)
    maybe_pack (self);
}

static void
answer_blob (Answer *self, const char *sha256)
{
  g_autofree char *etag = g_strdup_printf ("\"s-%.8s\"", sha256);
  GHashTableIter repos;
  gpointer repo;

  self->status = 404;
  g_hash_table_iter_init (&repos, self->hub->repos);
  while (g_hash_table_iter_next (&repos, NULL, &repo)) {
    const TestRepoFile *file = test_repo_find_blob (repo, sha256);

    if (file) {
      answer_content (self, file, etag);
      return;
    }
  }
}

/* "a/b/c/..." into repository and rest; FALSE if it is none that is there. */
static gboolean
split_path (TestHub *self, const char *path, const char *separator, char **name,
    char **rest)
{
  const char *at = strstr (path, separator);

  if (!at)
    return FALSE;
  *name = g_strndup (path, (gsize) (at - path));
  *rest = g_strdup (at + strlen (separator));
  return TRUE;
}

/* With the lock. */
static void
answer_hub (Answer *self, const char *path)
{
  TestHub *hub = self->hub;
  g_autofree char *name = NULL;
  g_autofree char *rest = NULL;
  gboolean is_api = g_str_has_prefix (path, "/api/models/");
  const char *alias;

  self->status = 404;
  path += is_api ? strlen ("/api/models/") : 1;
  if (is_api && (hub->flags & TEST_HUB_NO_API))
    return;
  if (is_api && split_path (hub, path, "/tree/", &name, &rest)) {
    g_autofree char *revision = g_uri_unescape_string (rest, NULL);

    answer_tree (self, name, revision);
    return;
  }
  if (!split_path (
          hub, path, is_api ? "/revision/" : "/resolve/", &name, &rest)) {
    if (!is_api)
      return;
    name = g_strdup (path);
    rest = g_strdup ("main");
  }
  alias = g_hash_table_lookup (hub->aliases, name);
  if (alias) {
    const char *query =
        g_uri_get_query (soup_server_message_get_uri (self->message));
    g_autofree char *location = g_strdup_printf ("%s%s/%s/%s%s%s",
        is_api ? "/api/models/" : "/", alias, is_api ? "revision" : "resolve",
        rest, query ? "?" : "", query ? query : "");

    self->status = 307;
    set_header (self, "Location", location);
  } else if (is_api) {
    g_autofree char *revision = g_uri_unescape_string (rest, NULL);

    answer_listing (self, name, revision);
  } else {
    g_auto (GStrv) parts = g_strsplit (rest, "/", 2);
    g_autofree char *revision = g_uri_unescape_string (parts[0], NULL);
    g_autofree char *file = g_uri_unescape_string (parts[1], NULL);

    answer_file (self, name, revision, file);
  }
}

/* Requests */

static char *
make_line (Answer *self, const char *path)
{
  SoupMessageHeaders *headers =
      soup_server_message_get_request_headers (self->message);
  const char *range = soup_message_headers_get_one (headers, "Range");
  const char *if_range = soup_message_headers_get_one (headers, "If-Range");
  GString *line = g_string_new (self->is_storage ? "storage " : "hub ");

  g_string_append_printf (
      line, "%s %s", soup_server_message_get_method (self->message), path);
  if (soup_message_headers_get_one (headers, "Authorization"))
    g_string_append (line, " auth");
  if (range && g_str_has_prefix (range, "bytes="))
    g_string_append_printf (line, " range=%s", range + strlen ("bytes="));
  if (if_range)
    g_string_append_printf (line, " if-range=%s", if_range);
  return g_string_free (line, FALSE);
}

static void
note_connection (TestHub *self, SoupServerMessage *message)
{
  GSocketAddress *address = soup_server_message_get_remote_address (message);
  guint port =
      address ? g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address))
              : 0;

  g_hash_table_add (self->connections, GUINT_TO_POINTER (port));
}

static void
choose_fault (Answer *self, const char *line)
{
  TestHub *hub = self->hub;

  for (guint i = 0; i < hub->faults->len; i++) {
    TestHubFault *fault = g_ptr_array_index (hub->faults, i);
    const TestFault *what = &fault->fault;

    if (fault->pattern && !g_pattern_spec_match_string (fault->pattern, line))
      continue;
    if (what->count > 0 && fault->n_seen >= what->skip + what->count)
      continue;
    if (fault->n_seen++ < what->skip)
      continue;
    self->fault = *what;
    self->headers_text = g_strdup (what->headers);
    self->body_text = g_strdup (what->body);
    return;
  }
}

static void
apply_fault (Answer *self)
{
  g_auto (GStrv) lines =
      g_strsplit (self->headers_text ? self->headers_text : "", "\n", -1);

  if (self->fault.status) {
    self->status = self->fault.status;
    g_clear_pointer (&self->body, g_bytes_unref);
  }
  if (self->body_text) {
    g_clear_pointer (&self->body, g_bytes_unref);
    self->body = g_bytes_new (self->body_text, strlen (self->body_text));
  }
  for (gsize i = 0; lines[i]; i++) {
    g_auto (GStrv) parts = g_strsplit (lines[i], ": ", 2);

    if (parts[0] && parts[1] && parts[1][0])
      set_header (self, parts[0], parts[1]);
    else if (parts[0])
      soup_message_headers_remove (self->headers, parts[0]);
  }
}

/* Whether it belongs to those that wait for each other. */
static gboolean
gather (TestHub *self, const char *line)
{
  if (!self->gathered || self->n_gathered >= self->n_wanted
      || !g_pattern_spec_match_string (self->gathered, line))
    return FALSE;
  self->n_gathered++;
  return TRUE;
}

static void
on_request (SoupServer *server, SoupServerMessage *message, const char *path,
    GHashTable *query, gpointer user_data)
{
  TestHub *hub = user_data;
  Answer *self = g_new0 (Answer, 1);
  const char *raw = g_uri_get_path (soup_server_message_get_uri (message));
  gboolean is_gathered, is_last;
  char *line;

  self->hub = hub;
  g_hash_table_add (hub->answers, self);
  self->message = g_object_ref (message);
  self->headers = soup_message_headers_new (SOUP_MESSAGE_HEADERS_RESPONSE);
  self->is_storage = server == hub->storage;
  line = make_line (self, raw);
  g_mutex_lock (&hub->lock);
  note_connection (hub, message);
  if (self->is_storage) {
    hub->n_parallel++;
    hub->max_parallel = MAX (hub->max_parallel, hub->n_parallel);
  }
  choose_fault (self, line);
  is_gathered = gather (hub, line);
  is_last = hub->n_gathered == hub->n_wanted;
  g_ptr_array_add (hub->log, line);
  g_cond_broadcast (&hub->cond);
  if (!self->is_storage)
    answer_hub (self, raw);
  else if (g_str_has_prefix (raw, "/blob/"))
    answer_blob (self, raw + strlen ("/blob/"));
  else
    self->status = 404;
  g_mutex_unlock (&hub->lock);
  apply_fault (self);
  start_answer (self, is_gathered, is_last);
}

/* The thread */

char *
test_hub_dup_ca (void)
{
  return g_test_build_filename (G_TEST_DIST, "data", "tls", "ca.pem", NULL);
}

static GTlsCertificate *
load_certificate (void)
{
  g_autofree char *path =
      g_test_build_filename (G_TEST_DIST, "data", "tls", "server.pem", NULL);
  g_autoptr (GError) error = NULL;
  GTlsCertificate *certificate = g_tls_certificate_new_from_file (path, &error);

  g_assert_no_error (error);
  return certificate;
}

static SoupServer *
start_server (TestHub *self, char **url)
{
  SoupServer *server =
      soup_server_new ("server-header", "test-hub", "raw-paths", TRUE, NULL);
  g_autoptr (GError) error = NULL;
  gboolean is_tls = (self->flags & TEST_HUB_TLS) != 0;
  GSList *uris;

  if (is_tls) {
    g_autoptr (GTlsCertificate) certificate = load_certificate ();

    soup_server_set_tls_certificate (server, certificate);
  }
  soup_server_add_handler (server, NULL, on_request, self, NULL);
  soup_server_listen_local (server, 0,
      SOUP_SERVER_LISTEN_IPV4_ONLY | (is_tls ? SOUP_SERVER_LISTEN_HTTPS : 0),
      &error);
  g_assert_no_error (error);
  uris = soup_server_get_uris (server);
  *url = g_strdup_printf ("%s://127.0.0.1:%d", is_tls ? "https" : "http",
      g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  return server;
}

/* Ends what is under way. */
static void
stop (TestHub *self)
{
  GHashTableIter iter;
  gpointer answer;

  g_cancellable_cancel (self->stop);
  soup_server_disconnect (self->hub);
  soup_server_disconnect (self->storage);
  while (g_main_context_iteration (self->context, FALSE))
    continue;
  /* What is left waits for its timer. */
  g_hash_table_iter_init (&iter, self->answers);
  while (g_hash_table_iter_next (&iter, &answer, NULL)) {
    answer_free (answer);
    g_hash_table_iter_init (&iter, self->answers);
  }
}

static gpointer
run_thread (gpointer data)
{
  TestHub *self = data;

  g_main_context_push_thread_default (self->context);
  self->hub = start_server (self, &self->endpoint);
  self->storage = start_server (self, &self->storage_url);
  g_mutex_lock (&self->lock);
  self->is_ready = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  g_main_loop_run (self->loop);
  stop (self);
  g_clear_object (&self->hub);
  g_clear_object (&self->storage);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

TestHub *
test_hub_new (TestHubFlags flags)
{
  TestHub *self = g_new0 (TestHub, 1);

  self->flags = flags;
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->repos = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify) test_repo_free);
  self->aliases =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->faults = g_ptr_array_new_with_free_func (test_hub_fault_free);
  self->log = g_ptr_array_new_with_free_func (g_free);
  self->connections = g_hash_table_new (NULL, NULL);
  self->answers = g_hash_table_new (NULL, NULL);
  self->held = g_ptr_array_new ();
  self->stop = g_cancellable_new ();
  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  self->thread = g_thread_new ("test-hub", run_thread, self);
  g_mutex_lock (&self->lock);
  while (!self->is_ready)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
  return self;
}

static gboolean
on_quit (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

void
test_hub_free (TestHub *self)
{
  g_main_context_invoke (self->context, on_quit, self->loop);
  g_thread_join (self->thread);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_hash_table_unref (self->repos);
  g_hash_table_unref (self->aliases);
  g_ptr_array_unref (self->faults);
  g_ptr_array_unref (self->log);
  g_hash_table_unref (self->connections);
  g_hash_table_unref (self->answers);
  g_ptr_array_unref (self->held);
  g_clear_pointer (&self->gathered, g_pattern_spec_free);
  g_object_unref (self->stop);
  g_free (self->endpoint);
  g_free (self->storage_url);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  g_free (self);
}
