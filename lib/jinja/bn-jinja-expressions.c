/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parser of expressions: one function a level of precedence, loosest
 * first. The grammar is the reference's, with its peculiarities: powers bind
 * to the left, a filter binds tighter than any operator but a sign, and a
 * test takes an argument without parentheses. */
#include "bn-jinja-private.h"

#include <string.h>

#include "bn-jinja-ast.h"

static BnJNode *parse_or (BnJParser *p);
static BnJNode *parse_unary (BnJParser *p, gboolean with_filter);

static BnJNode *
binary (BnJParser *p, BnJNodeKind kind, BnJTokenType op, size_t at, BnJNode *a,
    BnJNode *b)
{
  BnJNode *node = bn_j_node_new (p, kind, at);

  node->op = op;
  node->a = a;
  node->b = b;
  return node;
}

static BnJNode *
constant (BnJParser *p, size_t at, BnJValue value)
{
  BnJNode *node = bn_j_node_new (p, BN_J_CONST, at);

  node->value = value;
  return node;
}

static BnJNode *
parse_name (BnJParser *p, gboolean with_namespace)
{
  const BnJToken *token = bn_j_next (p);
  const BnJString *name = token->value.string;
  BnJNode *node;

  if (bn_j_string_is (name, "true") || bn_j_string_is (name, "True"))
    return constant (p, token->at, bn_j_boolean (true));
  if (bn_j_string_is (name, "false") || bn_j_string_is (name, "False"))
    return constant (p, token->at, bn_j_boolean (false));
  if (bn_j_string_is (name, "none") || bn_j_string_is (name, "None"))
    return constant (p, token->at, bn_j_none ());
  if (with_namespace && bn_j_accept (p, BN_J_TOKEN_DOT)) {
    node = bn_j_node_new (p, BN_J_MEMBER_NAME, token->at);
    node->attribute = bn_j_expect (p, BN_J_TOKEN_NAME)->value.string;
  } else {
    node = bn_j_node_new (p, BN_J_NAME, token->at);
  }
  node->name = name;
  return node;
}

static BnJNode *
parse_strings (BnJParser *p)
{
  const BnJToken *token = bn_j_next (p);
  BnJString *string = token->value.string;

  while (p->tokens->type == BN_J_TOKEN_STRING) {
    string = bn_j_concat (p->j, string, bn_j_next (p)->value.string);
    string->buffer = NULL; /* constants are read by many threads */
    bn_j_string_hash (string);
    bn_j_count_chars (string);
  }
  return constant (p, token->at, bn_j_string (string));
}

static BnJNode *
parse_list (BnJParser *p)
{
  BnJNode *node = bn_j_node_new (p, BN_J_MAKE_LIST, p->tokens->at);

  bn_j_next (p);
  while (p->tokens->type != BN_J_TOKEN_RBRACKET) {
    if (node->items.n > 0) {
      bn_j_expect (p, BN_J_TOKEN_COMMA);
      if (p->tokens->type == BN_J_TOKEN_RBRACKET)
        break;
    }
    bn_j_nodes_add (p->j, &node->items, bn_j_parse_expression (p));
  }
  bn_j_expect (p, BN_J_TOKEN_RBRACKET);
  return node;
}

static BnJNode *
parse_dict (BnJParser *p)
{
  BnJNode *node = bn_j_node_new (p, BN_J_MAKE_DICT, p->tokens->at);

  bn_j_next (p);
  while (p->tokens->type != BN_J_TOKEN_RBRACE) {
    if (node->items.n > 0) {
      bn_j_expect (p, BN_J_TOKEN_COMMA);
      if (p->tokens->type == BN_J_TOKEN_RBRACE)
        break;
    }
    bn_j_nodes_add (p->j, &node->items, bn_j_parse_expression (p));
    bn_j_expect (p, BN_J_TOKEN_COLON);
    bn_j_nodes_add (p->j, &node->items, bn_j_parse_expression (p));
  }
  bn_j_expect (p, BN_J_TOKEN_RBRACE);
  return node;
}

