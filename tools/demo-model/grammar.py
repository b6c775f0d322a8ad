# SPDX-License-Identifier: LGPL-2.1-or-later
"""Words, openings, plots and endings for stories.py.

Only data: the notation is explained in stories.py.  Keep every sentence
correct for any character that can fill the slot: {n} is the hero, {m} the
friend, {e} the hero's parent or grandparent.
"""

GIRLS = ("Lily Mia Anna Emma Sara Rosie Ella Lucy Nina Zoe Maya Clara Ruby Ivy "
         "Molly Daisy Amy Kate Nora Lena Sofia Grace Holly Jane Eva").split()
BOYS = ("Tom Ben Max Sam Leo Jack Tim Finn Noah Oscar Adam Luke Peter Will Hugo "
        "Theo Milo Toby Dan Paul Eric Henry Jacob Felix Owen").split()
PET_NAMES = ("Pip Coco Bella Rusty Bramble Nibbles Hazel Biscuit Pepper Willow "
             "Teddy Clover Bobo Sunny Dusty Olive Poppy Barnaby Misty Tilly "
             "Button Ginger Maple Basil").split()
ANIMALS = ("fox rabbit bear mouse owl cat dog duck frog hedgehog squirrel turtle "
           "elephant lion pig goat lamb penguin deer wolf horse kitten puppy "
           "otter beaver monkey bird dragon robot badger").split()
PEOPLE = [
    ("sailor", "m", "old"), ("baker", "f", "kind"), ("gardener", "m", "old"),
    ("farmer", "m", "kind"), ("princess", "f", "young"),
    ("prince", "m", "young"), ("king", "m", "kind"), ("queen", "f", "kind"),
    ("painter", "f", "young"), ("teacher", "f", "kind"),
    ("fisherman", "m", "old"), ("woman", "f", "old"), ("man", "m", "old"),
    ("wizard", "m", "old"), ("clown", "m", "funny"),
]
COLORS = ("red blue green yellow orange purple pink white brown golden "
          "silver").split()
OBJECTS = ("ball kite hat scarf drum book boat basket bell button cup blanket "
           "lamp ring box key balloon toy car toy train umbrella wagon doll "
           "flute whistle spoon mirror shell").replace(
               "toy car", "toy_car").replace("toy train", "toy_train").split()
OBJECTS = [o.replace("_", " ") for o in OBJECTS]
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
    "It was a [sunny/warm/bright/lovely] [day/morning/afternoon]. | ",
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
WEATHER = [w.replace(" | ", "") for w in WEATHER]
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
    "High on a [green/windy/tall] hill, there lived {intro}. {He} was {trait}.",
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
    "The [little/small/old] [house/cottage/garden/boat] by the [sea/river/lake] "
    "belonged to {intro}. {He} was {trait}.",
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
    "Once upon a time, there were two friends, {n} and {m}. They lived {home}.",
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

