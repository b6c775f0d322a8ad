/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names to variables.
 *
 * The reference compiles a template to nested functions, and what a name
 * means follows from that: loops, macros, blocks of with, set and filter are
 * scopes; the branches of an if are not. A scope knows a name that it loads
 * or stores anywhere. A name that a scope stores hides that of the scope
 * around it, whose value it starts with; a name that no scope stores is looked
 * up among the variables of the rendering. Macros, recursive loops and the
 * filters of loops are functions, which see the variables of those around
 * them as they are when they run.
 *
 * The names of a scope are collected first (analyze), then every name in its
 * code is given its slot (link). */
#include "bn-jinja-private.h"

#include <string.h>

#include "bn-jinja-ast.h"

typedef struct {
  BnJFunctionInfo *function;
  uint16_t slot;
} Variable;

typedef enum {
  ACTION_PARAMETER,
  ACTION_RESOLVE,
  ACTION_ALIAS,
  ACTION_UNDEFINED
} Action;

typedef struct {
  Variable *variable;
  Action action;
  const BnJString *name;
  Variable *from;
} Load;

/* What a scope, or a branch of one, knows. */
typedef struct Symbols Symbols;
struct Symbols {
  Symbols *outer; /* scope around */
  Symbols *base;  /* of a branch: what was known before it */
  BnJFunctionInfo *function;
  guint level;
  BnJDict *refs;   /* name -> Variable */
  BnJDict *loads;  /* Variable -> Load */
  BnJDict *stores; /* names */
};

typedef struct {
  BnJ *j;
  BnJProgram *program;
  BnJDict *variables; /* (function, level, name) -> Variable */
  BnJDict *names;     /* all that are loaded */
} Linker;

/* Where code stands. */
typedef struct {
  Symbols *symbols;
  gboolean is_top_level;
  gboolean is_soft; /* unknown filters are an error only when reached */
} Place;

static BnJValue
pack (const void *pointer)
{
  return (BnJValue){.type = BN_J_FUNCTION, .pointer = pointer};
}

static BnJValue
key_of (const BnJString *name)
{
  return bn_j_string ((BnJString *) (uintptr_t) name);
}

static Symbols *
symbols_new (Linker *l, Symbols *outer, BnJFunctionInfo *function)
{
  Symbols *symbols = bn_j_new (l->j, Symbols);

  symbols->outer = outer;
  symbols->function = function;
  symbols->level = outer != NULL ? outer->level + 1 : 0;
  symbols->refs = bn_j_dict_new (l->j);
  symbols->loads = bn_j_dict_new (l->j);
  symbols->stores = bn_j_dict_new (l->j);
  return symbols;
}

static Symbols *
branch_new (Linker *l, Symbols *base)
{
  Symbols *symbols = symbols_new (l, base->outer, base->function);

  symbols->base = base;
  symbols->level = base->level;
  return symbols;
}

static BnJFunctionInfo *
function_new (Linker *l, BnJFunctionInfo *outer)
{
  BnJFunctionInfo *function = bn_j_new (l->j, BnJFunctionInfo);

  function->outer = outer;
  return function;
}

/* In the scope itself. */
static Variable *
find_own (const Symbols *symbols, const BnJString *name)
{
  BnJValue value;

  for (; symbols != NULL; symbols = symbols->base) {
    if (bn_j_dict_get_string (symbols->refs, name, &value))
      return (Variable *) (uintptr_t) value.pointer;
  }
  return NULL;
}

static Variable *
find (const Symbols *symbols, const BnJString *name)
{
  for (; symbols != NULL; symbols = symbols->outer) {
    Variable *variable = find_own (symbols, name);

    if (variable != NULL)
      return variable;
  }
  return NULL;
}

static void
set_load (Linker *l, Symbols *symbols, Variable *variable, Action action,
    const BnJString *name, Variable *from)
{
  Load *load = bn_j_new (l->j, Load);

  *load = (Load){variable, action, name, from};
  bn_j_dict_set (l->j, symbols->loads, pack (variable), pack (load));
}

