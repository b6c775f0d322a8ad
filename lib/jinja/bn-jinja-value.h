/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values of the interpreter, and the run that owns them. J stands for Jinja.
 *
 * All memory of a compilation or rendering lies in the arena of one BnJ and
 * is freed with it, so values need no reference counts and errors may leave
 * from any depth: bn_j_fail() jumps to the entry point. Between the entry
 * points nothing owns memory outside the arena.
 *
 * A text is bytes of UTF-8 and a list of the ranges of them that came from
 * outside the template. Texts are immutable. Several may share one buffer:
 * appending to the text at the end of a buffer writes behind it, so that a
 * template that builds a text piece by piece takes linear time. */
#pragma once

#include <setjmp.h>
#include <stdbool.h>

#include "bn-jinja.h"

typedef struct BnJ BnJ;

typedef enum {
  BN_J_MISSING, /* no value: a variable not set, an argument not given */
  BN_J_UNDEFINED,
  BN_J_NONE,
  BN_J_BOOLEAN,
  BN_J_INTEGER,
  BN_J_BIG_INTEGER, /* beyond 64 bit: can only be written */
  BN_J_FLOAT,
  BN_J_STRING,
  BN_J_LIST,
  BN_J_TUPLE,
  BN_J_DICT,
  BN_J_RANGE,
  BN_J_VIEW, /* keys, values or items of a dict */
  BN_J_ITERATOR,
  BN_J_NAMESPACE,
  BN_J_MACRO,
  BN_J_LOOP,
  BN_J_CYCLER,
  BN_J_JOINER,
  BN_J_FUNCTION,
  BN_J_METHOD,
} BnJType;

typedef struct {
  char *text;
  size_t used, capacity;
  BnJinjaRange *ranges; /* what is untrusted; may end behind a text */
  size_t n_ranges, n_ranges_allocated;
} BnJBuffer;

typedef struct {
  const char *text; /* not NUL-terminated */
  size_t size;
  const BnJinjaRange *ranges; /* ends beyond size mean size */
  size_t n_ranges;
  BnJBuffer *buffer;  /* that it lies in, or NULL */
  size_t n_chars;     /* SIZE_MAX: not counted yet */
  uint64_t hash;      /* 0: not computed yet */
  gboolean is_markup; /* result of escape or safe */
} BnJString;

typedef struct BnJList BnJList;
typedef struct BnJDict BnJDict;
typedef struct BnJUndefined BnJUndefined;
typedef struct BnJRange BnJRange;
typedef struct BnJView BnJView;
typedef struct BnJIterator BnJIterator;
typedef struct BnJMacro BnJMacro;
typedef struct BnJLoop BnJLoop;
typedef struct BnJCycler BnJCycler;
typedef struct BnJJoiner BnJJoiner;
typedef struct BnJMethod BnJMethod;
typedef struct BnJCallable BnJCallable;

typedef struct {
  BnJType type;
  union {
    bool boolean;
    int64_t integer;
    double number;
    BnJString *string; /* also of big integers */
    BnJList *list;     /* also of tuples */
    BnJDict *dict;     /* also of namespaces */
    BnJUndefined *undefined;
    BnJRange *range;
    BnJView *view;
    BnJIterator *iterator;
    BnJMacro *macro;
    BnJLoop *loop;
    BnJCycler *cycler;
    BnJJoiner *joiner;
    BnJMethod *method;
    const BnJCallable *function;
    const void *pointer;
  };
} BnJValue;

struct BnJList {
  BnJValue *items;
  size_t n, n_allocated;
  bool is_group; /* a tuple of groupby: grouper, list */
};

typedef struct {
  BnJValue key, value;
  uint64_t hash;
} BnJEntry;

/* In the order of insertion, with an index of open addressing. */
struct BnJDict {
  BnJEntry *entries;
  size_t n, n_allocated;
  uint32_t *index; /* entry + 1, 0 for none; NULL while small */
  size_t index_size;
};

struct BnJUndefined {
  const char *message; /* what using it says */
};

struct BnJRange {
  int64_t start, stop, step;
  int64_t n;
};

struct BnJView {
  enum { BN_J_KEYS, BN_J_VALUES, BN_J_ITEMS } kind;
  const BnJDict *dict;
};

