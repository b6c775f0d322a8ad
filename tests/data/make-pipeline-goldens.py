#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Writes pipeline.jsonl: what normalizers and pre-tokenizers make of texts.

The results are those of the package `tokenizers` 0.23.3 of PyPI. Each row has
a component as it stands in tokenizer.json, and the texts with their results:

    pip install tokenizers==0.23.3
    tests/data/make-pipeline-goldens.py > tests/data/pipeline.jsonl
"""

import json
import random

from tokenizers import Tokenizer

CONTRACTION = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPACE = r'\s*[\r\n]+|\s+(?!\S)|\s+'
WORD = r'[^\r\n\p{L}\p{N}]?\p{L}+'
OTHERS = r' ?[^\s\p{L}\p{N}]+'
UPPER = r'[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]'
LOWER = r'[\p{Ll}\p{Lm}\p{Lo}\p{M}]'
CASED = (rf'[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+%s|'
         rf'[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*%s|%s|'
         rf'{OTHERS}[\r\n/]*|{SPACE}')
DEEPSEEK = (r'''[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|'''
            r'[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|'
            + SPACE)
HAN_UPPER = r'[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]'
HAN_LOWER = r'[\p{Ll}\p{Lm}\p{Lo}\p{M}&&[^\p{Han}]]'
EXPRESSIONS = [
    f'{CONTRACTION}|{WORD}|\\p{{N}}{{1,3}}|{OTHERS}[\\r\\n]*|{SPACE}',
    f'{CONTRACTION}|{WORD}|\\p{{N}}|{OTHERS}[\\r\\n]*|{SPACE}',
    f'{CONTRACTION}|[^\\r\\n\\p{{L}}\\p{{N}}]?[\\p{{L}}\\p{{M}}]+|\\p{{N}}| ?'
    f'[^\\s\\p{{L}}\\p{{M}}\\p{{N}}]+[\\r\\n]*|{SPACE}',
    CASED % (CONTRACTION + '?', CONTRACTION + '?', r'\p{N}{1,3}'),
    CASED % ('', '', r'\p{N}'),
    rf'[\p{{Han}}]+|[^\r\n\p{{L}}\p{{N}}]?{HAN_UPPER}*{HAN_LOWER}+'
    rf'{CONTRACTION}?|[^\r\n\p{{L}}\p{{N}}]?{HAN_UPPER}+{HAN_LOWER}*'
    rf'{CONTRACTION}?|\p{{N}}{{1,3}}|{OTHERS}[\r\n]*|{SPACE}',
    DEEPSEEK,
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?"
    r'[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s',
    r' ?[^(\s|[.,!?…。，、।۔،])]+', r'\s+$', r'^.', r'[^\S\n]+', r'\b',
    r'\w+(?=\d)|(?<=a)b', r'(?x) a b # comment', r'a(?i)b|c', r'\d{1,3}+',
    r'\d{3,1}', r'\h+', r'\W', r'[\W\d]', r'[[:punct:]]+', r'(a)\1|x(?<!a)y',
    r'[[^a-c]&&[a-z]&&[^x]]+', r'\u0041|\x{42}|\103', r'x*', '']
BEHAVIORS = ['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext',
             'Contiguous']


def split(expression, behavior='Isolated', invert=False, kind='Regex'):
    return {'type': 'Split', 'pattern': {kind: expression},
            'behavior': behavior, 'invert': invert}


def sequence(*parts):
    return {'type': 'Sequence', 'pretokenizers': list(parts)}


def byte_level(prefix, use_regex):
    return {'type': 'ByteLevel', 'add_prefix_space': prefix,
            'trim_offsets': True, 'use_regex': use_regex}


def metaspace(scheme, is_split=True, replacement='▁'):
    return {'type': 'Metaspace', 'replacement': replacement,
            'prepend_scheme': scheme, 'split': is_split}


DIGITS = [{'type': 'Digits', 'individual_digits': x} for x in (True, False)]
NORMALIZERS = [{'type': name} for name in (
    'NFC', 'NFD', 'NFKC', 'NFKD', 'Lowercase', 'StripAccents', 'Nmt',
    'ByteLevel')] + [
    {'type': 'Strip', 'strip_left': a, 'strip_right': b}
    for a, b in ((True, True), (True, False), (False, True))] + [
    {'type': 'Prepend', 'prepend': '▁'},
    {'type': 'Replace', 'pattern': {'String': ' '}, 'content': '▁'},
    {'type': 'Replace', 'pattern': {'String': ''}, 'content': '-'},
    {'type': 'Replace', 'pattern': {'Regex': ' {2,}'}, 'content': '▁'},
    {'type': 'Replace', 'pattern': {'Regex': r'[^\w\s]|_'}, 'content': ''},
    {'type': 'Sequence', 'normalizers': [
        {'type': 'NFD'}, {'type': 'StripAccents'}, {'type': 'Lowercase'}]},
    {'type': 'Sequence', 'normalizers': []}] + [
    {'type': 'BertNormalizer', 'clean_text': a, 'handle_chinese_chars': b,
     'strip_accents': c, 'lowercase': d}
    for a, b, c, d in ((True, True, None, True), (True, True, None, False),
                       (False, False, True, False), (True, False, False, True),
                       (False, True, False, False))]
PRE_TOKENIZERS = (
    [{'type': name} for name in ('Whitespace', 'WhitespaceSplit',
                                 'BertPreTokenizer', 'UnicodeScripts')]
    + [byte_level(a, b) for a in (True, False) for b in (True, False)]
    + [metaspace(s, x) for s in ('always', 'first', 'never')
       for x in (True, False)] + DIGITS
    + [{'type': 'Punctuation', 'behavior': b} for b in BEHAVIORS]
    + [{'type': 'CharDelimiterSplit', 'delimiter': 'a'}]
    + [{'type': 'FixedLength', 'length': n} for n in (1, 5)]
    + [split(x) for x in EXPRESSIONS]
    + [split(EXPRESSIONS[0], 'Removed', True)]
    + [split(r'\p{L}+', b, i) for b in BEHAVIORS for i in (False, True)]
    + [split('a', b, i, 'String') for b in BEHAVIORS for i in (False, True)]
    + [sequence(DIGITS[0], byte_level(False, True)),
       sequence({'type': 'Punctuation', 'behavior': 'Contiguous'},
                byte_level(False, True), DIGITS[1],
                split('[0-9][0-9][0-9]')),
       sequence({'type': 'WhitespaceSplit'}, metaspace('always')),
       sequence({'type': 'WhitespaceSplit'}, metaspace('first')),
       sequence(split(r'\p{N}{1,3}'), split('[一-龥぀-ゟ゠-ヿ]+'),
                split(DEEPSEEK), byte_level(False, False))])

# Nothing that Unicode 14.0 lacks.
POOLS = ["abcxyzABCXYZ", "0123456789²³½٣१Ⅷ", " \t\n\r\u000b\u0085\u00a0\u2003"
         "\u2028\u3000\u200b\u180e\ufeff", "''stmdreveLLKſ\u212a", "!\"#$+<=>_"
         "`~^|.,;…。、«»‖⁂€", "éÅñçßİıǅΣςЖѐ\u1e9e\u0130\u212b", "e\u0301\u0323"
         "\u0307\u0345\u0591\u05b0\u093c\u09be\u0f71\u0f72\u1dce\u302a\u20dd",
         "한각ᄀ\u1161\u11a8が\u304b\u3099ｶﾞ", "中文㐀𠀀𫠝豈丽ー々アあ〇",
         "дѣقفकिक्षไทยაႠᏣꭰ𐐀", "🙂👩\u200d👧🇩🇪☀\ufe0f𝒜𝟙", "ﬁﷺ①㎏ªºﬃ",
         "\u0000\u0001\u001f\u007f\u009f\ufffd\u00ad\u200d\u2060\ue000\u0378"]


def make_text(rand):
    pools = [rand.choice(POOLS) for _ in range(rand.choice((1, 2, 4, 13)))]
    return ''.join(rand.choice(rand.choice(pools))
                   for _ in range(rand.choice((1, 2, 4, 9, 20))))


FIXED = ["", " ", "Hello, world!  It's 1234 o'clock.\n\n  I'LL go'ſ\r\n",
         "  ▁a ▁ b  ", "Ünïcödé ΣΑΣ ｶﾞ 中文 aaabaa"]


def main():
    rand = random.Random(23)
    for key, components in (('normalizer', NORMALIZERS),
                            ('pre_tokenizer', PRE_TOKENIZERS)):
        for component in components:
            tokenizer = Tokenizer.from_str(json.dumps({
                'version': '1.0', 'truncation': None, 'padding': None,
                'added_tokens': [], 'normalizer': None, 'pre_tokenizer': None,
                'post_processor': None, 'decoder': None,
                'model': {'type': 'WordLevel', 'vocab': {}, 'unk_token': 'a'},
                key: component}))
            cases = []
            for text in FIXED + [make_text(rand) for _ in range(12)]:
                if key == 'normalizer':
                    result = tokenizer.normalizer.normalize_str(text)
                else:
                    words = tokenizer.pre_tokenizer.pre_tokenize_str(text)
                    result = [word for word, _ in words if word]
                cases.append([text, result])
            print(json.dumps({key: component, 'cases': cases},
                             ensure_ascii=True))


main()
