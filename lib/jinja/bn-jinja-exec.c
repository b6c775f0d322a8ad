/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Executes statements: output, loops, macros and the blocks. */
#include "bn-jinja-private.h"

#include <string.h>

#include "bn-jinja-ast.h"

typedef enum { FLOW_NORMAL, FLOW_BREAK, FLOW_CONTINUE } Flow;

static Flow exec_body (BnJ *j, const BnJNodes *body);

/* Scopes */

static BnJFrame *
frame_new (BnJ *j, const BnJFunctionInfo *function, BnJFrame *outer)
{
  BnJFrame *frame = bn_j_alloc (
      j, 1, sizeof (BnJFrame) + function->n_slots * sizeof (BnJValue));

  frame->outer = outer;
  return frame;
}

static BnJValue
read_ref (const BnJ *j, BnJRef ref)
{
  const BnJFrame *frame = j->frame;

  for (uint16_t i = 0; i < ref.hops; i++)
    frame = frame->outer;
  return frame->slots[ref.slot];
}

static BnJValue
resolve (BnJ *j, const BnJString *name)
{
  BnJValue value;

  if (bn_j_dict_get_string (j->exported, name, &value)
      || bn_j_dict_get_string (j->variables, name, &value)
      || bn_j_find_global (name, &value))
    return value;
  return bn_j_missing ();
}

static void
enter_scope (BnJ *j, const BnJScope *scope)
{
  for (size_t i = 0; i < scope->n; i++) {
    const BnJLoad *load = &scope->loads[i];
    BnJValue *slot = &j->frame->slots[load->slot];

    switch (load->action) {
      case BN_J_LOAD_RESOLVE:
        *slot = resolve (j, load->name);
        break;
      case BN_J_LOAD_ALIAS:
        *slot = read_ref (j, load->from);
        break;
      case BN_J_LOAD_UNDEFINED:
        *slot = bn_j_missing ();
        break;
    }
  }
}

static void
enter_call (BnJ *j)
{
  bn_j_check_stack (j);
  if (++j->depth > j->limits.max_depth)
    bn_j_fail (
        j, "calls are nested deeper than the limit of %u", j->limits.max_depth);
}

/* What body writes. */
static BnJString *
catch_output (BnJ *j, const BnJNodes *body, Flow *flow)
{
  BnJBuffer *output = j->output, *buffer = bn_j_buffer_new (j, 0);

  j->output = buffer;
  *flow = exec_body (j, body);
  j->output = output;
  return bn_j_buffer_finish (j, buffer);
}

/* Macros */

static const BnJKeyword *
find_keyword (const BnJArgs *args, const BnJString *name)
{
  for (size_t i = 0; i < args->n_keywords; i++) {
    if (bn_j_string_equal (args->keywords[i].name, name))
      return &args->keywords[i];
  }
  return NULL;
}

static void
set_slot (BnJ *j, const BnJNode *name, BnJValue value)
{
  j->frame->slots[name->ref.slot] = value;
}

static gboolean
is_parameter (const BnJSignature *signature, const BnJString *name, size_t from)
{
  for (size_t i = from; i < signature->params.n; i++) {
    if (bn_j_string_equal (signature->params.items[i]->name, name))
      return TRUE;
  }
  return FALSE;
}

/* What is left of the arguments. */
static void
bind_rest (BnJ *j, const BnJNode *node, const BnJArgs *args)
{
  const BnJSignature *signature = node->signature;
  BnJDict *kwargs = bn_j_dict_new (j);
  BnJList *varargs = bn_j_list_new (j, 0);
  size_t n_params = signature->params.n;
  gboolean caller_is_param =
      signature->takes_caller && signature->has_explicit_caller;

  if (signature->takes_caller && !caller_is_param)
    j->frame->slots[signature->caller_slot] =
        bn_j_undefined (j, "No caller defined");
  for (size_t i = 0; i < args->n_keywords; i++) {
    const BnJKeyword *keyword = &args->keywords[i];

    if (is_parameter (signature, keyword->name, args->n))
      continue;
    if (signature->takes_caller && !caller_is_param
        && bn_j_string_is (keyword->name, "caller")) {
      if (keyword->value.type != BN_J_NONE)
        j->frame->slots[signature->caller_slot] = keyword->value;
    } else if (signature->takes_kwargs) {
      bn_j_dict_set (j, kwargs,
          bn_j_string ((BnJString *) (uintptr_t) keyword->name),
          keyword->value);
    } else {
      bn_j_fail (j, "macro takes no keyword argument '%.*s'",
          (int) keyword->name->size, keyword->name->text);
    }
  }
  if (signature->takes_kwargs)
    j->frame->slots[signature->kwargs_slot] = bn_j_dict (kwargs);
  for (size_t i = n_params; i < args->n; i++)
    bn_j_list_add (j, varargs, args->values[i]);
  if (signature->takes_varargs)
    j->frame->slots[signature->varargs_slot] = bn_j_tuple (varargs);
  else if (args->n > n_params)
    bn_j_fail (j, "macro takes not more than %" G_GSIZE_FORMAT " argument(s)",
        n_params);
}

