"""A plain right solution of each exercise, without code that it does not need: what mutants are made from."""

import itertools
import math

import torch
import torch.nn.functional as F


def most_common_pair(ids):
    counts = {}
    for i in range(len(ids) - 1):
        pair = (ids[i], ids[i + 1])
        counts[pair] = counts.get(pair, 0) + 1
    best = None
    for pair in counts:
        if best is None or counts[pair] > counts[best] or (counts[pair] == counts[best] and pair < best):
            best = pair
    return best


def merge(ids, pair, new_id):
    merged = []
    i = 0
    while i < len(ids):
        if i + 1 < len(ids) and ids[i] == pair[0] and ids[i + 1] == pair[1]:
            merged.append(new_id)
            i += 2
        else:
            merged.append(ids[i])
            i += 1
    return merged


def count_pairs(pieces):
    counts = {}
    for piece, times in pieces.items():
        for pair in itertools.pairwise(piece):
            counts[pair] = counts.get(pair, 0) + times
    return counts


def train(text, n_merges):
    ids = list(text.encode())
    merges = []
    for number in range(n_merges):
        pair = most_common_pair(ids)
        if pair is None:
            break
        ids = merge(ids, pair, 256 + number)
        merges.append(pair)
    return merges


def encode(text, merges):
    ids = list(text.encode())
    for number, pair in enumerate(merges):
        ids = merge(ids, pair, 256 + number)
    return ids


def decode(ids, merges):
    table = [bytes([number]) for number in range(256)]
    for left, right in merges:
        table.append(table[left] + table[right])
    return b"".join(table[id] for id in ids).decode("utf-8", "replace")


def embed(ids, table):
    return table[ids]


def cosine_similarity(x, y):
    x = x / x.norm(dim=1, keepdim=True).clamp(min=1e-12)
    y = y / y.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return x @ y.T


def nearest(query, table, k):
    cosines = cosine_similarity(query[None], table)[0]
    best = cosines.topk(min(k, len(table)))
    return best.indices, best.values


def analogy(a, b, c, table, k):
    unit = F.normalize(table, dim=1)
    cosines = cosine_similarity((unit[b] - unit[a] + unit[c])[None], unit)[0]
    for id in (a, b, c):
        cosines[id] = -torch.inf
    best = cosines.topk(min(k, len(table) - len({a, b, c})))
    return best.indices, best.values


def sinusoidal_positions(positions, d_model):
    frequencies = 10_000.0 ** -(torch.arange(0, d_model, 2) / d_model)
    angles = positions[..., None] * frequencies
    return torch.stack((angles.sin(), angles.cos()), dim=-1).flatten(-2)


def rotate(x, cos, sin):
    half = x.shape[3] // 2
    first, second = x[..., :half], x[..., half:]
    return x * cos + torch.cat((-second, first), dim=3) * sin


def causal_mask(n_query, n_key):
    query = torch.arange(n_key - n_query, n_key)[:, None]
    key = torch.arange(n_key)[None, :]
    return key <= query


def scaled_dot_product_attention(q, k, v, mask):
    scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5
    scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=3) @ v


