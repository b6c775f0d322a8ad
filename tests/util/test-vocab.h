/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small GGUF files with a tokenizer, made in memory, so that tests need no
 * model. */
#pragma once

#include <glib.h>

/* Key-value pairs on their way into a GGUF file. A key that is set again
 * replaces the pair; test_vocab_remove() takes it away. */
typedef struct TestVocab TestVocab;

TestVocab *test_vocab_new (void);
void test_vocab_free (TestVocab *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestVocab, test_vocab_free)

void test_vocab_set_string (
    TestVocab *self, const char *key, const char *value);
void test_vocab_set_uint (TestVocab *self, const char *key, guint32 value);
void test_vocab_set_bool (TestVocab *self, const char *key, gboolean value);
void test_vocab_remove (TestVocab *self, const char *key);

/* Appends a token (type as in tokenizer.ggml.token_type) or a merge. */
guint32 test_vocab_add (
    TestVocab *self, const char *text, gint32 type, float score);
void test_vocab_add_merge (TestVocab *self, const char *merge);

/* The pairs and, unless their keys were removed, the arrays tokens,
 * token_type, scores and merges as a GGUF file. */
GBytes *test_vocab_to_bytes (TestVocab *self);

/* The spelling of bytes in byte-level vocabularies. */
char *test_vocab_spell (const void *bytes, gsize size);

/* Byte-level BPE: ids 0 to 255 are the bytes; then the merges of "hello",
 * " world" and some others, "<|begin|>" (BOS) and "<|eot_id|>" (EOS), control,
 * and "<tool>", user-defined. */
TestVocab *test_vocab_new_bpe (void);

/* SentencePiece: <unk>, <s>, </s>, 256 byte tokens, pieces up to "▁hello" and
 * "▁world", a user-defined "<tool>". */
TestVocab *test_vocab_new_spm (void);

/* The bytes as a byte-level BPE without merges in the form of tokenizer.json,
 * then tokens that no text gives, n_tokens (at least 256) in all. (transfer
 * full) */
char *test_vocab_new_json (guint n_tokens);