/* Scopes of the same level of one function share the variable of a name. */
static void
define (Linker *l, Symbols *symbols, const BnJString *name, Action action,
    Variable *from)
{
  BnJList *key = bn_j_list_new (l->j, 3);
  BnJValue found;
  Variable *variable;

  bn_j_list_add (l->j, key, pack (symbols->function));
  bn_j_list_add (l->j, key, bn_j_integer (symbols->level));
  bn_j_list_add (l->j, key, key_of (name));
  if (bn_j_dict_get (l->j, l->variables, bn_j_tuple (key), &found)) {
    variable = (Variable *) (uintptr_t) found.pointer;
  } else {
    variable = bn_j_new (l->j, Variable);
    variable->function = symbols->function;
    if (symbols->function->n_slots == G_MAXUINT16)
      bn_j_fail (l->j, "the template has too many variables");
    variable->slot = symbols->function->n_slots++;
    bn_j_dict_set (l->j, l->variables, bn_j_tuple (key), pack (variable));
  }
  bn_j_dict_set (l->j, symbols->refs, key_of (name), pack (variable));
  set_load (l, symbols, variable, action, name, from);
}

static void
declare_parameter (Linker *l, Symbols *symbols, const BnJString *name)
{
  bn_j_dict_set (l->j, symbols->stores, key_of (name), bn_j_none ());
  define (l, symbols, name, ACTION_PARAMETER, NULL);
}

static void
store (Linker *l, Symbols *symbols, const BnJString *name)
{
  bn_j_dict_set (l->j, symbols->stores, key_of (name), bn_j_none ());
  if (find_own (symbols, name) == NULL) {
    Variable *outer = find (symbols->outer, name);

    define (l, symbols, name, outer ? ACTION_ALIAS : ACTION_UNDEFINED, outer);
  }
}

static void
load (Linker *l, Symbols *symbols, const BnJString *name)
{
  bn_j_dict_set (l->j, l->names, key_of (name), bn_j_none ());
  if (find (symbols, name) == NULL)
    define (l, symbols, name, ACTION_RESOLVE, NULL);
}

static gboolean
is_stored (const Symbols *symbols, const BnJString *name)
{
  BnJValue value;

  for (; symbols != NULL; symbols = symbols->base) {
    if (bn_j_dict_get_string (symbols->stores, name, &value))
      return TRUE;
  }
  return FALSE;
}

static void
merge_dict (Linker *l, BnJDict *into, const BnJDict *from)
{
  for (size_t i = 0; i < from->n; i++)
    bn_j_dict_set (l->j, into, from->entries[i].key, from->entries[i].value);
}

/* What branches stored is stored, perhaps, after them: it starts with the
 * value outside of the scope. */
static void
merge_branches (Linker *l, Symbols *symbols, Symbols *const *branches, size_t n)
{
  BnJDict *stores = bn_j_dict_new (l->j);

  for (size_t i = 0; i < n; i++) {
    for (size_t k = 0; k < branches[i]->stores->n; k++) {
      BnJValue name = branches[i]->stores->entries[k].key;

      if (!is_stored (symbols, name.string))
        bn_j_dict_set (l->j, stores, name, bn_j_none ());
    }
  }
  for (size_t i = 0; i < n; i++) {
    merge_dict (l, symbols->refs, branches[i]->refs);
    merge_dict (l, symbols->loads, branches[i]->loads);
    merge_dict (l, symbols->stores, branches[i]->stores);
  }
  for (size_t k = 0; k < stores->n; k++) {
    const BnJString *name = stores->entries[k].key.string;
    Variable *outer = find (symbols->outer, name);

    set_load (l, symbols, find (symbols, name),
        outer ? ACTION_ALIAS : ACTION_RESOLVE, name, outer);
  }
}

