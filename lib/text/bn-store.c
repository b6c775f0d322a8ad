/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of compiled tables. Every file is opened relative to the folder, whose
 * owner and mode were checked on its descriptor. */
#define _GNU_SOURCE /* dl_iterate_phdr() */

#include "bn-store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bn-file.h"

#define SUFFIX ".btok"
#define NOTE_SUFFIX ".note"
#define TEMPORARY ".tmp-"
#define NS_PER_SECOND INT64_C (1000000000)
#define NS_PER_MS INT64_C (1000000)
#define NS_PER_US INT64_C (1000)
#define KEY_NAME "key"

enum {
  NAME_SIZE = BN_DIGEST_SIZE * 2 + sizeof SUFFIX,
  MAX_FILES = 4096,          /* looked at when space is made */
  TOUCH_INTERVAL = 60 * 60,  /* seconds between two notes of a use */
  MAX_TEMPORARY_AGE = 3600,  /* seconds; older ones were left behind */
  MAX_NOTE_AGE = 30 * 86400, /* seconds; older ones are written again */
  /* Milliseconds until a change must show in the times of a file: five ticks
   * of the slowest clock, or where times are whole seconds, those of FAT. */
  SETTLE_TIME = 50,
  COARSE_SETTLE_TIME = 2500,
  MAX_TOTAL_SIZE = 256 << 20, /* of all files */
  MAX_FILE_SIZE = 1 << 30,
};

/* That the tables of source are in a file of this state, with a right digest.
 * The last member is that of all others and of the note's name. */
typedef struct {
  char magic[8];
  BnDigest source;
  BnFileState tables;
  BnDigest digest;
} Note;

static const char note_magic[8] = {'B', 'N', 'N', 'O', 'T', 'E', '0', '1'};

struct BnStore {
  int folder;
  char *path;
  BnDigestKey key;
  BnDigester digester;
  BnDigest source;
  char name[NAME_SIZE];
  char note_name[NAME_SIZE]; /* empty if there is to be none */
  int64_t changed_ns;        /* of the file that the note is for */
  Note note;                 /* its source, if that was found */
  gboolean has_note;
};

static gboolean
is_off (void)
{
  static const char *const words[] = {"", "0", "false", "no", "off"};
  const char *text = g_getenv ("BITNET_COMPILED");

  for (gsize i = 0; text && i < G_N_ELEMENTS (words); i++) {
    if (g_ascii_strcasecmp (text, words[i]) == 0)
      return TRUE;
  }
  /* A program with more rights than its user must not trust the user. */
  return getuid () != geteuid () || getgid () != getegid ();
}

static const char *
get_variable (const char *name)
{
  const char *value = g_getenv (name);

  return value && g_path_is_absolute (value) ? value : NULL;
}

static char *
make_path (void)
{
  const char *root = get_variable ("BITNET_TOKENIZER_CACHE");
  const char *base = get_variable ("BITNET_CACHE_DIR");

  if (root)
    return g_build_filename (root, "v1", "compiled", NULL);
  if (base)
    return g_build_filename (base, "tokenizers", "v1", "compiled", NULL);
  return g_build_filename (
      g_get_user_cache_dir (), "bitnet", "tokenizers", "v1", "compiled", NULL);
}

/* Whether a file or folder is ours: bits are those of mode that nobody else
 * may have. */
static gboolean
is_ours (const struct stat *info, mode_t bits)
{
  return info->st_uid == geteuid () && (info->st_mode & bits) == 0;
}

static int
open_folder (const char *path)
{
  const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  int folder = open (path, flags);
  struct stat info;

  if (folder < 0 && errno == ENOENT && g_mkdir_with_parents (path, 0700) == 0)
    folder = open (path, flags);
  if (folder < 0) {
    g_info ("%s: no folder for compiled tables: %s", path, g_strerror (errno));
    return -1;
  }
  if (fstat (folder, &info) != 0 || !is_ours (&info, S_IWGRP | S_IWOTH)) {
    g_info ("%s: belongs to others or others may write to it; no tables are "
            "kept",
        path);
    close (folder);
    return -1;
  }
  return folder;
}