static void
bind_parameters (BnJ *j, const BnJNode *node, const BnJArgs *args)
{
  const BnJSignature *signature = node->signature;
  size_t n = signature->params.n;

  for (size_t i = 0; i < n; i++) {
    const BnJNode *param = signature->params.items[i];
    const BnJKeyword *keyword =
        i < args->n ? NULL : find_keyword (args, param->name);

    set_slot (j, param,
        i < args->n ? args->values[i]
        : keyword   ? keyword->value
                    : bn_j_missing ());
  }
  bind_rest (j, node, args);
  enter_scope (j, &node->scope);
  for (size_t i = 0; i < n; i++) {
    const BnJNode *param = signature->params.items[i];

    if (j->frame->slots[param->ref.slot].type != BN_J_MISSING)
      continue;
    if (i + signature->defaults.n >= n)
      set_slot (j, param,
          bn_j_eval (
              j, signature->defaults.items[i + signature->defaults.n - n]));
    else
      set_slot (j, param,
          bn_j_undefined (j, "parameter '%.*s' was not provided",
              (int) MIN (param->name->size, 100u), param->name->text));
  }
}

static BnJString *
call_body (BnJ *j, const BnJNode *node, BnJFrame *outer, const BnJArgs *args)
{
  BnJFrame *frame = j->frame;
  BnJString *text;
  Flow flow;

  enter_call (j);
  j->frame = frame_new (j, node->function, outer);
  bind_parameters (j, node, args);
  text = catch_output (j, &node->body, &flow);
  j->frame = frame;
  j->depth--;
  return text;
}

BnJValue
bn_j_call_macro (BnJ *j, const BnJMacro *macro, const BnJArgs *args)
{
  return bn_j_string (call_body (j, macro->node, macro->frame, args));
}

static BnJValue
make_macro (BnJ *j, const BnJNode *node)
{
  BnJMacro *macro = bn_j_new (j, BnJMacro);

  macro->node = node;
  macro->frame = j->frame;
  return (BnJValue){.type = BN_J_MACRO, .macro = macro};
}

/* Loops */

typedef struct {
  const BnJNode *node;
  BnJFrame *outer, *frame;
} LoopFilter;

static gboolean
next_filtered (BnJ *j, BnJIterator *self, BnJValue *value)
{
  LoopFilter *filter = self->data;
  BnJFrame *frame = j->frame;
  gboolean is_found = FALSE;

  if (filter->frame == NULL) {
    filter->frame = frame_new (j, filter->node->filter_function, filter->outer);
    j->frame = filter->frame;
    enter_scope (j, &filter->node->filter_scope);
  }
  j->frame = filter->frame;
  while (!is_found && bn_j_iterator_next (j, self->inner, value)) {
    bn_j_assign (j, filter->node->filter_target, *value);
    is_found = bn_j_is_true (j, bn_j_eval (j, filter->node->c));
  }
  j->frame = frame;
  return is_found;
}

/* The iterable of a loop, with its filter. outer: the frame around. */
static BnJValue
filter_loop (BnJ *j, const BnJNode *node, BnJValue iterable, BnJFrame *outer)
{
  BnJIterator *iterator;
  LoopFilter *filter;

  if (node->c == NULL)
    return iterable;
  iterator = bn_j_iterator_new (j, next_filtered, bn_j_iterate (j, iterable));
  filter = bn_j_new (j, LoopFilter);
  filter->node = node;
  filter->outer = outer;
  iterator->data = filter;
  return bn_j_iterator_value (iterator);
}

