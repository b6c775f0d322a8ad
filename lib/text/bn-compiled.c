/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Layout of compiled tables. Nothing is read before the digest is right but
 * the size, and nothing is believed after that but what was compared. */
#include "bn-compiled.h"

#include <string.h>

#include "bitnet-version.h"
#include "bn-unicode.h"

enum {
  SECTION_ALIGNMENT = 64,
  BASE_ALIGNMENT = 8,
  PIECE_SIZE = 1 << 18, /* written and digested at once: stays in the cache */
};

static const char magic[8] = {'B', 'N', 'T', 'A', 'B', 'L', 'E', 'S'};

typedef struct {
  char magic[sizeof magic];
  uint32_t format;
  uint32_t abi;
  uint64_t size; /* of the file */
  BnDigest source;
  uint32_t n_sections;
  uint32_t reserved;
} Header;

typedef struct {
  uint32_t id;
  uint32_t element_size;
  uint64_t offset;
  uint64_t n_elements;
} Section;

struct BnCompiled {
  GBytes *bytes;
  const uint8_t *data;
  Section sections[BN_N_SECTIONS]; /* by id; element_size 0 if absent */
};

typedef struct {
  Section section;
  const void *data;
} Source;

struct BnCompiledWriter {
  GArray *sources;   /* Source */
  GPtrArray *copies; /* to be freed */
};

/* Tells machines apart that could not read each other's numbers. */
static uint32_t
get_abi (void)
{
  return UINT32_C (0x01020300) | (uint32_t) sizeof (void *);
}

static uint64_t
align (uint64_t offset)
{
  return (offset + SECTION_ALIGNMENT - 1) / SECTION_ALIGNMENT
         * SECTION_ALIGNMENT;
}

/* Whether a section lies in the file, behind the table and in front of the
 * digest at end. */
static gboolean
section_fits (const Section *section, uint64_t begin, uint64_t end)
{
  return section->id > 0 && section->id < BN_N_SECTIONS
         && section->element_size > 0
         && section->offset % SECTION_ALIGNMENT == 0 && section->offset >= begin
         && section->offset <= end
         && section->n_elements
                <= (end - section->offset) / section->element_size;
}

/* Whether the digest of what is in front of end stands there. */
static gboolean
has_digest (const uint8_t *data, uint64_t end, const BnDigestKey *key)
{
  BnDigester digester;
  BnDigest digest;

  bn_digester_init (&digester, key);
  bn_digester_update (&digester, data, end);
  bn_digester_finish (&digester, &digest);
  return memcmp (&digest, data + end, sizeof digest) == 0;
}

static const char *
find_problem (BnCompiled *self, size_t size, const BnDigestKey *key,
    const BnDigest *source)
{
  Header header;
  uint64_t begin, end;

  if (size < sizeof header + sizeof (BnDigest))
    return "it is truncated";
  memcpy (&header, self->data, sizeof header);
  if (memcmp (header.magic, magic, sizeof magic) != 0)
    return "it has no tables";
  if (header.format != BN_COMPILED_FORMAT || header.abi != get_abi ())
    return "it is of another version";
  if (header.size != size)
    return "it is truncated";
  if (memcmp (&header.source, source, sizeof *source) != 0)
    return "it is of another source";
  if ((uintptr_t) self->data % BASE_ALIGNMENT != 0)
    return "it is not aligned";

  end = size - sizeof (BnDigest);
  if (key && !has_digest (self->data, end, key))
    return "its digest is wrong";

  if (header.n_sections > BN_N_SECTIONS
      || header.n_sections > (end - sizeof header) / sizeof (Section))
    return "it has too many sections";
  begin = sizeof header + header.n_sections * sizeof (Section);
  for (uint32_t i = 0; i < header.n_sections; i++) {
    Section section;

    memcpy (&section, self->data + sizeof header + i * sizeof section,
        sizeof section);
    if (!section_fits (&section, begin, end))
      return "a section is outside";
    self->sections[section.id] = section;
  }
  return NULL;
}

BnCompiled *
bn_compiled_new (GBytes *bytes, const BnDigestKey *key, const BnDigest *source,
    const char **problem)
{
  g_autoptr (BnCompiled) self = g_new0 (BnCompiled, 1);
  gsize size;

  self->bytes = g_bytes_ref (bytes);
  self->data = g_bytes_get_data (bytes, &size);
  *problem = find_problem (self, size, key, source);
  return *problem ? NULL : g_steal_pointer (&self);
}

void
bn_compiled_free (BnCompiled *self)
{
  g_bytes_unref (self->bytes);
  g_free (self);
}