/* Opens a file of ours; -1 if it is not there or not ours. */
static int
open_file (const BnStore *self, const char *name, struct stat *info)
{
  int file = openat (self->folder, name,
      O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (file < 0) {
    if (errno != ENOENT)
      g_info (
          "%s/%s: cannot be opened: %s", self->path, name, g_strerror (errno));
    return -1;
  }
  if (fstat (file, info) != 0 || !S_ISREG (info->st_mode)
      || !is_ours (info, S_IRWXG | S_IRWXO)) {
    g_info (
        "%s/%s: is not a file of this user alone; not used", self->path, name);
    close (file);
    return -1;
  }
  return file;
}

/* Whether a change from now on must give a later time. */
static gboolean
is_settled (int64_t changed_ns)
{
  gboolean is_coarse = changed_ns % NS_PER_SECOND == 0;
  int64_t wait_ms = is_coarse ? COARSE_SETTLE_TIME : SETTLE_TIME;

  return changed_ns < g_get_real_time () * NS_PER_US - wait_ms * NS_PER_MS;
}

static gboolean
write_all (int file, const void *data, size_t size)
{
  const uint8_t *p = data;

  while (size > 0) {
    ssize_t n = write (file, p, size);

    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return FALSE;
    p += n;
    size -= (size_t) n;
  }
  return TRUE;
}

/* A new file with a name of its own, for this user alone. Processes that were
 * forked from one have equal random numbers. */
static int
create_temporary (const BnStore *self, char *name, size_t size)
{
  g_snprintf (name, (gulong) size, TEMPORARY "%08x%08x", (unsigned) getpid (),
      g_random_int ());
  return openat (self->folder, name,
      O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

static gboolean
read_secret (const BnStore *self, uint8_t secret[BN_DIGEST_SECRET_SIZE])
{
  struct stat info;
  int file = open_file (self, KEY_NAME, &info);
  gboolean is_read;

  if (file < 0)
    return FALSE;
  is_read =
      info.st_size == BN_DIGEST_SECRET_SIZE
      && read (file, secret, BN_DIGEST_SECRET_SIZE) == BN_DIGEST_SECRET_SIZE;
  close (file);
  return is_read;
}

static gboolean
make_secret (uint8_t secret[BN_DIGEST_SECRET_SIZE])
{
  int file = open ("/dev/urandom", O_RDONLY | O_CLOEXEC);
  gboolean is_read =
      file >= 0
      && read (file, secret, BN_DIGEST_SECRET_SIZE) == BN_DIGEST_SECRET_SIZE;

  if (file >= 0)
    close (file);
  return is_read;
}

/* Of several that make the first secret at once, one wins and all read it. A
 * key file that cannot be used is replaced. */
static gboolean
get_secret (const BnStore *self, uint8_t secret[BN_DIGEST_SECRET_SIZE])
{
  char name[sizeof TEMPORARY + 16];
  struct stat info;
  gboolean is_new;
  int file;

  if (read_secret (self, secret))
    return TRUE;
  is_new = fstatat (self->folder, KEY_NAME, &info, AT_SYMLINK_NOFOLLOW) != 0;
  if (!is_new && read_secret (self, secret))
    return TRUE; /* another one has made it meanwhile */
  file = create_temporary (self, name, sizeof name);
  if (file < 0)
    return FALSE;
  if (!make_secret (secret)
      || !write_all (file, secret, BN_DIGEST_SECRET_SIZE)) {
    close (file);
    unlinkat (self->folder, name, 0);
    return FALSE;
  }
  close (file);
  if (is_new)
    (void) !linkat (self->folder, name, self->folder, KEY_NAME, 0);
  else
    (void) !renameat (self->folder, name, self->folder, KEY_NAME);
  unlinkat (self->folder, name, 0);
  return read_secret (self, secret);
}

BnStore *
bn_store_open (void)
{
  g_autoptr (BnStore) self = NULL;
  uint8_t secret[BN_DIGEST_SECRET_SIZE];

  if (is_off ())
    return NULL;
  self = g_new0 (BnStore, 1);
  self->path = make_path ();
  self->folder = open_folder (self->path);
  if (self->folder < 0)
    return NULL;
  if (!get_secret (self, secret)) {
    g_info ("%s: has no key and none can be written; no tables are kept",
        self->path);
    return NULL;
  }
  bn_digest_key_init (&self->key, secret);
  return g_steal_pointer (&self);
}

void
bn_store_free (BnStore *self)
{
  if (self->folder >= 0)
    close (self->folder);
  g_free (self->path);
  g_free (self);
}

/* The build of this library, where the linker has left a note of it. */

typedef struct {
  const uint8_t *id;
  size_t size;
} BuildId;

static gboolean
contains (const struct dl_phdr_info *object, uintptr_t address)
{
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW (Phdr) *part = &object->dlpi_phdr[i];

    if (part->p_type == PT_LOAD
        && address - object->dlpi_addr - part->p_vaddr < part->p_memsz)
      return TRUE;
  }
  return FALSE;
}

static int
find_build_id (struct dl_phdr_info *object, size_t size, void *user_data)
{
  BuildId *build = user_data;

  if (!contains (object, (uintptr_t) find_build_id))
    return 0;
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW (Phdr) *part = &object->dlpi_phdr[i];
    const uint8_t *p = (const uint8_t *) (object->dlpi_addr + part->p_vaddr);
    size_t left = part->p_memsz;

    while (part->p_type == PT_NOTE && left >= sizeof (ElfW (Nhdr))) {
      ElfW (Nhdr) note;
      size_t name_size, note_size;

      memcpy (&note, p, sizeof note);
      name_size = (note.n_namesz + 3u) & ~3u;
      note_size = sizeof note + name_size + ((note.n_descsz + 3u) & ~3u);
      if (note_size > left)
        break;
      if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4
          && memcmp (p + sizeof note, "GNU", 4) == 0) {
        build->id = p + sizeof note + name_size;
        build->size = note.n_descsz;
        return 1;
      }
      p += note_size;
      left -= note_size;
    }
  }
  return 1;
}

