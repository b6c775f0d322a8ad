/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Evaluates expressions and binds arguments. */
#include "bn-jinja-private.h"

#include <string.h>

#include "bn-jinja-ast.h"

static BnJFrame *
frame_of (const BnJ *j, BnJRef ref)
{
  BnJFrame *frame = j->frame;

  for (uint16_t i = 0; i < ref.hops; i++)
    frame = frame->outer;
  return frame;
}

static BnJValue
eval_name (BnJ *j, const BnJNode *node)
{
  BnJValue value = frame_of (j, node->ref)->slots[node->ref.slot];

  if (value.type == BN_J_MISSING)
    return bn_j_undefined (j, "'%.*s' is undefined",
        (int) MIN (node->name->size, 100u), node->name->text);
  return value;
}

static BnJList *
eval_items (BnJ *j, const BnJNodes *nodes)
{
  BnJList *list = bn_j_list_new (j, nodes->n);

  for (size_t i = 0; i < nodes->n; i++)
    bn_j_list_add (j, list, bn_j_eval (j, nodes->items[i]));
  return list;
}

static BnJValue
eval_dict (BnJ *j, const BnJNode *node)
{
  BnJDict *dict = bn_j_dict_new (j);

  for (size_t i = 0; i < node->items.n; i += 2) {
    BnJValue key = bn_j_eval (j, node->items.items[i]);
    BnJValue value = bn_j_eval (j, node->items.items[i + 1]);

    j->at = node->at;
    bn_j_dict_set (j, dict, key, value);
  }
  return bn_j_dict (dict);
}

static BnJValue
eval_concat (BnJ *j, const BnJNode *node)
{
  BnJList *list = eval_items (j, &node->items);
  BnJString *text = bn_j_to_string (j, list->items[0]);

  j->at = node->at;
  for (size_t i = 1; i < list->n; i++)
    text = bn_j_concat (j, text, bn_j_to_string (j, list->items[i]));
  if (text->is_markup)
    text = bn_j_substring (j, text, 0, text->size);
  text->is_markup = FALSE;
  return bn_j_string (text);
}

static BnJValue
eval_comparison (BnJ *j, const BnJNode *node)
{
  BnJValue left = bn_j_eval (j, node->a);

  for (size_t i = 0; i < node->items.n; i++) {
    BnJValue right = bn_j_eval (j, node->items.items[i]);

    j->at = node->at;
    if (!bn_j_compare_with (j, node->ops[i], left, right))
      return bn_j_boolean (false);
    left = right;
  }
  return bn_j_boolean (true);
}

static void
add_more_arguments (BnJ *j, const BnJNode *more, BnJList *values)
{
  BnJIterator *iterator = bn_j_iterate (j, bn_j_eval (j, more));
  BnJValue value;

  while (bn_j_iterator_next (j, iterator, &value))
    bn_j_list_add (j, values, value);
}

/* room: places to leave free behind the keywords. */
static BnJArgs
eval_arguments (BnJ *j, const BnJArgNodes *nodes, size_t room)
{
  BnJList *values = eval_items (j, &nodes->positional);
  BnJValue more = bn_j_missing ();
  size_t n = nodes->n_keywords + room;
  BnJArgs args = {0};

  if (nodes->n_keywords > 0 || nodes->more_keywords != NULL || room > 0) {
    args.keywords = bn_j_new_n (j, BnJKeyword, n);
    for (size_t i = 0; i < nodes->n_keywords; i++)
      args.keywords[i] = (BnJKeyword){
          nodes->keywords[i].name, bn_j_eval (j, nodes->keywords[i].value)};
    args.n_keywords = nodes->n_keywords;
  }
  if (nodes->more != NULL)
    add_more_arguments (j, nodes->more, values);
  if (nodes->more_keywords != NULL) {
    BnJKeyword *keywords;

    more = bn_j_eval (j, nodes->more_keywords);
    if (more.type != BN_J_DICT)
      bn_j_fail (j, "argument after ** must be a mapping, not %s",
          bn_j_type_name (more));
    keywords = bn_j_new_n (j, BnJKeyword, n + more.dict->n);
    memcpy (keywords, args.keywords, args.n_keywords * sizeof *keywords);
    args.keywords = keywords;
    for (size_t i = 0; i < more.dict->n; i++) {
      BnJValue key = more.dict->entries[i].key;

      if (key.type != BN_J_STRING)
        bn_j_fail (j, "keywords must be strings");
      for (size_t k = 0; k < args.n_keywords; k++) {
        if (bn_j_string_equal (keywords[k].name, key.string))
          bn_j_fail (j, "got multiple values for keyword argument '%.*s'",
              (int) key.string->size, key.string->text);
      }
      keywords[args.n_keywords++] =
          (BnJKeyword){key.string, more.dict->entries[i].value};
    }
  }
  args.values = values->items;
  args.n = values->n;
  return args;
}

static BnJValue
eval_call (BnJ *j, const BnJNode *node)
{
  BnJValue callee = bn_j_eval (j, node->a);
  BnJArgs args = eval_arguments (j, &node->args, 0);

  j->at = node->at;
  return bn_j_call (j, callee, &args);
}

