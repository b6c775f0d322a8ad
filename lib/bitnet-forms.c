/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fixed forms of chat templates, and recognition.
 *
 * A template is a small program in the Jinja language, which this file does
 * not run. It recognises the programs whose effect is one of the forms:
 *
 *   1. Markers (texts only one family writes) name the form.
 *   2. The program is read as a sequence of texts, expressions and
 *      statements. Branches that need tools are left out, because there are
 *      none.
 *   3. Every string in what remains must be one that the form writes or a
 *      name of a role; no text may stand outside of expressions. So a
 *      program that writes a date, thoughts or anything else is not taken
 *      for the form.
 *   4. The words of the program (`bos_token`, `trim`, `raise_exception`)
 *      decide the flags. */
#include "bitnet-forms.h"

#include <string.h>

enum {
  MAX_NESTING = 32,
  /* Several times what any model has: joining strings takes time that grows
   * with its square. */
  MAX_TEMPLATE_SIZE = 256 << 10,
};

static const BnForm forms[] = {
    /* Qwen, Yi, Hermes, SmolLM and many others */
    {"chatml", "<s>", "<|im_end|>", 0, {"<|im_start|>system\n", "<|im_end|>\n"},
        {"<|im_start|>user\n", "<|im_end|>\n"},
        {"<|im_start|>assistant\n", "<|im_end|>\n"}, "<|im_start|>assistant\n"},
    /* The chat models of LLaMA 2, as their own template writes it */
    {"llama-2", "<s>", "</s>",
        BN_FORM_BOS_EACH | BN_FORM_EOS | BN_FORM_TRIM | BN_FORM_ALTERNATE
            | BN_FORM_SYSTEM_IN_USER,
        {"<<SYS>>\n", "\n<</SYS>>\n\n"}, {"[INST] ", " [/INST]"}, {" ", " "},
        ""},
    {"llama-3", "<|begin_of_text|>", "<|eot_id|>", BN_FORM_BOS | BN_FORM_TRIM,
        {"<|start_header_id|>system<|end_header_id|>\n\n", "<|eot_id|>"},
        {"<|start_header_id|>user<|end_header_id|>\n\n", "<|eot_id|>"},
        {"<|start_header_id|>assistant<|end_header_id|>\n\n", "<|eot_id|>"},
        "<|start_header_id|>assistant<|end_header_id|>\n\n"},
    /* Mistral 7B Instruct v0.1 and v0.2, Mixtral */
    {"mistral", "<s>", "</s>",
        BN_FORM_BOS | BN_FORM_EOS | BN_FORM_ALTERNATE | BN_FORM_SYSTEM_IN_USER,
        {"", "\n\n"}, {"[INST] ", " [/INST]"}, {"", ""}, ""},
    {"phi-3", "<s>", "<|endoftext|>", BN_FORM_EOS_AT_END,
        {"<|system|>\n", "<|end|>\n"}, {"<|user|>\n", "<|end|>\n"},
        {"<|assistant|>\n", "<|end|>\n"}, "<|assistant|>\n"},
    {"gemma", "<bos>", "<eos>",
        BN_FORM_BOS | BN_FORM_TRIM | BN_FORM_ALTERNATE | BN_FORM_SYSTEM_IN_USER,
        {"", "\n\n"}, {"<start_of_turn>user\n", "<end_of_turn>\n"},
        {"<start_of_turn>model\n", "<end_of_turn>\n"},
        "<start_of_turn>model\n"},
    /* BitNet b1.58 2B-4T */
    {"bitnet", "<|begin_of_text|>", "<|end_of_text|>",
        BN_FORM_BOS | BN_FORM_TRIM, {"System: ", "<|eot_id|>"},
        {"User: ", "<|eot_id|>"}, {"Assistant: ", "<|eot_id|>"}, "Assistant: "},
    {"none", "", "", BN_FORM_PLAIN, {"", ""}, {"", ""}, {"", ""}, ""},
};

static const struct {
  const char *alias, *name;
} aliases[] = {
    {"qwen", "chatml"},
    {"plain", "none"},
};

/* Strings that say nothing about what is written. */
static const char *const role_names[] = {"system", "user", "assistant", "tool",
    "tool_results", "model", "role", "content", "equalto", "", NULL};

