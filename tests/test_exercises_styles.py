"""Right solutions in styles other than the library's: loops, einsum, numpy and back. All of them must pass."""

import math
from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from llmlib.exercises.checking import examine
from llmlib.exercises.registry import all_exercises, find

STYLES = defaultdict(list)


def solves(name):
    def keep(function):
        STYLES[name].append(function)
        return function

    return keep


# --- lesson 01 ---


@solves("tokenization.most_common_pair")
def counted_by_hand(ids):
    best, best_count = None, 0
    counts = {}
    for i in range(len(ids) - 1):
        counts[ids[i], ids[i + 1]] = counts.get((ids[i], ids[i + 1]), 0) + 1
    for pair, count in counts.items():
        if count > best_count or (count == best_count and pair < best):
            best, best_count = pair, count
    return best


@solves("tokenization.most_common_pair")
def counted_with_numpy(ids):
    if len(ids) < 2:
        return None
    pairs, counts = np.unique(np.array([ids[:-1], ids[1:]]).T, axis=0, return_counts=True)
    return tuple(pairs[counts.argmax()])


@solves("tokenization.merge")
def merged_backwards_into_a_stack(ids, pair, new_id):
    waiting, out = list(reversed(ids)), []
    while waiting:
        first = waiting.pop()
        if waiting and (first, waiting[-1]) == pair:
            waiting.pop()
            first = new_id
        out.append(first)
    return out


@solves("tokenization.merge")
def merged_recursively_and_as_numpy(ids, pair, new_id):
    for i in range(len(ids) - 1):
        if (ids[i], ids[i + 1]) == pair:
            return list(np.array([*ids[:i], new_id])) + merged_recursively_and_as_numpy(ids[i + 2 :], pair, new_id)
    return list(ids)


@solves("tokenization.count_pairs")
def counted_in_a_plain_dictionary(pieces):
    counts = defaultdict(int)
    for piece in pieces:
        for i in range(1, len(piece)):
            counts[piece[i - 1], piece[i]] += pieces[piece]
    return dict(counts)


@solves("tokenization.count_pairs")
def counted_from_a_long_list(pieces):
    return Counter(pair for piece, n in pieces.items() for _ in range(n) for pair in pairwise(piece))


@solves("tokenization.train")
def trained_recursively(text, n_merges):
    def go(ids, merges):
        pair = counted_by_hand(ids)
        if pair is None or len(merges) == n_merges:
            return merges
        return go(merged_backwards_into_a_stack(ids, pair, 256 + len(merges)), [*merges, pair])

    return go(bytearray(text, "utf-8"), [])


@solves("tokenization.train")
def trained_on_strings(text, n_merges):
    text = "".join(map(chr, text.encode()))
    merges = []
    for number in range(n_merges):
        pair = counted_by_hand(text)
        if pair is None:
            break
        text = text.replace("".join(pair), chr(256 + number))
        merges.append(tuple(map(ord, pair)))
    return merges


@solves("tokenization.encode")
def encoded_by_the_lowest_rank(text, merges):
    ids, rank = list(text.encode()), {pair: i for i, pair in enumerate(merges)}
    while len(ids) > 1:
        best = min(pairwise(ids), key=lambda pair: rank.get(pair, math.inf))
        if best not in rank:
            break
        ids = merged_backwards_into_a_stack(ids, best, 256 + rank[best])
    return ids


@solves("tokenization.encode")
def encoded_one_merge_at_a_time(text, merges):
    ids = [int(b) for b in np.frombuffer(text.encode(), dtype=np.uint8)]
    while found := sorted((merges.index(p), i) for i, p in enumerate(pairwise(ids)) if p in merges):
        number, i = found[0]
        ids[i : i + 2] = [256 + number]
    return ids


@solves("tokenization.decode")
def decoded_with_a_stack(ids, merges):
    waiting, data = list(ids)[::-1], bytearray()
    while waiting:
        id = waiting.pop()
        if id < 256:
            data.append(id)
        else:
            left, right = merges[id - 256]
            waiting += [right, left]
    return str(data, "utf-8", "replace")


@solves("tokenization.decode")
def decoded_recursively(ids, merges):
    def parts(id):
        return bytes([id]) if id < 256 else parts(merges[id - 256][0]) + parts(merges[id - 256][1])

    return b"".join(map(parts, ids)).decode("utf-8", errors="replace")