BnJValue
bn_j_eval_call_with (BnJ *j, const BnJNode *node, BnJValue caller)
{
  BnJValue callee = bn_j_eval (j, node->a);
  BnJArgs args = eval_arguments (j, &node->args, 1);

  j->at = node->at;
  for (size_t i = 0; i < args.n_keywords; i++) {
    if (bn_j_string_is (args.keywords[i].name, "caller"))
      bn_j_fail (j, "got multiple values for keyword argument 'caller'");
  }
  args.keywords[args.n_keywords++] =
      (BnJKeyword){bn_j_text (j, "caller").string, caller};
  return bn_j_call (j, callee, &args);
}

BnJValue
bn_j_eval_native (BnJ *j, const BnJNode *node, BnJValue of)
{
  BnJArgs args;

  if (node->native == NULL) {
    j->at = node->at;
    bn_j_fail (j, "No %s named '%.*s' found.",
        node->kind == BN_J_FILTER ? "filter" : "test", (int) node->name->size,
        node->name->text);
  }
  args = eval_arguments (j, &node->args, 0);
  j->at = node->at;
  return bn_j_call_native (j, node->native, of, &args);
}

static BnJValue
eval_item (BnJ *j, const BnJNode *node)
{
  BnJValue object = bn_j_eval (j, node->a);
  const BnJNode *key = node->b;
  BnJValue bounds[3];

  if (key->kind != BN_J_SLICE) {
    BnJValue item = bn_j_eval (j, key);

    j->at = node->at;
    return bn_j_get_item (j, object, item);
  }
  bounds[0] = key->a ? bn_j_eval (j, key->a) : bn_j_none ();
  bounds[1] = key->b ? bn_j_eval (j, key->b) : bn_j_none ();
  bounds[2] = key->c ? bn_j_eval (j, key->c) : bn_j_none ();
  j->at = node->at;
  return bn_j_get_slice (j, object, bounds[0], bounds[1], bounds[2]);
}

static BnJValue
eval_condition (BnJ *j, const BnJNode *node)
{
  if (bn_j_is_true (j, bn_j_eval (j, node->a)))
    return bn_j_eval (j, node->b);
  if (node->c != NULL)
    return bn_j_eval (j, node->c);
  return bn_j_undefined (j, "the inline if-expression evaluated to false and "
                            "no else section was defined.");
}

BnJValue
bn_j_eval (BnJ *j, const BnJNode *node)
{
  BnJValue value, other;

  if (node->kind == BN_J_CONST)
    return node->value;
  bn_j_step (j, 1);
  if (node->kind == BN_J_NAME)
    return eval_name (j, node);
  bn_j_check_stack (j);
  switch (node->kind) {
    case BN_J_MAKE_TUPLE:
      return bn_j_tuple (eval_items (j, &node->items));
    case BN_J_MAKE_LIST:
      return bn_j_list (eval_items (j, &node->items));
    case BN_J_MAKE_DICT:
      return eval_dict (j, node);
    case BN_J_NOT:
      return bn_j_boolean (!bn_j_is_true (j, bn_j_eval (j, node->a)));
    case BN_J_NEGATE:
    case BN_J_POSITIVE:
      value = bn_j_eval (j, node->a);
      j->at = node->at;
      return bn_j_negate (j, value, node->kind == BN_J_POSITIVE);
    case BN_J_AND:
    case BN_J_OR:
      value = bn_j_eval (j, node->a);
      return bn_j_is_true (j, value) == (node->kind == BN_J_OR)
                 ? value
                 : bn_j_eval (j, node->b);
    case BN_J_BINARY:
      value = bn_j_eval (j, node->a);
      other = bn_j_eval (j, node->b);
      j->at = node->at;
      return bn_j_binary (j, node->op, value, other);
    case BN_J_CONCAT:
      return eval_concat (j, node);
    case BN_J_COMPARE:
      return eval_comparison (j, node);
    case BN_J_CONDITION:
      return eval_condition (j, node);
    case BN_J_FILTER:
    case BN_J_TEST:
      return bn_j_eval_native (j, node, bn_j_eval (j, node->a));
    case BN_J_CALL:
      return eval_call (j, node);
    case BN_J_ATTRIBUTE:
      value = bn_j_eval (j, node->a);
      j->at = node->at;
      return bn_j_get_attribute (j, value, node->name);
    case BN_J_ITEM:
      return eval_item (j, node);
    default:
      j->at = node->at;
      bn_j_fail (j, "a slice can stand only between [ and ]");
  }
}

/* Targets */

static void
assign_items (BnJ *j, const BnJNode *target, BnJValue value)
{
  BnJIterator *iterator = bn_j_iterate (j, value);
  BnJValue item;
  size_t n = 0;

  /* All of them first, so that a, b = b, a works. */
  BnJList *items = bn_j_list_new (j, target->items.n);

  while (n <= target->items.n && bn_j_iterator_next (j, iterator, &item)) {
    bn_j_list_add (j, items, item);
    n++;
  }
  if (n > target->items.n)
    bn_j_fail (j, "too many values to unpack (expected %" G_GSIZE_FORMAT ")",
        target->items.n);
  if (n < target->items.n)
    bn_j_fail (j,
        "not enough values to unpack (expected %" G_GSIZE_FORMAT
        ", got %" G_GSIZE_FORMAT ")",
        target->items.n, n);
  for (size_t i = 0; i < n; i++)
    bn_j_assign (j, target->items.items[i], items->items[i]);
}

