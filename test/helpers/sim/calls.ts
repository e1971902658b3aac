/** A call of a simulated process to a simulated service: when it arrives, what becomes of it and of its reply. */
import type { Actor, World } from './world.ts';

/** Probabilities of what goes wrong with a call; 0 for all is a service that only takes its time. */
export interface CallFaults {
  /** Takes long. */
  readonly slow: number;
  /** Refused before it had any effect. */
  readonly refused: number;
  /** Had its effect, and is refused. */
  readonly lostReply: number;
  /** Neither effect nor reply, or the effect alone, perhaps after the caller has given up. */
  readonly silent: number;
  /** Sent twice by the client, with its effect both times. */
  readonly twice: number;
}

export const noFaults: CallFaults = { slow: 0, refused: 0, lostReply: 0, silent: 0, twice: 0 };

type Fate = 'ok' | 'refused' | 'lostReply' | 'silent' | 'twice';

/** Calls of one connection arrive, and are answered, in the order in which they were made. */
export class Lane {
  arrivesMs = 0;
  repliesMs = 0;
}

export interface CallOptions<T> {
  readonly actor: Actor;
  readonly what: string;
  readonly faults: CallFaults;
  /** Typical time there and back, milliseconds. */
  readonly latencyMs: number;
  readonly slowMs: number;
  /** After so long the client gives up. */
  readonly timeoutMs: number;
  readonly lane?: Lane;
  /** What it does to the service, at once. May throw: that is the service's answer. @param whole false: as much of it as an attempt that fails may have done */
  readonly effect: (whole: boolean) => T;
  readonly failure: (why: 'refused' | 'timeout') => Error;
}

function fateOf(world: World, { refused, lostReply, silent, twice }: CallFaults): Fate {
  if (world.calm) return 'ok';
  let draw = world.random.fraction();
  if ((draw -= refused) < 0) return 'refused';
  if ((draw -= lostReply) < 0) return 'lostReply';
  if ((draw -= silent) < 0) return 'silent';
  return draw - twice < 0 ? 'twice' : 'ok';
}

function latencyOf<T>(world: World, { faults, latencyMs, slowMs }: CallOptions<T>): number {
  const { random } = world;
  if (!world.calm && random.chance(faults.slow)) return random.uniform(latencyMs, slowMs);
  return random.uniform(0.1, 1) * latencyMs;
}

/** Makes the call. A process that is dead makes none and hears of none. */
export function call<T>(options: CallOptions<T>): Promise<T> {
  const { actor, what, lane, effect, failure, timeoutMs } = options;
  const { world } = actor;
  if (!actor.alive) return new Promise<never>(() => {});
  const { random } = world;
  const fate = fateOf(world, options.faults);
  const thereMs = latencyOf(world, options) / 2;
  const backMs = latencyOf(world, options) / 2;
  /** Whether it arrives although its sender died on the way. */
  const onItsWay = random.chance(0.5);
  const arrives = fate !== 'refused' && (fate !== 'silent' || random.chance(0.5));
  return new Promise<T>((resolve, reject) => {
    let over = false;
    const settle = (how: () => void, text: string): boolean => {
      if (over || !actor.alive) return false;
      over = true;
      world.trace(actor.name, () => `  ${what} ${text}`);
      how();
      return true;
    };
    const inOrder = (key: 'arrivesMs' | 'repliesMs', delayMs: number): number => {
      if (lane === undefined) return delayMs;
      lane[key] = Math.max(lane[key], world.nowMs + delayMs);
      return lane[key] - world.nowMs;
    };
    const answer = (how: () => void, text: string): void =>
      world.after(inOrder('repliesMs', backMs), () => settle(how, text), actor);
    const perform = (): boolean => {
      if (!actor.alive && !onItsWay) return false;
      world.trace(actor.name, () => `  ${what} takes effect${actor.alive ? '' : ' after its death'}`);
      try {
        const value = effect(fate !== 'lostReply' && fate !== 'silent');
        if (fate === 'twice') effect(true);
        if (fate === 'lostReply') answer(() => reject(failure('refused')), 'refused after its effect');
        else if (fate !== 'silent') answer(() => resolve(value), 'answered');
      } catch (error) {
        answer(
          () => reject(error instanceof Error ? error : new Error(String(error))),
          `answered with ${String(error)}`,
        );
      }
      // Whoever hears of it hears later.
      return false;
    };
    world.trace(actor.name, () => `${what}${fate === 'ok' ? '' : ` (${fate})`}`);
    world.after(timeoutMs, () => settle(() => reject(failure('timeout')), 'timed out'), actor);
    if (arrives) world.after(inOrder('arrivesMs', thereMs), perform);
    else if (fate === 'refused') answer(() => reject(failure('refused')), 'refused');
  });
}
