# SPDX-License-Identifier: LGPL-2.1-or-later
"""Short families of prompts that are not stories: questions and greetings.

make_answer(rng, make_story) returns one document.  Facts are simple and
true; wordings vary so that the model learns the answer and not one string.
"""

import re

# question wordings, then answer lines with alternatives (see stories.py).
WHY = [
    ("the sky is blue", "is the sky blue",
     ["The light of the sun is made of all colors. | Sunlight looks white, but "
      "it is made of many colors. | The light from the sun has all the colors "
      "of the rainbow in it.",
      "When it comes through the air, the blue light is scattered the most. | "
      "The air scatters the blue light in all directions, much more than the "
      "red light. | In the air, the blue light bounces around more than the "
      "other colors.",
      "So blue light comes to our eyes from everywhere, and we see a blue sky. "
      "| That is why we see blue when we look up. | So when we look up, the "
      "whole sky looks blue to us.",
      "?In the evening, the light has a longer way, and then the sky can look "
      "red or orange. | ?At night there is no sunlight, so the sky is dark."]),
    ("the leaves fall in autumn", "do leaves fall in autumn",
     ["In autumn, the days become short and cold. | When winter is near, there "
      "is less light, and the ground becomes cold.",
      "A tree cannot feed all its leaves in winter, so it lets them go. | The "
      "tree saves its water and its strength, and it lets the leaves fall.",
      "In spring, new green leaves will grow. | The tree sleeps until spring, "
      "and then new leaves come."]),
    ("it rains", "does it rain",
     ["The sun warms the water in the sea, and the water rises into the air. | "
      "Warm water from seas and lakes goes up into the air, but we cannot see "
      "it.",
      "High in the sky it becomes cold and makes clouds of tiny drops. | Up "
      "there it is cold, so the water turns into tiny drops, and these make a "
      "cloud.",
      "When the drops are big and heavy, they fall down as rain. | When the "
      "cloud is full of heavy drops, it rains."]),
    ("birds sing", "do birds sing",
     ["Birds sing to talk to each other. | A bird uses its song like we use "
      "words.",
      "With a song, a bird says, \"This is my tree,\" or it calls a friend. | "
      "Some songs mean \"Come to me,\" and some mean \"Stay away from my "
      "nest.\"",
      "They sing most in the early morning, when the world is quiet. | In "
      "spring they sing a lot, because they build their nests then."]),
    ("stars shine", "do stars shine",
     ["Stars are suns that are very far away. | A star is a huge ball of hot "
      "gas, like our sun.",
      "They are so hot that they glow and give light. | Deep inside it is very "
      "hot, and this makes the light.",
      "They look small because they are so far from us. | We see them at night, "
      "when our own sun does not outshine them."]),
    ("the moon changes its shape", "does the moon change its shape",
     ["The moon does not really change. It is always a round ball. | The moon "
      "is always round, like a ball.",
      "It has no light of its own. The sun shines on one half of it. | The sun "
      "lights only one side of it.",
      "As the moon goes around the earth, we see more or less of the bright "
      "side. | Because the moon travels around us, we see a different part of "
      "the bright side each night."]),
    ("the sea is salty", "is the sea salty",
     ["Rain washes a little salt out of the rocks and the ground. | Rivers "
      "carry a little salt from the stones to the sea.",
      "The rivers bring it to the sea. The water goes back into the air, but "
      "the salt stays. | When the sun dries the water, the salt stays behind.",
      "Over a very long time, the sea became salty. | After millions of years, "
      "there is a lot of salt in the sea."]),
    ("we sleep", "do we sleep",
     ["Our body works all day and needs a rest. | When we are awake, our body "
      "and our head work very hard.",
      "In sleep, the body grows and becomes strong again. | While we sleep, the "
      "body repairs itself, and the head puts the day in order.",
      "That is why we feel fresh in the morning. | After a good night, we can "
      "play and learn again."]),
    ("the grass is green", "is the grass green",
     ["Grass has something green inside that is called chlorophyll. | There is "
      "a green stuff in each leaf of grass. Its name is chlorophyll.",
      "It catches the light of the sun and helps the grass to make its food. | "
      "With it, the grass makes food out of light, air and water.",
      "It does not need the green light, so the green light comes back to our "
      "eyes. | The green part of the light is sent back, and so we see green."]),
    ("the sun is hot", "is the sun hot",
     ["The sun is a huge ball of gas. | The sun is a star, and it is much bigger "
      "than the earth.",
      "Deep inside, tiny parts of the gas are pressed together, and this makes "
      "a lot of heat. | In its middle, the gas is pressed together so much that "
      "it gives a lot of heat and light.",
      "The warmth travels to us through space. | Even far away, we can feel its "
      "warmth on our skin."]),
    ("we see a rainbow", "do we see a rainbow",
     ["A rainbow comes when the sun shines and it rains at the same time. | To "
      "see a rainbow, you need sun and rain.",
      "Each drop of rain bends the sunlight and splits it into colors. | The "
      "drops take the white light apart, and we see all its colors.",
      "The colors are red, orange, yellow, green, blue and violet."]),
    ("snow is white", "is snow white",
     ["Snow is made of many tiny pieces of ice. | A snowflake is made of little "
      "crystals of ice.",
      "Light bounces back from all sides of the ice, all colors together. | The "
      "ice sends back all colors of the light in the same way.",
      "All colors together look white. | And when all colors come together, we "
      "see white."]),
    ("bees make honey", "do bees make honey",
     ["Bees collect sweet juice from the flowers. | A bee flies from flower to "
      "flower and drinks the sweet nectar.",
      "At home in the hive, they turn it into honey. | They carry it to the "
      "hive, and there it becomes honey.",
      "The honey is their food for the winter, when there are no flowers. | "
      "They eat it in winter, when no flower is open."]),
    ("cats purr", "do cats purr",
     ["A cat often purrs when it feels safe and happy. | Cats purr when they "
      "like something, for example a warm hand.",
      "The sound comes from small muscles in its throat. | Small muscles in "
      "the throat move very fast, and this makes the sound.",
      "Sometimes a cat also purrs to calm itself. | A mother cat also purrs for "
      "her kittens."]),
    ("ice floats", "does ice float",
     ["When water freezes, it becomes a little bigger. | Ice needs more room "
      "than water.",
      "So a piece of ice is lighter than the same amount of water. | That makes "
      "it lighter than the water around it.",
      "Light things stay on top, and that is why ice floats. | So it swims on "
      "top, and the fish can live below it."]),
    ("we have day and night", "do we have day and night",
     ["The earth turns around like a ball, once every day. | Our earth turns "
      "all the time, but we do not feel it.",
      "When our side looks at the sun, it is day. | On the side with the sun, "
      "it is day.",
      "When our side looks away from the sun, it is night. | On the other side, "
      "it is dark, and people sleep."]),
    ("fish can breathe in water", "can fish breathe in water",
     ["Fish do not have lungs like us. They have gills. | A fish has gills on "
      "the sides of its head.",
      "The water flows through the gills, and they take the air out of it. | "
      "The gills take oxygen from the water.",
      "So a fish can stay under water all its life. | That is why a fish does "
      "not need to come up."]),
    ("we brush our teeth", "do we brush our teeth",
     ["After we eat, a little food stays on our teeth. | Small pieces of food "
      "stay between the teeth.",
      "Tiny germs eat the sugar and make holes in the teeth. | Germs like this "
      "food, and they can hurt the teeth.",
      "When we brush, we clean everything, and the teeth stay strong."]),
    ("the wind blows", "does the wind blow",
     ["The sun does not warm the air everywhere in the same way. | In some "
      "places the air is warm, and in others it is cold.",
      "Warm air goes up, and cold air flows in to take its place. | Warm air "
      "rises, and then other air comes to fill the room.",
      "This moving air is the wind. | When air moves like this, we call it "
      "wind."]),
    ("dogs wag their tails", "do dogs wag their tails",
     ["A dog talks with its body. | Dogs cannot speak, so they use their tail.",
      "When a dog is happy, it often wags its tail from side to side. | A fast "
      "and wide wag often means that the dog is glad to see you.",
      "If the tail is low, the dog may be afraid. | So look at the tail, and "
      "you will know how the dog feels."]),
    ("the sunset is red", "is the sunset red",
     ["In the evening, the sun is low, and its light goes a long way through "
      "the air. | When the sun goes down, the light has a very long way to us.",
      "On this way, the blue light is scattered and lost. | The air takes out "
      "the blue light on the way.",
      "The red and orange light comes through, and the sky glows. | What is "
      "left is red and orange light."]),
    ("trees are important", "are trees important",
     ["Trees clean the air and give us oxygen to breathe. | A tree takes old "
      "air in and gives fresh air back.",
      "Many birds and other animals live in them. | They are a home for birds, "
      "squirrels and bugs.",
      "They also give us shade, fruit and wood. | In summer, they keep us cool."]),
]
ASK = ["Why {q}?", "Why {q}?", "Why {q}?", "Why {q}?", "Can you tell me why {s}?",
       "Do you know why {s}?", "Tell me why {s}.", "Explain why {s}."]
ASKERS = [
    "\"Why {q}?\" asked {child}. \"I will tell you,\" said {elder}. \"{a}\"",
    "{child} asked {elder}, \"Why {q}?\" {Elder} smiled and said, \"{a}\"",
]
CHILDREN = [("Lily", "her"), ("Tom", "his"), ("Mia", "her"), ("Ben", "his"),
            ("Anna", "her"), ("Leo", "his"), ("the little fox", "his"),
            ("the young rabbit", "her")]
CLOSERS = ["", "", "", " Is that not wonderful?", " Nature is full of wonders.",
           " Now you know why."]

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
NUMBERS = ("zero one two three four five six seven eight nine ten eleven twelve "
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
