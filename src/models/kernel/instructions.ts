/** The instructions that the kernel uses, as bytes, and the numbers between them (LEB128). */

export function unsigned(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest & 0x7f;
    rest >>>= 7;
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

export function signed(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

export const simd = (opcode: number): readonly number[] => [0xfd, ...unsigned(opcode)];

/** Instructions without an immediate. Vector instructions carry the prefix 0xfd; none is of the relaxed (non-deterministic) set. */
export const plain = {
  i32Add: [0x6a],
  i32Sub: [0x6b],
  i32Mul: [0x6c],
  i32ShrU: [0x76],
  i32LtU: [0x49],
  i32GeU: [0x4f],
  v128And: simd(0x4e),
  v128Or: simd(0x50),
  v128Bitselect: simd(0x52),
  f64x2Eq: simd(0x47),
  i64x2Shl: simd(0xcb),
  i64x2ShrU: simd(0xcd),
  i64x2Add: simd(0xce),
  f32x4Add: simd(0xe4),
  f32x4Mul: simd(0xe6),
  f32x4Pmax: simd(0xeb),
  f32x4DemoteF64x2Zero: simd(0x5e),
  f64x2PromoteLowF32x4: simd(0x5f),
  f64x2Abs: simd(0xec),
  f64x2Neg: simd(0xed),
  f64x2Add: simd(0xf0),
  f64x2Sub: simd(0xf1),
  f64x2Mul: simd(0xf2),
  f64x2Div: simd(0xf3),
  f64x2Pmin: simd(0xf6),
  f64x2Pmax: simd(0xf7),
} as const;
export type PlainInstruction = keyof typeof plain;

/** Instructions on memory: opcode, and the alignment as a power of two. */
export const memory = {
  i32Load: [[0x28], 2],
  v128Load: [simd(0x00), 4],
  v128Load32Splat: [simd(0x09), 2],
  v128Load32Zero: [simd(0x5c), 2],
  v128Load64Zero: [simd(0x5d), 3],
  v128Store: [simd(0x0b), 4],
} as const;
/** Stores of one lane: the lane follows the address. */
export const laneStores = { v128Store64Lane: [simd(0x5b), 3] } as const;
