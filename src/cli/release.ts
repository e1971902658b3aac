/** `holdfast release build|show|diff`: releases as files and as content-addressed bundles. */
import { Command } from 'commander';
import { loadEnvironment } from '../config/env.ts';
import type { ReleaseBundle } from '../releases/bundle.ts';
import { diffReleases } from '../releases/diff.ts';
import { ReleaseStore } from '../releases/store.ts';
import { releaseFailure, releaseNamed } from './releaseNamed.ts';

const store = (): ReleaseStore => {
  const { dataDir, models } = loadEnvironment();
  return new ReleaseStore(dataDir, models);
};

const bundleOf = (name: string): Promise<ReleaseBundle> => releaseNamed(name, loadEnvironment().dataDir);

function print(json: boolean, document: unknown, text: string): void {
  process.stdout.write(json ? `${JSON.stringify(document, null, 2)}\n` : `${text}\n`);
}

function buildCommand(): Command {
  return new Command('build')
    .argument(
      '[directory]',
      'directory with features.json, rules.json, lists.json, policy.json and model/',
      'config/default',
    )
    .description('check and compile a release directory and keep its bundle in the data directory')
    .option('--json', 'one JSON document on stdout', false)
    .action(async (directory: string, options: { json: boolean }) => {
      const bundle = await bundleOf(directory);
      const release = await store()
        .add(bundle)
        .catch((error: unknown) => {
          throw releaseFailure(error);
        });
      const summary = {
        id: release.id,
        features: release.features.names.length,
        rules: release.rules.rules.length,
        model: release.model === null ? null : { id: release.model.id, version: release.model.version },
      };
      const model = summary.model === null ? 'no model' : `model ${summary.model.id}`;
      print(options.json, summary, `${summary.id}\n${summary.features} features, ${summary.rules} rules, ${model}`);
    });
}

function showCommand(): Command {
  return new Command('show')
    .argument('[release]', 'id, beginning of an id, or directory; without it, the list of stored releases')
    .description('print a release bundle')
    .option('--json', 'one JSON document on stdout', false)
    .action(async (name: string | undefined, options: { json: boolean }) => {
      if (name === undefined) {
        const ids = store().ids();
        print(options.json, ids, ids.join('\n'));
        return;
      }
      print(true, await bundleOf(name), '');
    });
}

function diffCommand(): Command {
  return new Command('diff')
    .argument('<before>', 'id, beginning of an id, or directory')
    .argument('<after>', 'id, beginning of an id, or directory')
    .description('what changed between two releases')
    .option('--json', 'one JSON document on stdout', false)
    .action(async (before: string, after: string, options: { json: boolean }) => {
      const differences = diffReleases(await bundleOf(before), await bundleOf(after));
      const lines = differences.map(({ change, part, name }) => `${change} ${part}: ${name}`);
      print(options.json, differences, lines.length === 0 ? 'no difference' : lines.join('\n'));
    });
}

export function releaseCommand(): Command {
  return new Command('release')
    .description('build, show and compare releases')
    .addCommand(buildCommand())
    .addCommand(showCommand())
    .addCommand(diffCommand());
}
