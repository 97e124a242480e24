"""Wrong solutions of lesson 11 as people write them."""

import math

import numpy as np

from exercises.wrong import wrong


@wrong("limits.choose", "no division")
def _(choices, log_probs):
    return log_probs.index(max(log_probs))


@wrong("limits.choose", "per character")
def _(choices, log_probs):
    return int(np.argmax([p / len(c) for c, p in zip(choices, log_probs)]))


@wrong("limits.choose", "per word")
def _(choices, log_probs):
    scores = [p / len(c.split(" ")) for c, p in zip(choices, log_probs)]
    return scores.index(max(scores))


@wrong("limits.choose", "last of equals")
def _(choices, log_probs):
    best, place = -math.inf, None
    for i, (choice, p) in enumerate(zip(choices, log_probs)):
        if p / len(choice.encode()) >= best:
            best, place = p / len(choice.encode()), i
    return place


@wrong("limits.p_value", "one side only")
def _(first, second):
    better = sum(a > b for a, b in zip(first, second))
    worse = sum(a < b for a, b in zip(first, second))
    n = better + worse
    return sum(math.comb(n, k) for k in range(max(better, worse), n + 1)) / 2**n


@wrong("limits.p_value", "every question is a coin")
def _(first, second):
    n = len(first)
    fewer = min(sum(a and not b for a, b in zip(first, second)), sum(b and not a for a, b in zip(first, second)))
    return min(1.0, 2 * sum(math.comb(n, k) for k in range(fewer + 1)) / 2**n)


@wrong("limits.p_value", "above 1")
def _(first, second):
    alone = [a for a, b in zip(first, second) if a != b]
    n, fewer = len(alone), min(alone.count(True), alone.count(False))
    return 2 * sum(math.comb(n, k) * 0.5**n for k in range(fewer + 1)) if n else 1.0


@wrong("limits.calibration_error", "each bin counts once")
def _(confidences, right, bins):
    gaps = []
    for b in range(bins):
        here = [(c, r) for c, r in zip(confidences, right) if b < c * bins <= b + 1 or b == c == 0]
        if here:
            gaps.append(abs(sum(c for c, _ in here) - sum(r for _, r in here)) / len(here))
    return sum(gaps) / len(gaps)


@wrong("limits.calibration_error", "an edge belongs to the upper bin")
def _(confidences, right, bins):
    sums = [0.0] * bins
    for c, r in zip(confidences, right):
        sums[min(int(c * bins), bins - 1)] += c - r
    return sum(map(abs, sums)) / len(confidences)


@wrong("limits.calibration_error", "the middle of the bin")
def _(confidences, right, bins):
    members = [[] for _ in range(bins)]
    for c, r in zip(confidences, right):
        members[max(math.ceil(c * bins) - 1, 0)].append(r)
    gaps = [len(m) * abs((b + 0.5) / bins - sum(m) / len(m)) for b, m in enumerate(members) if m]
    return sum(gaps) / len(right)


@wrong("limits.threshold", "stops at the first failure")
def _(scores, right, wanted):
    best = math.inf
    for bar in sorted(set(scores), reverse=True):
        shown = [hit for score, hit in zip(scores, right) if score >= bar]
        if sum(shown) / len(shown) < wanted:
            break
        best = bar
    return best


@wrong("limits.threshold", "equal scores cut apart")
def _(scores, right, wanted):
    best, hits = math.inf, 0
    for n, i in enumerate(sorted(range(len(scores)), key=lambda i: -scores[i]), 1):
        hits += right[i]
        if hits / n >= wanted:
            best = scores[i]
    return best


@wrong("limits.threshold", "no infinity")
def _(scores, right, wanted):
    good = []
    for bar in scores:
        shown = [hit for score, hit in zip(scores, right) if score >= bar]
        if sum(shown) / len(shown) >= wanted:
            good.append(bar)
    return min(good) if good else None


@wrong("limits.bm25", "rarity by occurrences")
def _(query, documents, k1, b):
    everything = [word for document in documents for word in document]
    mean = len(everything) / len(documents)
    scores = []
    for document in documents:
        score = 0
        for word in query:
            n, f = everything.count(word), document.count(word)
            rarity = math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
            score += rarity * f * (k1 + 1) / (f + k1 * (1 - b + b * len(document) / mean))
        scores.append(score)
    return scores


@wrong("limits.bm25", "a word of the query counts once")
def _(query, documents, k1, b):
    mean, scores = sum(map(len, documents)) / len(documents), [0.0] * len(documents)
    for word in set(query):
        n = sum(word in document for document in documents)
        for i, document in enumerate(documents):
            f = document.count(word)
            fraction = f * (k1 + 1) / (f + k1 * (1 - b + b * len(document) / mean))
            scores[i] += math.log(1 + (len(documents) - n + 0.5) / (n + 0.5)) * fraction
    return scores


@wrong("limits.longer_theta", "theta times factor")
def _(theta, d_head, factor):
    return theta * factor


@wrong("limits.longer_theta", "exponent upside down")
def _(theta, d_head, factor):
    last = d_head // 2 - 1
    return theta * factor ** (2 * last / d_head)


@wrong("limits.agent", "the last result is not heard")
def _(model, tools, task, max_calls):
    transcript = [task]
    for _ in range(max_calls):
        name, argument = model(transcript)
        if name == "answer":
            return argument
        if name not in tools:
            result = f"error: no tool {name}"
        else:
            try:
                result = tools[name](argument)
            except Exception as error:
                result = f"error: {error}"
        transcript.append((name, argument, result))
    return None


@wrong("limits.agent", "a KeyError of a tool is no unknown tool")
def _(model, tools, task, max_calls):
    transcript = [task]
    for calls in range(max_calls + 1):
        name, argument = model(transcript)
        if name == "answer":
            return argument
        if calls < max_calls:
            try:
                result = tools[name](argument)
            except KeyError:
                result = f"error: no tool {name}"
            except Exception as error:
                result = f"error: {error}"
            transcript.append((name, argument, result))
    return None


@wrong("limits.agent", "errors do not count")
def _(model, tools, task, max_calls):
    transcript, calls = [task], 0
    while True:
        name, argument = model(transcript)
        if name == "answer":
            return argument
        if calls >= max_calls:
            return None
        try:
            result = tools[name](argument) if name in tools else f"error: no tool {name}"
            calls += name in tools
        except Exception as error:
            result = f"error: {error}"
        transcript.append((name, argument, result))


@wrong("limits.agent", "property: No more than max_calls tool calls are made.")
def _(model, tools, task, max_calls):
    transcript = [task]
    for _ in range(max_calls + 1):
        name, argument = model(transcript)
        if name == "answer":
            return argument
        try:
            result = tools[name](argument) if name in tools else f"error: no tool {name}"
        except Exception as error:
            result = f"error: {error}"
        transcript.append((name, argument, result))
    return None
