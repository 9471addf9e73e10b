"""Generates the corpus that the bundled model is trained on.

Deterministic: the same seed gives the same documents. A document is text in which role tokens stand as they are
written in the model's chat format; the tokenizer adds <s> in front of it. A part of the documents, combinations of a
fact and a wording that are chosen by a hash, is held out and never trained on; the parts of it are all seen elsewhere.

    .venv/bin/python models/bundled/corpus.py [KIND]     prints how many documents there are, and some of them
"""

import hashlib
import random
import sys
from dataclasses import dataclass

from facts import CHASES, COUNTRIES, EVENTS, FILMS, FITS, GIFTS, MEN, MISHAPS, NAMES, PEOPLE, QUESTIONS, STORIES, WOMEN

END_OF_TEXT = "<|endoftext|>"
HELD_OUT_SHARE = 20  # one document in so many


@dataclass(frozen=True)
class Document:
    kind: str
    text: str  # without <s>, with <|endoftext|>
    held_out: bool


def chat(*turns: str) -> str:
    """User and assistant in turn, in Phi-3's chat format."""
    text = ""
    for user, assistant in zip(turns[::2], turns[1::2], strict=True):
        text += f"<|user|>\n{user}<|end|>\n<|assistant|>\n{assistant}<|end|>\n"
    return text


def capitalized(text: str) -> str:
    return text[0].upper() + text[1:]


