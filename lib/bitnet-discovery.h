/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* BitnetDiscovery: what a model file says about its tokenizer. */
#pragma once

#include <gio/gio.h>
#include "bitnet-version.h"
#include "bitnet-model.h"

G_BEGIN_DECLS

/**
 * BitnetConfidence:
 * @BITNET_CONFIDENCE_EXACT: somebody named it: the application, the model file
 *   or the place where the model lies
 * @BITNET_CONFIDENCE_PROBABLE: files beside the model, or the description of
 *   its repository, name it
 * @BITNET_CONFIDENCE_COMPATIBLE: the family of the model has it; other models
 *   with the same numbers may have another
 *
 * How sure it is that a repository has the tokenizer of a model.
 */
typedef enum {
  BITNET_CONFIDENCE_EXACT,
  BITNET_CONFIDENCE_PROBABLE,
  BITNET_CONFIDENCE_COMPATIBLE,
} BitnetConfidence;

#define BITNET_TYPE_CONFIDENCE (bitnet_confidence_get_type ())
BITNET_AVAILABLE_IN_ALL
GType bitnet_confidence_get_type (void);

/**
 * BitnetCandidate:
 * @repository: `owner/name`
 * @revision: (nullable): branch, tag or commit; %NULL for the usual one
 * @reason: where it comes from, for people: `general.base_model.0.repo_url`
 * @confidence: how sure it is
 * @family: (nullable): name of the family in the matrix, if that has it
 * @is_unique: no other family has the same numbers
 * @is_gated: it is known to want its terms accepted; the hub's answer decides
 * @is_equivalent: stands in for another one that is gated
 *
 * A repository that may have the tokenizer.
 */
typedef struct {
  char *repository;
  char *revision;
  char *reason;
  BitnetConfidence confidence;
  char *family;
  gboolean is_unique;
  gboolean is_gated;
  gboolean is_equivalent;
} BitnetCandidate;

#define BITNET_TYPE_CANDIDATE (bitnet_candidate_get_type ())
BITNET_AVAILABLE_IN_ALL
GType bitnet_candidate_get_type (void);

/**
 * bitnet_candidate_copy:
 * @self: a candidate
 *
 * Returns: (transfer full): a copy
 */
BITNET_AVAILABLE_IN_ALL
BitnetCandidate *bitnet_candidate_copy (const BitnetCandidate *self);

/**
 * bitnet_candidate_free:
 * @self: (transfer full): a candidate
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_candidate_free (BitnetCandidate *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BitnetCandidate, bitnet_candidate_free)

/**
 * BitnetDiscovery:
 *
 * Everything that a model says about its tokenizer: numbers, names, the
 * family it belongs to, and the repositories that may have the tokenizer.
 * Immutable; every function may be called from any thread. Nothing here uses
 * the network.
 *
 * |[<!-- language="C" -->
 * g_autoptr (BitnetDiscovery) discovery
 *     = bitnet_discovery_new_from_model (model);
 *
 * g_print ("%u rows, family %s\n", bitnet_discovery_get_n_rows (discovery),
 *     bitnet_discovery_get_family (discovery));
 * ]|
 */
#define BITNET_TYPE_DISCOVERY (bitnet_discovery_get_type ())
BITNET_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (
    BitnetDiscovery, bitnet_discovery, BITNET, DISCOVERY, GObject)

/**
 * bitnet_discovery_new_from_model:
 * @model: an opened model
 *
 * Takes below a millisecond.
 *
 * Returns: (transfer full): what it says
 */
BITNET_AVAILABLE_IN_ALL
BitnetDiscovery *bitnet_discovery_new_from_model (BitnetModel *model);

/**
 * bitnet_discovery_new_for_path:
 * @path: (type filename): a GGUF file, or a folder with one or none
 * @cancellable: (nullable): stops the opening
 * @error: return location for an error
 *
 * Opens a model file and looks at it. A file that cannot be read as a model is
 * no error: the result then knows its path and its name alone, and
 * bitnet_discovery_get_error() says why. Only cancellation is an error.
 *
 * Returns: (transfer full): what it says, or %NULL with @error set
 */
BITNET_AVAILABLE_IN_ALL
BitnetDiscovery *bitnet_discovery_new_for_path (
    const char *path, GCancellable *cancellable, GError **error);

/**
 * bitnet_discovery_new_for_path_async:
 * @path: (type filename): a GGUF file, or a folder with one or none
 * @io_priority: priority of the callback
 * @cancellable: (nullable): stops the opening
 * @callback: (scope async): called when it is done
 * @user_data: (closure): data of the caller
 *
 * bitnet_discovery_new_for_path() in another thread.
 */
BITNET_AVAILABLE_IN_ALL
void bitnet_discovery_new_for_path_async (const char *path, int io_priority,
    GCancellable *cancellable, GAsyncReadyCallback callback,
    gpointer user_data);

/**
 * bitnet_discovery_new_for_path_finish:
 * @result: what the callback got
 * @error: return location for an error
 *
 * Returns: (transfer full): what it says, or %NULL with @error set
 */
BITNET_AVAILABLE_IN_ALL
BitnetDiscovery *bitnet_discovery_new_for_path_finish (
    GAsyncResult *result, GError **error);

/**
 * bitnet_discovery_get_model:
 * @self: a discovery
 *
 * Returns: (transfer none) (nullable): the model, %NULL if it cannot be read
 */