PLOTS = [
    # A lost thing, searched for and found.
    """
@spot,low: under a bush,under ; behind a big rock,behind ; in the tall grass,in ; under the old bench,under ; behind the tree,behind ; in a hole,in
{N} [went to the {place}/walked to the {place}/played near the {place}] with {his} {color} {obj}. | {N} took {his} {color} {obj} to the {place}. | {N} lost {his} {color} {obj} near the {place}.
It was {his} favorite {obj}, and {he} took it everywhere. | {e} had given it to {him}, so {he} loved it very much. | {He} loved that {obj} more than anything else.
But when {he} wanted to go home, the {obj} was gone. | But soon {he} looked around and could not see the {obj}. | Then {he} stopped. The {obj} was not there anymore.
"Oh no! Where is my {obj}?" {he} cried. | "My {obj} is gone!" said {n}, and {his} eyes filled with tears. | {n} was very sad and began to cry.
Soon {M} came by. "Why are you sad?" asked {m}. | {CM} heard {him} and came to help. "What is wrong?" asked {m}.
"I lost my {color} {obj}," said {n}. | "I cannot find my {obj}," {n} answered. "It is {color}."
"Do not worry. We will look for it together," said {m}. | "Let us look for it," said {m}. "Two can see more than one."
?They looked [by the water/near the gate], but it was not there. | ?They looked and looked for a long time.
They looked everywhere, and at last {m} found the {obj} {spot}. | Then {m} looked {spot} and smiled. The {color} {obj} was there! | At last, {n} saw something {color} {spot}. It was the {obj}!
"Thank you, {mcall}!" said {n}. "You are a true friend." | {n} jumped for joy and hugged {m}. | "Thank you for your help," said {n}, and they [danced/played] until the sun went down.
    """,
    # Sharing food.
    """
{N} had {food} for lunch. {He} sat down under a tree near the {place}. | {N} went to the {place} with {food} in {his} [bag/basket]. | {N} packed {food} and walked to the {place}.
{He} was just about to eat when {he} saw {M}. | Just then, {M} came by. | On the way, {he} met {M}.
{m} looked [tired/sad/thin] and hungry. | {m} looked at the food but did not say a word. | {m} had not eaten all day.
"Are you hungry?" asked {n}. "Yes, very hungry," said {m}. | "I have nothing to eat today," said {m} in a small voice. | "I forgot my lunch at home," said {m}.
{n} thought for a moment. {He} was hungry too. | {n} looked at the food. There was not very much. | {n} knew how it felt to be hungry.
"Let us share," {he} said, and gave half of it to {m}. | Then {he} smiled and gave {m} the bigger half. | "Here, please take some," said {n}. "It tastes better when we share."
They sat in the sun, ate, and [told funny stories/laughed together/watched the birds]. | They ate together, and soon both of them felt better.
?"You are very kind, {call}," said {m}.
The next day, {n} [lost {his} way in the rain/had too much work to do/could not reach the apples on the tree]. {m} came and helped {him} at once. | The next day, {m} came back with a big basket of [berries/apples/nuts]. "This is for you," {he2} said. | A week later, {m} brought {him} a little gift to say thank you.
{n} learned that a kind heart always finds a friend. | {n} was glad that {he} had shared. | "Sharing makes us both happy," said {n}.
    """,
    # A fear is overcome.
    """
@@noweather
@fear,fix,small: the dark,lit a small lamp,a little light ; the thunder,began to count between the flashes,the sound of counting ; the deep water,held {his} hand,a warm hand ; the big dog next door,showed {him} how to be gentle,a gentle voice ; the old lighthouse,walked with {him} up the stairs,a friend by {his} side ; high places,climbed up next to {him},a friend by {his} side ; the strange shadows on the wall,made funny shadows with two hands,a good laugh
!{N} was afraid of {fear}. | !{N} had a secret. {He} was afraid of {fear}. | !{N} did not like {fear} at all.
{His} heart beat fast when {he} only thought of it. | {He} always wanted to hide when {he} thought about it. | {He} did not tell anyone, because {he} felt [silly/ashamed].
Then, one evening, {e} saw that {n} was shaking. | But {e} saw that something was wrong. | One evening, {he} could not hide it anymore, and {he} began to cry.
"What is the matter, {call}?" asked {e}. | "You can tell me everything," said {e}.
"I am afraid of {fear}," {n} [said softly/whispered].
{Ce} did not laugh. {Ehe} {fix}. | {Ce} gave {him} a hug. Then {ehe} {fix}. | "I was afraid too when I was small," said {e}. Then {ehe} {fix}.
"You see?" said {e}. "Brave people are sometimes afraid too, but they try." | "To be brave does not mean that you are never afraid," said {e}. "It means that you try."
{n} took a deep breath. At first it was hard, but then it was easy. | Slowly, {n} opened {his} eyes. It was not so bad at all. | {n} nodded and tried it, one small step at a time.
After that, {n} was not afraid of {fear} anymore. | Soon {n} began to smile. {He} felt very brave. | {n} found out that {small} can make a big fear small.
    """,
    # A small animal needs help.
    """
@pet,hurt,care: bird,had a hurt wing,made a soft nest for it in a box ; kitten,was stuck in a tree,climbed up and brought it down ; butterfly,was caught in a web,carefully set it free ; duckling,had lost its mother,carried it back to the pond ; puppy,was cold and wet,dried it with a warm towel ; baby hedgehog,had fallen into a hole,lifted it out with both hands ; bee,was too tired to fly,gave it a drop of sweet water ; silver fish,was caught in a net,opened the net and let it go
{N} was walking near the {place} when {he} heard a tiny sound. | {N} went to the {place} and saw something small in the grass. | {N} was on the way to the {place}. Suddenly, {he} stopped.
It was a small {pet}. It {hurt}. | {He} looked closer. There was a {pet} that {hurt}. | A little {pet} looked up at {him}. The poor thing {hurt}.
"Do not be afraid," said {n} in a soft voice. "I will help you." | "You poor little thing," said {n}. "I will take care of you." | {n} wanted to help, but {he} did not know how. Then {he} had an idea.
Very gently, {n} {care}. | {n} ran to get {e}, and together they helped. {n} {care}. | {n} was very careful. {He} {care}.
?The {pet} was [afraid/weak] at first, but soon it felt safe.
{He} stayed with it until it was well again. | {n} gave it some water and spoke to it softly. | "You did the right thing," said {e}.
The next morning, the {pet} was [strong/well/happy] again. | After a while, the {pet} felt much better. | Soon the {pet} was strong and happy.
{n} was a little sad to say goodbye, but {he} knew it had to be free. | "Goodbye, little friend," said {n}, and waved. | It looked at {him} one last time, as if to say thank you.
A few days later, the {pet} came back to visit {him}. | Every day after that, the {pet} came to say hello. | {n} was proud, because {he} had helped a friend.
    """,
    # A present made by hand.
    """
@gift,work: a flower crown,picked flowers in the meadow and tied them together ; a card with a big heart,took some paper and painted with bright colors ; a honey cake,mixed honey and flour in a big bowl ; a warm scarf,worked with soft wool every evening ; a song,practiced a new song behind the barn ; a little wooden boat,cut and painted a piece of wood ; a picture of the sea,painted waves and a white boat
!{N} wanted to give {e} something special. It was {ehis} birthday. | !{N} remembered that tomorrow was the birthday of {e}. | !{N} looked at the calendar. It was almost the birthday of {e}!
But {n} had no money to buy a present. | {He} looked in {his} pockets, but there was only one small coin. | "What can I give?" {he} asked. "I have no money."
{He} asked {M} what to do. | {He} walked up and down and thought hard. Then {he} met {M}. | {CM} saw {him} thinking and came closer.
"The best gifts are made with love," said {m}. | "You can make something yourself," said {m}. | "Why do you not make a present?" asked {m}. "I will help you."
So {n} decided to make {gift}. {He} {work}. | "I know! I will make {gift}!" said {n}. {He} {work}. | {n} had an idea. {He} {work}. It would be {gift}.
It was not easy, but {n} did not give up. | The first try did not go well, but the second was much better. | {m} helped a little, and {n} did the rest.
The next day, {n} gave {e} the present. "Happy birthday, {ecall}!" {he} said. | On the birthday, {n} came with {gift}. "I made this for you, {ecall}," {he} said.
{Ce} had tears of joy in {ehis} eyes. "This is the best gift I ever got," {ehe} said. | {Ce} gave {him} a big hug. "It is beautiful!" {ehe} said. | "Did you make this yourself?" asked {e}. "I will keep it in my heart forever."
{n} felt warm and happy inside. | {n} knew now that love is the best gift. | They ate cake together and laughed all evening.
    """,
    # Something broke; honesty.
    """
@thing,how: vase,ran through the room ; window,threw a ball too hard ; plate,danced in the kitchen ; blue cup,reached for the cookies ; flower pot,jumped over the fence ; old clock,played with a stick ; lamp,played in the hall
{N} was playing [at home/in the house] while {e} was outside. | !{N} was alone at home for a little while. | {N} was bored and wanted to play.
{He} {how}, and then there was a loud crash. | {He} {how}. Crash! | When {he} {how}, something fell down with a loud noise.
The {thing} was broken. | Oh no! The {thing} of {e} was broken. | The {thing} lay on the floor in many pieces.
{n} was scared. {He} wanted to hide the pieces. | "What shall I do?" {he} thought. "{Cecall} will be angry." | At first, {he} wanted to run away.
Then {M} said, "It is better to tell the truth." | But {he} felt bad inside, because hiding it was not right. | {He} told {M} about it. "Be honest," said {m}. "It will feel better."
When {e} came in, {n} said, "I broke the {thing}. I am so sorry." | {n} went to {e} and said, "I am sorry. The {thing} is broken, and I did it." | So {n} took a deep breath and told {e} everything.
{Ce} looked at {him} for a moment. Then {ehe} smiled. | {Ce} was quiet at first. Then {ehe} gave {him} a hug. | {Ce} was a little sad, but {ehe} was not angry.
"Thank you for telling me the truth," said {e}. "That was brave." | "A {thing} can be replaced," said {e}. "Honest words are worth much more."
Together they cleaned the floor. | They picked up the pieces together, and {n} promised to be more careful. | Then they glued the pieces together, one by one.
{n} felt much better. The truth had made {his} heart light again. | After that, {n} always told the truth. | {n} was glad that {he} had been honest.
    """,
    # Learning a skill.
    """
@skill,fail,win: ride a bike,fell into the grass,rode all the way to the gate ; swim,swallowed some water,swam from one side to the other ; fly a kite,saw the kite fall down,saw the kite dance high in the sky ; whistle,only made a funny noise,made a clear and happy sound ; climb the big tree,slid down again,sat on the highest branch ; play the flute,played a very strange sound,played a pretty song ; dance,stepped on {his} own feet,turned around like the wind ; skate on the ice,sat down on the cold ice,went around the whole pond ; bake bread,burned the bread,baked a big golden loaf
{N} wanted to learn to {skill}. | {N} saw other children {skill} near the {place}. "I want to do that too!" {he} said. | !{N} dreamed of one thing. {He} wanted to {skill}.
{He} tried it, but {he} {fail}. | The first time, {he} {fail}. | {He} was very excited, but on the first try {he} {fail}.
"I will never learn it," {he} said sadly. | {n} was angry and sat down on the ground. | "This is too hard for me," said {n}.
{CM} saw it and came over. "Do not give up," said {m}. | Then {M} came by and smiled. "Nobody can do it on the first day," said {m}.
"I had to try many times too," said {m}. "I will show you." | "Try a little every day," said {m}. "Then it will get easier."
So {n} tried again and again. | Every day, {n} practiced a little bit. {m} stayed with {him}. | {n} tried it the next day, and the day after that.
?Sometimes it went well, and sometimes it did not. | ?{He} was often tired, but {he} did not stop.
Then, one day, {he} {win}. | And at last it worked! {He} {win}. | After a week, {he} {win}.
"I did it! I did it!" {n} shouted. | "Look at me!" cried {n}. | {m} clapped. "I knew that you could do it!"
{n} was very proud. {He} had learned never to give up. | {n} laughed with joy. It had been hard, but it was worth it. | "Thank you for helping me," said {n} to {m}.
    """,
    # A race with a kind turn.
    """
@race,near: a race to the big tree,tree ; a race around the lake,finish ; a boat race on the river,finish ; a race to the top of the hill,top
!There was {race}, and {N} wanted to win. | {N} heard that there would be {race}. {He} wanted to win the prize. | !Everyone came to the {place} for {race}. {N} was there too.
{CM} was the fastest of all. "Nobody can beat me," said {m}. | {m} wanted to win too. "I am faster than you," {he2} said.
"Ready, steady, go!" called {e}, and everyone started. | The bell rang, and off they went. | "One, two, three, go!" someone shouted.
{n} ran as fast as {he} could. Soon {he} was in front. | At first, {n} was last, but {he} did not give up. | {m} was in front, and {n} was right behind.
Near the {near}, {m} fell down and hurt {his2} leg. | Suddenly, {m} slipped and could not go on. | Then {n} heard a cry. {m} had fallen into the mud.
{n} could see the {near}. {He} could win now! But {he} stopped. | {n} did not think about the prize. {He} turned back. | For a moment {n} wanted to go on, but then {he} turned around.
"Take my hand," said {n}, and helped {m} to stand up. | "Are you all right?" asked {n}. "I will help you."
They reached the {near} together, side by side. | Slowly, they went on together, and they came in last. | {n} and {m} crossed the line at the same time.
Everyone clapped. "You did not win the race," said {e}, "but you have the biggest heart." | {Ce} gave them both a prize, because they had helped each other. | "I was not nice to you, and you helped me," said {m}. "Thank you."
{n} knew that a friend is better than any prize. | {n} was happier than any winner.
    """,
    # A seed and patience.
    """
@plant,become: seed,a tall sunflower ; seed,a big orange pumpkin ; seed,a small apple tree ; seed,a red rose ; bean,a long green bean plant ; seed,a bush full of sweet berries
{N} found a tiny {plant} near the {place}. | {N} got a tiny {plant} from {e}. | {N} had a little {plant} in {his} pocket.
"What will it become?" {he} asked. "Plant it and wait," said {e}. | "If you give it water and sun, it will grow," said {e}. | {He} made a hole in the ground and put the {plant} inside.
Every day, {n} gave it some water. | {n} watered it every morning and waited. | Every morning, {he} ran outside to look.
But nothing happened. There was only brown earth. | The first day nothing happened, and the second day nothing happened. | But there was nothing to see for a long time.
"It will never grow," said {n}. | {n} became sad. "Maybe I did something wrong," {he} said.
"Good things need time," said {e}. "You must be patient." | "Be patient," said {M}. "It is growing under the ground, where we cannot see it."
So {n} waited. The rain came, and then the sun. | {n} did not give up. {He} sang a little song to the {plant} every day.
Then, one morning, there was a small green leaf! | One day, {n} saw a tiny green leaf. "It is growing!" {he} cried. | After many days, a small green plant looked out of the ground.
The plant grew and grew until it was {become}. | By the end of summer, it was {become}. | It grew a little every day, and at last it was {become}.
Everyone came to see it. {n} was very proud. | {n} shared it with {M} and was happy that {he} had waited. | "You see?" said {e}. "You took good care of it."
    """,
    # Rainy day.
    """
@@noweather
@game,fun: boats out of paper,sailed them in a big puddle ; a house out of blankets,told stories inside it ; funny hats out of paper,marched around the table like kings ; a band with pots and spoons,played loud music ; a big picture of the sun,hung it on the wall
{N} wanted to go to the {place}, but it was raining. | !{N} looked out of the window. It was raining hard. | !It rained and rained, and {N} could not go outside.
"I am so bored," said {n}. "There is nothing to do." | {He} was sad, because {he} had wanted to play outside. | "Rain, rain, go away," said {n}.
Then there was a knock at the door. It was {M}. | Then {M} came in, all wet, and laughed. | {CM} came to visit and shook the rain off.
"A rainy day can be fun," said {m}. | "Do not be sad," said {m}. "I have an idea!" | "We do not need the sun to have fun," said {m}.
They made {game}. | "Let us make {game}!" said {m}, and they began at once. | So they made {game} together.
Then they {fun}. | It took a long time, but then they {fun}. | When it was ready, they {fun}.
They laughed so much that they forgot the rain. | {n} laughed and laughed. {He} was not bored anymore. | {Ce} brought them [warm milk/hot soup/some cookies] and smiled.
After a while, the rain stopped, and the sun came out. | When they looked outside again, the rain was over. | Soon the clouds went away.
There was a big rainbow in the sky. "Look, how beautiful!" said {n}. | A rainbow stood over the {place}. It was red, yellow, green and blue.
"There would be no rainbow without the rain," said {m}. | "I like rainy days now," said {n}. | "Let us do this again when it rains," said {n}, and {m} agreed.
    """,
    # Lost on the way.
    """
@guide,way: an old owl,follow the little river ; a friendly deer,walk toward the light of the moon ; a small firefly,follow my light ; a wise turtle,follow the river to the bridge ; a black bird,look for the smoke of the chimney
{N} walked into the forest to [pick berries/look for mushrooms/pick flowers]. | {N} followed a [blue/yellow/white] butterfly deep into the forest. | {N} went for a long walk, farther than ever before.
{He} walked and walked, and {he} did not look back. | Everything was so beautiful that {he} forgot the time. | It was so nice there that {he} did not see how late it was.
Soon it became dark, and {n} did not know the way home. | When {he} turned around, {he} could not see the path anymore. | The sun went down, and all the trees looked the same.
"I am lost," said {n}, and {he} was afraid. | "Which way is home?" {n} asked, but nobody answered. | {n} sat down on a stone and began to cry.
Then {he} heard a voice. It was {guide}. | Just then, {guide} came out of the dark. | Suddenly, {guide} looked at {him} from a branch. | Suddenly, {guide} was there.
"Do not cry," it said. "Just {way}, and you will be safe." | "I know the way," it said. "You must {way}." | "Are you lost?" it asked. "I can help you. Just {way}."
{n} said thank you and began to walk. | {n} dried {his} tears and did what it said. | "Thank you," said {n}. {He} was not so afraid now.
?The forest was dark and full of strange sounds, but {he} went on. | ?Step by step, {he} came closer to home.
At last, {he} saw the lights of {his} home. | After a while, {n} saw a warm light. It was home! | Soon {he} saw {e} with a lamp in {ehis} hand.
{Ce} ran to {him} and held {him} tight. "I am so glad that you are back," {ehe} said. | "There you are!" cried {e}, and gave {him} a big hug.
"I will never go so far alone again," said {n}. | {n} got some hot soup and told everything.
    """,
    # A lonely place becomes loved again.
    """
@@noweather
@spot,fix,use: lighthouse,cleaned the big lamp and lit it again,ships could find the way home ; windmill,mended the broken wings,the village had flour for bread ; library,dusted all the books and opened the windows,children came to read stories ; bridge,brought new boards and many nails,friends could visit each other ; train station,painted the door and the bench,people waited there with a smile ; garden,cut the grass and planted new flowers,the bees and the birds came back ; playground,mended the swing and painted the slide,children played there all day ; clock tower,put oil on the old wheels,everyone could hear the bell
!The old {spot} was empty and dark. Nobody came there anymore. {N} looked at it every day. | !The old {spot} was very lonely. Nobody had used it for years. Then {N} came by. | !There was an old {spot} near the village. It was dusty and quiet. {N} felt sorry for it. | {N} found an old {spot} behind the trees. It looked sad and empty.
"It was once so beautiful," said {e}. "But everyone forgot it." | "Why does nobody come here?" {he} asked. "It is old and broken," said {e}. | "Once, many people came here," an old man told {him}.
"Then we must repair it!" said {n}. | {n} thought about it all night. In the morning, {he} had a plan. | "I want to make it beautiful again," said {n}.
{He} asked {M} for help. | First {he} was alone, but then {M} came to help. | {CM} said, "You cannot do that alone. I will help you."
Together, they {fix}. | They worked hard for many days. They {fix}. | Day after day, they worked. At last, they {fix}.
?It was hard work, and {his} hands were tired. | ?More and more people came to help.
Then the old {spot} was ready. It looked as good as new. | When they were done, the old {spot} looked bright and happy.
From that day on, {use}. | Now {use}, and everyone was thankful. | Soon {use}.
"You gave the old {spot} a new life," said {e}. | Everyone thanked {n} and {m}. They had a big party that evening. | {n} looked at the old {spot} and smiled. It was not lonely anymore.
    """,
    # A noise at night.
    """
@@noweather night
@noise,cause,where: tap tap tap,a branch that moved in the wind,at the window ; scratch scratch scratch,a small kitten that wanted to come in,at the door ; hoo hoo hoo,a young owl on the roof,above the bed ; drip drip drip,a little water in the kitchen,in the kitchen ; squeak squeak squeak,a tiny mouse with a piece of cheese,under the bed ; bump bump bump,a hedgehog that bumped against a bucket,in the garden
!{N} could not sleep. It was the middle of the night. | !{N} was lying in bed when {he} heard a noise. | !It was dark, and {N} was in bed. Everything was quiet.
Then there was a strange sound {where}. It went {noise}. | "{Cnoise}," it went {where}. | A sound came again and again {where}. It went {noise}.
"What is that?" {n} whispered. {He} pulled the blanket over {his} head. | {n} was afraid. "Maybe it is a monster," {he} thought. | {His} heart beat very fast.
{He} called for {e}. "There is something {where}!" {he} said. | Then {he} woke up {e}. "I hear something {where}," {he} said.
"Let us look together," said {e}, and took a lamp. | {Ce} took {his} hand. "Come, we will see what it is," {ehe} said. | "Monsters are only in books," said {e}. "Come with me."
Step by step, they came closer. | They walked very quietly. | {n} held the hand of {e} and looked.
And what did they see? It was only {cause}. | But it was not a monster. It was {cause}! | There it was. It was just {cause}.
{n} laughed. "I was afraid of that!" {he} said. | "Oh!" said {n}. "That is not scary at all." | They looked at each other and laughed.
"Things look bigger in the dark," said {e}. "It is good to look closely." | "When you know what it is, you do not have to be afraid," said {e}.
Then {n} went back to bed and slept until the morning. | {Ce} gave {him} a kiss, and soon {n} was asleep.
    """,
    # Building again.
    """
@build,part,storm: a sandcastle,towers,a big wave ; a tree house,windows,a strong wind ; a bridge of stones,steps,the fast river ; a tower of blocks,rooms,the wind from the door ; a snowman,buttons,the warm sun ; a little house of sticks,walls,a storm
{N} wanted to build {build}. | {N} was building {build} near the {place}. | !{N} had a big plan. {He} wanted to build {build}.
{He} worked all morning and made many beautiful {part}. | It took a long time. It had many fine {part}. | {He} worked very hard, and it became bigger and bigger.
But then {storm} came, and everything fell down. | Then {storm} came. In one moment, it was all gone. | Suddenly, {storm} broke it into pieces.
{n} was very sad. "All my work is gone," {he} said. | {n} wanted to cry. | "It is not fair!" shouted {n}.
{CM} had seen everything. | Then {M} sat down next to {him}. | {CM} came over and looked at it.
"Now you know how to do it," said {m}. "The next one will be even better." | "We can build it again," said {m}. "I will help you this time." | "It is only broken, not lost," said {m}. "Let us start again."
So they started again. {n} built the {part}, and {m} brought what they needed. | Together it was much easier. {m} held everything, and {n} put the pieces in the right place. | They worked side by side, and they sang a song.
?This time, they made it much stronger. | ?They chose a better place this time.
In the evening, it was ready. It was better than before. | When it was done, it was the finest one that they had ever seen. | At last, they were done, and it was strong and beautiful.
"Alone I was sad," said {n}. "Together it was fun." | "Thank you, {mcall}," said {n}. "I am glad that you came." | {n} and {m} sat in front of it and watched the sun go down.
    """,
    # A friendly dragon.
    """
@@noweather
@help,smoke: cook soup for the whole village,a small warm fire ; light the lamp of the old lighthouse,a bright light ; warm the cold school,warm air ; bake bread for everyone,a small warm fire ; melt the snow on the road,warm air
{N} heard that a dragon lived on the mountain. | !{N} lived in a village near a mountain. On the mountain lived a dragon. | !A dragon came to the village. {N} saw it first.
Everyone was afraid of the dragon. "It is big and dangerous," they said. | All the people ran into their houses and closed the doors.
But {n} was curious. {He} climbed up to see it. | But {n} looked at it and saw that it was crying. | "Maybe the dragon is only lonely," said {n}, and {he} went to see it.
"Why are you sad?" asked {n}. | "Hello, dragon," said {n}. "What is wrong?"
"Nobody wants to be my friend," said the dragon. "They all run away." | "I am big, and I have fire, so everyone is afraid of me," said the dragon.
"I will be your friend," said {n}. The dragon smiled. | "I am not afraid of you," said {n}. "Come with me. I have an idea."
It was a cold winter, and the people needed help. | In the village, the people were cold and hungry that day.
"Can you {help}?" asked {n}. The dragon made {smoke} with its breath. | "My fire can {help}," said the dragon. It took a deep breath and made {smoke}.
The people came out of their houses. They were very surprised. | Everyone looked out of the window. The dragon was not dangerous at all. It was kind.
"Thank you, dragon!" they called. | The children clapped and wanted to ride on its back.
From that day on, the dragon was never lonely again. | Now the dragon had many friends, and {n} was the best of them. | After that, the dragon came every day.
    """,
    # Learning to share a toy.
    """
{N} got a new {color} {obj} from {e}. | {N} had a new {obj}. It was {color} and very pretty. | {N} played with a new {color} {obj} near the {place}.
{CM} saw it. "May I play with it too?" asked {m}. | Then {M} came and said, "What a nice {obj}! May I hold it?"
"No! It is mine," said {n}, and held it tight. | "No," said {n}. "You will break it." | {n} shook {his} head and turned away.
{m} was sad and went away. | {m} looked down and walked home. | {m} did not say anything, but {his2} eyes were sad.
{n} played alone. But soon it was boring. | At first, {n} was happy. But it was not fun to play alone. | {n} had the {obj}, but {he} had nobody to play with.
"I was not nice," {he} thought. | {He} thought about the sad eyes of {m}. | "What is wrong?" asked {e}. "I did not share my {obj}," said {n}.
?"You can still say that you are sorry," said {e}.
So {n} ran to {m}. "I am sorry," {he} said. "Do you want to play with me?" | {He} went to the house of {m} and knocked. "I am sorry, {mcall}," {he} said. "Here, you may have it first." | {n} took the {obj} to {m}. "Let us play together," {he} said. "I am sorry."
{m} smiled. "Of course!" {he2} said. | "That is all right," said {m}. "Let us play!" | {m} was not angry anymore. They hugged each other.
They played with the {color} {obj} all day. | They took turns with the {obj}, and it was much more fun. | Together they found many new games.
{n} learned that things are nicer when you share them. | "It is more fun with you," said {n}.
    """,
    # !Someone new and shy.
    """
@@nofriend
@shy,way: sat alone under a tree,showed {him2} the way to the pond ; stood at the gate and looked at the others,asked {him2} to play ball ; did not say a word,drew a picture for {him2} ; hid behind a tree,shared a sweet red apple with {him2} ; looked at the ground all day,taught {him2} a funny song
!Someone new came to the {place}. {N} saw {him2} first. It was {mintro}. | {N} saw {mintro} near the {place}. Nobody knew {him2}. | !{N} had a new neighbor. It was {mintro}.
{m} {shy}. | {m} was very shy and {shy}.
?The others did not see {him2}, because they were busy with a game. | ?"Who is that?" somebody asked, but nobody knew.
{n} remembered how it felt to be new. | "{Che2} must be lonely," thought {n}. | {n} did not want anyone to be alone.
So {he} went over and said, "Hello! My name is {name}." | {He} walked up slowly. "Hello," {he} said. "Do you want to be my friend?" | "Hi!" said {n}. "Would you like to play with us?"
At first, {m} did not answer. | {m} looked up with big eyes. | "I do not know anyone here," said {m} in a small voice.
"That does not matter," said {n}. "Now you know me." | "I was new here once too," said {n}. | "Then I will be your first friend," said {n}.
Then {n} {way}. | {n} smiled and {way}.
Soon {m} began to smile. | {m} laughed for the first time that day. | After a while, {m} was not shy anymore.
They played together until the evening. | The others came too, and they all played together. | The next day, {m} was waiting for {n} at the gate.
"Thank you for talking to me," said {m}. | "I am so glad that you said hello," said {m}. | One kind word had made a new friend.
    """,
    # Bedtime.
    """
@@noweather night
@count,song: stars,a song about the moon ; sheep,a song about little sheep ; waves,a song about the sea ; clouds,a song about the soft wind
!It was late, but {N} could not sleep. | !{N} lay in bed with open eyes. {He} was not tired at all. | !The moon was high in the sky, but {N} was still awake.
{He} turned to the left and to the right. | {He} had already drunk some water and looked under the bed. | {He} thought about the long day and all the things to do tomorrow.
"{Cecall}, I cannot sleep," {he} said. | {He} went to {e}. "I cannot sleep," {he} said softly.
{Ce} sat down next to {him}. "Close your eyes," {ehe} said. | {Ce} smiled and took {him} back to bed. | "Come here, {call}," said {e}, and pulled up the blanket.
"Let us count {count}," said {e}. "One, two, three, four." | "What was the best thing today?" asked {e}. "The time with you," said {n}.
Then {e} sang {song}. | {Ce} sang {song}, very slowly and quietly.
Outside, the wind moved the leaves. Somewhere an owl called. | The moon looked through the window and made the room silver. | Everything was quiet and safe.
{n} listened. {His} eyes became small and heavy. | {n} yawned once, and then again. | Slowly, {n} felt warm and tired.
"Good night, {ecall}," {he} said. "Good night, {call}," said {e}. | "I love you," said {e}. But {n} was already asleep.
{He} dreamed of [a boat that sailed through the clouds/a garden full of lights/a friendly bear/flying over the forest] until the morning came. | And the moon watched over {him} all night long.
    """,
    # Cooking goes wrong.
    """
@dish,wrong,taste: a cake,salt,very salty ; some soup,sugar,very sweet ; cookies,pepper,very hot ; pancakes,salt,very salty ; a pie,mustard,very strange
{N} wanted to make {dish} with {e}. | !{N} and {e} were in the kitchen. They wanted to make {dish}. | {N} was hungry. "Let us make {dish}," {he} said to {e}.
They took [a big bowl and a spoon/flour, milk and eggs/everything they needed]. | "You may mix everything," said {e}. {n} was very proud.
But {n} did not read the label, and {he} put {wrong} into the bowl. | {n} took the wrong box. There was {wrong} in it! | {n} was in a hurry and used {wrong} by mistake.
When it was ready, it smelled good. {CM} came to eat with them. | They put it on the table and called {M}.
{m} took a big bite and made a funny face. | {m} tried it first. {His2} eyes became very big.
"It is {taste}!" said {m}. | "Is it good?" asked {n}. "Well, it is {taste}," said {m}.
{n} tried it too. "Oh no! I used {wrong}!" {he} said. | {n} looked at the box and became red. "I made a mistake," {he} said.
For a moment, it was quiet. Then everyone began to laugh. | {Ce} began to laugh, and then they all laughed.
"Everyone makes mistakes," said {e}. "We will make a new one." | "That is how we learn," said {e}. "Next time, we will taste it first."
So they made it again, and {n} read every label. | They started again, and {m} helped too.
This time, it was perfect, and they ate everything. | The second one was the best they had ever eaten. | Now it tasted wonderful, and nothing was left.
    """,
    # Fog and the light.
    """
@@noweather
@boat: fishing boat ; white ship ; little sailing boat
!{N} lived near the old lighthouse. Every night, its light showed the way to the ships. | !The old lighthouse stood by the sea. {N} loved to visit it. | !{N} often visited the old lighthouse. A kind old man lived there.
One evening, a thick fog came from the sea. | Then a big storm came, and the waves were high. | That night, the fog was so thick that nobody could see the water.
But the light of the lighthouse was out! | Suddenly, the big lamp stopped. It was dark everywhere. | The old man was ill, and he could not climb the stairs.
{n} looked out and heard a bell. A {boat} was out there! | "There is a {boat} near the rocks!" cried {M}. | Far away, {n} heard somebody call for help. It was a {boat}.
"We must do something," said {n}. | {n} was afraid, but {he} knew what to do. | There was no time to lose.
{He} took a lamp and ran up all the stairs. | {He} ran up to the top, step by step, and lit the big lamp.
At the top, {he} held up the light as high as {he} could. | The warm light fell on the water, far and wide.
The {boat} saw the light and turned away from the rocks. | The people on the {boat} saw it and came safely to the harbor.
"You saved us!" said the captain. "Thank you, {call}." | The next morning, the captain came with a basket of [oranges/fresh fish/shells]. "This is for the one who saved us," he said.
{Ce} was very proud of {him}. | {n} smiled. Even a small light can help in a dark night. | From that day on, {n} helped the old man every evening.
    """,
    # A wish and a star.
    """
@@noweather night
@wish,answer: to fly like a bird,{he} dreamed that {he} was flying over the hills ; for a friend,{M} knocked at the door ; to see the sea,{e} packed a bag and they went to the sea ; for snow,the whole world was white ; for a happy day,{e} made pancakes and sang ; for {his} {elder} to be well again,{e} got up and felt much better
!{N} looked at the night sky. Suddenly, a star fell. | !{N} sat by the window one night and saw a falling star. | !{N} was looking at the stars with {e}.
"You may make a wish," said {e}. | "When a star falls, you can make a wish," said {e}. | "Look at that bright star," said {e}. "You may make a wish."
{n} closed {his} eyes. {He} wished {wish}. | {n} thought for a long time. Then {he} wished {wish}. | {n} wished with all {his} heart. {He} wished {wish}.
{He} did not tell anyone what it was. | "I will not tell anyone," {he} said. "It is a secret." | Then {he} went to bed, and {his} heart was full of hope.
And what happened? The next morning, {answer}. | The next day, {answer}. | {n} woke up early. It was like magic, for {answer}.
{n} could not believe it. | {n} was so happy that {he} jumped up and down. | "My wish came true!" cried {n}.
{He} ran outside and thanked the star, although it was day. | That night, {he} looked up and said, "Thank you, little star."
The star was far away, but {n} was sure that it could hear {him}. | It seemed that one small star smiled back. | "Some wishes need a star," said {e}, "and some need a little love."
    """,
    # Snow.
    """
@@noweather
@nose: a carrot ; a red apple ; a pine cone ; a long stick
!{N} woke up and saw that everything was white. It had snowed all night! | !It was winter, and {N} ran out into the snow. | !The snow fell softly, and {N} was very excited.
{He} put on a warm coat and called {M}. | {CM} was already outside. "Come and play!" called {m}.
They made a big snowman. He had two black stones for eyes. | First they threw snowballs. Then they made a big snowman. | "Let us make a snowman," said {m}. They rolled three big balls.
But something was missing. The snowman had no nose! | "He needs a nose," said {n}, "but what can we use?"
{n} looked in the [kitchen/barn/garden] and came back with {nose}. | "I know!" said {n}, and {he} ran home to get {nose}.
Now the snowman looked perfect. He seemed to smile. | {n} put {nose} in the middle of the face. Now the snowman was happy.
?{Ce} gave the snowman an old {color} hat.
When they were cold, {e} made hot chocolate. | Their hands were cold, but their hearts were warm. | Then they went inside and sat near the fire.
After some days, the sun came, and the snowman became smaller and smaller. | In spring, the snow was gone, and the snowman too.
"Goodbye, snowman," said {n} sadly. "He will come back next winter," said {m}. | {n} was sad, but {e} said, "He is water now, and he helps the flowers to grow."
{n} smiled and began to look forward to the next snow. | And when the first flower came, {n} said, "Hello, snowman."
    """,
    # A strange thing found.
    """
@find,inside: a small box,a golden key ; a green bottle with a cork,a letter from far away ; an old map,a red cross near the big tree ; a tiny door in a tree,a room with tiny chairs ; an egg in the grass,a little duck that wanted to come out ; a dusty chest,many old toys
{N} found something strange near the {place}. It was {find}. | {N} was digging in the garden when {he} found {find}. | {N} walked along the path and saw {find}.
"What is this?" {he} asked. | {n} looked at it from all sides. | {He} had never seen anything like it before.
{He} showed it to {M}. "Let us see what is inside," said {m}. | {CM} came closer. "Be careful," said {m}. "We do not know what is in it." | {n} called {M}, and they looked at it together.
Slowly, they looked closer. There was {inside}! | {n} took a deep breath and looked. It held a surprise. There was {inside}! | And then they saw it. There was {inside}!
"Who does it belong to?" asked {n}. | "It must be a secret," whispered {m}. | They were so excited that they could not stand still.
They asked {e}. {Ce} smiled. "I know it well," {ehe} said. | {Ce} looked at it for a long time. "When I was little, I saw this too," {ehe} said.
"When I was young, I hid it there for someone like you," said {e}. | "It is yours now," said {e}. "But you must take good care of it." | "Take good care of it," said {e}, "and one day you will give it to someone else."
{n} and {m} promised it. | "We will," said {n}, and {his} eyes were bright.
They had many adventures with it that summer. | They went back to that place every day. | It was their secret, and they kept it well.
    """,
    # Looking for mother.
    """
@@noweather
@where,sign: by the river,washing berries ; behind the barn,looking for {him} ; on the hill,calling {his} name ; near the big oak tree,waiting for {him} ; at the market,asking everyone about {him}
One morning, {N} woke up, and {e} was not there. | {N} was playing near the {place}. When {he} looked up, {e} was gone. | {N} lost {e} at the market. There were so many people!
"Where is my {elder}?" asked {n}. | {He} called, "{Cecall}! Where are you?" But nobody answered.
First, {he} asked [a duck/a goat/a farmer/an old man]. "Have you seen my {elder}?" "No, I have not," was the answer. | {He} ran to the left and to the right, but {he} could not see {ehim}.
Then {he} met {M}. "I cannot find my {elder}," said {n}. | {CM} came along the road. "You look so worried," said {m}.
"What does your {elder} look like?" asked {m}. "{Ehe} has the kindest eyes in the world," said {n}. | "Stay calm," said {m}. "We will find {ehim}."
They walked hand in hand and asked everyone. | They looked near the {place} and near the {place2}. | {m} went in front, and {n} came behind.
Suddenly, they heard a voice. | Then {n} saw something. | "Look over there!" said {m}.
It was {e}! {Ehe} was {where}, {sign}. | {Ce} was {where}, {sign}.
{n} ran as fast as {he} could. "{Cecall}!" {he} cried. | {Ce} opened {ehis} arms, and {n} jumped into them.
"I was only away for a moment," said {e}. "I would never leave you." | "I looked for you everywhere," said {e}. "Now we are together again."
{n} thanked {m}, and they all had tea together. | After that, {n} always stayed close. | {n} held the hand of {e} all the way home.
    """,
    # Somebody who never laughs.
    """
@@noweather
@who,trick: king,put a pot on {his} head and danced ; queen,walked like a duck ; old wizard,tried to catch {his} own shadow ; farmer,fell into a big pile of hay ; captain,spoke with a fish as if it could answer
The {who} never laughed. Everyone in the land was worried, and {N} was worried too. | !{N} heard that the {who} was always sad. | In the land of {N} lived a_ {who} who never laughed.
"Who can make the {who} laugh?" the people asked. | The one who could make the {who} laugh would get a bag of gold.
Many people came. They told jokes and sang songs, but nothing helped. | A clown came, and a singer came, but the {who} only yawned.
"I will try it," said {n}. | {n} was only small, but {he} wanted to try. | "I know what to do," said {n} to {M}.
{He} went in and made a bow. But {his} knees shook. | The big hall was full of people, and {n} was very nervous.
Then {he} {trick}. | {n} took a deep breath. Then {he} {trick}.
For a moment, it was very quiet. | Everyone looked at the {who}.
Then the {who} began to smile, and then to laugh. | Suddenly, the {who} laughed so loud that the windows shook. | First there was a little smile, and then a big, loud laugh.
"I have not laughed for years!" said the {who}. | "How did you do that?" asked the {who}. "I only wanted to see you happy," said {n}.
"What do you want? Gold?" asked the {who}. "No," said {n}. "I would like to be your friend." | {n} got the bag of gold and gave it to the poor people.
From then on, {n} came every week, and they laughed together. | After that, there was laughter in the land every day.
    """,
    # Working together to reach fruit.
    """
@fruit,trick: apples,{m} stood on the back of {n} ; pears,they shook the tree together ; cherries,{n} held the ladder and {m} climbed up ; plums,they threw a rope over the branch and pulled it down ; nuts,they shook the tree together
{N} saw a tree full of ripe {fruit}. | {N} was hungry and found a tree with many {fruit}. | There was a tall tree near the {place}. It was full of {fruit}. {N} wanted to eat some.
But the {fruit} were too high. | {He} jumped and jumped, but {he} could not reach them. | The branches were high, and {n} was too small.
{He} tried it with a long stick, but it broke. | {He} tried to climb up, but {he} slid down again. | "I will never get one," said {n}.
Then {M} came by. {m} was hungry too. | {CM} had watched {him} from the road. | {CM} came and tried it too, but {he2} could not reach them either.
"Alone we are too small," said {m}. "But what if we work together?" | "I have an idea," said {n}. "Let us do it together."
So {trick}. | They thought for a while. Then {trick}.
The {fruit} fell into the grass, one after the other. | It worked! Soon the basket was full of {fruit}. | "It works!" cried {n}.
They shared everything, and each of them got the same. | "One for you, and one for me," said {m}. | They sat under the tree and ate until they were full.
?They kept some {fruit} for {e}.
"Together we are tall," said {n}, and they laughed. | {n} learned that two friends can do what one cannot. | "Tomorrow, let us do it again," said {m}.
    """,
    # A sick friend.
    """
@gift,make: hot soup,cooked carrots and potatoes in a big pot ; a funny picture,painted a bear with a big hat ; warm tea with honey,put honey into the cup ; a bunch of flowers,picked the best flowers of the garden ; a little book,wrote down all the funny stories {he} knew
{N} waited for {M} at the {place}, but nobody came. | {N} wanted to play with {M}, but the door was closed. | {N} heard that {M} was ill.
{m} was lying in bed with a red nose. | "{Cm} is ill and must stay in bed," said {e}. | {m} had a cold and could not go out.
{n} was worried. "How can I help?" {he} asked. | "Poor {m}!" said {n}. "I must do something." | {n} missed {m} very much.
{He} decided to bring {gift}. | "I will bring {gift}," said {n}. | "A little surprise always helps," said {e}. So {n} chose {gift}.
{He} {make}. | {n} was very busy. {He} {make}.
Then {he} walked all the way [through the wind/through the rain/over the hill] and knocked softly. | {n} carried it very carefully and knocked at the door.
"Come in," said {m} in a weak voice. | {m} opened {his2} eyes and saw {n}.
"This is for you," said {n}. | "Look what I made for you," said {n}.
{m} smiled for the first time that day. | "Oh, thank you!" said {m}. "I feel better already." | It made {m} warm inside.
{n} stayed and read a story. | They talked softly until {m} fell asleep.
A few days later, {m} was well again. | The next week, {m} could run and jump again. | Soon {m} was as strong as before.
"You were the best medicine," {he2} said. | The first thing {he2} did was to hug {n}. | They played together, and {n} was very glad.
    """,
    # Helping an old woman.
    """
@who,the,load,thanks: an old woman,the old woman,a heavy bag,a ripe red apple ; an old man,the old man,a pile of wood,a little wooden horse ; a tired farmer,the tired farmer,a basket of potatoes,a fresh loaf of bread ; an old sailor,the old sailor,a big box,a shiny shell ; an old baker,the old baker,a sack of flour,a warm bun
On the way to the {place}, {N} met {who}. | {N} was walking home when {he} saw {who} on the road. | {N} was on the way to a party. Then {he} saw {who}.
There was {load} on the ground. It was much too heavy to carry. | {Cthe} carried {load} and had to stop again and again.
"May I help you?" asked {n}. | "Wait, I will help you," said {n}. | {n} was in a hurry, but {he} stopped. "Let me carry that," {he} said.
"That is very kind," said {the}. "It is a long way." | "Oh, thank you, {call}," said {the}. "My house is on the hill."
{n} took one side, and they walked slowly up the road. | It was really heavy, but {n} did not say a word. | Step by step, they went up the hill.
?On the way, they told each other stories. | ?They had to rest two times.
At last, they came to a small house with a green door. | After a while, they were there.
"You have a good heart," said {the}, and gave {him} {thanks}. | "I have something for you," said {the}. It was {thanks}.
{n} was surprised. "I did not do it for a present," {he} said. | {n} said thank you and was very happy.
"I know," was the answer. "That is why you get it." | "Come back and visit me," said {the}. "I know many stories."
{n} came back every week, and they became good friends. | {n} ran home and told {e} about it. {Ce} smiled. | {n} felt as light as a feather.
    """,
    # Slow and steady.
    """
@far: the top of the mountain ; the other side of the forest ; the end of the long road ; the big waterfall
{N} wanted to see {far}. | {N} had never seen {far}. {He} wanted to go there. | "Have you ever seen {far}?" asked {e}. {N} had not, but {he} wanted to.
"It is too far for you," said {M}. "You are too slow." | {CM} laughed. "You will never get there," said {m}.
"I can try," said {n}, and began to walk. | {n} did not listen. {He} packed some bread and water and went off.
{m} ran in front and was soon far away. | {m} was much faster and did not wait.
{n} went slowly, one step after the other. | {n} did not hurry. {He} looked at the flowers and listened to the birds.
In the afternoon, {he} saw {m} under a tree. {m} was too tired to go on. | After some hours, {n} came around a corner. There sat {m}, tired and thirsty.
"I ran too fast," said {m}. "Now my legs hurt." | "I have no water left," said {m}.
"Here, drink some of my water," said {n}. "We will go slowly, together." | {n} shared the bread and the water. "Come with me," {he} said.
So they went on, step by step. | They walked side by side and did not hurry.
In the evening, they reached {far}. | When the sun went down, they were there.
It was more beautiful than they had thought. | They could see the whole land in the golden light. | They stood there for a long time and did not speak.
"You were right," said {m}. "It is better to go slowly than to stop." | "I am sorry that I laughed," said {m}. "You are stronger than I thought."
{n} only smiled. | "Every long way begins with one step," said {n}.
    """,
    # Painting and mixing colors.
    """
@a,b,mix,thing: blue,yellow,green,a big tree ; red,yellow,orange,the evening sun ; red,blue,purple,a field of flowers ; red,white,pink,a little pig ; black,white,gray,a rain cloud
{N} wanted to paint {thing}. | {N} was painting a picture for {e}. It should show {thing}. | {N} got a box of paint from {e}. "I will paint {thing}," {he} said.
But there was no {mix} in the box. | {He} needed {mix}, but there was only {a} and {b}.
"I cannot paint it without {mix}," said {n}. | {n} looked into the box again, but there was no {mix}. {He} was disappointed.
{CM} looked at the picture. "Have you tried to mix them?" asked {m}. | "May I show you a trick?" asked {M}.
"What happens when you mix {a} and {b}?" asked {m}. "I do not know," said {n}. | "Take a little {a} and a little {b}," said {m}.
{n} took the brush and mixed {a} and {b}. | Very carefully, {n} put some {a} into the {b}.
"Look! It is {mix}!" {he} cried. | It was like magic. {Ca} and {b} made {mix}. | The paint slowly turned {mix}.
{n} was so excited that {he} painted all afternoon. | They mixed all the colors and found many new ones.
?There was paint on the table, on the floor and on the nose of {m}.
In the evening, the picture was ready. | At last, {n} held up the picture.
"It is wonderful," said {e}, and hung it on the wall. | {Ce} looked at it for a long time. "That is the most beautiful picture I know," {ehe} said.
"It is a bit like friends," said {n}. "Together, we make something new." | {n} was proud and gave {m} a hug.
    """,
    # First day of school.
    """
@@noweather
@thing: a song about the days of the week ; how to write {his} name ; a poem about a little bee ; how to count to twenty
It was the first day of school. {N} did not want to go. | !{N} woke up very early. It was the first day of school.
"What if nobody likes me?" {he} asked. | {His} stomach felt strange. "I want to stay at home," {he} said. | "What if I cannot do it?" asked {n}.
{Ce} gave {him} a hug. "Everyone feels like that on the first day," {ehe} said. | "I felt the same on my first day," said {e}.
At school, there were many new faces. | The school was big, and there were so many doors.
{n} sat down next to {M}. | There was one free chair next to {M}.
"Are you scared too?" whispered {m}. "A little," said {n}. | "Hello," said {m}. "I am new here. Do you want to share my pencils?"
The teacher was kind. She taught them {thing}. | They learned {thing}, and it was not hard at all.
At noon, they shared their lunch and played in the yard. | In the break, they ran around and laughed.
?Then the teacher read a funny story about a bear.
When the bell rang, {n} did not want to go home. | The day was over much too soon.
"How was it?" asked {e}. | {Ce} was waiting at the gate. "How was your day?" {ehe} asked.
"It was great! I learned a lot, and I have a new friend," said {n}. | "Can I go again tomorrow?" asked {n}. {Ce} laughed and said yes.
    """,
    # Hide and seek.
    """
@hide: in a big basket ; behind the curtain ; in the old barn ; under a pile of leaves ; behind the tall grass ; in a hollow tree
{N} and {M} played hide and seek near the {place}. | {N} wanted to play hide and seek with {M}. | "Let us play hide and seek," said {N} to {M}.
{m} closed {his2} eyes and counted to ten. | "You hide, and I will look for you," said {m}, and began to count.
{n} hid {hide}. It was a very good place. | {n} ran off and hid {hide}.
{m} looked behind the trees and under the bench. | "I am coming!" called {m}, and looked everywhere.
But {he2} could not find {him}. | {n} heard the steps and held {his} breath. But {m} went past.
It was warm and quiet there, and {n} fell asleep. | {n} waited and waited. Soon {his} eyes closed, and {he} fell asleep.
The sun went down, and {m} became worried. | "Come out, {call}! You have won!" called {m}. But there was no answer.
{m} ran to get {e}, and they looked together with a lamp. | {Ce} came too, and they called and called.
Then they heard a funny sound. Somebody was snoring! | "Listen!" said {e}. There was a soft sound. It was {n}, who was snoring.
They found {him} {hide} and laughed. | There {he} was, {hide}, fast asleep.
"Did I win?" asked {n}, and rubbed {his} eyes. | {n} opened {his} eyes. "Is it morning already?" {he} asked.
"Yes, you won," said {m}. "You are the best at hiding, and at sleeping." | Everyone laughed, and {e} carried {him} home.
    """,
    # A trip in the sky.
    """
@ride,land: a big red balloon,on the soft grass ; the back of a friendly bird,near the pond ; a boat with wings,on the lake ; a soft white cloud,on the top of the hill ; a rocket made of a box,in {his} own bed
!{N} dreamed of flying. | {N} looked at the clouds. "I want to fly," {he} said. | !{N} always wondered how the world looked from above.
One day, {he} found {ride}. | And then, one morning, there was {ride}. | {CM} had a surprise for {him}. It was {ride}.
"Come with me," said {n} to {M}. | {CM} wanted to come too. | "May I come with you?" asked {M}.
They held on tight, and up they went. | Slowly, they rose into the air, higher and higher.
The houses became small, like toys. | Below them, the {place} looked as small as a stamp. | They could see the river, the forest and the {place}.
A bird flew next to them and said hello. | They flew through a cloud, and it was cold and wet. | The wind was singing in their ears.
?"I can see my house!" cried {m}.
"How big the world is," said {n}. | {n} was a little afraid, but it was so beautiful that {he} forgot it.
When the sun went down, it was time to go home. | After some time, they were hungry and wanted to go home.
They came down gently, {land}. | Softly, they landed {land}.
"Was it a dream?" asked {m}. "I do not know," said {n}, "but it was wonderful." | {n} told {e} everything. {Ce} smiled and said, "I believe you."
In {his} hand, {n} found a small white feather. | From then on, {he} always smiled at the clouds.
    """,
    # Camping.
    """
@@noweather
@sound: a frog that sang for its friends ; an owl that said good night ; the wind in the trees ; a hedgehog that looked for food
{N} and {e} went to the forest to sleep in a tent. | {N} was very excited. Tonight, {he} would sleep in a tent with {e}.
They found a good place near the [river/lake/old oak tree]. | They carried the tent to a small meadow.
First, they put up the tent. It fell down two times, and they laughed. | {n} held the ropes, and {e} did the rest.
Then they collected dry sticks and made a small fire. | When it became dark, they sat by a small fire.
They [cooked soup/baked potatoes/ate bread and cheese] and sang songs. | {Ce} told a story about a brave sailor.
Above them, there were more stars than {n} could count. | "Look, so many stars!" said {n}.
In the night, {n} heard a strange sound. | Then there was a sound. {n} came closer to {e}.
"What is that?" {he} asked. "It is only {sound}," said {e}. | "Do not worry," said {e}. "It is just {sound}."
{n} listened again. Now it sounded nice. | Then {n} was not afraid anymore.
{He} closed {his} eyes and slept deeply. | Soon {he} was asleep in the warm tent.
In the morning, the birds woke them up. | The next morning, the grass was wet, and the sun was bright.
"Can we stay one more night?" asked {n}. | "This was the best night ever," said {n}.
    """,
    # A robot or stranger learns to feel; music.
    """
@song,ear: drum,the feet of everyone began to dance ; flute,even the birds were quiet and listened ; bell,all the people came to the window ; piano,the whole street began to sing ; violin,the old people smiled like children
{N} found an old {song} near the {place}. | {N} heard some music far away. Somebody played the {song}. | {N} got an old {song} from {e}.
{He} wanted to make music, but it sounded terrible. | {He} tried to play it. What a noise! | The first sound was loud and strange.
"Please stop!" said {M}. "My ears hurt." | {CM} covered {his2} ears. "That is not music," said {m}.
{n} was sad, but {he} did not stop. | {n} went to a quiet place where nobody could hear {him}.
{He} listened to the wind, to the rain and to the river. | "Listen first, and then play," said {e}.
Every day, {he} played a little. | Day after day, {n} learned a new sound.
Then there was a big party in the village. But the band did not come. | In summer, there was a party, but there was no music.
"What shall we do without music?" everyone asked. | Everyone was disappointed.
{n} took the {song}. {His} hands shook, but {he} began to play. | "I can play for you," said {n} quietly.
It was so beautiful that {ear}. | And what happened? It was like magic. {Cear}.
"I was wrong," said {m}. "That is real music!" | {m} was the first to clap. "You play very well," {he2} said.
{n} played until the moon came out. | From that day on, {n} played at every party.
    """,
    # A treasure map.
    """
@@noweather
@steps,treasure: ten steps from the old oak tree,a box full of old letters ; behind the waterfall,two golden cups ; under the old bridge,a box of colorful stones ; at the end of the beach,a chest with a sailor hat and a flute ; under the stairs of the old tower,a picture of two friends
{N} found a map in an old book. | {N} found an old map in the house. It was yellow and dusty. | {N} had a map. {e} had found it in an old chest.
There was a red cross on it. | "Look, there is a red cross!" {he} said.
"It must be a treasure!" said {M}. | {He} showed it to {M}. "A treasure map!" cried {m}.
They packed a rope, a lamp and some bread. | "Let us look for it," said {n}, and they started at once.
The way was long. They crossed a river and climbed over big stones. | They walked through the forest and over the hill. | First they went the wrong way, but then they found the path.
?{m} fell into the mud, and {n} pulled {him2} out.
At last, they came to the right place. It was {steps}. | "It must be {steps}," said {n}, and they began to dig.
They dug and dug. Then they heard a knock. There was something hard! | After a while, {m} shouted, "I have found something!"
It was {treasure}. | They opened their eyes wide. It was {treasure}!
"It is not gold," said {m}. "But it is beautiful." | "Someone hid it here long ago," said {n}.
"The best part was to look for it together," said {n}. | "The real treasure is our adventure," said {m}. {n} agreed.
They took it home and showed it to everyone. | They put one thing in it from each of them and hid it again.
    """,
]
