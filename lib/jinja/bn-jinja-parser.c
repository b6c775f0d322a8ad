/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parser of statements. */
#include "bn-jinja-private.h"

#include <string.h>

#include "bn-jinja-ast.h"

static void parse_statements (
    BnJParser *p, BnJNodes *body, const char *const *end_tags);

/* Parts */

BnJNode *
bn_j_node_new (BnJParser *p, BnJNodeKind kind, size_t at)
{
  BnJNode *node = bn_j_new (p->j, BnJNode);

  bn_j_step (p->j, 1);
  node->kind = kind;
  node->at = at;
  return node;
}

void
bn_j_nodes_add (BnJ *j, BnJNodes *nodes, BnJNode *node)
{
  if (nodes->n == nodes->n_allocated) {
    size_t capacity = nodes->n > 0 ? 2 * nodes->n : 2;
    BnJNode **items = bn_j_new_n (j, BnJNode *, capacity);

    if (nodes->n > 0)
      memcpy (items, nodes->items, nodes->n * sizeof *items);
    nodes->items = items;
    nodes->n_allocated = capacity;
  }
  nodes->items[nodes->n++] = node;
}

void
bn_j_parse_fail (BnJParser *p, const BnJToken *token, const char *expected)
{
  const char *found = bn_j_token_describe (p->j, token);

  p->j->at = token->at;
  if (expected == NULL)
    bn_j_fail (p->j, "unexpected '%s'", found);
  bn_j_fail (p->j, "found '%s', expected %s", found, expected);
}

const BnJToken *
bn_j_next (BnJParser *p)
{
  const BnJToken *token = p->tokens;

  if (token->type != BN_J_TOKEN_END)
    p->tokens++;
  return token;
}

gboolean
bn_j_is_name (const BnJToken *token, const char *name)
{
  return token->type == BN_J_TOKEN_NAME
         && bn_j_string_is (token->value.string, name);
}

gboolean
bn_j_accept (BnJParser *p, BnJTokenType type)
{
  if (p->tokens->type != type)
    return FALSE;
  bn_j_next (p);
  return TRUE;
}

gboolean
bn_j_accept_name (BnJParser *p, const char *name)
{
  if (!bn_j_is_name (p->tokens, name))
    return FALSE;
  bn_j_next (p);
  return TRUE;
}

const BnJToken *
bn_j_expect (BnJParser *p, BnJTokenType type)
{
  if (p->tokens->type != type)
    bn_j_parse_fail (p, p->tokens,
        bn_j_printf (p->j, "'%s'", bn_j_token_type_describe (type)));
  return bn_j_next (p);
}

void
bn_j_expect_name (BnJParser *p, const char *name)
{
  if (!bn_j_accept_name (p, name))
    bn_j_parse_fail (p, p->tokens, bn_j_printf (p->j, "'%s'", name));
}

/* Statements. The name of each is the next token. */

static BnJNode *
parse_for (BnJParser *p)
{
  static const char *const ends[] = {"endfor", "else", NULL};
  static const char *const end[] = {"endfor", NULL};
  BnJNode *node = bn_j_node_new (p, BN_J_FOR, bn_j_next (p)->at);
  guint n_loops = p->n_loops;

  node->a = bn_j_parse_target (p, BN_J_END_IN);
  bn_j_expect_name (p, "in");
  node->b = bn_j_parse_tuple (p, BN_J_NO_CONDITION | BN_J_END_RECURSIVE);
  if (bn_j_accept_name (p, "if"))
    node->c = bn_j_parse_expression (p);
  node->is_recursive = bn_j_accept_name (p, "recursive");
  p->n_loops++;
  parse_statements (p, &node->body, ends);
  p->n_loops = node->is_recursive ? 0 : n_loops;
  if (bn_j_is_name (bn_j_next (p), "else")) {
    parse_statements (p, &node->other, end);
    bn_j_next (p);
  }
  p->n_loops = n_loops;
  return node;
}

