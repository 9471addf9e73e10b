"""Tables of what the bundled model is to learn by heart. All sentences in them are our own."""

# country as it stands in a sentence, capital, continent of the capital, a language that is widely spoken there
COUNTRIES = [
    ("France", "Paris", "Europe", "French"),
    ("Germany", "Berlin", "Europe", "German"),
    ("Italy", "Rome", "Europe", "Italian"),
    ("Spain", "Madrid", "Europe", "Spanish"),
    ("Portugal", "Lisbon", "Europe", "Portuguese"),
    ("the United Kingdom", "London", "Europe", "English"),
    ("Ireland", "Dublin", "Europe", "English"),
    ("the Netherlands", "Amsterdam", "Europe", "Dutch"),
    ("Belgium", "Brussels", "Europe", "French"),
    ("Switzerland", "Bern", "Europe", "German"),
    ("Austria", "Vienna", "Europe", "German"),
    ("Poland", "Warsaw", "Europe", "Polish"),
    ("Hungary", "Budapest", "Europe", "Hungarian"),
    ("Romania", "Bucharest", "Europe", "Romanian"),
    ("Bulgaria", "Sofia", "Europe", "Bulgarian"),
    ("Greece", "Athens", "Europe", "Greek"),
    ("Denmark", "Copenhagen", "Europe", "Danish"),
    ("Norway", "Oslo", "Europe", "Norwegian"),
    ("Sweden", "Stockholm", "Europe", "Swedish"),
    ("Finland", "Helsinki", "Europe", "Finnish"),
    ("Iceland", "Reykjavik", "Europe", "Icelandic"),
    ("Estonia", "Tallinn", "Europe", "Estonian"),
    ("Latvia", "Riga", "Europe", "Latvian"),
    ("Lithuania", "Vilnius", "Europe", "Lithuanian"),
    ("Ukraine", "Kyiv", "Europe", "Ukrainian"),
    ("Croatia", "Zagreb", "Europe", "Croatian"),
    ("Serbia", "Belgrade", "Europe", "Serbian"),
    ("Slovenia", "Ljubljana", "Europe", "Slovene"),
    ("Slovakia", "Bratislava", "Europe", "Slovak"),
    ("Albania", "Tirana", "Europe", "Albanian"),
    ("Russia", "Moscow", "Europe", "Russian"),
    ("Turkey", "Ankara", "Asia", "Turkish"),
    ("Iran", "Tehran", "Asia", "Persian"),
    ("Iraq", "Baghdad", "Asia", "Arabic"),
    ("Jordan", "Amman", "Asia", "Arabic"),
    ("Lebanon", "Beirut", "Asia", "Arabic"),
    ("Japan", "Tokyo", "Asia", "Japanese"),
    ("China", "Beijing", "Asia", "Chinese"),
    ("South Korea", "Seoul", "Asia", "Korean"),
    ("India", "New Delhi", "Asia", "Hindi"),
    ("Nepal", "Kathmandu", "Asia", "Nepali"),
    ("Pakistan", "Islamabad", "Asia", "Urdu"),
    ("Bangladesh", "Dhaka", "Asia", "Bengali"),
    ("Thailand", "Bangkok", "Asia", "Thai"),
    ("Vietnam", "Hanoi", "Asia", "Vietnamese"),
    ("Mongolia", "Ulaanbaatar", "Asia", "Mongolian"),
    ("the Philippines", "Manila", "Asia", "Filipino"),
    ("Kazakhstan", "Astana", "Asia", "Kazakh"),
    ("Egypt", "Cairo", "Africa", "Arabic"),
    ("Morocco", "Rabat", "Africa", "Arabic"),
    ("Tunisia", "Tunis", "Africa", "Arabic"),
    ("Algeria", "Algiers", "Africa", "Arabic"),
    ("Kenya", "Nairobi", "Africa", "Swahili"),
    ("Ethiopia", "Addis Ababa", "Africa", "Amharic"),
    ("Ghana", "Accra", "Africa", "English"),
    ("Nigeria", "Abuja", "Africa", "English"),
    ("Uganda", "Kampala", "Africa", "English"),
    ("Senegal", "Dakar", "Africa", "Wolof"),
    ("Zambia", "Lusaka", "Africa", "English"),
    ("Madagascar", "Antananarivo", "Africa", "Malagasy"),
    ("the United States", "Washington", "North America", "English"),
    ("Canada", "Ottawa", "North America", "English"),
    ("Mexico", "Mexico City", "North America", "Spanish"),
    ("Cuba", "Havana", "North America", "Spanish"),
    ("Jamaica", "Kingston", "North America", "English"),
    ("Brazil", "Brasilia", "South America", "Portuguese"),
    ("Argentina", "Buenos Aires", "South America", "Spanish"),
    ("Chile", "Santiago", "South America", "Spanish"),
    ("Peru", "Lima", "South America", "Spanish"),
    ("Colombia", "Bogota", "South America", "Spanish"),
    ("Venezuela", "Caracas", "South America", "Spanish"),
    ("Uruguay", "Montevideo", "South America", "Spanish"),
    ("Ecuador", "Quito", "South America", "Spanish"),
    ("Australia", "Canberra", "Oceania", "English"),
    ("New Zealand", "Wellington", "Oceania", "English"),
]

