"""Plain solutions of lesson 11."""

import math

from exercises.plain import plain


@plain("limits.choose")
def choose(choices, log_probs):
    best, highest = 0, -math.inf
    for i in range(len(choices)):
        score = log_probs[i] / len(choices[i].encode())
        if score > highest:
            best, highest = i, score
    return best


@plain("limits.p_value")
def p_value(first, second):
    better = worse = 0
    for a, b in zip(first, second):
        if a and not b:
            better += 1
        if b and not a:
            worse += 1
    n = better + worse
    ways = sum(math.comb(n, k) for k in range(min(better, worse) + 1))
    return min(1.0, 2 * ways / 2**n)


@plain("limits.calibration_error")
def calibration_error(confidences, right, bins):
    total = 0.0
    for b in range(bins):
        low, high = b / bins, (b + 1) / bins
        here = [i for i, c in enumerate(confidences) if low < c <= high or (b == 0 and c == 0)]
        if here:
            sure = sum(confidences[i] for i in here) / len(here)
            share = sum(right[i] for i in here) / len(here)
            total += len(here) * abs(sure - share)
    return total / len(confidences)


@plain("limits.threshold")
def threshold(scores, right, wanted):
    best = math.inf
    for bar in scores:
        shown = [right[i] for i in range(len(scores)) if scores[i] >= bar]
        if sum(shown) / len(shown) >= wanted:
            best = min(best, bar)
    return best


@plain("limits.bm25")
def bm25(query, documents, k1, b):
    mean = sum(len(document) for document in documents) / len(documents)
    scores = []
    for document in documents:
        score = 0.0
        for word in query:
            n = sum(1 for other in documents if word in other)
            rarity = math.log(1 + (len(documents) - n + 0.5) / (n + 0.5))
            f = document.count(word)
            score += rarity * f * (k1 + 1) / (f + k1 * (1 - b + b * len(document) / mean))
        scores.append(score)
    return scores


@plain("limits.longer_theta")
def longer_theta(theta, d_head, factor):
    last = (d_head - 2) / d_head
    return theta * factor ** (1 / last)


@plain("limits.agent")
def agent(model, tools, task, max_calls):
    transcript = [task]
    while True:
        name, argument = model(transcript)
        if name == "answer":
            return argument
        if len(transcript) > max_calls:
            return None
        if name in tools:
            try:
                result = tools[name](argument)
            except Exception as error:
                result = f"error: {error}"
        else:
            result = f"error: no tool {name}"
        transcript.append((name, argument, result))
