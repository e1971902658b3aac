/** Faults of the machine that a role runs on: its disk, its clock. */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expect } from 'vitest';
import type { Fault } from './faults.ts';
import type { RoleProcess } from '../roles.ts';

const run = promisify(execFile);
const lastsMs = 4_000;
const hourMs = 3_600_000;

/** No file of the process may grow beyond so many bytes; writing fails as on a full disk. Node ignores the signal that comes with it. */
async function limitFiles({ process: child }: RoleProcess, bytes: number | 'unlimited'): Promise<void> {
  await run('prlimit', ['--pid', String(child.pid), `--fsize=${bytes}:unlimited`]);
}

export const spoolDiskIsFull: Fault = {
  name: 'Kafka hangs while the disk of the spool is full',
  countedThroughout: true,
  async strike(world, history) {
    const [serve] = world.of('serve');
    if (serve === undefined) throw new Error('nobody serves');
    const before = history.answered.size;
    world.kafka.signal('SIGSTOP');
    await limitFiles(serve, 100_000);
    await sleep(lastsMs);
    expect(history.refused.get('not_recorded') ?? 0, `refusals after ${before} answers`).toBeGreaterThan(0);
    return async () => {
      world.kafka.signal('SIGCONT');
      await limitFiles(serve, 'unlimited');
    };
  },
};

export const clockIsSetBack: Fault = {
  name: 'the clocks of all roles are set back an hour, and forward again',
  countedThroughout: true,
  async strike(world) {
    world.setClocks(-hourMs);
    await sleep(lastsMs);
    return async () => world.setClocks(0);
  },
};
