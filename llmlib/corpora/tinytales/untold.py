"""Ask questions that a story does not answer, worded like questions that other stories do answer.

A question like "How tall is Pip?", which no story answers, only teaches a model to recognise the *question*. Here each
wording comes from questions that some stories answer ("What did Pip give to Mabel?"), and we ask such a question about
any story that does not touch on the subject of the question at all. So the wording gives nothing away: you have to
look at the story.
Source of the idea: Rajpurkar et al. (2018), "Know What You Don't Know: Unanswerable Questions for SQuAD".
"""

import re
from functools import cache

from llmlib.corpora.tinytales.chance import Dice
from llmlib.corpora.tinytales.story import ToldStory

# Wording -> words that show that a story touches on the subject. {0} and {1} are people in the story, and {thing} is
# `story.thing`. A story that answers the question always matches. If a story matches without answering, we do not ask
# the question, because the story may hint at an answer.
WORDINGS = {
    "What did {0} give to {1}?": r"\bg[ai]ve|\bgift|present|parcel|wrapped|\bshar|\blen[dt]\b|\bhand(ed|s) |held out"
    r"|br(ing|ought)|prize|swap|\bfor (you|him|her)\b|offer|basket|fetched|\btake\b|into \w+'s",
    "What did they drink?": r"dr[aiu]nk|cocoa|milk|\btea\b|juice|water|\bcup|kettle|thirst",
    "What did they sing?": r"\bs[aiu]ng|song|tune|\bhum|music|lullaby",
    "What did {0} lose?": r"\bl[oe]st|\blos[et]|gone|miss|disappear|vanish|not there|let fall|dropp|rolled",
    "Where was {0} lost?": r"lost|fog|way home|which way",
    "Who noticed that {0} was missing?": r"miss|lost|gone|late|where is|fog",
    "What was wrong with {0}?": r"\bill\b|sick|cough|sneez|\bcold\b|fever|ache|hurt|matter|wrong|\bbed\b|throat|\bnose",
    "What did {0} cook?": r"cook|soup|\bpot\b|stir|\bbak|kitchen|stove|supper|\bpan\b|broth|porridge",
    "Why did {0} feel miserable?": r"miserabl|\bill\b|sick|cough|sneez|fever|\bbed\b",
    "Who wanted to borrow {thing}?": r"borrow|\blen[dt]\b",
    "Who broke {thing}?": r"br[oe][ka]|crack|smash|pieces|snap|torn|split|crash",
    "How did {thing} get broken?": r"br[oe][ka]|crack|smash|pieces|snap|torn|split|crash",
    "Who mended {thing}?": r"mend|repair|glue|\bfix|whole again|pieces|broke",
    "What was {0} afraid of?": r"afraid|fear|scare|fright|brave|courage|trembl|shak|nervous",
    "Where did they build it?": r"buil|made|make",
    "Who came to the door?": r"\bdoor|knock|visit",
    "What did they quarrel about?": r"quarrel|argu|\bcross\b|angry|furious|tugged|saw it first",
    "Who said sorry first?": r"sorry|apolog|forgiv",
    "Why was {0} disappointed?": r"disappoint",
    "What was the prize?": r"prize|\brace",
    "Where was the race?": r"\brac(e|ing)",
    "Who started the race?": r"\brac(e|ing)",
    "Why was {0} jealous?": r"jealous|\benv[iy]",
    "What had happened to the bridge?": r"bridge",
    "Who was on the other side?": r"other (side|bank)|bridge|across",
    "Who was whispering?": r"whisper|secret|behind their back",
    "What was the secret?": r"secret|whisper|surprise|behind their back",
    "Where was the picnic?": r"picnic",
    "Who went on the picnic?": r"picnic",
    "Who was stuck?": r"stuck|wedged",
    "Where was {0} stuck?": r"stuck|wedged",
    "Who helped {0} to pull?": r"\bpull|stuck|\btug",
    "Why could {0} not sleep?": r"sle[ep]|awake|\bbed\b|night|dream",
    "Why had the clock stopped?": r"clock",
    "Why was {thing} in the tree?": r"\btree|branch",
    "Whose footprints were they?": r"footprint|track",
}

TAUGHT = tuple(WORDINGS)[:8]  # a model is tuned on the most frequent wordings, and tested on the others