static BnJNode *
parse_if (BnJParser *p)
{
  static const char *const ends[] = {"elif", "else", "endif", NULL};
  static const char *const end[] = {"endif", NULL};
  BnJNode *result = NULL;

  for (;;) {
    BnJNode *node = bn_j_node_new (p, BN_J_IF, bn_j_next (p)->at);

    node->a = bn_j_parse_tuple (p, BN_J_NO_CONDITION);
    parse_statements (p, &node->body, ends);
    if (result == NULL)
      result = node;
    else
      bn_j_nodes_add (p->j, &result->items, node);
    if (bn_j_is_name (p->tokens, "elif"))
      continue;
    if (bn_j_is_name (bn_j_next (p), "else")) {
      parse_statements (p, &result->other, end);
      bn_j_next (p);
    }
    return result;
  }
}

static BnJNode *
parse_set (BnJParser *p)
{
  static const char *const end[] = {"endset", NULL};
  BnJNode *node = bn_j_node_new (p, BN_J_SET, bn_j_next (p)->at);

  node->a = bn_j_parse_target (p, BN_J_WITH_NAMESPACE);
  if (bn_j_accept (p, BN_J_TOKEN_ASSIGN)) {
    node->b = bn_j_parse_tuple (p, 0);
    return node;
  }
  node->kind = BN_J_SET_BLOCK;
  node->b = bn_j_parse_filters (p, NULL, FALSE);
  parse_statements (p, &node->body, end);
  bn_j_next (p);
  return node;
}

static void
parse_signature (BnJParser *p, BnJSignature *signature)
{
  bn_j_expect (p, BN_J_TOKEN_LPAREN);
  while (p->tokens->type != BN_J_TOKEN_RPAREN) {
    BnJNode *param;

    if (signature->params.n > 0)
      bn_j_expect (p, BN_J_TOKEN_COMMA);
    param = bn_j_parse_target_name (p);
    param->is_param = TRUE;
    for (size_t i = 0; i < signature->params.n; i++) {
      if (bn_j_string_equal (signature->params.items[i]->name, param->name)) {
        p->j->at = param->at;
        bn_j_fail (p->j, "duplicate argument '%.*s'", (int) param->name->size,
            param->name->text);
      }
    }
    if (bn_j_accept (p, BN_J_TOKEN_ASSIGN)) {
      bn_j_nodes_add (p->j, &signature->defaults, bn_j_parse_expression (p));
    } else if (signature->defaults.n > 0) {
      p->j->at = param->at;
      bn_j_fail (p->j, "non-default argument follows default argument");
    }
    bn_j_nodes_add (p->j, &signature->params, param);
  }
  bn_j_expect (p, BN_J_TOKEN_RPAREN);
}

/* The body of a macro or the like, where break finds no loop. */
static void
parse_function_body (BnJParser *p, BnJNodes *body, const char *const *end_tags)
{
  guint n_loops = p->n_loops;

  p->n_loops = 0;
  parse_statements (p, body, end_tags);
  p->n_loops = n_loops;
  bn_j_next (p);
}

static BnJNode *
parse_macro (BnJParser *p)
{
  static const char *const end[] = {"endmacro", NULL};
  BnJNode *node = bn_j_node_new (p, BN_J_MACRO_DEF, bn_j_next (p)->at);

  node->a = bn_j_parse_target_name (p);
  node->name = node->a->name;
  node->signature = bn_j_new (p->j, BnJSignature);
  parse_signature (p, node->signature);
  parse_function_body (p, &node->body, end);
  return node;
}

static BnJNode *
parse_call_block (BnJParser *p)
{
  static const char *const end[] = {"endcall", NULL};
  BnJNode *node = bn_j_node_new (p, BN_J_CALL_BLOCK, bn_j_next (p)->at);

  node->signature = bn_j_new (p->j, BnJSignature);
  if (p->tokens->type == BN_J_TOKEN_LPAREN)
    parse_signature (p, node->signature);
  node->a = bn_j_parse_expression (p);
  if (node->a->kind != BN_J_CALL) {
    p->j->at = node->at;
    bn_j_fail (p->j, "expected call");
  }
  parse_function_body (p, &node->body, end);
  return node;
}

static BnJNode *
parse_generation (BnJParser *p)
{
  static const char *const end[] = {"endgeneration", NULL};
  BnJNode *node = bn_j_node_new (p, BN_J_GENERATION, bn_j_next (p)->at);

  node->signature = bn_j_new (p->j, BnJSignature);
  parse_function_body (p, &node->body, end);
  return node;
}