static void
begin_digest (const BnStore *self, BnDigester *digester)
{
  BuildId build = {NULL, 0};

  bn_compiled_begin_source (digester, &self->key);
  dl_iterate_phdr (find_build_id, &build);
  bn_digester_update (digester, &build.size, sizeof build.size);
  bn_digester_update (digester, build.id, build.size);
}

static void
make_name (char name[NAME_SIZE], const BnDigest *digest, const char *suffix)
{
  static const char digits[] = "0123456789abcdef";

  for (int i = 0; i < BN_DIGEST_SIZE; i++) {
    name[2 * i] = digits[digest->bytes[i] >> 4];
    name[2 * i + 1] = digits[digest->bytes[i] & 15];
  }
  memcpy (name + BN_DIGEST_SIZE * 2, suffix, sizeof SUFFIX);
}

BnDigester *
bn_store_begin_source (BnStore *self)
{
  begin_digest (self, &self->digester);
  return &self->digester;
}

void
bn_store_end_source (BnStore *self)
{
  bn_digester_finish (&self->digester, &self->source);
  make_name (self->name, &self->source, SUFFIX);
}

/* Notes. */

G_STATIC_ASSERT (sizeof NOTE_SUFFIX == sizeof SUFFIX);

static void
digest_note (const BnStore *self, const Note *note, BnDigest *digest)
{
  BnDigester digester;

  bn_digester_init (&digester, &self->key);
  bn_digester_add_string (&digester, self->note_name);
  bn_digester_update (&digester, note, G_STRUCT_OFFSET (Note, digest));
  bn_digester_finish (&digester, digest);
}

static gboolean
read_note (BnStore *self)
{
  Note *note = &self->note;
  BnDigest digest;
  struct stat info;
  int file = open_file (self, self->note_name, &info);
  gboolean is_read;

  if (file < 0)
    return FALSE;
  is_read = info.st_size == sizeof *note
            && read (file, note, sizeof *note) == sizeof *note;
  close (file);
  if (!is_read || memcmp (note->magic, note_magic, sizeof note_magic) != 0)
    return FALSE;
  digest_note (self, note, &digest);
  return memcmp (&digest, &note->digest, sizeof digest) == 0;
}

gboolean
bn_store_recall (
    BnStore *self, const void *identity, size_t size, int64_t changed_ns)
{
  BnDigester digester;
  BnDigest digest;

  begin_digest (self, &digester);
  bn_digester_add_string (&digester, "identity");
  bn_digester_update (&digester, identity, size);
  bn_digester_finish (&digester, &digest);
  make_name (self->note_name, &digest, NOTE_SUFFIX);
  self->changed_ns = changed_ns;
  self->has_note = read_note (self);
  if (self->has_note) {
    self->source = self->note.source;
    make_name (self->name, &self->source, SUFFIX);
  }
  return self->has_note;
}

/* Notes that the tables, whose digest is right, are in this file. */
static void
write_note (BnStore *self, const struct stat *info)
{
  char name[sizeof TEMPORARY + 16];
  Note note = {.source = self->source, .tables = bn_file_get_state (info)};
  gboolean is_done;
  int file;

  if (self->note_name[0] == '\0' || !is_settled (self->changed_ns)
      || !is_settled (note.tables.mtime_ns)
      || !is_settled (note.tables.ctime_ns))
    return;
  memcpy (note.magic, note_magic, sizeof note_magic);
  digest_note (self, &note, &note.digest);
  file = create_temporary (self, name, sizeof name);
  if (file < 0)
    return;
  is_done = write_all (file, &note, sizeof note);
  is_done =
      close (file) == 0 && is_done
      && renameat (self->folder, name, self->folder, self->note_name) == 0;
  if (!is_done)
    unlinkat (self->folder, name, 0);
}

typedef struct {
  void *address;
  size_t size;
} Mapping;

static void
mapping_free (gpointer data)
{
  Mapping *mapping = data;

  munmap (mapping->address, mapping->size);
  g_free (mapping);
}