static BnJNode *
parse_primary (BnJParser *p, gboolean with_namespace)
{
  const BnJToken *token = p->tokens;
  BnJNode *node;

  switch (token->type) {
    case BN_J_TOKEN_NAME:
      return parse_name (p, with_namespace);
    case BN_J_TOKEN_STRING:
      return parse_strings (p);
    case BN_J_TOKEN_INTEGER:
    case BN_J_TOKEN_FLOAT:
      bn_j_next (p);
      return constant (p, token->at, token->value);
    case BN_J_TOKEN_LPAREN:
      bn_j_next (p);
      node = bn_j_parse_tuple (p, BN_J_PARENTHESES);
      bn_j_expect (p, BN_J_TOKEN_RPAREN);
      return node;
    case BN_J_TOKEN_LBRACKET:
      return parse_list (p);
    case BN_J_TOKEN_LBRACE:
      return parse_dict (p);
    default:
      bn_j_parse_fail (p, token, NULL);
  }
}

static gboolean
is_tuple_end (const BnJToken *token, BnJTupleFlags flags)
{
  return token->type == BN_J_TOKEN_VARIABLE_END
         || token->type == BN_J_TOKEN_BLOCK_END
         || token->type == BN_J_TOKEN_RPAREN
         || ((flags & BN_J_END_IN) && bn_j_is_name (token, "in"))
         || ((flags & BN_J_END_RECURSIVE) && bn_j_is_name (token, "recursive"));
}

BnJNode *
bn_j_parse_tuple (BnJParser *p, BnJTupleFlags flags)
{
  size_t at = p->tokens->at;
  BnJNodes items = {0};
  gboolean is_tuple = FALSE;
  BnJNode *node;

  for (;;) {
    if (items.n > 0)
      bn_j_expect (p, BN_J_TOKEN_COMMA);
    if (is_tuple_end (p->tokens, flags))
      break;
    node = flags & BN_J_SIMPLE
               ? parse_primary (p, (flags & BN_J_WITH_NAMESPACE) != 0)
           : flags & BN_J_NO_CONDITION ? parse_or (p)
                                       : bn_j_parse_expression (p);
    bn_j_nodes_add (p->j, &items, node);
    if (p->tokens->type != BN_J_TOKEN_COMMA)
      break;
    is_tuple = TRUE;
  }
  if (!is_tuple) {
    if (items.n > 0)
      return items.items[0];
    if (!(flags & BN_J_PARENTHESES))
      bn_j_parse_fail (p, p->tokens, "an expression");
  }
  node = bn_j_node_new (p, BN_J_MAKE_TUPLE, at);
  node->items = items;
  return node;
}

static BnJNode *
parse_subscribed (BnJParser *p)
{
  size_t at = p->tokens->at;
  BnJNode *first = NULL, *node;

  if (p->tokens->type != BN_J_TOKEN_COLON) {
    first = bn_j_parse_expression (p);
    if (p->tokens->type != BN_J_TOKEN_COLON)
      return first;
  }
  bn_j_next (p);
  node = bn_j_node_new (p, BN_J_SLICE, at);
  node->a = first;
  if (p->tokens->type != BN_J_TOKEN_COLON
      && p->tokens->type != BN_J_TOKEN_RBRACKET
      && p->tokens->type != BN_J_TOKEN_COMMA)
    node->b = bn_j_parse_expression (p);
  if (bn_j_accept (p, BN_J_TOKEN_COLON)
      && p->tokens->type != BN_J_TOKEN_RBRACKET
      && p->tokens->type != BN_J_TOKEN_COMMA)
    node->c = bn_j_parse_expression (p);
  return node;
}

static BnJNode *
parse_subscript (BnJParser *p, BnJNode *of)
{
  const BnJToken *token = bn_j_next (p);
  BnJNode *node, *item = NULL;

  if (token->type == BN_J_TOKEN_DOT) {
    const BnJToken *name = bn_j_next (p);

    if (name->type == BN_J_TOKEN_NAME) {
      node = bn_j_node_new (p, BN_J_ATTRIBUTE, token->at);
      node->a = of;
      node->name = name->value.string;
      return node;
    }
    if (name->type != BN_J_TOKEN_INTEGER)
      bn_j_parse_fail (p, name, "name or number");
    item = constant (p, name->at, name->value);
  } else {
    BnJNodes items = {0};

    while (p->tokens->type != BN_J_TOKEN_RBRACKET) {
      if (items.n > 0)
        bn_j_expect (p, BN_J_TOKEN_COMMA);
      bn_j_nodes_add (p->j, &items, parse_subscribed (p));
    }
    bn_j_expect (p, BN_J_TOKEN_RBRACKET);
    if (items.n == 1) {
      item = items.items[0];
    } else {
      item = bn_j_node_new (p, BN_J_MAKE_TUPLE, token->at);
      item->items = items;
    }
  }
  return binary (p, BN_J_ITEM, 0, token->at, of, item);
}