# --- lesson 02 ---


@solves("embeddings.lookup")
def looked_up_in_loops(ids, table):
    return torch.stack([torch.stack([table[i] for i in row]) for row in ids])


@solves("embeddings.lookup")
def looked_up_as_one_hot(ids, table):
    return torch.einsum("bsv,vd->bsd", F.one_hot(ids, len(table)).to(table.dtype), table)


@solves("embeddings.lookup")
def looked_up_in_numpy(ids, table):
    return torch.from_numpy(table.numpy()[ids.numpy()])


@solves("embeddings.cosine_similarity")
def cosines_in_loops(x, y):
    out = torch.zeros(len(x), len(y), dtype=x.dtype)
    for i, a in enumerate(x):
        for j, b in enumerate(y):
            lengths = a.norm() * b.norm()
            if lengths > 0:
                out[i, j] = (a * b).sum() / lengths
    return out


@solves("embeddings.cosine_similarity")
def cosines_by_torch(x, y):
    return F.cosine_similarity(x[:, None], y[None], dim=-1)


@solves("embeddings.cosine_similarity")
def cosines_in_numpy(x, y):
    a, b = x.numpy(), y.numpy()
    lengths = np.sqrt(np.einsum("ld,ld->l", a, a))[:, None] * np.sqrt(np.einsum("rd,rd->r", b, b))
    return torch.from_numpy(np.divide(a @ b.T, lengths, out=np.zeros_like(lengths), where=lengths > 0))


@solves("embeddings.nearest")
def nearest_by_sorting(query, table, k):
    cosines = F.cosine_similarity(table, query[None])
    order = cosines.argsort(descending=True)[:k]
    return order, cosines[order]


@solves("embeddings.nearest")
def nearest_in_numpy(query, table, k):
    q, t = query.numpy(), table.numpy()
    cosines = t @ q / np.linalg.norm(t, axis=1) / np.linalg.norm(q)
    order = np.argsort(-cosines)[:k]
    return torch.from_numpy(order.copy()), torch.from_numpy(cosines[order])


@solves("embeddings.analogy")
def analogy_by_deleting(a, b, c, table, k):
    unit = table / table.norm(dim=1)[:, None]
    cosines = F.cosine_similarity(unit, (unit[b] - unit[a] + unit[c])[None])
    kept = [i for i in cosines.argsort(descending=True).tolist() if i not in {a, b, c}][:k]
    return torch.tensor(kept), cosines[kept]


@solves("embeddings.analogy")
def analogy_in_numpy(a, b, c, table, k):
    unit = table.numpy() / np.linalg.norm(table.numpy(), axis=1, keepdims=True)
    step = unit[b] - unit[a]
    cosines = unit @ (unit[c] + step) / np.linalg.norm(unit[c] + step)
    cosines[[a, b, c]] = -2
    order = np.argsort(-cosines)[: min(k, len(unit) - 3)]
    return torch.tensor(order), torch.tensor(cosines[order])


@solves("embeddings.sinusoidal")
def sinusoids_in_loops(positions, d_model):
    rows = [
        [(math.sin, math.cos)[c % 2](p / 10_000 ** ((c - c % 2) / d_model)) for c in range(d_model)]
        for p in positions.flatten().tolist()
    ]
    return torch.tensor(rows).reshape(*positions.shape, d_model)


@solves("embeddings.sinusoidal")
def sinusoids_by_filling(positions, d_model):
    angles = positions[..., None] * torch.exp(-math.log(10_000.0) * torch.arange(0, d_model, 2) / d_model)
    out = torch.empty(*positions.shape, d_model)
    out[..., 0::2], out[..., 1::2] = angles.sin(), angles.cos()
    return out


@solves("embeddings.rotate")
def rotated_with_complex_numbers(x, cos, sin):
    half = x.shape[-1] // 2
    z = torch.complex(x[..., :half], x[..., half:]) * torch.complex(cos, sin)[..., :half]
    return torch.cat((z.real, z.imag), dim=-1)


@solves("embeddings.rotate")
def rotated_in_loops_of_numpy(x, cos, sin):
    x, cos, sin = x.numpy(), np.broadcast_to(cos.numpy(), x.shape), np.broadcast_to(sin.numpy(), x.shape)
    out, half = np.empty_like(x), x.shape[-1] // 2
    for i in range(half):
        u, v = x[..., i], x[..., i + half]
        out[..., i] = u * cos[..., i] - v * sin[..., i]
        out[..., i + half] = v * cos[..., i] + u * sin[..., i]
    return torch.from_numpy(out)