/* next() gives FALSE at the end, and is not called again then. */
struct BnJIterator {
  gboolean (*next) (BnJ *j, BnJIterator *self, BnJValue *value);
  BnJValue source;
  BnJIterator *inner;
  int64_t at, end, step;
  void *data;
  const char *type_name;
  bool is_done;
};

struct BnJCycler {
  BnJValue *items;
  size_t n, at;
};

struct BnJJoiner {
  BnJValue separator;
  bool is_used;
};

typedef struct {
  const BnJString *name;
  BnJValue value;
} BnJKeyword;

typedef struct {
  BnJValue *values;
  size_t n;
  BnJKeyword *keywords;
  size_t n_keywords;
} BnJArgs;

/* A filter, test, method or function written in C. parameters lists names;
 * those behind "?" may be left out (then they are MISSING), those behind "/"
 * cannot be named. With "*" the function takes args itself. p has a place
 * for each parameter. */
typedef BnJValue (*BnJNative) (
    BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args);

struct BnJCallable {
  const char *name;
  const char *parameters;
  BnJNative call;
};

enum { BN_J_MAX_PARAMETERS = 6 };

struct BnJMethod {
  BnJValue self;
  const BnJCallable *callable;
};

struct BnJ {
  /* arena */
  struct BnJChunk *chunks;
  char *free, *end;
  size_t memory;

  BnJinjaLimits limits;
  guint64 n_steps, next_check;
  guint depth;
  uintptr_t stack_base;
  GCancellable *cancellable;

  jmp_buf on_failure;
  GError **error;
  const char *source; /* for positions in messages; may be NULL */
  size_t source_size;
  size_t at; /* offset in source of what is being done */

  /* of a rendering */
  const struct BnJProgram *program;
  const BnJDict *variables; /* given by the caller */
  BnJDict *exported;        /* set at the top level, for blocks */
  struct BnJFrame *frame;
  BnJBuffer *output; /* where statements write */
  const struct tm *now;
};

/* Run */

void bn_j_init (BnJ *j, const BnJinjaLimits *limits, GError **error);
void bn_j_clear (BnJ *j);

/* Zeroed memory of the arena. */
void *bn_j_alloc (BnJ *j, size_t n, size_t size);
#define bn_j_new(j, Type) ((Type *) bn_j_alloc ((j), 1, sizeof (Type)))
#define bn_j_new_n(j, Type, n) ((Type *) bn_j_alloc ((j), (n), sizeof (Type)))

/* Message with line and column of j->at. */
G_NORETURN void bn_j_fail (BnJ *j, const char *format, ...)
    G_GNUC_PRINTF (2, 3);
G_NORETURN void bn_j_fail_with (
    BnJ *j, GQuark domain, int code, const char *message); /* message alone */
