/** Machines that run a role each, start it again when it died, and keep their disk. */
import { SimDisk } from './disk.ts';
import type { Engines, SimProcess } from './processes.ts';
import { Actor } from './world.ts';

export type StartRole = (actor: Actor, disk: SimDisk, onDead: () => void) => SimProcess;

/** A stop that takes longer is cut off, as the roles do. */
const stopMsMax = 20_000;

export class Machine {
  readonly name: string;
  readonly disk = new SimDisk();
  readonly #engines: Engines;
  readonly #start: StartRole;
  readonly #clockOffsetMs: number;
  readonly #onDown: (process: SimProcess) => void;
  process: SimProcess | undefined;
  stopping = false;
  #starts = 0;
  /** It has nothing left to do. */
  #stopped = false;

  constructor(
    name: string,
    engines: Engines,
    start: StartRole,
    options: { readonly clockOffsetMs: number; readonly onDown: (process: SimProcess) => void },
  ) {
    this.name = name;
    this.#engines = engines;
    this.#start = start;
    this.#clockOffsetMs = options.clockOffsetMs;
    this.#onDown = options.onDown;
  }

  get #world() {
    return this.#engines.kafka.world;
  }

  start(): void {
    if (this.process !== undefined) return;
    this.stopping = false;
    const actor = new Actor(this.#world, `${this.name}#${++this.#starts}`);
    actor.clockOffsetMs = this.#clockOffsetMs;
    actor.onCrash = () => {
      if (!this.#stopped) this.#world.interrupted = true;
      this.#stopped = false;
      this.#down(actor);
    };
    this.#world.trace(actor.name, () => 'starts');
    try {
      this.process = actor.run(() => this.#start(actor, this.disk, () => actor.crash('a subscription is dead')));
    } catch (error) {
      if (actor.alive) throw error;
    }
    if (!actor.alive) this.process = undefined;
  }

  crash(why: string): void {
    this.process?.actor.crash(why);
  }

  /** Stops it cleanly; it is started again later. */
  stop(): void {
    const { process } = this;
    if (process === undefined || this.stopping) return;
    this.stopping = true;
    const { actor } = process;
    this.#world.trace(actor.name, () => 'is to stop');
    void actor
      .run(() => process.stop())
      .then(() => {
        this.#stopped = actor.alive;
        actor.crash('stopped cleanly');
      });
    this.#world.after(stopMsMax, () => actor.crash('stopping took too long'), actor);
  }

  #down(actor: Actor): void {
    const { process } = this;
    this.process = undefined;
    this.#engines.kafka.lose(actor);
    if (process !== undefined) this.#onDown(process);
    const { random } = this.#world;
    this.#world.after(random.uniform(1, random.pick([10, 500, 5000])), () => this.start());
  }
}
