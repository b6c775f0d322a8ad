/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A template as a tree. The parser makes it, bn_j_resolve_names() gives every
 * name its variable, and the evaluator only reads it. */
#pragma once

#include "bn-jinja-value.h"

typedef enum {
  /* expressions */
  BN_J_CONST,
  BN_J_NAME,
  BN_J_MEMBER_NAME, /* namespace.attribute as a target */
  BN_J_MAKE_TUPLE,
  BN_J_MAKE_LIST,
  BN_J_MAKE_DICT, /* items: key, value, key, value, ... */
  BN_J_NOT,
  BN_J_NEGATE,
  BN_J_POSITIVE,
  BN_J_AND,
  BN_J_OR,
  BN_J_BINARY,    /* op: token */
  BN_J_CONCAT,    /* items */
  BN_J_COMPARE,   /* a, then items with ops */
  BN_J_CONDITION, /* a: test, b: then, c: else or NULL */
  BN_J_FILTER,    /* a: NULL in a block */
  BN_J_TEST,
  BN_J_CALL,
  BN_J_ATTRIBUTE, /* a.name */
  BN_J_ITEM,      /* a[b] */
  BN_J_SLICE,     /* a:b:c, each or NULL */
  /* statements */
  BN_J_OUTPUT, /* items */
  BN_J_FOR,    /* a: target, b: iterable, c: filter or NULL */
  BN_J_IF,     /* a: test, items: the elifs, other: else */
  BN_J_MACRO_DEF,
  BN_J_CALL_BLOCK,   /* a: call */
  BN_J_GENERATION,   /* a macro called where it stands */
  BN_J_FILTER_BLOCK, /* a: filter */
  BN_J_WITH,         /* items: target, value, target, value, ... */
  BN_J_SET,          /* a: target, b: value */
  BN_J_SET_BLOCK,    /* a: target, b: filter or NULL */
  BN_J_BLOCK,
  BN_J_SCOPE, /* body with variables of its own */
  BN_J_BREAK,
  BN_J_CONTINUE,
  BN_J_UNSUPPORTED, /* name: the statement */
} BnJNodeKind;

typedef enum {
  BN_J_TOKEN_END, /* of the template */
  BN_J_TOKEN_DATA,
  BN_J_TOKEN_BLOCK_BEGIN,
  BN_J_TOKEN_BLOCK_END,
  BN_J_TOKEN_VARIABLE_BEGIN,
  BN_J_TOKEN_VARIABLE_END,
  BN_J_TOKEN_NAME,
  BN_J_TOKEN_STRING,
  BN_J_TOKEN_INTEGER,
  BN_J_TOKEN_FLOAT,
  BN_J_TOKEN_ADD,
  BN_J_TOKEN_SUB,
  BN_J_TOKEN_MUL,
  BN_J_TOKEN_DIV,
  BN_J_TOKEN_FLOORDIV,
  BN_J_TOKEN_MOD,
  BN_J_TOKEN_POW,
  BN_J_TOKEN_TILDE,
  BN_J_TOKEN_EQ,
  BN_J_TOKEN_NE,
  BN_J_TOKEN_LT,
  BN_J_TOKEN_LE,
  BN_J_TOKEN_GT,
  BN_J_TOKEN_GE,
  BN_J_TOKEN_IN,     /* made by the parser */
  BN_J_TOKEN_NOT_IN, /* made by the parser */
  BN_J_TOKEN_ASSIGN,
  BN_J_TOKEN_DOT,
  BN_J_TOKEN_COLON,
  BN_J_TOKEN_PIPE,
  BN_J_TOKEN_COMMA,
  BN_J_TOKEN_SEMICOLON,
  BN_J_TOKEN_LPAREN,
  BN_J_TOKEN_RPAREN,
  BN_J_TOKEN_LBRACKET,
  BN_J_TOKEN_RBRACKET,
  BN_J_TOKEN_LBRACE,
  BN_J_TOKEN_RBRACE,
} BnJTokenType;

typedef struct {
  BnJTokenType type;
  size_t at;
  BnJValue value; /* of names, strings, numbers and data */
} BnJToken;

typedef struct BnJNode BnJNode;
typedef struct BnJFunctionInfo BnJFunctionInfo;

typedef struct {
  BnJNode **items;
  size_t n, n_allocated;
} BnJNodes;

typedef struct {
  const BnJString *name;
  BnJNode *value;
} BnJKeywordNode;

/* The arguments of a call, filter or test. */
typedef struct {
  BnJNodes positional;
  BnJKeywordNode *keywords;
  size_t n_keywords;
  BnJNode *more, *more_keywords; /* *more, **more_keywords, or NULL */
} BnJArgNodes;

/* A variable: a slot of the frame that many functions out. */
typedef struct {
  uint16_t hops;
  uint16_t slot;
} BnJRef;