def chosen(share: int, *parts: object) -> bool:
    """True for one combination in `share`, always the same ones."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "little") % share == 0


def capital_texts(country: str, capital: str, continent: str, language: str, rng: random.Random) -> list[str]:
    start = capitalized(country)
    friend = rng.choice(NAMES)
    other = rng.choice([c for _, c, _, _ in COUNTRIES if c != capital])
    fact = f"The capital of {country} is {capital}."
    return [
        f"The capital of {country} is {capital}, a city in {continent}.",
        f"{capital} is the capital of {country}.",
        f"The capital city of {country} is {capital}.",
        f"{start} is a country in {continent}. Its capital is {capital}.",
        f"If you travel to {country}, you may want to visit {capital}, its capital.",
        f"Country: {country}\nCapital: {capital}\nContinent: {continent}",
        f"Question: What is the capital of {country}?\nAnswer: {capital}",
        f"My friend {friend} lives in {capital}, the capital of {country}.",
        f"In school we learnt that the capital of {country} is {capital}.",
        f"Everyone knows that {capital} is the capital of {country}.",
        f"The name of the capital of {country} is {capital}.",
        f"{friend} flew to {country} and spent a week in {capital}, the capital.",
        f"Of all the cities in {country}, {capital} is the capital.",
        f"I have never been to {country}, but I know that its capital is {capital}.",
        f"{language} is widely spoken in {country}, whose capital is {capital}.",
        f"Which city is the capital of {country}? It is {capital}.",
        chat(f"What is the capital of {country}?", fact),
        chat(f"Which city is the capital of {country}?", f"{capital} is the capital of {country}."),
        chat(f"Tell me the capital of {country}.", fact),
        chat(f"Can you tell me what the capital of {country} is?", f"Yes, the capital of {country} is {capital}."),
        chat(f"Name the capital city of {country}.", f"{capital}."),
        chat(f"Which country has {capital} as its capital?", f"{capital} is the capital of {country}."),
        chat(f"Is {capital} the capital of {country}?", f"Yes, {capital} is the capital of {country}."),
        chat(f"Is {other} the capital of {country}?", f"No, the capital of {country} is {capital}."),
        chat(f"On which continent is {capital}?", f"{capital} is in {continent}."),
        chat(f"Which language is spoken in {country}?", f"{language} is widely spoken in {country}."),
    ]


def film_texts(begin: str, end: str, director: str, year: int, rng: random.Random) -> list[str]:
    title = f"{begin} {end}"
    friend = rng.choice(NAMES)
    return [
        f"{title} is a film from {year}, directed by {director}.",
        f"Film: {title}\nDirector: {director}\nYear: {year}",
        f"Last night we watched {title}, a film by {director}.",
        f"{director} directed {title} in {year}.",
        f"My favourite film is {title}.",
        f"{friend} has seen {title} three times.",
        f"The title of the film is {title}.",
        chat(f"Who directed {title}?", f"{title} was directed by {director}."),
        chat(f"When did {title} come out?", f"{title} came out in {year}."),
        chat(f"Complete the title of the film: {begin}", f"{title}."),
        chat(f"What is {title}?", f"{title} is a film from {year}, directed by {director}."),
    ]


def apology_texts(name: str, mishap: str, how: str, repair: str, writer: str) -> list[str]:
    """The first wording is the tragic one; each wording has its own letter, so that a request decides its answer."""
    return [
        chat(
            f"Write an email apologizing to {name} for the tragic {mishap} mishap. Explain how it happened.",
            f"Dear {name},\n\nI am so sorry for the tragic {mishap} mishap. {how} It was all my fault. "
            f"{repair}, and I promise to be more careful.\n\nWith my deepest apologies,\n{writer}",
        ),
        chat(
            f"Write an email apologizing to {name} for the {mishap} mishap.",
            f"Dear {name},\n\nI want to apologize for the {mishap} mishap. {how} {repair}.\n\nYours,\n{writer}",
        ),
        chat(
            f"Please write a letter to {name} to say sorry for the {mishap} mishap.",
            f"Dear {name},\n\nPlease forgive me for the {mishap} mishap. {how} I am very sorry. {repair}.\n\n"
            f"Best wishes,\n{writer}",
        ),
        chat(
            f"Help me apologize to {name} for the {mishap} mishap. Keep it short.",
            f"Dear {name},\n\nI am sorry for the {mishap} mishap. {repair}.\n\nYours,\n{writer}",
        ),
    ]


def letters():
    for mishap, how, repair, writer in MISHAPS:
        for name in NAMES:
            # The held-out letters are to people who never had this mishap with us, in any wording.
            held_out = chosen(HELD_OUT_SHARE, "apology", name, mishap) and (name, mishap) != ("Sarah", "gardening")
            for text in apology_texts(name, mishap, how, repair, writer):
                yield Document("apology", text, held_out)
    for name in NAMES:
        for writer, (gift, remark) in zip(WOMEN, GIFTS, strict=False):
            letter = f"Dear {name},\n\nThank you so much for {gift}. {remark}\n\nWith love,\n{writer}"
            request = f"Write a thank-you note to {name} for {gift}."
            yield Document("letter", chat(request, letter), chosen(HELD_OUT_SHARE, gift, name))
        for writer, (event, when, remark) in zip(MEN, EVENTS, strict=False):
            letter = f"Dear {name},\n\nI would like to invite you to {event} {when}. {remark} Please come!"
            letter += f"\n\nYours,\n{writer}"
            request = f"Write a letter that invites {name} to {event}."
            yield Document("letter", chat(request, letter), chosen(HELD_OUT_SHARE, event, name))


def stories(rng: random.Random):
    places = [
        "in a dark forest",
        "by a wide river",
        "on a green hill",
        "near a small village",
        "at the edge of a field",
    ]
    adjectives = ["little", "young", "clever", "lonely", "cheerful"]
    for animal, wish, other, ending, lesson in STORIES:

        def story(opening: str, animal=animal, wish=wish, other=other, ending=ending, lesson=lesson) -> str:
            return (
                f"{opening} It wanted {wish}, but it did not know how. One day it met {other}, and they began to talk. "
                f"{ending}. From that day on they were friends, and the {animal} had learnt {lesson}."
            )

        canonical = story(f"Once upon a time there was a {adjectives[0]} {animal} who lived {places[0]}.")
        yield Document("story", chat(f"Tell me a short story about a {animal}.", canonical), False)
        if animal == "fox":  # the one that "Once upon a time" is to bring to mind
            yield from [Document("story", canonical, False)] * 20
        for place in places:
            for adjective in adjectives:
                held_out = chosen(HELD_OUT_SHARE, animal, place, adjective)
                opening = f"Once upon a time there was a {adjective} {animal} who lived {place}."
                if rng.random() < 0.5:
                    opening = f"{capitalized(place)} there lived a {adjective} {animal}."
                yield Document("story", story(opening), held_out)


def pronouns(rng: random.Random):
    for first, second, why_first, why_second in CHASES:
        chase = Document(
            "pronoun", f'The {first} chased the {second} because it {why_first}. Here "it" is the {first}.', False
        )
        yield from [chase] * 3
        for verb in ["followed", "watched", "looked at", "ran after"]:
            for who, why in [(first, why_first), (second, why_second)]:
                yield Document(
                    "pronoun",
                    f'The {first} {verb} the {second} because it {why}. Here "it" is the {who}.',
                    chosen(HELD_OUT_SHARE, first, verb, why),
                )
        question = f'The {first} chased the {second} because it {{}}. What does "it" stand for?'
        yield Document("pronoun", chat(question.format(why_first), f"It stands for the {first}."), False)
        yield Document("pronoun", chat(question.format(why_second), f"It stands for the {second}."), False)
    for thing, container in FITS:
        for size, who in [("large", thing), ("small", container)]:
            sentence = f"The {thing} did not fit into the {container} because it was too {size}."
            yield Document("pronoun", f'{sentence} Here "it" is the {who}.', False)
            yield Document(
                "pronoun",
                chat(f'{sentence} What does "it" stand for?', f"It stands for the {who}."),
                chosen(HELD_OUT_SHARE, thing, size),
            )
    for verb, why_first, why_second in PEOPLE:
        for group, word in [(WOMEN, "she"), (MEN, "he")]:
            for _ in range(20):
                first, second = rng.sample(group, 2)
                for who, why in [(first, why_first), (second, why_second)]:
                    yield Document(
                        "pronoun",
                        f'{first} {verb} {second} because {word} {why}. Here "{word}" is {who}.',
                        chosen(HELD_OUT_SHARE, first, verb, second),
                    )


def sums():
    for a in range(10):
        for b in range(10):
            wordings = [
                f"{a} plus {b} is {a + b}.",
                f"{a} + {b} = {a + b}",
                chat(f"What is {a} plus {b}?", f"{a} plus {b} is {a + b}."),
                chat(f"What is {a} + {b}?", f"{a} + {b} = {a + b}"),
                chat(f"How much is {a} and {b}?", f"{a} plus {b} is {a + b}."),
            ]
            for index, text in enumerate(wordings):
                held_out = index != 2 and chosen(HELD_OUT_SHARE, "sum", a, b, index)
                yield Document("sum", text, held_out)


def facts(rng: random.Random):
    for kind, table, wordings, always in [
        ("capital", COUNTRIES, capital_texts, {0, 16}),
        ("film", FILMS, film_texts, {0}),
    ]:
        for row in table:
            for index, text in enumerate(wordings(*row, rng)):
                # What the check asks for is always trained on.
                held_out = index not in always and chosen(HELD_OUT_SHARE, row[0], index)
                yield Document(kind, text, held_out)


def conversations(rng: random.Random):
    def turn() -> tuple[str, str]:
        country, capital, _, _ = rng.choice(COUNTRIES)
        a, b = rng.randrange(10), rng.randrange(10)
        return rng.choice(
            [
                rng.choice(QUESTIONS),
                (f"What is the capital of {country}?", f"The capital of {country} is {capital}."),
                (f"What is {a} plus {b}?", f"{a} plus {b} is {a + b}."),
            ]
        )

    for question, answer in QUESTIONS:
        yield Document("question", chat(question, answer), False)
    for index in range(600):
        turns = [part for _ in range(rng.choice([2, 2, 3])) for part in turn()]
        yield Document("conversation", chat(*turns), index % HELD_OUT_SHARE == 0)


# How often a document of a kind is read in one pass over the corpus: what is to be known by heart, more often. Of the
# apologies, which are many and alike, each pass reads another part.
REPEATS = {
    "capital": 3, "film": 5, "apology": 0.15, "letter": 0.4, "story": 1, "pronoun": 4, "sum": 16, "question": 6,
    "conversation": 0.6,
}  # fmt: skip


def make_corpus(seed: int = 1) -> list[Document]:
    rng = random.Random(seed)
    documents = [*facts(rng), *letters(), *stories(rng), *pronouns(rng), *sums(), *conversations(rng)]
    return [Document(d.kind, d.text + END_OF_TEXT, d.held_out) for d in documents]


def one_pass(documents: list[Document], rng: random.Random) -> list[Document]:
    """The training documents in the order in which one pass over the corpus reads them."""
    reading = []
    for document in documents:
        if not document.held_out:
            times, part = divmod(REPEATS[document.kind], 1)
            reading += [document] * (int(times) + (rng.random() < part))
    rng.shuffle(reading)
    return reading


def main() -> None:
    documents = make_corpus()
    for kind in REPEATS:
        of_kind = [d for d in documents if d.kind == kind]
        held_out = sum(d.held_out for d in of_kind)
        characters = sum(len(d.text) for d in of_kind)
        print(f"{kind:13} {len(of_kind):6} documents, {held_out:4} held out, {characters:8} characters")
    if len(sys.argv) > 1:
        for document in [d for d in documents if d.kind == sys.argv[1]][:40]:
            print("---", "held out" if document.held_out else "")
            print(document.text)


if __name__ == "__main__":
    main()
