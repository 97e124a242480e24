"""Right solutions of lesson 03: a plain one for each exercise, and others in other styles."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from exercises.right import plain, solves
from llmlib import attention, embeddings


@plain("attention.causal_mask")
def causal_mask(n_query, n_key):
    query = torch.arange(n_key - n_query, n_key)[:, None]
    key = torch.arange(n_key)[None, :]
    return key <= query


@solves("attention.causal_mask")
def mask_by_tril(n_query, n_key):
    return torch.ones(n_query, n_key).tril(diagonal=n_key - n_query).bool()


@solves("attention.causal_mask")
def mask_in_loops(n_query, n_key):
    return torch.tensor([[key <= n_key - n_query + q for key in range(n_key)] for q in range(n_query)])


@solves("attention.causal_mask")
def mask_of_numpy(n_query, n_key):
    return torch.from_numpy(np.tri(n_query, n_key, n_key - n_query, dtype=bool))


@plain("attention.scaled_dot_product")
def scaled_dot_product_attention(q, k, v, mask):
    scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5
    scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(dim=3) @ v


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


@plain("attention.split_heads")
def split_heads(x, n_heads):
    batch, seq, width = x.shape
    return x.reshape(batch, seq, n_heads, width // n_heads).transpose(1, 2)


@solves("attention.split_heads")
def split_by_chunks(x, n_heads):
    return torch.stack(x.chunk(n_heads, dim=-1), dim=1)


@solves("attention.split_heads")
def split_in_numpy(x, n_heads):
    batch, seq, _ = x.shape
    return torch.from_numpy(x.numpy().reshape(batch, seq, n_heads, -1).transpose(0, 2, 1, 3).copy())


@plain("attention.merge_heads")
def merge_heads(z):
    batch, head, seq, d_head = z.shape
    return z.transpose(1, 2).reshape(batch, seq, head * d_head)


@solves("attention.merge_heads")
def merged_by_cat(z):
    return torch.cat([z[:, h] for h in range(z.shape[1])], dim=-1)


@solves("attention.merge_heads")
def merged_by_einsum(z):
    return torch.einsum("bhsd->bshd", z).flatten(2)


@solves("attention.merge_heads")
def merged_in_numpy(z):
    return torch.from_numpy(np.concatenate(list(z.numpy().swapaxes(0, 1)), axis=-1))


@plain("attention.rotate")
def rotate(x, cos, sin):
    half = x.shape[3] // 2
    first, second = x[..., :half], x[..., half:]
    return x * cos + torch.cat((-second, first), dim=3) * sin


@solves("attention.rotate")
def rotated_with_complex_numbers(x, cos, sin):
    half = x.shape[-1] // 2
    z = torch.complex(x[..., :half], x[..., half:]) * torch.complex(cos, sin)[..., :half]
    return torch.cat((z.real, z.imag), dim=-1)


@solves("attention.rotate")
def rotated_in_loops_of_numpy(x, cos, sin):
    x, cos, sin = x.numpy(), np.broadcast_to(cos.numpy(), x.shape), np.broadcast_to(sin.numpy(), x.shape)
    out, half = np.empty_like(x), x.shape[-1] // 2
    for i in range(half):
        u, v = x[..., i], x[..., i + half]
        out[..., i] = u * cos[..., i] - v * sin[..., i]
        out[..., i + half] = v * cos[..., i] + u * sin[..., i]
    return torch.from_numpy(out)


@plain("attention.grouped_queries")
def share_heads(kv, n_heads):
    return kv.repeat_interleave(n_heads // kv.shape[1], dim=1)


@solves("attention.grouped_queries")
def shared_in_a_loop(kv, n_heads):
    return torch.stack([kv[:, h * kv.shape[1] // n_heads] for h in range(n_heads)], dim=1)


@solves("attention.grouped_queries")
def shared_by_expanding(kv, n_heads):
    return kv[:, :, None].expand(-1, -1, n_heads // kv.shape[1], -1, -1).flatten(1, 2)


@solves("attention.grouped_queries")
def shared_in_numpy(kv, n_heads):
    return torch.from_numpy(np.repeat(kv.numpy(), n_heads // kv.shape[1], axis=1))


@plain("attention.online_softmax")
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


@plain("attention.multi_head")
class MultiHeadAttention(nn.Module):
    def __init__(self, d_model, n_heads, n_kv_heads):
        super().__init__()
        self.n_heads = n_heads
        self.n_kv_heads = n_kv_heads
        d_head = d_model // n_heads
        self.query = nn.Linear(d_model, n_heads * d_head, bias=False)
        self.key = nn.Linear(d_model, n_kv_heads * d_head, bias=False)
        self.value = nn.Linear(d_model, n_kv_heads * d_head, bias=False)
        self.output = nn.Linear(n_heads * d_head, d_model, bias=False)

    def forward(self, x, cos, sin):
        q = embeddings.rotate(attention.split_heads(self.query(x), self.n_heads), cos, sin)
        k = embeddings.rotate(attention.split_heads(self.key(x), self.n_kv_heads), cos, sin)
        v = attention.split_heads(self.value(x), self.n_kv_heads)
        k = attention.share_heads(k, self.n_heads)
        v = attention.share_heads(v, self.n_heads)
        mask = attention.causal_mask(x.shape[1], x.shape[1])
        z = attention.scaled_dot_product_attention(q, k, v, mask)
        return self.output(attention.merge_heads(z))


@solves("attention.multi_head")
class AttentionByTorch(torch.nn.Module):
    def __init__(self, width, heads, kv_heads):
        super().__init__()
        self.d_head = width // heads
        for name, n in {"query": heads, "key": kv_heads, "value": kv_heads, "output": heads}.items():
            self.add_module(name, torch.nn.Linear(width, n * self.d_head, bias=False))

    def cut(self, part, x):
        return part(x).unflatten(-1, (-1, self.d_head)).transpose(1, 2)

    def forward(self, x, cos, sin):
        q, k, v = (self.cut(part, x) for part in (self.query, self.key, self.value))
        half = self.d_head // 2
        q, k = (t * cos + torch.cat((-t[..., half:], t[..., :half]), -1) * sin for t in (q, k))
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.output(z.transpose(1, 2).flatten(2))


def turned(t, cos, sin):
    first, second = t.chunk(2, dim=-1)
    return t * cos[:, 0] + torch.cat([-second, first], dim=-1) * sin[:, 0]


class HeadByHead(torch.nn.Module):
    """Inherited by the next one."""

    def __init__(self, d_model, n_heads, n_kv_heads):
        torch.nn.Module.__init__(self)
        self.n_heads, self.d_head, self.group = n_heads, d_model // n_heads, n_heads // n_kv_heads
        self.query, self.output = (torch.nn.Linear(d_model, d_model, False) for _ in range(2))
        self.key, self.value = (torch.nn.Linear(d_model, n_kv_heads * self.d_head, False) for _ in range(2))


@solves("attention.multi_head")
class AttentionHeadByHead(HeadByHead):
    def forward(self, x, cos, sin):
        queries, keys, values = self.query(x), self.key(x), self.value(x)
        hidden, result = torch.ones(x.shape[1], x.shape[1]).triu(1).bool(), []
        for h in range(self.n_heads):
            shared = h // self.group
            q = turned(queries[..., h * self.d_head : (h + 1) * self.d_head], cos, sin)
            k = turned(keys[..., shared * self.d_head : (shared + 1) * self.d_head], cos, sin)
            scores = (q @ k.transpose(1, 2) / math.sqrt(self.d_head)).masked_fill(hidden, -math.inf)
            result.append(scores.softmax(-1) @ values[..., shared * self.d_head : (shared + 1) * self.d_head])
        return self.output(torch.cat(result, -1))


@plain("attention.previous_occurrence")
def previous_occurrence(attend, vocab_size, n_positions):
    width = vocab_size + n_positions
    w_q = torch.zeros(width, width + 1)
    w_k = torch.zeros(width, width + 1)
    for token in range(vocab_size):
        w_q[token, token] = 20 * n_positions
        w_k[token, token] = 1
    for position in range(n_positions):
        row = vocab_size + position
        w_q[row, row] = -40 * n_positions
        w_k[row, row] = 1
        w_q[row, width] = 10
        w_k[row, width] = position
    return attend(w_q, w_k)


@solves("attention.previous_occurrence")
def a_table_of_all_scores(attend, vocab_size, n_positions):
    place = torch.arange(n_positions).float()
    by_place = torch.where(place[None] < place[:, None], 9 * place[None], torch.tensor(-1e6))  # query, key
    table = torch.block_diag(1e4 * torch.eye(vocab_size), by_place)
    return attend(torch.eye(len(table)), table.T.contiguous())


@solves("attention.previous_occurrence")
def wishes_side_by_side(attend, vocab_size, n_positions):
    n = n_positions
    token, place = np.eye(vocab_size, vocab_size + n), np.eye(n, vocab_size + n, vocab_size)
    start = np.concatenate([token, place])
    count = np.concatenate([np.zeros(vocab_size), np.arange(n)])[:, None]
    w_q = np.concatenate([start[:, :vocab_size] * 30 * n, -start[:, vocab_size:] * 60 * n, np.full_like(count, 3.0)], 1)
    w_k = np.concatenate([start, 2 * count], 1)
    return attend(torch.from_numpy(w_q), torch.from_numpy(w_k))


@plain("attention.turns")
def turns(n_tokens, d_head, theta):
    speeds = theta ** (-torch.arange(0, d_head, 2) / d_head)
    angles = torch.arange(n_tokens)[:, None] * speeds
    angles = torch.cat((angles, angles), dim=1)[None, None]
    return angles.cos(), angles.sin()


@solves("attention.turns")
def turns_in_loops(n_tokens, d_head, theta):
    half = d_head // 2
    angles = torch.zeros(1, 1, n_tokens, d_head)
    for position in range(n_tokens):
        for pair in range(half):
            angles[..., position, pair] = angles[..., position, pair + half] = position / theta ** (pair / half)
    return torch.cos(angles), torch.sin(angles)


@solves("attention.turns")
def turns_by_powers(n_tokens, d_head, theta):
    speeds = torch.exp(-torch.linspace(0, 1, d_head // 2 + 1)[:-1] * math.log(theta))
    angles = torch.outer(torch.arange(n_tokens).float(), speeds).repeat(1, 2)
    return angles.cos()[None, None, :, :], angles.sin()[None, None, :, :]
