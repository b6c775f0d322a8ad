# SPDX-License-Identifier: LGPL-2.1-or-later
"""Words, openings and endings for stories.py; the plots are in plots.txt.

Only data: the notation is explained in stories.py and in plots.txt.
"""

import os


def load(name):
    """Read a file of headed beats: a list of (title, beats)."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    out = []
    with open(path, encoding="utf-8") as file:
        for line in file.read().splitlines():
            if line.startswith("== "):
                out.append((line[3:], []))
            elif line.startswith("| ") or line.startswith("; "):
                out[-1][1][-1] += " " + line
            elif line and not line.startswith("#"):
                out[-1][1].append(line)
    return out


GIRLS = (
    "Lily Mia Anna Emma Sara Rosie Ella Lucy Nina Zoe Maya Clara Ruby Ivy "
    "Molly Daisy Amy Kate Nora Lena Sofia Grace Holly Jane Eva").split()
BOYS = (
    "Tom Ben Max Sam Leo Jack Tim Finn Noah Oscar Adam Luke Peter Will Hugo "
    "Theo Milo Toby Dan Paul Eric Henry Jacob Felix Owen").split()
PET_NAMES = (
    "Pip Coco Bella Rusty Bramble Nibbles Hazel Biscuit Pepper Willow Teddy "
    "Clover Bobo Sunny Dusty Olive Poppy Barnaby Misty Tilly Button Ginger "
    "Maple Basil").split()
ANIMALS = (
    "fox rabbit bear mouse owl cat dog duck frog hedgehog squirrel turtle "
    "elephant lion pig goat lamb penguin deer wolf horse kitten puppy otter "
    "beaver monkey bird dragon robot badger").split()
PEOPLE = [
    ("sailor", "m", "old"), ("baker", "f", "kind"), ("gardener", "m", "old"),
    ("farmer", "m", "kind"), ("princess", "f", "young"),
    ("prince", "m", "young"), ("king", "m", "kind"), ("queen", "f", "kind"),
    ("painter", "f", "young"), ("teacher", "f", "kind"),
    ("fisherman", "m", "old"), ("woman", "f", "old"), ("man", "m", "old"),
    ("wizard", "m", "old"), ("clown", "m", "funny"),
]
COLORS = (
    "red blue green yellow orange purple pink white brown golden "
    "silver").split()
OBJECTS = (
    "ball, kite, hat, scarf, drum, book, boat, basket, bell, button, cup, "
    "blanket, lamp, ring, box, key, balloon, toy car, toy train, umbrella, "
    "wagon, doll, flute, whistle, spoon, mirror, shell").split(", ")
FOODS = ["an apple", "a cake", "a pie", "some bread", "a sandwich",
         "some cookies", "a pear", "some berries", "a carrot", "some soup",
         "some nuts", "some cheese", "a bun", "some grapes"]
PLACES = ["park", "forest", "beach", "market", "garden", "river", "lake",
          "meadow", "farm", "library", "school", "hill", "village", "pond",
          "playground", "old bridge", "field", "harbor", "old lighthouse",
          "castle"]
TRAITS = ["kind", "brave", "curious", "shy", "clever", "gentle", "cheerful",
          "quiet", "friendly", "helpful", "playful", "funny", "careful"]
HOBBIES = ["to sing", "to draw", "to read books", "to look at the stars",
           "to play outside", "to climb trees", "to dance", "to bake cookies",
           "to tell stories", "to collect shells", "to help others",
           "to pick flowers", "to run in the grass", "to watch the clouds",
           "to listen to the rain", "to build things", "to swim in the lake",
           "to play hide and seek"]
HOMES_CHILD = [
    "in a [small/little/cozy/yellow/white] house [by the sea/near the forest/"
    "on a hill/at the edge of a village/by the river]",
    "in a [small/quiet/pretty] [village/town] [by the sea/near a big forest/"
    "between two hills/by a wide river]",
    "on a [small/big/quiet] farm with [many animals/a red barn/a lot of hens/"
    "two cows and a horse]",
    "near [a big forest/the sea/the old lighthouse/a blue lake/the market]",
]
HOMES_ANIMAL = [
    "in a [small/cozy/warm/little] [house/home] under [an old oak tree/a big "
    "tree/a green hill/a tall pine tree]",
    "in a [big/green/quiet/deep] forest [near a river/by a lake/full of tall "
    "trees/far from the town]",
    "on a [small/big/quiet/happy] farm [near a village/by a river/with a red "
    "barn]",
    "near [a blue lake/a small pond/the sea/a wide river/the old lighthouse]",
    "in a green valley between [two hills/two mountains/two rivers]",
]
WEATHER = [
    "It was a [sunny/warm/bright/lovely] [day/morning/afternoon].",
    "It was a [cold/windy/gray/cloudy/rainy] [day/morning/afternoon].",
    "The sun was [shining/bright/warm] and the [sky was blue/birds were "
    "singing/flowers were open].",
    "It was [spring/summer/autumn], and the [air was fresh/leaves moved in "
    "the wind/days were long].",
    "The wind [blew softly/was warm/moved the trees] and the [clouds were "
    "white/sky was clear/birds were singing].",
    "It was the first day of [spring/summer/autumn/school/the holidays].",
    "It was early in the morning, and [everyone was still asleep/the grass "
    "was wet/the world was quiet].",
    "The [morning/day] was [quiet/bright/clear/warm], and the sky was "
    "[blue/full of white clouds].",
]
PREFIXES = [
    "One day, ", "One day, ", "One day, ", "One morning, ",
    "One [sunny/rainy/windy/warm/cold] [day/morning/afternoon], ",
    "One afternoon, ", "One Sunday, ", "Last summer, ", "On Monday morning, ",
    "After breakfast, ", "One spring morning, ", "On a [bright/quiet/warm] "
    "day, ", "Early one morning, ",
]
OPENINGS_PLAIN = [
    "Once upon a time, there was {intro}. {He} lived {home}.",
    "Once upon a time, there was {intro} who lived {home}.",
    "Once upon a time, {intro} lived {home}. {He} loved {hobby}.",
    "Once upon a time, there was {intro} who loved {hobby}.",
    "Once, there was {intro}. {He} was very {trait} and loved {hobby}.",
    "There was once {intro} who lived {home}.",
    "There once was {intro}. {He} liked {hobby}.",
    "Long ago, {intro} lived {home}. Everyone said that {he} was {trait}.",
    "Long, long ago, there was {intro} who lived {home}.",
    "{Cintro} lived {home}. {He} was {trait} and loved {hobby}.",
    "{Cintro} lived {home}. Every day, {he} liked {hobby}.",
    "In a [small/quiet/pretty] village [by the sea/near the forest/in the "
    "hills], there lived {intro}.",
    "Deep in the [forest/woods], there lived {intro} who loved {hobby}.",
    "High on a [green/windy/tall] hill, there lived {intro}. {He} was "
    "{trait}.",
    "By the [blue/wide/deep] [sea/river/lake], there lived {intro}.",
    "Far away, in a [land/valley/village] full of [flowers/trees/snow/"
    "sunshine], there lived {intro}.",
    "The old [lighthouse/house/mill/castle/tower] stood [on a hill/by the sea/"
    "near the village/at the end of a long road]. {Cintro} lived [there/near "
    "it/not far away].",
    "The [forest/village/farm/garden/town] was [quiet/beautiful/full of "
    "flowers/waking up]. {Cintro} lived there. {He} was {trait}.",
    "At the [end/edge] of the [village/forest/road] lived {intro}. {He} loved "
    "{hobby}.",
    "This is the story of {intro}. {He} lived {home}.",
    "When the sun came up, {intro} was already awake. {He} was {trait} and "
    "loved {hobby}.",
    "I know a story about {intro}. {He} lived {home}.",
    "I want to tell you about {intro}. {He} lived {home}.",
    "Do you know the story of {intro}? {He} loved {hobby}.",
    "Listen to the story of {intro} who lived {home}.",
    "My [grandmother/grandfather/mother/father/sister] often told me about "
    "{intro}. {He} lived {home}.",
    "Many years ago, {intro} lived {home}.",
    "A long time ago, there was {intro}. {He} was {trait}.",
    "On a [small/green/quiet] island in the [sea/lake] lived {intro}.",
    "Under [an old/a big] [oak/apple/willow] tree lived {intro}. {He} loved "
    "{hobby}.",
    "In a [small/big/busy/quiet] [town/city] near the [sea/river/mountains], "
    "there was {intro}.",
    "Nobody knew where {intro} came from, but everyone liked {him}.",
    "\"Good morning, world!\" said {intro}. {He} was {trait} and loved "
    "{hobby}.",
    "Not far from [here/the sea/the forest], there lived {intro}.",
    "If you walk [along the river/through the forest/over the hill], you come "
    "to a small [house/garden/village]. {Cintro} lived there.",
    "Every morning, {intro} [went for a walk/sat by the window/looked at the "
    "sky]. {He} was {trait} and loved {hobby}.",
    "In the middle of the [forest/village/garden] stood a_ [tall tree/small "
    "house/white tower]. {Cintro} lived there.",
    "The [little/small/old] [house/cottage/garden/boat] by the "
    "[sea/river/lake] belonged to {intro}. {He} was {trait}.",
    "This is a story about {intro} who loved {hobby}.",
]
OPENINGS_NAMED = [
    "{n} was a_ {trait} little {species} who lived {home}.",
    "{n} was a_ {trait} {species}. {He} loved {hobby}.",
    "{n} was a_ {species} who lived {home}. {He} was very {trait}.",
    "{n} loved {hobby}. {He} did it every day.",
    "{n} lived {home} with {e}.",
    "{n} lived {home}. Every day, {he} liked {hobby}.",
    "{n} was happy. {He} lived {home} and loved {hobby}.",
    "Every [morning/day/evening], {n} [looked out of the window/went for a "
    "walk/said hello to the sun]. {He} was a_ {trait} {species}.",
    "Everyone in the village knew {n}. {He} was a_ {trait} little {species}.",
    "There was a_ {species} called {n}. {He} lived {home}.",
]
OPENINGS_THE = [
    "The {size} {species} was {trait}. {He} lived {home}.",
    "The {size} {species} loved {hobby}. {He} did it every day.",
    "The {size} {species} lived {home}.",
    "The {species} was very {trait} and loved {hobby}.",
    "The {species} lived {home}. Every day, {he} liked {hobby}.",
    "Everyone in the forest knew the {size} {species}. {He} was {trait}.",
]
FRIEND_LINES = [
    "{n} and {m} were [best/good/old/very good] friends. They [played "
    "together every day/did everything together/lived {home}].",
    "{n} and {m} lived {home}. They were [best/good] friends.",
    "{n} had a [good/best/dear] friend. It was {m}. They [played together "
    "every day/loved {hobby}].",
    "Once upon a time, there were two friends, {n} and {m}. They lived "
    "{home}.",
]
ENDINGS = [
    "From that day on, {n} and {m} were [good/best/dear] friends.",
    "{n} went home with a [happy/warm/full] heart.",
    "That night, {n} fell asleep with a smile.",
    "{n} was very happy. It was the best day of all.",
    "{n} never forgot that day.",
    "And {n} smiled all the way home.",
    "It was a [good/wonderful/lovely] day, and {n} knew that {he} would never "
    "forget it.",
    "When the stars came out, {n} was already asleep, dreaming of the next "
    "day.",
    "They all laughed and went home together.",
    "The end.",
    "And they all lived happily ever after.",
    "In the evening, {n} told {e} all about it. {Ce} was very proud.",
    "That evening, {n} looked at the moon and felt [happy/calm and happy/"
    "thankful].",
    "{n} had learned something important that day.",
]
