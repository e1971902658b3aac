/**
 * The least of a WebAssembly encoder: bodies of instructions, and one module with functions, one memory and exports.
 * Binary format: https://webassembly.github.io/spec/core/binary/. Only what the forward kernel needs is here; what it
 * does not know it cannot emit, and `new WebAssembly.Module` validates the rest.
 */
import { laneStores, memory, type PlainInstruction, plain, signed, simd, unsigned } from './instructions.ts';

export type ValueType = 'i32' | 'f64' | 'v128';
const valueTypes: Record<ValueType, number> = { i32: 0x7f, f64: 0x7c, v128: 0x7b };

/** One function: its locals and its instructions, appended in order. */
export class FunctionBody {
  readonly parameters: readonly ValueType[];
  readonly results: readonly ValueType[];
  private readonly locals: ValueType[] = [];
  private readonly code: number[] = [];

  constructor(parameters: readonly ValueType[], results: readonly ValueType[] = []) {
    this.parameters = parameters;
    this.results = results;
  }

  /** Declares a local and returns its index; parameters come first. */
  local(type: ValueType): number {
    this.locals.push(type);
    return this.parameters.length + this.locals.length - 1;
  }

  op(...names: PlainInstruction[]): this {
    for (const name of names) this.code.push(...plain[name]);
    return this;
  }

  /** `offset` is the constant part of the address; the variable part is on the stack. */
  access(name: keyof typeof memory, offset: number): this {
    const [opcode, alignment] = memory[name];
    this.code.push(...opcode, alignment, ...unsigned(offset));
    return this;
  }

  storeLane(name: keyof typeof laneStores, offset: number, lane: number): this {
    const [opcode, alignment] = laneStores[name];
    this.code.push(...opcode, alignment, ...unsigned(offset), lane);
    return this;
  }

  get(local: number): this {
    this.code.push(0x20, ...unsigned(local));
    return this;
  }

  set(local: number): this {
    this.code.push(0x21, ...unsigned(local));
    return this;
  }

  tee(local: number): this {
    this.code.push(0x22, ...unsigned(local));
    return this;
  }

  i32(value: number): this {
    this.code.push(0x41, ...signed(value));
    return this;
  }

  call(functionIndex: number): this {
    this.code.push(0x10, ...unsigned(functionIndex));
    return this;
  }

  /** Repeats what `body` emits until the i32 that it leaves on the stack is 0. */
  loop(body: () => void): this {
    this.code.push(0x03, 0x40);
    body();
    this.code.push(0x0d, 0x00, 0x0b);
    return this;
  }

  /** Runs what `body` emits when the i32 on the stack is not 0. */
  when(body: () => void): this {
    this.code.push(0x04, 0x40);
    body();
    this.code.push(0x0b);
    return this;
  }

  f64x2(value: number): this {
    return this.constant(new Uint8Array(new Float64Array([value, value]).buffer));
  }

  i64x2(first: bigint, second = first): this {
    return this.constant(new Uint8Array(new BigInt64Array([first, second]).buffer));
  }

  f32x4(value: number): this {
    return this.constant(new Uint8Array(new Float32Array([value, value, value, value]).buffer));
  }

  /** i8x16.shuffle: byte i of the result is byte `lanes[i]` of the two operands in a row. */
  shuffle(lanes: readonly number[]): this {
    this.code.push(...simd(0x0d), ...lanes);
    return this;
  }

  bytes(): number[] {
    const locals = this.locals.flatMap((type) => [1, valueTypes[type]]);
    const body = [...unsigned(this.locals.length), ...locals, ...this.code, 0x0b];
    return [...unsigned(body.length), ...body];
  }

  private constant(bytes: Uint8Array): this {
    this.code.push(...simd(0x0c), ...bytes);
    return this;
  }
}

const section = (id: number, items: readonly number[][]): number[] => {
  const content = [...unsigned(items.length), ...items.flat()];
  return [id, ...unsigned(content.length), ...content];
};
const text = (value: string): number[] => {
  const bytes = [...new TextEncoder().encode(value)];
  return [...unsigned(bytes.length), ...bytes];
};

/** A module of the functions in order (their index is their position), one memory of `pages` 64 kB pages, exported as `memory`. */
export function encodeModule(
  functions: readonly FunctionBody[],
  exported: Readonly<Record<string, number>>,
  pages: number,
): Uint8Array<ArrayBuffer> {
  const typeList = (types: readonly ValueType[]) => [
    ...unsigned(types.length),
    ...types.map((type) => valueTypes[type]),
  ];
  const exports = Object.entries(exported).map(([name, index]) => [...text(name), 0x00, ...unsigned(index)]);
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(
      1,
      functions.map((f) => [0x60, ...typeList(f.parameters), ...typeList(f.results)]),
    ),
    ...section(
      3,
      functions.map((_, index) => unsigned(index)),
    ),
    ...section(5, [[0x01, ...unsigned(pages), ...unsigned(pages)]]),
    ...section(7, [[...text('memory'), 0x02, 0x00], ...exports]),
    ...section(
      10,
      functions.map((f) => f.bytes()),
    ),
  ]);
}