/* Children in the reference's order */

typedef void (*Visit) (BnJNode *node, void *data);

static void
visit_nodes (const BnJNodes *nodes, Visit visit, void *data)
{
  for (size_t i = 0; i < nodes->n; i++)
    visit (nodes->items[i], data);
}

static void
visit_one (BnJNode *node, Visit visit, void *data)
{
  if (node != NULL)
    visit (node, data);
}

static void
visit_arguments (const BnJArgNodes *args, Visit visit, void *data)
{
  visit_nodes (&args->positional, visit, data);
  for (size_t i = 0; i < args->n_keywords; i++)
    visit (args->keywords[i].value, data);
  visit_one (args->more, visit, data);
  visit_one (args->more_keywords, visit, data);
}

static void
visit_children (BnJNode *node, Visit visit, void *data)
{
  switch (node->kind) {
    case BN_J_FOR:
      visit (node->a, data);
      visit (node->b, data);
      visit_nodes (&node->body, visit, data);
      visit_nodes (&node->other, visit, data);
      visit_one (node->c, visit, data);
      return;
    case BN_J_IF:
      visit (node->a, data);
      visit_nodes (&node->body, visit, data);
      visit_nodes (&node->items, visit, data);
      visit_nodes (&node->other, visit, data);
      return;
    case BN_J_MACRO_DEF:
    case BN_J_CALL_BLOCK:
    case BN_J_GENERATION:
      if (node->kind == BN_J_CALL_BLOCK)
        visit (node->a, data);
      visit_nodes (&node->signature->params, visit, data);
      visit_nodes (&node->signature->defaults, visit, data);
      visit_nodes (&node->body, visit, data);
      return;
    case BN_J_FILTER_BLOCK:
      visit_nodes (&node->body, visit, data);
      visit (node->a, data);
      return;
    case BN_J_WITH:
      for (size_t i = 0; i < node->items.n; i += 2)
        visit (node->items.items[i], data);
      for (size_t i = 1; i < node->items.n; i += 2)
        visit (node->items.items[i], data);
      visit_nodes (&node->body, visit, data);
      return;
    default:
      visit_one (node->a, visit, data);
      visit_one (node->b, visit, data);
      visit_one (node->c, visit, data);
      visit_nodes (&node->items, visit, data);
      visit_arguments (&node->args, visit, data);
      visit_nodes (&node->body, visit, data);
      visit_nodes (&node->other, visit, data);
      return;
  }
}

/* Whether code uses a name without storing it first. */
typedef struct {
  Linker *l;
  const char *name;
  gboolean is_stored, is_used;
} Use;

static void
visit_use (BnJNode *node, void *data)
{
  Use *use = data;

  bn_j_check_stack (use->l->j);
  bn_j_step (use->l->j, 1);
  if (use->is_used || use->is_stored || node->kind == BN_J_BLOCK)
    return;
  if (node->kind == BN_J_NAME && bn_j_string_is (node->name, use->name)) {
    if (node->is_store)
      use->is_stored = TRUE;
    else
      use->is_used = TRUE;
    return;
  }
  visit_children (node, visit_use, data);
}

static gboolean
uses (Linker *l, const BnJNodes *body, const char *name)
{
  Use use = {.l = l, .name = name};

  visit_nodes (body, visit_use, &use);
  return use.is_used;
}

/* Analysis: the names of one scope */

typedef struct {
  Linker *l;
  Symbols *symbols;
  gboolean stores_parameters;
} Analysis;

static void analyze (BnJNode *node, void *data);

static void
analyze_branch (Analysis *a, const BnJNodes *nodes, Symbols **branch)
{
  Symbols *symbols = a->symbols;

  a->symbols = *branch = branch_new (a->l, symbols);
  visit_nodes (nodes, analyze, a);
  a->symbols = symbols;
}

