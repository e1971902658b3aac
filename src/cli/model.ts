/** `holdfast model import|add|list|show|challenge|withdraw|promote|compare`: the registry, and which models a release points to. */
import { Command } from 'commander';
import { loadEnvironment } from '../config/env.ts';
import { wrongUsage } from '../config/exit.ts';
import type { ModelArtefact } from '../models/types.ts';
import { modelVersion } from '../models/version.ts';
import type { ReleaseBundle } from '../releases/bundle.ts';
import { ModelStore } from '../releases/models.ts';
import { challenged, promoted, withdrawn } from '../releases/promotion.ts';
import { ReleaseStore } from '../releases/store.ts';
import { compareCommand } from './model/compare.ts';
import { importCommand } from './model/import.ts';
import { addDirectory, modelNamed } from './model/named.ts';
import { releaseFailure, releaseNamed } from './releaseNamed.ts';
import { defaultRelease } from './roles/run.ts';

interface Json {
  readonly json: boolean;
}

const short = (hash: string): string => hash.slice(0, 12);
const models = (): ModelStore => new ModelStore(loadEnvironment().dataDir);
const jsonOption = ['--json', 'one JSON document on stdout', false] as const;
const releaseOption = ['--release <id or directory>', 'the release to start from', defaultRelease] as const;

function print(json: boolean, document: unknown, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : `${text}\n`);
}

interface Place {
  readonly release: string;
  readonly role: 'champion' | 'challenger';
}

/** Runs an action; what is wrong with a model or a release is a sentence. */
async function telling(action: () => Promise<void> | void): Promise<void> {
  try {
    await action();
  } catch (error) {
    throw releaseFailure(error);
  }
}

/** Where each model version stands in the stored releases. */
function placesOf(releases: ReleaseStore): ReadonlyMap<string, readonly Place[]> {
  const places = new Map<string, Place[]>();
  const add = (model: ModelArtefact, place: Place): void => {
    const version = modelVersion(model);
    places.set(version, [...(places.get(version) ?? []), place]);
  };
  for (const release of releases.ids()) {
    const { model, challengers } = releases.read(release).bundle;
    if (model !== null) add(model, { release, role: 'champion' });
    for (const challenger of challengers ?? []) add(challenger, { release, role: 'challenger' });
  }
  return places;
}

function listCommand(): Command {
  return new Command('list')
    .description('the models in the data directory, and the releases that point to them')
    .option(...jsonOption)
    .action(({ json }: Json) =>
      telling(() => {
        const store = models();
        const places = placesOf(new ReleaseStore(loadEnvironment().dataDir));
        const rows = store.keys().map((key) => {
          const { id, version, artefact } = store.read(key);
          const { inputs, reference } = artefact.card;
          return {
            key,
            id,
            version,
            inputs: inputs.length,
            reference: reference !== undefined,
            releases: places.get(version) ?? [],
          };
        });
        const lines = rows.map(({ key, id, version, releases }) => {
          const where = releases.map(({ release, role }) => `${role} of ${short(release)}`).join(', ');
          return `${id}  version ${short(version)}  key ${short(key)}  ${where === '' ? 'in no release' : where}`;
        });
        print(json, rows, lines.length === 0 ? 'no model; `holdfast model add DIR` adds one' : lines.join('\n'));
      }),
    );
}

function addCommand(): Command {
  return new Command('add')
    .argument('<directory>', 'a model as `holdfast train` writes it')
    .description('keep a model in the data directory')
    .option(...jsonOption)
    .action((directory: string, { json }: Json) =>
      telling(async () => {
        const { key, id, version } = await addDirectory(models(), directory);
        print(json, { key, id, version }, `${id}  version ${short(version)}  key ${short(key)}`);
      }),
    );
}

function showCommand(): Command {
  return new Command('show')
    .argument('<model>', 'id, beginning of a version or key, or directory')
    .description('print the card of a model')
    .option(...jsonOption)
    .action((name: string, { json }: Json) =>
      telling(async () => {
        const { key, id, version, artefact } = await modelNamed(models(), name);
        const { card } = artefact;
        const facts = card.inputs.map(({ fact }) => `  ${fact}`).join('\n');
        print(
          json,
          { key, version, card },
          `${id}\nversion ${version}\nkey     ${key}\n${card.inputs.length} inputs\n${facts}`,
        );
      }),
    );
}

interface Change extends Json {
  readonly release: string;
  readonly keepChampion?: boolean;
}

type Changed = (bundle: ReleaseBundle, model: ModelArtefact, options: Change) => ReleaseBundle;

/** A release beside the one it starts from, which stays as it is. */
async function makeRelease(name: string, options: Change, changed: Changed): Promise<void> {
  const { dataDir } = loadEnvironment();
  const before = await releaseNamed(options.release, dataDir);
  const model = await modelNamed(new ModelStore(dataDir), name);
  const store = new ReleaseStore(dataDir);
  const from = await store.add(before);
  const { id, bundle } = await store.add(changed(before, model.artefact, options));
  if (id === from.id) throw wrongUsage(`The release ${short(id)} is so already.`);
  const versionOf = (artefact: ModelArtefact) => ({ id: artefact.card.id, version: modelVersion(artefact) });
  const document = {
    release: id,
    from: from.id,
    champion: bundle.model === null ? null : versionOf(bundle.model),
    challengers: (bundle.challengers ?? []).map(versionOf),
  };
  const challengers = document.challengers.map((one) => `${one.id} ${short(one.version)}`).join(', ');
  print(
    options.json,
    document,
    `${id}\nchampion ${document.champion?.id} ${short(document.champion?.version ?? '')}, ` +
      `challengers: ${challengers === '' ? 'none' : challengers}\n` +
      `Start it with \`holdfast up --release ${short(id)}\`; ${short(from.id)} stays as it is.`,
  );
}

function changeCommand(name: string, description: string, changed: Changed): Command {
  return new Command(name)
    .argument('<model>', 'id, beginning of a version or key, or directory')
    .description(description)
    .option(...releaseOption)
    .option(...jsonOption)
    .action((model: string, options: Change) => telling(() => makeRelease(model, options, changed)));
}

export function modelCommand(): Command {
  return new Command('model')
    .description('import, list, show, compare and promote models')
    .addCommand(importCommand())
    .addCommand(addCommand())
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(compareCommand())
    .addCommand(changeCommand('challenge', 'make a release that scores a model in shadow', challenged))
    .addCommand(changeCommand('withdraw', 'make a release without this challenger', withdrawn))
    .addCommand(
      changeCommand('promote', 'make a release with this model as its champion', (bundle, model, { keepChampion }) =>
        promoted(bundle, model, keepChampion === true),
      ).option('--keep-champion', 'the champion of before becomes a challenger', false),
    );
}
