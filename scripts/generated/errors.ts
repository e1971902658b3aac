/** docs/errors.md from the table of errors. */
import { errors } from '../../src/domain/errors.ts';
import { fieldProblems } from '../../src/domain/refusal.ts';

export function errorDocs(): string {
  const rows = Object.entries(errors).map(
    ([code, { status, title, detail, retryable }]) =>
      `| <a id="${code}"></a>\`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | **${title}.** ${detail} |`,
  );
  const fields = Object.entries(fieldProblems).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
  return `# Errors

Generated from src/domain/errors.ts and src/domain/refusal.ts by \`npm run generate\`. An answer that is not a success is
\`application/problem+json\` (RFC 9457) with one of these codes as \`code\`; dead letters carry them too. *Again* says whether the same request can succeed
later as it is.

| code | HTTP | again | |
|---|---|---|---|
${rows.join('\n')}

## Problems of fields
\`errors\` lists every bad field of a document with a JSON pointer (RFC 6901), one of these codes and a sentence. Values are never repeated.

| code | |
|---|---|
${fields.join('\n')}
`;
}
