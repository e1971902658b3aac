/**
 * What the scripts of src/adapters/redis do, over a map instead of inside Redis; the conformance suites of the real adapters
 * run on it (test/sim/redis.test.ts), so that it does not drift.
 */
import {
  appendScript,
  claimScript,
  labelScript,
  publishScript,
  replaceScript,
} from '../../../src/adapters/redis/scripts.ts';
import type { Script } from '../../../src/adapters/redis/scripts.ts';

type Argument = string | number | Buffer;
/** Values are strings of bytes or lists of them. */
export type RedisData = Map<string, Buffer | Buffer[]>;

const bytesOf = (argument: Argument | undefined): Buffer =>
  Buffer.isBuffer(argument) ? argument : Buffer.from(String(argument ?? ''));

function stringAt(data: RedisData, key: string): Buffer | undefined {
  const value = data.get(key);
  if (Array.isArray(value)) throw new Error('WRONGTYPE');
  return value;
}

function listAt(data: RedisData, key: string): Buffer[] {
  const value = data.get(key);
  if (Buffer.isBuffer(value)) throw new Error('WRONGTYPE');
  return value ?? [];
}

interface Plan {
  readonly recordBytes: number;
  readonly amountAt: number;
  readonly bucketBytes: number;
  readonly header: Buffer;
}

function planAt(plans: Buffer, plan: number): Plan {
  const at = plan * 28;
  return {
    recordBytes: plans.readUInt8(at),
    amountAt: plans.readUInt8(at + 1),
    bucketBytes: plans.readUInt16LE(at + 6),
    header: plans.subarray(at + 8, at + 28),
  };
}

/** An entity's value while records are appended to it. Offsets count from 0, unlike in Lua. */
class Entity {
  value: Buffer;
  readonly #amountAt: number;
  readonly first: number;
  width: number;

  constructor(value: Buffer, { amountAt, bucketBytes }: Plan) {
    this.value = value;
    this.#amountAt = amountAt;
    const shape = value.readUInt8(6);
    this.width = shape % 8;
    this.first = 25 + (Math.floor(shape / 8) % 16) * bucketBytes;
  }

  get stride(): number {
    return this.#amountAt + this.width;
  }

  has(id: Buffer, from: number): boolean {
    let found = this.value.indexOf(id, Math.max(from, this.first));
    while (found >= 0 && (found - this.first) % this.stride !== 0) found = this.value.indexOf(id, found + 1);
    return found >= 0;
  }

  widen(need: number): void {
    if (need <= this.width) return;
    const { value, stride, first } = this;
    const pad = Buffer.alloc(need - this.width);
    const parts: Buffer[] = [];
    for (let at = first; at < value.length; at += stride) parts.push(value.subarray(at, at + stride), pad);
    const head = Buffer.from(value.subarray(0, first));
    head.writeUInt32LE((head.readUInt32LE(0) + 1) % 2 ** 32, 0);
    head.writeUInt8(head.readUInt8(6) - this.width + need, 6);
    this.value = Buffer.concat([head, ...parts]);
    this.width = need;
  }
}

function append(data: RedisData, keys: readonly string[], args: readonly Argument[]): Buffer[] {
  const [plans, blob, seed] = [bytesOf(args[0]), bytesOf(args[1]), bytesOf(args[2])];
  let at = 0;
  return keys.map((key) => {
    const plan = planAt(plans, blob.readUInt8(at));
    const searchAll = blob.readUInt8(at + 1) >= 2;
    const generation = blob.subarray(at + 2, at + 6);
    const known = blob.readUInt32LE(at + 6);
    const records = blob.readUInt16LE(at + 10);
    at += 12;
    const width = Buffer.of(plan.header.readUInt8(1) % 8);
    const entity = new Entity(stringAt(data, key) ?? Buffer.concat([seed, width, plan.header]), plan);
    const isKnown = (): boolean =>
      known > 0 && known <= entity.value.length && entity.value.subarray(0, 4).equals(generation);
    let flags = '';
    for (let k = 0; k < records; k++) {
      const isTold = blob.readUInt8(at) >= 128;
      const from = isKnown() && !searchAll ? known : 0;
      if ((isTold && isKnown()) || entity.has(blob.subarray(at + 1, at + 11), from)) flags += '1';
      else {
        entity.widen(blob.readUInt8(at) % 128);
        entity.value = Buffer.concat([entity.value, blob.subarray(at + 1, at + 1 + entity.stride)]);
        flags += '0';
      }
      at += 1 + plan.recordBytes;
    }
    const { value } = entity;
    if (flags.includes('0')) data.set(key, value);
    const delta = isKnown();
    return Buffer.concat([Buffer.from((delta ? '1' : '0') + flags), delta ? value.subarray(known) : value]);
  });
}