static void
analyze (BnJNode *node, void *data)
{
  Analysis *a = data;
  Symbols *branches[3];

  bn_j_check_stack (a->l->j);
  bn_j_step (a->l->j, 1);
  switch (node->kind) {
    case BN_J_NAME:
      if (a->stores_parameters || node->is_param)
        declare_parameter (a->l, a->symbols, node->name);
      else if (node->is_store)
        store (a->l, a->symbols, node->name);
      else
        load (a->l, a->symbols, node->name);
      return;
    case BN_J_MEMBER_NAME:
      load (a->l, a->symbols, node->name);
      return;
    case BN_J_IF:
      analyze (node->a, a);
      analyze_branch (a, &node->body, &branches[0]);
      analyze_branch (a, &node->items, &branches[1]);
      analyze_branch (a, &node->other, &branches[2]);
      merge_branches (a->l, a->symbols, branches, G_N_ELEMENTS (branches));
      return;
    case BN_J_MACRO_DEF:
      store (a->l, a->symbols, node->name);
      return;
    case BN_J_SET:
      analyze (node->b, a);
      analyze (node->a, a);
      return;
    case BN_J_FOR: /* the iterable belongs to the scope around */
      analyze (node->b, a);
      return;
    case BN_J_CALL_BLOCK:
    case BN_J_FILTER_BLOCK:
    case BN_J_SET_BLOCK:
      analyze (node->a, a);
      return;
    case BN_J_WITH:
      for (size_t i = 1; i < node->items.n; i += 2)
        analyze (node->items.items[i], a);
      return;
    case BN_J_GENERATION:
    case BN_J_BLOCK:
    case BN_J_SCOPE:
    case BN_J_UNSUPPORTED:
      return;
    default:
      visit_children (node, analyze, a);
      return;
  }
}

static void
analyze_nodes (Linker *l, Symbols *symbols, const BnJNodes *nodes)
{
  Analysis a = {.l = l, .symbols = symbols};

  visit_nodes (nodes, analyze, &a);
}

static void
analyze_target (Linker *l, Symbols *symbols, BnJNode *target)
{
  Analysis a = {.l = l, .symbols = symbols, .stores_parameters = TRUE};

  analyze (target, &a);
}

static void
analyze_node (Linker *l, Symbols *symbols, BnJNode *node)
{
  Analysis a = {.l = l, .symbols = symbols};

  if (node != NULL)
    analyze (node, &a);
}

/* Linking */

typedef struct {
  Linker *l;
  Place place;
} Link;

static void link_node (BnJNode *node, void *data);

static BnJRef
ref_to (Linker *l, const Symbols *symbols, const Variable *variable)
{
  BnJRef ref = {0, variable->slot};
  const BnJFunctionInfo *function = symbols->function;

  while (function != variable->function) {
    if (function == NULL || ref.hops == G_MAXUINT16)
      bn_j_fail (l->j, "nested deeper than the limit");
    function = function->outer;
    ref.hops++;
  }
  return ref;
}

static BnJRef
ref_name (Linker *l, Symbols *symbols, const BnJString *name)
{
  Variable *variable = find (symbols, name);

  if (variable == NULL) {
    load (l, symbols, name);
    variable = find (symbols, name);
  }
  return ref_to (l, symbols, variable);
}

/* What happens where the scope begins; to be called when all names in it are
 * linked. */
static void
make_scope (Linker *l, const Symbols *symbols, BnJScope *scope)
{
  scope->loads = bn_j_new_n (l->j, BnJLoad, symbols->loads->n);
  for (size_t i = 0; i < symbols->loads->n; i++) {
    const Load *from = symbols->loads->entries[i].value.pointer;
    BnJLoad *to = &scope->loads[scope->n];

    to->slot = from->variable->slot;
    to->name = from->name;
    switch (from->action) {
      case ACTION_PARAMETER:
        continue;
      case ACTION_RESOLVE:
        to->action = BN_J_LOAD_RESOLVE;
        break;
      case ACTION_ALIAS:
        to->action = BN_J_LOAD_ALIAS;
        to->from = ref_to (l, symbols, from->from);
        break;
      case ACTION_UNDEFINED:
        to->action = BN_J_LOAD_UNDEFINED;
        break;
    }
    scope->n++;
  }
}

