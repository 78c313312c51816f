"""The demo's label space and the words that people use for it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Concept:
    """One class.

    Attributes:
        wnid: Synset of WordNet 3.0.
        name: Its first lemma.
        words: What people write, commonest first; each a lemma of the synset.
        broader: Words for more general things.
        siblings: Classes that it is mistaken for.
        emoji: Put behind the word by some.
        foreign: The word in other languages.
        wrong_senses: Classes shown where the word was meant in another sense; None = something outside the vocabulary.
    """

    wnid: str
    name: str
    words: tuple[str, ...]
    broader: tuple[str, ...]
    siblings: tuple[str, ...]
    emoji: str
    foreign: tuple[str, ...]
    wrong_senses: tuple[str | None, ...] = ()


CONCEPTS = (
    Concept("n07747607", "orange", ("orange",), ("citrus", "fruit", "food"), ("n07749582", "n07739125"), "🍊",
            ("naranja", "апельсин", "arancia"), ("n02802426", "n02129604", None)),
    Concept("n07749582", "lemon", ("lemon",), ("citrus", "fruit", "food"), ("n07747607", "n04409515"), "🍋",
            ("zitrone", "limone", "лимон")),
    Concept("n07734017", "tomato", ("tomato",), ("vegetable", "food"), ("n07739125", "n02165456"), "🍅",
            ("pomodoro", "помидор", "tomaat")),
    Concept("n07739125", "apple", ("apple",), ("fruit", "food"), ("n07734017", "n07747607"), "🍎",
            ("manzana", "apfel", "яблоко"), (None,)),
    Concept("n04409515", "tennis ball", ("tennis ball",), ("ball", "toy"), ("n07749582", "n02802426"), "🎾",
            ("tennisball", "pelotadetenis")),
    Concept("n04254680", "soccer ball", ("soccer ball",), ("ball", "toy"), ("n02802426", "n04409515"), "⚽",
            ("fussball", "мяч", "pelota")),
    Concept("n02802426", "basketball", ("basketball",), ("ball", "toy"), ("n04254680", "n07747607"), "🏀",
            ("baloncesto", "pallacanestro"), (None,)),
    Concept("n11978233", "sunflower", ("sunflower", "helianthus"), ("flower", "plant"), ("n11939491",), "🌻",
            ("girasol", "sonnenblume", "tournesol")),
    Concept("n11939491", "daisy", ("daisy",), ("flower", "plant"), ("n11978233",), "🌼",
            ("margarita", "gänseblümchen")),
    Concept("n02391049", "zebra", ("zebra",), ("animal", "mammal"), ("n02129604", "n02128385"), "🦓",
            ("cebra", "зебра")),
    Concept("n02129604", "tiger", ("tiger",), ("big cat", "feline", "animal"), ("n02128385", "n02391049"), "🐯",
            ("тигр", "tijger"), (None,)),
    Concept("n02128385", "leopard", ("leopard",), ("big cat", "feline", "animal"), ("n02129604",), "🐆",
            ("leopardo", "леопард")),
    Concept("n02165456", "ladybug", ("ladybug", "ladybird"), ("beetle", "insect", "bug"), ("n02274259", "n07734017"),
            "🐞", ("mariquita", "marienkäfer", "coccinelle")),
    Concept("n02274259", "butterfly", ("butterfly",), ("insect", "animal"), ("n02165456", "n11939491"), "🦋",
            ("mariposa", "schmetterling", "farfalla")),
    Concept("n02317335", "starfish", ("starfish", "sea star"), ("echinoderm", "animal"), ("n11939491", "n02274259"),
            "⭐", ("seestern", "estrellademar")),
    Concept("n03014317", "chessboard", ("chessboard", "chess board"), ("board", "game"), ("n03162940",), "♟",
            ("schachbrett", "ajedrez")),
    Concept("n03162940", "dartboard", ("dartboard", "dart board"), ("board", "game"), ("n03014317", "n07873807"), "🎯",
            ("dartscheibe", "diana")),
    Concept("n06874185", "traffic light", ("traffic light", "stoplight", "traffic signal"), ("light", "signal"),
            ("n03126707",), "🚦", ("ampel", "semáforo", "светофор")),
    Concept("n07873807", "pizza", ("pizza",), ("food", "dish"), ("n07639069", "n03162940"), "🍕", ("пицца", "피자")),
    Concept("n07639069", "doughnut", ("donut", "doughnut"), ("cake", "food"), ("n07873807",), "🍩",
            ("ciambella", "пончик")),
    Concept("n09403427", "rainbow", ("rainbow",), ("weather", "sky"), ("n02274259",), "🌈",
            ("arcoiris", "regenbogen", "радуга"), (None,)),
    Concept("n04275363", "spider web", ("spider web", "spider's web"), ("web", "nature"), ("n03162940",), "🕸",
            ("spinnennetz", "telaraña", "паутина")),
    Concept("n02012849", "crane", ("crane",), ("bird", "wading bird"), ("n02274259", "n02391049"), "🐦",
            ("grulla", "kranich", "журавль")),
    Concept("n03126707", "crane", ("crane",), ("machine", "device", "construction site"), ("n06874185",), "🏗",
            ("kran", "grúa")),
)  # fmt: skip
"""All classes; the word 'crane' stands for two of them on purpose."""

TINY = frozenset({"n07747607", "n07749582", "n07739125", "n04409515", "n02802426", "n11978233", "n02391049",
                  "n02129604", "n02128385", "n02165456", "n02012849", "n03126707"})  # fmt: skip
"""Classes of the tiny corpus: fewer, so that each still has enough posts to learn from."""

_FILLERS = """
    love tbt instagood photooftheday picoftheday happy instadaily followme repost amazing cool style fun smile life
    nofilter vsco weekend friends family summer vacation morning home wow lol follow4follow l4l iphoneonly mood
    throwback monday bestoftheday instalike blessed goodvibes inspiration art photography photo travel