const char *bn_j_printf (BnJ *j, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Counts work; fails when the limit is reached or the user cancelled. */
void bn_j_check_steps (BnJ *j);
static inline void
bn_j_step (BnJ *j, size_t n)
{
  j->n_steps += n;
  if (G_UNLIKELY (j->n_steps >= j->next_check))
    bn_j_check_steps (j);
}

/* Recursion counts from here; fails when it has used up its stack. */
void bn_j_begin_stack (BnJ *j);
void bn_j_check_stack (BnJ *j);

/* Values */

static inline BnJValue
bn_j_none (void)
{
  return (BnJValue){.type = BN_J_NONE};
}

static inline BnJValue
bn_j_missing (void)
{
  return (BnJValue){.type = BN_J_MISSING};
}

static inline BnJValue
bn_j_boolean (bool boolean)
{
  return (BnJValue){.type = BN_J_BOOLEAN, .boolean = boolean};
}

static inline BnJValue
bn_j_integer (int64_t integer)
{
  return (BnJValue){.type = BN_J_INTEGER, .integer = integer};
}

static inline BnJValue
bn_j_number (double number)
{
  return (BnJValue){.type = BN_J_FLOAT, .number = number};
}

static inline BnJValue
bn_j_string (BnJString *string)
{
  return (BnJValue){.type = BN_J_STRING, .string = string};
}

static inline BnJValue
bn_j_list (BnJList *list)
{
  return (BnJValue){.type = BN_J_LIST, .list = list};
}

static inline BnJValue
bn_j_tuple (BnJList *list)
{
  return (BnJValue){.type = BN_J_TUPLE, .list = list};
}

static inline BnJValue
bn_j_dict (BnJDict *dict)
{
  return (BnJValue){.type = BN_J_DICT, .dict = dict};
}

BnJValue bn_j_undefined (BnJ *j, const char *format, ...) G_GNUC_PRINTF (2, 3);

const char *bn_j_type_name (BnJValue value); /* as Python calls it */
gboolean bn_j_is_true (BnJ *j, BnJValue value);
gboolean bn_j_is_number (BnJValue value); /* booleans are numbers */
double bn_j_to_double (BnJValue number);
/* Integers and booleans. */
gboolean bn_j_get_integer (BnJValue value, int64_t *integer);
int64_t bn_j_expect_integer (BnJ *j, BnJValue value);
BnJString *bn_j_expect_string (BnJ *j, BnJValue value);

gboolean bn_j_equal (BnJ *j, BnJValue a, BnJValue b);
gboolean bn_j_is_same (BnJValue a, BnJValue b);
int bn_j_compare (BnJ *j, BnJValue a, BnJValue b, const char *operator_);
uint64_t bn_j_hash (BnJ *j, BnJValue value);
/* Items of a sequence or iterable; SIZE_MAX if it has no length. */
size_t bn_j_length (BnJ *j, BnJValue value);

/* Strings */

extern const BnJinjaRange bn_j_all; /* the range of an untrusted text */

/* text is not copied. */
BnJString *bn_j_string_new (
    BnJ *j, const char *text, size_t size, BnJinjaTrust trust);
BnJValue bn_j_text (BnJ *j, const char *text); /* trusted, not copied */
BnJValue bn_j_copy_text (BnJ *j, const char *text, size_t size);
BnJString *bn_j_substring (
    BnJ *j, const BnJString *string, size_t begin, size_t end);
size_t bn_j_count_chars (BnJString *string);
uint64_t bn_j_string_hash (const BnJString *string);
gboolean bn_j_string_equal (const BnJString *a, const BnJString *b);
gboolean bn_j_string_is (const BnJString *string, const char *text);
gboolean bn_j_is_untrusted (const BnJString *string); /* any byte of it */
/* Byte offset of a character, which is at most n_chars. */
size_t bn_j_offset_of (const BnJString *string, size_t n_chars);
/* Offset of part from begin on; SIZE_MAX if it is not there. */
size_t bn_j_find (const char *text, size_t size, const char *part,
    size_t part_size, size_t begin);

/* Buffers */

BnJBuffer *bn_j_buffer_new (BnJ *j, size_t capacity);
void bn_j_append (BnJ *j, BnJBuffer *buffer, const char *text, size_t size,
    BnJinjaTrust trust);
void bn_j_append_text (BnJ *j, BnJBuffer *buffer, const char *text);
void bn_j_append_string (BnJ *j, BnJBuffer *buffer, const BnJString *string);
void bn_j_append_part (BnJ *j, BnJBuffer *buffer, const BnJString *string,
    size_t begin, size_t end);
BnJString *bn_j_buffer_finish (BnJ *j, BnJBuffer *buffer);
/* All of it untrusted if that is set. */
BnJString *bn_j_buffer_finish_as (
    BnJ *j, BnJBuffer *buffer, gboolean is_untrusted);
BnJString *bn_j_concat (BnJ *j, BnJString *a, BnJString *b);

/* Lists and dicts */

BnJList *bn_j_list_new (BnJ *j, size_t capacity);
void bn_j_list_add (BnJ *j, BnJList *list, BnJValue value);
BnJDict *bn_j_dict_new (BnJ *j);
void bn_j_dict_set (BnJ *j, BnJDict *dict, BnJValue key, BnJValue value);
gboolean bn_j_dict_get (
    BnJ *j, const BnJDict *dict, BnJValue key, BnJValue *value);
gboolean bn_j_dict_get_string (
    const BnJDict *dict, const BnJString *key, BnJValue *value);
