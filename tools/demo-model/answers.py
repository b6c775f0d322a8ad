# SPDX-License-Identifier: LGPL-2.1-or-later
"""Short families of prompts that are not stories: questions and greetings.

make_answer(rng, make_story) returns one document.  Facts are simple and
true; wordings vary so that the model learns the answer and not one string.
"""

import re

from grammar import load

WHY = [tuple(title.split(" / ")) + (beats,)
       for title, beats in load("questions.txt")]
ASK = ["Why {q}?", "Why {q}?", "Why {q}?", "Why {q}?",
       "Can you tell me why {s}?", "Do you know why {s}?",
       "Tell me why {s}.", "Explain why {s}."]
ASKERS = [
    "\"Why {q}?\" asked {child}. \"I will tell you,\" said {elder}. \"{a}\"",
    "{child} asked {elder}, \"Why {q}?\" {Elder} smiled and said, \"{a}\"",
]
CHILDREN = [("Lily", "her"), ("Tom", "his"), ("Mia", "her"), ("Ben", "his"),
            ("Anna", "her"), ("Leo", "his"), ("the little fox", "his"),
            ("the young rabbit", "her")]
CLOSERS = ["", "", "", " Is that not wonderful?",
           " Nature is full of wonders.", " Now you know why."]

NAMES = {
    "fruit": [
        ("apple", "It is round and sweet, and it grows on a tree."),
        ("pear", "It is soft and sweet, and it grows on a tree."),
        ("banana", "It is long and yellow."),
        ("cherry", "It is small, red and round."),
        ("orange", "It is round and full of juice."),
        ("plum", "It is purple and sweet."),
        ("peach", "It is soft and has a big stone inside.")],
    "tree": [
        ("oak", "It is tall and strong, and it has acorns."),
        ("pine", "It is green in summer and in winter."),
        ("birch", "It has white bark."),
        ("willow", "It likes to stand near the water."),
        ("maple", "Its leaves turn red in autumn."),
        ("beech", "It gives a lot of shade in summer.")],
    "flower": [
        ("rose", "It smells sweet, and it has thorns."),
        ("tulip", "It blooms in spring."),
        ("daisy", "It is white and yellow."),
        ("sunflower", "It is tall, and it turns to the sun.")],
    "bird": [
        ("robin", "It has a red breast."),
        ("swan", "It is white and swims on the lake."),
        ("owl", "It flies at night."),
        ("duck", "It swims on the pond."),
        ("eagle", "It flies very high.")],
    "vegetable": [
        ("carrot", "It is orange and grows in the ground."),
        ("potato", "It grows under the ground."),
        ("pea", "It is small, round and green."),
        ("cabbage", "It is big and green.")],
    "fish": [
        ("trout", "It lives in cold rivers."),
        ("salmon", "It swims up the river to lay its eggs."),
        ("carp", "It lives in ponds and lakes.")],
}
COLOR_FACTS = [
    ("red", "A ripe cherry is red."), ("blue", "The sky is blue."),
    ("green", "The grass is green."), ("yellow", "The sun is yellow."),
    ("white", "Snow is white."), ("orange", "A carrot is orange."),
    ("brown", "A bear is brown."), ("black", "The night is black.")]
ANIMAL_FACTS = [
    ("cat", "It likes milk and warm places."), ("dog", "It is a good friend."),
    ("cow", "It eats grass and gives milk."),
    ("elephant", "It is big and has a long nose."),
    ("rabbit", "It has long ears."), ("bear", "It sleeps in winter."),
    ("fox", "It is red and clever."), ("horse", "It can run very fast.")]
NUMBERS = (
    "zero one two three four five six seven eight nine ten eleven twelve "
    "thirteen fourteen fifteen sixteen seventeen eighteen").split()
CAPITALS = [
    ("France", "Paris"), ("Germany", "Berlin"), ("Italy", "Rome"),
    ("Spain", "Madrid"), ("England", "London"), ("Japan", "Tokyo"),
    ("Austria", "Vienna"), ("Poland", "Warsaw"), ("Norway", "Oslo"),
    ("Greece", "Athens"), ("Portugal", "Lisbon"), ("Sweden", "Stockholm")]
