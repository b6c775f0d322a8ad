#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Write the training text of the demo model: short children's stories.

Every document is made from the grammar in grammar.py, plots.txt, answers.py
and questions.txt with a seeded random generator, so the text is ours and can
be made again bit by bit.  A story is an opening (who, where, weather), a plot
(a list of beats, each with several wordings) and an ending.  A few short
families of questions and answers are mixed in, because users type questions
too.

Notation: wordings are separated by " | ", "[a/b]" picks one of a and b,
"{slot}" is filled in from the story's cast, "a_" becomes "a" or "an".  A
leading "?" makes a beat optional, a leading "!" bars words in front such as
"One day,".  "@x,y: 1,2 ; 3,4" binds slots x and y to one of the tuples for
the whole story; "@@" lists what the opening must not do.

Usage: stories.py --count N --seed S --output FILE   (documents end in NUL)
"""

import argparse
import random
import re

from grammar import (
    ANIMALS, BOYS, COLORS, ENDINGS, FOODS, FRIEND_LINES, GIRLS, HOBBIES,
    HOMES_ANIMAL, HOMES_CHILD, OBJECTS, OPENINGS_NAMED, OPENINGS_PLAIN,
    OPENINGS_THE, PEOPLE, PET_NAMES, PLACES, PREFIXES, TRAITS, WEATHER, load)
from answers import make_answer

SUBJECT = {
    "m": ("he", "him", "his", "himself", "boy", "son"),
    "f": ("she", "her", "her", "herself", "girl", "daughter"),
}
# Grown heroes have brothers and neighbors instead of parents.
PEERS = [
    ("brother", "m", "brother"), ("sister", "f", "sister"),
    ("neighbor", "f", "dear neighbor"), ("cousin", "m", "cousin"),
]
ELDERS = [
    ("mother", "f", "Mama"), ("father", "m", "Papa"),
    ("grandmother", "f", "Grandma"), ("grandfather", "m", "Grandpa"),
]
SIZES = ["little"] * 6 + ["small"] * 2 + ["young"] * 2 + [
    "tiny", "brave", "clever", "funny", "kind", "shy", "curious", "happy"]


class Dice(random.Random):
    """A generator whose choices favor the first entries a little.

    With equal chances the trained model would see ties at every fork, and
    rounding would decide which story a greedy run tells. invented is the
    share of children with a made-up name.
    """

    def __init__(self, seed, invented=0.15):
        super().__init__(seed)
        self.invented = invented

    def choice(self, seq):
        power = 1.0 if len(seq) <= 4 else 0.7 if len(seq) <= 12 else 0.4
        weights = [(i + 2) ** -power for i in range(len(seq))]
        return self.choices(seq, weights)[0]


def invent_name(rng):
    """A made-up name: the model must learn to copy any name it is given."""
    name = rng.choice("B D F G H J K L M N P R S T V W Z".split()) \
        + rng.choice("a e i o u".split())
    for _ in range(rng.randint(1, 2)):
        name += rng.choice("b d f g k l m n p r s t v z ll nn rr".split()) \
            + rng.choice("a e i o u".split())
    return name + rng.choice(["", "", "n", "s", "r", "l"])


class Character:
    """One actor: how to introduce it, how to name it, its pronouns."""

    def __init__(self, rng, avoid=None, opposite=None, child=None):
        if opposite and rng.random() < 0.8:
            self.sex = "f" if opposite == "m" else "m"
        else:
            self.sex = rng.choice("mf")
        if child is None:
            child = rng.random() < 0.55
        while True:
            self._draw(rng, child)
            if avoid is None or (self.name != avoid.name
                                 and self.species != avoid.species):
                break
            if child and self.name != avoid.name:
                break

    def _draw(self, rng, child):
        self.size = rng.choice(SIZES)
        if child:
            self.kind = "child"
            self.name = rng.choice(BOYS if self.sex == "m" else GIRLS)
            if rng.random() < rng.invented:
                self.name = invent_name(rng)
            self.species = SUBJECT[self.sex][4]
        elif rng.random() < 0.15:
            self.kind = "person"
            self.species, self.sex, self.size = rng.choice(PEOPLE)
            self.name = None
            if rng.random() < 0.35:
                self.name = rng.choice(BOYS if self.sex == "m" else GIRLS)
        else:
            self.kind = "animal"
            self.species = rng.choice(ANIMALS)
            self.name = rng.choice(PET_NAMES) if rng.random() < 0.5 else None
        self.ref = self.name or "the " + self.species
        self.call = self.name or (
            "my friend" if self.kind == "person"
            else "little " + self.species)
        if self.name:
            self.intro = "a_ %s %s named %s" % (
                self.size, self.species, self.name)
        else:
            self.intro = "a_ %s %s" % (self.size, self.species)


def expand(rng, text):
    """Resolve "[a/b/c]" choices, innermost first."""
    while True:
        found = re.search(r"\[([^\[\]]*)\]", text)
        if not found:
            return text
        choice = rng.choice(found.group(1).split("/"))
        text = text[:found.start()] + choice + text[found.end():]


def article(match):
    return ("an " if match.group(1).lower() in "aeiou" else "a ") \
        + match.group(1)


def polish(text):
    """Choose articles, fix capitals and blanks."""
    text = re.sub(r"a_ (\w)", article, text)
    text = re.sub(r"\bA_ (\w)",
                  lambda m: article(m).capitalize()
                  if m.group(1).islower() else "A" + article(m)[1:], text)
    text = re.sub(r" +", " ", text).strip()
    text = re.sub(r"(^|[.!?] |\n)([a-z])",
                  lambda m: m.group(1) + m.group(2).upper(), text)
    return text


def fill(rng, text, slots):
    text = expand(rng, text)
    for _ in range(3):
        text = re.sub(r"\{(\w+)\}", lambda m: slots[m.group(1)], text)
    return text


def cast(rng):
    """Draw the actors and things of one story as a slot table."""
    hero = Character(rng)
    friend = Character(rng, avoid=hero, opposite=hero.sex,
                       child=hero.kind == "child" and rng.random() < 0.75)
    elder, esex, ecall = rng.choice(
        PEERS if hero.kind == "person" else ELDERS)
    he, him, his, himself, _, _ = SUBJECT[hero.sex]
    he2, him2, his2, himself2, _, _ = SUBJECT[friend.sex]
    ehe, ehim, ehis, _, _, _ = SUBJECT[esex]
    obj = rng.choice(OBJECTS)
    place = rng.choice(PLACES)
    place2 = rng.choice([p for p in PLACES if p != place])
    color = rng.choice(COLORS)
    food = rng.choice(FOODS)
    slots = {
        "n": hero.ref, "call": hero.call, "intro": hero.intro,
        "he": he, "him": him, "his": his, "himself": himself,
        "He": he.capitalize(), "His": his.capitalize(),
        "species": hero.species, "size": hero.size,
        "name": hero.name or rng.choice(PET_NAMES),
        "m": friend.ref, "mcall": friend.call, "mintro": friend.intro,
        "he2": he2, "him2": him2, "his2": his2, "himself2": himself2,
        "He2": he2.capitalize(), "His2": his2.capitalize(),
        "e": his + " " + elder, "elder": elder, "ecall": ecall,
        "ehe": ehe, "ehim": ehim, "ehis": ehis,
        "Ehe": ehe.capitalize(), "Ehis": ehis.capitalize(),
        "obj": obj, "color": color, "food": food,
        "place": place, "place2": place2,
        "trait": rng.choice(TRAITS), "hobby": rng.choice(HOBBIES),
    }
    friend_name = friend.name or "the " + friend.species
    slots["M"] = rng.choice([his + " friend " + friend_name] * 3
                            + [friend.intro])
    slots["home"] = fill(rng, rng.choice(
        HOMES_ANIMAL if hero.kind == "animal" else HOMES_CHILD), slots)
    for key in list(slots):
        slots["C" + key] = slots[key][:1].upper() + slots[key][1:]
    return hero, friend, slots


def parse_plot(lines):
    flags, binds, beats = set(), [], []
    for line in lines:
        if line.startswith("@@"):
            flags.update(line[2:].split())
        elif line.startswith("@"):
            names, values = line[1:].split(":", 1)
            binds.append(([n.strip() for n in names.split(",")],
                          [[p.strip() for p in v.split(",")]
                           for v in values.strip("; ").split(";")]))
        else:
            beats.append(line)
    for names, values in binds:
        for value in values:
            assert len(value) == len(names), (names, value)
    return flags, binds, beats


PLOTS = [parse_plot(lines) for _, lines in load("plots.txt")]


def tell(rng):
    """Make one story; None when the draw does not fit together."""
    hero, friend, slots = cast(rng)
    flags, binds, beats = rng.choice(PLOTS)
    for names, values in binds:
        for key, value in zip(names, rng.choice(values)):
            value = fill(rng, value, slots)
            slots[key] = value
            slots["C" + key] = value[:1].upper() + value[1:]

    parts = []
    met = False

    def meet():
        slots["M"] = friend.ref
        slots["CM"] = friend.ref[:1].upper() + friend.ref[1:]

    # Opening: full introduction, friends, weather, or straight into the plot.
    style = rng.random()
    prefix = ""
    slots["N"] = hero.ref
    if style < 0.50:
        pool = OPENINGS_NAMED if hero.name and hero.kind != "person" \
            and rng.random() < 0.5 else OPENINGS_PLAIN
        if not hero.name and rng.random() < 0.25:
            pool = OPENINGS_THE
        parts.append(fill(rng, rng.choice(pool), slots))
        prefix = rng.choice(PREFIXES)
    elif style < 0.60 and "nofriend" not in flags:
        parts.append(fill(rng, rng.choice(FRIEND_LINES), slots))
        meet()
        met = True
        prefix = rng.choice(PREFIXES)
    else:
        if hero.name is None or rng.random() < 0.4:
            slots["N"] = hero.intro
        if style < 0.72 and "noweather" not in flags:
            parts.append(fill(rng, rng.choice(WEATHER), slots))
        elif style < 0.86:
            prefix = rng.choice(PREFIXES)
    if "night" in flags:
        prefix = rng.choice(["One evening, ", "One night, ", "Last night, "])
    elif prefix and "noweather" in flags:
        prefix = "One day, "

    for index, beat in enumerate(beats):
        if beat.startswith("?") and rng.random() < 0.5:
            continue
        line = rng.choice(beat.split(" | ")).strip().lstrip("?")
        if re.search(r"\{C?(M|mintro)\}", line):
            met = True
        elif re.search(r"\{C?(m|mcall)\}", line) and not met:
            return None
        if index == 0:
            if line.startswith("!"):
                line = line[1:]
            elif line.startswith("{"):
                line = prefix + line
        elif "{N}" in line:
            return None
        line = fill(rng, line, slots)
        parts.append(line[:1].upper() + line[1:])
        if met:
            meet()
    if rng.random() < 0.55 and "night" not in flags:
        last = rng.choice(ENDINGS)
        together = "{m}" in last or "hey all" in last
        if not (together and not met
                or "{e}" in last and slots["e"] in " ".join(parts)):
            parts.append(fill(rng, last, slots))
    return polish(" ".join(parts))


def make_story(rng):
    while True:
        story = tell(rng)
        if story:
            return story


def make_document(rng):
    if rng.random() < 0.14:
        return polish(make_answer(rng, make_story))
    return make_story(rng)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--invented", type=float, default=0.15,
                        help="share of children with a made-up name")
    parser.add_argument("--output")
    args = parser.parse_args()
    rng = Dice(args.seed, args.invented)
    docs = [make_document(rng) for _ in range(args.count)]
    if args.output:
        with open(args.output, "w", encoding="utf-8") as out:
            out.write("".join(doc + "\0" for doc in docs))
    else:
        print("\n\n".join(docs))


if __name__ == "__main__":
    main()
