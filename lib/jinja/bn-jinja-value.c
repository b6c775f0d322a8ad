/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The run: arena, limits, failure; lists, dicts, and what all values have in
 * common: truth, equality, order, hash, length. */
#include "bn-jinja-private.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "bitnet-error.h"

enum {
  CHUNK_SIZE = 64 << 10,
  ALIGNMENT = 16,
  CHECK_INTERVAL = 4096, /* steps between looks at the cancellable */
  MAX_STACK = 512 << 10, /* threads of any kind have more */
  SMALL_DICT = 8,        /* entries that are searched one by one */
  FIRST_CAPACITY = 8,
};

static const BnJinjaLimits default_limits = {
    .max_steps = 32 * 1000 * 1000,
    .max_memory = 384u << 20,
    .max_text_size = 128u << 20,
    .max_depth = 200,
    .max_source_size = 1u << 20,
};

struct BnJChunk {
  struct BnJChunk *next;
};

/* Run */

void
bn_j_init (BnJ *j, const BnJinjaLimits *limits, GError **error)
{
  memset (j, 0, sizeof *j);
  j->limits = default_limits;
  if (limits != NULL) {
    if (limits->max_steps != 0)
      j->limits.max_steps = limits->max_steps;
    if (limits->max_memory != 0)
      j->limits.max_memory = limits->max_memory;
    if (limits->max_text_size != 0)
      j->limits.max_text_size = limits->max_text_size;
    if (limits->max_depth != 0)
      j->limits.max_depth = limits->max_depth;
    if (limits->max_source_size != 0)
      j->limits.max_source_size = limits->max_source_size;
  }
  j->error = error;
  j->next_check = MIN (CHECK_INTERVAL, j->limits.max_steps);
  bn_j_begin_stack (j);
}

void
bn_j_clear (BnJ *j)
{
  while (j->chunks != NULL) {
    struct BnJChunk *next = j->chunks->next;

    g_free (j->chunks);
    j->chunks = next;
  }
  j->free = j->end = NULL;
}