# Paraphrases of some wordings, never used in tuning: they test whether a model has learned more than phrases.
OTHER_WORDS = {
    "What did {0} give to {1}?": "Which present did {1} get from {0}?",
    "What did they drink?": "What was there to drink?",
    "What did they sing?": "Which song was sung?",
    "What did {0} lose?": "Which thing of {0}'s was lost?",
    "Where was {0} lost?": "At which place did {0} lose the way?",
    "What was wrong with {0}?": "From what did {0} suffer?",
    "What did {0} cook?": "Which dish did {0} make?",
    "Who broke {thing}?": "Whose fault was it that {thing} broke?",
    "Who mended {thing}?": "Who repaired {thing}?",
    "What was {0} afraid of?": "What frightened {0}?",
    "Where did they build it?": "At which place was it built?",
    "Who came to the door?": "Who knocked at the door?",
    "Who said sorry first?": "Who was the first to say sorry?",
    "What was the prize?": "What could the winner get?",
    "Where was the race?": "At which place did they race?",
    "Where was the picnic?": "At which place did they have the picnic?",
    "Who was stuck?": "Who had got stuck?",
}


def wording_of(question: str) -> str:
    """Return the wording of a question in a script, with its roles numbered in the order in which they occur.

    >>> wording_of("What did %(b)s give to %(a)s?")
    'What did {0} give to {1}?'
    """
    roles: list[str] = []

    def numbered(slot: re.Match[str]) -> str:
        if slot[1] not in roles:
            roles.append(slot[1])
        return f"{{{roles.index(slot[1])}}}"

    return re.sub(r"%\(([abcd])\)s", numbered, question.replace("%(o.the)s", "{thing}"))


def answered_questions(story: ToldStory) -> dict[str, str]:
    """Return the questions that a story answers and that use one of the `WORDINGS`, each with its wording.

    >>> from llmlib.corpora.tinytales import tell
    >>> list(answered_questions(tell(1, "heldout", 2)))[:1]
    ['Who wanted to borrow the grey rocking horse?']
    """
    wordings = {ask.question % story.slots: wording_of(ask.question) for ask in story.asks}
    return {question: wording for question, wording in wordings.items() if wording in WORDINGS}


def open_questions(story: ToldStory, dice: Dice) -> dict[str, str]:
    """Return questions that a story leaves open, one for each wording that fits the story.

    The keys are the wordings; the questions name only people who are in the story.

    >>> from llmlib.corpora.tinytales import tell
    >>> open_questions(tell(1, "heldout", 2), Dice(0))["What was the prize?"]
    'What was the prize?'
    """
    names = [each.name for each in story.entities]
    questions = {}
    for wording in WORDINGS:
        people = dice.sample(names, len(names))
        if is_silent(story, wording) and len(people) >= _people_in(wording):
            questions[wording] = wording.format(*people, thing=story.slots["o.the"])
    return questions


def is_silent(story: ToldStory, wording: str) -> bool:
    """Return whether a story never touches on a wording's subject, but mentions the thing in the wording, if any."""
    return not matter(wording).search(story.text) and ("{thing}" not in wording or story.thing.noun in story.text)


def leaves_open(story: ToldStory, question: str, wording: str) -> bool:
    """Return whether a story has everybody and everything that a question mentions, but leaves the question open.

    >>> from llmlib.corpora.tinytales import tell
    >>> leaves_open(tell(1, "heldout", 2), "What was the prize?", "What was the prize?")
    True
    """
    there = {*(each.name for each in story.entities), story.slots["o.the"]}
    named = set(slots_of(question, wording).values())
    return is_silent(story, wording) and named <= there and len(story.entities) >= _people_in(wording)


def slots_of(question: str, wording: str) -> dict[str, str]:
    """Return the people and things in a question, with the slots of its wording as keys.

    Raises `ValueError` if the question has a different wording.

    >>> slots_of("What did Pip give to Mabel?", "What did {0} give to {1}?")
    {'0': 'Pip', '1': 'Mabel'}
    """
    pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<slot_\1>.+)", re.escape(wording))
    asked = re.fullmatch(pattern, question)
    if asked is None:
        raise ValueError(f"{question!r} does not have the wording {wording!r}.")
    return {name.removeprefix("slot_"): value for name, value in asked.groupdict().items()}


@cache
def matter(wording: str) -> re.Pattern[str]:
    """Return a pattern that matches the words a story uses when it touches on a wording's subject."""
    return re.compile(WORDINGS[wording], re.IGNORECASE)


def _people_in(wording: str) -> int:
    """Return how many people a story needs for a wording to make sense."""
    return 2 if "{1}" in wording or " they " in wording else 1
