/** Which code made a model: the product's version, and the commit where the code is a checkout. */
import { execFileSync } from 'node:child_process';
import { productVersion } from '../../config/version.ts';

const gitMsMax = 5000;

export function codeVersion(): string {
  const version = productVersion();
  try {
    const commit = execFileSync('git', ['rev-parse', '--short=12', 'HEAD'], {
      cwd: import.meta.dirname,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      timeout: gitMsMax,
    }).trim();
    return /^[0-9a-f]{12}$/.test(commit) ? `${version} (${commit})` : version;
  } catch {
    // No git, or an installed package: the version is all there is to say.
    return version;
  }
}