void
bn_j_assign (BnJ *j, const BnJNode *target, BnJValue value)
{
  BnJValue *slot;

  j->at = target->at;
  if (target->kind == BN_J_MAKE_TUPLE) {
    assign_items (j, target, value);
    return;
  }
  slot = &frame_of (j, target->ref)->slots[target->ref.slot];
  if (target->kind == BN_J_MEMBER_NAME) {
    if (slot->type != BN_J_NAMESPACE)
      bn_j_fail (j, "cannot assign attribute on non-namespace object");
    bn_j_dict_set (j, slot->dict,
        bn_j_string ((BnJString *) (uintptr_t) target->attribute), value);
    return;
  }
  *slot = value;
  if (target->is_export)
    bn_j_dict_set (j, j->exported,
        bn_j_string ((BnJString *) (uintptr_t) target->name), value);
}

/* Calls */

/* The next word of a list of parameters. */
static size_t
next_parameter (const char **list, const char **name)
{
  size_t size;

  *list += strspn (*list, " ");
  *name = *list;
  size = strcspn (*list, " ");
  *list += size;
  return size;
}

static void
bind_keyword (
    BnJ *j, const BnJCallable *native, const BnJKeyword *keyword, BnJValue *p)
{
  const char *list = native->parameters, *name;
  gboolean is_nameable = strchr (list, '/') == NULL;
  size_t i = 0, size;

  while ((size = next_parameter (&list, &name)) > 0) {
    if (*name == '/') {
      is_nameable = TRUE;
    } else if (*name != '?') {
      if (is_nameable && keyword->name->size == size
          && memcmp (keyword->name->text, name, size) == 0) {
        if (p[i].type != BN_J_MISSING)
          bn_j_fail (j, "%s() got multiple values for argument '%.*s'",
              native->name, (int) size, name);
        p[i] = keyword->value;
        return;
      }
      i++;
    }
  }
  bn_j_fail (j, "%s() got an unexpected keyword argument '%.*s'", native->name,
      (int) keyword->name->size, keyword->name->text);
}

BnJValue
bn_j_call_native (
    BnJ *j, const BnJCallable *native, BnJValue self, const BnJArgs *args)
{
  BnJValue p[BN_J_MAX_PARAMETERS] = {0};
  const char *list = native->parameters, *name;
  gboolean is_required = TRUE;
  size_t n = 0, size;

  bn_j_step (j, 1);
  if (*list == '*')
    return native->call (j, self, p, args);
  for (const char *c = list; (size = next_parameter (&c, &name)) > 0;)
    n += *name != '?' && *name != '/';
  if (args->n > n)
    bn_j_fail (j,
        "%s() takes at most %" G_GSIZE_FORMAT " arguments (%" G_GSIZE_FORMAT
        " given)",
        native->name, n, args->n);
  for (size_t i = 0; i < args->n; i++)
    p[i] = args->values[i];
  for (size_t i = 0; i < args->n_keywords; i++)
    bind_keyword (j, native, &args->keywords[i], p);
  for (size_t i = 0; (size = next_parameter (&list, &name)) > 0;) {
    if (*name == '?') {
      is_required = FALSE;
    } else if (*name != '/') {
      if (is_required && p[i].type == BN_J_MISSING)
        bn_j_fail (j, "%s() missing required argument '%.*s'", native->name,
            (int) size, name);
      i++;
    }
  }
  return native->call (j, self, p, args);
}

static BnJValue
call_joiner (BnJ *j, BnJJoiner *joiner)
{
  if (joiner->is_used)
    return joiner->separator;
  joiner->is_used = true;
  return bn_j_text (j, "");
}

BnJValue
bn_j_call (BnJ *j, BnJValue callee, const BnJArgs *args)
{
  switch (callee.type) {
    case BN_J_FUNCTION:
      return bn_j_call_native (j, callee.function, bn_j_none (), args);
    case BN_J_METHOD:
      return bn_j_call_native (
          j, callee.method->callable, callee.method->self, args);
    case BN_J_MACRO:
      return bn_j_call_macro (j, callee.macro, args);
    case BN_J_LOOP:
      if (args->n != 1 || args->n_keywords != 0)
        bn_j_fail (j, "loop() takes one argument");
      return bn_j_call_loop (j, callee.loop, args->values[0]);
    case BN_J_JOINER:
      if (args->n + args->n_keywords != 0)
        bn_j_fail (j, "a joiner takes no arguments");
      return call_joiner (j, callee.joiner);
    case BN_J_UNDEFINED:
      bn_j_fail (j, "%s", callee.undefined->message);
    default:
      bn_j_fail (j, "'%s' object is not callable", bn_j_type_name (callee));
  }
}