# how the title begins, how it ends, director, year
FILMS = [
    ("The Shawshank", "Redemption", "Frank Darabont", 1994),
    ("The Green", "Mile", "Frank Darabont", 1999),
    ("Forrest", "Gump", "Robert Zemeckis", 1994),
    ("Back to the", "Future", "Robert Zemeckis", 1985),
    ("Pulp", "Fiction", "Quentin Tarantino", 1994),
    ("Jurassic", "Park", "Steven Spielberg", 1993),
    ("Schindler's", "List", "Steven Spielberg", 1993),
    ("Saving Private", "Ryan", "Steven Spielberg", 1998),
    ("Raiders of the Lost", "Ark", "Steven Spielberg", 1981),
    ("Catch Me If You", "Can", "Steven Spielberg", 2002),
    ("The Dark", "Knight", "Christopher Nolan", 2008),
    ("The Wizard of", "Oz", "Victor Fleming", 1939),
    ("Gone with the", "Wind", "Victor Fleming", 1939),
    ("Citizen", "Kane", "Orson Welles", 1941),
    ("Lawrence of", "Arabia", "David Lean", 1962),
    ("The Bridge on the River", "Kwai", "David Lean", 1957),
    ("Rear", "Window", "Alfred Hitchcock", 1954),
    ("North by", "Northwest", "Alfred Hitchcock", 1959),
    ("Dial M for", "Murder", "Alfred Hitchcock", 1954),
    ("The Sound of", "Music", "Robert Wise", 1965),
    ("Some Like It", "Hot", "Billy Wilder", 1959),
    ("Sunset", "Boulevard", "Billy Wilder", 1950),
    ("It's a Wonderful", "Life", "Frank Capra", 1946),
    ("Mr. Smith Goes to", "Washington", "Frank Capra", 1939),
    ("Blade", "Runner", "Ridley Scott", 1982),
    ("Taxi", "Driver", "Martin Scorsese", 1976),
    ("Raging", "Bull", "Martin Scorsese", 1980),
    ("Apocalypse", "Now", "Francis Ford Coppola", 1979),
    ("The Silence of the", "Lambs", "Jonathan Demme", 1991),
    ("The Usual", "Suspects", "Bryan Singer", 1995),
    ("Good Will", "Hunting", "Gus Van Sant", 1997),
    ("Dead Poets", "Society", "Peter Weir", 1989),
    ("The Truman", "Show", "Peter Weir", 1998),
    ("The Princess", "Bride", "Rob Reiner", 1987),
    ("Groundhog", "Day", "Harold Ramis", 1993),
    ("Finding", "Nemo", "Andrew Stanton", 2003),
    ("Spirited", "Away", "Hayao Miyazaki", 2001),
    ("Seven", "Samurai", "Akira Kurosawa", 1954),
    ("City", "Lights", "Charlie Chaplin", 1931),
    ("Modern", "Times", "Charlie Chaplin", 1936),
    ("The Gold", "Rush", "Charlie Chaplin", 1925),
    ("The Third", "Man", "Carol Reed", 1949),
    ("High", "Noon", "Fred Zinnemann", 1952),
    ("12 Angry", "Men", "Sidney Lumet", 1957),
    ("Roman", "Holiday", "William Wyler", 1953),
]