# --- lesson 03 ---


@solves("attention.causal_mask")
def mask_by_tril(n_query, n_key):
    return torch.ones(n_query, n_key).tril(diagonal=n_key - n_query).bool()


@solves("attention.causal_mask")
def mask_in_loops(n_query, n_key):
    return torch.tensor([[key <= n_key - n_query + q for key in range(n_key)] for q in range(n_query)])


@solves("attention.causal_mask")
def mask_of_numpy(n_query, n_key):
    return torch.from_numpy(np.tri(n_query, n_key, n_key - n_query, dtype=bool))


@solves("attention.scaled_dot_product")
def attention_in_loops(q, k, v, mask):
    out = torch.zeros_like(q)
    for b in range(q.shape[0]):
        for h in range(q.shape[1]):
            for i in range(q.shape[2]):
                allowed = mask[i].nonzero().flatten()
                weights = (k[b, h, allowed] @ q[b, h, i] * q.shape[-1] ** -0.5).softmax(0)
                out[b, h, i] = weights @ v[b, h, allowed]
    return out


@solves("attention.scaled_dot_product")
def attention_by_einsum(q, k, v, mask):
    scores = torch.einsum("bhqd,bhkd->bhqk", q / math.sqrt(q.size(-1)), k) + torch.where(mask, 0.0, -torch.inf)
    return torch.einsum("bhqk,bhkd->bhqd", F.softmax(scores, dim=3), v)


@solves("attention.scaled_dot_product")
def attention_by_torch(q, k, v, mask):
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


@solves("attention.scaled_dot_product")
def attention_in_numpy(q, k, v, mask):
    q, k, v, mask = (t.numpy() for t in (q, k, v, mask))
    scores = np.where(mask, q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1]), -1e9)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return torch.from_numpy((weights / weights.sum(-1, keepdims=True) @ v).astype(q.dtype))


@solves("attention.split_heads")
def split_by_chunks(x, n_heads):
    return torch.stack(x.chunk(n_heads, dim=-1), dim=1)


@solves("attention.split_heads")
def split_in_numpy(x, n_heads):
    batch, seq, _ = x.shape
    return torch.from_numpy(x.numpy().reshape(batch, seq, n_heads, -1).transpose(0, 2, 1, 3).copy())


@solves("attention.merge_heads")
def merged_by_cat(z):
    return torch.cat([z[:, h] for h in range(z.shape[1])], dim=-1)


@solves("attention.merge_heads")
def merged_by_einsum(z):
    return torch.einsum("bhsd->bshd", z).flatten(2)


@solves("attention.merge_heads")
def merged_in_numpy(z):
    return torch.from_numpy(np.concatenate(list(z.numpy().swapaxes(0, 1)), axis=-1))