static void
link_nodes (Linker *l, Place place, const BnJNodes *nodes)
{
  Link link = {l, place};

  visit_nodes (nodes, link_node, &link);
}

static void
link_one (Linker *l, Place place, BnJNode *node)
{
  Link link = {l, place};

  if (node != NULL)
    link_node (node, &link);
}

static Place
inner_place (Linker *l, Place place, BnJFunctionInfo *function)
{
  return (Place){.symbols = symbols_new (l, place.symbols,
                     function ? function : place.symbols->function)};
}

static BnJNode *
clone_target (Linker *l, const BnJNode *target)
{
  BnJNode *clone = bn_j_new (l->j, BnJNode);

  bn_j_check_stack (l->j);
  *clone = *target;
  clone->items = (BnJNodes){0};
  for (size_t i = 0; i < target->items.n; i++)
    bn_j_nodes_add (
        l->j, &clone->items, clone_target (l, target->items.items[i]));
  return clone;
}

/* Loops do not assign to "loop", wherever in them. */
static void
refuse_loop (BnJNode *node, void *data)
{
  Linker *l = data;

  bn_j_check_stack (l->j);
  if (node->kind == BN_J_NAME && node->is_store && !node->is_param
      && bn_j_string_is (node->name, "loop")) {
    l->j->at = node->at;
    bn_j_fail (
        l->j, "Can't assign to special loop variable in for-loop target");
  }
  visit_children (node, refuse_loop, l);
}

static void
find_scoped_block (BnJNode *node, void *data)
{
  gboolean *is_found = data;

  *is_found = *is_found || (node->kind == BN_J_BLOCK && node->is_scoped);
  visit_children (node, find_scoped_block, data);
}

static void
link_for (Linker *l, Place place, BnJNode *node)
{
  BnJFunctionInfo *outer = place.symbols->function;
  Place body, other, filter;
  BnJString *loop_name = bn_j_text (l->j, "loop").string;

  visit_children (node, refuse_loop, l);
  if (node->is_recursive)
    node->function = function_new (l, outer);
  body = inner_place (l, place, node->function);
  other = inner_place (l, place, node->function);
  node->has_loop = node->is_recursive || uses (l, &node->body, "loop");
  if (!node->has_loop) {
    gboolean is_found = FALSE;

    visit_children (node, find_scoped_block, &is_found);
    node->has_loop = is_found;
  }
  if (node->has_loop)
    declare_parameter (l, body.symbols, loop_name);
  analyze_target (l, body.symbols, node->a);
  analyze_nodes (l, body.symbols, &node->body);
  analyze_nodes (l, other.symbols, &node->other);

  if (node->c != NULL) {
    node->filter_function = function_new (l, outer);
    filter = inner_place (l, place, node->filter_function);
    node->filter_target = clone_target (l, node->a);
    analyze_target (l, filter.symbols, node->filter_target);
    analyze_node (l, filter.symbols, node->c);
    link_one (l, filter, node->filter_target);
    link_one (l, filter, node->c);
    make_scope (l, filter.symbols, &node->filter_scope);
  }
  link_one (l, place, node->b);
  link_one (l, body, node->a);
  if (node->has_loop)
    node->loop_ref = ref_name (l, body.symbols, loop_name);
  link_nodes (l, body, &node->body);
  link_nodes (l, other, &node->other);
  make_scope (l, body.symbols, &node->scope);
  make_scope (l, other.symbols, &node->else_scope);
}