const void *
bn_compiled_get (const BnCompiled *self, BnSectionId id, size_t element_size,
    size_t *n_elements)
{
  const Section *section = &self->sections[id];

  if (section->element_size != element_size)
    return NULL;
  *n_elements = (size_t) section->n_elements;
  return self->data + section->offset;
}

const void *
bn_compiled_get_n (const BnCompiled *self, BnSectionId id, size_t element_size,
    size_t n_elements)
{
  size_t found;
  const void *data = bn_compiled_get (self, id, element_size, &found);

  return data && found == n_elements ? data : NULL;
}

BnCompiledWriter *
bn_compiled_writer_new (void)
{
  BnCompiledWriter *self = g_new (BnCompiledWriter, 1);

  self->sources = g_array_new (FALSE, TRUE, sizeof (Source));
  self->copies = g_ptr_array_new_with_free_func (g_free);
  return self;
}

void
bn_compiled_writer_free (BnCompiledWriter *self)
{
  g_array_unref (self->sources);
  g_ptr_array_unref (self->copies);
  g_free (self);
}

void
bn_compiled_writer_add (BnCompiledWriter *self, BnSectionId id,
    const void *data, size_t element_size, size_t n_elements)
{
  Source source = {.data = data};

  source.section.id = (uint32_t) id;
  source.section.element_size = (uint32_t) element_size;
  source.section.n_elements = n_elements;
  g_array_append_val (self->sources, source);
}

void
bn_compiled_writer_add_copy (BnCompiledWriter *self, BnSectionId id,
    const void *data, size_t element_size, size_t n_elements)
{
  void *copy = g_memdup2 (data, element_size * n_elements);

  g_ptr_array_add (self->copies, copy);
  bn_compiled_writer_add (self, id, copy, element_size, n_elements);
}

static uint64_t
source_size (const Source *source)
{
  return source->section.n_elements * source->section.element_size;
}

/* Sets the places of the sections; returns where the digest is. */
static uint64_t
place_sections (const BnCompiledWriter *self)
{
  uint64_t end = sizeof (Header) + self->sources->len * sizeof (Section);

  for (guint i = 0; i < self->sources->len; i++) {
    Source *source = &g_array_index (self->sources, Source, i);

    source->section.offset = align (end);
    end = source->section.offset + source_size (source);
  }
  return end;
}

size_t
bn_compiled_writer_get_size (const BnCompiledWriter *self)
{
  return (size_t) place_sections (self) + sizeof (BnDigest);
}

/* Where the bytes go, and how many there were. */
typedef struct {
  BnDigester digester;
  BnCompiledSink sink;
  void *user_data;
} Output;

static gboolean
put (Output *out, const void *data, uint64_t size)
{
  const uint8_t *p = data;

  while (size > 0) {
    size_t n = (size_t) MIN (size, PIECE_SIZE);

    bn_digester_update (&out->digester, p, n);
    if (!out->sink (p, n, out->user_data))
      return FALSE;
    p += n;
    size -= n;
  }
  return TRUE;
}

gboolean
bn_compiled_writer_write (BnCompiledWriter *self, const BnDigestKey *key,
    const BnDigest *source, BnCompiledSink sink, void *user_data)
{
  static const uint8_t zeros[SECTION_ALIGNMENT];
  Output out = {.sink = sink, .user_data = user_data};
  Header header = {.format = BN_COMPILED_FORMAT, .abi = get_abi ()};
  BnDigest digest;

  memcpy (header.magic, magic, sizeof magic);
  header.size = place_sections (self) + sizeof digest;
  header.source = *source;
  header.n_sections = self->sources->len;
  bn_digester_init (&out.digester, key);
  if (!put (&out, &header, sizeof header))
    return FALSE;
  for (guint i = 0; i < self->sources->len; i++) {
    const Source *item = &g_array_index (self->sources, Source, i);

    if (!put (&out, &item->section, sizeof item->section))
      return FALSE;
  }
  for (guint i = 0; i < self->sources->len; i++) {
    const Source *item = &g_array_index (self->sources, Source, i);

    if (!put (&out, zeros, item->section.offset - out.digester.size)
        || !put (&out, item->data, source_size (item)))
      return FALSE;
  }
  bn_digester_finish (&out.digester, &digest);
  return sink (&digest, sizeof digest, user_data);
}

void
bn_compiled_begin_source (BnDigester *digester, const BnDigestKey *key)
{
  const uint32_t numbers[] = {BN_COMPILED_FORMAT, get_abi ()};

  bn_digester_init (digester, key);
  bn_digester_update (digester, numbers, sizeof numbers);
  bn_digester_add_string (digester, BITNET_VERSION);
  bn_digester_add_string (digester, BN_UNICODE_VERSION);
}
