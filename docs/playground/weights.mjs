// Reads .safetensors files: eight bytes hold the length of the header, then come the header (JSON) and the numbers.

const SIZES = { BF16: 2, F32: 4 };

/** Convert bfloat16 to float32 without any loss: bfloat16 is the upper half of float32. */
export function fromBfloat16(halves) {
  const whole = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) whole[i] = halves[i] << 16;
  return new Float32Array(whole.buffer);
}

/** Return the shape of every tensor in a file, and its values as float32. Throw an `Error` if the file is cut off. */
export function readSafetensors(buffer) {
  const start = 8 + (buffer.byteLength < 8 ? Infinity : Number(new DataView(buffer).getBigUint64(0, true)));
  if (start > buffer.byteLength) throw new Error("The file of weights is cut off. Reload the page.");
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, start - 8)));
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const [from, to] = offsets.map((offset) => start + offset);
    const size = shape.reduce((product, n) => product * n, 1) * SIZES[dtype];
    if (to - from !== size || to > buffer.byteLength)
      throw new Error(`The weights of ${name} are cut off, or this page cannot read their type. Reload the page.`);
    const bytes = buffer.slice(from, to); // a copy, so that the numbers start at an aligned address
    tensors[name] = { shape, data: dtype === "BF16" ? fromBfloat16(new Uint16Array(bytes)) : new Float32Array(bytes) };
  }
  return tensors;
}