static void
add_keyword (BnJParser *p, BnJArgNodes *args, const BnJString *name)
{
  BnJKeywordNode *keywords =
      bn_j_new_n (p->j, BnJKeywordNode, args->n_keywords + 1);

  for (size_t i = 0; i < args->n_keywords; i++) {
    if (bn_j_string_equal (args->keywords[i].name, name)) {
      p->j->at = p->tokens->at;
      bn_j_fail (p->j, "keyword argument repeated: %.*s", (int) name->size,
          name->text);
    }
    keywords[i] = args->keywords[i];
  }
  keywords[args->n_keywords].name = name;
  keywords[args->n_keywords].value = bn_j_parse_expression (p);
  args->keywords = keywords;
  args->n_keywords++;
}

static void
parse_arguments (BnJParser *p, BnJArgNodes *args)
{
  const BnJToken *open = bn_j_expect (p, BN_J_TOKEN_LPAREN);
  gboolean is_first = TRUE;

  while (p->tokens->type != BN_J_TOKEN_RPAREN) {
    gboolean is_valid = args->more_keywords == NULL;

    if (!is_first) {
      bn_j_expect (p, BN_J_TOKEN_COMMA);
      if (p->tokens->type == BN_J_TOKEN_RPAREN)
        break;
    }
    is_first = FALSE;
    if (p->tokens->type == BN_J_TOKEN_MUL) {
      is_valid = is_valid && args->more == NULL;
      bn_j_next (p);
      args->more = bn_j_parse_expression (p);
    } else if (p->tokens->type == BN_J_TOKEN_POW) {
      bn_j_next (p);
      args->more_keywords = bn_j_parse_expression (p);
    } else if (p->tokens->type == BN_J_TOKEN_NAME
               && p->tokens[1].type == BN_J_TOKEN_ASSIGN) {
      const BnJString *name = bn_j_next (p)->value.string;

      bn_j_next (p);
      add_keyword (p, args, name);
    } else {
      is_valid = is_valid && args->more == NULL && args->n_keywords == 0;
      bn_j_nodes_add (p->j, &args->positional, bn_j_parse_expression (p));
    }
    if (!is_valid) {
      p->j->at = open->at;
      bn_j_fail (p->j, "invalid syntax for function call expression");
    }
  }
  bn_j_expect (p, BN_J_TOKEN_RPAREN);
}

static BnJNode *
parse_call (BnJParser *p, BnJNode *callee)
{
  BnJNode *node = bn_j_node_new (p, BN_J_CALL, p->tokens->at);

  node->a = callee;
  parse_arguments (p, &node->args);
  return node;
}

static BnJNode *
parse_postfix (BnJParser *p, BnJNode *node)
{
  for (;;) {
    if (p->tokens->type == BN_J_TOKEN_DOT
        || p->tokens->type == BN_J_TOKEN_LBRACKET)
      node = parse_subscript (p, node);
    else if (p->tokens->type == BN_J_TOKEN_LPAREN)
      node = parse_call (p, node);
    else
      return node;
  }
}

/* The name of a filter or test: words joined by dots. */
static const BnJString *
parse_dotted_name (BnJParser *p)
{
  BnJString *name = bn_j_expect (p, BN_J_TOKEN_NAME)->value.string;

  while (bn_j_accept (p, BN_J_TOKEN_DOT)) {
    BnJString *part = bn_j_expect (p, BN_J_TOKEN_NAME)->value.string;

    name = bn_j_copy_text (p->j,
        bn_j_printf (p->j, "%.*s.%.*s", (int) name->size, name->text,
            (int) part->size, part->text),
        name->size + part->size + 1)
               .string;
  }
  return name;
}

BnJNode *
bn_j_parse_filters (BnJParser *p, BnJNode *node, gboolean is_inline)
{
  while (is_inline || p->tokens->type == BN_J_TOKEN_PIPE) {
    BnJNode *filter;

    if (!is_inline)
      bn_j_next (p);
    filter = bn_j_node_new (p, BN_J_FILTER, p->tokens->at);
    filter->a = node;
    filter->name = parse_dotted_name (p);
    filter->native = bn_j_find_filter (filter->name);
    if (p->tokens->type == BN_J_TOKEN_LPAREN)
      parse_arguments (p, &filter->args);
    node = filter;
    is_inline = FALSE;
  }
  return node;
}