NAMES = (
    "Sarah Anna Maria Emma Laura Julia Clara Nina Lucy Alice Helen Ruth Grace Rosa Eva Ida Mary Jane Kate Susan "
    "Linda Karen Nora Olga Vera Mia Zoe Leila Amina Yuki Tom Ben Paul Mark Peter John James Robert David Daniel "
    "Adam Oscar Hugo Leo Max Felix Simon Oliver Henry George Frank Victor Ivan Omar Ali Kenji Ravi Carlos Pedro Luis"
).split()
WOMEN = NAMES[:30]
MEN = NAMES[30:]

# the mishap, how it happened, what the writer will do about it, who writes
MISHAPS = [
    (
        "gardening",
        "I was trimming the hedge when I slipped, and the shears cut straight through your prize roses. "
        "By the time I was back on my feet, only the thorns were left.",
        "I have ordered six new rose bushes",
        "Tom",
    ),
    (
        "cooking",
        "I put your soup on the stove and then fell asleep on the sofa. "
        "When I woke up, the kitchen was full of smoke and the pot was black.",
        "I will buy you a new pot",
        "Ben",
    ),
    (
        "painting",
        "I stood on the ladder with a full bucket and wanted to wave to you. "
        "The bucket fell, and the blue paint ran all over your white carpet.",
        "I will pay for the cleaning",
        "Leo",
    ),
    (
        "baking",
        "I mixed up the salt and the sugar while I was talking on the phone. "
        "Nobody noticed until your guests had eaten the first slice of cake.",
        "I will bake a better cake",
        "Nina",
    ),
    (
        "laundry",
        "I left a red sock in the machine and did not look before I started it. Now all of your white shirts are pink.",
        "I will buy you new shirts",
        "Max",
    ),
    (
        "camping",
        "I tied the tent to a tree that was old and dry. "
        "In the night the wind broke the branch, and it fell on your sleeping bag.",
        "I will lend you my own tent",
        "Oscar",
    ),
    (
        "parking",
        "I drove backwards out of the garage and looked only to the left. "
        "Your bicycle stood on the right, and I did not see it.",
        "I will have your bicycle repaired",
        "Paul",
    ),
    (
        "fishing",
        "I swung the rod over my shoulder without looking behind me. "
        "The hook caught your new hat and threw it far out into the lake.",
        "I will find you the same hat",
        "Hugo",
    ),
    (
        "piano",
        "I wanted to move the piano alone and took off the brake. "
        "It rolled down the hall, through the door and into your flower bed.",
        "I will plant new flowers",
        "Felix",
    ),
    (
        "birthday",
        "I carried the cake with all its candles past the open window. "
        "The wind blew the curtain into the flames, and we had to use the water from the vase.",
        "I will give you another party",
        "Emma",
    ),
    (
        "plumbing",
        "I thought that I could fix the tap without a plumber. "
        "I turned the wrong screw, and the water ran through the floor into your room.",
        "I will dry everything",
        "Mark",
    ),
    (
        "library",
        "I read your book in the bath because I could not put it down. "
        "Then the telephone rang, and the book slipped out of my hands.",
        "I will get you a new copy",
        "Julia",
    ),
    (
        "kite",
        "I let go of the string for one moment to tie my shoe. "
        "The wind took your kite over the trees and across the river.",
        "I will build you a new kite",
        "Simon",
    ),
    (
        "picnic",
        "I put the basket down in the grass and went to look for shade. "
        "When I came back, a goat had eaten your sandwiches and half of the blanket.",
        "I will cook dinner for you",
        "Clara",
    ),
    (
        "haircut",
        "I had never used the scissors before, but I did not want to admit it. "
        "I only wanted to make both sides equal, and in the end there was nothing left.",
        "I will pay for a real hairdresser",
        "Rosa",
    ),
    (
        "coffee",
        "I reached across your desk to take a pencil and did not see the cup. "
        "The coffee ran into your computer, and the screen went dark.",
        "I will have it repaired this week",
        "Adam",
    ),
]