static gboolean
loop_next (BnJ *j, BnJLoop *loop, BnJValue *value)
{
  if (loop->after.type != BN_J_MISSING) {
    *value = loop->after;
    loop->after = bn_j_missing ();
  } else if (!bn_j_iterator_next (j, loop->iterator, value)) {
    return FALSE;
  }
  loop->index0++;
  loop->before = loop->current;
  loop->current = *value;
  return TRUE;
}

static Flow
run_loop (BnJ *j, const BnJNode *node, BnJValue iterable, BnJLoop *loop)
{
  BnJIterator *iterator = bn_j_iterate (j, iterable);
  gboolean is_else = TRUE;
  BnJValue value;

  if (loop != NULL) {
    loop->source = iterable;
    loop->iterator = iterator;
    loop->index0 = -1;
    loop->length = -1;
  }
  while (loop != NULL ? loop_next (j, loop, &value)
                      : bn_j_iterator_next (j, iterator, &value)) {
    Flow flow;

    bn_j_step (j, 1);
    bn_j_assign (j, node->a, value);
    if (loop != NULL)
      j->frame->slots[node->loop_ref.slot] =
          (BnJValue){.type = BN_J_LOOP, .loop = loop};
    enter_scope (j, &node->scope);
    flow = exec_body (j, &node->body);
    if (flow == FLOW_BREAK)
      break;
    /* A round that was cut short does not count, as in the reference. */
    if (flow == FLOW_NORMAL)
      is_else = FALSE;
  }
  if (!is_else || node->other.n == 0)
    return FLOW_NORMAL;
  enter_scope (j, &node->else_scope);
  return exec_body (j, &node->other);
}

/* One level of a recursive loop. outer: the frame around the loop. */
static BnJString *
run_recursive (BnJ *j, const BnJNode *node, BnJValue iterable, int64_t depth,
    BnJFrame *outer)
{
  BnJFrame *frame = j->frame;
  BnJBuffer *output = j->output, *buffer = bn_j_buffer_new (j, 0);
  BnJLoop *loop = bn_j_new (j, BnJLoop);

  enter_call (j);
  loop->recursive = node;
  loop->depth0 = depth;
  loop->frame = outer;
  j->frame = frame_new (j, node->function, outer);
  j->output = buffer;
  run_loop (j, node, filter_loop (j, node, iterable, outer), loop);
  j->output = output;
  j->frame = frame;
  j->depth--;
  return bn_j_buffer_finish (j, buffer);
}

BnJValue
bn_j_call_loop (BnJ *j, BnJLoop *loop, BnJValue iterable)
{
  if (loop->recursive == NULL)
    bn_j_fail (j, "The loop must have the 'recursive' marker to be called "
                  "recursively.");
  return bn_j_string (run_recursive (
      j, loop->recursive, iterable, loop->depth0 + 1, loop->frame));
}

static Flow
exec_for (BnJ *j, const BnJNode *node)
{
  BnJValue iterable = bn_j_eval (j, node->b);

  j->at = node->at;
  if (node->is_recursive) {
    bn_j_append_string (
        j, j->output, run_recursive (j, node, iterable, 0, j->frame));
    return FLOW_NORMAL;
  }
  return run_loop (j, node, filter_loop (j, node, iterable, j->frame),
      node->has_loop ? bn_j_new (j, BnJLoop) : NULL);
}

static BnJValue
loop_peek (BnJ *j, BnJLoop *loop)
{
  if (loop->after.type == BN_J_MISSING
      && !bn_j_iterator_next (j, loop->iterator, &loop->after))
    loop->after = bn_j_missing ();
  return loop->after;
}

size_t
bn_j_loop_length (BnJ *j, BnJLoop *loop)
{
  if (loop->length < 0) {
    size_t length = bn_j_length (j, loop->source);

    if (length == SIZE_MAX) {
      BnJList *rest = bn_j_copy_items (j, bn_j_iterator_value (loop->iterator));

      loop->iterator = bn_j_iterate (j, bn_j_list (rest));
      length = rest->n + (size_t) loop->index0 + 1
               + (loop->after.type != BN_J_MISSING);
    }
    loop->length = (int64_t) length;
  }
  return (size_t) loop->length;
}

static BnJValue
loop_cycle (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  if (args->n == 0 || args->n_keywords > 0)
    bn_j_fail (j, "no items for cycling given");
  return args->values[(size_t) self.loop->index0 % args->n];
}

