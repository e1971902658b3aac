/**
 * Loaded into a role by NODE_OPTIONS: on SIGWINCH its wall clock is what it was, plus the milliseconds in the file that
 * TEST_CLOCK_FILE names. Clocks that are never set (performance.now(), timers) go on, as on a machine whose time is set.
 */
import { readFileSync } from 'node:fs';

const RealDate = Date;
let offsetMs = 0;

class SteppedDate extends RealDate {
  constructor(...args: ConstructorParameters<DateConstructor> | []) {
    if (args.length === 0) super(RealDate.now() + offsetMs);
    else super(...args);
  }

  static override now(): number {
    return RealDate.now() + offsetMs;
  }
}

globalThis.Date = SteppedDate as DateConstructor;
process.on('SIGWINCH', () => {
  offsetMs = Number(readFileSync(process.env['TEST_CLOCK_FILE'] ?? '', 'utf8'));
});