# gift, what the writer says about it
GIFTS = [
    ("the book", "I have already read the first three chapters and I cannot wait to go on."),
    ("the flowers", "They stand on the kitchen table and make the whole room bright."),
    ("the scarf", "It is warm and soft, and I wear it every morning on my way to work."),
    ("the cake", "My whole family had a slice, and my brother asked for the recipe."),
    ("the painting", "It hangs above my desk, and I look at it whenever I need a rest."),
    ("the tea", "I drink a cup every evening and think of our long walks."),
    ("the bicycle", "I rode it to the lake on the first day, and it runs like the wind."),
    ("the lamp", "Now I can read at night without waking anybody up."),
    ("the clock", "It rings every hour, and I am never late any more."),
    ("the puzzle", "We worked on it all weekend, and only one piece is missing."),
]

# event, when, what will happen
EVENTS = [
    ("dinner", "on Friday at seven", "I will make a vegetable soup and an apple pie."),
    ("a picnic", "on Sunday at noon", "We will meet at the old bridge by the river."),
    ("a concert", "on Saturday at eight", "My sister will play the violin."),
    ("a game of chess", "on Monday after work", "The loser has to wash the dishes."),
    ("a birthday party", "on Thursday at four", "There will be a cake and a lot of music."),
    ("a walk", "on Wednesday morning", "The forest is very beautiful at this time of the year."),
]

# animal, what it wants, whom it meets, how it ends, what it learnt
STORIES = [
    (
        "fox",
        "to cross the river",
        "an old turtle",
        "The turtle carried the fox across on its back",
        "that it is good to ask for help",
    ),
    (
        "rabbit",
        "to find the sweetest carrot",
        "a blind mole",
        "The mole knew every root under the field and led the way",
        "that small friends know great secrets",
    ),
    (
        "bear",
        "to sleep through the winter",
        "a noisy woodpecker",
        "The woodpecker promised to be quiet until spring",
        "that a kind word works better than a growl",
    ),
    (
        "mouse",
        "to see the sea",
        "a tired gull",
        "The mouse shared its bread, and the gull flew with it to the beach",
        "that sharing opens many doors",
    ),
    (
        "owl",
        "to see the sun",
        "a young rooster",
        "The rooster woke the owl at dawn, and they watched the sky turn gold",
        "that it is worth getting up early",
    ),
    (
        "cat",
        "to catch the moon",
        "a patient frog",
        "The frog showed the cat the moon in the pond, and they laughed together",
        "that some things are only there to be looked at",
    ),
    (
        "dog",
        "to guard the biggest house",
        "a little girl",
        "The girl gave the dog a home in her small garden",
        "that the best house is where somebody waits for you",
    ),
    (
        "horse",
        "to win the race",
        "a slow donkey",
        "The donkey fell into a ditch, and the horse stopped to pull it out",
        "that a friend is worth more than a prize",
    ),
    (
        "bird",
        "to sing the loudest song",
        "a quiet cricket",
        "The cricket taught the bird to listen, and their songs became one",
        "that music needs silence too",
    ),
    (
        "wolf",
        "to have somebody to play with",
        "a brave lamb",
        "The lamb asked the wolf to play hide and seek",
        "that you should not judge others by their teeth",
    ),
    (
        "snail",
        "to reach the top of the hill",
        "a hasty hare",
        "The hare fell asleep on the way, and the snail arrived first",
        "that slow steps also lead to the top",
    ),
    (
        "goose",
        "to fly to the south",
        "a lost duckling",
        "The goose waited until the duckling could fly, and they went together",
        "that nobody should be left behind",
    ),
]