static BnJValue
loop_changed (BnJ *j, BnJValue self, const BnJValue *p, const BnJArgs *args)
{
  BnJList *values = bn_j_list_new (j, args->n);

  for (size_t i = 0; i < args->n; i++)
    bn_j_list_add (j, values, args->values[i]);
  if (self.loop->changed != NULL
      && bn_j_equal (j, bn_j_tuple (self.loop->changed), bn_j_tuple (values)))
    return bn_j_boolean (false);
  self.loop->changed = values;
  return bn_j_boolean (true);
}

static const BnJCallable loop_methods[] = {
    {"cycle", "*", loop_cycle}, {"changed", "*", loop_changed}};

static BnJValue
loop_number (BnJ *j, BnJLoop *loop, const BnJString *name)
{
  if (bn_j_string_is (name, "index"))
    return bn_j_integer (loop->index0 + 1);
  if (bn_j_string_is (name, "index0"))
    return bn_j_integer (loop->index0);
  if (bn_j_string_is (name, "depth"))
    return bn_j_integer (loop->depth0 + 1);
  if (bn_j_string_is (name, "depth0"))
    return bn_j_integer (loop->depth0);
  if (bn_j_string_is (name, "length"))
    return bn_j_integer ((int64_t) bn_j_loop_length (j, loop));
  if (bn_j_string_is (name, "revindex"))
    return bn_j_integer ((int64_t) bn_j_loop_length (j, loop) - loop->index0);
  if (bn_j_string_is (name, "revindex0"))
    return bn_j_integer (
        (int64_t) bn_j_loop_length (j, loop) - loop->index0 - 1);
  return bn_j_missing ();
}

gboolean
bn_j_loop_get (BnJ *j, BnJLoop *loop, const BnJString *name, BnJValue *value)
{
  BnJValue self = {.type = BN_J_LOOP, .loop = loop};

  *value = loop_number (j, loop, name);
  if (value->type != BN_J_MISSING)
    return TRUE;
  if (bn_j_string_is (name, "first")) {
    *value = bn_j_boolean (loop->index0 == 0);
  } else if (bn_j_string_is (name, "last")) {
    *value = bn_j_boolean (loop_peek (j, loop).type == BN_J_MISSING);
  } else if (bn_j_string_is (name, "previtem")) {
    *value = loop->index0 == 0 ? bn_j_undefined (j, "there is no previous item")
                               : loop->before;
  } else if (bn_j_string_is (name, "nextitem")) {
    *value = loop_peek (j, loop);
    if (value->type == BN_J_MISSING)
      *value = bn_j_undefined (j, "there is no next item");
  } else {
    const BnJCallable *method =
        bn_j_find_in (loop_methods, G_N_ELEMENTS (loop_methods), name);

    if (method == NULL)
      return FALSE;
    value->type = BN_J_METHOD;
    value->method = bn_j_new (j, BnJMethod);
    *value->method = (BnJMethod){self, method};
  }
  return TRUE;
}

/* Statements */

static void
exec_output (BnJ *j, const BnJNode *node)
{
  for (size_t i = 0; i < node->items.n; i++) {
    const BnJNode *item = node->items.items[i];

    if (item->kind == BN_J_CONST && item->value.type == BN_J_STRING) {
      bn_j_append_string (j, j->output, item->value.string);
    } else {
      BnJValue value = bn_j_eval (j, item);

      j->at = item->at;
      bn_j_append_value (j, j->output, value);
    }
  }
}

static Flow
exec_if (BnJ *j, const BnJNode *node)
{
  if (bn_j_is_true (j, bn_j_eval (j, node->a)))
    return exec_body (j, &node->body);
  for (size_t i = 0; i < node->items.n; i++) {
    const BnJNode *branch = node->items.items[i];

    if (bn_j_is_true (j, bn_j_eval (j, branch->a)))
      return exec_body (j, &branch->body);
  }
  return exec_body (j, &node->other);
}

static Flow
exec_with (BnJ *j, const BnJNode *node)
{
  enter_scope (j, &node->scope);
  for (size_t i = 0; i < node->items.n; i += 2)
    bn_j_assign (
        j, node->items.items[i], bn_j_eval (j, node->items.items[i + 1]));
  return exec_body (j, &node->body);
}