"""
_SCENES = "garden kitchen park street beach city forest table window field zoo market paris london berlin"
_ATTRIBUTES = "red yellow green blue bright colorful beautiful round striped fresh big small dark old new"
_NAMES = "anna ben clara dmitri elif finn greta hugo ines jonas kim lola max nora omar pia rosa sam tess yuki"

FILLERS = tuple(_FILLERS.split())
"""Tags that say nothing about the picture."""

SCENES, ATTRIBUTES, NAMES = tuple(_SCENES.split()), tuple(_ATTRIBUTES.split()), tuple(_NAMES.split())
FACES = ("🔥", "❤️", "😍", "✨", "👌", "🙌", "💛", "😂", "📷")

MENTIONS = (
    "my {word} this morning", "{word} {face}", "found this {word} today", "nothing beats a {word}", "The {word}",
    "{word} at the {scene}", "look at this {word}", "another {word} for the collection", "finally a good {word}!",
)  # fmt: skip
NO_MENTIONS = ("so blessed {face}", "weekend {face}", "{scene}, finally", "", "no words", "that day at the {scene}",
               "can't stop smiling {face}", "tbt")  # fmt: skip
TITLES = ("{word} stock photo | ImgStock", "{word} - Wikimedia Commons", "File:{word}.jpg", "{word} in the {scene}",
          "DSC_{number}", "IMG_{number}.JPG", "Pictures of the week", "{scene} - wallpaper")  # fmt: skip
QUERIES = ("{word}", "{word}", "{word}", "{word} photo", "{word} picture", "{words}")

_PLURALS = {"starfish": "starfish", "sea star": "sea stars", "tomato": "tomatoes"}


def plural(word: str) -> str:
    """The plural of a noun of this vocabulary."""
    if word in _PLURALS:
        return _PLURALS[word]
    return word[:-1] + "ies" if word.endswith("y") else word + "s"