/* The strings of each form's programs besides the frames themselves. */
static const struct {
  const char *name;
  const char *const *strings;
} form_strings[] = {
    {"chatml", (const char *const[]){"<|im_start|>", "\n", "<|im_end|>",
                   "<|im_end|>\n", NULL}},
    {"llama-2", (const char *const[]){"<<SYS>>\n", "\n<</SYS>>\n\n", "[INST] ",
                    " [/INST]", " ", NULL}},
    {"llama-3", (const char *const[]){"<|start_header_id|>",
                    "<|end_header_id|>\n\n", "<|eot_id|>", NULL}},
    {"mistral", (const char *const[]){"[INST]", "[/INST]", "[INST] ",
                    " [/INST]", "\n\n", NULL}},
    {"phi-3", (const char *const[]){"<|user|>\n", "<|assistant|>\n",
                  "<|system|>\n", "<|end|>\n", "<|user|>", "<|assistant|>",
                  "<|system|>", "<|end|>", "\n", NULL}},
    {"gemma", (const char *const[]){"<start_of_turn>", "<end_of_turn>",
                  "<end_of_turn>\n", "\n", "\n\n", NULL}},
    {"bitnet", (const char *const[]){": ", "<|eot_id|>",
                   "System: ", "User: ", "Assistant: ", NULL}},
};

const char *const *
bn_form_list_names (void)
{
  static const char *names[G_N_ELEMENTS (forms) + 1];
  static gsize done = 0;

  if (g_once_init_enter (&done)) {
    for (gsize i = 0; i < G_N_ELEMENTS (forms); i++)
      names[i] = forms[i].name;
    g_once_init_leave (&done, 1);
  }
  return names;
}

const BnForm *
bn_form_by_name (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (aliases); i++) {
    if (strcmp (name, aliases[i].alias) == 0)
      name = aliases[i].name;
  }
  for (gsize i = 0; i < G_N_ELEMENTS (forms); i++) {
    if (strcmp (name, forms[i].name) == 0)
      return &forms[i];
  }
  return NULL;
}