static gboolean
begins_argument (const BnJToken *token)
{
  switch (token->type) {
    case BN_J_TOKEN_NAME:
      return !bn_j_is_name (token, "else") && !bn_j_is_name (token, "or")
             && !bn_j_is_name (token, "and");
    case BN_J_TOKEN_STRING:
    case BN_J_TOKEN_INTEGER:
    case BN_J_TOKEN_FLOAT:
    case BN_J_TOKEN_LPAREN:
    case BN_J_TOKEN_LBRACKET:
    case BN_J_TOKEN_LBRACE:
      return TRUE;
    default:
      return FALSE;
  }
}

static BnJNode *
parse_test (BnJParser *p, BnJNode *of)
{
  const BnJToken *token = bn_j_next (p);
  gboolean is_negated = bn_j_accept_name (p, "not");
  BnJNode *node = bn_j_node_new (p, BN_J_TEST, token->at), *negation;

  node->a = of;
  node->name = parse_dotted_name (p);
  node->native = bn_j_find_test (node->name);
  if (p->tokens->type == BN_J_TOKEN_LPAREN) {
    parse_arguments (p, &node->args);
  } else if (begins_argument (p->tokens)) {
    if (bn_j_is_name (p->tokens, "is")) {
      p->j->at = p->tokens->at;
      bn_j_fail (p->j, "You cannot chain multiple tests with is");
    }
    bn_j_nodes_add (p->j, &node->args.positional,
        parse_postfix (p, parse_primary (p, FALSE)));
  }
  if (!is_negated)
    return node;
  negation = bn_j_node_new (p, BN_J_NOT, token->at);
  negation->a = node;
  return negation;
}

static BnJNode *
parse_filter_expression (BnJParser *p, BnJNode *node)
{
  for (;;) {
    if (p->tokens->type == BN_J_TOKEN_PIPE)
      node = bn_j_parse_filters (p, node, FALSE);
    else if (bn_j_is_name (p->tokens, "is"))
      node = parse_test (p, node);
    else if (p->tokens->type == BN_J_TOKEN_LPAREN)
      node = parse_call (p, node);
    else
      return node;
  }
}

static BnJNode *
parse_unary (BnJParser *p, gboolean with_filter)
{
  const BnJToken *token = p->tokens;
  BnJNode *node;

  bn_j_check_stack (p->j);
  if (token->type == BN_J_TOKEN_SUB || token->type == BN_J_TOKEN_ADD) {
    bn_j_next (p);
    node = bn_j_node_new (p,
        token->type == BN_J_TOKEN_SUB ? BN_J_NEGATE : BN_J_POSITIVE, token->at);
    node->a = parse_unary (p, FALSE);
  } else {
    node = parse_primary (p, FALSE);
  }
  node = parse_postfix (p, node);
  return with_filter ? parse_filter_expression (p, node) : node;
}

static BnJNode *
parse_pow (BnJParser *p)
{
  BnJNode *left = parse_unary (p, TRUE);

  while (p->tokens->type == BN_J_TOKEN_POW) {
    size_t at = bn_j_next (p)->at;

    left = binary (
        p, BN_J_BINARY, BN_J_TOKEN_POW, at, left, parse_unary (p, TRUE));
  }
  return left;
}

static BnJNode *
parse_product (BnJParser *p)
{
  BnJNode *left = parse_pow (p);

  while (p->tokens->type == BN_J_TOKEN_MUL || p->tokens->type == BN_J_TOKEN_DIV
         || p->tokens->type == BN_J_TOKEN_FLOORDIV
         || p->tokens->type == BN_J_TOKEN_MOD) {
    const BnJToken *token = bn_j_next (p);

    left = binary (p, BN_J_BINARY, token->type, token->at, left, parse_pow (p));
  }
  return left;
}

static BnJNode *
parse_concat (BnJParser *p)
{
  size_t at = p->tokens->at;
  BnJNode *left = parse_product (p), *node;

  if (p->tokens->type != BN_J_TOKEN_TILDE)
    return left;
  node = bn_j_node_new (p, BN_J_CONCAT, at);
  bn_j_nodes_add (p->j, &node->items, left);
  while (bn_j_accept (p, BN_J_TOKEN_TILDE))
    bn_j_nodes_add (p->j, &node->items, parse_product (p));
  return node;
}

static BnJNode *
parse_sum (BnJParser *p)
{
  BnJNode *left = parse_concat (p);

  while (
      p->tokens->type == BN_J_TOKEN_ADD || p->tokens->type == BN_J_TOKEN_SUB) {
    const BnJToken *token = bn_j_next (p);

    left =
        binary (p, BN_J_BINARY, token->type, token->at, left, parse_concat (p));
  }
  return left;
}

