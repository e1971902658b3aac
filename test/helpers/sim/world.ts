/**
 * The scheduler of a simulated history: one queue of events in virtual time. What comes next, how long it takes and what
 * becomes of it is drawn from the seed; between two events every promise goes on as far as it can.
 */
import { deriveSeed, Random } from '../../../src/simulator/random.ts';
import { actors, settled } from './virtualTime.ts';

interface Event {
  readonly atMs: number;
  readonly order: number;
  /** Dropped when it is dead. */
  readonly actor: Actor | undefined;
  /** Answers false where nothing happened. */
  readonly run: () => unknown;
}

/** Thrown into code that goes on within a call after its process has died there. */
export class Crashed extends Error {
  override readonly name = 'Crashed';
}

const epochMs = Date.UTC(2026, 0, 5, 10);

export class World {
  readonly seed: number;
  /** For the scheduler: latencies and what becomes of calls. */
  readonly random: Random;
  readonly #events: Event[] = [];
  readonly #log: string[] | undefined;
  readonly violations: string[] = [];
  #order = 0;
  #nowMs = 0;
  events = 0;
  /** A process died, or a batch failed, with work half done. */
  interrupted = false;
  /** Once set, nothing fails any more. */
  calm = false;
  /** Of so many events of a process, one on average is its last; 0: none. */
  eventsToCrash = 0;

  /** @param traced keeps what happens as text, for a history that failed */
  constructor(seed: number, traced: boolean) {
    this.seed = seed;
    this.random = new Random(deriveSeed(seed, 1));
    this.#log = traced ? [] : undefined;
  }

  /** Since the history began, milliseconds. */
  get nowMs(): number {
    return this.#nowMs;
  }
  get wallMs(): number {
    return epochMs + this.#nowMs;
  }
  get traceLines(): readonly string[] {
    return this.#log ?? [];
  }

  trace(who: string, text: () => string): void {
    this.#log?.push(`${this.#nowMs.toFixed(2).padStart(10)} ${who.padEnd(12)} ${text()}`);
  }

  violate(text: string): void {
    this.trace('VIOLATION', () => text);
    this.violations.push(text);
  }

  /** @param run answers false where nothing happened: then nobody has to be waited for */
  after(ms: number, run: () => unknown, actor?: Actor): void {
    push(this.#events, { atMs: this.#nowMs + ms, order: this.#order++, actor, run });
  }

  #strikes(): boolean {
    return this.eventsToCrash > 0 && !this.calm && this.random.chance(1 / this.eventsToCrash);
  }

  /** Runs events until `done` says so, at most so long in virtual time. @returns whether it was done */
  async run(done: () => boolean, untilMs: number): Promise<boolean> {
    await settled();
    while (!done()) {
      if (this.violations.length > 0) return false;
      if ((this.#events[0]?.atMs ?? Number.POSITIVE_INFINITY) > untilMs) {
        this.#nowMs = untilMs;
        return done();
      }
      const event = pop(this.#events)!;
      this.#nowMs = Math.max(this.#nowMs, event.atMs);
      if (event.actor?.alive === false) continue;
      this.events++;
      if (event.actor !== undefined && this.#strikes()) event.actor.crash('between two steps');
      else if (event.run() !== false) await settled();
    }
    return true;
  }
}

/** One simulated process: what it holds in memory is gone when it dies; nothing it started goes on in it. */
export class Actor {
  readonly world: World;
  readonly name: string;
  /** How far its wall clock is off, milliseconds. */
  clockOffsetMs = 0;
  readonly #bornMs: number;
  #alive = true;
  onCrash: () => void = () => {};

  constructor(world: World, name: string) {
    this.world = world;
    this.name = name;
    this.#bornMs = world.nowMs;
  }

  get alive(): boolean {
    return this.#alive;
  }

  wallMs(): number {
    return Math.floor(this.world.wallMs + this.clockOffsetMs);
  }

  monotonicMs(): number {
    return 1000 + this.world.nowMs - this.#bornMs;
  }

  /** Runs code of the process. */
  run<T>(work: () => T): T {
    return actors.run(this, work);
  }

  crash(why: string): void {
    if (!this.#alive) return;
    this.world.trace(this.name, () => `CRASH ${why}`);
    this.#alive = false;
    this.onCrash();
  }

  /** Dies in the middle of a call that does not wait. */
  crashHere(why: string): never {
    this.crash(why);
    throw new Crashed(why);
  }
}

const before = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

function push(heap: Event[], event: Event): void {
  let at = heap.length;
  heap.push(event);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(event, heap[parent]!)) break;
    heap[at] = heap[parent]!;
    at = parent;
  }
  heap[at] = event;
}

function pop(heap: Event[]): Event | undefined {
  const first = heap[0];
  const last = heap.pop();
  if (first === undefined || last === undefined || heap.length === 0) return first;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
    if (!before(heap[child]!, last)) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = last;
  return first;
}