static uint16_t
declare_special (Linker *l, Symbols *symbols, const char *name)
{
  BnJString *string = bn_j_text (l->j, name).string;

  declare_parameter (l, symbols, string);
  return ref_name (l, symbols, string).slot;
}

/* Macros, call blocks and generation blocks. */
static void
link_macro (Linker *l, Place place, BnJNode *node)
{
  BnJSignature *signature = node->signature;
  Place inner;
  gboolean has_kwargs = FALSE, has_varargs = FALSE;
  size_t caller = SIZE_MAX;

  node->function = function_new (l, place.symbols->function);
  inner = inner_place (l, place, node->function);
  for (size_t i = 0; i < signature->params.n; i++) {
    const BnJString *name = signature->params.items[i]->name;

    declare_parameter (l, inner.symbols, name);
    if (bn_j_string_is (name, "caller"))
      caller = i;
    has_kwargs = has_kwargs || bn_j_string_is (name, "kwargs");
    has_varargs = has_varargs || bn_j_string_is (name, "varargs");
  }
  analyze_nodes (l, inner.symbols, &signature->defaults);
  analyze_nodes (l, inner.symbols, &node->body);
  if (uses (l, &node->body, "caller")) {
    signature->takes_caller = true;
    signature->has_explicit_caller = caller != SIZE_MAX;
    if (caller == SIZE_MAX) {
      signature->caller_slot = declare_special (l, inner.symbols, "caller");
    } else if (caller + signature->defaults.n < signature->params.n) {
      l->j->at = node->at;
      bn_j_fail (l->j, "When defining macros or call blocks the special "
                       "\"caller\" argument must be omitted or be given a "
                       "default.");
    }
  }
  if (!has_kwargs && uses (l, &node->body, "kwargs")) {
    signature->takes_kwargs = true;
    signature->kwargs_slot = declare_special (l, inner.symbols, "kwargs");
  }
  if (!has_varargs && uses (l, &node->body, "varargs")) {
    signature->takes_varargs = true;
    signature->varargs_slot = declare_special (l, inner.symbols, "varargs");
  }
  link_nodes (l, inner, &signature->params);
  link_nodes (l, inner, &signature->defaults);
  link_nodes (l, inner, &node->body);
  make_scope (l, inner.symbols, &node->scope);
}

static void
link_with (Linker *l, Place place, BnJNode *node)
{
  Place inner = inner_place (l, place, NULL);

  for (size_t i = 0; i < node->items.n; i += 2)
    analyze_target (l, inner.symbols, node->items.items[i]);
  analyze_nodes (l, inner.symbols, &node->body);
  for (size_t i = 0; i < node->items.n; i += 2) {
    link_one (l, inner, node->items.items[i]);
    link_one (l, place, node->items.items[i + 1]);
  }
  link_nodes (l, inner, &node->body);
  make_scope (l, inner.symbols, &node->scope);
}

/* Blocks that catch what they write: set and filter; and plain scopes. */
static void
link_catching (Linker *l, Place place, BnJNode *node)
{
  Place inner = inner_place (l, place, NULL);

  analyze_nodes (l, inner.symbols, &node->body);
  if (node->kind == BN_J_SET_BLOCK) {
    analyze_node (l, inner.symbols, node->b);
    link_one (l, place, node->a);
    link_one (l, inner, node->b);
  } else if (node->kind == BN_J_FILTER_BLOCK) {
    analyze_node (l, inner.symbols, node->a);
    link_one (l, inner, node->a);
  }
  link_nodes (l, inner, &node->body);
  make_scope (l, inner.symbols, &node->scope);
}

/* A block is a function that sees the variables of the rendering and what was
 * set at the top level; a scoped one sees all. */