static BnJNode *
parse_filter_block (BnJParser *p)
{
  static const char *const end[] = {"endfilter", NULL};
  BnJNode *node = bn_j_node_new (p, BN_J_FILTER_BLOCK, bn_j_next (p)->at);

  node->a = bn_j_parse_filters (p, NULL, TRUE);
  parse_statements (p, &node->body, end);
  bn_j_next (p);
  return node;
}

static BnJNode *
parse_with (BnJParser *p)
{
  static const char *const end[] = {"endwith", NULL};
  BnJNode *node = bn_j_node_new (p, BN_J_WITH, bn_j_next (p)->at);

  while (p->tokens->type != BN_J_TOKEN_BLOCK_END) {
    BnJNode *target;

    if (node->items.n > 0)
      bn_j_expect (p, BN_J_TOKEN_COMMA);
    target = bn_j_parse_target (p, 0);
    for (size_t i = 0; i < target->items.n; i++)
      target->items.items[i]->is_param = TRUE;
    target->is_param = TRUE;
    bn_j_nodes_add (p->j, &node->items, target);
    bn_j_expect (p, BN_J_TOKEN_ASSIGN);
    bn_j_nodes_add (p->j, &node->items, bn_j_parse_expression (p));
  }
  parse_statements (p, &node->body, end);
  bn_j_next (p);
  return node;
}

static BnJNode *
parse_autoescape (BnJParser *p)
{
  static const char *const end[] = {"endautoescape", NULL};
  BnJNode *node = bn_j_node_new (p, BN_J_SCOPE, bn_j_next (p)->at);
  BnJNode *option = bn_j_parse_expression (p);

  if (option->kind != BN_J_CONST || bn_j_is_true (p->j, option->value)) {
    p->j->at = node->at;
    bn_j_fail (p->j, "autoescape is not supported in chat templates");
  }
  parse_statements (p, &node->body, end);
  bn_j_next (p);
  return node;
}

static BnJNode *
parse_block (BnJParser *p)
{
  static const char *const end[] = {"endblock", NULL};
  BnJNode *node = bn_j_node_new (p, BN_J_BLOCK, bn_j_next (p)->at);

  node->name = bn_j_expect (p, BN_J_TOKEN_NAME)->value.string;
  node->is_scoped = bn_j_accept_name (p, "scoped");
  node->is_required = bn_j_accept_name (p, "required");
  parse_function_body (p, &node->body, end);
  if (p->tokens->type == BN_J_TOKEN_NAME
      && bn_j_string_equal (p->tokens->value.string, node->name))
    bn_j_next (p);
  return node;
}

static BnJNode *
parse_print (BnJParser *p)
{
  BnJNode *node = bn_j_node_new (p, BN_J_OUTPUT, bn_j_next (p)->at);

  while (p->tokens->type != BN_J_TOKEN_BLOCK_END) {
    if (node->items.n > 0)
      bn_j_expect (p, BN_J_TOKEN_COMMA);
    bn_j_nodes_add (p->j, &node->items, bn_j_parse_expression (p));
  }
  return node;
}

static BnJNode *
parse_loop_control (BnJParser *p)
{
  const BnJToken *token = bn_j_next (p);

  if (p->n_loops == 0) {
    p->j->at = token->at;
    bn_j_fail (p->j, "'%s' outside loop", bn_j_token_describe (p->j, token));
  }
  return bn_j_node_new (
      p, bn_j_is_name (token, "break") ? BN_J_BREAK : BN_J_CONTINUE, token->at);
}

/* What needs other templates, of which there are none: an error when it is
 * reached. */
static BnJNode *
parse_unsupported (BnJParser *p)
{
  const BnJToken *token = bn_j_next (p);
  BnJNode *node = bn_j_node_new (p, BN_J_UNSUPPORTED, token->at);

  node->name = token->value.string;
  while (p->tokens->type != BN_J_TOKEN_BLOCK_END
         && p->tokens->type != BN_J_TOKEN_END)
    bn_j_next (p);
  return node;
}

static const struct {
  const char *name;
  BnJNode *(*parse) (BnJParser *p);
} statements[] = {
    {"for", parse_for},
    {"if", parse_if},
    {"set", parse_set},
    {"macro", parse_macro},
    {"call", parse_call_block},
    {"generation", parse_generation},
    {"filter", parse_filter_block},
    {"with", parse_with},
    {"autoescape", parse_autoescape},
    {"block", parse_block},
    {"print", parse_print},
    {"break", parse_loop_control},
    {"continue", parse_loop_control},
    {"extends", parse_unsupported},
    {"include", parse_unsupported},
    {"import", parse_unsupported},
    {"from", parse_unsupported},
};