BITNET_AVAILABLE_IN_ALL
BitnetModel *bitnet_discovery_get_model (BitnetDiscovery *self);

/**
 * bitnet_discovery_get_path:
 * @self: a discovery
 *
 * Returns: (transfer none) (type filename): the path as it was given
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_discovery_get_path (BitnetDiscovery *self);

/**
 * bitnet_discovery_get_error:
 * @self: a discovery
 *
 * Returns: (transfer none) (nullable): why the file is no model, with the code
 *   %BITNET_ERROR_INVALID_MODEL and the byte offset where there is one, or
 *   %BITNET_ERROR_NOT_FOUND if there is no such file
 */
BITNET_AVAILABLE_IN_ALL
const GError *bitnet_discovery_get_error (BitnetDiscovery *self);

/**
 * bitnet_discovery_get_architecture:
 * @self: a discovery
 *
 * Returns: (transfer none) (nullable): `general.architecture`
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_discovery_get_architecture (BitnetDiscovery *self);

/**
 * bitnet_discovery_get_name:
 * @self: a discovery
 *
 * Returns: (transfer none) (nullable): `general.name`, else
 *   `general.basename`, else the file's name without its ending
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_discovery_get_name (BitnetDiscovery *self);

/**
 * bitnet_discovery_get_quantization:
 * @self: a discovery
 *
 * Returns: (transfer none) (nullable): the type of most weights, as
 *   bitnet_model_get_quantization()
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_discovery_get_quantization (BitnetDiscovery *self);

/**
 * bitnet_discovery_get_tokenizer_model:
 * @self: a discovery
 *
 * Returns: (transfer none) (nullable): `tokenizer.ggml.model`
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_discovery_get_tokenizer_model (BitnetDiscovery *self);

/**
 * bitnet_discovery_get_pre:
 * @self: a discovery
 *
 * Returns: (transfer none) (nullable): `tokenizer.ggml.pre`
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_discovery_get_pre (BitnetDiscovery *self);

/**
 * bitnet_discovery_get_implied_pre:
 * @self: a discovery
 *
 * The pre-tokenizer that a vocabulary without `tokenizer.ggml.pre` has
 * according to its family.
 *
 * Returns: (transfer none) (nullable): its name, %NULL if the file has the
 *   key or nothing is known
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_discovery_get_implied_pre (BitnetDiscovery *self);

/**
 * bitnet_discovery_get_n_rows:
 * @self: a discovery
 *
 * Returns: the rows of the token embedding (dimension 1 in GGUF order), which
 *   is what ids index; else of the output matrix, else the key `vocab_size`,
 *   else the length of the token list; 0 if the file has none of these
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_discovery_get_n_rows (BitnetDiscovery *self);

/**
 * bitnet_discovery_get_n_tokens:
 * @self: a discovery
 *
 * Returns: the length of the token list, 0 if the file has none
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_discovery_get_n_tokens (BitnetDiscovery *self);

/**
 * bitnet_discovery_get_default_vocab_size:
 * @self: a discovery
 *
 * For files that do not say how many tokens there are: what models of the
 * architecture mostly have. A guess, never enough for strict mode.
 *
 * Returns: the number of tokens, 0 if nothing is known
 */
BITNET_AVAILABLE_IN_ALL
guint bitnet_discovery_get_default_vocab_size (BitnetDiscovery *self);

/**
 * bitnet_discovery_has_embedded_tokenizer:
 * @self: a discovery
 *
 * Returns: whether the file has kind and tokens of a tokenizer, and merges if
 *   the kind needs them; ids of special tokens alone are none
 */
BITNET_AVAILABLE_IN_ALL
gboolean bitnet_discovery_has_embedded_tokenizer (BitnetDiscovery *self);

/**
 * bitnet_discovery_get_family:
 * @self: a discovery
 *
 * Returns: (transfer none) (nullable): name of the family in the matrix,
 *   %NULL if none or several fit
 */
BITNET_AVAILABLE_IN_ALL
const char *bitnet_discovery_get_family (BitnetDiscovery *self);

/**
 * bitnet_discovery_get_candidates:
 * @self: a discovery
 *
 * Returns: (transfer none) (element-type BitnetCandidate): repositories that
 *   may have the tokenizer, the surest first, no repository twice
 */
BITNET_AVAILABLE_IN_ALL
GPtrArray *bitnet_discovery_get_candidates (BitnetDiscovery *self);

/**
 * bitnet_discovery_list_nearest_families:
 * @self: a discovery
 *
 * Returns: (transfer full) (array zero-terminated=1): for messages: up to
 *   three families whose numbers are closest, as "title (repository)"
 */
BITNET_AVAILABLE_IN_ALL
char **bitnet_discovery_list_nearest_families (BitnetDiscovery *self);

/**
 * bitnet_discovery_to_variant:
 * @self: a discovery
 *
 * All of it, for JSON and logs: a dictionary `a{sv}` with `path`, `error`,
 * `architecture`, `name`, `quantization`, `tokenizer-model`, `pre`,
 * `implied-pre`, `rows`, `tokens`, `embedded-tokenizer`, `family`,
 * `candidates` (`aa{sv}`); what is not known is left out.
 *
 * Returns: (transfer full): the dictionary
 */
BITNET_AVAILABLE_IN_ALL
GVariant *bitnet_discovery_to_variant (BitnetDiscovery *self);

G_END_DECLS