/* What happens to variables where a scope begins. */
typedef struct {
  enum { BN_J_LOAD_RESOLVE, BN_J_LOAD_ALIAS, BN_J_LOAD_UNDEFINED } action;
  uint16_t slot;         /* of the current function */
  BnJRef from;           /* of an alias */
  const BnJString *name; /* to resolve in the context */
} BnJLoad;

typedef struct {
  BnJLoad *loads;
  size_t n;
} BnJScope;

/* What has a frame of its own: the template, a macro, a block, the body of a
 * recursive loop, the filter of a loop. */
struct BnJFunctionInfo {
  BnJFunctionInfo *outer;
  uint16_t n_slots;
};

/* Of a macro, call block or generation block. */
typedef struct {
  BnJNodes params;   /* names */
  BnJNodes defaults; /* of the last params */
  bool takes_caller, takes_varargs, takes_kwargs;
  bool has_explicit_caller;
  uint16_t caller_slot, varargs_slot, kwargs_slot;
} BnJSignature;

struct BnJNode {
  BnJNodeKind kind;
  size_t at; /* offset in the source */
  BnJNode *a, *b, *c;
  BnJNodes items;
  BnJNodes body, other;
  const BnJString *name, *attribute;
  BnJValue value;        /* of a constant */
  BnJTokenType op, *ops; /* of a comparison */
  BnJArgNodes args;
  const BnJCallable *native; /* of a filter or test; NULL if unknown */

  /* names */
  bool is_store, is_param;
  bool is_export; /* assigned at the top level */
  BnJRef ref;

  /* scopes */
  BnJScope scope, else_scope, filter_scope;
  BnJFunctionInfo *function, *filter_function;
  BnJSignature *signature;
  BnJNode *filter_target; /* of a loop: its target in the filter */
  bool is_recursive, has_loop, is_scoped, is_required, is_data;
  BnJRef loop_ref;
};

typedef struct {
  BnJNode *node;
} BnJBlockInfo;

typedef struct BnJProgram {
  const char *source; /* line ends normalized */
  size_t source_size;
  BnJNodes body;
  BnJScope scope;
  BnJFunctionInfo *function;
  BnJNodes blocks;
  const BnJString **names; /* that are read anywhere */
  size_t n_names;
} BnJProgram;

/* Tokens of j->source, ended by BN_J_TOKEN_END. */
BnJToken *bn_j_tokenize (BnJ *j, size_t *n_tokens);
const char *bn_j_token_describe (BnJ *j, const BnJToken *token);
const char *bn_j_token_type_describe (BnJTokenType type);

typedef struct {
  BnJ *j;
  const BnJToken *tokens; /* next */
  const char *const *end_tags[64];
  size_t n_end_tags;
  guint n_loops; /* around the statement at hand */
} BnJParser;

void bn_j_parse (BnJ *j, BnJProgram *program);

/* Between the parts of the parser. */
BnJNode *bn_j_node_new (BnJParser *p, BnJNodeKind kind, size_t at);
void bn_j_nodes_add (BnJ *j, BnJNodes *nodes, BnJNode *node);
G_NORETURN void bn_j_parse_fail (
    BnJParser *p, const BnJToken *token, const char *expected);
const BnJToken *bn_j_next (BnJParser *p);
gboolean bn_j_is_name (const BnJToken *token, const char *name);
gboolean bn_j_accept (BnJParser *p, BnJTokenType type);
gboolean bn_j_accept_name (BnJParser *p, const char *name);
const BnJToken *bn_j_expect (BnJParser *p, BnJTokenType type);
void bn_j_expect_name (BnJParser *p, const char *name);

typedef enum {
  BN_J_NO_CONDITION = 1 << 0,   /* "if" ends the expression */
  BN_J_SIMPLE = 1 << 1,         /* names and literals only */
  BN_J_END_IN = 1 << 2,         /* "in" ends the tuple */
  BN_J_END_RECURSIVE = 1 << 3,  /* "recursive" ends it */
  BN_J_PARENTHESES = 1 << 4,    /* may be empty */
  BN_J_WITH_NAMESPACE = 1 << 5, /* a.b is a target */
} BnJTupleFlags;

BnJNode *bn_j_parse_expression (BnJParser *p);
BnJNode *bn_j_parse_tuple (BnJParser *p, BnJTupleFlags flags);
BnJNode *bn_j_parse_target (BnJParser *p, BnJTupleFlags flags);
BnJNode *bn_j_parse_target_name (BnJParser *p);
/* Filters behind a value, or the inside of a block if node is NULL. */
BnJNode *bn_j_parse_filters (BnJParser *p, BnJNode *node, gboolean is_inline);

void bn_j_resolve_names (BnJ *j, BnJProgram *program);