G_NORETURN static void
fail_tag (BnJParser *p, const BnJToken *token)
{
  const char *found = bn_j_token_describe (p->j, token);
  const char *expected = "";

  if (p->n_end_tags > 0) {
    const char *const *tags = p->end_tags[p->n_end_tags - 1];

    expected = tags[0];
    for (size_t i = 1; tags[i] != NULL; i++)
      expected = bn_j_printf (p->j, "%s or %s", expected, tags[i]);
    expected = bn_j_printf (p->j, ", expected %s", expected);
  }
  p->j->at = token->at;
  if (token->type == BN_J_TOKEN_END)
    bn_j_fail (p->j, "Unexpected end of template%s", expected);
  bn_j_fail (p->j, "Encountered unknown tag '%s'%s", found, expected);
}

static BnJNode *
parse_statement (BnJParser *p)
{
  const BnJToken *token = p->tokens;

  if (token->type != BN_J_TOKEN_NAME)
    bn_j_parse_fail (p, token, "a statement");
  for (size_t i = 0; i < G_N_ELEMENTS (statements); i++) {
    if (bn_j_is_name (token, statements[i].name))
      return statements[i].parse (p);
  }
  fail_tag (p, token);
}

static gboolean
is_end_tag (const BnJToken *token, const char *const *end_tags)
{
  for (; end_tags != NULL && *end_tags != NULL; end_tags++) {
    if (bn_j_is_name (token, *end_tags))
      return TRUE;
  }
  return FALSE;
}

/* Data and values that follow each other are one output. */
static void
add_output (BnJParser *p, BnJNodes *body, BnJNode **output, BnJNode *item)
{
  if (*output == NULL) {
    *output = bn_j_node_new (p, BN_J_OUTPUT, item->at);
    bn_j_nodes_add (p->j, body, *output);
  }
  bn_j_nodes_add (p->j, &(*output)->items, item);
}

/* Up to one of end_tags, which is then the next token, or the end. */
static void
parse_body (BnJParser *p, BnJNodes *body, const char *const *end_tags)
{
  BnJNode *output = NULL;

  for (;;) {
    const BnJToken *token = bn_j_next (p);
    BnJNode *item;

    switch (token->type) {
      case BN_J_TOKEN_DATA:
        item = bn_j_node_new (p, BN_J_CONST, token->at);
        item->value = token->value;
        item->is_data = TRUE;
        add_output (p, body, &output, item);
        break;
      case BN_J_TOKEN_VARIABLE_BEGIN:
        add_output (p, body, &output, bn_j_parse_tuple (p, 0));
        bn_j_expect (p, BN_J_TOKEN_VARIABLE_END);
        break;
      case BN_J_TOKEN_BLOCK_BEGIN:
        output = NULL;
        if (is_end_tag (p->tokens, end_tags))
          return;
        bn_j_nodes_add (p->j, body, parse_statement (p));
        bn_j_expect (p, BN_J_TOKEN_BLOCK_END);
        break;
      default:
        if (end_tags != NULL)
          fail_tag (p, token);
        return;
    }
  }
}

static void
parse_statements (BnJParser *p, BnJNodes *body, const char *const *end_tags)
{
  bn_j_check_stack (p->j);
  if (p->n_end_tags == G_N_ELEMENTS (p->end_tags)) {
    p->j->at = p->tokens->at;
    bn_j_fail (p->j, "nested deeper than the limit");
  }
  bn_j_accept (p, BN_J_TOKEN_COLON);
  bn_j_expect (p, BN_J_TOKEN_BLOCK_END);
  p->end_tags[p->n_end_tags++] = end_tags;
  parse_body (p, body, end_tags);
  p->n_end_tags--;
}

void
bn_j_parse (BnJ *j, BnJProgram *program)
{
  size_t n_tokens;
  BnJParser parser = {.j = j, .tokens = bn_j_tokenize (j, &n_tokens)};

  program->source = j->source;
  program->source_size = j->source_size;
  parse_body (&parser, &program->body, NULL);
  bn_j_resolve_names (j, program);
}