static gboolean
accept_comparison (BnJParser *p, BnJTokenType *op)
{
  const BnJToken *token = p->tokens;

  if (token->type >= BN_J_TOKEN_EQ && token->type <= BN_J_TOKEN_GE) {
    *op = token->type;
  } else if (bn_j_is_name (token, "in")) {
    *op = BN_J_TOKEN_IN;
  } else if (bn_j_is_name (token, "not") && bn_j_is_name (token + 1, "in")) {
    *op = BN_J_TOKEN_NOT_IN;
    bn_j_next (p);
  } else {
    return FALSE;
  }
  bn_j_next (p);
  return TRUE;
}

static BnJNode *
parse_compare (BnJParser *p)
{
  size_t at = p->tokens->at;
  BnJNode *first = parse_sum (p), *node = NULL;
  BnJTokenType op;

  while (accept_comparison (p, &op)) {
    BnJTokenType *ops;

    if (node == NULL) {
      node = bn_j_node_new (p, BN_J_COMPARE, at);
      node->a = first;
    }
    ops = bn_j_new_n (p->j, BnJTokenType, node->items.n + 1);
    if (node->items.n > 0)
      memcpy (ops, node->ops, node->items.n * sizeof *ops);
    ops[node->items.n] = op;
    node->ops = ops;
    bn_j_nodes_add (p->j, &node->items, parse_sum (p));
  }
  return node != NULL ? node : first;
}

static BnJNode *
parse_not (BnJParser *p)
{
  const BnJToken *token = p->tokens;
  BnJNode *node;

  if (!bn_j_accept_name (p, "not"))
    return parse_compare (p);
  bn_j_check_stack (p->j);
  node = bn_j_node_new (p, BN_J_NOT, token->at);
  node->a = parse_not (p);
  return node;
}

static BnJNode *
parse_and (BnJParser *p)
{
  BnJNode *left = parse_not (p);

  while (bn_j_is_name (p->tokens, "and")) {
    size_t at = bn_j_next (p)->at;

    left = binary (p, BN_J_AND, 0, at, left, parse_not (p));
  }
  return left;
}

static BnJNode *
parse_or (BnJParser *p)
{
  BnJNode *left = parse_and (p);

  while (bn_j_is_name (p->tokens, "or")) {
    size_t at = bn_j_next (p)->at;

    left = binary (p, BN_J_OR, 0, at, left, parse_and (p));
  }
  return left;
}

BnJNode *
bn_j_parse_expression (BnJParser *p)
{
  BnJNode *node;

  bn_j_check_stack (p->j);
  node = parse_or (p);
  while (bn_j_is_name (p->tokens, "if")) {
    BnJNode *condition = bn_j_node_new (p, BN_J_CONDITION, bn_j_next (p)->at);

    condition->b = node;
    condition->a = parse_or (p);
    if (bn_j_accept_name (p, "else"))
      condition->c = bn_j_parse_expression (p);
    node = condition;
  }
  return node;
}

/* Targets */

static void
set_store (BnJParser *p, BnJNode *node)
{
  static const char *const constants[] = {
      "true", "false", "none", "True", "False", "None"};

  switch (node->kind) {
    case BN_J_NAME:
      for (size_t i = 0; i < G_N_ELEMENTS (constants); i++) {
        if (bn_j_string_is (node->name, constants[i])) {
          p->j->at = node->at;
          bn_j_fail (p->j, "can't assign to '%s'", constants[i]);
        }
      }
      node->is_store = TRUE;
      return;
    case BN_J_MEMBER_NAME:
      return;
    case BN_J_MAKE_TUPLE:
      for (size_t i = 0; i < node->items.n; i++)
        set_store (p, node->items.items[i]);
      return;
    default:
      p->j->at = node->at;
      bn_j_fail (p->j, "can't assign to an expression, expected a name");
  }
}

BnJNode *
bn_j_parse_target (BnJParser *p, BnJTupleFlags flags)
{
  BnJNode *node = bn_j_parse_tuple (p, flags | BN_J_SIMPLE);

  set_store (p, node);
  return node;
}

BnJNode *
bn_j_parse_target_name (BnJParser *p)
{
  const BnJToken *token = bn_j_expect (p, BN_J_TOKEN_NAME);
  BnJNode *node = bn_j_node_new (p, BN_J_NAME, token->at);

  node->name = token->value.string;
  set_store (p, node);
  return node;
}
