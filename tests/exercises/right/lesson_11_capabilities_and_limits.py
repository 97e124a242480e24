"""Right solutions of lesson 11: a plain one for each exercise, and others in other styles."""

import math
from collections import Counter

import numpy as np
import torch

from exercises.right import plain, solves


@plain("limits.choose")
def choose(choices, log_probs):
    best, highest = 0, -math.inf
    for i in range(len(choices)):
        score = log_probs[i] / len(choices[i].encode())
        if score > highest:
            best, highest = i, score
    return best


@solves("limits.choose")
def by_the_length_of_a_code(choices, log_probs):
    """The probability of a byte, on average, is a root of the whole."""
    lengths = [len(bytes(choice, "utf-8")) for choice in choices]
    return max(range(len(choices)), key=lambda i: log_probs[i] / lengths[i])


@solves("limits.choose")
def by_surprise_in_numpy(choices, log_probs):
    bits = -np.array(log_probs) / np.log(2)
    return int((bits / np.array([len(c.encode("utf-8")) for c in choices])).argmin())


@solves("limits.choose")
def with_torch(choices, log_probs):
    sizes = torch.tensor([len(c.encode()) for c in choices], dtype=torch.float64)
    return (torch.tensor(log_probs, dtype=torch.float64) / sizes).argmax().item()


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


@solves("limits.p_value")
def by_all_splits(first, second):
    alone = [a - b for a, b in zip(map(int, first), map(int, second)) if a != b]
    n, gap = len(alone), abs(sum(alone))
    return sum(math.comb(n, k) for k in range(n + 1) if abs(n - 2 * k) >= gap) / 2**n


@solves("limits.p_value")
def by_a_walk(first, second):
    """The distribution of heads minus tails, coin after coin."""
    reached, difference = {0: 1.0}, 0
    for a, b in zip(first, second):
        if a == b:
            continue
        difference += 1 if a else -1
        new = Counter()
        for place, p in reached.items():
            new[place + 1] += p / 2
            new[place - 1] += p / 2
        reached = new
    return sum(p for place, p in reached.items() if abs(place) >= abs(difference))


@solves("limits.p_value")
def less_the_middle(first, second):
    n = sum(a != b for a, b in zip(first, second))
    more = max(sum(a > b for a, b in zip(first, second)), sum(a < b for a, b in zip(first, second)))
    between = range(n - more + 1, more)
    return 1 - sum(math.comb(n, k) for k in between) / 2**n


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


@solves("limits.calibration_error")
def sums_of_differences(confidences, right, bins):
    sums = [0.0] * bins
    for confidence, hit in zip(confidences, right):
        sums[max(math.ceil(confidence * bins), 1) - 1] += confidence - hit
    return sum(map(abs, sums)) / len(confidences)


@solves("limits.calibration_error")
def with_numpy(confidences, right, bins):
    c, r = np.array(confidences), np.array(right, dtype=float)
    places = np.digitize(c, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    gaps = [abs(c[places == b].mean() - r[places == b].mean()) * (places == b).mean() for b in set(places)]
    return float(sum(gaps))


@plain("limits.threshold")
def threshold(scores, right, wanted):
    best = math.inf
    for bar in scores:
        shown = [right[i] for i in range(len(scores)) if scores[i] >= bar]
        if sum(shown) / len(shown) >= wanted:
            best = min(best, bar)
    return best


@solves("limits.threshold")
def from_the_lowest(scores, right, wanted):
    for bar in sorted(scores):
        shown = [hit for score, hit in zip(scores, right) if not score < bar]
        if shown.count(True) >= wanted * len(shown):
            return bar
    return float("inf")


@solves("limits.threshold")
def with_numpy_by_counts(scores, right, wanted):
    s, r = np.array(scores), np.array(right)
    shown = s[None] >= s[:, None]
    good = (shown & r).sum(1) >= wanted * shown.sum(1)
    return float(s[good].min()) if good.any() else math.inf


@solves("limits.threshold")
def by_sorting_with_ties(scores, right, wanted):
    pairs, best, hits = sorted(zip(scores, right), reverse=True), math.inf, 0
    for n, (score, hit) in enumerate(pairs, 1):
        hits += hit
        last_of_equals = n == len(pairs) or pairs[n][0] < score
        if last_of_equals and hits / n >= wanted:
            best = score
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


@solves("limits.bm25")
def with_counters(query, documents, k1, b):
    counts = [Counter(document) for document in documents]
    having = Counter(word for count in counts for word in count)
    mean = sum(count.total() for count in counts) / len(counts)
    idf = {w: math.log1p((len(counts) - n + 0.5) / (n + 0.5)) for w, n in having.items()}
    return [
        sum(
            idf[word] * count[word] * (k1 + 1) / (count[word] + k1 * (1 - b + b * count.total() / mean))
            for word in query
            if word in count
        )
        for count in counts
    ]


@solves("limits.bm25")
def in_arrays(query, documents, k1, b):
    lengths = np.array([len(d) for d in documents], dtype=float)
    f = np.array([[d.count(w) for w in query] for d in documents], dtype=float).reshape(len(documents), len(query))
    n = (f > 0).sum(0)
    rarity = np.log((len(documents) + 1) / (n + 0.5))
    slowed = k1 * ((1 - b) + b * lengths / lengths.mean())
    return (rarity * f * (k1 + 1) / (f + slowed[:, None])).sum(1).tolist()


@plain("limits.longer_theta")
def longer_theta(theta, d_head, factor):
    last = (d_head - 2) / d_head
    return theta * factor ** (1 / last)


@solves("limits.longer_theta")
def by_the_speed_of_the_last_pair(theta, d_head, factor):
    i = d_head // 2 - 1
    speed = theta ** (-2 * i / d_head) / factor
    return speed ** (-d_head / (2 * i))


@solves("limits.longer_theta")
def by_logarithms(theta, d_head, factor):
    return math.exp(math.log(theta) + math.log(factor) * d_head / (d_head - 2))


@solves("limits.longer_theta")
def by_halving(theta, d_head, factor):
    exponent = -(d_head - 2) / d_head
    low, high = theta / 2, theta * factor**3
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if middle**exponent > theta**exponent / factor else (low, middle)
    return low


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


@solves("limits.agent")
def with_a_helper_and_recursion(model, tools, task, max_calls):
    def attempt(name, argument):
        if name not in tools:
            return "error: no tool " + name
        try:
            return tools[name](argument)
        except Exception as error:
            return "error: " + str(error)

    def turn(transcript, left):
        name, argument = model(transcript)
        if name == "answer":
            return argument
        return turn([*transcript, (name, argument, attempt(name, argument))], left - 1) if left else None

    return turn([task], max_calls)


@solves("limits.agent")
def asks_once_more_after_the_loop(model, tools, task, max_calls):
    seen = [task]
    step = model(seen)
    for _ in range(max_calls):
        if step[0] == "answer":
            break
        name, argument = step
        tool = tools.get(name)
        if tool is None:
            result = f"error: no tool {name}"
        else:
            try:
                result = tool(argument)
            except Exception as e:
                result = f"error: {e}"
        seen += [(name, argument, result)]
        step = model(seen)
    return step[1] if step[0] == "answer" else None