@solves("attention.grouped_queries")
def shared_in_a_loop(kv, n_heads):
    return torch.stack([kv[:, h * kv.shape[1] // n_heads] for h in range(n_heads)], dim=1)


@solves("attention.grouped_queries")
def shared_by_expanding(kv, n_heads):
    return kv[:, :, None].expand(-1, -1, n_heads // kv.shape[1], -1, -1).flatten(1, 2)


@solves("attention.grouped_queries")
def shared_in_numpy(kv, n_heads):
    return torch.from_numpy(np.repeat(kv.numpy(), n_heads // kv.shape[1], axis=1))


@solves("attention.online_softmax")
def by_logarithms(blocks):
    sums = means = None
    for number in range(len(blocks)):
        scores, values = blocks[number]
        log_sum, mean = scores.logsumexp(-1, keepdim=True), scores.softmax(-1) @ values
        if sums is None:
            sums, means = log_sum, mean
        else:
            share = torch.sigmoid(log_sum - sums)  # of this block in all so far
            means, sums = means.lerp(mean, share.expand_as(mean)), torch.logaddexp(sums, log_sum)
    return means


@solves("attention.online_softmax")
def one_key_at_a_time_in_numpy(blocks):
    rows = []
    for q in range(len(blocks[0][0])):
        peak, total, weighted = -np.inf, 0.0, 0.0
        for scores, values in blocks:
            for score, value in zip(scores[q].numpy(), values.numpy()):
                if score > peak:
                    shrink = np.exp(peak - score)
                    total, weighted, peak = total * shrink, weighted * shrink, score
                total, weighted = total + np.exp(score - peak), weighted + np.exp(score - peak) * value
        rows.append(weighted / total)
    return torch.from_numpy(np.stack(rows)).to(blocks[0][0].dtype)


# --- lesson 04 ---


@solves("interpret.entropy")
def entropy_by_torch(pattern):
    return torch.distributions.Categorical(probs=pattern).entropy().mean(-1)


@solves("interpret.entropy")
def entropy_in_loops(pattern):
    heads = []
    for head in pattern.tolist():
        heads.append(sum(-p * math.log(p) for row in head for p in row if p > 0) / len(head))
    return torch.tensor(heads)


@solves("interpret.previous_token_score")
def previous_by_diagonal(pattern):
    n_query, n_key = pattern.shape[-2:]
    found = pattern.diagonal(n_key - n_query - 1, dim1=-2, dim2=-1)
    return found.mean(-1) if found.shape[-1] else torch.zeros(len(pattern))


@solves("interpret.previous_token_score")
def previous_in_loops(pattern):
    _, n_query, n_key = pattern.shape
    positions = [(q, n_key - n_query + q - 1) for q in range(n_query) if n_key - n_query + q > 0]
    means = [np.mean([p[q, k].item() for q, k in positions]) if positions else 0.0 for p in pattern]
    return torch.tensor(means, dtype=torch.float32)


@solves("interpret.induction_score")
def induction_in_loops(pattern, ids):
    _, n_query, n_key = pattern.shape
    scores = []
    for head in pattern:
        rows = []
        for q in range(n_query):
            position = n_key - n_query + q
            keys = [k for k in range(1, position) if ids[k - 1] == ids[position]]
            if keys:
                rows.append(sum(head[q, k].item() for k in keys))
        scores.append(sum(rows) / len(rows) if rows else 0.0)
    return torch.tensor(scores)


@solves("interpret.induction_score")
def induction_by_einsum(pattern, ids):
    n_query, n_key = pattern.shape[-2:]
    there = (
        F.pad(ids[-n_query:, None] == ids[:-1], (1, 0)) & torch.ones(n_query, n_key).tril(n_key - n_query - 1).bool()
    )
    return torch.einsum("hqk,qk->h", pattern, there.float()) / there.any(1).sum().clamp(min=1)


@solves("interpret.rollout")
def rollout_by_chaining(patterns):
    layers = [(torch.eye(p.shape[-1]) + p.mean(0)) / 2 for p in patterns]
    return torch.stack([torch.linalg.multi_dot([*layers[n::-1]]) if n else layers[0] for n in range(len(layers))])


@solves("interpret.rollout")
def rollout_in_numpy(patterns):
    flow, out = np.eye(patterns.shape[-1], dtype=np.float32), []
    for mean in patterns.numpy().mean(1):
        flow = 0.5 * flow + 0.5 * np.einsum("qk,kj->qj", mean, flow)
        out.append(flow)
    return torch.from_numpy(np.stack(out))


@solves("interpret.ablate_heads")
def ablated_with_a_handle(model, ids, layer, head):
    def silence(z):
        keep = torch.ones(z.shape[1])
        keep[head] = 0
        return z * keep[:, None, None]

    handle = model.blocks[layer].attention.hook_z.watch(silence)
    try:
        return model(ids)
    finally:
        handle.remove()


@solves("interpret.ablate_heads")
def ablated_by_the_weights(model, ids, layer, head):
    attention = model.blocks[layer].attention
    weight = attention.output.weight
    saved, columns = weight.clone(), slice(head * attention.d_head, (head + 1) * attention.d_head)
    with torch.no_grad():
        weight[:, columns] = 0
        logits = model(ids)
        weight.copy_(saved)
    return logits


@pytest.mark.parametrize(
    ("name", "solution"), [pytest.param(n, f, id=f"{n}-{f.__name__}") for n, fs in STYLES.items() for f in fs]
)
def test_a_right_solution_in_another_style_passes(name, solution):
    report = examine(find(name), solution, seed=3)
    assert report.kind == "correct", report


def test_every_exercise_is_solved_in_two_other_styles():
    assert {name: len(STYLES[name]) for name in (e.name for e in all_exercises()) if len(STYLES[name]) < 2} == {}