/* set, whose body is assigned, and filter, whose body is filtered. */
static Flow
exec_catching (BnJ *j, const BnJNode *node)
{
  const BnJNode *filter = node->kind == BN_J_SET_BLOCK ? node->b : node->a;
  BnJValue value;
  Flow flow;

  enter_scope (j, &node->scope);
  value = bn_j_string (catch_output (j, &node->body, &flow));
  if (flow != FLOW_NORMAL)
    return flow;
  if (filter != NULL) {
    /* Several filters are nodes within each other. */
    const BnJNode *chain[32];
    size_t n = 0;

    for (; filter != NULL; filter = filter->a) {
      if (n == G_N_ELEMENTS (chain))
        bn_j_fail (j, "nested deeper than the limit");
      chain[n++] = filter;
    }
    while (n > 0)
      value = bn_j_eval_native (j, chain[--n], value);
  }
  if (node->kind == BN_J_SET_BLOCK)
    bn_j_assign (j, node->a, value);
  else
    bn_j_append_value (j, j->output, value);
  return FLOW_NORMAL;
}

static void
exec_block (BnJ *j, const BnJNode *node)
{
  const BnJDict *variables = j->variables;
  BnJFrame *frame = j->frame;

  if (node->is_required)
    bn_j_fail (j, "Required block '%.*s' not found", (int) node->name->size,
        node->name->text);
  if (node->else_scope.n > 0) {
    BnJDict *seen = bn_j_dict_new (j);

    for (size_t i = 0; i < variables->n; i++)
      bn_j_dict_set (
          j, seen, variables->entries[i].key, variables->entries[i].value);
    for (size_t i = 0; i < node->else_scope.n; i++) {
      BnJValue value = read_ref (j, node->else_scope.loads[i].from);

      if (value.type != BN_J_MISSING)
        bn_j_dict_set (j, seen,
            bn_j_string (
                (BnJString *) (uintptr_t) node->else_scope.loads[i].name),
            value);
    }
    j->variables = seen;
  }
  enter_call (j);
  j->frame = frame_new (j, node->function, NULL);
  enter_scope (j, &node->scope);
  exec_body (j, &node->body);
  j->frame = frame;
  j->variables = variables;
  j->depth--;
}

static Flow
exec (BnJ *j, const BnJNode *node)
{
  static const BnJArgs no_arguments = {0};
  BnJValue value;

  bn_j_step (j, 1);
  j->at = node->at;
  switch (node->kind) {
    case BN_J_OUTPUT:
      exec_output (j, node);
      return FLOW_NORMAL;
    case BN_J_FOR:
      return exec_for (j, node);
    case BN_J_IF:
      return exec_if (j, node);
    case BN_J_SET:
      bn_j_assign (j, node->a, bn_j_eval (j, node->b));
      return FLOW_NORMAL;
    case BN_J_MACRO_DEF:
      bn_j_assign (j, node->a, make_macro (j, node));
      return FLOW_NORMAL;
    case BN_J_CALL_BLOCK:
      value = bn_j_eval_call_with (j, node->a, make_macro (j, node));
      bn_j_append_value (j, j->output, value);
      return FLOW_NORMAL;
    case BN_J_GENERATION:
      bn_j_append_string (
          j, j->output, call_body (j, node, j->frame, &no_arguments));
      return FLOW_NORMAL;
    case BN_J_WITH:
      return exec_with (j, node);
    case BN_J_SET_BLOCK:
    case BN_J_FILTER_BLOCK:
      return exec_catching (j, node);
    case BN_J_SCOPE:
      enter_scope (j, &node->scope);
      return exec_body (j, &node->body);
    case BN_J_BLOCK:
      exec_block (j, node);
      return FLOW_NORMAL;
    case BN_J_BREAK:
      return FLOW_BREAK;
    case BN_J_CONTINUE:
      return FLOW_CONTINUE;
    default:
      bn_j_fail (j,
          "'%.*s' needs other templates, which chat templates do not "
          "have",
          (int) MIN (node->name->size, 100u), node->name->text);
  }
}

static Flow
exec_body (BnJ *j, const BnJNodes *body)
{
  bn_j_check_stack (j);
  for (size_t i = 0; i < body->n; i++) {
    Flow flow = exec (j, body->items[i]);

    if (flow != FLOW_NORMAL)
      return flow;
  }
  return FLOW_NORMAL;
}

void
bn_j_run (BnJ *j)
{
  j->exported = bn_j_dict_new (j);
  j->frame = frame_new (j, j->program->function, NULL);
  j->output = bn_j_buffer_new (j, 1 << 12);
  enter_scope (j, &j->program->scope);
  exec_body (j, &j->program->body);
}
