// The course's Transformer in plain JavaScript, step by step as in lesson 05: RMSNorm, attention with rotary positions
// and normalised queries and keys, and SwiGLU. A Float32Array holds a matrix row by row. Activations have one row per
// token.

const CODE_OF_ONE = 254; // an attention weight w is stored as the byte 254 · √w, which the attention view expects

/**
 * Return x Wᵀ for `n` rows of x. W is [d_out, d_in], row by row. The loop computes four outputs at once: each number of
 * x is loaded once for all four, and the processor does not have to wait for one sum before it starts the next.
 */
export function linear(x, weight, n) {
  const dIn = x.length / n;
  const dOut = weight.length / dIn; // a multiple of four in every model here
  const y = new Float32Array(n * dOut);
  for (let t = 0; t < n; t++)
    for (let o = 0; o < dOut; o += 4) {
      const [row, at] = [o * dIn, t * dIn];
      let a = 0;
      let b = 0;
      let c = 0;
      let d = 0;
      for (let i = 0; i < dIn; i++) {
        const value = x[at + i];
        a += weight[row + i] * value;
        b += weight[row + dIn + i] * value;
        c += weight[row + 2 * dIn + i] * value;
        d += weight[row + 3 * dIn + i] * value;
      }
      y.set([a, b, c, d], t * dOut + o);
    }
  return y;
}

/** Return x / √(mean of x² + eps) · weight for each row of x; a row is as long as the weight. */
export function rmsNorm(x, weight, eps) {
  const y = new Float32Array(x.length);
  const width = weight.length;
  for (let at = 0; at < x.length; at += width) {
    let squares = 0;
    for (let i = 0; i < width; i++) squares += x[at + i] ** 2;
    const scale = 1 / Math.sqrt(squares / width + eps);
    for (let i = 0; i < width; i++) y[at + i] = x[at + i] * scale * weight[i];
  }
  return y;
}

/** Return SiLU(gate) · up. */
export function swiglu(gate, up) {
  return gate.map((g, i) => (g / (1 + Math.exp(-g))) * up[i]);
}

/** Apply rotary positions: rotate each pair of channels (i, i + d_head/2) of a head by its angle at each position. */
export function rotate(x, start, dModel, dHead, theta) {
  const half = dHead / 2;
  for (let t = 0; t * dModel < x.length; t++)
    for (let i = 0; i < half; i++) {
      const angle = Math.fround((start + t) * Math.fround(theta ** ((-2 * i) / dHead)));
      const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
      for (let at = t * dModel + i; at < (t + 1) * dModel; at += dHead) {
        const [a, b] = [x[at], x[at + half]];
        x[at] = a * cos - b * sin;
        x[at + half] = b * cos + a * sin;
      }
    }
  return x;
}

/** Turn x into probabilities in place: exp(x), divided by its sum. */
export function softmax(x) {
  let most = -Infinity;
  for (const value of x) most = Math.max(most, value);
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += x[i] = Math.exp(x[i] - most);
  for (let i = 0; i < x.length; i++) x[i] /= sum;
  return x;
}

const add = (x, y) => x.map((value, i) => value + y[i]);

/** Collect the weights of one block, by their names in the file. */
function blockOf(tensors, layer) {
  const get = (name) => tensors[`model.layers.${layer}.${name}.weight`].data;
  const maps = Object.fromEntries(["q", "k", "v", "o"].map((name) => [name, get(`self_attn.${name}_proj`)]));
  return {
    ...maps,
    attentionNorm: get("input_layernorm"),
    queryNorm: get("self_attn.q_norm"),
    keyNorm: get("self_attn.k_norm"),
    mlpNorm: get("post_attention_layernorm"),
    gate: get("mlp.gate_proj"),
    up: get("mlp.up_proj"),
    down: get("mlp.down_proj"),
  };
}

/** What a model stores about a text: keys, values, head outputs, and every head's pattern as bytes. */
export class Cache {
  constructor({ nLayers, nHeads, dModel, context }) {
    const layers = () => Array.from({ length: nLayers }, () => new Float32Array(context * dModel));
    Object.assign(this, { ids: [], keys: layers(), values: layers(), z: layers() });
    const triangle = () => new Uint8Array((context * (context + 1)) / 2); // row by row: query 0, query 1, …
    this.patterns = Array.from({ length: nLayers * nHeads }, triangle);
  }

  /**
   * Forget everything after the beginning that the cached text shares with `ids`. Return the rest of `ids`, which is at
   * least one token, because the model has to read a token again to compute its logits.
   */
  keep(ids) {
    let common = 0;
    while (common < Math.min(this.ids.length, ids.length - 1) && this.ids[common] === ids[common]) common += 1;
    this.ids.length = common;
    return ids.slice(common);
  }

  /** Return the patterns of all heads for the text, head by head; each pattern is a lower triangle. */
  codes() {
    const size = (this.ids.length * (this.ids.length + 1)) / 2;
    const codes = new Uint8Array(this.patterns.length * size);
    this.patterns.forEach((pattern, k) => codes.set(pattern.subarray(0, size), k * size));
    return codes;
  }
}

/** A language model: it reads ids, and returns a score for every possible next token. */
export class Transformer {
  /** `config` and `tensors` are as in a model's folder on the Hugging Face hub. */
  constructor(config, tensors) {
    this.nLayers = config.num_hidden_layers;
    this.nHeads = config.num_attention_heads;
    this.dHead = config.head_dim;
    this.dModel = config.hidden_size;
    this.context = config.max_position_embeddings;
    this.theta = config.rope_theta;
    this.eps = config.rms_norm_eps;
    this.endId = config.eos_token_id;
    this.embedding = tensors["model.embed_tokens.weight"].data;
    this.unembedding = tensors["lm_head.weight"].data;
    this.finalNorm = tensors["model.norm.weight"].data;
    this.blocks = Array.from({ length: this.nLayers }, (_, layer) => blockOf(tensors, layer));
  }