def split_heads(x, n_heads):
    batch, seq, width = x.shape
    return x.reshape(batch, seq, n_heads, width // n_heads).transpose(1, 2)


def merge_heads(z):
    batch, head, seq, d_head = z.shape
    return z.transpose(1, 2).reshape(batch, seq, head * d_head)


def share_heads(kv, n_heads):
    return kv.repeat_interleave(n_heads // kv.shape[1], dim=1)


def online_softmax(blocks):
    largest = total = weighted = None
    for scores, values in blocks:
        peak = scores.max(dim=1, keepdim=True).values
        new = peak if largest is None else torch.maximum(largest, peak)
        weights = (scores - new).exp()
        if largest is None:
            total, weighted = weights.sum(dim=1, keepdim=True), weights @ values
        else:
            shrink = (largest - new).exp()
            total = total * shrink + weights.sum(dim=1, keepdim=True)
            weighted = weighted * shrink + weights @ values
        largest = new
    return weighted / total


def entropy(pattern):
    logs = torch.where(pattern > 0, pattern, 1.0).log()
    return -(pattern * logs).sum(dim=2).mean(dim=1)


def previous_token_score(pattern):
    head, n_query, n_key = pattern.shape
    total, count = torch.zeros(head), 0
    for i in range(n_query):
        position = n_key - n_query + i
        if position > 0:
            total = total + pattern[:, i, position - 1]
            count += 1
    return total / count if count > 0 else total


def induction_score(pattern, ids):
    head, n_query, n_key = pattern.shape
    total, count = torch.zeros(head), 0
    for i in range(n_query):
        position = n_key - n_query + i
        keys = [key for key in range(1, position) if ids[key - 1] == ids[position]]
        if keys:
            total = total + pattern[:, i, keys].sum(dim=1)
            count += 1
    return total / count if count > 0 else total


def rollout(patterns):
    eye = torch.eye(patterns.shape[3])
    flow, after = eye, []
    for pattern in patterns:
        flow = (0.5 * eye + 0.5 * pattern.mean(dim=0)) @ flow
        after.append(flow)
    return torch.stack(after)


def ablate_heads(model, ids, layer, head):
    def edit(z):
        z = z.clone()
        z[:, head] = 0
        return z

    handle = model.blocks[layer].attention.hook_z.watch(edit)
    with torch.no_grad():
        logits = model(ids)
    handle.remove()
    return logits


def rms_norm(x, weight, eps):
    mean_square = (x * x).mean(dim=-1, keepdim=True)
    return x / (mean_square + eps).sqrt() * weight


def key_value_memory(x, keys, values):
    return F.gelu(x @ keys.T) @ values


def swiglu_mlp(x, gate, up, down):
    return (F.silu(x @ gate.T) * (x @ up.T)) @ down.T


def block_forward(block, residual):
    residual = residual + block.attention(block.attention_norm(residual))
    return residual + block.mlp(block.mlp_norm(residual))


def split_fused(c_attn):
    query, key, value = c_attn.T.chunk(3)
    return query, key, value


def count_parameters(vocab_size, d_model, n_layers, n_heads, n_kv_heads, d_mlp):
    d_head = d_model // n_heads
    attention = 2 * d_model * d_model + 2 * d_model * n_kv_heads * d_head
    block = attention + 3 * d_model * d_mlp + 2 * d_model
    return vocab_size * d_model + n_layers * block + d_model


def after_layer(model, ids, layer):
    with torch.no_grad():
        residual = model.embed(ids)
        if model.config.positions == "learned":
            residual = residual + model.position_embed(torch.arange(ids.shape[1]))
        for block in model.blocks[:layer]:
            residual = block(residual)
        return model.final_norm(residual) @ model.unembedding.T


def windows(ids, starts, seq_len):
    both = torch.stack([ids[start : start + seq_len + 1] for start in starts])
    return both[:, :-1], both[:, 1:]


def next_token_loss(logits, targets):
    counts = targets != -100
    log_p = logits.log_softmax(dim=2)[counts]
    return -log_p.gather(1, targets[counts][:, None]).mean()


def descend(weight, batches, learning_rate):
    weight = weight.clone().requires_grad_()
    for x, targets in batches:
        weight.grad = None
        F.cross_entropy(x @ weight, targets).backward()
        with torch.no_grad():
            weight -= learning_rate * weight.grad
    return weight.detach()


def learning_rate_at(step, steps, warmup, peak):
    if step < warmup:
        return peak * (step + 1) / warmup
    passed = (step - warmup) / (steps - warmup)
    return peak * (1 + math.cos(math.pi * passed)) / 2


def clip_together(gradients, limit):
    squares = 0
    for gradient in gradients:
        squares = squares + (gradient**2).sum()
    norm = squares**0.5
    if norm <= limit:
        return gradients
    return [gradient * limit / norm for gradient in gradients]


def accumulated_gradient(weight, parts):
    weight = weight.clone().requires_grad_()
    total = sum((targets != -100).sum() for x, targets in parts)
    for x, targets in parts:
        loss = F.cross_entropy(x @ weight, targets, reduction="sum")
        (loss / total).backward()
    return weight.grad


def decaying(model):
    names = []
    for name, parameter in model.named_parameters():
        if name.startswith("blocks.") and parameter.ndim == 2:
            names.append(name)
    return names


def validation_loss(model, train_batches, validation_batches):
    was_training = model.training
    model.eval()
    total = n_targets = 0
    with torch.no_grad():
        for x, y in validation_batches:
            total += F.cross_entropy(model(x).flatten(0, 1), y.flatten(), reduction="sum").item()
            n_targets += y.numel()
    model.train(was_training)
    return total / n_targets


def draw(probabilities, u):
    sums = probabilities.cumsum(dim=1)
    return (sums <= u[:, None]).sum(dim=1)


def probabilities_at(logits, temperature):
    if temperature == 0:
        return F.one_hot(logits.argmax(dim=-1), logits.shape[-1]).to(logits.dtype)
    logits = logits - logits.amax(dim=-1, keepdim=True)
    return (logits / temperature).softmax(dim=-1)


def keep_top_p(logits, p):
    shares, order = logits.softmax(dim=1).sort(dim=1, descending=True)
    cut = (shares.cumsum(dim=1) - shares >= p) & torch.tensor(p < 1)
    return logits.masked_fill(torch.zeros_like(cut).scatter(1, order, cut), -torch.inf)


def keep_min_p(logits, p):
    shares = logits.softmax(dim=1)
    return logits.masked_fill(shares < p * shares.amax(dim=1, keepdim=True), -torch.inf)


def penalise_repetition(logits, ids, penalty):
    seen = torch.zeros_like(logits).scatter(1, ids, 1.0) > 0
    smaller = torch.where(logits > 0, logits / penalty, logits * penalty)
    return torch.where(seen, smaller, logits)


def distinct_n(texts, n):
    grams = [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams)


def allowed_tokens(moves, state, tokens):
    allowed = []
    for id, token in enumerate(tokens):
        at = state
        for byte in token:
            at = moves[at].get(byte) if at is not None else None
        if token and at is not None:
            allowed.append(id)
    return allowed


# What each exercise's solution is called, and which others it needs.
PLAIN = {
    "tokenization.most_common_pair": (most_common_pair,),
    "tokenization.merge": (merge,),
    "tokenization.count_pairs": (count_pairs,),
    "tokenization.train": (train, most_common_pair, merge),
    "tokenization.encode": (encode, merge),
    "tokenization.decode": (decode,),
    "embeddings.lookup": (embed,),
    "embeddings.cosine_similarity": (cosine_similarity,),
    "embeddings.nearest": (nearest, cosine_similarity),
    "embeddings.analogy": (analogy, cosine_similarity),
    "embeddings.sinusoidal": (sinusoidal_positions,),
    "attention.causal_mask": (causal_mask,),
    "attention.scaled_dot_product": (scaled_dot_product_attention,),
    "attention.split_heads": (split_heads,),
    "attention.merge_heads": (merge_heads,),
    "attention.rotate": (rotate,),
    "attention.grouped_queries": (share_heads,),
    "attention.online_softmax": (online_softmax,),
    "interpret.entropy": (entropy,),
    "interpret.previous_token_score": (previous_token_score,),
    "interpret.induction_score": (induction_score,),
    "interpret.rollout": (rollout,),
    "interpret.ablate_heads": (ablate_heads,),
    "transformer.rms_norm": (rms_norm,),
    "transformer.key_value_memory": (key_value_memory,),
    "transformer.swiglu_mlp": (swiglu_mlp,),
    "transformer.block_forward": (block_forward,),
    "transformer.split_fused": (split_fused,),
    "transformer.count_parameters": (count_parameters,),
    "transformer.after_layer": (after_layer,),
    "training.windows": (windows,),
    "training.next_token_loss": (next_token_loss,),
    "training.descend": (descend,),
    "training.learning_rate_at": (learning_rate_at,),
    "training.clip_together": (clip_together,),
    "training.accumulated_gradient": (accumulated_gradient,),
    "training.decaying": (decaying,),
    "training.validation_loss": (validation_loss,),
    "sampling.draw": (draw,),
    "sampling.probabilities_at": (probabilities_at,),
    "sampling.keep_top_p": (keep_top_p,),
    "sampling.keep_min_p": (keep_min_p,),
    "sampling.penalise_repetition": (penalise_repetition,),
    "sampling.distinct_n": (distinct_n,),
    "sampling.allowed_tokens": (allowed_tokens,),
}