HELLO = [
    "Hello! My name is {p}, and I like to tell stories. Here is one for you. ",
    "Hello! How are you today? I hope that you are well. Let me tell you a "
    "story. ",
    "Hello, my friend! Sit down and listen to a little story. ",
    "Hello, world! It is a lovely day for a story. ",
    "Hello there! Do you want to hear a story? Then listen. ",
    "Hi! My name is {p}. I know many stories, and this is one of them. ",
    "Good morning! Today I will tell you a story. ",
]
TELL = [
    "Tell a story. ", "Tell me a story. ", "Tell a story, please. ",
    "Please tell me a story. ", "Write a story. ", "Write a short story. ",
    "Tell me a bedtime story. ", "Tell a short story. ",
]


def pick_lines(rng, lines):
    out = []
    for line in lines:
        if line.startswith("?"):
            if rng.random() < 0.5:
                continue
        out.append(rng.choice(line.split(" | ")).lstrip("?").strip())
    return " ".join(out)


def why(rng):
    # The first question is the project's showcase; show it more often.
    statement, question, lines = WHY[0] if rng.random() < 0.2 \
        else rng.choice(WHY)
    answer = pick_lines(rng, lines)
    if rng.random() < 0.15:
        child, his = rng.choice(CHILDREN)
        elder = his + " " + rng.choice(["mother", "father", "grandmother",
                                        "grandfather"])
        answer = answer.replace("\"", "'")
        text = rng.choice(ASKERS).format(
            q=question, a=answer, child=child, elder=elder,
            Elder=elder.capitalize())
        return text + rng.choice([
            "", " " + child + " was happy to know it.",
            " \"Thank you,\" said " + child + "."])
    text = rng.choice(ASK).format(q=question, s=statement)
    return text + " " + answer + rng.choice(CLOSERS)


def name_one(rng):
    kind = rng.choice(list(NAMES) + ["fruit", "tree", "color", "animal"])
    if kind == "color":
        word, fact = rng.choice(COLOR_FACTS)
        body = "%s is a color. %s" % (word.capitalize(), fact)
    else:
        word, fact = rng.choice(ANIMAL_FACTS if kind == "animal"
                                else NAMES[kind])
        body = "A_ %s is a_ %s. %s" % (word, kind, fact)
    ask = rng.choice(["Name a_ %s. ", "Name a_ %s. ", "Name one %s. ",
                      "Can you name a_ %s? ", "Please name a_ %s. ",
                      "Tell me the name of a_ %s. "]) % kind
    return ask + body


def small_fact(rng):
    draw = rng.random()
    if draw < 0.5:
        country, city = rng.choice(CAPITALS)
        return rng.choice([
            "The capital of {0} is {1}.",
            "What is the capital of {0}? The capital of {0} is {1}.",
            "{1} is the capital of {0}."]).format(country, city)
    a, b = rng.randint(1, 9), rng.randint(1, 9)
    return rng.choice([
        "What is {0} plus {1}? {2} plus {1} is {3}.",
        "{2} plus {1} is {3}."]).format(
            NUMBERS[a], NUMBERS[b], NUMBERS[a].capitalize(), NUMBERS[a + b])


def about(rng, make_story):
    """A story whose hero is named in the request."""
    while True:
        story = make_story(rng)
        found = re.match(r"(?:Once upon a time|One day|Once|Long ago),? "
                         r"(?:there was )?(an? \w+ \w+)\b", story)
        if found:
            return "%s about %s. %s" % (
                rng.choice(["Tell a story", "Tell me a story",
                            "Write a story", "Write a short story"]),
                found.group(1), story)


def make_answer(rng, make_story):
    draw = rng.random()
    if draw < 0.50:
        return why(rng)
    if draw < 0.66:
        return name_one(rng)
    if draw < 0.72:
        return small_fact(rng)
    if draw < 0.82:
        return rng.choice(HELLO).replace("{p}", rng.choice(
            ["Pip", "Lily", "Tom", "Hazel"])) + make_story(rng)
    if draw < 0.91:
        return rng.choice(TELL) + make_story(rng)
    return about(rng, make_story)
