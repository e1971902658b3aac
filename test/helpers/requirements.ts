/**
 * What a test needs from outside of the repository. Absent: the test is skipped and says why, except with CI=true, where an absent
 * requirement is a failure, so that no check is silently off there.
 *
 *   const handbook = requires('handbook');
 *   describe.skipIf(!handbook.met)('…', () => { readFile(handbook.path) … });
 */
import { existsSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { kafkaJars, findProgram, missing, serviceNames } from '../../scripts/services/install.ts';
import type { ServiceName } from '../../scripts/services/install.ts';
import { tfjsNodePath } from '../../src/models/tfjsNode.ts';

/** Where the public data sets live; not part of the product. */
const sharedDataDirectory = process.env['HOLDFAST_SHARED_DATA'] ?? resolve(import.meta.dirname, '../../../shared/data');

const dataSets = {
  handbook: 'handbook/transactions.csv.gz',
  amlsim: 'amlsim/transactions.csv.gz',
  cloudwalk: 'cloudwalk/transactions.csv.gz',
} as const;
const programs = { chromium: ['chromium', 'chromium-browser', 'google-chrome'] } as const;

export type Requirement = keyof typeof dataSets | keyof typeof programs | ServiceName | 'tfjs-node';
/** `path` is the data file, the program, or where Kafka's jars are. */
export type RequirementState =
  | { readonly met: true; readonly path: string }
  | { readonly met: false; readonly path: ''; readonly reason: string };

const isService = (what: Requirement): what is ServiceName => (serviceNames as readonly string[]).includes(what);

function find(what: Requirement): string | undefined {
  if (isService(what)) {
    if (missing(what) !== undefined) return undefined;
    return what === 'kafka' ? kafkaJars : findProgram('redis-server');
  }
  if (what === 'tfjs-node') return tfjsNodePath();
  const candidates =
    what in dataSets
      ? [join(sharedDataDirectory, dataSets[what as keyof typeof dataSets])]
      : (process.env['PATH'] ?? '')
          .split(delimiter)
          .flatMap((directory) => programs[what as keyof typeof programs].map((name) => join(directory, name)));
  return candidates.find((path) => existsSync(path));
}

function reasonOf(what: Requirement): string {
  if (isService(what)) return `${missing(what) ?? what}: \`npm run services -- install\` gets it`;
  if (what === 'tfjs-node') return 'tfjs-node is not installed: `npm run setup:tfjs-node` gets it';
  return what in dataSets ? `the data set ${what} is not at ${sharedDataDirectory}` : `${what} is not installed`;
}

export function requires(what: Requirement): RequirementState {
  const path = find(what);
  if (path !== undefined) return { met: true, path };
  const reason = reasonOf(what);
  if (process.env['CI'] === 'true') throw new Error(`${reason}, and with CI=true nothing may be skipped`);
  process.stderr.write(`skipped: ${reason}\n`);
  return { met: false, path: '', reason };
}
