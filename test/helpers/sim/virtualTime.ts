/**
 * Time for simulated processes. While a history runs, the clock and the timers of everything that runs inside of an actor
 * are the world's: product code needs no change, and an hour of it takes milliseconds. Everything else keeps real time.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Actor } from './world.ts';

/** Which simulated process runs now; promises carry it through every await. */
export const actors = new AsyncLocalStorage<Actor>();

const real = {
  setTimeout: globalThis.setTimeout,
  clearTimeout: globalThis.clearTimeout,
  setInterval: globalThis.setInterval,
  clearInterval: globalThis.clearInterval,
  setImmediate: globalThis.setImmediate,
  clearImmediate: globalThis.clearImmediate,
  dateNow: Date.now.bind(Date),
  performanceNow: performance.now.bind(performance),
};

/** A timer of a simulated process, as Node's own to whoever made it. */
class SimTimer {
  cancelled = false;

  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
  hasRef(): boolean {
    return true;
  }
}

function cancel<T>(realOne: (timer: T) => void): (timer: T) => void {
  return (timer) => {
    if (timer instanceof SimTimer) timer.cancelled = true;
    else realOne(timer);
  };
}

type Callback = (...args: unknown[]) => void;

function later(actor: Actor, callback: Callback, ms: number, args: readonly unknown[]): SimTimer {
  const timer = new SimTimer();
  actor.world.after(
    Math.max(1, ms),
    () => {
      if (timer.cancelled) return false;
      actors.run(actor, () => callback(...args));
      return true;
    },
    actor,
  );
  return timer;
}

function repeatedly(actor: Actor, callback: Callback, ms: number, args: readonly unknown[]): SimTimer {
  const timer = new SimTimer();
  const next = (): boolean => {
    if (timer.cancelled) return false;
    actors.run(actor, () => callback(...args));
    actor.world.after(Math.max(1, ms), next, actor);
    return true;
  };
  actor.world.after(Math.max(1, ms), next, actor);
  return timer;
}

function atOnce(actor: Actor, callback: Callback, args: readonly unknown[]): SimTimer {
  const timer = new SimTimer();
  actor.world.after(
    0,
    () => {
      if (timer.cancelled) return false;
      actors.run(actor, () => callback(...args));
      return true;
    },
    actor,
  );
  return timer;
}

const timers = {
  setTimeout(callback: Callback, ms = 1, ...args: unknown[]): unknown {
    const actor = actors.getStore();
    return actor === undefined ? real.setTimeout(callback, ms, ...args) : later(actor, callback, ms, args);
  },
  setInterval(callback: Callback, ms = 1, ...args: unknown[]): unknown {
    const actor = actors.getStore();
    return actor === undefined ? real.setInterval(callback, ms, ...args) : repeatedly(actor, callback, ms, args);
  },
  setImmediate(callback: Callback, ...args: unknown[]): unknown {
    const actor = actors.getStore();
    return actor === undefined ? real.setImmediate(callback, ...args) : atOnce(actor, callback, args);
  },
  clearTimeout: cancel(real.clearTimeout as (timer: unknown) => void),
  clearInterval: cancel(real.clearInterval as (timer: unknown) => void),
  clearImmediate: cancel(real.clearImmediate as (timer: unknown) => void),
};

/** Puts virtual time in the place of the real one. @returns puts it back */
export function installVirtualTime(): () => void {
  Object.assign(globalThis, timers);
  Date.now = () => actors.getStore()?.wallMs() ?? real.dateNow();
  performance.now = () => actors.getStore()?.monotonicMs() ?? real.performanceNow();
  return () => {
    const { dateNow, performanceNow, ...others } = real;
    Object.assign(globalThis, others);
    Date.now = dateNow;
    performance.now = performanceNow;
  };
}

/** Resolves when every promise that could go on has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    real.setImmediate(resolve);
  });
}