/* Step 1. */
static const BnForm *
find_by_markers (const char *text)
{
  static const struct {
    const char *marker, *second, *name;
  } markers[] = {
      /* What the published file of 2B-4T carries in place of its template */
      {"BITNETAssistant", NULL, "bitnet"},
      {"<|im_start|>", NULL, "chatml"},
      {"[INST]", "<<SYS>>", "llama-2"},
      {"[INST]", NULL, "mistral"},
      {"<|assistant|>", "<|end|>", "phi-3"},
      {"<start_of_turn>", NULL, "gemma"},
      {"<|start_header_id|>", "<|end_header_id|>", "llama-3"},
      {"<|eot_id|>", "Assistant: ", "bitnet"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (markers); i++) {
    if (strstr (text, markers[i].marker) != NULL
        && (markers[i].second == NULL
            || strstr (text, markers[i].second) != NULL))
      return bn_form_by_name (markers[i].name);
  }
  return NULL;
}

/* Step 2: what the program consists of without tools. */
typedef struct {
  GPtrArray *strings; /* of char: the strings, neighbours joined */
  GString *refusals;  /* what the program says when it gives up */
  GString *code;      /* everything else, without blanks */
  gboolean has_text;  /* text outside of expressions and statements */
} Program;

static void
program_clear (Program *program)
{
  g_clear_pointer (&program->strings, g_ptr_array_unref);
  if (program->code != NULL)
    g_string_free (program->code, TRUE);
  if (program->refusals != NULL)
    g_string_free (program->refusals, TRUE);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Program, program_clear)

/* The string literal at *p; *p is then behind it. NULL if it does not end. */
static char *
read_literal (const char **p, const char *end)
{
  GString *literal = g_string_new (NULL);
  char quote = *(*p)++;

  while (*p < end && **p != quote) {
    char c = *(*p)++;

    if (c == '\\' && *p < end) {
      c = *(*p)++;
      c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
    }
    g_string_append_c (literal, c);
  }
  if (*p == end) {
    g_string_free (literal, TRUE);
    return NULL;
  }
  (*p)++;
  return g_string_free (literal, FALSE);
}

static gboolean
ends_with (const GString *text, const char *suffix)
{
  gsize length = strlen (suffix);

  return text->len >= length
         && memcmp (text->str + text->len - length, suffix, length) == 0;
}

/* Adds the strings and the code of one expression or statement. In code a
 * string stands as '' and message['role'] as message.role. */
static gboolean
read_code (Program *program, const char *begin, const char *end)
{
  gboolean joins = FALSE; /* the code since the last string is one + */

  for (const char *p = begin; p < end;) {
    if (*p == '\'' || *p == '"') {
      gboolean is_key = ends_with (program->code, "[");
      g_autofree char *literal = read_literal (&p, end);

      if (literal == NULL)
        return FALSE;
      if (ends_with (program->code, "raise_exception(")) {
        g_string_append (program->refusals, literal);
        joins = FALSE;
      } else if (is_key && p < end && *p == ']') {
        g_string_truncate (program->code, program->code->len - 1);
        g_string_append_printf (program->code, ".%s", literal);
        p++;
        joins = FALSE;
      } else if (joins && ends_with (program->code, "''+")) {
        char **last = (char **) &g_ptr_array_index (
            program->strings, program->strings->len - 1);
        char *joined = g_strconcat (*last, literal, NULL);

        g_free (*last);
        *last = joined;
        g_string_truncate (program->code, program->code->len - 1);
      } else {
        g_ptr_array_add (program->strings, g_steal_pointer (&literal));
        g_string_append (program->code, "''");
        joins = TRUE;
      }
    } else {
      if (!g_ascii_isspace (*p))
        g_string_append_c (program->code, *p);
      p++;
    }
  }
  g_string_append_c (program->code, ';');
  return TRUE;
}

/* Whether a condition asks for tools, which there are none of. */
static gboolean
asks_for_tools (const char *begin, const char *end)
{
  g_autofree char *condition = g_strndup (begin, end - begin);
  g_auto (GStrv) parts = NULL;

  if (g_str_has_prefix (g_strstrip (condition), "not "))
    return FALSE;
  parts = g_strsplit (condition, "not message.tool_calls", -1);
  for (char **part = parts; *part != NULL; part++) {
    if (strstr (*part, "tool") != NULL)
      return TRUE;
  }
  return FALSE;
}

/* Which branches of the nested ifs are read. */
typedef struct {
  guint depth;
  gboolean skips[MAX_NESTING];  /* the branch asks for tools */
  gboolean is_for[MAX_NESTING]; /* the level is a loop */
} Nesting;

static gboolean
is_skipped (const Nesting *nesting)
{
  for (guint i = 0; i < nesting->depth; i++) {
    if (nesting->skips[i])
      return TRUE;
  }
  return FALSE;
}

static gboolean
starts_word (const char *p, const char *end, const char *word)
{
  gsize length = strlen (word);

  return (gsize) (end - p) >= length && strncmp (p, word, length) == 0
         && (p + length == end || !g_ascii_isalnum (p[length]));
}

/* Follows one {% statement %}; FALSE if the nesting makes no sense. */
static gboolean
read_statement (
    Program *program, Nesting *nesting, const char *begin, const char *end)
{
  while (begin < end && g_ascii_isspace (*begin))
    begin++;
  if (starts_word (begin, end, "if") || starts_word (begin, end, "for")) {
    gboolean is_for = *begin == 'f';

    if (nesting->depth == MAX_NESTING)
      return FALSE;
    nesting->is_for[nesting->depth] = is_for;
    nesting->skips[nesting->depth] =
        asks_for_tools (begin + strlen (is_for ? "for" : "if"), end);
    nesting->depth++;
  } else if (starts_word (begin, end, "elif")
             || starts_word (begin, end, "else")) {
    if (nesting->depth == 0)
      return FALSE;
    nesting->skips[nesting->depth - 1] =
        asks_for_tools (begin + strlen ("elif"), end);
  } else if (starts_word (begin, end, "endif")
             || starts_word (begin, end, "endfor")) {
    if (nesting->depth == 0
        || nesting->is_for[nesting->depth - 1]
               != starts_word (begin, end, "endfor"))
      return FALSE;
    nesting->depth--;
    return TRUE;
  } else if (!starts_word (begin, end, "set")) {
    return FALSE; /* macros, includes, ...: no form needs them */
  }
  return is_skipped (nesting) || read_code (program, begin, end);
}

/* The end of the tag whose inside begins at p: at its closing mark. */
static const char *
find_close (const char *p, char kind)
{
  const char close[3] = {kind == '{' ? '}' : kind, '}', '\0'};
  char quote = '\0';

  for (; *p != '\0'; p++) {
    if (quote != '\0') {
      if (*p == '\\' && p[1] != '\0')
        p++;
      else if (*p == quote)
        quote = '\0';
    } else if (kind != '#' && (*p == '\'' || *p == '"')) {
      quote = *p;
    } else if (strncmp (p, close, 2) == 0) {
      return p;
    }
  }
  return NULL;
}

/* Text outside of tags counts unless it is blanks that the tags around it
 * strip: a dash at either side, or the line end behind a statement. */
static gboolean
text_counts (const char *begin, const char *end, char before, gboolean stripped)
{
  if (before != '{' && begin < end && *begin == '\n')
    begin++;
  for (const char *p = begin; p < end; p++) {
    if (!g_ascii_isspace (*p))
      return TRUE;
  }
  return begin < end && !stripped;
}

static gboolean
read_program (Program *program, const char *text)
{
  Nesting nesting = {0};
  gboolean stripped = FALSE; /* the tag before ends with a dash */
  char kind = '{';           /* of the tag before; texts in front count */

  program->strings = g_ptr_array_new_with_free_func (g_free);
  program->code = g_string_new (NULL);
  program->refusals = g_string_new (NULL);
  while (*text != '\0') {
    const char *open = text, *begin, *close, *end;

    while (*open != '\0'
           && !(*open == '{' && open[1] != '\0' && strchr ("{%#", open[1])))
      open++;
    begin = *open != '\0' ? open + 2 : open;
    stripped = stripped || *begin == '-' || *open == '\0';
    if (!is_skipped (&nesting) && text_counts (text, open, kind, stripped))
      program->has_text = TRUE;
    if (*open == '\0')
      break;

    kind = open[1];
    close = find_close (begin, kind);
    if (close == NULL)
      return FALSE;
    stripped = close > begin && close[-1] == '-';
    end = stripped ? close - 1 : close;
    if (*begin == '-' && begin < end)
      begin++;
    if (kind == '{' && !is_skipped (&nesting)
        && !read_code (program, begin, end))
      return FALSE;
    if (kind == '%' && !read_statement (program, &nesting, begin, end))
      return FALSE;
    text = close + 2;
  }
  return nesting.depth == 0;
}

static gboolean
is_one_of (const char *string, const char *const *strings)
{
  return g_strv_contains (strings, string);
}

/* chatml's "<|im_start|>system\n" TEXT "<|im_end|>\n" as one string. */
static char *
match_default_system (const BnForm *form, const char *string)
{
  gsize length = strlen (string);
  gsize before = strlen (form->system.before);
  gsize after = strlen (form->system.after);

  if (strcmp (form->name, "chatml") != 0 || length <= before + after
      || !g_str_has_prefix (string, form->system.before)
      || !g_str_has_suffix (string, form->system.after))
    return NULL;
  return g_strndup (string + before, length - before - after);
}

/* Step 3. */
static gboolean
strings_fit (const Program *program, const BnForm *form, char **default_system)
{
  const char *const *strings = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (form_strings); i++) {
    if (strcmp (form_strings[i].name, form->name) == 0)
      strings = form_strings[i].strings;
  }
  for (guint i = 0; i < program->strings->len; i++) {
    const char *string = g_ptr_array_index (program->strings, i);
    g_autofree char *found = NULL;
    const char *const frames[] = {form->system.before, form->user.before,
        form->assistant.before, form->generation, NULL};

    if (is_one_of (string, role_names) || is_one_of (string, frames)
        || is_one_of (string, strings))
      continue;
    found = match_default_system (form, string);
    if (found == NULL
        || (*default_system != NULL && strcmp (*default_system, found) != 0))
      return FALSE;
    g_free (*default_system);
    *default_system = g_steal_pointer (&found);
  }
  return TRUE;
}