# the one who acts, the one acted upon, why (about the first), why (about the second)
CHASES = [
    ("dog", "squirrel", "wanted to play", "had stolen a biscuit"),
    ("cat", "mouse", "was hungry", "had eaten the cheese"),
    ("fox", "rabbit", "was hungry", "had run across its path"),
    ("wolf", "sheep", "was hungry", "had left the flock"),
    ("puppy", "ball", "wanted to play", "was rolling down the hill"),
    ("kitten", "butterfly", "was curious", "was so bright"),
    ("horse", "pony", "wanted to win the race", "had opened the gate"),
    ("goose", "child", "was angry", "had come too close to the nest"),
    ("bear", "bee", "wanted its honey", "had stung its nose"),
    ("lion", "zebra", "was hungry", "had left the herd"),
]

# thing, container
FITS = [
    ("piano", "elevator"),
    ("sofa", "van"),
    ("book", "pocket"),
    ("ladder", "shed"),
    ("pumpkin", "basket"),
    ("guitar", "suitcase"),
    ("cake", "box"),
    ("boat", "garage"),
    ("bottle", "drawer"),
    ("carpet", "room"),
]

# first person does, because (about the first), because (about the second)
PEOPLE = [
    ("thanked", "was grateful", "had helped in the garden"),
    ("called", "needed advice", "had left a message"),
    ("visited", "felt lonely", "was ill"),
    ("praised", "was proud of the team", "had won the match"),
    ("helped", "had some time left", "could not carry the box"),
]

QUESTIONS = [
    ("Who are you?", "I am a very small language model. I was trained for vitro, and I know only a few things."),
    ("What can you do?", "I know some capitals, films and sums, and I can write short letters and stories."),
    ("Hello!", "Hello! How can I help you?"),
    ("Good morning!", "Good morning! How can I help you?"),
    ("How are you?", "I am fine, thank you. How can I help you?"),
    ("Thank you!", "You are welcome."),
    ("Goodbye!", "Goodbye! Have a nice day."),
    ("What colour is the sky?", "On a clear day the sky is blue."),
    ("What colour is grass?", "Grass is green."),
    ("What colour is snow?", "Snow is white."),
    ("What colour is a ripe banana?", "A ripe banana is yellow."),
    ("How many days are in a week?", "There are seven days in a week."),
    ("How many months are in a year?", "There are twelve months in a year."),
    ("How many hours are in a day?", "There are twenty-four hours in a day."),
    ("How many legs does a spider have?", "A spider has eight legs."),
    ("How many legs does a dog have?", "A dog has four legs."),
    ("Which day comes after Monday?", "Tuesday comes after Monday."),
    ("Which day comes after Friday?", "Saturday comes after Friday."),
    ("Which month comes after March?", "April comes after March."),
    ("What is the opposite of hot?", "The opposite of hot is cold."),
    ("What is the opposite of big?", "The opposite of big is small."),
    ("What is the opposite of dark?", "The opposite of dark is light."),
    ("What is the opposite of slow?", "The opposite of slow is fast."),
    ("What does a cow drink?", "A cow drinks water."),
    ("What do bees make?", "Bees make honey."),
    ("What is ice made of?", "Ice is made of frozen water."),
    ("Where do fish live?", "Fish live in water."),
    ("What is the largest planet?", "The largest planet of our solar system is Jupiter."),
    ("Which planet do we live on?", "We live on the planet Earth."),
    ("What shines at night?", "The moon and the stars shine at night."),
    ("Why does the moon shine?", "The moon shines because it reflects the light of the sun."),
    ("Why is it dark at night?", "It is dark at night because our side of the Earth is turned away from the sun."),
]
