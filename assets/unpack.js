const KINDS = { float32: Float32Array, int32: Int32Array, uint8: Uint8Array };

function unpack(packed) {
  const bytes = packed instanceof Uint8Array ? packed : new Uint8Array(packed);
  const length = new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const start = bytes.byteOffset + 4 + length;
  // Typed arrays must begin at a multiple of their size, which the transport does not promise.
  const whole = start % 8 ? bytes.slice(4 + length).buffer : bytes.buffer;
  const base = start % 8 ? 0 : start;
  const arrays = {};
  for (const [name, place] of Object.entries(header.arrays)) {
    const count = place.shape.reduce((product, side) => product * side, 1);
    arrays[name] = new KINDS[place.kind](whole, base + place.offset, count);
    arrays[name].shape = place.shape;
  }
  return { header, arrays };
}