void *
bn_j_alloc (BnJ *j, size_t n, size_t size)
{
  size_t total;
  char *memory;

  if (!g_size_checked_mul (&total, n, size) || total > G_MAXSSIZE)
    total = j->limits.max_memory;
  total = (total + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
  if (G_UNLIKELY (total > (size_t) (j->end - j->free) || j->free == NULL)) {
    size_t chunk_size = MAX (total, (size_t) CHUNK_SIZE - ALIGNMENT);
    struct BnJChunk *chunk = NULL;

    if (j->memory < j->limits.max_memory
        && chunk_size < j->limits.max_memory - j->memory)
      chunk = g_try_malloc0 (chunk_size + ALIGNMENT);
    if (chunk == NULL)
      bn_j_fail (j,
          "the values take more memory than the limit of %" G_GSIZE_FORMAT
          " bytes",
          j->limits.max_memory);
    j->memory += chunk_size + ALIGNMENT;
    chunk->next = j->chunks;
    j->chunks = chunk;
    /* A big one takes a chunk of its own; the current one stays in use. */
    if (total > CHUNK_SIZE / 4 && j->free != NULL)
      return (char *) chunk + ALIGNMENT;
    j->free = (char *) chunk + ALIGNMENT;
    j->end = j->free + chunk_size;
  }
  memory = j->free;
  j->free += total;
  return memory;
}

/* Line and column, from 1, of an offset in the source. */
static void
locate (const BnJ *j, guint *line, guint *column)
{
  *line = 1;
  *column = 1;
  for (size_t i = 0; i < j->at && i < j->source_size; i++) {
    if (j->source[i] == '\n') {
      ++*line;
      *column = 1;
    } else if (((guchar) j->source[i] & 0xC0) != 0x80) {
      ++*column;
    }
  }
}

void
bn_j_fail_with (BnJ *j, GQuark domain, int code, const char *message)
{
  if (j->error != NULL && *j->error == NULL)
    *j->error = g_error_new_literal (domain, code, message);
  longjmp (j->on_failure, 1);
}

static void G_GNUC_PRINTF (2, 0)
    set_error (BnJ *j, const char *format, va_list args)
{
  g_autofree char *message = g_strdup_vprintf (format, args);
  g_autofree char *shown = g_utf8_make_valid (message, -1);

  for (char *c = shown; *c != '\0'; c++) {
    if (*c == '\n' || *c == '\r')
      *c = ' ';
  }
  if (j->error == NULL || *j->error != NULL)
    return;
  if (j->source != NULL) {
    guint line, column;

    locate (j, &line, &column);
    g_set_error (j->error, BITNET_ERROR, BITNET_ERROR_TEMPLATE,
        "line %u, column %u: %s", line, column, shown);
  } else {
    g_set_error_literal (j->error, BITNET_ERROR, BITNET_ERROR_TEMPLATE, shown);
  }
}

void
bn_j_fail (BnJ *j, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  set_error (j, format, args);
  va_end (args);
  longjmp (j->on_failure, 1);
}

const char *
bn_j_printf (BnJ *j, const char *format, ...)
{
  char small[128];
  va_list args;
  int size;
  char *text;

  va_start (args, format);
  size = g_vsnprintf (small, sizeof small, format, args);
  va_end (args);
  text = bn_j_alloc (j, (size_t) size + 1, 1);
  if ((size_t) size < sizeof small) {
    memcpy (text, small, (size_t) size);
    return text;
  }
  va_start (args, format);
  g_vsnprintf (text, (gulong) size + 1, format, args);
  va_end (args);
  return text;
}

void
bn_j_check_steps (BnJ *j)
{
  if (j->n_steps >= j->limits.max_steps)
    bn_j_fail (j,
        "the template does not end within the limit of %" G_GUINT64_FORMAT
        " steps",
        j->limits.max_steps);
  if (g_cancellable_is_cancelled (j->cancellable))
    bn_j_fail_with (
        j, G_IO_ERROR, G_IO_ERROR_CANCELLED, "Operation was cancelled");
  j->next_check = MIN (j->n_steps + CHECK_INTERVAL, j->limits.max_steps);
}

/* Where the stack is. Not the address of a variable: the address sanitizer
 * keeps those elsewhere. */
static inline uintptr_t
stack_position (void)
{
  return (uintptr_t) __builtin_frame_address (0);
}

void
bn_j_begin_stack (BnJ *j)
{
  j->stack_base = stack_position ();
}

void
bn_j_check_stack (BnJ *j)
{
  intptr_t used = (intptr_t) (j->stack_base - stack_position ());

  if (G_UNLIKELY (ABS (used) > MAX_STACK))
    bn_j_fail (j, "nested deeper than the limit");
}

/* Lists */

BnJList *
bn_j_list_new (BnJ *j, size_t capacity)
{
  BnJList *list = bn_j_new (j, BnJList);

  if (capacity > 0)
    list->items = bn_j_new_n (j, BnJValue, capacity);
  list->n_allocated = capacity;
  return list;
}

void
bn_j_list_add (BnJ *j, BnJList *list, BnJValue value)
{
  if (list->n == list->n_allocated) {
    size_t capacity = MAX (list->n * 2, (size_t) FIRST_CAPACITY);
    BnJValue *items = bn_j_new_n (j, BnJValue, capacity);

    if (list->n > 0)
      memcpy (items, list->items, list->n * sizeof *items);
    list->items = items;
    list->n_allocated = capacity;
  }
  list->items[list->n++] = value;
}

/* Dicts */

BnJDict *
bn_j_dict_new (BnJ *j)
{
  return bn_j_new (j, BnJDict);
}

static void
index_entry (BnJDict *dict, size_t entry)
{
  size_t mask = dict->index_size - 1;
  size_t slot = dict->entries[entry].hash & mask;

  while (dict->index[slot] != 0)
    slot = (slot + 1) & mask;
  dict->index[slot] = (uint32_t) entry + 1;
}

static void
grow_dict (BnJ *j, BnJDict *dict)
{
  size_t capacity = MAX (dict->n * 2, (size_t) FIRST_CAPACITY);
  BnJEntry *entries = bn_j_new_n (j, BnJEntry, capacity);

  if (capacity > G_MAXUINT32 / 4)
    bn_j_fail (j, "a dict has too many members");
  if (dict->n > 0)
    memcpy (entries, dict->entries, dict->n * sizeof *entries);
  dict->entries = entries;
  dict->n_allocated = capacity;
  if (capacity > SMALL_DICT) {
    dict->index_size = 1;
    while (dict->index_size < 2 * capacity)
      dict->index_size *= 2;
    dict->index = bn_j_new_n (j, uint32_t, dict->index_size);
    for (size_t i = 0; i < dict->n; i++)
      index_entry (dict, i);
  }
}

static BnJEntry *
find_entry (BnJ *j, const BnJDict *dict, BnJValue key, uint64_t hash)
{
  if (dict->index == NULL) {
    for (size_t i = 0; i < dict->n; i++) {
      if (dict->entries[i].hash == hash
          && bn_j_equal (j, dict->entries[i].key, key))
        return &dict->entries[i];
    }
    return NULL;
  }
  for (size_t slot = hash & (dict->index_size - 1); dict->index[slot] != 0;
       slot = (slot + 1) & (dict->index_size - 1)) {
    BnJEntry *entry = &dict->entries[dict->index[slot] - 1];

    if (entry->hash == hash && bn_j_equal (j, entry->key, key))
      return entry;
  }
  return NULL;
}

void
bn_j_dict_set (BnJ *j, BnJDict *dict, BnJValue key, BnJValue value)
{
  uint64_t hash = bn_j_hash (j, key);
  BnJEntry *entry = find_entry (j, dict, key, hash);

  if (entry != NULL) {
    entry->value = value;
    return;
  }
  if (dict->n == dict->n_allocated)
    grow_dict (j, dict);
  dict->entries[dict->n] = (BnJEntry){key, value, hash};
  if (dict->index != NULL)
    index_entry (dict, dict->n);
  dict->n++;
}

gboolean
bn_j_dict_get (BnJ *j, const BnJDict *dict, BnJValue key, BnJValue *value)
{
  const BnJEntry *entry = find_entry (j, dict, key, bn_j_hash (j, key));

  if (entry != NULL)
    *value = entry->value;
  return entry != NULL;
}

gboolean
bn_j_dict_get_string (
    const BnJDict *dict, const BnJString *key, BnJValue *value)
{
  /* Comparing strings takes no run. */
  BnJValue key_value = {
      .type = BN_J_STRING, .string = (BnJString *) (uintptr_t) key};
  const BnJEntry *entry =
      find_entry (NULL, dict, key_value, bn_j_string_hash (key));

  if (entry != NULL)
    *value = entry->value;
  return entry != NULL;
}

/* All values */

BnJValue
bn_j_undefined (BnJ *j, const char *format, ...)
{
  BnJUndefined *undefined = bn_j_new (j, BnJUndefined);
  char message[256];
  va_list args;

  va_start (args, format);
  g_vsnprintf (message, sizeof message, format, args);
  va_end (args);
  undefined->message = bn_j_printf (j, "%s", message);
  return (BnJValue){.type = BN_J_UNDEFINED, .undefined = undefined};
}

const char *
bn_j_type_name (BnJValue value)
{
  switch (value.type) {
    case BN_J_MISSING:
      return "missing";
    case BN_J_UNDEFINED:
      return "Undefined";
    case BN_J_NONE:
      return "None";
    case BN_J_BOOLEAN:
      return "bool";
    case BN_J_INTEGER:
    case BN_J_BIG_INTEGER:
      return "int";
    case BN_J_FLOAT:
      return "float";
    case BN_J_STRING:
      return "str";
    case BN_J_LIST:
      return "list";
    case BN_J_TUPLE:
      return "tuple";
    case BN_J_DICT:
      return "dict";
    case BN_J_RANGE:
      return "range";
    case BN_J_VIEW: {
      static const char *const names[] = {
          "dict_keys", "dict_values", "dict_items"};

      return names[value.view->kind];
    }
    case BN_J_ITERATOR:
      return value.iterator->type_name ? value.iterator->type_name
                                       : "generator";
    case BN_J_NAMESPACE:
      return "Namespace";
    case BN_J_MACRO:
      return "Macro";
    case BN_J_LOOP:
      return "LoopContext";
    case BN_J_CYCLER:
      return "Cycler";
    case BN_J_JOINER:
      return "Joiner";
    case BN_J_FUNCTION:
      return "function";
    case BN_J_METHOD:
      return "builtin_function_or_method";
  }
  return "object";
}

gboolean
bn_j_is_true (BnJ *j, BnJValue value)
{
  switch (value.type) {
    case BN_J_MISSING:
    case BN_J_UNDEFINED:
    case BN_J_NONE:
      return FALSE;
    case BN_J_BOOLEAN:
      return value.boolean;
    case BN_J_INTEGER:
      return value.integer != 0;
    case BN_J_FLOAT:
      return value.number != 0;
    case BN_J_STRING:
      return value.string->size != 0;
    case BN_J_LIST:
    case BN_J_TUPLE:
      return value.list->n != 0;
    case BN_J_DICT:
      return value.dict->n != 0;
    case BN_J_RANGE:
      return value.range->n != 0;
    case BN_J_VIEW:
      return value.view->dict->n != 0;
    case BN_J_LOOP:
      return bn_j_length (j, value) != 0;
    default:
      return TRUE;
  }
}

gboolean
bn_j_is_number (BnJValue value)
{
  return value.type == BN_J_INTEGER || value.type == BN_J_FLOAT
         || value.type == BN_J_BOOLEAN;
}

double
bn_j_to_double (BnJValue number)
{
  return number.type == BN_J_FLOAT     ? number.number
         : number.type == BN_J_INTEGER ? (double) number.integer
                                       : number.boolean;
}

gboolean
bn_j_get_integer (BnJValue value, int64_t *integer)
{
  if (value.type == BN_J_INTEGER)
    *integer = value.integer;
  else if (value.type == BN_J_BOOLEAN)
    *integer = value.boolean;
  else
    return FALSE;
  return TRUE;
}

int64_t
bn_j_expect_integer (BnJ *j, BnJValue value)
{
  int64_t integer = 0;

  if (value.type == BN_J_UNDEFINED)
    bn_j_fail (j, "%s", value.undefined->message);
  if (!bn_j_get_integer (value, &integer))
    bn_j_fail (j, "found %s, expected int", bn_j_type_name (value));
  return integer;
}

BnJString *
bn_j_expect_string (BnJ *j, BnJValue value)
{
  if (value.type == BN_J_UNDEFINED)
    bn_j_fail (j, "%s", value.undefined->message);
  if (value.type != BN_J_STRING)
    bn_j_fail (j, "found %s, expected str", bn_j_type_name (value));
  return value.string;
}

static gboolean
lists_equal (BnJ *j, const BnJList *a, const BnJList *b)
{
  if (a->n != b->n)
    return FALSE;
  for (size_t i = 0; i < a->n; i++) {
    if (!bn_j_is_same (a->items[i], b->items[i])
        && !bn_j_equal (j, a->items[i], b->items[i]))
      return FALSE;
  }
  return TRUE;
}

static gboolean
dicts_equal (BnJ *j, const BnJDict *a, const BnJDict *b)
{
  if (a->n != b->n)
    return FALSE;
  for (size_t i = 0; i < a->n; i++) {
    BnJValue other;

    if (!bn_j_dict_get (j, b, a->entries[i].key, &other)
        || !bn_j_equal (j, a->entries[i].value, other))
      return FALSE;
  }
  return TRUE;
}

/* Exact also where an integer has no double of its own. */
static int
compare_numbers (BnJValue a, BnJValue b, gboolean *is_unordered)
{
  int64_t x, y;
  double p, q;

  *is_unordered = FALSE;
  if (bn_j_get_integer (a, &x) && bn_j_get_integer (b, &y))
    return x < y ? -1 : x > y;
  p = bn_j_to_double (a);
  q = bn_j_to_double (b);
  *is_unordered = isnan (p) || isnan (q);
  if (p == q && a.type != b.type && fabs (p) < 9.2e18) {
    x = a.type == BN_J_FLOAT ? (int64_t) p : bn_j_expect_integer (NULL, a);
    y = b.type == BN_J_FLOAT ? (int64_t) q : bn_j_expect_integer (NULL, b);
    return x < y ? -1 : x > y;
  }
  return p < q ? -1 : p > q;
}

gboolean
bn_j_equal (BnJ *j, BnJValue a, BnJValue b)
{
  if (j != NULL && a.type >= BN_J_LIST) {
    bn_j_check_stack (j);
    bn_j_step (j, 1);
  }
  if (bn_j_is_number (a) && bn_j_is_number (b)) {
    gboolean is_unordered;

    return compare_numbers (a, b, &is_unordered) == 0 && !is_unordered;
  }
  if (a.type != b.type)
    return FALSE;
  switch (a.type) {
    case BN_J_UNDEFINED:
    case BN_J_NONE:
      return TRUE;
    case BN_J_STRING:
    case BN_J_BIG_INTEGER:
      return bn_j_string_equal (a.string, b.string);
    case BN_J_LIST:
    case BN_J_TUPLE:
      return lists_equal (j, a.list, b.list);
    case BN_J_DICT:
      return dicts_equal (j, a.dict, b.dict);
    case BN_J_RANGE:
      return a.range->n == b.range->n
             && (a.range->n == 0
                 || (a.range->start == b.range->start
                     && (a.range->n == 1 || a.range->step == b.range->step)));
    case BN_J_METHOD:
      return a.method->callable == b.method->callable
             && bn_j_is_same (a.method->self, b.method->self);
    default:
      return a.pointer == b.pointer;
  }
}

gboolean
bn_j_is_same (BnJValue a, BnJValue b)
{
  if (a.type != b.type)
    return FALSE;
  switch (a.type) {
    case BN_J_NONE:
      return TRUE;
    case BN_J_BOOLEAN:
      return a.boolean == b.boolean;
    case BN_J_INTEGER:
      return a.integer == b.integer;
    case BN_J_FLOAT:
      return a.number == b.number;
    case BN_J_STRING:
      return a.string == b.string
             || (a.string->is_markup == b.string->is_markup
                 && bn_j_string_equal (a.string, b.string));
    default:
      return a.pointer == b.pointer;
  }
}

static int
compare_strings (const BnJString *a, const BnJString *b)
{
  int order = memcmp (a->text, b->text, MIN (a->size, b->size));

  return order != 0 ? order : a->size < b->size ? -1 : a->size > b->size;
}

int
bn_j_compare (BnJ *j, BnJValue a, BnJValue b, const char *operator_)
{
  bn_j_check_stack (j);
  bn_j_step (j, 1);
  if (a.type == BN_J_UNDEFINED || b.type == BN_J_UNDEFINED)
    bn_j_fail (j, "%s", (a.type == BN_J_UNDEFINED ? a : b).undefined->message);
  if (bn_j_is_number (a) && bn_j_is_number (b)) {
    gboolean is_unordered;
    int order = compare_numbers (a, b, &is_unordered);

    return is_unordered ? BN_J_UNORDERED : order;
  }
  if (a.type == b.type) {
    if (a.type == BN_J_STRING)
      return compare_strings (a.string, b.string);
    if (a.type == BN_J_LIST || a.type == BN_J_TUPLE) {
      for (size_t i = 0; i < a.list->n && i < b.list->n; i++) {
        if (!bn_j_equal (j, a.list->items[i], b.list->items[i]))
          return bn_j_compare (
              j, a.list->items[i], b.list->items[i], operator_);
      }
      return a.list->n < b.list->n ? -1 : a.list->n > b.list->n;
    }
  }
  bn_j_fail (j, "'%s' not supported between instances of '%s' and '%s'",
      operator_, bn_j_type_name (a), bn_j_type_name (b));
}

/* The finalizer of SplitMix64. */
static uint64_t
mix (uint64_t x)
{
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9u;
  x = (x ^ x >> 27) * 0x94D049BB133111EBu;
  return x ^ x >> 31;
}

uint64_t
bn_j_hash (BnJ *j, BnJValue value)
{
  uint64_t hash = value.type;

  switch (value.type) {
    case BN_J_BOOLEAN:
      return mix ((uint64_t) value.boolean);
    case BN_J_INTEGER:
      return mix ((uint64_t) value.integer);
    case BN_J_FLOAT:
      if (value.number == floor (value.number) && fabs (value.number) < 9.2e18)
        return mix ((uint64_t) (int64_t) value.number);
      memcpy (&hash, &value.number, sizeof hash);
      return mix (hash);
    case BN_J_STRING:
    case BN_J_BIG_INTEGER:
      return bn_j_string_hash (value.string);
    case BN_J_TUPLE:
      bn_j_check_stack (j);
      for (size_t i = 0; i < value.list->n; i++)
        hash = mix (hash ^ bn_j_hash (j, value.list->items[i]));
      return hash;
    case BN_J_NONE:
    case BN_J_UNDEFINED:
      return mix (hash);
    case BN_J_LIST:
    case BN_J_DICT:
      bn_j_fail (j, "unhashable type: '%s'", bn_j_type_name (value));
    default:
      return mix ((uintptr_t) value.pointer);
  }
}

size_t
bn_j_length (BnJ *j, BnJValue value)
{
  switch (value.type) {
    case BN_J_STRING:
      return bn_j_count_chars (value.string);
    case BN_J_LIST:
    case BN_J_TUPLE:
      return value.list->n;
    case BN_J_DICT:
      return value.dict->n;
    case BN_J_RANGE:
      return (size_t) value.range->n;
    case BN_J_VIEW:
      return value.view->dict->n;
    case BN_J_UNDEFINED:
      return 0;
    case BN_J_LOOP:
      return bn_j_loop_length (j, value.loop);
    default:
      return SIZE_MAX;
  }
}