function replace(data: RedisData, [key = '']: readonly string[], args: readonly Argument[]): number {
  const value = stringAt(data, key);
  const known = Number(args[1]);
  if (value === undefined || value.length < known || !value.subarray(0, 4).equals(bytesOf(args[0]))) return 0;
  data.set(key, Buffer.concat([bytesOf(args[2]), value.subarray(known)]));
  return 1;
}

function claim(data: RedisData, keys: readonly string[], args: readonly Argument[]): (Buffer | null)[] {
  const lengths = bytesOf(args[1]);
  const decisions = bytesOf(args[2]);
  let at = 0;
  return keys.map((key, i) => {
    const value = stringAt(data, key);
    const from = at;
    at += lengths.readUInt32LE(i * 4);
    const mine = decisions.subarray(from, at);
    if (value !== undefined) {
      const own = mine.length > 0 && value.subarray(1).equals(mine);
      return own ? Buffer.concat([Buffer.from('1'), value.subarray(0, 1)]) : Buffer.concat([Buffer.from('0'), value]);
    }
    if (mine.length === 0) return null;
    data.set(key, Buffer.concat([Buffer.from('0'), mine]));
    return Buffer.from('10');
  });
}

function publish(data: RedisData, keys: readonly string[]): number {
  for (const key of keys) {
    const value = stringAt(data, key);
    if (value?.[0] === 0x30) data.set(key, Buffer.concat([Buffer.from('1'), value.subarray(1)]));
  }
  return keys.length;
}

function label(data: RedisData, keys: readonly string[], args: readonly Argument[]): number[] {
  return keys.map((key, i) => {
    const known = listAt(data, key);
    const text = bytesOf(args[i + 2]);
    if (known.some((each) => each.equals(text))) return 0;
    data.set(key, [...known, text]);
    return 1;
  });
}

/** `step:GROUP` holds one line a member; see src/adapters/redis/stepMarks.ts. */
function exchange(
  data: RedisData,
  [key = '']: readonly string[],
  args: readonly Argument[],
  nowMs: number,
): Buffer | null {
  const [member = '', place = '', lifeMs = 0] = args;
  const others = listAt(data, key)
    .map((line) => line.toString().split(' '))
    .filter(([name, , until]) => name !== String(member) && Number(until) >= nowMs);
  const own = place === '' ? [] : [[String(member), String(place), String(nowMs + Number(lifeMs))]];
  data.set(
    key,
    [...others, ...own].map((line) => Buffer.from(line.join(' '))),
  );
  const places = others.map(([, other]) => Number(other));
  return places.length === 0 ? null : Buffer.from(String(Math.min(...places)));
}

export function runScript(
  { sha }: Script,
  data: RedisData,
  keys: readonly string[],
  args: readonly Argument[],
  nowMs: number,
): unknown {
  if (sha === appendScript.sha) return append(data, keys, args);
  if (sha === replaceScript.sha) return replace(data, keys, args);
  if (sha === claimScript.sha) return claim(data, keys, args);
  if (sha === publishScript.sha) return publish(data, keys);
  if (sha === labelScript.sha) return label(data, keys, args);
  return exchange(data, keys, args, nowMs);
}

export function runCommand(data: RedisData, command: string, args: readonly Argument[]): unknown {
  const [key = ''] = args.map(String);
  switch (command) {
    case 'GET':
      return stringAt(data, key) ?? null;
    case 'MGET':
      return args.map((each) => stringAt(data, String(each)) ?? null);
    case 'SET':
      data.set(key, bytesOf(args[1]));
      return Buffer.from('OK');
    case 'LRANGE':
      return [...listAt(data, key)];
    default:
      throw new Error(`the simulated Redis does not know ${command}`);
  }
}