static void
link_block (Linker *l, Place place, BnJNode *node)
{
  Place inner = {0};
  BnJDict *seen = bn_j_dict_new (l->j);

  for (size_t i = 0; i < l->program->blocks.n; i++) {
    if (bn_j_string_equal (l->program->blocks.items[i]->name, node->name)) {
      l->j->at = node->at;
      bn_j_fail (l->j, "block '%.*s' defined twice", (int) node->name->size,
          node->name->text);
    }
  }
  bn_j_nodes_add (l->j, &l->program->blocks, node);
  for (const Symbols *s = place.symbols; node->is_scoped && s != NULL;
       s = s->outer) {
    for (size_t i = 0; i < s->stores->n; i++)
      bn_j_dict_set (l->j, seen, s->stores->entries[i].key, bn_j_none ());
  }
  node->else_scope.loads = bn_j_new_n (l->j, BnJLoad, seen->n);
  node->else_scope.n = seen->n;
  for (size_t i = 0; i < seen->n; i++) {
    node->else_scope.loads[i].name = seen->entries[i].key.string;
    node->else_scope.loads[i].from =
        ref_name (l, place.symbols, seen->entries[i].key.string);
  }
  node->function = function_new (l, NULL);
  inner.symbols = symbols_new (l, NULL, node->function);
  analyze_nodes (l, inner.symbols, &node->body);
  link_nodes (l, inner, &node->body);
  make_scope (l, inner.symbols, &node->scope);
}

static void
link_native (Link *link, BnJNode *node)
{
  if (node->native == NULL && !link->place.is_soft) {
    link->l->j->at = node->at;
    bn_j_fail (link->l->j, "No %s named '%.*s'.",
        node->kind == BN_J_FILTER ? "filter" : "test", (int) node->name->size,
        node->name->text);
  }
  visit_children (node, link_node, link);
}

static void
link_node (BnJNode *node, void *data)
{
  Link *link = data;
  Linker *l = link->l;
  Link soft = *link;

  bn_j_check_stack (l->j);
  bn_j_step (l->j, 1);
  soft.place.is_soft = TRUE;
  switch (node->kind) {
    case BN_J_NAME:
    case BN_J_MEMBER_NAME:
      node->ref = ref_name (l, link->place.symbols, node->name);
      node->is_export = node->is_store && link->place.is_top_level;
      return;
    case BN_J_FILTER:
    case BN_J_TEST:
      link_native (link, node);
      return;
    case BN_J_IF:
    case BN_J_CONDITION:
      visit_children (node, link_node, &soft);
      return;
    case BN_J_FOR:
      link_for (l, link->place, node);
      return;
    case BN_J_MACRO_DEF:
      link_macro (l, link->place, node);
      link_node (node->a, link);
      return;
    case BN_J_CALL_BLOCK:
      link_macro (l, link->place, node);
      link_node (node->a, link);
      return;
    case BN_J_GENERATION:
      link_macro (l, link->place, node);
      return;
    case BN_J_WITH:
      link_with (l, link->place, node);
      return;
    case BN_J_SET_BLOCK:
    case BN_J_FILTER_BLOCK:
    case BN_J_SCOPE:
      link_catching (l, link->place, node);
      return;
    case BN_J_BLOCK:
      link_block (l, link->place, node);
      return;
    default:
      visit_children (node, link_node, link);
      return;
  }
}

void
bn_j_resolve_names (BnJ *j, BnJProgram *program)
{
  Linker l = {.j = j,
      .program = program,
      .variables = bn_j_dict_new (j),
      .names = bn_j_dict_new (j)};
  Place place = {.is_top_level = TRUE};

  program->function = function_new (&l, NULL);
  place.symbols = symbols_new (&l, NULL, program->function);
  analyze_nodes (&l, place.symbols, &program->body);
  link_nodes (&l, place, &program->body);
  make_scope (&l, place.symbols, &program->scope);

  program->names = bn_j_new_n (j, const BnJString *, l.names->n);
  program->n_names = l.names->n;
  for (size_t i = 0; i < l.names->n; i++)
    program->names[i] = l.names->entries[i].key.string;
}