static gboolean
has_string (const Program *program, const char *string)
{
  return g_ptr_array_find_with_equal_func (
      program->strings, string, g_str_equal, NULL);
}

/* Which of two spellings the program writes: 0, 1, or -1 if both or none. */
static int
which_string (const Program *program, const char *zero, const char *one)
{
  gboolean has_zero = has_string (program, zero);
  gboolean has_one = has_string (program, one);

  return has_zero == has_one ? -1 : has_one ? 1 : 0;
}

static void
set_flag (BnForm *form, BnFormFlags flag, gboolean is_set)
{
  form->flags = is_set ? form->flags | flag : form->flags & ~flag;
}

/* The spaces inside [INST] and where the system text goes. */
static gboolean
adapt_mistral (const Program *program, BnForm *form)
{
  const char *code = program->code->str;
  int before = which_string (program, "[INST]", "[INST] ");
  int after = which_string (program, "[/INST]", " [/INST]");

  if (before < 0 || after < 0)
    return FALSE;
  form->user.before = before ? "[INST] " : "[INST]";
  form->user.after = after ? " [/INST]" : "[/INST]";
  set_flag (form, BN_FORM_NO_SYSTEM, !has_string (program, "\n\n"));
  set_flag (form, BN_FORM_SYSTEM_LAST, strstr (code, "loop.last") != NULL);
  return strstr (code, "content+eos_token") != NULL;
}