  /**
   * Return the logits after each of `ids`, which continue the text in the cache; with `lastOnly`, only after the last.
   * `off(layer, head)` returns a vector that replaces the output of a head that is off, and null for all other heads.
   */
  forward(ids, cache, { lastOnly = true, off = null } = {}) {
    const { dModel } = this;
    if (!ids.length) throw new Error("A model needs at least one token. Write some text.");
    if (cache.ids.length + ids.length > this.context)
      throw new Error(`The text fills the model's context of ${this.context} tokens. Shorten the text.`);
    let x = new Float32Array(ids.length * dModel);
    ids.forEach((id, t) => x.set(this.embedding.subarray(id * dModel, (id + 1) * dModel), t * dModel));
    this.blocks.forEach((block, layer) => {
      const attended = this.attention(rmsNorm(x, block.attentionNorm, this.eps), block, layer, cache, off);
      x = add(x, attended);
      const normed = rmsNorm(x, block.mlpNorm, this.eps);
      const hidden = swiglu(linear(normed, block.gate, ids.length), linear(normed, block.up, ids.length));
      x = add(x, linear(hidden, block.down, ids.length));
    });
    cache.ids.push(...ids); // only now, so that an error before this line does not change the cache
    const rows = lastOnly ? 1 : ids.length;
    return linear(rmsNorm(x.subarray(x.length - rows * dModel), this.finalNorm, this.eps), this.unembedding, rows);
  }

  attention(x, block, layer, cache, off) {
    const { dModel, dHead, nHeads } = this;
    const n = x.length / dModel;
    const start = cache.ids.length;
    const place = (weight, norm) =>
      rotate(rmsNorm(linear(x, weight, n), norm, this.eps), start, dModel, dHead, this.theta);
    const queries = place(block.q, block.queryNorm);
    const [keys, values, z] = [cache.keys[layer], cache.values[layer], cache.z[layer]];
    keys.set(place(block.k, block.keyNorm), start * dModel);
    values.set(linear(x, block.v, n), start * dModel);
    for (let t = 0; t < n; t++)
      for (let head = 0; head < nHeads; head++) {
        const channels = head * dHead;
        const query = queries.subarray(t * dModel + channels, t * dModel + channels + dHead);
        const seen = start + t + 1; // the token itself and all tokens before it
        const weights = new Float32Array(seen);
        for (let k = 0; k < seen; k++) {
          let score = 0;
          for (let i = 0; i < dHead; i++) score += query[i] * keys[k * dModel + channels + i];
          weights[k] = score / Math.sqrt(dHead);
        }
        softmax(weights);
        const out = z.subarray((start + t) * dModel + channels, (start + t) * dModel + channels + dHead).fill(0);
        const instead = off?.(layer, head);
        if (instead) out.set(instead);
        const pattern = cache.patterns[layer * nHeads + head];
        const row = (seen * (seen - 1)) / 2;
        for (let k = 0; k < seen; k++) {
          pattern[row + k] = Math.round(CODE_OF_ONE * Math.sqrt(weights[k]));
          if (!instead) for (let i = 0; i < dHead; i++) out[i] += weights[k] * values[k * dModel + channels + i];
        }
      }
    return linear(z.subarray(start * dModel, (start + n) * dModel), block.o, n);
  }

  /** Return the mean of a head's output over the text in a cache. */
  meanOutput(cache, layer, head) {
    const mean = new Float32Array(this.dHead);
    const n = cache.ids.length;
    for (let t = 0; t < n; t++)
      for (let i = 0; i < this.dHead; i++) mean[i] += cache.z[layer][t * this.dModel + head * this.dHead + i] / n;
    return mean;
  }
}

const PARTS = { q: "self_attn.q_proj", k: "self_attn.k_proj", v: "self_attn.v_proj", o: "self_attn.o_proj" };
const MAPS = { ...PARTS, gate: "mlp.gate_proj", up: "mlp.up_proj", down: "mlp.down_proj" };

/**
 * Merge a LoRA into a model's weights: compute W + B A for every matrix that the adapter changes, and use the adapter's
 * rows in the embedding and the unembedding. Return a new set of tensors; unchanged tensors are shared.
 */
export function withAdapter(tensors, adapter, nLayers) {
  const tuned = { ...tensors };
  for (let layer = 0; layer < nLayers; layer++)
    for (const part of Object.values(MAPS)) {
      const name = `model.layers.${layer}.${part}`;
      const [a, b] = ["A", "B"].map((side) => adapter[`${name}.lora_${side}`]);
      if (!a) continue;
      const weight = tensors[`${name}.weight`];
      const [rank, dIn] = a.shape;
      const data = Float32Array.from(weight.data);
      for (let o = 0; o < b.shape[0]; o++)
        for (let r = 0; r < rank; r++) {
          const factor = b.data[o * rank + r];
          for (let i = 0; i < dIn; i++) data[o * dIn + i] += factor * a.data[r * dIn + i];
        }
      tuned[`${name}.weight`] = { ...weight, data };
    }
  for (const name of ["model.embed_tokens", "lm_head"]) {
    const rows = adapter[`${name}.rows`]; // the rows of the last tokens, which occur only in conversations
    if (!rows) continue;
    const weight = tensors[`${name}.weight`];
    const data = Float32Array.from(weight.data);
    data.set(rows.data, data.length - rows.data.length);
    tuned[`${name}.weight`] = { ...weight, data };
  }
  return tuned;
}