static GBytes *
map_file (int file, size_t size)
{
  void *address = mmap (NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
  Mapping *mapping;

  if (address == MAP_FAILED)
    return NULL;
  mapping = g_new (Mapping, 1);
  *mapping = (Mapping){address, size};
  return g_bytes_new_with_free_func (address, size, mapping_free, mapping);
}

BnCompiled *
bn_store_load (BnStore *self)
{
  struct stat info;
  g_autoptr (GBytes) bytes = NULL;
  BnCompiled *compiled = NULL;
  const char *problem = "it cannot be mapped";
  int file = open_file (self, self->name, &info);
  gboolean is_noted;
  BnFileState state;

  if (file < 0)
    return NULL;
  state = bn_file_get_state (&info);
  is_noted =
      self->has_note && memcmp (&state, &self->note.tables, sizeof state) == 0;
  if (info.st_size <= 0 || info.st_size > MAX_FILE_SIZE)
    problem = "it has an impossible size";
  else
    bytes = map_file (file, (size_t) info.st_size);
  if (bytes)
    compiled = bn_compiled_new (
        bytes, is_noted ? NULL : &self->key, &self->source, &problem);
  if (compiled == NULL)
    g_info ("%s/%s: %s; made again", self->path, self->name, problem);
  else if (time (NULL) - info.st_mtime > TOUCH_INTERVAL)
    (void) !futimens (file, NULL); /* the note ends with that */
  else if (!is_noted)
    write_note (self, &info);
  close (file);
  return compiled;
}

typedef struct {
  char *name;
  off_t size;
  time_t used;
} Entry;

static void
entry_clear (gpointer data)
{
  g_free (((Entry *) data)->name);
}

static gint
compare_entries (gconstpointer a, gconstpointer b)
{
  const Entry *left = a, *right = b;

  return (left->used > right->used) - (left->used < right->used);
}

/* Our files in the folder; removes what was left behind. */
static GArray *
list_entries (BnStore *self)
{
  GArray *entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  int copy = openat (self->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *dir = copy >= 0 ? fdopendir (copy) : NULL;
  const struct dirent *item;

  g_array_set_clear_func (entries, entry_clear);
  if (dir == NULL) {
    if (copy >= 0)
      close (copy);
    return entries;
  }
  while (entries->len < MAX_FILES && (item = readdir (dir))) {
    gboolean is_temporary = g_str_has_prefix (item->d_name, TEMPORARY);
    gboolean is_note = g_str_has_suffix (item->d_name, NOTE_SUFFIX);
    struct stat info;

    if ((!is_temporary && !is_note && !g_str_has_suffix (item->d_name, SUFFIX))
        || fstatat (self->folder, item->d_name, &info, AT_SYMLINK_NOFOLLOW)
               != 0)
      continue;
    if (!is_temporary && !is_note) {
      Entry entry = {g_strdup (item->d_name), info.st_size, info.st_mtime};

      g_array_append_val (entries, entry);
    } else if (time (NULL) - info.st_mtime
               > (is_note ? MAX_NOTE_AGE : MAX_TEMPORARY_AGE)) {
      unlinkat (self->folder, item->d_name, 0);
    }
  }
  closedir (dir);
  return entries;
}

/* Removes files until size more bytes are within the limit. */
static void
make_space (BnStore *self, size_t size)
{
  g_autoptr (GArray) entries = list_entries (self);
  uint64_t total = size;

  for (guint i = 0; i < entries->len; i++)
    total += (uint64_t) g_array_index (entries, Entry, i).size;
  g_array_sort (entries, compare_entries);
  for (guint i = 0; i < entries->len && total > MAX_TOTAL_SIZE; i++) {
    const Entry *entry = &g_array_index (entries, Entry, i);

    if (unlinkat (self->folder, entry->name, 0) == 0)
      total -= (uint64_t) entry->size;
  }
}

static gboolean
write_piece (const void *data, size_t size, void *user_data)
{
  return write_all (*(const int *) user_data, data, size);
}

void
bn_store_save (BnStore *self, BnCompiledWriter *writer)
{
  char name[sizeof TEMPORARY + 16];
  size_t size = bn_compiled_writer_get_size (writer);
  struct rlimit limit;
  gboolean is_done;
  int file;

  if (size > MAX_TOTAL_SIZE)
    return;
  /* Beyond this limit a signal would end the program. */
  if (getrlimit (RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur < size)
    return;
  make_space (self, size);
  file = create_temporary (self, name, sizeof name);
  if (file < 0) {
    g_info ("%s: cannot be written to: %s", self->path, g_strerror (errno));
    return;
  }
  is_done = bn_compiled_writer_write (
      writer, &self->key, &self->source, write_piece, &file);
  is_done = close (file) == 0 && is_done
            && renameat (self->folder, name, self->folder, self->name) == 0;
  if (!is_done) {
    g_info ("%s/%s: cannot be written: %s", self->path, self->name,
        g_strerror (errno));
    unlinkat (self->folder, name, 0);
  }
}