/* Step 4. FALSE if the program does what the form cannot. */
static gboolean
adapt (const Program *program, BnForm *form)
{
  static const char *const beyond[] = {"split(", "replace(", "strftime",
      "upper", "lower", "title", "tojson", "thinking"};
  const char *code = program->code->str;
  const char *refusals = program->refusals->str;
  gboolean is_mistral = strcmp (form->name, "mistral") == 0;
  gboolean ends_answers = is_mistral || strcmp (form->name, "llama-2") == 0;
  gboolean has_bos = strstr (code, "bos_token") != NULL;
  gboolean has_eos = strstr (code, "eos_token") != NULL;
  gboolean has_trim =
      strstr (code, "trim") != NULL || strstr (code, "strip()") != NULL;
  gboolean has_bos_each = ends_answers && strstr (code, "bos_token+''") != NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (beyond); i++) {
    if (strstr (code, beyond[i]) != NULL)
      return FALSE;
  }
  /* Where not all texts are trimmed, a flag for all of them is wrong. */
  if (has_trim && !(form->flags & BN_FORM_TRIM))
    return FALSE;
  if (has_eos && !ends_answers && !(form->flags & BN_FORM_EOS_AT_END))
    return FALSE;
  if (strstr (code, "capitalize") != NULL && strcmp (form->name, "bitnet") != 0)
    return FALSE;
  if (is_mistral && !adapt_mistral (program, form))
    return FALSE;

  set_flag (form, BN_FORM_BOS, has_bos && !has_bos_each);
  set_flag (form, BN_FORM_BOS_EACH, has_bos_each);
  set_flag (form, BN_FORM_TRIM, has_trim);
  if (form->flags & BN_FORM_EOS_AT_END)
    set_flag (form, BN_FORM_EOS_AT_END, has_eos);
  if (form->flags & BN_FORM_ALTERNATE)
    set_flag (form, BN_FORM_ALTERNATE, strstr (refusals, "alternat") != NULL);
  if (strstr (refusals, "System role not supported") != NULL)
    set_flag (form, BN_FORM_NO_SYSTEM, TRUE);
  if (form->generation[0] != '\0' && !has_string (program, form->generation)) {
    if (strstr (code, "add_generation_prompt") != NULL)
      return FALSE;
    form->generation = "";
  }
  return TRUE;
}

gboolean
bn_form_recognise (const char *text, BnForm *form, char **default_system,
    const BnForm **closest)
{
  g_auto (Program) program = {0};
  g_autofree char *found = NULL;

  *closest = bn_form_by_name (text);
  if (*closest == NULL)
    *closest = find_by_markers (text);
  if (*closest == NULL)
    return FALSE;
  if (strlen (text) > MAX_TEMPLATE_SIZE)
    return FALSE;
  *form = **closest;
  if (strcmp (text, form->name) != 0 && strstr (text, "BITNETAssistant") == NULL
      && (!read_program (&program, text) || program.has_text
          || !strings_fit (&program, form, &found) || !adapt (&program, form)))
    return FALSE;
  *default_system = g_steal_pointer (&found);
  return TRUE;
}
