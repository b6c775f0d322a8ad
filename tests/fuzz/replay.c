/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target without a fuzzer: every seed, every seed cut short, then
 * a fixed sequence of random mutations until the time is up. The sequence is
 * the same on every run, so a failure can be repeated: the input at hand is
 * left in the file crash-NAME of the current folder when the process aborts.
 *
 * Usage: replay-NAME SEED-FOLDER [SECONDS] */
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

enum {
  MAX_CUTS = 4096,
  MAX_MUTATIONS = 8, /* of one input */
  MAX_GROWTH = 64,   /* bytes inserted at once */
  MAX_INPUT_SIZE = 1 << 20,
};

static const double DEFAULT_SECONDS = 1.0;

/* Values at which parsers slip. */
static const guint64 interesting[] = {0, 1, 2, 3, 4, 7, 8, 9, 31, 32, 33, 36,
    38, 39, 63, 64, 127, 128, 255, 256, 65535, 65536, 0x7fffffff, 0x80000000,
    0xffffffff, 0x100000000, 0x1fffffffffffffff, 0x2000000000000000,
    0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffe0,
    0xffffffffffffffff};

/* The input at hand, for the signal handler. */
static const guint8 *current;
static gsize current_size;
static char crash_name[256];

static void
on_signal (int number)
{
  int fd = open (crash_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

  if (fd >= 0) {
    gssize written = write (fd, current, current_size);

    (void) written;
    close (fd);
  }
  signal (number, SIG_DFL);
  raise (number);
}

static void
run (const guint8 *data, gsize size)
{
  current = data;
  current_size = size;
  LLVMFuzzerTestOneInput (data, size);
}

static void
mutate (GByteArray *input, GRand *rand, const GByteArray *other)
{
  guint size = input->len;
  guint pos = size ? (guint) g_rand_int_range (rand, 0, (gint32) size) : 0;
  guint left = size - pos;
  guint n = 1u << g_rand_int_range (rand, 0, 4);
  guint64 value =
      interesting[g_rand_int_range (rand, 0, G_N_ELEMENTS (interesting))];
  guint8 bytes[MAX_GROWTH];

  n = MIN (n, left);
  switch (g_rand_int_range (rand, 0, 7)) {
    case 0: /* flip a bit */
      if (left)
        input->data[pos] ^= (guint8) (1u << g_rand_int_range (rand, 0, 8));
      break;
    case 1: /* a random byte */
      if (left)
        input->data[pos] = (guint8) g_rand_int (rand);
      break;
    case 2: /* a number at which parsers slip */
      value = GUINT64_TO_LE (value);
      memcpy (input->data + pos, &value, MIN (n, sizeof value));
      break;
    case 3: /* cut */
      g_byte_array_set_size (input, pos);
      break;
    case 4: /* remove */
      if (n)
        g_byte_array_remove_range (input, pos, n);
      break;
    case 5: /* repeat */
      n = MIN (n, sizeof bytes);
      memcpy (bytes, input->data + pos, n);
      g_byte_array_append (input, bytes, n);
      break;
    default: /* go on as another seed */
      g_byte_array_set_size (input, pos);
      if (other->len > pos)
        g_byte_array_append (input, other->data + pos, other->len - pos);
      break;
  }
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static GPtrArray *
load_seeds (const char *folder)
{
  GPtrArray *seeds =
      g_ptr_array_new_with_free_func ((GDestroyNotify) g_byte_array_unref);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir)))
    g_ptr_array_add (names, g_build_filename (folder, name, NULL));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++) {
    char *contents;
    gsize size;

    if (g_file_get_contents (
            g_ptr_array_index (names, i), &contents, &size, NULL))
      g_ptr_array_add (
          seeds, g_byte_array_new_take ((guint8 *) contents, size));
  }
  return seeds;
}

/* A copy on the heap of exactly this size, so that reading beyond is seen. */
static void
run_copy (const guint8 *data, gsize size)
{
  g_autofree guint8 *copy = g_memdup2 (data, size);

  run (copy ? copy : (const guint8 *) "", size);
}

static guint
run_mutations (GPtrArray *seeds, double seconds)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  gint64 end = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);
  guint n_runs = 0;

  while (g_get_monotonic_time () < end) {
    GByteArray *seed = g_ptr_array_index (
        seeds, g_rand_int_range (rand, 0, (gint32) seeds->len));
    GByteArray *other = g_ptr_array_index (
        seeds, g_rand_int_range (rand, 0, (gint32) seeds->len));
    g_autoptr (GByteArray) input = g_byte_array_new ();
    gint n_mutations = g_rand_int_range (rand, 1, MAX_MUTATIONS + 1);

    g_byte_array_append (input, seed->data, seed->len);
    for (gint i = 0; i < n_mutations && input->len < MAX_INPUT_SIZE; i++)
      mutate (input, rand, other);
    run_copy (input->data, input->len);
    n_runs++;
  }
  return n_runs;
}

int
main (int argc, char **argv)
{
  double seconds = argc > 2 ? g_ascii_strtod (argv[2], NULL) : DEFAULT_SECONDS;
  g_autofree char *name = g_path_get_basename (argv[0]);
  g_autoptr (GPtrArray) seeds = argc > 1 ? load_seeds (argv[1]) : NULL;

  if (!seeds || seeds->len == 0) {
    g_printerr ("usage: %s SEED-FOLDER [SECONDS]; no seeds found\n", name);
    return EXIT_FAILURE;
  }
  g_snprintf (crash_name, sizeof crash_name, "crash-%s", name);
  signal (SIGABRT, on_signal);
  signal (SIGSEGV, on_signal);
  for (guint i = 0; i < seeds->len; i++) {
    GByteArray *seed = g_ptr_array_index (seeds, i);
    gsize step = seed->len / MAX_CUTS + 1;

    run_copy (seed->data, seed->len);
    for (gsize size = 0; size < seed->len; size += step)
      run_copy (seed->data, size);
  }
  g_print ("%u seeds and %u mutations of them\n", seeds->len,
      run_mutations (seeds, seconds));
  return EXIT_SUCCESS;
}
